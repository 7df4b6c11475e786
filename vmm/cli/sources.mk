# SPDX-License-Identifier: LGPL-2.1-or-later
bin_PROGRAMS += stratovmm
stratovmm_SOURCES = %D%/main.c
stratovmm_LDFLAGS = $(AM_LDFLAGS) $(VMM_LDFLAGS)
stratovmm_LDADD = $(VMM_ALL)
