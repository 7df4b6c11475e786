/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/describe.c - -describe, -h, -version, made from the tables. */
#include <config.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "cli/args.h"
#include "cli/describe.h"
#include "cli/device_table.h"
#include "machine/config.h"
#include "net/net.h"
#include "qmp/qmp.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"
#include "virtio/dev/console.h"
#include "virtio/dev/rng.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#if defined(__x86_64__)
#define ARCH "x86_64"
#else
#define ARCH "aarch64"
#endif

#define MAX_VCPUS     254
#define MIN_RAM_BYTES ((json_int_t)128 << 20)
#define MAX_RAM_BYTES ((json_int_t)512 << 30)

/* --- the build id the linker left
 * ------------------------------------------------- */

static const unsigned char *find_note(const unsigned char *p, size_t len,
                                      size_t *ret_len)
{
    while (len >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        size_t name;
        size_t desc;

        memcpy(&note, p, sizeof(note));
        name = (note.n_namesz + 3u) & ~3u;
        desc = (note.n_descsz + 3u) & ~3u;
        if (len - sizeof(note) < name + desc)
            break;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4) {
            *ret_len = note.n_descsz;
            return p + sizeof(note) + name;
        }
        p += sizeof(note) + name + desc;
        len -= sizeof(note) + name + desc;
    }
    return NULL;
}

static int find_build_id(struct dl_phdr_info *info, size_t size, void *opaque)
{
    char *text = opaque;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const unsigned char *id;
        size_t len;

        if (ph->p_type != PT_NOTE)
            continue;
        id = find_note((const unsigned char *)info->dlpi_addr + ph->p_vaddr,
                       ph->p_memsz, &len);
        for (size_t at = 0; id && at < len && at < 32; at++)
            sprintf(text + 2 * at, "%02x", id[at]);
        if (id)
            break;
    }
    return 1; /* the first object is this program */
}

/* --- parts
 * -----------------------------------------------------------------------------
 */

static json_t *sorted(json_t *array, const char *key)
{
    size_t num = json_array_size(array);

    /* Insertion sort: the lists are short. */
    for (size_t i = 1; i < num; i++) {
        json_t *item = json_incref(json_array_get(array, i));
        const char *name = json_string_value(json_object_get(item, key));
        size_t at = i;

        while (at > 0 && strcmp(json_string_value(json_object_get(
                                    json_array_get(array, at - 1), key)),
                                name) > 0)
            at--;
        json_array_remove(array, i);
        json_array_insert_new(array, at, item);
    }
    return array;
}

/* Rows of two tables in one list; @second may be NULL. */
static json_t *two(const OptDesc *first, const OptDesc *second)
{
    json_t *rows = opt_describe(first);
    json_t *more = opt_describe(second);

    json_array_extend(rows, more);
    json_decref(more);
    return sorted(rows, "name");
}

static json_t *named(const char *name, json_t *options)
{
    return json_pack("{s:s, s:o}", "name", name, "options", options);
}

static json_t *device(const char *name, const char *help, json_t *options)
{
    json_t *o = named(name, options);

    json_object_set_new(o, "bus", json_string("mmio"));
    if (help)
        json_object_set_new(o, "help", json_string(help));
    return o;
}

static json_t *devices(void)
{
    json_t *array = json_array();

    for (size_t i = 0; virtio_classes[i]; i++) {
        const VirtioClass *cls = virtio_classes[i];
        char name[80];

        snprintf(name, sizeof(name), "%s-device", cls->name);
        json_array_append_new(
            array, device(name, cls->doc, two(device_id_opts, cls->opts)));
        if (strcmp(cls->name, "virtio-serial") != 0)
            continue;
        json_array_append_new(array,
                              device("virtconsole", "console port",
                                     two(device_id_opts, console_port_opts)));
    }
    return sorted(array, "name");
}

static json_t *machines(void)
{
    json_t *array = json_array();

    json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:i, s:b}", "name",
                                           MACHINE_MICROVM_VERSIONED, "alias",
                                           "microvm", "arch", ARCH, "max-cpus",
                                           MAX_VCPUS, "default", 1));
    json_array_append_new(array,
                          json_pack("{s:s, s:s, s:i, s:b}", "name", "none",
                                    "arch", ARCH, "max-cpus", 0, "default", 0));
    return array;
}

static json_t *chardevs(void)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < CHARDEV_CLASS_MAX; i++) {
        json_array_append_new(array, named(chardev_class_names[i],
                                           opt_describe(chardev_opts[i])));
    }
    return sorted(array, "name");
}

static json_t *objects(void)
{
    return json_pack("[o, o]", named("iothread", opt_describe(device_id_opts)),
                     named("rng-random", opt_describe(rng_source_opts)));
}

static json_t *features(void)
{
    static const char *const names[] = {
        "accel-device",    "action",           "add-fd",      "chardev-fd",
        "chardev-logfile", "dry-run",          "exit-record", "fdset",
        "json-options",    "machine-versions", "no-shutdown", "qmp-add-fd",
        "qmp-set-action",  "serial-chardev",
    };
    json_t *array = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        json_array_append_new(array, json_string(names[i]));
    return array;
}

static json_t *seccomp(void)
{
    json_t *o = json_object();

    for (unsigned role = 0; role < ROLE_MAX; role++)
        json_object_set_new(o, role_name((ThreadRole)role),
                            json_integer(sandbox_calls((ThreadRole)role)));
    return o;
}

static json_t *limits(void)
{
    return json_pack("{s:i, s:I, s:I, s:i}", "vcpus", MAX_VCPUS, "memory-bytes",
                     MAX_RAM_BYTES, "memory-min-bytes", MIN_RAM_BYTES,
                     "iothreads", 8);
}

json_t *cli_describe(void)
{
    char build_id[65] = "";
    json_t *o = json_object();

    dl_iterate_phdr(find_build_id, build_id);
    json_object_set_new(o, "schema", json_integer(DESCRIBE_SCHEMA));
    json_object_set_new(o, "name", json_string("stratovmm"));
    json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
    json_object_set_new(o, "build-id", json_string(build_id));
    json_object_set_new(o, "arch", json_string(ARCH));
    json_object_set_new(o, "qemu-version", qmp_version());
    json_object_set_new(o, "accelerators", json_pack("[s, s]", "kvm", "test"));
    json_object_set_new(o, "machines", machines());
    json_object_set_new(o, "devices", devices());
    json_object_set_new(o, "drive-options", opt_describe(block_opts));
    json_object_set_new(
        o, "netdevs",
        json_pack("[o]", named("tap", opt_describe(net_tap_opts))));
    json_object_set_new(o, "chardevs", chardevs());
    json_object_set_new(o, "objects", objects());
    json_object_set_new(o, "options", sorted(args_describe(), "name"));
    json_object_set_new(o, "qmp-commands", qmp_describe_commands());
    json_object_set_new(o, "qmp-events", qmp_describe_events());
    json_object_set_new(o, "features", features());
    json_object_set_new(o, "limits", limits());
    json_object_set_new(o, "seccomp", seccomp());
    return o;
}

/* --- for people
 * -----------------------------------------------------------------------------
 */

void cli_print_version(FILE *out)
{
    fprintf(out, "stratovmm %s\n", PACKAGE_VERSION);
}

void cli_print_help(FILE *out)
{
    cli_print_version(out);
    fprintf(out, "A virtual machine monitor for KVM with StratoVirt's command "
                 "line and QMP.\n\n"
                 "usage: stratovmm -qmp unix:PATH,server,nowait [OPTION "
                 "[VALUE...]]...\n\n"
                 "Options take one dash. Values are KEY=VALUE pairs joined by "
                 "commas.\n\n");
    args_print_help(out);
}

bool cli_print_device_help(const char *driver, FILE *out)
{
    const VirtioClass *cls = device_class(driver);

    if (!cls && strcmp(driver, "virtconsole") != 0)
        return false;
    fprintf(out, "options of -device %s:\n", driver);
    opt_print_help(device_id_opts, out);
    opt_print_help(cls ? cls->opts : console_port_opts, out);
    return true;
}
