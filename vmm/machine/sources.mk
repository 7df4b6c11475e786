# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libmachine.a
libmachine_a_SOURCES = %D%/config.h %D%/machine.h
