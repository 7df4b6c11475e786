/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XDR functions that rpcgen makes of rpc/remote.x. */
#include <config.h>

#include "rpc/protocol.h"

/* A string that a handler left out is an error and not a crash, whatever the
 * library makes of it. */
static bool_t xdr_string_checked(XDR *xdr, char **text, u_int max)
{
    if (xdr->x_op == XDR_ENCODE && !*text)
        return FALSE;
    return xdr_string(xdr, text, max);
}

/* Generated text does not follow our warning flags. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wcast-function-type"
#include "rpc/remote_xdr.inc"
#pragma GCC diagnostic pop
