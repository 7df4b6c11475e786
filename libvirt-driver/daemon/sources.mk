# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = %D%/admin.c %D%/admin.h %D%/daemon.c %D%/daemon.h %D%/options.c %D%/options.h \
	%D%/process.c %D%/process.h %D%/settings.c %D%/settings.h \
	%D%/sockets.c %D%/sockets.h

sbin_PROGRAMS += virtstratovirtd
virtstratovirtd_SOURCES = %D%/main.c
virtstratovirtd_LDADD = libdaemon.a $(DRIVER_ALL)

# Units, configuration files, log rotation, manual page.
DAEMON_UNITS = %D%/units/virtstratovirtd.service \
	%D%/units/virtstratovirtd.socket %D%/units/virtstratovirtd-ro.socket \
	%D%/units/virtstratovirtd-admin.socket
DAEMON_USER_UNITS = %D%/units/user-virtstratovirtd.service \
	%D%/units/user-virtstratovirtd.socket
DAEMON_MADE = $(DAEMON_UNITS) $(DAEMON_USER_UNITS) \
	%D%/units/virtstratovirtd.logrotate
EXTRA_DIST += $(DAEMON_MADE:=.in) %D%/units/virtstratovirtd.conf \
	%D%/units/stratovirt.conf %D%/units/virtstratovirtd.default
CLEANFILES += $(DAEMON_MADE)
systemdsystemunit_DATA = $(DAEMON_UNITS)
man8_MANS = $(top_srcdir)/docs/man/virtstratovirtd.8
noinst_DATA = $(DAEMON_MADE)

$(DAEMON_MADE): %D%/sources.mk
	$(AM_V_GEN)$(MKDIR_P) %D%/units && \
	$(SED) -e 's|@sbindir[@]|$(sbindir)|g' \
	    -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	    -e 's|@localstatedir[@]|$(localstatedir)|g' \
	    -e 's|@runstatedir[@]|$(runstatedir)|g' \
	    $(srcdir)/$@.in > $@-t && mv $@-t $@

# Files under other names than their own, and configuration that an
# administrator may have changed, which is left alone.
install-data-local: $(DAEMON_MADE)
	$(MKDIR_P) "$(DESTDIR)$(systemduserunitdir)" \
	    "$(DESTDIR)$(sysconfdir)/libvirt" "$(DESTDIR)$(sysconfdir)/default" \
	    "$(DESTDIR)$(sysconfdir)/logrotate.d"
	for s in service socket; do \
	    $(INSTALL_DATA) %D%/units/user-virtstratovirtd.$$s \
	        "$(DESTDIR)$(systemduserunitdir)/virtstratovirtd.$$s" || exit 1; \
	done
	for f in virtstratovirtd.conf stratovirt.conf; do \
	    test -e "$(DESTDIR)$(sysconfdir)/libvirt/$$f" || \
	    $(INSTALL_DATA) $(srcdir)/%D%/units/$$f \
	        "$(DESTDIR)$(sysconfdir)/libvirt/$$f" || exit 1; \
	done
	test -e "$(DESTDIR)$(sysconfdir)/default/virtstratovirtd" || \
	    $(INSTALL_DATA) $(srcdir)/%D%/units/virtstratovirtd.default \
	        "$(DESTDIR)$(sysconfdir)/default/virtstratovirtd"
	$(INSTALL_DATA) %D%/units/virtstratovirtd.logrotate \
	    "$(DESTDIR)$(sysconfdir)/logrotate.d/virtstratovirtd"

uninstall-local:
	rm -f "$(DESTDIR)$(systemduserunitdir)/virtstratovirtd.service" \
	    "$(DESTDIR)$(systemduserunitdir)/virtstratovirtd.socket" \
	    "$(DESTDIR)$(sysconfdir)/libvirt/virtstratovirtd.conf" \
	    "$(DESTDIR)$(sysconfdir)/libvirt/stratovirt.conf" \
	    "$(DESTDIR)$(sysconfdir)/default/virtstratovirtd" \
	    "$(DESTDIR)$(sysconfdir)/logrotate.d/virtstratovirtd"

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/daemon/test_settings
tests_unit_daemon_test_settings_SOURCES = tests/unit/daemon/test_settings.c
tests_unit_daemon_test_settings_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_settings_LDADD = libdaemon.a $(DRIVER_ALL) $(TEST_LIBS)

# Runs ./virtstratovirtd, or the one that VIRTSTRATOVIRTD names.
check_PROGRAMS += tests/unit/daemon/test_daemon
tests_unit_daemon_test_daemon_SOURCES = tests/unit/daemon/test_daemon.c
tests_unit_daemon_test_daemon_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_daemon_test_daemon_LDADD = librawclient.a $(ROW_rpc) $(TEST_LIBS)
EXTRA_tests_unit_daemon_test_daemon_DEPENDENCIES = virtstratovirtd
endif
