# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LIBRARIES += libdomain.a
libdomain_a_SOURCES = %D%/driver.h %D%/domain_priv.h \
	%D%/adopt.c \
	%D%/blockstats.c \
	%D%/config.c \
	%D%/console.c \
	%D%/control.c \
	%D%/define.c \
	%D%/domain.c \
	%D%/driver.c \
	%D%/driver_caps.c \
	%D%/events.c \
	%D%/exit_record.c %D%/exit_record.h \
	%D%/facts.c \
	%D%/job.c \
	%D%/monitor.c \
	%D%/paths.c \
	%D%/persist.c \
	%D%/prepare.c \
	%D%/proc.c \
	%D%/start.c \
	%D%/status.c \
	%D%/stop.c \
	%D%/strand.c \
	%D%/vmm_run.c
