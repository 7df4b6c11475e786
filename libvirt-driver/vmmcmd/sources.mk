# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libvmmcmd.a
libvmmcmd_a_SOURCES = \
	%D%/args.c %D%/args.h \
	%D%/vmmcmd.c %D%/vmmcmd.h
