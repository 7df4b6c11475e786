/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli/main.c - the program: start, serve, end.
 *
 * The order of the start is fixed: cut argv, log, configuration, checks,
 * kernel and initrd; then the background (errors go to the log from here on);
 * then main loop, signals, sockets, machine, sandbox; then the monitors are
 * served and vCPUs run.  Whatever fails, one path goes back through
 * vmm_fini(), which leaves nothing behind.
 */
#include <config.h>

#include "cli/args.h"
#include "cli/config.h"
#include "cli/daemon.h"
#include "cli/describe.h"
#include "cli/exit.h"
#include "core/clock.h"
#include "core/thread.h"
#include "qmp/qmp.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"
#include "util/fdset.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/random.h>

typedef struct Vmm {
    Args args;
    CliConf conf;
    Loop *loop;
    QmpServer *qmp;
    Machine *machine;
    bool log_to_file;
    int status; /* of the process, once the loop has ended */
} Vmm;

/* The one place where an error is told, besides the monitor. */
static int report(const Vmm *vmm, const Err *e)
{
    if (vmm->log_to_file)
        log_error("%s", e->msg);
    fprintf(stderr, "stratovmm: %s\r\n", e->msg);
    exit_record(EXIT_CAUSE_ERROR, false, e->msg);
    return 1;
}

/* --- what only prints
 * ------------------------------------------------------------- */

/* DRIVER of the first `-device DRIVER,help`, or NULL. */
static const char *help_driver(const Args *args, char *buf, size_t len)
{
    const Arg *arg = &args->arg[ARG_DEVICE];

    for (unsigned i = 0; i < arg->num; i++) {
        const char *comma = strchr(arg->values[i], ',');

        if (comma && strcmp(comma, ",help") == 0) {
            snprintf(buf, len, "%.*s", (int)(comma - arg->values[i]),
                     arg->values[i]);
            return buf;
        }
    }
    return NULL;
}

static int print_json(json_t *doc)
{
    int r = doc ? json_dumpf(doc, stdout, JSON_SORT_KEYS | JSON_INDENT(2)) : -1;

    json_decref(doc);
    if (r == 0)
        putchar('\n');
    return r == 0 && fflush(stdout) == 0 ? 0 : 1;
}

/* Return: exit status, or -1 when there is a machine to run. */
static int print_only(Vmm *vmm)
{
    const Args *args = &vmm->args;
    char driver[80];

    if (args_given(args, ARG_H))
        cli_print_help(stdout);
    else if (args_given(args, ARG_V))
        cli_print_version(stdout);
    else if (args_given(args, ARG_DESCRIBE))
        return print_json(cli_describe());
    else if (!help_driver(args, driver, sizeof(driver)))
        return -1;
    else if (!cli_print_device_help(driver, stdout)) {
        Err e = ERR_INIT;

        err_set(&e, EINVAL,
                "-device: unknown driver '%s'; -describe lists the devices",
                driver);
        return report(vmm, &e);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

/* --- start
 * -------------------------------------------------------------------------- */

static int open_log(Vmm *vmm, Err *e)
{
    const char *path = args_value(&vmm->args, ARG_D);
    const char *level = getenv("STRATOVIRT_LOG_LEVEL");
    int fd;

    if (!path || !*path) {
        log_init(STDERR_FILENO, level);
        return 0;
    }
    fd = path_open(path, O_WRONLY | O_APPEND | O_CREAT, 0640, e);
    if (fd < 0)
        return err_prefix(e, "-D: ");
    vmm->log_to_file = true;
    if (path_is_fdset(path))
        log_init(fd, level);
    else
        log_init_file(fd, path, level);
    return 0;
}

static int open_exit_record(const Vmm *vmm, Err *e)
{
    const char *text = args_value(&vmm->args, ARG_EXIT_RECORD);
    uint64_t fd;

    if (!text)
        return 0;
    if (opt_u64(text, &fd) < 0 || fd > INT32_MAX)
        return err_set(e, EINVAL,
                       "-exit-record cannot be '%s'; it accepts the "
                       "number of an inherited descriptor",
                       text);
    return exit_record_init((int)fd, e);
}

/* Without a seed of our own Jansson would open a file for one. */
static void seed_json(void)
{
    uint32_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed) || !seed)
        seed = 1;
    json_object_seed(seed);
}

static void on_event(void *opaque, const char *name, json_t *data)
{
    Vmm *vmm = opaque;

    qmp_event(vmm->qmp, name, data);
}

static void on_exit_request(void *opaque, ExitCause cause, bool guest,
                            const char *detail, int status)
{
    Vmm *vmm = opaque;

    exit_record(cause, guest, detail);
    vmm->status = status;
    loop_stop(vmm->loop);
}

static void on_signal(void *opaque, int sig)
{
    Vmm *vmm = opaque;
    char detail[48];

    snprintf(detail, sizeof(detail), "Guest shutdown by signal %d", sig);
    fprintf(stderr, "stratovmm: ended by signal %d\r\n", sig);
    machine_quit(vmm->machine, EXIT_CAUSE_SIGNAL, detail, 0);
}

/* Ctrl-A X on the terminal. */
static void on_escape(void *opaque)
{
    Vmm *vmm = opaque;

    machine_quit(vmm->machine, EXIT_CAUSE_QUIT, "host-terminal", 0);
}

static int on_chardev(void *opaque, Chardev *cd, bool monitor, Err *e)
{
    Vmm *vmm = opaque;

    if (monitor)
        return qmp_add(vmm->qmp, cd, e);
    if (chardev_class(cd) == CHARDEV_STDIO) {
        exit_guard_terminal();
        chardev_set_escape(cd, on_escape, vmm);
    }
    return 0;
}

/* The machine takes its chardevs and descriptors, also when it fails. */
static int make_machine(Vmm *vmm, Err *e)
{
    const MachineListener listener = {
        .event = on_event,
        .exit = on_exit_request,
        .opaque = vmm,
    };
    MachineConf *conf = &vmm->conf.machine;
    int r = machine_new(&vmm->machine, conf, vmm->loop, &listener, e);

    conf->num_chardevs = 0;
    conf->accel_fd = -1;
    return r;
}

static int make_all(Vmm *vmm, Err *e)
{
    int r;

    if (vmm->conf.machine.accel == HV_TEST)
        clock_use_virtual();
    r = loop_new(&vmm->loop, "main", e);
    if (r < 0)
        return r;
    signals_init(vmm->loop, on_signal, vmm);
    r = qmp_new(&vmm->qmp, vmm->loop, e);
    if (r == 0)
        r = cli_open_chardevs(&vmm->conf, on_chardev, vmm, e);
    if (r == 0 && vmm->conf.seccomp) {
        sandbox_on_trap(exit_on_trap);
        r = sandbox_compile(vmm->conf.machine.accel == HV_TEST, e);
    }
    return r == 0 ? make_machine(vmm, e) : r;
}

static int serve(Vmm *vmm, Err *e)
{
    int r = sandbox_enter(ROLE_MAIN);

    if (r < 0)
        return err_sys(e, -r, "cannot install the system call filter");
    r = qmp_start(vmm->qmp, vmm->machine, e);
    if (r == 0)
        r = machine_start(vmm->machine, e);
    if (r < 0)
        return r;
    loop_run(vmm->loop);
    return 0;
}

static int go_to_background(Vmm *vmm, Err *e)
{
    int r = 0;

    if (!vmm->conf.daemonize)
        return 0;
    if (vmm->conf.pidfile)
        r = exit_pidfile_create(vmm->conf.pidfile, e);
    return r == 0 ? daemonize(e) : r;
}

/* From the checked configuration to the end of the machine. */
static int run(Vmm *vmm, Err *e)
{
    int r = cli_open_boot(&vmm->conf, e);

    if (r == 0)
        r = go_to_background(vmm, e);
    if (r < 0)
        return r;
    seed_json();
    thread_kick_init();
    r = make_all(vmm, e);
    return r == 0 ? serve(vmm, e) : r;
}

static void vmm_fini(Vmm *vmm)
{
    machine_free(vmm->machine);
    qmp_free(vmm->qmp);
    cli_config_fini(&vmm->conf);
    args_fini(&vmm->args);
    exit_cleanup();
}

static int configure(Vmm *vmm, Err *e)
{
    int r = open_exit_record(vmm, e);

    if (r == 0)
        r = args_check(&vmm->args, e);
    if (r == 0)
        r = cli_add_fds(&vmm->args, e);
    if (r == 0)
        r = open_log(vmm, e);
    return r == 0 ? cli_config(&vmm->conf, &vmm->args, e) : r;
}

/* As configure(), but touches neither descriptors nor files. */
static int dry_run(Vmm *vmm, Err *e)
{
    int r = args_check(&vmm->args, e);

    if (r == 0)
        r = cli_config(&vmm->conf, &vmm->args, e);
    if (r < 0)
        return report(vmm, e);
    return print_json(cli_config_json(&vmm->conf));
}

int main(int argc, char **argv)
{
    Vmm vmm = { .status = 0 };
    Err e = ERR_INIT;

    /* One heap for all threads: theirs may not map memory for another. */
    mallopt(M_ARENA_MAX, 1);
    vmm.conf.machine.accel_fd = -1;
    vmm.conf.machine.kernel.fd = vmm.conf.machine.initrd.fd = -1;
    if (args_cut(&vmm.args, argc, argv, &e) < 0) {
        vmm.status = report(&vmm, &e);
    } else if ((vmm.status = print_only(&vmm)) < 0) {
        if (args_given(&vmm.args, ARG_DRY_RUN))
            vmm.status = dry_run(&vmm, &e);
        else if ((vmm.status = configure(&vmm, &e)) < 0 || run(&vmm, &e) < 0)
            vmm.status = report(&vmm, &e);
    }
    vmm_fini(&vmm);
    return vmm.status;
}
