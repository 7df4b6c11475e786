/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's one error: a GError that carries what libvirt's wire wants.
 *
 * Every function that can fail takes a GError ** last and sets it with one of
 * the vir_error_set*() calls below.  GError.code is a virErrorNumber
 * (libvirt/virterror.h), GError.message the detail alone, one sentence without
 * libvirt's standard prefix ("Domain not found: " and so on): the prefix is
 * added once, when the error is logged or goes to a client.  The libvirt error
 * domain, function, argument and errno travel beside it.
 *
 * The setters return FALSE, so that `return vir_error_set(error, ...);` ends a
 * gboolean function.
 */
#pragma once

#include <glib.h>
#include <libvirt/virterror.h>

#define VIR_ERROR (vir_error_quark())

GQuark vir_error_quark(void);

/**
 * vir_error_set() - Report a failure of ours (domain VIR_FROM_QEMU)
 * @error: where to put it; NULL drops it
 * @code:  virErrorNumber
 * @fmt:   detail; NULL when libvirt's text for @code says it all
 *
 * Return: FALSE
 */
gboolean vir_error_set(GError **error, int code, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/**
 * vir_error_set_from() - Report a failure with an explicit libvirt domain
 * @error:  where to put it; NULL drops it
 * @domain: virErrorDomain, as VIR_FROM_DOM or VIR_FROM_XML
 * @code:   virErrorNumber
 * @fmt:    detail or NULL
 *
 * Return: FALSE
 */
gboolean vir_error_set_from(GError **error, int domain, int code,
                            const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/**
 * vir_error_set_errno() - Report a failed system call
 * @error:  where to put it; NULL drops it
 * @errnum: positive errno; its text is appended to the detail
 * @fmt:    what was tried, on what: "cannot open disk '/x'"
 *
 * Return: FALSE
 */
gboolean vir_error_set_errno(GError **error, int errnum, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/**
 * vir_error_set_arg() - Report an argument that an API call does not accept
 * @error:    where to put it; NULL drops it
 * @function: public API name, as "virDomainUndefineFlags"; static storage
 * @argument: name of the argument, "flags" or "ctl"; static storage
 * @fmt:      full text; clients see it without a prefix
 *
 * Return: FALSE
 */
gboolean vir_error_set_arg(GError **error, const char *function,
                           const char *argument, const char *fmt, ...)
    G_GNUC_PRINTF(4, 5);

/**
 * vir_error_set_no_support() - Report a call that this driver does not have
 * @error:    where to put it; NULL drops it
 * @function: public API name
 *
 * Return: FALSE
 */
gboolean vir_error_set_no_support(GError **error, const char *function);

/**
 * vir_error_check_flags() - Refuse flag bits that a call does not know
 * @flags:     what the client sent
 * @supported: every bit that is understood
 * @function:  public API name
 * @error:     set when there are other bits
 *
 * Return: TRUE when all of @flags is supported
 */
gboolean vir_error_check_flags(guint flags, guint supported,
                               const char *function, GError **error);

/**
 * vir_error_check_exclusive() - Refuse two flags that exclude each other
 * @flags:    what the client sent
 * @a:        first flag
 * @a_name:   its name for the message
 * @b:        second flag
 * @b_name:   its name for the message
 * @function: public API name
 * @error:    set when both are there
 *
 * Return: TRUE when at most one of them is set
 */
gboolean vir_error_check_exclusive(guint flags, guint a, const char *a_name,
                                   guint b, const char *b_name,
                                   const char *function, GError **error);

/* Is this our error with virErrorNumber @code? */
gboolean vir_error_is(const GError *error, int code);

/* The extra fields; an error of another GError domain gets defaults. */
int vir_error_domain(const GError *error);           /* virErrorDomain */
const char *vir_error_function(const GError *error); /* NULL: none */
const char *vir_error_argument(const GError *error); /* NULL: none */
int vir_error_errno(const GError *error);            /* 0: none */
int vir_error_code(const GError *error);             /* virErrorNumber */

/**
 * vir_error_prefix() - libvirt's standard text for an error number
 * @code:       virErrorNumber
 * @has_detail: a detail follows
 *
 * Return: static template with one "%s" when @has_detail, else the bare text
 */
const char *vir_error_prefix(int code, gboolean has_detail);

/**
 * vir_error_text() - The whole message as a client or the log shows it
 * @error: error
 *
 * Return: new string
 */
char *vir_error_text(const GError *error);

/* Is it an answer ("no such domain") rather than a fault?  Such errors are
 * logged at debug level only. */
gboolean vir_error_is_quiet(const GError *error);
