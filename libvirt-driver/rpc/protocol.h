/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Constants and layouts of the libvirt RPC protocol.
 *
 * A message is a length word (it counts itself), a header of six words, for
 * the two types with descriptors a count of these, and a payload.  See
 * rpc/remote.x for the payloads.
 */
#pragma once

/* glib first: both define TRUE and FALSE, with the same values */
#include <glib.h>

#include "rpc/remote_xdr.h"

#define RPC_LEN_BYTES    4u
#define RPC_HEADER_BYTES 24u
#define RPC_NFDS_BYTES   4u
/* length word excluded */
#define RPC_MESSAGE_MAX 33554432u
#define RPC_FDS_MAX     32u
/* payload of one stream packet */
#define RPC_STREAM_PACKET_MAX 262120u

#define RPC_PROGRAM_REMOTE    0x20008086u
#define RPC_PROGRAM_QEMU      0x20008087u
#define RPC_PROGRAM_LXC       0x00068000u
#define RPC_PROGRAM_ADMIN     0x06900690u
#define RPC_PROGRAM_KEEPALIVE 0x6b656570u
#define RPC_VERSION           1u

#define RPC_KEEPALIVE_PING 1
#define RPC_KEEPALIVE_PONG 2

typedef enum RpcType {
    RPC_TYPE_CALL,
    RPC_TYPE_REPLY,
    RPC_TYPE_MESSAGE,
    RPC_TYPE_STREAM,
    RPC_TYPE_CALL_WITH_FDS,
    RPC_TYPE_REPLY_WITH_FDS,
    RPC_TYPE_STREAM_HOLE,
    RPC_TYPE_MAX
} RpcType;

typedef enum RpcStatus {
    RPC_STATUS_OK,
    RPC_STATUS_ERROR,
    RPC_STATUS_CONTINUE,
    RPC_STATUS_MAX
} RpcStatus;

typedef enum RpcAuth {
    RPC_AUTH_NONE = 0,
    RPC_AUTH_SASL = 1,
    RPC_AUTH_POLKIT = 2
} RpcAuth;

typedef struct RpcHeader {
    guint32 prog;
    guint32 vers;
    gint32 proc;
    guint32 type; /* RpcType, unchecked */
    guint32 serial;
    guint32 status; /* RpcStatus, unchecked */
} RpcHeader;
