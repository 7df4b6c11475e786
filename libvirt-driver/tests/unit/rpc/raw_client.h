/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client for tests that says exactly what it is told, byte by byte.
 *
 * Every read has a deadline, so that a test fails instead of hanging.
 */
#pragma once

#include "rpc/codec.h"

#define RAW_DEADLINE_MS 20000

typedef struct RawReply {
    RpcHeader header;
    guint8 *data; /* owned: whole frame */
    gsize len;
    gsize offset; /* of the payload */
    int fds[RPC_FDS_MAX];
    guint nfds;
} RawReply;

/* Connects to a UNIX socket; fails the test otherwise. */
int raw_connect(const char *path);
void raw_write(int fd, gconstpointer data, gsize len);
/* Sends one descriptor on one zero byte. */
void raw_write_fd(int fd, int passed);
/* A call with an encoded struct. */
void raw_call(int fd, guint32 prog, int proc, guint32 serial,
              const Codec *codec, gconstpointer args);
/* Any header with raw payload bytes. */
void raw_frame(int fd, const RpcHeader *header, gconstpointer data, gsize len);
/* Reads a frame with its descriptors; FALSE at end of file. */
gboolean raw_read(int fd, RawReply *reply);
void raw_reply_clear(RawReply *reply);
/* The same, but fails the test when it is not a reply of that status. */
void raw_expect(int fd, RawReply *reply, guint32 serial, RpcStatus status);
/* An error reply of that code whose message contains @text. */
void raw_expect_error(int fd, guint32 serial, int code, const char *text);
/* Decodes the payload; free with codec_free(). */
gpointer raw_decode(const RawReply *reply, const Codec *codec);
/* The server closes the connection without another frame. */
void raw_expect_closed(int fd);
/* Nothing to read for this moment, which other traffic has proved enough. */
gboolean raw_quiet(int fd);
