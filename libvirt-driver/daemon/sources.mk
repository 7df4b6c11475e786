# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = %D%/daemon.c %D%/daemon.h %D%/options.c %D%/options.h \
	%D%/process.c %D%/process.h %D%/settings.c %D%/settings.h \
	%D%/sockets.c %D%/sockets.h

sbin_PROGRAMS += virtstratovirtd
virtstratovirtd_SOURCES = %D%/main.c
virtstratovirtd_LDADD = libdaemon.a $(DRIVER_ALL)
