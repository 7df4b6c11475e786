# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libhost.a
libhost_a_SOURCES = %D%/cgroup.c %D%/cgroup.h \
	%D%/host.c %D%/host.h \
	%D%/host_cpu.c \
	%D%/host_files.c %D%/host_files.h \
	%D%/tap.c %D%/tap.h \
	%D%/vmm_probe.c %D%/vmm_probe.h
