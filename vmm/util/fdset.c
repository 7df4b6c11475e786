/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* util/fdset.c - tables of passed descriptors. */
#include <config.h>

#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/list.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define FDSET_PREFIX "/dev/fdset/"
#define FDSET_MAX    1024 /* descriptors in all sets, and names */

typedef struct SetFd {
    List link;
    int64_t set;
    int fd;       /* owned */
    char *opaque; /* owned, or NULL */
} SetFd;

typedef struct NamedFd {
    List link;
    int fd;
    char name[];
} NamedFd;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static List sets = { &sets, &sets };    /* under @lock, by set number */
static List names = { &names, &names }; /* under @lock */
static unsigned num_fds;                /* under @lock */

static int64_t fdset_number(const char *path)
{
    const char *p = path + sizeof(FDSET_PREFIX) - 1;
    char *end;
    long long set;

    if (strncmp(path, FDSET_PREFIX, sizeof(FDSET_PREFIX) - 1) != 0)
        return -1;
    if (*p < '0' || *p > '9')
        return -1;
    errno = 0;
    set = strtoll(p, &end, 10);
    return errno || *end ? -1 : set;
}

bool path_is_fdset(const char *path)
{
    return fdset_number(path) >= 0;
}

/* A duplicate of the set's descriptor with that access mode. */
static int fdset_dup(int64_t set, int flags, bool *ret_found)
{
    MUTEX_SCOPE(&lock);

    *ret_found = false;
    list_for_each(pos, &sets)
    {
        SetFd *sfd = container_of(pos, SetFd, link);
        int have;

        if (sfd->set != set)
            continue;
        *ret_found = true;
        have = fcntl(sfd->fd, F_GETFL);
        if (have >= 0 && (have & O_ACCMODE) == (flags & O_ACCMODE))
            return fcntl(sfd->fd, F_DUPFD_CLOEXEC, 3);
    }
    errno = EACCES;
    return -1;
}

static int fdset_flags(int fd, int flags)
{
    const int mask = O_APPEND | O_DIRECT | O_NONBLOCK;
    int have = fcntl(fd, F_GETFL);

    if (have < 0)
        return -1;
    if ((have & mask) != (flags & mask) &&
        fcntl(fd, F_SETFL, (have & ~mask) | (flags & mask)) < 0)
        return -1;
    return flags & O_TRUNC ? ftruncate(fd, 0) : 0;
}

static int fdset_open(const char *path, int64_t set, int flags, Err *e)
{
    static const char *const modes[] = { "read-only", "write-only",
                                         "read-write", "such" };
    bool found;
    int fd CLEANUP(fd_close) = fdset_dup(set, flags, &found);

    if (fd < 0 && !found)
        return err_set(e, ENOENT,
                       "cannot open '%s': no descriptor was added to set "
                       "%" PRId64 " with -add-fd or add-fd",
                       path, set);
    if (fd < 0 && errno == EACCES)
        return err_set(e, EACCES,
                       "cannot open '%s': the set has no %s descriptor", path,
                       modes[flags & O_ACCMODE]);
    if (fd < 0 || fdset_flags(fd, flags) < 0)
        return err_sys(e, errno, "cannot open '%s'", path);
    return fd_take(&fd);
}

int path_open(const char *path, int flags, mode_t mode, Err *e)
{
    int64_t set = fdset_number(path);
    int fd;

    if (set >= 0)
        return fdset_open(path, set, flags, e);
    fd = open(path, flags | O_CLOEXEC, mode);
    if (fd < 0)
        return err_sys(e, errno, "cannot open '%s'", path);
    return fd;
}

static int64_t free_set(void)
{
    int64_t set = 0;

    list_for_each(pos, &sets)
    {
        SetFd *sfd = container_of(pos, SetFd, link);

        if (sfd->set == set)
            set++;
        else if (sfd->set > set)
            break;
    }
    return set;
}

/* Keeps the list sorted by set, and the order of adding within a set. */
static void insert(SetFd *sfd)
{
    List *before = &sets;

    list_for_each(pos, &sets)
    {
        if (container_of(pos, SetFd, link)->set > sfd->set) {
            before = pos;
            break;
        }
    }
    list_add_tail(before, &sfd->link);
}

int fdset_add(int64_t set, int fd, const char *opaque, int64_t *ret_set, Err *e)
{
    MUTEX_SCOPE(&lock);
    SetFd *sfd;

    if (num_fds >= FDSET_MAX)
        return err_set(e, EMFILE, "more than %d descriptors were added",
                       FDSET_MAX);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_sys(e, errno, "descriptor %d cannot be added", fd);
    sfd = calloc(1, sizeof(*sfd));
    if (sfd && opaque)
        sfd->opaque = strdup(opaque);
    if (!sfd || (opaque && !sfd->opaque)) {
        free(sfd);
        return err_set(e, ENOMEM, "out of memory");
    }
    sfd->set = set < 0 ? free_set() : set;
    sfd->fd = fd;
    insert(sfd);
    num_fds++;
    if (ret_set)
        *ret_set = sfd->set;
    return 0;
}

int fdset_remove(int64_t set, int fd, Err *e)
{
    MUTEX_SCOPE(&lock);
    unsigned removed = 0;

    list_for_each_safe(pos, &sets)
    {
        SetFd *sfd = container_of(pos, SetFd, link);

        if (sfd->set != set || (fd >= 0 && sfd->fd != fd))
            continue;
        list_del(pos);
        close(sfd->fd);
        free(sfd->opaque);
        free(sfd);
        num_fds--;
        removed++;
    }
    if (!removed && fd < 0)
        return err_set(e, ENOENT, "there is no descriptor set %" PRId64, set);
    if (!removed)
        return err_set(e, ENOENT, "there is no descriptor %d in set %" PRId64,
                       fd, set);
    return 0;
}

void fdset_each(FdsetFn *fn, void *arg)
{
    MUTEX_SCOPE(&lock);

    list_for_each(pos, &sets)
    {
        SetFd *sfd = container_of(pos, SetFd, link);

        fn(arg, sfd->set, sfd->fd, sfd->opaque);
    }
}

static NamedFd *name_find(const char *name)
{
    list_for_each(pos, &names)
    {
        NamedFd *nfd = container_of(pos, NamedFd, link);

        if (strcmp(nfd->name, name) == 0)
            return nfd;
    }
    return NULL;
}

int fdname_put(const char *name, int fd, Err *e)
{
    MUTEX_SCOPE(&lock);
    NamedFd *nfd = name_find(name);
    size_t len = strlen(name) + 1;

    if (nfd) {
        close(nfd->fd);
        nfd->fd = fd;
        return 0;
    }
    if (num_fds >= FDSET_MAX)
        return err_set(e, EMFILE, "more than %d descriptors were passed",
                       FDSET_MAX);
    nfd = malloc(sizeof(*nfd) + len);
    if (!nfd)
        return err_set(e, ENOMEM, "out of memory");
    nfd->fd = fd;
    memcpy(nfd->name, name, len);
    list_add_tail(&names, &nfd->link);
    num_fds++;
    return 0;
}

int fdname_take(const char *name)
{
    MUTEX_SCOPE(&lock);
    NamedFd *nfd = name_find(name);
    int fd;

    if (!nfd)
        return -1;
    fd = nfd->fd;
    list_del(&nfd->link);
    free(nfd);
    num_fds--;
    return fd;
}
