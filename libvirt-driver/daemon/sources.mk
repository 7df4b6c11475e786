# SPDX-License-Identifier: LGPL-2.1-or-later
sbin_PROGRAMS += virtstratovirtd
virtstratovirtd_SOURCES = %D%/main.c
virtstratovirtd_LDADD = $(DRIVER_ALL)
