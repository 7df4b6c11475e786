/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit tests of chardev/: sockets, ptys, files, flow control, dropping. */
#include <config.h>

#include "chardev/chardev.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct User {
    Loop *loop;
    Chardev *cd;
    char dir[32];
    size_t room;
    char in[8192];
    size_t in_len;
    int opened, closed, writables;
    int fd; /* received */
} User;

static size_t can_read(void *opaque)
{
    return ((User *)opaque)->room;
}

static void on_read(void *opaque, const uint8_t *buf, size_t len)
{
    User *u = opaque;

    assert_true(len <= u->room);
    assert_true(u->in_len + len < sizeof(u->in));
    memcpy(u->in + u->in_len, buf, len);
    u->in_len += len;
    u->in[u->in_len] = 0;
    u->room -= len;
}

static void on_event(void *opaque, ChardevEvent ev)
{
    User *u = opaque;

    if (ev == CHARDEV_OPENED)
        u->opened++;
    else
        u->closed++;
}

static void on_writable(void *opaque)
{
    ((User *)opaque)->writables++;
}

static void on_fds(void *opaque, const int *fds, size_t num)
{
    assert_int_equal(num, 1);
    ((User *)opaque)->fd = fds[0];
}

static const ChardevHandlers handlers = {
    .can_read = can_read,
    .read = on_read,
    .event = on_event,
    .writable = on_writable,
    .fds = on_fds,
};

static int setup(void **state)
{
    User *u = calloc(1, sizeof(*u));
    Err e = ERR_INIT;

    alarm(30);
    u->fd = -1;
    u->room = 4096;
    strcpy(u->dir, "/tmp/chardev-XXXXXX");
    assert_non_null(mkdtemp(u->dir));
    assert_int_equal(loop_new(&u->loop, "test", &e), 0);
    *state = u;
    return 0;
}

static int teardown(void **state)
{
    User *u = *state;
    char cmd[64];

    chardev_free(u->cd);
    loop_free(u->loop);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", u->dir);
    if (system(cmd) != 0)
        return -1;
    free(u);
    return 0;
}

static int parse_new(User *u, const char *text, Err *e)
{
    ChardevConf conf;
    OptBag bag;
    int r = opt_bag_text(&bag, "-chardev", text, OPT_HEAD_NAME, NULL, e);

    if (r < 0)
        return r;
    r = chardev_parse(&bag, &conf, e);
    if (r == 0)
        r = chardev_new(&u->cd, &conf, e);
    opt_bag_fini(&bag);
    return r;
}

__attribute__((format(printf, 3, 4))) static void start(User *u, unsigned flags,
                                                        const char *fmt, ...)
{
    char text[256];
    Err e = ERR_INIT;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (parse_new(u, text, &e) < 0)
        fail_msg("%s", e.msg);
    if (chardev_attach(u->cd, u->loop, &handlers, u, flags, &e) < 0)
        fail_msg("%s", e.msg);
}

/* Turns the loop until @cond; alarm() is the deadline. */
#define WAIT(u, cond)                                                          \
    while (!(cond))                                                            \
    loop_turn((u)->loop, 100)

static int connect_to(User *u)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", u->dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static void socket_talks_to_one_at_a_time(void **state)
{
    User *u = *state;
    char buf[64];
    int a, b;

    start(u, 0, "socket,id=s,path=%s/s,server,nowait", u->dir);
    assert_false(chardev_connected(u->cd));
    a = connect_to(u);
    WAIT(u, u->opened == 1);
    b = connect_to(u); /* waits its turn */
    assert_int_equal(write(b, "second", 6), 6);
    assert_int_equal(write(a, "first", 5), 5);
    WAIT(u, u->in_len == 5);
    loop_turn(u->loop, 0);
    assert_string_equal(u->in, "first");
    assert_int_equal(chardev_write(u->cd, "answer", 6), 6);
    assert_int_equal(read(a, buf, sizeof(buf)), 6);
    close(a);
    WAIT(u, u->closed == 1 && u->opened == 2);
    WAIT(u, u->in_len == 11);
    assert_string_equal(u->in, "firstsecond");
    chardev_disconnect(u->cd);
    WAIT(u, u->closed == 2);
    assert_int_equal(read(b, buf, sizeof(buf)), 0);
    close(b);
}

static void socket_hands_over_descriptors(void **state)
{
    User *u = *state;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { "x", 1 };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    struct stat want, got;
    int fd, passed = open("/dev/null", O_RDONLY);

    start(u, 0, "socket,id=s,path=%s/s,server=on,wait=off", u->dir);
    fd = connect_to(u);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &passed, sizeof(int));
    assert_int_equal(sendmsg(fd, &msg, 0), 1);
    WAIT(u, u->in_len == 1);
    assert_true(u->fd >= 0);
    assert_int_equal(fstat(passed, &want), 0);
    assert_int_equal(fstat(u->fd, &got), 0);
    assert_int_equal(want.st_rdev, got.st_rdev);
    close(u->fd);
    close(passed);
    close(fd);
}

static void input_waits_for_room(void **state)
{
    User *u = *state;
    char text[100];
    int fd;

    u->room = 10;
    start(u, 0, "socket,id=s,path=%s/s,server,nowait", u->dir);
    fd = connect_to(u);
    memset(text, 'a', sizeof(text));
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    close(fd); /* what was sent before is not lost */
    WAIT(u, u->in_len == 10);
    for (int i = 0; i < 5; i++)
        loop_turn(u->loop, 0);
    assert_int_equal(u->in_len, 10);
    assert_int_equal(u->closed, 0);
    u->room = 4000;
    chardev_accept_input(u->cd);
    WAIT(u, u->closed == 1);
    assert_int_equal(u->in_len, 100);
}

static void output_is_bounded(void **state)
{
    User *u = *state;
    static char big[1 << 20];
    size_t taken, got = 0;
    ssize_t n;
    int fd;

    start(u, 0, "socket,id=s,path=%s/s,server,nowait", u->dir);
    fd = connect_to(u);
    WAIT(u, u->opened);
    taken = chardev_write(u->cd, big, sizeof(big));
    assert_true(taken < sizeof(big));
    assert_int_equal(chardev_write(u->cd, big, 1), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (got < taken) {
        n = read(fd, big, sizeof(big));
        if (n > 0)
            got += n;
        else
            loop_turn(u->loop, 100);
    }
    WAIT(u, u->writables == 1);
    assert_int_equal(chardev_pending(u->cd), 0);
    close(fd);
}

static void drop_never_waits(void **state)
{
    User *u = *state;
    static char big[1 << 20];
    int fd;

    start(u, CHARDEV_DROP, "socket,id=s,path=%s/s,server,nowait", u->dir);
    assert_int_equal(chardev_write(u->cd, "nobody", 6), 6);
    fd = connect_to(u);
    WAIT(u, u->opened);
    assert_int_equal(chardev_write(u->cd, big, sizeof(big)), sizeof(big));
    assert_int_equal(chardev_write(u->cd, big, sizeof(big)), sizeof(big));
    assert_true(chardev_pending(u->cd) <= 65536);
    close(fd);
    WAIT(u, u->closed);
    assert_int_equal(chardev_write(u->cd, big, sizeof(big)), sizeof(big));
}

static void inherited_listener(void **state)
{
    User *u = *state;
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int lfd = socket(AF_UNIX, SOCK_STREAM, 0), fd;

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", u->dir);
    assert_int_equal(bind(lfd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(lfd, 1), 0);
    fd = connect_to(u); /* before we exist */
    start(u, 0, "socket,id=s,fd=%d,server=on,wait=off", lfd);
    assert_int_equal(u->opened, 1); /* what is written now is not dropped */
    close(fd);
    chardev_free(u->cd);
    u->cd = NULL;
    assert_int_equal(access(sa.sun_path, F_OK), 0); /* not ours to remove */
}

static void stale_socket_is_replaced(void **state)
{
    User *u = *state;
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int lfd = socket(AF_UNIX, SOCK_STREAM, 0);
    Chardev *first;
    char text[192];
    Err e = ERR_INIT;

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", u->dir);
    assert_int_equal(bind(lfd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    close(lfd);
    start(u, 0, "socket,id=s,path=%s,server,nowait", sa.sun_path);
    first = u->cd;
    snprintf(text, sizeof(text), "socket,id=t,path=%s,server,nowait",
             sa.sun_path);
    assert_int_equal(parse_new(u, text, &e), -EADDRINUSE);
    assert_non_null(strstr(e.msg, "cannot bind socket"));
    chardev_free(first);
    assert_int_equal(access(sa.sun_path, F_OK), -1);
    u->cd = NULL;
}

static void pty_attach_detach_attach(void **state)
{
    User *u = *state;
    char buf[64];
    struct termios tio;
    int fd;

    start(u, CHARDEV_DROP, "pty,id=p");
    assert_int_equal(u->opened, 0);
    chardev_write(u->cd, "unseen", 6);
    for (int round = 1; round <= 3; round++) {
        u->in_len = 0;
        fd = open(chardev_pty_path(u->cd), O_RDWR | O_NOCTTY);
        assert_true(fd >= 0);
        assert_int_equal(tcgetattr(fd, &tio), 0);
        assert_int_equal(tio.c_lflag & (ECHO | ICANON), 0);
        WAIT(u, u->opened == round);
        chardev_write(u->cd, "hello\n", 6);
        assert_int_equal(read(fd, buf, sizeof(buf)), 6);
        assert_memory_equal(buf, "hello\n", 6);
        assert_int_equal(write(fd, "in\r", 3), 3);
        WAIT(u, u->in_len == 3);
        assert_memory_equal(u->in, "in\r", 3);
        close(fd);
        WAIT(u, u->closed == round);
        chardev_write(u->cd, "unseen", 6);
    }
}

static void file_content(const char *path, char *buf, size_t len)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, buf, len - 1);

    assert_true(n >= 0);
    buf[n] = 0;
    close(fd);
}

static void file_and_logfile(void **state)
{
    User *u = *state;
    char path[64], log[64], buf[64];

    snprintf(path, sizeof(path), "%s/out", u->dir);
    snprintf(log, sizeof(log), "%s/log", u->dir);
    for (int i = 0; i < 2; i++) {
        start(u, CHARDEV_DROP,
              "file,id=f,path=%s,append=%s,logfile=%s,logappend=on", path,
              i ? "on" : "off", log);
        assert_int_equal(u->opened, i + 1);
        chardev_write(u->cd, "line\n", 5);
        chardev_free(u->cd);
        u->cd = NULL;
    }
    file_content(path, buf, sizeof(buf));
    assert_string_equal(buf, "line\nline\n");
    file_content(log, buf, sizeof(buf));
    assert_string_equal(buf, "line\nline\n");
}

static void logfile_gets_what_nobody_reads(void **state)
{
    User *u = *state;
    char log[64], buf[64];

    snprintf(log, sizeof(log), "%s/log", u->dir);
    start(u, CHARDEV_DROP, "pty,id=p,logfile=%s", log);
    chardev_write(u->cd, "kept", 4);
    file_content(log, buf, sizeof(buf));
    assert_string_equal(buf, "kept");
}

static void stdio_reads_pipes(void **state)
{
    User *u = *state;
    int in[2], out[2], keep0 = dup(0), keep1 = dup(1);
    char buf[16];

    assert_int_equal(pipe(in) | pipe(out), 0);
    dup2(in[0], 0);
    dup2(out[1], 1);
    start(u, CHARDEV_DROP | CHARDEV_RAW, "stdio,id=c");
    dup2(keep0, 0);
    dup2(keep1, 1);
    assert_int_equal(u->opened, 1);
    assert_int_equal(write(in[1], "\001x", 2), 2); /* no terminal: no escape */
    WAIT(u, u->in_len == 2);
    close(in[1]); /* end of input is not the end */
    loop_turn(u->loop, 10);
    chardev_write(u->cd, "out", 3);
    assert_int_equal(read(out[0], buf, sizeof(buf)), 3);
    close(in[0]);
    close(out[0]);
    close(out[1]);
    close(keep0);
    close(keep1);
}

static void on_escape(void *opaque)
{
    ++*(int *)opaque;
}

static void stdio_makes_terminals_raw(void **state)
{
    User *u = *state;
    int keep0 = dup(0), keep1 = dup(1), escapes = 0, status;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios before, now;
    pid_t pid;

    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    /* a session of its own, whose terminal it is */
    pid = fork();
    if (pid == 0) {
        int fd;

        setsid();
        fd = open(ptsname(master), O_RDWR);
        dup2(fd, 0);
        dup2(fd, 1);
        tcgetattr(0, &before);
        start(u, CHARDEV_DROP | CHARDEV_RAW, "stdio,id=c");
        chardev_set_escape(u->cd, on_escape, &escapes);
        tcgetattr(0, &now);
        if (now.c_lflag & (ICANON | ECHO | ISIG))
            _exit(1);
        if (write(master, "a\001b\001\001c\001x", 8) != 8)
            _exit(2);
        WAIT(u, escapes == 1);
        if (u->in_len != 4 || memcmp(u->in, "ab\001c", 4) != 0)
            _exit(3);
        chardev_restore_terminal();
        tcgetattr(0, &now);
        _exit(now.c_lflag == before.c_lflag && now.c_iflag == before.c_iflag
                  ? 0
                  : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(master);
    close(keep0);
    close(keep1);
}

static void wrong_options(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "null,id=a", "no chardev class 'null'" },
        { "socket,id=a", "exactly one of path, port and fd" },
        { "socket,id=a,path=/tmp/x,port=5", "exactly one of" },
        { "socket,id=a,path=/tmp/x,server", "add nowait" },
        { "socket,id=a,path=/tmp/x,host=1.2.3.4", "host needs port" },
        { "socket,id=a,port=5,host=here,server,nowait", "not an IPv4" },
        { "socket,id=a,fd=0,server,nowait", "not a socket" },
        { "file,id=a,path=/nowhere/at/all", "/nowhere/at/all" },
        { "pty", "id" },
        { "pty,id=a,colour=red", "colour" },
    };
    User *u = *state;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        Err e = ERR_INIT;

        assert_true(parse_new(u, wrong[i].text, &e) < 0);
        if (!strstr(e.msg, wrong[i].says))
            fail_msg("%s: %s", wrong[i].text, e.msg);
    }
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(socket_talks_to_one_at_a_time),
        T(socket_hands_over_descriptors),
        T(input_waits_for_room),
        T(output_is_bounded),
        T(drop_never_waits),
        T(inherited_listener),
        T(stale_socket_is_replaced),
        T(pty_attach_detach_attach),
        T(file_and_logfile),
        T(logfile_gets_what_nobody_reads),
        T(stdio_reads_pipes),
        T(stdio_makes_terminals_raw),
        T(wrong_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
