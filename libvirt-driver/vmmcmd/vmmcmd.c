// SPDX-License-Identifier: LGPL-2.1-or-later
// vmmcmd/vmmcmd.c - a definition and what was opened for it -> argv.
#include <config.h>

#include "vmmcmd/vmmcmd.h"

#include <string.h>

#include "conf/domain_machine.h"
#include "util/error.h"
#include "vmmcmd/args.h"

void vmm_resources_init(VmmResources *res)
{
    *res = (VmmResources){
        .kvm = VMM_FILE_NONE,
        .kernel = VMM_FILE_NONE,
        .initrd = VMM_FILE_NONE,
        .log = VMM_FILE_NONE,
        .qmp = VMM_FILE_NONE,
        .exit_fd = -1,
    };
}

static void build_machine(VmmArgs *args, const DomainDef *def,
                          const VmmResources *res)
{
    const DomainMachine *machine =
        domain_machine_find(def->os.machine, def->os.arch);
    const char *name = def->os.machine;

    if (machine)
        name = vmm_caps_has(args->caps, VMM_FEATURE_MACHINE_VERSIONS)
                   ? machine->name
                   : machine->alias;
    args_begin(args, "-machine", name);
    args_finish(args);

    if (vmm_file_given(&res->kvm) &&
        vmm_caps_has(args->caps, VMM_FEATURE_ACCEL_DEVICE)) {
        g_autofree char *path = args_file(args, &res->kvm, "kvm");

        args_begin(args, "-accel", "kvm");
        args_key(args, "device", path);
    } else {
        args_begin(args, "-accel", "kvm");
    }
    args_finish(args);
}

static void build_cpus_and_memory(VmmArgs *args, const DomainDef *def)
{
    g_autofree char *cpus = g_strdup_printf("%u", def->vcpus);
    g_autofree char *size = NULL;

    args_begin(args, "-cpu", "host");
    args_finish(args);
    args_begin(args, "-smp", cpus);
    if (def->cpu.has_topology) {
        args_key_u64(args, "sockets", def->cpu.sockets);
        args_key_u64(args, "dies", def->cpu.dies ? def->cpu.dies : 1);
        args_key_u64(args, "cores", def->cpu.cores);
        args_key_u64(args, "threads", def->cpu.threads);
    }
    args_finish(args);

    size =
        def->memory_kib % 1024
            ? g_strdup_printf("%" G_GUINT64_FORMAT "K", def->memory_kib)
            : g_strdup_printf("%" G_GUINT64_FORMAT "M", def->memory_kib / 1024);
    args_begin(args, "-m", size);
    args_finish(args);
}

static void build_boot(VmmArgs *args, const DomainDef *def,
                       const VmmResources *res)
{
    if (def->os.kernel) {
        g_autofree char *path = args_file(args, &res->kernel, "kernel");

        args_whole(args, "-kernel", path);
    }
    if (def->os.initrd) {
        g_autofree char *path = args_file(args, &res->initrd, "initrd");

        args_whole(args, "-initrd", path);
    }
    if (def->os.cmdline) {
        /* the VMM joins and splits at blanks, so one in front is harmless
         * and keeps '-' from being an option */
        g_autofree char *line = g_strdup_printf(
            "%s%s", def->os.cmdline[0] == '-' ? " " : "", def->os.cmdline);

        args_whole(args, "-append", line);
    }
}

static void build_monitor(VmmArgs *args, const VmmResources *res)
{
    if (res->qmp.fd >= 0 && vmm_caps_has(args->caps, VMM_FEATURE_CHARDEV_FD)) {
        args_begin(args, "-chardev", "socket");
        args_key(args, "id", "charmonitor");
        args_key_u64(args, "fd", (guint64)res->qmp.fd);
        args_key(args, "server", "on");
        args_key(args, "wait", "off");
        args_finish(args);
        args_begin(args, "-mon", NULL);
        args_key(args, "chardev", "charmonitor");
        args_key(args, "id", "monitor");
        args_key(args, "mode", "control");
        args_finish(args);
    } else if (res->qmp.path) {
        g_autofree char *uri = g_strdup_printf("unix:%s", res->qmp.path);

        if (strpbrk(res->qmp.path, ",:="))
            args_fail(args, "the monitor's path '%s' contains ',', ':' or '='",
                      res->qmp.path);
        args_begin(args, "-qmp", uri);
        args_bare(args, "server");
        args_bare(args, "nowait");
        args_finish(args);
    } else {
        args_fail(args, "the VMM needs a monitor socket that it can take");
    }
}

static void build_iothreads(VmmArgs *args, const DomainDef *def)
{
    for (guint i = 0; i < def->iothreads; i++) {
        guint number = i < def->iothread_ids->len
                           ? ((DomainIothread *)def->iothread_ids->pdata[i])->id
                           : i + 1;
        g_autofree char *id = g_strdup_printf("iothread%u", number);

        args_begin(args, "-object", "iothread");
        args_key(args, "id", id);
        args_finish(args);
    }
}

/* What one character device's back end needs, made before its option. */
typedef struct ChrPaths {
    char *path; /* owned; type file */
    char *log;  /* owned */
} ChrPaths;

static void chr_paths_clear(ChrPaths *paths)
{
    g_free(paths->path);
    g_free(paths->log);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ChrPaths, chr_paths_clear)

static void prepare_chr(VmmArgs *args, const DomainChr *chr, const VmmChr *res,
                        ChrPaths *ret)
{
    g_autofree char *log_tag = g_strdup_printf("%s-log", chr->dev.alias);

    if (chr->type == DOMAIN_CHR_FILE)
        ret->path = args_file(args, &res->file, chr->dev.alias);
    if (chr->log_file && vmm_file_given(&res->log) &&
        vmm_caps_has(args->caps, VMM_FEATURE_CHARDEV_LOG))
        ret->log = args_file(args, &res->log, log_tag);
}

/* What was opened was also cut to nothing, if that was wanted. */
static void build_chr_file(VmmArgs *args, const DomainChr *chr,
                           const VmmChr *res, const char *path)
{
    gboolean append = res->file.fd >= 0 || chr->append == DOMAIN_TRI_ON;

    args_key(args, "path", path);
    if (vmm_caps_has(args->caps, VMM_FEATURE_CHARDEV_LOG))
        args_key(args, "append", append ? "on" : "off");
    else if (append)
        args_fail(args, "this VMM cannot append to '%s', the file of %s", path,
                  chr->dev.alias);
}

/* The class's keys, from the option's first element on. */
static void build_chr_keys(VmmArgs *args, const char *option,
                           const DomainChr *chr, const VmmChr *res,
                           const ChrPaths *paths, const char *id)
{
    static const char *const classes[DOMAIN_CHR_TYPE_MAX] = {
        [DOMAIN_CHR_PTY] = "pty",
        [DOMAIN_CHR_FILE] = "file",
        [DOMAIN_CHR_UNIX] = "socket",
    };

    if (!classes[chr->type]) {
        args_fail(args, "%s has a back end that the VMM lacks", chr->dev.alias);
        return;
    }
    args_begin(args, option, classes[chr->type]);
    if (id)
        args_key(args, "id", id);
    if (chr->type == DOMAIN_CHR_FILE)
        build_chr_file(args, chr, res, paths->path);
    if (chr->type == DOMAIN_CHR_UNIX && res->file.fd >= 0 &&
        vmm_caps_has(args->caps, VMM_FEATURE_CHARDEV_FD)) {
        args_key_u64(args, "fd", (guint64)res->file.fd);
        args_key(args, "server", "on");
        args_key(args, "wait", "off");
    } else if (chr->type == DOMAIN_CHR_UNIX) {
        args_key(args, "path", res->file.path ? res->file.path : chr->path);
        args_bare(args, "server");
        args_bare(args, "nowait");
    }
    if (paths->log) {
        args_key(args, "logfile", paths->log);
        args_key(args, "logappend",
                 res->log.fd >= 0 || chr->log_append == DOMAIN_TRI_ON ? "on"
                                                                      : "off");
    }
    args_finish(args);
}

static void build_serials(VmmArgs *args, const DomainDef *def,
                          const VmmResources *res)
{
    for (guint i = 0; i < def->serials->len; i++) {
        const DomainChr *serial = def->serials->pdata[i];
        g_autofree char *id = g_strdup_printf("char%s", serial->dev.alias);
        g_autofree char *use = g_strdup_printf("chardev:%s", id);
        g_auto(ChrPaths) paths = { NULL, NULL };

        prepare_chr(args, serial, &res->serials[i], &paths);
        if (vmm_caps_has(args->caps, VMM_FEATURE_SERIAL_CHARDEV)) {
            build_chr_keys(args, "-chardev", serial, &res->serials[i], &paths,
                           id);
            args_begin(args, "-serial", use);
            args_finish(args);
        } else {
            build_chr_keys(args, "-serial", serial, &res->serials[i], &paths,
                           NULL);
        }
    }
}

static void build_consoles(VmmArgs *args, const DomainDef *def,
                           const VmmResources *res)
{
    for (guint i = 0; i < def->controllers->len; i++) {
        const DomainController *ctl = def->controllers->pdata[i];

        if (strcmp(ctl->type, "virtio-serial") != 0)
            continue;
        args_begin(args, "-device", "virtio-serial-device");
        args_key(args, "id", ctl->dev.alias);
        args_finish(args);
    }
    for (guint i = 0; i < def->consoles->len; i++) {
        const DomainChr *console = def->consoles->pdata[i];
        g_autofree char *id = g_strdup_printf("char%s", console->dev.alias);
        g_auto(ChrPaths) paths = { NULL, NULL };

        if (domain_chr_is_mirror(console))
            continue;
        prepare_chr(args, console, &res->consoles[i], &paths);
        build_chr_keys(args, "-chardev", console, &res->consoles[i], &paths,
                       id);
        args_begin(args, "-device", "virtconsole");
        args_key(args, "chardev", id);
        args_key(args, "id", console->dev.alias);
        args_finish(args);
    }
}

static void build_drive(VmmArgs *args, const DomainDisk *disk,
                        const VmmFile *file, const char *id)
{
    static const char *const aio[DOMAIN_DISK_IO_MAX] = {
        [DOMAIN_DISK_IO_THREADS] = "threads",
        [DOMAIN_DISK_IO_NATIVE] = "native",
        [DOMAIN_DISK_IO_URING] = "io_uring",
    };
    static const char *const zeroes[DOMAIN_DISK_ZEROES_MAX] = {
        [DOMAIN_DISK_ZEROES_OFF] = "off",
        [DOMAIN_DISK_ZEROES_ON] = "on",
        [DOMAIN_DISK_ZEROES_UNMAP] = "unmap",
    };
    g_autofree char *path = args_file(args, file, id);
    gboolean direct = disk->cache == DOMAIN_DISK_CACHE_NONE ||
                      disk->cache == DOMAIN_DISK_CACHE_DIRECTSYNC;

    args_begin(args, "-drive", NULL);
    args_key(args, "file", path);
    args_key(args, "id", id);
    args_key(args, "if", "none");
    args_key(args, "format", disk->format);
    args_key(args, "readonly", disk->readonly ? "on" : "off");
    args_key(args, "direct", direct ? "on" : "off");
    if (aio[disk->io])
        args_key(args, "aio", aio[disk->io]);
    if (disk->discard)
        args_key(args, "discard",
                 disk->discard == DOMAIN_DISK_DISCARD_UNMAP ? "unmap"
                                                            : "ignore");
    if (zeroes[disk->detect_zeroes])
        args_key(args, "detect-zeroes", zeroes[disk->detect_zeroes]);
    if (disk->total_iops_sec)
        args_key_u64(args, "throttling.iops-total", disk->total_iops_sec);
    args_finish(args);
}

static void build_disks(VmmArgs *args, const DomainDef *def,
                        const VmmResources *res)
{
    for (guint i = 0; i < def->disks->len; i++) {
        const DomainDisk *disk = def->disks->pdata[i];
        g_autofree char *id = g_strdup_printf("drive-%s", disk->dev.alias);
        g_autofree char *iothread =
            g_strdup_printf("iothread%u", disk->iothread);

        build_drive(args, disk, &res->disks[i], id);
        args_begin(args, "-device", "virtio-blk-device");
        args_key(args, "drive", id);
        args_key(args, "id", disk->dev.alias);
        if (disk->serial)
            args_key(args, "serial", disk->serial);
        if (disk->iothread)
            args_key(args, "iothread", iothread);
        if (disk->queue_size)
            args_key_u64(args, "queue-size", disk->queue_size);
        args_finish(args);
    }
}

static void build_tap(VmmArgs *args, const DomainNet *net, const VmmTap *tap,
                      const char *id)
{
    g_autoptr(GString) fds = g_string_new(NULL);

    for (guint i = 0; i < tap->n_fds; i++)
        g_string_append_printf(fds, "%s%d", i ? ":" : "", tap->fds[i]);
    args_begin(args, "-netdev", "tap");
    args_key(args, "id", id);
    if (tap->n_fds == 1)
        args_key(args, "fd", fds->str);
    else if (tap->n_fds)
        args_key(args, "fds", fds->str);
    else if (tap->ifname)
        args_key(args, "ifname", tap->ifname);
    else
        args_fail(args, "nothing was opened for %s", net->dev.alias);
    args_finish(args);
}

static void build_nets(VmmArgs *args, const DomainDef *def,
                       const VmmResources *res)
{
    for (guint i = 0; i < def->nets->len; i++) {
        const DomainNet *net = def->nets->pdata[i];
        g_autofree char *id = g_strdup_printf("host%s", net->dev.alias);

        build_tap(args, net, &res->taps[i], id);
        args_begin(args, "-device", "virtio-net-device");
        args_key(args, "netdev", id);
        args_key(args, "id", net->dev.alias);
        args_key(args, "mac", net->mac);
        if (res->taps[i].n_fds > 1)
            args_key(args, "mq", "on");
        args_finish(args);
    }
}

static void build_rngs(VmmArgs *args, const DomainDef *def,
                       const VmmResources *res)
{
    for (guint i = 0; i < def->rngs->len; i++) {
        const DomainRng *rng = def->rngs->pdata[i];
        g_autofree char *id = g_strdup_printf("obj%s", rng->dev.alias);
        g_autofree char *path = args_file(args, &res->rngs[i], id);

        args_begin(args, "-object", "rng-random");
        args_key(args, "id", id);
        args_key(args, "filename", path);
        args_finish(args);
        args_begin(args, "-device", "virtio-rng-device");
        args_key(args, "rng", id);
        args_key(args, "id", rng->dev.alias);
        if (rng->has_rate) {
            args_key_u64(args, "max-bytes", rng->rate_bytes);
            args_key_u64(args, "period",
                         rng->rate_period_ms ? rng->rate_period_ms : 1000);
        }
        args_finish(args);
    }
}

/*
 * The actions are the VMM's own, so that they hold while no daemon runs.  A
 * guest that is to be started again after it powered off or crashed waits,
 * stopped, for the daemon to reset it.
 */
static void build_actions(VmmArgs *args, const DomainDef *def)
{
    gboolean again = def->on_poweroff == DOMAIN_ACTION_RESTART;

    if (vmm_caps_has(args->caps, VMM_FEATURE_ACTION)) {
        args_begin(args, "-action", NULL);
        args_key(args, "reboot",
                 def->on_reboot == DOMAIN_ACTION_DESTROY ? "shutdown"
                                                         : "reset");
        args_key(args, "shutdown", again ? "pause" : "poweroff");
        args_key(args, "panic",
                 def->on_crash == DOMAIN_ACTION_RESTART ? "pause"
                                                        : "exit-failure");
        args_finish(args);
    } else if (again && vmm_caps_has(args->caps, VMM_FEATURE_NO_SHUTDOWN)) {
        args_flag(args, "-no-shutdown");
    }
}

static void build_process(VmmArgs *args, const VmmResources *res)
{
    g_autofree char *fd = g_strdup_printf("%d", res->exit_fd);

    if (res->exit_fd >= 0 && vmm_caps_has(args->caps, VMM_FEATURE_EXIT_RECORD))
        args_whole(args, "-exit-record", fd);
    if (vmm_file_given(&res->log)) {
        g_autofree char *path = args_file(args, &res->log, "log");

        args_whole(args, "-D", path);
    }
    if (res->disable_seccomp)
        args_flag(args, "-disable-seccomp");
    if (res->paused)
        args_flag(args, "-S");
}

/* Every list of the definition has its array. */
static void check_arrays(VmmArgs *args, const DomainDef *def,
                         const VmmResources *res)
{
    if ((def->disks->len && !res->disks) || (def->nets->len && !res->taps) ||
        (def->serials->len && !res->serials) ||
        (def->consoles->len && !res->consoles) ||
        (def->rngs->len && !res->rngs))
        args_fail(args, "nothing was opened for the devices of '%s'",
                  def->name);
}

GPtrArray *vmmcmd_build(const DomainDef *def, const VmmResources *res,
                        const VmmCaps *caps, GError **error)
{
    VmmArgs args;

    args_init(&args, res->binary, caps);
    check_arrays(&args, def, res);
    if (args.error)
        return args_end(&args, error);
    args_whole(&args, "-name", def->name);
    args_whole(&args, "-uuid", def->uuid);
    build_machine(&args, def, res);
    build_cpus_and_memory(&args, def);
    build_boot(&args, def, res);
    build_monitor(&args, res);
    build_iothreads(&args, def);
    build_serials(&args, def, res);
    build_consoles(&args, def, res);
    build_disks(&args, def, res);
    build_nets(&args, def, res);
    build_rngs(&args, def, res);
    build_actions(&args, def);
    build_process(&args, res);
    return args_end(&args, error);
}
