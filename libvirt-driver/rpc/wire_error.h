/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place that turns a GError into the error a client receives. */
#pragma once

#include "rpc/codec.h"

extern const Codec wire_error_codec;

/* Fills @ret (zeroed) from @error; free with xdr_free or codec_free. */
void wire_error_fill(wire_error *ret, const GError *error);
