# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libmachine.a
libmachine_a_SOURCES = %D%/config.h %D%/devices.c %D%/devices.h \
	%D%/machine.c %D%/machine.h %D%/machine_priv.h %D%/microvm.c \
	%D%/objects.c %D%/query.c %D%/request.c %D%/vcpu.c
