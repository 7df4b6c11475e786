/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtstratovirt-launch: becomes a VMM, with nothing it does not need.
 *
 * One thread, no libraries beyond libc, one way through: read the plan, do
 * its steps in order, exec.  The first step that fails is reported in one
 * sentence and ends the process.  See launch_proto.h for the plan.
 */
#include <config.h>

#include "security/launch_proto.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    EXIT_STEP = 125, /* reported */
    EXIT_NO_PLAN = 124,
};

typedef struct Plan {
    char *text; /* NUL-ended items */
    size_t len;
    int fds[LAUNCH_MAX_FDS];
    unsigned num_fds;
} Plan;

static void fail(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    send(LAUNCH_SOCKET, text, strlen(text), MSG_NOSIGNAL);
    _exit(EXIT_STEP);
}

/* ---- Reading the plan ------------------------------------------------- */

static void plan_take_fds(Plan *plan, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        if (plan->num_fds + n > LAUNCH_MAX_FDS)
            fail("the plan has too many descriptors");
        memcpy(plan->fds + plan->num_fds, CMSG_DATA(c), n * sizeof(int));
        plan->num_fds += n;
    }
}

/* Return: 0 once the plan is complete */
static int plan_read_message(Plan *plan)
{
    static char buf[LAUNCH_MESSAGE_BYTES];
    static union {
        char bytes[CMSG_SPACE(LAUNCH_FDS_PER_MESSAGE * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { buf, sizeof(buf) };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes) };
    ssize_t n;

    do
        n = recvmsg(LAUNCH_SOCKET, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        _exit(EXIT_NO_PLAN);
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        fail("the plan does not fit: the limit of open files may be too low");
    plan_take_fds(plan, &msg);
    if (buf[0] == LAUNCH_GO)
        return 0;
    if (plan->len + n > LAUNCH_MAX_PLAN_BYTES)
        fail("the plan is too long");
    plan->text = realloc(plan->text, plan->len + n);
    if (!plan->text)
        fail("out of memory");
    memcpy(plan->text + plan->len, buf + 1, n - 1);
    plan->len += n - 1;
    return 1;
}

static void plan_read(Plan *plan)
{
    while (plan_read_message(plan))
        ;
    if (plan->len == 0 || plan->text[plan->len - 1] != '\0')
        fail("the plan is malformed");
}

/* The item behind @item (NULL: the first) with this key; NULL: none left. */
static const char *plan_next(const Plan *plan, const char *key,
                             const char *item)
{
    size_t key_len = strlen(key);
    const char *p = item ? item + strlen(item) + 1 : plan->text;

    for (; p < plan->text + plan->len; p += strlen(p) + 1) {
        if (strncmp(p, key, key_len) == 0 && p[key_len] == '=')
            return p + key_len + 1;
    }
    return NULL;
}

static long parse_number(const char *text, const char *key)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || *end || end == text || value < 0)
        fail("the plan's %s=%s is no number", key, text);
    return value;
}

/* A number in the plan, or -1. */
static long plan_number(const Plan *plan, const char *key)
{
    const char *text = plan_next(plan, key, NULL);

    return text ? parse_number(text, key) : -1;
}

/* ---- Steps ------------------------------------------------------------ */

/* Descriptor i of the plan becomes LAUNCH_FIRST_FD + i; all else closes. */
static void place_fds(Plan *plan)
{
    unsigned end = LAUNCH_FIRST_FD + plan->num_fds;

    for (unsigned i = 0; i < plan->num_fds; i++) {
        int fd = fcntl(plan->fds[i], F_DUPFD, end);

        if (fd < 0)
            fail("cannot place %u descriptors: %s", plan->num_fds,
                 strerror(errno));
        close(plan->fds[i]);
        plan->fds[i] = fd;
    }
    for (unsigned i = 0; i < plan->num_fds; i++) {
        if (dup2(plan->fds[i], LAUNCH_FIRST_FD + i) < 0)
            fail("cannot place a descriptor: %s", strerror(errno));
    }
    if (syscall(SYS_close_range, end, ~0U, 0) < 0)
        fail("cannot close descriptors: %s", strerror(errno));
}

static void open_standard_fds(const Plan *plan)
{
    long log = plan_number(plan, "log");
    long out = plan_number(plan, "out");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        fail("cannot open '/dev/null': %s", strerror(errno));
    if (log < 0)
        log = null;
    if (dup2(null, 0) < 0 || dup2(out >= 0 ? out : log, 1) < 0 ||
        dup2(log, 2) < 0)
        fail("cannot set up standard descriptors: %s", strerror(errno));
    close(null);
}

/* Field 22 of /proc/self/stat; the name before it may hold anything. */
static unsigned long long own_start_time(void)
{
    char buf[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
    const char *p;

    if (n <= 0)
        fail("cannot read '/proc/self/stat': %s", strerror(errno));
    close(fd);
    buf[n] = '\0';
    p = strrchr(buf, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (!p)
        fail("cannot understand '/proc/self/stat'");
    return strtoull(p, NULL, 10);
}

static void read_boot_id(char *ret, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

    if (n <= 0)
        fail("cannot read the boot id: %s", strerror(errno));
    close(fd);
    ret[strcspn(ret, "\n")] = '\0';
    ret[n] = '\0';
}

static void write_pid_file(const Plan *plan)
{
    long fd = plan_number(plan, "pidfile");
    char boot_id[64] = "";
    char line[160];
    int len;

    if (fd < 0)
        return;
    read_boot_id(boot_id, sizeof(boot_id));
    boot_id[strcspn(boot_id, "\n")] = '\0';
    len = snprintf(line, sizeof(line), "%d %llu %s\n", (int)getpid(),
                   own_start_time(), boot_id);
    if (pwrite(fd, line, len, 0) != len)
        fail("cannot write the pid file: %s", strerror(errno));
    close(fd);
}

static void join_cgroups(const Plan *plan)
{
    const char *item = NULL;

    while ((item = plan_next(plan, "cgroup", item))) {
        int fd = parse_number(item, "cgroup");

        if (write(fd, "0", 1) != 1)
            fail("cannot join the guest's control group: %s", strerror(errno));
        close(fd);
    }
}

static void bind_file(const char *from, const char *to)
{
    int fd =
        open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        fail("cannot create '%s': %s", to, strerror(errno));
    close(fd);
    if (mount(from, to, NULL, MS_BIND, NULL) < 0)
        fail("cannot bind '%s': %s", from, strerror(errno));
}

/* The parent directories of @path below its first @skip characters. */
static void make_parents(char *path, size_t skip)
{
    for (char *p = strchr(path + skip, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            fail("cannot create '%s': %s", path, strerror(errno));
        *p = '/';
    }
}

/* "/dev/X/Y" -> DIR/X/Y, a node that belongs to the guest's user alone. */
static void dev_place(const Plan *plan, const char *dir, const char *dev)
{
    char path[PATH_MAX];
    struct stat st;
    long uid = plan_number(plan, "uid");
    long gid = plan_number(plan, "gid");

    if (strncmp(dev, "/dev/", 5) != 0 || strstr(dev, "/../"))
        fail("the plan's dev=%s is not below /dev", dev);
    if (snprintf(path, sizeof(path), "%s/%s", dir, dev + 5) >=
        (int)sizeof(path))
        fail("the path '%s' is too long", dev);
    if (stat(dev, &st) < 0)
        fail("cannot find '%s': %s", dev, strerror(errno));
    make_parents(path, strlen(dir) + 1);
    if (access(path, F_OK) == 0)
        return; /* one of those that every guest has */
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) {
        bind_file(dev, path);
        return;
    }
    if (mknod(path, (st.st_mode & S_IFMT) | 0600, st.st_rdev) < 0 ||
        (uid >= 0 && chown(path, uid, gid) < 0))
        fail("cannot create '%s': %s", path, strerror(errno));
}

/* A node of our own; where none may be made, the host's is bound.  A bound
 * ptmx does not find its devpts: there a link stands in for it. */
static void dev_make(const char *dir, const char *name, unsigned dev_major,
                     unsigned dev_minor)
{
    char path[PATH_MAX];
    char host[64];

    snprintf(host, sizeof(host), "/dev/%s", name);
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        fail("the path '%s' is too long", dir);
    if (mknod(path, S_IFCHR | 0666, makedev(dev_major, dev_minor)) == 0)
        return;
    if (errno != EPERM)
        fail("cannot create '%s': %s", path, strerror(errno));
    if (strcmp(name, "ptmx") != 0)
        bind_file(host, path);
    else if (symlink("pts/ptmx", path) < 0)
        fail("cannot create '%s': %s", path, strerror(errno));
}

static void build_dev(const Plan *plan, const char *dir)
{
    static const struct {
        const char *name;
        unsigned dev_major, dev_minor; /* the kernel's devices.txt */
    } nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                  { "random", 1, 8 }, { "urandom", 1, 9 }, { "ptmx", 5, 2 } };
    char pts[PATH_MAX];
    const char *item = NULL;

    if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NOEXEC,
              "mode=0755,size=1m") < 0)
        fail("cannot mount the guest's /dev: %s", strerror(errno));
    umask(0);
    for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
        dev_make(dir, nodes[i].name, nodes[i].dev_major, nodes[i].dev_minor);
    while ((item = plan_next(plan, "dev", item)))
        dev_place(plan, dir, item);
    if (snprintf(pts, sizeof(pts), "%s/pts", dir) >= (int)sizeof(pts))
        fail("the path '%s' is too long", dir);
    if (mkdir(pts, 0755) < 0 || mount("/dev/pts", pts, NULL, MS_BIND, NULL) < 0)
        fail("cannot bind '/dev/pts': %s", strerror(errno));
    if (mount(dir, "/dev", NULL, MS_MOVE, NULL) < 0)
        fail("cannot move the guest's /dev into place: %s", strerror(errno));
    umask(0077);
}

static void enter_namespace(const Plan *plan)
{
    const char *dir = plan_next(plan, "namespace", NULL);

    if (!dir)
        return;
    if (unshare(CLONE_NEWNS) < 0)
        fail("cannot make a mount namespace (%s): set namespaces = 0 in "
             "stratovirt.conf where the daemon may not",
             strerror(errno));
    /* Slave, so that unmounting on the host still reaches us. */
    if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        fail("cannot detach the mounts of the namespace: %s", strerror(errno));
    build_dev(plan, dir);
}

static void set_limits(const Plan *plan)
{
    long nofile = plan_number(plan, "nofile");
    struct rlimit none = { 0, 0 };

    if (nofile >= 0) {
        struct rlimit lim;

        if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
            fail("cannot read limits: %s", strerror(errno));
        lim.rlim_cur =
            (rlim_t)nofile < lim.rlim_max ? (rlim_t)nofile : lim.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
            fail("cannot limit descriptors: %s", strerror(errno));
    }
    if (setrlimit(RLIMIT_CORE, &none) < 0)
        fail("cannot limit core files: %s", strerror(errno));
}

static void drop_bounding_set(void)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
            fail("cannot drop capability %d: %s", cap, strerror(errno));
    }
}

static void drop_ids(const Plan *plan)
{
    long uid = plan_number(plan, "uid");
    long gid = plan_number(plan, "gid");

    if (uid < 0 || gid < 0)
        return;
    drop_bounding_set();
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0)
        fail("cannot become user %ld and group %ld (%s): choose uid_range, or "
             "user and group, in stratovirt.conf so that they exist here",
             uid, gid, strerror(errno));
}

static void drop_capabilities(const Plan *plan)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct none[2] = { 0 };

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 &&
        errno != EINVAL)
        fail("cannot clear ambient capabilities: %s", strerror(errno));
    if (plan_number(plan, "uid") >= 0 && syscall(SYS_capset, &head, none) < 0)
        fail("cannot clear capabilities: %s", strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("cannot set no_new_privs: %s", strerror(errno));
}

/* Done as the guest's user: SO_PEERCRED of a client then names this process. */
static void start_listening(const Plan *plan)
{
    const char *item = NULL;

    while ((item = plan_next(plan, "listen", item))) {
        if (listen(parse_number(item, "listen"), 16) < 0)
            fail("cannot listen for the guest's monitor: %s", strerror(errno));
    }
}

/* All values of a key as a NULL-ended array. */
static char **plan_list(const Plan *plan, const char *key)
{
    const char *item = NULL;
    size_t n = 0;
    char **list;

    while ((item = plan_next(plan, key, item)))
        n++;
    list = calloc(n + 1, sizeof(*list));
    if (!list)
        fail("out of memory");
    for (size_t i = 0; i < n; i++) {
        item = plan_next(plan, key, item);
        list[i] = (char *)item;
    }
    return list;
}

/* By system call, for libc keeps two signals to itself and leaves them
 * ignored in a spawned process; zeros mean the default in struct sigaction. */
static void reset_signals(void)
{
    static const unsigned long default_action[8];
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        syscall(SYS_rt_sigaction, sig, default_action, NULL, sizeof(uint64_t));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
    static Plan plan;
    char **vmm_argv;
    char **vmm_env;

    if (argc != 1 || fcntl(LAUNCH_SOCKET, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "%s is started by virtstratovirtd only\n",
                argc > 0 ? argv[0] : "virtstratovirt-launch");
        return EXIT_NO_PLAN;
    }
    umask(0077);
    plan_read(&plan);
    place_fds(&plan);
    if (chdir("/") < 0)
        fail("cannot change to '/': %s", strerror(errno));
    write_pid_file(&plan);
    join_cgroups(&plan);
    open_standard_fds(&plan);
    enter_namespace(&plan);
    set_limits(&plan);
    drop_ids(&plan);
    drop_capabilities(&plan);
    start_listening(&plan);
    reset_signals();
    vmm_argv = plan_list(&plan, "arg");
    vmm_env = plan_list(&plan, "env");
    if (!vmm_argv[0])
        fail("the plan has no program");
    execve(vmm_argv[0], vmm_argv, vmm_env);
    fail("cannot run '%s': %s", vmm_argv[0], strerror(errno));
}
