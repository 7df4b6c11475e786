/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place that turns a GError into the error a client receives. */
#include <config.h>

#include "rpc/wire_error.h"

#include "util/error.h"

const Codec wire_error_codec = CODEC(wire_error);

/* A client's strings have a limit, and an error must always get through. */
#define ERROR_TEXT_MAX 65536

static wire_str_opt text_new(const char *text)
{
    g_autofree char *cut = g_strndup(text, ERROR_TEXT_MAX);

    return wire_str_opt_new(cut);
}

/* str1, str2, int1 and int2 depend on the kind of report. */
static void details_fill(wire_error *ret, const GError *error)
{
    gboolean has_detail = *error->message != '\0';

    ret->int1 = -1;
    ret->int2 = -1;
    if (vir_error_function(error)) {
        ret->str1 = text_new(vir_error_function(error));
        ret->str2 = text_new(vir_error_argument(error));
        ret->int1 = 0;
        ret->int2 = 0;
        return;
    }
    ret->str1 = text_new(vir_error_prefix(ret->code, has_detail));
    if (has_detail)
        ret->str2 = text_new(error->message);
    if (vir_error_errno(error))
        ret->int1 = vir_error_errno(error);
}

void wire_error_fill(wire_error *ret, const GError *error)
{
    g_autofree char *text = vir_error_text(error);

    ret->code = vir_error_code(error);
    ret->domain = vir_error_domain(error);
    ret->message = text_new(text);
    ret->level = VIR_ERR_ERROR;
    details_fill(ret, error);
}
