/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "Prepare host": opens what a domain needs and numbers it for its VMM.
 *
 * Descriptors go into the launch plan at once, which closes them whatever
 * happens; taps that were made vanish with their descriptors.  What lasts
 * longer (directory, user id, pid file) belongs to the DomainProc and is
 * undone at the end of the run, be it in the middle of a start.
 */
#include <config.h>

#include "domain/domain_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/tap.h"
#include "security/launch.h"
#include "security/ownership.h"
#include "util/error.h"
#include "util/file.h"
#include "vmmcmd/vmmcmd.h"

typedef struct Prep {
    Driver *drv;
    DomainProc *proc;
    DomainDef *live; /* gets tap names */
    LaunchPlan *plan;
    VmmResources res;
    VmmFile *disks; /* these five owned */
    VmmTap *taps;
    VmmChr *serials;
    VmmChr *consoles;
    VmmFile *rngs;
    GPtrArray *keep; /* memory that res points into, owned */
} Prep;

char *driver_host_path(Driver *drv, const char *path)
{
    g_autofree char *below = g_strconcat(drv->config->root, path, NULL);

    if (access(below, F_OK) == 0)
        return g_steal_pointer(&below);
    return g_strdup(path);
}

/* A string or array that must live until argv is built. */
static gpointer prep_keep(Prep *prep, gpointer memory)
{
    g_ptr_array_add(prep->keep, memory);
    return memory;
}

static gboolean prep_passes_fds(const Prep *prep)
{
    return vmm_caps_has(prep->proc->info->caps, VMM_FEATURE_ADD_FD);
}

static VmmFile prep_fd(Prep *prep, int fd, const char *path)
{
    return (VmmFile){ launch_plan_add_fd(prep->plan, fd), path };
}

/* A file can be lent to one guest only. */
static gboolean check_not_lent(Prep *prep, const char *path, int fd,
                               GError **error)
{
    const DriverConfig *config = prep->drv->config;
    struct stat st;

    if (fstat(fd, &st) == 0 && config->uid_first &&
        st.st_uid >= config->uid_first && st.st_uid <= config->uid_last)
        return vir_error_set(error, VIR_ERR_RESOURCE_BUSY,
                             "'%s' belongs to another guest as long as that "
                             "runs",
                             path);
    return TRUE;
}

/* Lets the guest's user open a path.  Devices get a node of the guest's own
 * in its /dev; what is only read is not taken from others. */
static gboolean prep_lend(Prep *prep, const char *what, const char *path,
                          int fd, int flags, GError **error)
{
    DomainProc *proc = prep->proc;

    if (!prep->plan->drop_ids)
        return TRUE;
    if (g_str_has_prefix(path, "/dev/") && prep->plan->dev_dir) {
        g_ptr_array_add(prep->plan->devs, g_strdup(path));
        return TRUE;
    }
    if ((flags & O_ACCMODE) != O_RDONLY)
        return check_not_lent(prep, path, fd, error) &&
               lent_files_note(proc->lent, fd, path, error) &&
               status_save(proc, error) &&
               lent_file_give(fd, path, proc->uid, proc->gid, error);
    if (!file_readable_by(fd, proc->uid, proc->gid))
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "%s '%s' cannot be read by the guest's user, and "
                             "this VMM opens it itself: make it readable for "
                             "all",
                             what, path);
    return TRUE;
}

/* Opens a file for the VMM; a VMM that takes no descriptors gets the path,
 * and what is opened here shows only that the file is there. */
static gboolean prep_open(Prep *prep, const char *what, const char *path,
                          int flags, VmmFile *ret_file, GError **error)
{
    AUTO_FD fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    struct stat st;

    if (fd < 0 && errno == EINVAL && (flags & O_DIRECT))
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "%s '%s' is on a file system without direct I/O: "
                             "choose a cache mode other than 'none' and "
                             "'directsync'",
                             what, path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return vir_error_set_errno(error, errno, "cannot open %s '%s'", what,
                                   path);
    if (S_ISDIR(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
        return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                             "%s '%s' is neither a file nor a device", what,
                             path);
    if (fcntl(fd, F_SETFL, flags & ~(O_CREAT | O_TRUNC)) < 0)
        return vir_error_set_errno(error, errno, "cannot set flags of '%s'",
                                   path);
    if (prep_passes_fds(prep)) {
        *ret_file = prep_fd(prep, fd_steal(&fd), path);
        return TRUE;
    }
    *ret_file = (VmmFile){ -1, path };
    return prep_lend(prep, what, path, fd, flags, error);
}

/* ---- Directory, identity, log ----------------------------------------- */

/* Flat but for the mount point of /dev. */
void remove_private_dir(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (unlink(child) < 0 && errno == EISDIR)
            remove_private_dir(child);
    }
    rmdir(path);
}

static gboolean step_directory(Prep *prep, GError **error)
{
    DomainProc *proc = prep->proc;

    proc->dir = g_strdup_printf("%s/domain-%d-%.20s", prep->drv->paths.lib,
                                prep->live->id, prep->live->name);
    g_strdelimit(proc->dir + strlen(prep->drv->paths.lib) + 1, "/", '_');
    remove_private_dir(proc->dir); /* left behind by a host crash */
    if (mkdir(proc->dir, 0711) < 0)
        return vir_error_set_errno(error, errno, "cannot create '%s'",
                                   proc->dir);
    return TRUE;
}

static gboolean step_identity(Prep *prep, GError **error)
{
    DomainProc *proc = prep->proc;

    if (prep->drv->config->session)
        return TRUE;
    if (!driver_uid_take(prep->drv, &proc->uid, &proc->gid, error))
        return FALSE;
    prep->plan->drop_ids = TRUE;
    prep->plan->uid = proc->uid;
    prep->plan->gid = proc->gid;
    if (!prep->drv->config->use_namespace)
        return TRUE;
    prep->plan->dev_dir = g_build_filename(proc->dir, "dev", NULL);
    if (mkdir(prep->plan->dev_dir, 0700) < 0)
        return vir_error_set_errno(error, errno, "cannot create '%s'",
                                   prep->plan->dev_dir);
    return TRUE;
}

static gboolean step_log(Prep *prep, GError **error)
{
    g_autofree char *path =
        path_named(prep->drv->paths.log, prep->live->name, "log");
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%F %T+0000");
    g_autofree char *line =
        g_strdup_printf("%s: starting domain %s, id %d\n", stamp,
                        prep->live->name, prep->live->id);
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0 || fd_write_all(fd, line, strlen(line)) < 0)
        return vir_error_set_errno(error, errno, "cannot write to '%s'", path);
    prep->proc->log_start = lseek(fd, 0, SEEK_END);
    prep->plan->log = launch_plan_add_fd(prep->plan, fd_steal(&fd));
    return TRUE;
}

/* Locked until the last process that has it, the VMM, is gone.  The lock is
 * on a descriptor that cannot write; the helper closes the other one. */
static gboolean step_pid_file(Prep *prep, GError **error)
{
    g_autofree char *path =
        path_named(prep->drv->paths.run, prep->live->name, "pid");
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    AUTO_FD lock_fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || lock_fd < 0)
        return vir_error_set_errno(error, errno, "cannot create '%s'", path);
    if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
        return vir_error_set(error, VIR_ERR_OPERATION_INVALID,
                             "'%s' is locked: a VMM of this domain still runs",
                             path);
    if (ftruncate(fd, 0) < 0)
        return vir_error_set_errno(error, errno, "cannot empty '%s'", path);
    prep->plan->pid_file = launch_plan_add_fd(prep->plan, fd_steal(&fd));
    launch_plan_add_fd(prep->plan, fd_steal(&lock_fd));
    return TRUE;
}

static gboolean step_exit_record(Prep *prep, GError **error)
{
    g_autofree char *path = g_build_filename(prep->proc->dir, "exit", NULL);
    int fd;

    if (!vmm_caps_has(prep->proc->info->caps, VMM_FEATURE_EXIT_RECORD))
        return TRUE;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return vir_error_set_errno(error, errno, "cannot create '%s'", path);
    prep->res.exit_fd = launch_plan_add_fd(prep->plan, fd);
    return TRUE;
}

/* ---- Sockets ---------------------------------------------------------- */

/* Binds below a directory descriptor, so that the length of its path does not
 * matter and no link on the way is followed twice. */
static int bind_unix(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    AUTO_FD dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (dir_fd < 0 || fd < 0) {
        vir_error_set_errno(error, errno, "cannot create the socket '%s'",
                            path);
        return -1;
    }
    if (g_snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
                   dir_fd, base) >= (int)sizeof(addr.sun_path)) {
        vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                      "the name of the socket '%s' is too long", path);
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        vir_error_set_errno(error, errno, "cannot bind the socket '%s'", path);
        return -1;
    }
    return fd_steal(&fd);
}

static gboolean step_monitor(Prep *prep, GError **error)
{
    const VmmCaps *caps = prep->proc->info->caps;
    g_autofree char *sub = g_build_filename(prep->proc->dir, "vmm", NULL);
    char *path;
    int fd;

    if (vmm_caps_has(caps, VMM_FEATURE_CHARDEV_FD)) {
        path = g_build_filename(prep->proc->dir, "monitor.sock", NULL);
        prep_keep(prep, path);
        fd = bind_unix(path, error);
        if (fd < 0)
            return FALSE;
        prep->res.qmp = prep_fd(prep, fd, path);
        g_array_append_val(prep->plan->listen, prep->res.qmp.fd);
        return TRUE;
    }
    /* The VMM makes the socket, in the one directory it may write. */
    if (mkdir(sub, 0700) < 0 ||
        (prep->plan->drop_ids &&
         chown(sub, prep->proc->uid, prep->proc->gid) < 0))
        return vir_error_set_errno(error, errno, "cannot create '%s'", sub);
    path = prep_keep(prep, g_build_filename(sub, "monitor.sock", NULL));
    prep->res.qmp = (VmmFile){ -1, path };
    return TRUE;
}

/* ---- Devices ---------------------------------------------------------- */

static gboolean step_kvm(Prep *prep, GError **error)
{
    char *path = prep_keep(prep, driver_host_path(prep->drv, "/dev/kvm"));
    AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 && errno == EACCES)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "'%s' is not accessible to you: join its group, "
                             "usually kvm, and log in again",
                             path);
    if (fd < 0)
        return vir_error_set(error, VIR_ERR_OPERATION_FAILED,
                             "cannot open '%s' (%s): enable virtualisation in "
                             "the firmware and load kvm_intel or kvm_amd",
                             path, g_strerror(errno));
    if (vmm_caps_has(prep->proc->info->caps, VMM_FEATURE_ACCEL_DEVICE))
        prep->res.kvm = prep_fd(prep, fd_steal(&fd), path);
    else
        g_ptr_array_add(prep->plan->devs, g_strdup("/dev/kvm"));
    return TRUE;
}

static gboolean step_boot(Prep *prep, GError **error)
{
    const DomainOs *os = &prep->live->os;

    return (!os->kernel || prep_open(prep, "kernel", os->kernel, O_RDONLY,
                                     &prep->res.kernel, error)) &&
           (!os->initrd || prep_open(prep, "initrd", os->initrd, O_RDONLY,
                                     &prep->res.initrd, error));
}

static gboolean step_disks(Prep *prep, GError **error)
{
    GPtrArray *disks = prep->live->disks;

    prep->disks = g_new0(VmmFile, disks->len + 1);
    prep->res.disks = prep->disks;
    for (guint i = 0; i < disks->len; i++) {
        const DomainDisk *disk = g_ptr_array_index(disks, i);
        const char *path = domain_disk_path(disk);
        int flags = disk->readonly ? O_RDONLY : O_RDWR;

        prep->disks[i] = VMM_FILE_NONE;
        if (disk->cache == DOMAIN_DISK_CACHE_NONE ||
            disk->cache == DOMAIN_DISK_CACHE_DIRECTSYNC)
            flags |= O_DIRECT;
        if (path &&
            !prep_open(prep, "disk", path, flags, &prep->disks[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean open_net(Prep *prep, DomainNet *net, VmmTap *ret_tap,
                         GError **error)
{
    guint queues = net->queues ? net->queues : 1;
    int *fds = prep_keep(prep, g_new(int, queues));
    guint8 mac[6];
    TapRequest req = {
        .ifname = net->ifname,
        .bridge = net->type == DOMAIN_NET_BRIDGE ? net->bridge : NULL,
        .mac = net->mac && mac_parse(net->mac, mac) ? mac : NULL,
        .existing = net->managed == DOMAIN_TRI_OFF,
        .queues = queues,
        .mtu = net->mtu,
        .link_down = net->link == DOMAIN_NET_LINK_DOWN,
    };
    char *ifname;

    if (prep->drv->config->session && !req.existing) {
        if (!net->ifname || req.bridge)
            return vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED,
                                 "a session guest needs a tap of yours: "
                                 "<interface type='ethernet'> with "
                                 "<target dev='TAP' managed='no'/>");
        req.existing = TRUE;
    }
    if (!tap_open(&req, &ifname, fds, error))
        return FALSE;
    for (guint i = 0; i < queues; i++)
        fds[i] = launch_plan_add_fd(prep->plan, fds[i]);
    if (!net->ifname) {
        net->ifname = g_strdup(ifname);
        net->ifname_generated = TRUE;
    }
    prep_keep(prep, ifname);
    *ret_tap = (VmmTap){ fds, queues, ifname };
    return TRUE;
}

static gboolean step_nets(Prep *prep, GError **error)
{
    GPtrArray *nets = prep->live->nets;

    prep->taps = g_new0(VmmTap, nets->len + 1);
    prep->res.taps = prep->taps;
    for (guint i = 0; i < nets->len; i++) {
        if (!open_net(prep, g_ptr_array_index(nets, i), &prep->taps[i], error))
            return FALSE;
    }
    return TRUE;
}

static int output_flags(int append)
{
    return O_WRONLY | O_CREAT | (append == DOMAIN_TRI_ON ? O_APPEND : O_TRUNC);
}

static gboolean open_chr_socket(Prep *prep, const DomainChr *chr,
                                VmmFile *ret_file, GError **error)
{
    struct stat st;
    int fd;

    if (!vmm_caps_has(prep->proc->info->caps, VMM_FEATURE_CHARDEV_FD)) {
        *ret_file = (VmmFile){ -1, chr->path };
        return TRUE;
    }
    /* Only what an earlier run left there is in the way. */
    if (lstat(chr->path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(chr->path);
    fd = bind_unix(chr->path, error);
    if (fd < 0)
        return FALSE;
    *ret_file = prep_fd(prep, fd, chr->path);
    g_array_append_val(prep->plan->listen, ret_file->fd);
    return TRUE;
}

static gboolean open_chr(Prep *prep, DomainChr *chr, VmmChr *ret,
                         GError **error)
{
    ret->file = ret->log = VMM_FILE_NONE;
    if (domain_chr_is_mirror(chr))
        return TRUE;
    if (chr->type == DOMAIN_CHR_FILE &&
        !prep_open(prep, "the output file", chr->path,
                   output_flags(chr->append), &ret->file, error))
        return FALSE;
    if (chr->type == DOMAIN_CHR_UNIX && !chr->path) {
        chr->path =
            g_strdup_printf("%s/%s.sock", prep->proc->dir, chr->dev.alias);
        g_strdelimit(chr->path + strlen(prep->proc->dir) + 1, "/", '_');
    }
    if (chr->type == DOMAIN_CHR_UNIX &&
        !open_chr_socket(prep, chr, &ret->file, error))
        return FALSE;
    if (chr->log_file &&
        vmm_caps_has(prep->proc->info->caps, VMM_FEATURE_CHARDEV_LOG))
        return prep_open(prep, "the log file", chr->log_file,
                         output_flags(chr->log_append), &ret->log, error);
    return TRUE;
}

static VmmChr *open_chrs(Prep *prep, GPtrArray *chrs, GError **error)
{
    g_autofree VmmChr *out = g_new0(VmmChr, chrs->len + 1);

    for (guint i = 0; i < chrs->len; i++) {
        if (!open_chr(prep, g_ptr_array_index(chrs, i), &out[i], error))
            return NULL;
    }
    return g_steal_pointer(&out);
}

static gboolean step_chrs(Prep *prep, GError **error)
{
    prep->res.serials = prep->serials =
        open_chrs(prep, prep->live->serials, error);
    if (!prep->serials)
        return FALSE;
    prep->res.consoles = prep->consoles =
        open_chrs(prep, prep->live->consoles, error);
    return prep->consoles != NULL;
}

static gboolean step_rngs(Prep *prep, GError **error)
{
    GPtrArray *rngs = prep->live->rngs;

    prep->rngs = g_new0(VmmFile, rngs->len + 1);
    prep->res.rngs = prep->rngs;
    for (guint i = 0; i < rngs->len; i++) {
        const DomainRng *rng = g_ptr_array_index(rngs, i);

        if (!prep_open(prep, "the source of entropy",
                       rng->path ? rng->path : "/dev/urandom", O_RDONLY,
                       &prep->rngs[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean step_argv(Prep *prep, GError **error)
{
    g_autoptr(GPtrArray) argv = NULL;

    prep->res.binary = prep->live->emulator;
    prep->res.paused = TRUE; /* -S: we say when */
    argv = vmmcmd_build(prep->live, &prep->res, prep->proc->info->caps, error);
    if (!argv)
        return FALSE;
    for (guint i = 0; i < argv->len && g_ptr_array_index(argv, i); i++)
        g_ptr_array_add(prep->plan->argv, g_strdup(g_ptr_array_index(argv, i)));
    g_ptr_array_add(prep->plan->env, g_strdup("LC_ALL=C"));
    g_ptr_array_add(prep->plan->env,
                    g_strdup("PATH=/usr/local/bin:/usr/bin:/bin"));
    return TRUE;
}

/* ---- All of it -------------------------------------------------------- */

static gboolean step_probe(Prep *prep, GError **error)
{
    prep->proc->info = driver_probe(prep->drv, prep->live->emulator, error);
    return prep->proc->info != NULL;
}

static const struct {
    const char *name;
    gboolean (*run)(Prep *prep, GError **error);
} steps[] = {
    { "probe", step_probe },       { "directory", step_directory },
    { "identity", step_identity }, { "log", step_log },
    { "pid-file", step_pid_file }, { "exit-record", step_exit_record },
    { "monitor", step_monitor },   { "kvm", step_kvm },
    { "boot", step_boot },         { "disks", step_disks },
    { "nets", step_nets },         { "chardevs", step_chrs },
    { "rngs", step_rngs },         { "argv", step_argv },
};

gboolean prepare_host(DomainProc *proc, DomainDef *live, LaunchPlan *plan,
                      GError **error)
{
    Prep prep = {
        .drv = proc->dom->drv, .proc = proc, .live = live, .plan = plan
    };
    gboolean ok = TRUE;

    vmm_resources_init(&prep.res);
    prep.keep = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(steps) && ok; i++)
        ok = steps[i].run(&prep, error) &&
             !driver_fault(prep.drv, steps[i].name, error);
    g_ptr_array_unref(prep.keep);
    g_free(prep.disks);
    g_free(prep.taps);
    g_free(prep.serials);
    g_free(prep.consoles);
    g_free(prep.rngs);
    return ok;
}
