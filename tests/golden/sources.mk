# SPDX-License-Identifier: LGPL-2.1-or-later

# Definitions to canonical XML and command lines, see driver_golden.c.
EXTRA_DIST += %D%/driver
if ENABLE_DRIVER
check_PROGRAMS += %D%/driver_golden
golden_driver_golden_SOURCES = %D%/driver_golden.c
golden_driver_golden_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(top_srcdir)/libvirt-driver $(GLIB_CFLAGS) $(LIBXML_CFLAGS) \
	$(LIBVIRT_CFLAGS) $(JANSSON_CFLAGS)
golden_driver_golden_LDADD = $(top_builddir)/libvirt-driver/libvmmcmd.a \
	$(top_builddir)/libvirt-driver/libconf.a \
	$(top_builddir)/libvirt-driver/libutil.a $(GLIB_LIBS) $(LIBXML_LIBS) \
	$(JANSSON_LIBS) -lpthread
endif

# Command lines of the VMM: what they mean, and what is said about wrong ones.
dist_check_SCRIPTS += %D%/vmm/golden %D%/vmm/process %D%/vmm/ref
EXTRA_DIST += %D%/vmm/e1.args %D%/vmm/e1.json %D%/vmm/e3.args \
	%D%/vmm/e3.json %D%/vmm/e20.args %D%/vmm/e20.json \
	%D%/vmm/manager.args %D%/vmm/manager.json %D%/vmm/devices.cases %D%/vmm/fail.cases
