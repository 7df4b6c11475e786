# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libopt.a
libopt_a_SOURCES = %D%/opt.h
