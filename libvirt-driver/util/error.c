/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver's one error: a GError that carries what libvirt's wire wants. */
#include <config.h>

#include "util/error.h"

#include <string.h>

typedef struct VirErrorPrivate {
    int domain;           /* virErrorDomain */
    int err_no;           /* positive errno, 0: none */
    const char *function; /* static, NULL: none */
    const char *argument; /* static, NULL: none */
} VirErrorPrivate;

static void vir_error_private_init(VirErrorPrivate *priv)
{
    priv->domain = VIR_FROM_QEMU;
}

static void vir_error_private_copy(const VirErrorPrivate *src,
                                   VirErrorPrivate *dest)
{
    *dest = *src;
}

static void vir_error_private_clear(VirErrorPrivate *priv)
{
    memset(priv, 0, sizeof(*priv));
}

G_DEFINE_EXTENDED_ERROR(VirError, vir_error)

/* code, text before the detail (NULL: none), text without a detail */
typedef struct ErrorText {
    int code;
    const char *with_detail;
    const char *bare;
} ErrorText;

#define SAME(text)  "" text ": %s", text
#define PLAIN(text) "%s", text

static const ErrorText error_texts[] = {
    { VIR_ERR_INTERNAL_ERROR, SAME("internal error") },
    { VIR_ERR_NO_MEMORY, SAME("out of memory") },
    { VIR_ERR_NO_SUPPORT,
      SAME("this function is not supported by the connection driver") },
    { VIR_ERR_NO_CONNECT, "no connection driver available for %s",
      "no connection driver available" },
    { VIR_ERR_INVALID_CONN, "invalid connection pointer in %s",
      "invalid connection pointer in" },
    { VIR_ERR_INVALID_DOMAIN, "invalid domain pointer in %s",
      "invalid domain pointer in" },
    { VIR_ERR_INVALID_ARG, SAME("invalid argument") },
    { VIR_ERR_OPERATION_FAILED, SAME("operation failed") },
    { VIR_ERR_OS_TYPE, "unknown OS type %s", "unknown OS type" },
    { VIR_ERR_NO_ROOT, "missing root device information in %s",
      "missing root device information" },
    { VIR_ERR_NO_SOURCE, "missing source information for device %s",
      "missing source information for device" },
    { VIR_ERR_NO_TARGET, "missing target information for device %s",
      "missing target information for device" },
    { VIR_ERR_NO_NAME, "missing name information in %s",
      "missing name information" },
    { VIR_ERR_NO_OS, "missing operating system information for %s",
      "missing operating system information" },
    { VIR_ERR_NO_DEVICE, "missing devices information for %s",
      "missing devices information" },
    { VIR_ERR_XML_ERROR, "XML error: %s", "XML description is invalid" },
    { VIR_ERR_OPERATION_DENIED, SAME("operation forbidden") },
    { VIR_ERR_XML_DETAIL, PLAIN("XML description is not well formed") },
    { VIR_ERR_SYSTEM_ERROR, PLAIN("system call error") },
    { VIR_ERR_RPC, PLAIN("RPC error") },
    { VIR_ERR_NO_DOMAIN, SAME("Domain not found") },
    { VIR_ERR_NO_NETWORK, SAME("Network not found") },
    { VIR_ERR_AUTH_FAILED, SAME("authentication failed") },
    { VIR_ERR_NO_STORAGE_POOL, SAME("Storage pool not found") },
    { VIR_ERR_NO_STORAGE_VOL, SAME("Storage volume not found") },
    { VIR_ERR_NO_NODE_DEVICE, SAME("Node device not found") },
    { VIR_ERR_NO_SECURITY_MODEL, SAME("Security model not found") },
    { VIR_ERR_OPERATION_INVALID, SAME("Requested operation is not valid") },
    { VIR_ERR_NO_NWFILTER, SAME("Network filter not found") },
    { VIR_ERR_INVALID_SECRET, SAME("Invalid secret") },
    { VIR_ERR_NO_SECRET, SAME("Secret not found") },
    { VIR_ERR_CONFIG_UNSUPPORTED, SAME("unsupported configuration") },
    { VIR_ERR_OPERATION_TIMEOUT, SAME("Timed out during operation") },
    { VIR_ERR_HOOK_SCRIPT_FAILED, SAME("Hook script execution failed") },
    { VIR_ERR_INVALID_DOMAIN_SNAPSHOT, SAME("Invalid domain snapshot") },
    { VIR_ERR_NO_DOMAIN_SNAPSHOT, SAME("Domain snapshot not found") },
    { VIR_ERR_ARGUMENT_UNSUPPORTED, SAME("argument unsupported") },
    { VIR_ERR_OPERATION_ABORTED, SAME("operation aborted") },
    { VIR_ERR_AUTH_CANCELLED, SAME("authentication cancelled") },
    { VIR_ERR_NO_DOMAIN_METADATA, SAME("metadata not found") },
    { VIR_ERR_OVERFLOW, SAME("numerical overflow") },
    { VIR_ERR_OPERATION_UNSUPPORTED, SAME("Operation not supported") },
    { VIR_ERR_AGENT_UNRESPONSIVE, SAME("Guest agent is not responding") },
    { VIR_ERR_RESOURCE_BUSY, SAME("resource busy") },
    { VIR_ERR_ACCESS_DENIED, SAME("access denied") },
    { VIR_ERR_XML_INVALID_SCHEMA,
      SAME("XML document failed to validate against schema") },
    { VIR_ERR_AUTH_UNAVAILABLE, SAME("authentication unavailable") },
    { VIR_ERR_DEVICE_MISSING, SAME("device not found") },
    { VIR_ERR_NO_DOMAIN_CHECKPOINT, SAME("Domain checkpoint not found") },
    { VIR_ERR_NO_HOSTNAME, SAME("no hostname found") },
    { VIR_ERR_MULTIPLE_DOMAINS, SAME("multiple matching domains found") },
};

static const ErrorText *error_text_find(int code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(error_texts); i++) {
        if (error_texts[i].code == code)
            return &error_texts[i];
    }
    return NULL;
}

const char *vir_error_prefix(int code, gboolean has_detail)
{
    const ErrorText *text = error_text_find(code);

    if (!text)
        return has_detail ? "%s" : "unknown error";
    return has_detail ? text->with_detail : text->bare;
}

static void error_take(GError **error, const VirErrorPrivate *fields, int code,
                       char *detail)
{
    VirErrorPrivate *priv;

    if (error) {
        g_return_if_fail(*error == NULL);
        *error = g_error_new_literal(VIR_ERROR, code, detail ? detail : "");
        priv = vir_error_get_private(*error);
        *priv = *fields;
    }
    g_free(detail);
}

static char *detail_format(const char *fmt, va_list args) G_GNUC_PRINTF(1, 0);

static char *detail_format(const char *fmt, va_list args)
{
    return fmt ? g_strdup_vprintf(fmt, args) : NULL;
}

gboolean vir_error_set(GError **error, int code, const char *fmt, ...)
{
    VirErrorPrivate fields = { .domain = VIR_FROM_QEMU };
    va_list args;

    va_start(args, fmt);
    error_take(error, &fields, code, detail_format(fmt, args));
    va_end(args);
    return FALSE;
}

gboolean vir_error_set_from(GError **error, int domain, int code,
                            const char *fmt, ...)
{
    VirErrorPrivate fields = { .domain = domain };
    va_list args;

    va_start(args, fmt);
    error_take(error, &fields, code, detail_format(fmt, args));
    va_end(args);
    return FALSE;
}

gboolean vir_error_set_errno(GError **error, int errnum, const char *fmt, ...)
{
    VirErrorPrivate fields = { .domain = VIR_FROM_QEMU, .err_no = errnum };
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, fmt);
    what = detail_format(fmt, args);
    va_end(args);
    error_take(error, &fields, VIR_ERR_SYSTEM_ERROR,
               g_strdup_printf("%s: %s", what, g_strerror(errnum)));
    return FALSE;
}

gboolean vir_error_set_arg(GError **error, const char *function,
                           const char *argument, const char *fmt, ...)
{
    VirErrorPrivate fields = { .domain = VIR_FROM_QEMU,
                               .function = function,
                               .argument = argument };
    va_list args;

    va_start(args, fmt);
    error_take(error, &fields, VIR_ERR_INVALID_ARG, detail_format(fmt, args));
    va_end(args);
    return FALSE;
}

gboolean vir_error_set_no_support(GError **error, const char *function)
{
    return vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_NO_SUPPORT, "%s",
                              function);
}

gboolean vir_error_check_flags(guint flags, guint supported,
                               const char *function, GError **error)
{
    if (!(flags & ~supported))
        return TRUE;
    return vir_error_set_arg(error, function, "flags",
                             "unsupported flags (0x%x) in function %s",
                             flags & ~supported, function);
}

gboolean vir_error_check_exclusive(guint flags, guint a, const char *a_name,
                                   guint b, const char *b_name,
                                   const char *function, GError **error)
{
    if (!(flags & a) || !(flags & b))
        return TRUE;
    return vir_error_set_arg(error, function, "ctl",
                             "Flags '%s' and '%s' are mutually exclusive",
                             a_name, b_name);
}

gboolean vir_error_is(const GError *error, int code)
{
    return error && error->domain == VIR_ERROR && error->code == code;
}

static const VirErrorPrivate *error_fields(const GError *error)
{
    static const VirErrorPrivate none = { .domain = VIR_FROM_QEMU };

    if (!error || error->domain != VIR_ERROR)
        return &none;
    return vir_error_get_private((GError *)error);
}

int vir_error_domain(const GError *error)
{
    return error_fields(error)->domain;
}

const char *vir_error_function(const GError *error)
{
    return error_fields(error)->function;
}

const char *vir_error_argument(const GError *error)
{
    return error_fields(error)->argument;
}

int vir_error_errno(const GError *error)
{
    return error_fields(error)->err_no;
}

int vir_error_code(const GError *error)
{
    if (!error || error->domain != VIR_ERROR)
        return VIR_ERR_INTERNAL_ERROR;
    return error->code;
}

char *vir_error_text(const GError *error)
{
    const char *prefix;
    GString *text;

    if (!*error->message)
        return g_strdup(vir_error_prefix(vir_error_code(error), FALSE));
    if (vir_error_function(error))
        return g_strdup(error->message);
    /* The templates hold exactly one "%s"; they are ours, not a client's. */
    prefix = vir_error_prefix(vir_error_code(error), TRUE);
    text = g_string_new(prefix);
    g_string_replace(text, "%s", error->message, 1);
    return g_string_free(text, FALSE);
}

gboolean vir_error_is_quiet(const GError *error)
{
    static const int quiet[] = {
        VIR_ERR_NO_DOMAIN,
        VIR_ERR_NO_NETWORK,
        VIR_ERR_NO_STORAGE_POOL,
        VIR_ERR_NO_STORAGE_VOL,
        VIR_ERR_NO_NODE_DEVICE,
        VIR_ERR_NO_NWFILTER,
        VIR_ERR_NO_SECRET,
        VIR_ERR_NO_DOMAIN_SNAPSHOT,
        VIR_ERR_NO_DOMAIN_CHECKPOINT,
        VIR_ERR_OPERATION_INVALID,
        VIR_ERR_NO_DOMAIN_METADATA,
        VIR_ERR_NO_HOSTNAME,
        VIR_ERR_NO_SUPPORT,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(quiet); i++) {
        if (vir_error_is(error, quiet[i]))
            return TRUE;
    }
    return FALSE;
}
