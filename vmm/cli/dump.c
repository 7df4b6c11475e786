/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/dump.c - what a command line means, as -dry-run prints it. */
#include <config.h>

#include "cli/config.h"
#include "util/cleanup.h"

static void set_text(json_t *o, const char *key, const char *text)
{
    if (text)
        json_object_set_new(o, key, json_string(text));
}

static void set_bool(json_t *o, const char *key, bool val)
{
    if (val)
        json_object_set_new(o, key, json_true());
}

static json_t *bag_json(const OptBag *bag)
{
    json_t *o = json_object();

    set_text(o, "class", bag->name);
    for (unsigned i = 0; i < bag->num; i++) {
        const OptEntry *entry = &bag->entries[i];

        json_object_set_new(o, entry->key,
                            entry->text ? json_string(entry->text)
                                        : json_true());
    }
    return o;
}

static void set_bags(json_t *o, const char *key, const OptBag *bags,
                     unsigned num)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < num; i++)
        json_array_append_new(array, bag_json(&bags[i]));
    json_object_set_new(o, key, array);
}

static json_t *chardev_json(const CliChardev *c)
{
    json_t *o = json_object();

    set_text(o, "class", chardev_class_names[c->conf.cls]);
    set_text(o, "id", c->conf.id);
    set_text(o, "path", c->conf.path);
    set_text(o, "host", c->conf.host);
    set_text(o, "logfile", c->conf.logfile);
    if (c->conf.port)
        json_object_set_new(o, "port", json_integer(c->conf.port));
    if (c->conf.has_fd)
        json_object_set_new(o, "fd", json_integer(c->conf.fd));
    set_bool(o, "server", c->conf.server);
    set_bool(o, "nowait", c->conf.nowait);
    set_bool(o, "append", c->conf.append);
    set_bool(o, "logappend", c->conf.logappend);
    set_bool(o, "monitor", c->monitor);
    return o;
}

static json_t *actions_json(const MachineActions *actions)
{
    static const char *const reboot[] = { "default", "reset", "shutdown" };
    static const char *const shutdown[] = { "poweroff", "pause" };
    static const char *const panic[] = { "shutdown", "pause", "exit-failure",
                                         "none" };

    return json_pack("{s:s, s:s, s:s}", "reboot", reboot[actions->reboot],
                     "shutdown", shutdown[actions->shutdown], "panic",
                     panic[actions->panic]);
}

static json_t *smp_json(const SmpConf *smp)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "cpus", smp->cpus,
                     "maxcpus", smp->max_cpus, "sockets", smp->sockets, "dies",
                     smp->dies, "clusters", smp->clusters, "cores", smp->cores,
                     "threads", smp->threads);
}

json_t *cli_config_json(const CliConf *conf)
{
    const MachineConf *m = &conf->machine;
    json_t *o = json_object();
    json_t *chardevs = json_array();

    for (unsigned i = 0; i < conf->num_chardevs; i++)
        json_array_append_new(chardevs, chardev_json(&conf->chardevs[i]));
    set_text(o, "machine", machine_type_names[m->type]);
    set_text(o, "name", m->name);
    if (m->has_uuid) {
        char uuid[37];

        opt_uuid_text(m->uuid, uuid);
        set_text(o, "uuid", uuid);
    }
    set_text(o, "accel", m->accel == HV_TEST ? "test" : "kvm");
    set_text(o, "accel-device", m->accel_device);
    set_text(o, "mod-test", m->mod_test);
    json_object_set_new(o, "smp", smp_json(&m->smp));
    json_object_set_new(o, "memory-bytes",
                        json_integer((json_int_t)m->ram_bytes));
    set_text(o, "mem-path", m->mem_path);
    set_bool(o, "mem-prealloc", m->mem_prealloc);
    set_bool(o, "mem-share", m->mem_share);
    set_bool(o, "dump-guest-core", m->dump_guest_core);
    set_text(o, "kernel", conf->kernel_path);
    set_text(o, "initrd", conf->initrd_path);
    set_text(o, "append", m->cmdline);
    set_text(o, "serial", m->serial);
    json_object_set_new(o, "actions", actions_json(&m->actions));
    set_bool(o, "paused", m->start_paused);
    set_bool(o, "daemonize", conf->daemonize);
    set_text(o, "pidfile", conf->pidfile);
    set_bool(o, "seccomp", conf->seccomp);
    json_object_set_new(o, "chardevs", chardevs);
    set_bags(o, "drives", m->drives, m->num_drives);
    set_bags(o, "netdevs", m->netdevs, m->num_netdevs);
    set_bags(o, "objects", m->objects, m->num_objects);
    set_bags(o, "devices", m->devices, m->num_devices);
    return o;
}
