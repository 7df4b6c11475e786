/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XDR functions that rpcgen makes of rpc/remote.x. */
#include <config.h>

#include "rpc/protocol.h"

/* Generated text does not follow our warning flags. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wcast-function-type"
#include "rpc/remote_xdr.inc"
#pragma GCC diagnostic pop
