# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libstats.a
libstats_a_SOURCES = %D%/stats.c %D%/stats.h
