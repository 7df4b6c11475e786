/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From C structs to frames and back. */
#include <config.h>

#include "rpc/codec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

void rpc_frame_free(RpcFrame *frame)
{
    if (!frame)
        return;
    for (guint i = 0; i < frame->nfds; i++)
        close(frame->fds[i]);
    g_free(frame->data);
    g_free(frame);
}

static void put_u32(guint8 *p, guint32 value)
{
    guint32 be = GUINT32_TO_BE(value);

    memcpy(p, &be, sizeof(be));
}

static guint32 get_u32(const guint8 *p)
{
    guint32 be;

    memcpy(&be, p, sizeof(be));
    return GUINT32_FROM_BE(be);
}

static gboolean type_has_fds(guint32 type)
{
    return type == RPC_TYPE_CALL_WITH_FDS || type == RPC_TYPE_REPLY_WITH_FDS;
}

static void header_encode(guint8 *p, gsize len, const RpcHeader *header,
                          guint nfds)
{
    put_u32(p, len);
    put_u32(p + 4, header->prog);
    put_u32(p + 8, header->vers);
    put_u32(p + 12, (guint32)header->proc);
    put_u32(p + 16, header->type);
    put_u32(p + 20, header->serial);
    put_u32(p + 24, header->status);
    if (type_has_fds(header->type))
        put_u32(p + 28, nfds);
}

static RpcFrame *frame_alloc(const RpcHeader *header, gsize payload, guint nfds)
{
    RpcFrame *frame = g_new0(RpcFrame, 1);

    frame->len = RPC_LEN_BYTES + RPC_HEADER_BYTES + payload;
    if (type_has_fds(header->type))
        frame->len += RPC_NFDS_BYTES;
    frame->data = g_malloc(frame->len);
    header_encode(frame->data, frame->len, header, nfds);
    return frame;
}

RpcFrame *rpc_frame_new_raw(const RpcHeader *header, gconstpointer data,
                            gsize len)
{
    RpcFrame *frame = frame_alloc(header, len, 0);

    if (len > 0)
        memcpy(frame->data + frame->len - len, data, len);
    return frame;
}

/* XDR functions take a pointer they may write through when decoding. */
static gboolean encode_into(const Codec *codec, gconstpointer data, guint8 *buf,
                            gsize len)
{
    XDR xdr;
    gboolean ok;

    xdrmem_create(&xdr, (char *)buf, len, XDR_ENCODE);
    ok = codec->proc(&xdr, (void *)data);
    xdr_destroy(&xdr);
    return ok;
}

RpcFrame *rpc_frame_new(const RpcHeader *header, const Codec *codec,
                        gconstpointer data, const int *fds, guint nfds,
                        GError **error)
{
    g_autoptr(RpcFrame) frame = NULL;
    gsize payload = 0;

    if (codec && codec->proc) {
        payload = xdr_sizeof(codec->proc, (void *)data);
        if (payload == 0 ||
            payload > RPC_MESSAGE_MAX - RPC_HEADER_BYTES - RPC_NFDS_BYTES) {
            vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                               "the result of procedure %d does not fit into "
                               "a message",
                               header->proc);
            return NULL;
        }
    }
    frame = frame_alloc(header, payload, nfds);
    if (payload > 0 &&
        !encode_into(codec, data, frame->data + frame->len - payload,
                     payload)) {
        vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                           "cannot encode the result of procedure %d",
                           header->proc);
        return NULL;
    }
    for (guint i = 0; i < nfds; i++)
        frame->fds[i] = fds[i];
    frame->nfds = nfds;
    return g_steal_pointer(&frame);
}

gboolean rpc_header_decode(const guint8 *data, gsize len, RpcHeader *ret_header,
                           guint *ret_nfds, gsize *ret_offset)
{
    gsize offset = RPC_LEN_BYTES + RPC_HEADER_BYTES;
    guint nfds = 0;

    if (len < offset)
        return FALSE;
    ret_header->prog = get_u32(data + 4);
    ret_header->vers = get_u32(data + 8);
    ret_header->proc = (gint32)get_u32(data + 12);
    ret_header->type = get_u32(data + 16);
    ret_header->serial = get_u32(data + 20);
    ret_header->status = get_u32(data + 24);
    if (type_has_fds(ret_header->type)) {
        if (len < offset + RPC_NFDS_BYTES)
            return FALSE;
        nfds = get_u32(data + offset);
        offset += RPC_NFDS_BYTES;
    }
    *ret_nfds = nfds;
    *ret_offset = offset;
    return nfds <= RPC_FDS_MAX;
}

gpointer codec_new(const Codec *codec)
{
    return codec->size ? g_malloc0(codec->size) : NULL;
}

void codec_free(const Codec *codec, gpointer value)
{
    if (!value)
        return;
    xdr_free(codec->proc, value);
    g_free(value);
}

gboolean codec_decode(const Codec *codec, const guint8 *data, gsize len,
                      gpointer *ret_value, GError **error)
{
    gpointer value = codec_new(codec);
    gboolean ok;
    XDR xdr;

    if (value) {
        xdrmem_create(&xdr, (char *)data, len, XDR_DECODE);
        ok = codec->proc(&xdr, value);
        xdr_destroy(&xdr);
        if (!ok) {
            codec_free(codec, value);
            return vir_error_set_from(error, VIR_FROM_RPC, VIR_ERR_RPC,
                                      "the message's payload cannot be "
                                      "decoded: it is too short, or over a "
                                      "limit of the protocol");
        }
    }
    *ret_value = value;
    return TRUE;
}

wire_str_opt wire_str_opt_new(const char *text)
{
    wire_str_opt opt;

    if (!text)
        return NULL;
    opt = g_new(wire_str, 1);
    *opt = g_strdup(text);
    return opt;
}

static wire_value *param_append(wire_params *params, const char *field,
                                int type)
{
    guint n = params->list.list_len;
    wire_param *param;

    /* doubles at each power of two */
    if ((n & (n - 1)) == 0)
        params->list.list_val =
            g_renew(wire_param, params->list.list_val, n ? 2 * n : 1);
    param = &params->list.list_val[n];
    memset(param, 0, sizeof(*param));
    param->field = g_strdup(field);
    param->value.type = type;
    params->list.list_len = n + 1;
    return &param->value;
}

void wire_params_add_int(wire_params *params, const char *field, int value)
{
    param_append(params, field, 1)->wire_value_u.i = value;
}

void wire_params_add_uint(wire_params *params, const char *field, guint value)
{
    param_append(params, field, 2)->wire_value_u.ui = value;
}

void wire_params_add_llong(wire_params *params, const char *field, gint64 value)
{
    param_append(params, field, 3)->wire_value_u.l = value;
}

void wire_params_add_ullong(wire_params *params, const char *field,
                            guint64 value)
{
    param_append(params, field, 4)->wire_value_u.ul = value;
}

void wire_params_add_double(wire_params *params, const char *field,
                            double value)
{
    param_append(params, field, 5)->wire_value_u.d = value;
}

void wire_params_add_bool(wire_params *params, const char *field,
                          gboolean value)
{
    param_append(params, field, 6)->wire_value_u.b = value ? 1 : 0;
}

void wire_params_add_string(wire_params *params, const char *field,
                            const char *value)
{
    param_append(params, field, 7)->wire_value_u.s = g_strdup(value);
}
