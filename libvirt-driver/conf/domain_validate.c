// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_validate.c - what can never work here, refused at define time.
#include <config.h>

#include <string.h>

#include "conf/domain_schema.h"
#include "conf/validate_priv.h"

gboolean domain_def_check_name(const char *name, GError **error)
{
    gboolean blank = TRUE;

    for (const char *s = name; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return MALFORMED("the domain name contains the control character "
                             "0x%02x",
                             *s);
        blank &= *s == ' ';
    }
    if (blank)
        return MALFORMED("the domain name must contain more than blanks");
    if (strchr(name, '/') || name[0] == '.')
        return MALFORMED("the domain name '%s' cannot contain '/' or start "
                         "with '.': it names files",
                         name);
    if (name[0] == '-')
        return MALFORMED("the domain name '%s' cannot start with '-'", name);
    if (strlen(name) > 200)
        return MALFORMED("the domain name is longer than 200 bytes");
    return TRUE;
}

gboolean validate_has_control(const char *text)
{
    for (; text && *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return TRUE;
    }
    return FALSE;
}

gboolean validate_path(const char *path, const char *what, GError **error)
{
    if (!path)
        return TRUE;
    if (validate_has_control(path))
        return MALFORMED("the path of %s contains a control character", what);
    if (path[0] != '/')
        return MALFORMED("the path of %s must be absolute: '%s'", what, path);
    if (strlen(path) >= 4096)
        return MALFORMED("the path of %s is longer than 4095 bytes", what);
    return TRUE;
}

static gboolean check_general(const DomainDef *def, GError **error)
{
    if (!def->name)
        return MISSING(VIR_ERR_NO_NAME);
    if (!domain_def_check_name(def->name, error))
        return FALSE;
    if (def->title && strchr(def->title, '\n'))
        return MALFORMED("the domain title cannot contain newlines");
    if (!def->memory_kib)
        return MALFORMED("<memory> is missing or zero");
    if (!def->os.type)
        return vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_OS_TYPE,
                                  "<type> in <os> is missing; accepted: 'hvm'");
    if (strcmp(def->os.type, "hvm") != 0)
        return UNSUPPORTED("<type> '%s' in <os> is not supported; "
                           "accepted: 'hvm'",
                           def->os.type);
    return TRUE;
}

static gboolean check_machine(const DomainDef *def,
                              const DomainCapsLimits *limits,
                              const DomainMachine **ret_machine, GError **error)
{
    const DomainMachine *machine;

    if (strcmp(def->os.arch, limits->arch) != 0)
        return UNSUPPORTED("attribute 'arch' of <type> in <os> cannot be '%s' "
                           "on this host; accepted: '%s'",
                           def->os.arch, limits->arch);
    machine = def->os.machine
                  ? domain_machine_find(def->os.machine, def->os.arch)
                  : NULL;
    if (!machine || !machine->supported)
        return UNSUPPORTED("attribute 'machine' of <type> in <os> cannot be "
                           "'%s'; accepted: 'microvm'",
                           def->os.machine ? def->os.machine : "");
    *ret_machine = machine;
    return TRUE;
}

static gboolean check_boot(const DomainDef *def, const DomainMachine *machine,
                           GError **error)
{
    if (machine->needs_kernel && !def->os.kernel)
        return UNSUPPORTED("machine '%s' boots a kernel directly: add "
                           "<kernel> to <os>",
                           machine->alias);
    if (def->os.firmware || def->os.loader)
        return UNSUPPORTED("%s in <os> is not supported: machine '%s' has no "
                           "firmware and boots <kernel>",
                           def->os.loader ? "<loader>" : "attribute 'firmware'",
                           machine->alias);
    if (!def->os.kernel && (def->os.initrd || def->os.cmdline))
        return UNSUPPORTED("%s in <os> needs a <kernel>",
                           def->os.initrd ? "<initrd>" : "<cmdline>");
    for (guint i = 0; i < def->os.boots->len; i++) {
        const DomainBoot *boot = def->os.boots->pdata[i];
        static const char *const devs[] = { "hd", "cdrom", "network", NULL };

        if (!boot->dev || !g_strv_contains(devs, boot->dev))
            return UNSUPPORTED("<boot dev='%s'> is not supported; accepted: "
                               "'hd', 'cdrom', 'network'",
                               boot->dev ? boot->dev : "");
    }
    if (validate_has_control(def->os.cmdline))
        return MALFORMED("<cmdline> contains a control character");
    return validate_path(def->os.kernel, "<kernel>", error) &&
           validate_path(def->os.initrd, "<initrd>", error);
}

static gboolean check_memory(const DomainDef *def,
                             const DomainCapsLimits *limits,
                             const DomainMachine *machine, GError **error)
{
    guint64 max = machine->max_memory_kib;

    if (limits->max_memory_kib && limits->max_memory_kib < max)
        max = limits->max_memory_kib;
    if (def->memory_kib < machine->min_memory_kib || def->memory_kib > max)
        return UNSUPPORTED("<memory> of %" G_GUINT64_FORMAT
                           " KiB is not supported; machine '%s' accepts "
                           "%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " KiB",
                           def->memory_kib, machine->alias,
                           machine->min_memory_kib, max);
    return TRUE;
}

static gboolean check_vcpus(const DomainDef *def,
                            const DomainCapsLimits *limits,
                            const DomainMachine *machine, GError **error)
{
    const DomainCpu *cpu = &def->cpu;
    guint max = machine->max_vcpus;

    if (limits->max_vcpus && limits->max_vcpus < max)
        max = limits->max_vcpus;
    if (def->vcpus < 1 || def->vcpus > max)
        return UNSUPPORTED("%u vCPUs are not supported; machine '%s' accepts "
                           "1 to %u in <vcpu>",
                           def->vcpus, machine->alias, max);
    if (def->vcpus_current > def->vcpus)
        return MALFORMED("attribute 'current' of <vcpu> is larger than <vcpu>");
    if (def->vcpus_current && def->vcpus_current < def->vcpus)
        return UNSUPPORTED("attribute 'current' of <vcpu> is not supported: "
                           "machine '%s' plugs no vCPUs",
                           machine->alias);
    if (def->vcpu_cpuset || strcmp(def->vcpu_placement, "static") != 0)
        return UNSUPPORTED("attribute '%s' of <vcpu> is not supported: the "
                           "driver pins no vCPUs",
                           def->vcpu_cpuset ? "cpuset" : "placement");
    if (cpu->has_topology &&
        (guint64)cpu->sockets * cpu->dies * cpu->cores * cpu->threads !=
            def->vcpus)
        return UNSUPPORTED("<topology> describes %u x %u x %u x %u vCPUs, "
                           "<vcpu> says %u: they must be equal",
                           cpu->sockets, cpu->dies, cpu->cores, cpu->threads,
                           def->vcpus);
    return TRUE;
}

/* The host's CPU is all there is: a model or a vendor without a mode asks
 * for another one. */
static gboolean check_cpu(const DomainDef *def, GError **error)
{
    static const char *const checks[] = { "none", "partial", "full", NULL };
    static const char *const matches[] = { "exact", "minimum", "strict", NULL };
    const DomainCpu *cpu = &def->cpu;

    if (cpu->mode == DOMAIN_CPU_ABSENT || cpu->mode == DOMAIN_CPU_CUSTOM)
        return UNSUPPORTED("a custom <cpu> is not supported; accepted: "
                           "mode='host-passthrough', 'host-model' or "
                           "'maximum'");
    if (!g_strv_contains(checks, cpu->check))
        return MALFORMED("attribute 'check' of <cpu> cannot be '%s'",
                         cpu->check);
    if (cpu->match && !g_strv_contains(matches, cpu->match))
        return MALFORMED("attribute 'match' of <cpu> cannot be '%s'",
                         cpu->match);
    return TRUE;
}

static gboolean check_action(int action, const char *element, GError **error)
{
    if (action == DOMAIN_ACTION_DESTROY || action == DOMAIN_ACTION_RESTART)
        return TRUE;
    return UNSUPPORTED("<%s> cannot be '%s'; accepted: 'destroy', 'restart'",
                       element, domain_action_names[action]);
}

static gboolean check_host_side(const DomainDef *def,
                                const DomainCapsLimits *limits, GError **error)
{
    if (strcmp(def->clock.offset, "utc") != 0)
        return UNSUPPORTED("attribute 'offset' of <clock> cannot be '%s'; "
                           "accepted: 'utc'",
                           def->clock.offset);
    if (def->partition && strcmp(def->partition, "/machine") != 0)
        return UNSUPPORTED("<partition> cannot be '%s'; accepted: '/machine'",
                           def->partition);
    for (guint i = 0; i < def->seclabels->len; i++) {
        const DomainSeclabel *label = def->seclabels->pdata[i];

        if (g_strcmp0(label->type, "none") == 0)
            continue;
        if (g_strcmp0(label->type, "static") == 0 || !label->model ||
            strcmp(label->model, "dac") != 0)
            return UNSUPPORTED("<seclabel type='%s' model='%s'> is not "
                               "supported; accepted: type='none', or "
                               "type='dynamic' model='dac'",
                               label->type ? label->type : "dynamic",
                               label->model ? label->model : "");
    }
    if (limits->emulators && !g_strv_contains(limits->emulators, def->emulator))
        return UNSUPPORTED("<emulator> '%s' is not one that the driver is "
                           "configured to start",
                           def->emulator);
    return check_action(def->on_poweroff, "on_poweroff", error) &&
           check_action(def->on_reboot, "on_reboot", error) &&
           check_action(def->on_crash, "on_crash", error) &&
           validate_path(def->emulator, "<emulator>", error);
}

static gboolean check_iothreads(const DomainDef *def, GError **error)
{
    if (def->iothreads > 8)
        return UNSUPPORTED("%u I/O threads are not supported; accepted: up to "
                           "8 in <iothreads>",
                           def->iothreads);
    if (def->iothread_ids->len && def->iothread_ids->len != def->iothreads)
        return UNSUPPORTED("<iothreadids> lists %u I/O threads, <iothreads> "
                           "says %u: they must be equal",
                           def->iothread_ids->len, def->iothreads);
    for (guint i = 0; i < def->iothread_ids->len; i++) {
        guint id = ((DomainIothread *)def->iothread_ids->pdata[i])->id;

        if (!id)
            return MALFORMED("attribute 'id' of <iothread> must be above 0");
        for (guint j = 0; j < i; j++) {
            if (((DomainIothread *)def->iothread_ids->pdata[j])->id == id)
                return MALFORMED("I/O thread %u is listed twice", id);
        }
    }
    return TRUE;
}

gboolean domain_def_validate(const DomainDef *def,
                             const DomainCapsLimits *limits, GError **error)
{
    const DomainMachine *machine = NULL;

    return check_general(def, error) &&
           check_machine(def, limits, &machine, error) &&
           check_boot(def, machine, error) &&
           check_memory(def, limits, machine, error) &&
           check_vcpus(def, limits, machine, error) && check_cpu(def, error) &&
           check_host_side(def, limits, error) && check_iothreads(def, error) &&
           validate_devices(def, limits, machine, error);
}
