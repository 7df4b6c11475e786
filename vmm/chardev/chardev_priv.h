/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev/chardev_priv.h - between the chardev core and its classes. */
#pragma once

#include "chardev/chardev.h"

#define CHARDEV_OUT_BYTES 65536 /* room for output nobody has taken yet */
#define CHARDEV_IN_BYTES  4096  /* most bytes given to a consumer at a time */
#define CHARDEV_MAX_FDS   16    /* descriptors in one message */

/*
 * What a class does.  Descriptors are in Chardev.in_fd and out_fd (equal for
 * sockets and ptys, -1 where there is none); the core watches them.
 */
typedef struct ChardevOps {
    /* Opens everything; called once. */
    int (*open)(Chardev *cd, const ChardevConf *conf, Err *e);
    /* A consumer came: connect, or watch for who does. May be NULL. */
    int (*start)(Chardev *cd, Err *e);
    void (*stop)(Chardev *cd);
    void (*close)(Chardev *cd);
    /* As read() and write(), but -errno; NULL: read(2), write(2). */
    ssize_t (*recv)(Chardev *cd, void *buf, size_t len);
    ssize_t (*send)(Chardev *cd, const void *buf, size_t len);
    /* Input ended (0 or an error from recv). */
    void (*hangup)(Chardev *cd);
    /* Changes input before the consumer sees it; returns the new length. */
    size_t (*filter)(Chardev *cd, uint8_t *buf, size_t len);
} ChardevOps;

struct Chardev {
    char *id; /* owned */
    ChardevClass cls;
    const ChardevOps *ops;
    char *filename; /* owned */
    bool server;
    int in_fd, out_fd; /* owned */
    int log_fd;        /* owned; -1 none */
    void *priv;        /* owned by the class */

    /* The consumer; its loop. */
    Loop *loop;
    const ChardevHandlers *handlers;
    void *opaque;
    unsigned flags;
    bool attached;
    bool connected;
    LoopFn *escape;
    void *escape_opaque;

    LoopFd in, out;   /* @out only when out_fd is another descriptor */
    bool in_unpolled; /* a regular file: read by posted work */
    Work in_work;
    Work hangup_work; /* chardev_disconnect() */

    uint8_t *buf; /* owned ring of CHARDEV_OUT_BYTES; NULL until needed */
    size_t head, pending;
    bool short_write; /* the consumer waits for writable() */
};

extern const ChardevOps chardev_stdio_ops;
extern const ChardevOps chardev_pty_ops;
extern const ChardevOps chardev_file_ops;
extern const ChardevOps chardev_socket_ops;
extern const ChardevOps chardev_log_ops;

/* recv() and send() by the two calls that the sandbox lets through. */
ssize_t chardev_sock_recv(int fd, void *buf, size_t len);
ssize_t chardev_sock_send(int fd, const void *buf, size_t len);
/* Somebody is there: events flow from now on. */
void chardev_opened(Chardev *cd);
/* Nobody is any more; output is dropped. */
void chardev_closed(Chardev *cd);
/* Watches descriptors for what can be done with them now. */
void chardev_watch(Chardev *cd);
void chardev_unwatch(Chardev *cd);
int chardev_name(Chardev *cd, Err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
