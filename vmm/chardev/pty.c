/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chardev/pty.c - pseudo terminal.
 *
 * The master shows a hang-up while nobody has the slave open; inotify on the
 * slave's node tells when somebody opens it.  In between, output is dropped,
 * so that whoever comes sees what is new.
 */
#include <config.h>

#include "chardev/chardev_priv.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

typedef struct Pty {
    int inotify_fd; /* owned */
    LoopFd opens;
} Pty;

/* No echo, no translation: bytes as the guest sends them. */
static int slave_raw(const char *path, Err *e)
{
    int fd CLEANUP(fd_close) = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios tio;

    if (fd < 0 || tcgetattr(fd, &tio) < 0)
        return err_sys(e, errno, "cannot open pty '%s'", path);
    cfmakeraw(&tio);
    if (tcsetattr(fd, TCSANOW, &tio) < 0)
        return err_sys(e, errno, "cannot set up pty '%s'", path);
    return 0;
}

static int watch_opens(Pty *pty, const char *path, Err *e)
{
    pty->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (pty->inotify_fd < 0 ||
        inotify_add_watch(pty->inotify_fd, path, IN_OPEN) < 0)
        return err_sys(e, errno, "cannot watch pty '%s' being opened", path);
    return 0;
}

static int pty_open(Chardev *cd, const ChardevConf *conf, Err *e)
{
    Pty *pty = calloc(1, sizeof(*pty));
    char path[64];
    int r;

    if (!pty)
        return err_set(e, ENOMEM, "out of memory");
    pty->inotify_fd = -1;
    cd->priv = pty;
    cd->in_fd = cd->out_fd =
        posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (cd->in_fd < 0 || grantpt(cd->in_fd) < 0 || unlockpt(cd->in_fd) < 0 ||
        ptsname_r(cd->in_fd, path, sizeof(path)) != 0)
        return err_sys(e, errno, "cannot make a pty");
    r = slave_raw(path, e);
    if (r == 0)
        r = watch_opens(pty, path, e);
    if (r == 0)
        r = chardev_name(cd, e, "%s", path);
    if (r == 0)
        log_info("chardev '%s' is %s", cd->id, path);
    return r;
}

static void pty_close(Chardev *cd)
{
    Pty *pty = cd->priv;

    if (pty)
        fd_close(&pty->inotify_fd);
    free(pty);
}

static void opens_ready(void *opaque, uint32_t events)
{
    char buf[4096];
    Chardev *cd = opaque;
    Pty *pty = cd->priv;

    while (read(pty->inotify_fd, buf, sizeof(buf)) > 0)
        ;
    chardev_opened(cd);
}

/*
 * Somebody may have opened the slave before there was a consumer; then the
 * event waits in the inotify descriptor.
 */
static int pty_start(Chardev *cd, Err *e)
{
    Pty *pty = cd->priv;

    return loop_fd_add(cd->loop, &pty->opens, pty->inotify_fd, EPOLLIN,
                       opens_ready, cd, e);
}

static void pty_stop(Chardev *cd)
{
    Pty *pty = cd->priv;

    loop_fd_del(&pty->opens);
}

/* The last one closed the slave. Not watched until it is opened again. */
static void pty_hangup(Chardev *cd)
{
    chardev_unwatch(cd);
    chardev_closed(cd);
}

const ChardevOps chardev_pty_ops = {
    .open = pty_open,
    .start = pty_start,
    .stop = pty_stop,
    .close = pty_close,
    .hangup = pty_hangup,
};
