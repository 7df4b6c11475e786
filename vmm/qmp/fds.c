/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/fds.c - commands for descriptors that clients pass. */
#include <config.h>

#include "qmp/command.h"
#include "util/cleanup.h"
#include "util/fdset.h"

#include <errno.h>

typedef struct NameArgs {
    const char *fdname;
} NameArgs;

static const OptDesc name_args[] = {
    { .name = "fdname",
      .type = OPT_ID,
      .off = offsetof(NameArgs, fdname),
      .required = true,
      .help = "name of the descriptor" },
    { 0 },
};

typedef struct SetArgs {
    uint32_t set;
    bool set_given;
    uint32_t fd;
    bool fd_given;
    const char *opaque;
} SetArgs;

static const OptDesc add_args[] = {
    { .name = "fdset-id",
      .type = OPT_U32,
      .off = offsetof(SetArgs, set),
      .given = offsetof(SetArgs, set_given),
      .help = "number of the set; without it a new one" },
    { .name = "opaque",
      .type = OPT_STR,
      .off = offsetof(SetArgs, opaque),
      .max = 4095,
      .help = "text that query-fdsets shows" },
    { 0 },
};

static const OptDesc remove_args[] = {
    { .name = "fdset-id",
      .type = OPT_U32,
      .off = offsetof(SetArgs, set),
      .required = true,
      .help = "number of the set" },
    { .name = "fd",
      .type = OPT_U32,
      .off = offsetof(SetArgs, fd),
      .given = offsetof(SetArgs, fd_given),
      .max = INT32_MAX,
      .help = "descriptor; without it all of the set" },
    { 0 },
};

static int take_fd(QmpCall *call, Err *e)
{
    int fd = qmp_call_take_fd(call);

    if (fd < 0)
        return err_set(e, EBADF, "No file descriptor supplied via SCM_RIGHTS");
    return fd;
}

static int do_getfd(QmpCall *call, const void *args, Err *e)
{
    const NameArgs *a = args;
    int fd CLEANUP(fd_close) = take_fd(call, e);
    int r;

    if (fd < 0)
        return fd;
    if (a->fdname[0] >= '0' && a->fdname[0] <= '9')
        return err_set(e, EINVAL,
                       "getfd: 'fdname' cannot be '%s'; a name does not start "
                       "with a digit",
                       a->fdname);
    r = fdname_put(a->fdname, fd, e);
    if (r == 0)
        fd_take(&fd);
    return r;
}

static int do_closefd(QmpCall *call, const void *args, Err *e)
{
    const NameArgs *a = args;
    int fd = fdname_take(a->fdname);

    (void)call;
    if (fd < 0)
        return err_set(e, ENOENT, "File descriptor named '%s' not found",
                       a->fdname);
    close(fd);
    return 0;
}

static int do_add_fd(QmpCall *call, const void *args, Err *e)
{
    const SetArgs *a = args;
    int fd CLEANUP(fd_close) = take_fd(call, e);
    int64_t set;
    int r;

    if (fd < 0)
        return fd;
    r = fdset_add(a->set_given ? (int64_t)a->set : -1, fd, a->opaque, &set, e);
    if (r < 0)
        return r;
    call->ret = json_pack("{s:I, s:i}", "fdset-id", (json_int_t)set, "fd",
                          fd_take(&fd));
    return 0;
}

static int do_remove_fd(QmpCall *call, const void *args, Err *e)
{
    const SetArgs *a = args;

    (void)call;
    return fdset_remove(a->set, a->fd_given ? (int)a->fd : -1, e);
}

typedef struct Listing {
    json_t *sets;
    json_t *fds; /* borrowed: of the set at the end */
    int64_t set;
} Listing;

static void list_one(void *arg, int64_t set, int fd, const char *opaque)
{
    Listing *l = arg;
    json_t *entry = json_pack("{s:i}", "fd", fd);

    if (opaque)
        json_object_set_new(entry, "opaque", json_string(opaque));
    if (!l->fds || l->set != set) {
        json_t *item;

        l->fds = json_array();
        l->set = set;
        item =
            json_pack("{s:I, s:o}", "fdset-id", (json_int_t)set, "fds", l->fds);
        json_array_append_new(l->sets, item);
    }
    json_array_append_new(l->fds, entry);
}

static int do_query_fdsets(QmpCall *call, const void *args, Err *e)
{
    Listing l = { .sets = json_array() };

    (void)args;
    (void)e;
    fdset_each(list_one, &l);
    call->ret = l.sets;
    return 0;
}

const QmpCommand qmp_fds_rows[] = {
    { .name = "getfd",
      .fn = do_getfd,
      .args = name_args,
      .args_size = sizeof(NameArgs),
      .doc = "keep the descriptor that came with the message by a name" },
    { .name = "closefd",
      .fn = do_closefd,
      .args = name_args,
      .args_size = sizeof(NameArgs),
      .doc = "close a descriptor kept by getfd" },
    { .name = "add-fd",
      .fn = do_add_fd,
      .args = add_args,
      .args_size = sizeof(SetArgs),
      .doc = "put the descriptor that came with the message into a set" },
    { .name = "remove-fd",
      .fn = do_remove_fd,
      .args = remove_args,
      .args_size = sizeof(SetArgs),
      .doc = "close a descriptor of a set, or all of them" },
    { .name = "query-fdsets",
      .fn = do_query_fdsets,
      .doc = "all sets and their descriptors" },
    { 0 },
};
