/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/config.c - option values to the configuration tree, in fixed order. */
#include <config.h>

#include "cli/config.h"
#include "qmp/action.h"
#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MIN_RAM     (128ull << 20)
#define MAX_RAM     (512ull << 30)
#define DEFAULT_RAM (256ull << 20)

/* --- machine, accelerator, processors, memory --------------------------------
 */

typedef struct MachineArgs {
    unsigned type;
    bool dump;
    bool share;
    unsigned accel;
    unsigned usb;
    uint8_t gic;
} MachineArgs;

/* Both spellings of the one version there is. */
static const char *const type_names[] = { "none", "microvm",
                                          MACHINE_MICROVM_VERSIONED, NULL };
static const char *const accel_names[] = { "kvm", "kvm:tcg", "test", NULL };
static const char *const off_names[] = { "off", NULL };

static const OptDesc machine_opts[] = {
    { .name = "type",
      .type = OPT_ENUM,
      .off = offsetof(MachineArgs, type),
      .required = true,
      .nocase = true,
      .names = type_names,
      .help = "machine type" },
    { .name = "dump-guest-core",
      .alias = "dump_guest_core",
      .type = OPT_BOOL,
      .off = offsetof(MachineArgs, dump),
      .repeat = OPT_FIRST_WINS,
      .def = "on",
      .help = "guest memory is part of core dumps" },
    { .name = "mem-share",
      .alias = "mem_share",
      .type = OPT_BOOL,
      .off = offsetof(MachineArgs, share),
      .repeat = OPT_FIRST_WINS,
      .def = "off",
      .help = "guest memory is a shared mapping" },
    { .name = "accel",
      .type = OPT_ENUM,
      .off = offsetof(MachineArgs, accel),
      .names = accel_names,
      .def = "kvm",
      .help = "accelerator" },
    { .name = "usb",
      .type = OPT_ENUM,
      .off = offsetof(MachineArgs, usb),
      .names = off_names,
      .def = "off",
      .help = "no effect" },
#if defined(__aarch64__)
    { .name = "gic-version",
      .type = OPT_U8,
      .off = offsetof(MachineArgs, gic),
      .min = 3,
      .max = 3,
      .def = "3",
      .help = "interrupt controller" },
#endif
    { 0 },
};

static HvKind accel_kind(unsigned index)
{
    return strcmp(accel_names[index], "test") == 0 ? HV_TEST : HV_KVM;
}

static int conv_machine(CliConf *conf, const Args *args, Err *e)
{
    const char *text = args_value(args, ARG_MACHINE);
    MachineArgs a = { .type = 1, .dump = true };
    int r = 0;

    if (text) {
        r = opt_bag_text(&conf->machine_bag, "-machine", text, OPT_HEAD_KEY,
                         "type", e);
        if (r == 0)
            r = opt_parse(machine_opts, &conf->machine_bag, &a, e);
    }
    conf->machine.type = a.type ? MACHINE_MICROVM : MACHINE_NONE;
    conf->machine.dump_guest_core = a.dump;
    conf->machine.mem_share = a.share;
    conf->machine.accel = accel_kind(a.accel);
    return r;
}

typedef struct AccelArgs {
    const char *device;
} AccelArgs;

static const OptDesc accel_opts[] = {
    { .name = "device",
      .type = OPT_PATH,
      .off = offsetof(AccelArgs, device),
      .help = "device node in place of /dev/kvm" },
    { 0 },
};

static int conv_accel(CliConf *conf, const Args *args, Err *e)
{
    const char *text = args_value(args, ARG_ACCEL);
    AccelArgs a = { 0 };
    int r;

    if (!text)
        return 0;
    r = opt_bag_text(&conf->accel_bag, "-accel", text, OPT_HEAD_NAME, NULL, e);
    if (r == 0)
        r = opt_parse(accel_opts, &conf->accel_bag, &a, e);
    if (r < 0)
        return r;
    for (unsigned i = 0; accel_names[i]; i++) {
        if (strcmp(conf->accel_bag.name, accel_names[i]) != 0)
            continue;
        conf->machine.accel = accel_kind(i);
        conf->machine.accel_device = a.device;
        return 0;
    }
    return err_set(e, EINVAL, "-accel cannot be '%s'; it accepts kvm or test",
                   conf->accel_bag.name);
}

static const OptDesc m_opts[] = {
    { .name = "size",
      .type = OPT_SIZE,
      .off = 0,
      .required = true,
      .min = MIN_RAM,
      .max = MAX_RAM,
      .help = "guest memory" },
    { .name = "maxmem",
      .type = OPT_SIZE,
      .off = sizeof(uint64_t),
      .max = MAX_RAM,
      .help = "ceiling for memory devices" },
    { 0 },
};

static int conv_m(CliConf *conf, const Args *args, Err *e)
{
    const char *text = args_value(args, ARG_M);
    uint64_t sizes[2] = { DEFAULT_RAM, 0 };
    int r = 0;

    if (text) {
        r = opt_bag_text(&conf->m_bag, "-m", text, OPT_HEAD_KEY, "size", e);
        if (r == 0)
            r = opt_parse(m_opts, &conf->m_bag, sizes, e);
    }
    if (r == 0 && sizes[1] && sizes[1] < sizes[0])
        return err_set(e, EINVAL,
                       "-m: 'maxmem' cannot be '%s'; it accepts a size not "
                       "below '%s'",
                       opt_bag_get(&conf->m_bag, "maxmem"),
                       opt_bag_get(&conf->m_bag, "size"));
    conf->machine.ram_bytes = sizes[0];
    return r;
}

#define SMP(key, field, low, high, hint)                                       \
    {                                                                          \
        .name = key, .type = OPT_U8, .off = offsetof(SmpArgs, field),          \
        .min = low, .max = high, .help = hint                                  \
    }
static const OptDesc smp_opts[] = {
    { .name = "cpus",
      .type = OPT_U8,
      .off = offsetof(SmpArgs, cpus),
      .required = true,
      .min = 1,
      .max = 254,
      .help = "vCPUs" },
    SMP("maxcpus", max_cpus, 0, 255, "possible vCPUs; 0 derives"),
    SMP("sockets", sockets, 0, 254, "sockets; 0 derives"),
    SMP("dies", dies, 1, 254, "dies a socket"),
    SMP("clusters", clusters, 1, 254, "clusters a die"),
    SMP("cores", cores, 0, 254, "cores a cluster; 0 derives"),
    SMP("threads", threads, 0, 254, "threads a core; 0 derives"),
    { 0 },
};

static int conv_smp(CliConf *conf, const Args *args, Err *e)
{
    const char *text = args_value(args, ARG_SMP);
    SmpArgs a = { .cpus = 1 };
    int r = 0;

    if (text) {
        r = opt_bag_text(&conf->smp_bag, "-smp", text, OPT_HEAD_KEY, "cpus", e);
        if (r == 0)
            r = opt_parse(smp_opts, &conf->smp_bag, &a, e);
    }
    return r == 0 ? cli_smp(&a, &conf->machine.smp, e) : r;
}

typedef struct CpuArgs {
    bool pmu, sve, steal_time;
} CpuArgs;

static const OptDesc cpu_opts[] = {
    { .name = "pmu",
      .type = OPT_ONOFF,
      .off = offsetof(CpuArgs, pmu),
      .help = "virtual PMU (aarch64)" },
    { .name = "sve",
      .type = OPT_ONOFF,
      .off = offsetof(CpuArgs, sve),
      .help = "SVE (aarch64)" },
    { .name = "kvm-steal-time",
      .alias = "steal-time",
      .type = OPT_ONOFF,
      .off = offsetof(CpuArgs, steal_time),
      .help = "stolen time (aarch64)" },
    { 0 },
};

static int conv_cpu(CliConf *conf, const Args *args, Err *e)
{
    const char *text = args_value(args, ARG_CPU);
    CpuArgs a = { 0 };
    int r;

    if (!text)
        return 0;
    r = opt_bag_text(&conf->cpu_bag, "-cpu", text, OPT_HEAD_NAME, NULL, e);
    if (r < 0)
        return r;
    if (strcmp(conf->cpu_bag.name, "host") != 0)
        return err_set(e, EINVAL, "-cpu cannot be '%s'; it accepts host",
                       conf->cpu_bag.name);
    return opt_parse(cpu_opts, &conf->cpu_bag, &a, e);
}

/* --- name, uuid, actions
 * ------------------------------------------------------- */

/* Free text; a manager's "guest=NAME,..." means NAME. */
static int conv_name(CliConf *conf, const Args *args, Err *e)
{
    const char *text = args_value(args, ARG_NAME);

    if (!text)
        return 0;
    if (strlen(text) > 255)
        return err_set(e, EINVAL,
                       "-name is longer than the 255 bytes it accepts");
    if (strncmp(text, "guest=", 6) == 0)
        conf->name = strndup(text + 6, strcspn(text + 6, ","));
    else
        conf->name = strdup(text);
    conf->machine.name = conf->name;
    return conf->name ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int conv_action(CliConf *conf, const Args *args, Err *e)
{
    const Arg *arg = &args->arg[ARG_ACTION];
    MachineActions *actions = &conf->machine.actions;

    if (args_given(args, ARG_NO_SHUTDOWN))
        actions->shutdown = ACTION_SHUTDOWN_PAUSE;
    for (unsigned i = 0; i < arg->num; i++) {
        OptBag bag CLEANUP(opt_bag_fini);
        ActionArgs a = { 0 };
        int r = opt_bag_text(&bag, "-action", arg->values[i], OPT_HEAD_NONE,
                             NULL, e);

        if (r == 0)
            r = opt_parse(action_opts, &bag, &a, e);
        if (r < 0)
            return r;
        action_apply(&a, actions);
    }
    return 0;
}

static void conv_uuid(CliConf *conf, const Args *args)
{
    const char *text = args_value(args, ARG_UUID);

    /* The reference VMM takes any text and ignores it. */
    if (text && *text)
        conf->machine.has_uuid = opt_uuid(text, conf->machine.uuid) == 0;
}

/* --- boot
 * ------------------------------------------------------------------------ */

static int check_cmdline(const char *text, Err *e)
{
    while (*text) {
        size_t len = strcspn(text, " ");
        const char *eq = memchr(text, '=', len);

        if (eq && len - (size_t)(eq + 1 - text) > 255)
            return err_set(e, EINVAL,
                           "-append: the value of '%.*s' is longer than 255 "
                           "bytes",
                           (int)(eq - text > 40 ? 40 : eq - text), text);
        text += len + (text[len] == ' ');
    }
    return 0;
}

static int conv_append(CliConf *conf, const Args *args, Err *e)
{
    const Arg *arg = &args->arg[ARG_APPEND];
    size_t len = 1;

    for (unsigned i = 0; i < arg->num; i++)
        len += strlen(arg->values[i]) + 1;
    conf->cmdline = malloc(len);
    if (!conf->cmdline)
        return err_set(e, ENOMEM, "out of memory");
    conf->cmdline[0] = 0;
    for (unsigned i = 0; i < arg->num; i++) {
        if (i)
            strcat(conf->cmdline, " ");
        strcat(conf->cmdline, arg->values[i]);
    }
    conf->machine.cmdline = conf->cmdline;
    return check_cmdline(conf->cmdline, e);
}

static int conv_path(const Args *args, ArgId id, const char **ret_path, Err *e)
{
    const char *text = args_value(args, id);

    if (text && !*text)
        return err_set(e, EINVAL, "-%s needs a path that is not empty",
                       arg_descs[id].name);
    if (text && strlen(text) > 4095)
        return err_set(e, EINVAL, "-%s: the path is longer than 4095 bytes",
                       arg_descs[id].name);
    *ret_path = text;
    return 0;
}

/* Quotes around the path are a habit of callers and go away. */
static int conv_mem_path(CliConf *conf, const Args *args, Err *e)
{
    const char *text;
    char *out;
    int r = conv_path(args, ARG_MEM_PATH, &text, e);

    if (r < 0 || !text)
        return r;
    conf->mem_path = out = malloc(strlen(text) + 1);
    if (!out)
        return err_set(e, ENOMEM, "out of memory");
    for (; *text; text++) {
        if (*text != '"')
            *out++ = *text;
    }
    *out = 0;
    conf->machine.mem_path = conf->mem_path;
    return 0;
}

/* --- classes of back ends and devices
 * ---------------------------------------------- */

/* Cuts every value of an option; "{...}" is JSON with the class in @json_key.
 */
static int conv_bags(const Args *args, ArgId id, OptHead head,
                     const char *json_key, OptBag **ret_bags, unsigned *ret_num,
                     Err *e)
{
    const Arg *arg = &args->arg[id];
    char where[40];

    snprintf(where, sizeof(where), "-%s", arg_descs[id].name);
    *ret_bags = calloc(arg->num + 1, sizeof(**ret_bags));
    if (!*ret_bags)
        return err_set(e, ENOMEM, "out of memory");
    for (unsigned i = 0; i < arg->num; i++) {
        OptBag *bag = &(*ret_bags)[i];
        int r;

        if (json_key && arg->values[i][0] == '{') {
            json_error_t error;
            json_t *object =
                json_loads(arg->values[i], JSON_REJECT_DUPLICATES, &error);

            if (!object)
                return err_set(e, EINVAL, "%s: %s", where, error.text);
            r = opt_bag_json(bag, where, object, json_key, e);
            json_decref(object);
        } else {
            r = opt_bag_text(bag, where, arg->values[i], head, NULL, e);
        }
        if (r < 0)
            return r;
        *ret_num = i + 1;
    }
    return 0;
}

static int conv_classes(CliConf *conf, const Args *args, Err *e)
{
    MachineConf *m = &conf->machine;
    int r = conv_bags(args, ARG_DRIVE, OPT_HEAD_NONE, NULL, &conf->drive_bags,
                      &m->num_drives, e);

    if (r == 0)
        r = conv_bags(args, ARG_OBJECT, OPT_HEAD_NAME, "qom-type",
                      &conf->object_bags, &m->num_objects, e);
    if (r == 0)
        r = conv_bags(args, ARG_NETDEV, OPT_HEAD_NAME, "type",
                      &conf->netdev_bags, &m->num_netdevs, e);
    if (r == 0)
        r = conv_bags(args, ARG_DEVICE, OPT_HEAD_NAME, "driver",
                      &conf->device_bags, &m->num_devices, e);
    if (r == 0)
        r = conv_bags(args, ARG_MON, OPT_HEAD_NONE, NULL, &conf->mon_bags,
                      &conf->num_mon_bags, e);
    m->drives = conf->drive_bags;
    m->objects = conf->object_bags;
    m->netdevs = conf->netdev_bags;
    m->devices = conf->device_bags;
    return r;
}

static int conv_chardevs(CliConf *conf, const Args *args, Err *e)
{
    const Arg *serial = &args->arg[ARG_SERIAL];
    const Arg *chardev = &args->arg[ARG_CHARDEV];
    const Arg *qmp = &args->arg[ARG_QMP];
    int r = 0;

    for (unsigned i = 0; i < qmp->num && r == 0; i++)
        r = cli_qmp(conf, qmp->values[i], e);
    for (unsigned i = 0; i < chardev->num && r == 0; i++)
        r = cli_chardev(conf, chardev->values[i], e);
    if (r == 0 && serial->num)
        r = cli_serial(conf, serial->values[0], e);
    return r;
}

/* --- all of it
 * ------------------------------------------------------------------------ */

/* What the reference VMM has and this version does not. */
static int check_later(const Args *args, Err *e)
{
    for (unsigned i = 0; i < ARG_MAX; i++) {
        if (args->arg[i].given && arg_descs[i].later)
            return err_set(e, ENOTSUP,
                           "-%s is not supported by this version, which lacks "
                           "%s",
                           arg_descs[i].name, arg_descs[i].later);
    }
    return 0;
}

/* Options that are parsed for their form and have no effect on microvm. */
static int check_inert(const Args *args, Err *e)
{
    const char *sig = args_value(args, ARG_HARDWARE_SIGNATURE);
    uint64_t val;

    if (sig && (opt_u64(sig, &val) < 0 || val > UINT32_MAX))
        return err_set(e, EINVAL,
                       "-hardware-signature cannot be '%s'; it accepts "
                       "decimal 0 to 4294967295",
                       sig);
    return 0;
}

static int check_boot(const CliConf *conf, const Args *args, Err *e)
{
    const MachineConf *m = &conf->machine;
    unsigned disks = 0;

    if (m->type == MACHINE_NONE)
        return 0;
    if (!conf->kernel_path && m->accel != HV_TEST)
        return err_set(e, EINVAL,
                       "-kernel is missing: machine microvm has no firmware "
                       "and starts a kernel");
    for (unsigned i = 0; i < m->num_drives; i++) {
        const char *iface = opt_bag_get(&m->drives[i], "if");

        disks += !iface || strcmp(iface, "pflash") != 0;
    }
    if (m->accel == HV_TEST || conf->initrd_path || disks ||
        args->arg[ARG_CHARDEV].num)
        return 0;
    return err_set(e, EINVAL,
                   "there is nothing to boot from: give -initrd, "
                   "-drive or -chardev");
}

static int check_process(CliConf *conf, const Args *args, Err *e)
{
    conf->daemonize = args_given(args, ARG_DAEMONIZE);
    conf->seccomp = !args_given(args, ARG_DISABLE_SECCOMP);
    conf->pidfile = args_value(args, ARG_PIDFILE);
    if (conf->pidfile && !conf->daemonize)
        return err_set(e, EINVAL, "-pidfile needs -daemonize");
    if (!args_given(args, ARG_QMP) && !args_given(args, ARG_MON))
        return err_set(e, EINVAL,
                       "a monitor is missing: give -qmp "
                       "unix:PATH,server,nowait or -mon chardev=ID");
    return 0;
}

static int open_path(void *opaque, const char *path, int flags, Err *e)
{
    (void)opaque;
    return path_open(path, flags, 0640, e);
}

static int conv_mod_test(CliConf *conf, const Args *args, Err *e)
{
    const char *path = args_value(args, ARG_MOD_TEST);

    if (path && conf->machine.accel != HV_TEST)
        return err_set(e, EINVAL, "-mod-test needs -accel test");
    if (conf->machine.accel == HV_TEST && !path)
        return err_set(e, EINVAL, "-accel test needs -mod-test PATH");
    if (path && strncmp(path, "unix:", 5) == 0)
        path += 5;
    conf->machine.mod_test = path;
    return 0;
}

typedef int ConvFn(CliConf *conf, const Args *args, Err *e);

static int conv_rest(CliConf *conf, const Args *args, Err *e)
{
    int r = conv_path(args, ARG_KERNEL, &conf->kernel_path, e);

    if (r == 0)
        r = conv_path(args, ARG_INITRD, &conf->initrd_path, e);
    conf->machine.mem_prealloc = args_given(args, ARG_MEM_PREALLOC);
    conf->machine.start_paused =
        args_given(args, ARG_S) || args_given(args, ARG_FREEZE);
    conv_uuid(conf, args);
    return r;
}

int cli_config(CliConf *conf, const Args *args, Err *e)
{
    static ConvFn *const steps[] = {
        check_process, conv_name,     conv_machine,  conv_accel,
        conv_mod_test, conv_m,        conv_mem_path, conv_smp,
        conv_cpu,      conv_rest,     conv_append,   conv_action,
        conv_classes,  conv_chardevs,
    };
    int r = check_later(args, e);

    memset(conf, 0, sizeof(*conf));
    conf->machine.accel_fd = -1;
    conf->machine.kernel.fd = conf->machine.initrd.fd = -1;
    conf->machine.open_path = open_path;
    for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
        r = steps[i](conf, args, e);
    if (r == 0)
        r = check_inert(args, e);
    if (r == 0)
        r = cli_chardev_check(conf, e);
    if (r == 0 && conf->machine.type != MACHINE_NONE)
        r = cli_check_devices(conf, e);
    return r == 0 ? check_boot(conf, args, e) : r;
}

static int open_file(const char *option, const char *path, FileConf *file,
                     Err *e)
{
    /* A FIFO must not stop the start. */
    int flags = path_is_fdset(path) ? O_RDONLY : O_RDONLY | O_NONBLOCK;
    struct stat st;
    int fd CLEANUP(fd_close) = path_open(path, flags, 0, e);

    if (fd < 0)
        return err_prefix(e, "-%s: ", option);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "-%s: '%s' is not a regular file", option,
                       path);
    file->fd = fd_take(&fd);
    file->name = path;
    return 0;
}

int cli_open_boot(CliConf *conf, Err *e)
{
    MachineConf *m = &conf->machine;
    int r = 0;

    if (m->type == MACHINE_NONE)
        return 0;
    if (conf->kernel_path)
        r = open_file("kernel", conf->kernel_path, &m->kernel, e);
    if (r == 0 && conf->initrd_path)
        r = open_file("initrd", conf->initrd_path, &m->initrd, e);
    if (r == 0 && m->accel_device && path_is_fdset(m->accel_device)) {
        m->accel_fd = path_open(m->accel_device, O_RDWR, 0, e);
        if (m->accel_fd < 0)
            return err_prefix(e, "-accel: ");
    }
    return r;
}

static void bags_free(OptBag *bags, unsigned num)
{
    for (unsigned i = 0; i < num; i++)
        opt_bag_fini(&bags[i]);
    free(bags);
}

void cli_config_fini(CliConf *conf)
{
    MachineConf *m = &conf->machine;

    for (unsigned i = 0; i < m->num_chardevs; i++)
        chardev_free(m->chardevs[i]);
    free(m->chardevs);
    fd_close(&m->accel_fd);
    fd_close(&m->kernel.fd);
    fd_close(&m->initrd.fd);
    for (unsigned i = 0; i < conf->num_chardevs; i++)
        opt_bag_fini(&conf->chardevs[i].bag);
    free(conf->chardevs);
    opt_bag_fini(&conf->machine_bag);
    opt_bag_fini(&conf->accel_bag);
    opt_bag_fini(&conf->m_bag);
    opt_bag_fini(&conf->smp_bag);
    opt_bag_fini(&conf->cpu_bag);
    bags_free(conf->object_bags, m->num_objects);
    bags_free(conf->drive_bags, m->num_drives);
    bags_free(conf->netdev_bags, m->num_netdevs);
    bags_free(conf->device_bags, m->num_devices);
    bags_free(conf->mon_bags, conf->num_mon_bags);
    free(conf->name);
    free(conf->cmdline);
    free(conf->mem_path);
    memset(conf, 0, sizeof(*conf));
}

/* --- -add-fd
 * ------------------------------------------------------------------------------
 */

typedef struct AddFdArgs {
    int32_t fd;
    uint32_t set;
    const char *opaque;
} AddFdArgs;

static const OptDesc add_fd_opts[] = {
    { .name = "fd",
      .type = OPT_I32,
      .off = offsetof(AddFdArgs, fd),
      .required = true,
      .min = 3,
      .help = "inherited descriptor" },
    { .name = "set",
      .type = OPT_U32,
      .off = offsetof(AddFdArgs, set),
      .required = true,
      .help = "number of the set" },
    { .name = "opaque",
      .type = OPT_STR,
      .off = offsetof(AddFdArgs, opaque),
      .help = "text that query-fdsets shows" },
    { 0 },
};

int cli_add_fds(const Args *args, Err *e)
{
    const Arg *arg = &args->arg[ARG_ADD_FD];

    for (unsigned i = 0; i < arg->num; i++) {
        OptBag bag CLEANUP(opt_bag_fini);
        AddFdArgs a = { 0 };
        int r = opt_bag_text(&bag, "-add-fd", arg->values[i], OPT_HEAD_NONE,
                             NULL, e);

        if (r == 0)
            r = opt_parse(add_fd_opts, &bag, &a, e);
        if (r == 0 && fdset_add(a.set, a.fd, a.opaque, NULL, e) < 0)
            r = err_prefix(e, "-add-fd: ");
        if (r < 0)
            return r;
    }
    return 0;
}
