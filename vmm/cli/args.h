/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/args.h - layer 1 of the command line: argv cut into options and values.
 */
#pragma once

#include "util/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * How this works
 *
 * Long options take one dash.  A token that starts with '-' must be an option
 * of the table; every other token is a value of the option before it.  Values
 * are counted for each option over the whole line, after cutting; what a value
 * means is layer 2 (opt/, cli/config.c).  Order matters only among the values
 * of one option.
 */
typedef enum ArgId {
    ARG_ACCEL,
    ARG_ACTION,
    ARG_ADD_FD,
    ARG_APPEND,
    ARG_BATTERY,
    ARG_BOOT,
    ARG_CAMERADEV,
    ARG_CHARDEV,
    ARG_CPU,
    ARG_D,
    ARG_DAEMONIZE,
    ARG_DESCRIBE,
    ARG_DEVICE,
    ARG_DISABLE_SECCOMP,
    ARG_DISPLAY,
    ARG_DRIVE,
    ARG_DRY_RUN,
    ARG_EXIT_RECORD,
    ARG_FREEZE,
    ARG_GLOBAL,
    ARG_H,
    ARG_HARDWARE_SIGNATURE,
    ARG_INCOMING,
    ARG_INITRD,
    ARG_KERNEL,
    ARG_M,
    ARG_MACHINE,
    ARG_MEM_PATH,
    ARG_MEM_PREALLOC,
    ARG_MOD_TEST,
    ARG_MON,
    ARG_MSG,
    ARG_NAME,
    ARG_NETDEV,
    ARG_NO_SHUTDOWN,
    ARG_NO_USER_CONFIG,
    ARG_NODEFAULTS,
    ARG_NOGRAPHIC,
    ARG_NUMA,
    ARG_OBJECT,
    ARG_OVERCOMMIT,
    ARG_PIDFILE,
    ARG_QMP,
    ARG_REALTIME,
    ARG_RTC,
    ARG_S,
    ARG_SANDBOX,
    ARG_SERIAL,
    ARG_SMBIOS,
    ARG_SMP,
    ARG_TRACE,
    ARG_USB,
    ARG_UUID,
    ARG_V,
    ARG_VNC,
    ARG_MAX,
} ArgId;

typedef enum ArgArity {
    ARITY_FLAG,     /* no value, once */
    ARITY_ONE,      /* exactly one value, once */
    ARITY_OPTIONAL, /* none or one value, once */
    ARITY_MANY,     /* one or more values, any number of times */
} ArgArity;

typedef struct ArgDesc {
    const char *name;  /* without the dash */
    const char *alias; /* second spelling, NULL none */
    ArgArity arity;
    bool repeats;      /* ARITY_FLAG: may be given again */
    bool ignored;      /* accepted for compatibility, no effect, not in help */
    const char *later; /* what this build lacks for it; NULL: works */
    const char *param; /* as help shows the value; NULL: none */
    const char *help;
} ArgDesc;

extern const ArgDesc arg_descs[ARG_MAX];

typedef struct Arg {
    unsigned given;      /* how often the option stood on the line */
    unsigned num;        /* values */
    const char **values; /* borrowed from argv; the array is ours */
} Arg;

typedef struct Args {
    Arg arg[ARG_MAX];
} Args;

/**
 * args_cut() - Cut argv into options and values
 *
 * Return: 0 or -EINVAL; @args needs args_fini() either way
 */
int args_cut(Args *args, int argc, char **argv, Err *e);

/* Are there as many values as each option takes? */
int args_check(const Args *args, Err *e);

void args_fini(Args *args);

/* The (first) value, "" when given without one, NULL when not given. */
const char *args_value(const Args *args, ArgId id);
bool args_given(const Args *args, ArgId id);

void args_print_help(FILE *out);
json_t *args_describe(void);
