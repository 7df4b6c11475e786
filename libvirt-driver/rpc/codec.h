/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From C structs to frames and back.
 *
 * A Codec is an XDR function with the size of its struct.  What decoding
 * allocates is plain malloc() memory (which g_malloc() is as well), so results
 * may be filled with g_strdup() and friends and are freed by codec_clear().
 */
#pragma once

#include "rpc/protocol.h"

typedef struct Codec {
    xdrproc_t proc; /* NULL: void */
    gsize size;     /* of the struct */
} Codec;

#define CODEC(type)                                                            \
    {                                                                          \
        (xdrproc_t) xdr_##type, sizeof(type)                                   \
    }
#define CODEC_VOID                                                             \
    {                                                                          \
        NULL, 0                                                                \
    }

/* A message on its way out or in: bytes and the descriptors that follow. */
typedef struct RpcFrame {
    guint8 *data; /* owned; starts with the length word */
    gsize len;
    int fds[RPC_FDS_MAX]; /* owned */
    guint nfds;
} RpcFrame;

void rpc_frame_free(RpcFrame *frame);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcFrame, rpc_frame_free)

/**
 * rpc_frame_new() - Encode a message
 * @header: type decides whether a descriptor count follows
 * @codec:  layout of @data; NULL or CODEC_VOID for an empty payload
 * @data:   struct to encode
 * @fds:    descriptors to send along; owned by the frame on success
 * @nfds:   their number, at most RPC_FDS_MAX
 * @error:  set when @data breaks a limit of the protocol
 */
RpcFrame *rpc_frame_new(const RpcHeader *header, const Codec *codec,
                        gconstpointer data, const int *fds, guint nfds,
                        GError **error);

/* A message with raw bytes, as stream packets have; @len is not checked. */
RpcFrame *rpc_frame_new_raw(const RpcHeader *header, gconstpointer data,
                            gsize len);

/**
 * rpc_header_decode() - Read header and descriptor count of a whole frame
 * @data:       frame, length word included
 * @len:        its bytes
 * @ret_header: header
 * @ret_nfds:   descriptors that follow the frame
 * @ret_offset: where the payload starts
 *
 * Return: FALSE: too short, or too many descriptors
 */
gboolean rpc_header_decode(const guint8 *data, gsize len, RpcHeader *ret_header,
                           guint *ret_nfds, gsize *ret_offset);

/**
 * codec_decode() - Decode a payload
 * @codec: layout
 * @data:  payload bytes, 4-byte aligned
 * @len:   their number; bytes behind the layout's end are ignored
 * @error: set when the payload does not have that layout
 *
 * @ret_value: new struct (NULL for void), to be freed by codec_free()
 *
 * Return: FALSE with @error set
 */
gboolean codec_decode(const Codec *codec, const guint8 *data, gsize len,
                      gpointer *ret_value, GError **error);

/* A zeroed struct of the codec's size, NULL for void. */
gpointer codec_new(const Codec *codec);
/* Frees the struct and all it points to; NULL is fine. */
void codec_free(const Codec *codec, gpointer value);

/* New wire forms of optional values; NULL stays NULL. */
wire_str_opt wire_str_opt_new(const char *text);
static inline const char *wire_str_opt_get(wire_str_opt text)
{
    return text ? *text : NULL;
}

/* ---- typed parameters ---- */

/* Appends one; the array grows as needed. */
void wire_params_add_int(wire_params *params, const char *field, int value);
void wire_params_add_uint(wire_params *params, const char *field, guint value);
void wire_params_add_llong(wire_params *params, const char *field,
                           gint64 value);
void wire_params_add_ullong(wire_params *params, const char *field,
                            guint64 value);
void wire_params_add_double(wire_params *params, const char *field,
                            double value);
void wire_params_add_bool(wire_params *params, const char *field,
                          gboolean value);
void wire_params_add_string(wire_params *params, const char *field,
                            const char *value);
