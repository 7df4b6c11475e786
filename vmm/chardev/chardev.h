/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev/chardev.h - byte streams to the host: terminal, pty, file, socket. */
#pragma once

#include "core/loop.h"
#include "opt/opt.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How this works
 *
 * A Chardev is created from its options with everything opened (a missing path
 * fails the start, not the first write).  One consumer (serial port, console
 * port, monitor) attaches to it and gets calls on the loop it named.
 *
 * Output has a bounded buffer.  With CHARDEV_DROP, what does not fit and what
 * is written while nobody is connected is dropped, so a guest never waits for
 * a reader; without it chardev_write() takes less and @writable follows.
 * logfile= gets every byte either way.
 *
 * Input is read only while the consumer has room (@can_read); it calls
 * chardev_accept_input() when it has room again, so nothing is lost.
 */
typedef enum ChardevClass {
    CHARDEV_STDIO,
    CHARDEV_PTY,
    CHARDEV_FILE,
    CHARDEV_SOCKET,
    CHARDEV_LOG, /* redirect-to-log: lines to the VMM's log */
    CHARDEV_CLASS_MAX,
} ChardevClass;

extern const char *const chardev_class_names[CHARDEV_CLASS_MAX];

typedef struct ChardevConf {
    const char *id;
    ChardevClass cls;
    const char *path; /* file (or /dev/fdset/M), unix socket */
    const char *host; /* tcp; NULL 0.0.0.0 */
    uint16_t port;    /* tcp; 0: unix */
    bool server;
    bool nowait;
    bool wait, has_wait; /* QEMU's spelling of nowait: wait=off */
    bool append;         /* file: at its end; else from offset 0 */
    int fd; /* socket: listener (server) or connection, when @has_fd. Taken on
             * success. */
    bool has_fd;
    const char *logfile; /* gets all output; NULL none */
    bool logappend;      /* else truncated */
} ChardevConf;

/* Rows of each class, id included; what `-describe` and help print. */
extern const OptDesc *const chardev_opts[CHARDEV_CLASS_MAX];

/**
 * chardev_parse() - A -chardev value (the bag's name is the class)
 *
 * Strings are borrowed from the bag.
 */
int chardev_parse(const OptBag *bag, ChardevConf *ret_conf, Err *e);

typedef enum ChardevEvent {
    CHARDEV_OPENED, /* somebody is connected */
    CHARDEV_CLOSED, /* and gone again; unsent output was dropped */
} ChardevEvent;

typedef struct ChardevHandlers {
    /* Bytes the consumer takes now; 0 stops reading. NULL: discards input. */
    size_t (*can_read)(void *opaque);
    void (*read)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, ChardevEvent ev); /* may be NULL */
    /* Room again after chardev_write() took less than all. May be NULL. */
    void (*writable)(void *opaque);
    /* Descriptors received with the bytes that follow; the consumer owns them.
     * NULL: they are closed. */
    void (*fds)(void *opaque, const int *fds, size_t num);
} ChardevHandlers;

typedef enum ChardevFlags {
    CHARDEV_DROP = 1 << 0, /* never make the consumer wait */
    CHARDEV_RAW = 1 << 1,  /* stdio: terminal to raw mode, Ctrl-A X leaves */
} ChardevFlags;

typedef struct Chardev Chardev;

int chardev_new(Chardev **ret_cd, const ChardevConf *conf, Err *e);
/* Detached. Removes the unix socket it bound, restores the terminal. */
void chardev_free(Chardev *cd);

const char *chardev_id(const Chardev *cd);
ChardevClass chardev_class(const Chardev *cd);
bool chardev_is_server(const Chardev *cd);
bool chardev_connected(const Chardev *cd);
/* "/dev/pts/3", "unix:PATH,server=on", ...; for messages and queries. */
const char *chardev_filename(const Chardev *cd);
/* The slave of a pty, or NULL. */
const char *chardev_pty_path(const Chardev *cd);

/**
 * chardev_attach() - Become the consumer
 * @loop: everything happens on it from here on
 *
 * CHARDEV_OPENED may come before the return for what is connected already.
 * Return: -EBUSY when somebody else is attached
 */
int chardev_attach(Chardev *cd, Loop *loop, const ChardevHandlers *handlers,
                   void *opaque, unsigned flags, Err *e);
void chardev_detach(Chardev *cd);

/**
 * chardev_write() - Queue output
 *
 * Return: bytes taken (all of them with CHARDEV_DROP)
 */
size_t chardev_write(Chardev *cd, const void *buf, size_t len);
/* Bytes queued and not yet handed to the host. */
size_t chardev_pending(const Chardev *cd);
/* The consumer has room again. */
void chardev_accept_input(Chardev *cd);
/* Drop the connection (a server listens on); CHARDEV_CLOSED follows later. */
void chardev_disconnect(Chardev *cd);

/* What Ctrl-A X does on a stdio chardev attached with CHARDEV_RAW; called on
 * the consumer's loop. */
void chardev_set_escape(Chardev *cd, LoopFn *fn, void *opaque);

/* Puts the terminal back as it was; async-signal-safe, idempotent. */
void chardev_restore_terminal(void);
