/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chardev/stdio.c - standard input and output, a terminal among them.
 *
 * Descriptors 0 and 1 are shared with whoever started us, so O_NONBLOCK is not
 * set on them: terminals and pipes are opened once more through /proc, which
 * gives a description of our own; sockets use MSG_DONTWAIT; files never block.
 */
#include <config.h>

#include "chardev/chardev_priv.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 0x01 /* Ctrl-A */

typedef struct Stdio {
    bool in_socket, out_socket;
    bool terminal; /* we made it raw */
    bool escaped;  /* last byte was Ctrl-A */
} Stdio;

/* For chardev_restore_terminal(), which may run in a signal handler. */
static struct termios saved_termios;
static atomic_bool terminal_raw;

static bool stdio_used;

void chardev_restore_terminal(void)
{
    if (atomic_exchange(&terminal_raw, false))
        tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
}

static int own_fd(int fd, int access, bool *ret_socket)
{
    char path[32];
    struct stat st;
    int own = -1;

    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_socket = S_ISSOCK(st.st_mode);
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        own = open(path, access | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    }
    if (own < 0)
        own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return own < 0 ? -errno : own;
}

static int stdio_open(Chardev *cd, const ChardevConf *conf, Err *e)
{
    Stdio *s;

    if (stdio_used)
        return err_set(e, EBUSY, "only one chardev can be stdio");
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(e, ENOMEM, "out of memory");
    cd->priv = s;
    stdio_used = true;
    cd->out_fd = own_fd(STDOUT_FILENO, O_WRONLY, &s->out_socket);
    if (cd->out_fd < 0)
        return err_sys(e, -cd->out_fd, "cannot use standard output");
    /* Started without an input: there is just none. */
    cd->in_fd = own_fd(STDIN_FILENO, O_RDONLY, &s->in_socket);
    if (cd->in_fd < 0)
        cd->in_fd = -1;
    return 0;
}

static void stdio_close(Chardev *cd)
{
    if (!cd->priv)
        return;
    free(cd->priv);
    stdio_used = false;
}

/* From the background, changing our terminal would stop us. */
static bool in_foreground(void)
{
    pid_t group = tcgetpgrp(STDIN_FILENO);

    return group < 0 || group == getpgrp(); /* -1: it is not ours */
}

static void make_raw(Stdio *s)
{
    struct termios tio;

    if (!isatty(STDIN_FILENO) || !in_foreground() ||
        tcgetattr(STDIN_FILENO, &tio) < 0)
        return;
    saved_termios = tio;
    tio.c_iflag &=
        ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    tio.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    tio.c_cflag = (tio.c_cflag & ~(CSIZE | PARENB)) | CS8;
    tio.c_cc[VMIN] = 1;
    tio.c_cc[VTIME] = 0;
    s->terminal = true;
    atomic_store(&terminal_raw, true);
    tcsetattr(STDIN_FILENO, TCSANOW, &tio);
}

static int stdio_start(Chardev *cd, Err *e)
{
    if (cd->flags & CHARDEV_RAW)
        make_raw(cd->priv);
    chardev_opened(cd);
    return 0;
}

static void stdio_stop(Chardev *cd)
{
    Stdio *s = cd->priv;

    if (s->terminal)
        chardev_restore_terminal();
    s->terminal = false;
}

static ssize_t stdio_recv(Chardev *cd, void *buf, size_t len)
{
    Stdio *s = cd->priv;
    ssize_t n = s->in_socket ? chardev_sock_recv(cd->in_fd, buf, len)
                             : read(cd->in_fd, buf, len);

    return n < 0 ? -errno : n;
}

static ssize_t stdio_send(Chardev *cd, const void *buf, size_t len)
{
    Stdio *s = cd->priv;
    ssize_t n = s->out_socket ? chardev_sock_send(cd->out_fd, buf, len)
                              : write(cd->out_fd, buf, len);

    return n < 0 ? -errno : n;
}

/* End of input: output goes on. */
static void stdio_hangup(Chardev *cd)
{
    loop_fd_del(&cd->in);
    fd_close(&cd->in_fd);
}

/* Ctrl-A X leaves, Ctrl-A Ctrl-A is one Ctrl-A; anything else is the guest's.
 * The result is never longer than what the consumer has room for. */
static size_t stdio_filter(Chardev *cd, uint8_t *buf, size_t len)
{
    Stdio *s = cd->priv;
    size_t out = 0;

    if (!s->terminal)
        return len;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = buf[i];

        if (!s->escaped && c == ESCAPE) {
            s->escaped = true;
            continue;
        }
        if (s->escaped && (c == 'x' || c == 'X') && cd->escape)
            cd->escape(cd->escape_opaque);
        else
            buf[out++] = c;
        s->escaped = false;
    }
    return out;
}

const ChardevOps chardev_stdio_ops = {
    .open = stdio_open,
    .start = stdio_start,
    .stop = stdio_stop,
    .close = stdio_close,
    .recv = stdio_recv,
    .send = stdio_send,
    .hangup = stdio_hangup,
    .filter = stdio_filter,
};
