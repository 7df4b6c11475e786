/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/command.h - rows of the command table and what handlers may use. */
#pragma once

#include "opt/opt.h"
#include "qmp/qmp.h"

typedef enum QmpClass {
    QMP_GENERIC_ERROR,
    QMP_COMMAND_NOT_FOUND,
    QMP_DEVICE_NOT_FOUND,
    QMP_DEVICE_NOT_ACTIVE,
    QMP_CLASS_MAX,
} QmpClass;

typedef struct Monitor Monitor;
typedef struct QmpCommand QmpCommand;

/* One request while it is carried out. */
typedef struct QmpCall {
    const QmpCommand *cmd;
    QmpServer *server; /* borrowed */
    Machine *machine;  /* borrowed */
    Monitor *mon;      /* borrowed; NULL: the client left */
    char *id;          /* owned: JSON text to echo, NULL none */
    json_t *ret;       /* owned: value to return; NULL is {} */
    QmpClass cls;      /* of the error, set before returning it */
} QmpCall;

#define QMP_PENDING 1 /* the handler calls qmp_call_done() later */

/**
 * QmpFn - A handler
 * @args: the row's struct, filled; strings are borrowed for the call
 *
 * Return: 0 and call->ret, QMP_PENDING, or -errno with @e
 */
typedef int QmpFn(QmpCall *call, const void *args, Err *e);

struct QmpCommand {
    const char *name;
    QmpFn *fn;
    const OptDesc *args; /* NULL: none */
    size_t args_size;
    bool lenient;    /* unknown arguments are ignored */
    unsigned states; /* run states it is allowed in, or-ed bits; 0: any */
    const char *doc;
};

#define QMP_IN(state) (1u << (state))

/* Rows stand beside their handlers; each array ends with a nameless row. */
extern const QmpCommand qmp_life_rows[];  /* life.c */
extern const QmpCommand qmp_query_rows[]; /* query.c */
extern const QmpCommand qmp_fds_rows[];   /* fds.c */
extern const QmpCommand qmp_qom_rows[];   /* qom.c */
extern const QmpCommand qmp_hmp_rows[];   /* hmp.c */

/* All rows sorted by name, ends with NULL; caller frees the array. */
const QmpCommand **qmp_command_list(void);
const QmpCommand *qmp_command_find(const char *name);

/* A MachineDoneFn whose opaque is the QmpCall: replies and frees it. */
void qmp_call_done(void *call, int r, const Err *e);

/* The oldest descriptor that came with the client's message, or -1. */
int qmp_call_take_fd(QmpCall *call);

/* Fails a call with a class of its own. Return: -@code */
int qmp_fail(QmpCall *call, QmpClass cls, Err *e, int code, const char *fmt,
             ...) __attribute__((format(printf, 5, 6)));

/* The introspection schema made from the rows; new reference. */
json_t *qmp_schema(void);
