/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine/microvm.c - the microvm-1.0 board of x86_64.
 *
 * Slots of 0x200 bytes from 0xF0100000: four for disks, two for NICs, then one
 * for every other device in command-line order; slot n has GSI 5 + n.  The
 * first six are at these places for ever (hotplug fills them), so an empty one
 * is described to ACPI as absent, and answers a kernel that was told of it on
 * its command line as "device 0", which drivers skip in silence.
 *
 * Not from StratoVirt: ACPI (hardware-reduced), the GED at 0xF0000000 with GSI
 * 3, reset and sleep ports, GSIs 16 to 23 for devices beyond the eleventh.
 */
#include <config.h>

#include "machine/machine_priv.h"

#include "machine/devices.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- empty slots --------------------------------------------------------- */

static uint64_t stub_read(void *opaque, uint64_t off, unsigned size)
{
    switch (off) {
    case 0x000:
        return 0x74726976; /* "virt" */
    case 0x004:
        return 2; /* version */
    default:
        return 0; /* device id 0: nobody here */
    }
}

static void stub_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}

static const IoOps stub_ops = { stub_read, stub_write, 4 };

static uint64_t slot_base(unsigned slot)
{
    return MICROVM_SLOT_BASE + (uint64_t)slot * VIRTIO_MMIO_STRIDE;
}

static unsigned slot_gsi(unsigned slot)
{
    return MICROVM_FIRST_GSI + slot;
}

static int add_stubs(Machine *m, Err *e)
{
    int r;

    for (unsigned i = 0; i < MICROVM_FIXED_SLOTS; i++) {
        if (m->slot_dev[i] >= 0)
            continue;
        m->slot_stubs[i] = (IoRegion){ "empty virtio-mmio slot",
                                       slot_base(i),
                                       VIRTIO_MMIO_STRIDE,
                                       &stub_ops,
                                       m,
                                       NULL };
        r = bus_add(m->bus, BUS_MMIO, &m->slot_stubs[i], e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- placing devices ----------------------------------------------------- */

static int free_slot(const Machine *m, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (m->slot_dev[i] < 0)
            return i;
    return -1;
}

static int choose_slot(const Machine *m, const VirtioDev *vdev, Err *e)
{
    int slot = -1;

    if (vdev->cls->virtio_id == VIRTIO_ID_BLOCK)
        slot = free_slot(m, 0, MICROVM_BLK_SLOTS);
    else if (vdev->cls->virtio_id == VIRTIO_ID_NET)
        slot = free_slot(m, MICROVM_BLK_SLOTS, MICROVM_FIXED_SLOTS);
    if (slot < 0)
        slot = free_slot(m, MICROVM_FIXED_SLOTS, MICROVM_MAX_SLOTS);
    if (slot < 0)
        return err_set(e, ENOSPC,
                       "device '%s': all %d virtio-mmio slots of a microvm "
                       "are in use, leave a device out",
                       vdev->id, MICROVM_MAX_SLOTS);
    return slot;
}

static int place(Machine *m, unsigned index, Err *e)
{
    MachineDev *dev = &m->devs[index];
    VirtioMmioConf conf = { .bus = m->bus, .hv = m->hv, .pages = m->pages };
    int slot = choose_slot(m, dev->vdev, e);
    int r;

    if (slot < 0)
        return slot;
    conf.base = slot_base(slot);
    conf.gsi = slot_gsi(slot);
    r = virtio_mmio_new(&dev->mmio, dev->vdev, &conf, e);
    if (r < 0)
        return err_prefix(e, "device '%s': ", dev->id);
    dev->slot = slot;
    m->slot_dev[slot] = index;
    return 0;
}

static int add_devices(Machine *m, Err *e)
{
    int r;

    if (hv_limits(m->hv)->readonly_mem) {
        r = virtio_mmio_pages_new(&m->pages, m->gm, e);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < m->conf->num_devices; i++) {
        unsigned before = m->num_devs;

        r = machine_device_new(m, &m->conf->devices[i], "-device", e);
        if (r == 0 && m->num_devs > before)
            r = place(m, before, e);
        if (r < 0)
            return r;
    }
    return add_stubs(m, e);
}

/* --- fixed devices ------------------------------------------------------- */

#define PCI_ADDRESS_PORT 0xCF8

static void power_off(void *opaque)
{
    machine_guest_request(opaque, GUEST_REQ_SHUTDOWN);
}

static void reset_asked(void *opaque)
{
    machine_guest_request(opaque, GUEST_REQ_RESET);
}

static int add_board(Machine *m, Err *e)
{
    AcpiDevConf acpi = {
        .ged_base = MICROVM_GED_BASE,
        .ged_gsi = MICROVM_GED_GSI,
        .sleep_ctl = ACPI_PORT_SLEEP_CTL,
        .sleep_sts = ACPI_PORT_SLEEP_STS,
        .reset_port = ACPI_PORT_RESET,
        .kbd_reset = true,
        .bus = m->bus,
        .hv = m->hv,
        .listener = { power_off, reset_asked, m },
    };
    SerialConf serial = {
        .space = BUS_PIO,
        .base = MICROVM_COM1_PORT,
        .gsi = MICROVM_COM1_GSI,
        .bus = m->bus,
        .hv = m->hv,
        .loop = m->loop,
    };
    int r;

    /* Nobody is there, but a stock kernel that looks for PCI writes it some
     * forty times at boot: those need no exit. */
    hv_coalesce_add(m->hv, PCI_ADDRESS_PORT, 4, true);
    r = acpi_dev_new(&m->acpi_dev, &acpi, e);
    if (r < 0 || !m->conf->serial)
        return r;
    serial.chardev = machine_chardev_take(m, m->conf->serial, e);
    if (!serial.chardev)
        return err_prefix(e, "-serial: ");
    return serial_new(&m->serial, &serial, e);
}

/* --- boot ---------------------------------------------------------------- */

/* Slots up to the last one that is described. */
static unsigned num_slots(const Machine *m)
{
    unsigned n = MICROVM_FIXED_SLOTS;

    for (unsigned i = n; i < MICROVM_MAX_SLOTS; i++)
        if (m->slot_dev[i] >= 0)
            n = i + 1;
    return n;
}

/* Whether the guest finds its devices by ACPI or must be told of them. */
static bool wants_cmdline_devices(const char *cmdline)
{
    const char *p = cmdline ? strstr(cmdline, "acpi=off") : NULL;

    return p && (p == cmdline || p[-1] == ' ') && (p[8] == ' ' || !p[8]);
}

/* The user's text, and one virtio_mmio.device= per slot in slot order. */
static char *full_cmdline(const Machine *m)
{
    const char *user = m->conf->cmdline ? m->conf->cmdline : "";
    unsigned slots = wants_cmdline_devices(user) ? num_slots(m) : 0;
    size_t room = strlen(user) + slots * 48 + 1;
    char *text = malloc(room);
    size_t used;

    if (!text)
        return NULL;
    used = snprintf(text, room, "%s", user);
    for (unsigned i = 0; i < slots; i++)
        used += snprintf(text + used, room - used,
                         " virtio_mmio.device=512@0x%08llx:%u",
                         (unsigned long long)slot_base(i), slot_gsi(i));
    return text;
}

static void fill_acpi(Machine *m)
{
    unsigned n = num_slots(m);

    for (unsigned i = 0; i < n; i++)
        m->acpi_slots[i] = (AcpiSlot){ slot_base(i), VIRTIO_MMIO_STRIDE,
                                       slot_gsi(i), m->slot_dev[i] >= 0 };
    m->acpi = (MicrovmAcpi){
        .apic_ids = m->apic_ids,
        .vcpus = m->conf->smp.cpus,
        .slots = m->acpi_slots,
        .num_slots = n,
        .serial_port = m->serial ? MICROVM_COM1_PORT : 0,
        .serial_gsi = MICROVM_COM1_GSI,
        .ged_base = MICROVM_GED_BASE,
        .ged_gsi = MICROVM_GED_GSI,
        .slot_state_gpa = ACPI_SLOT_STATE_GPA,
    };
}

static int load_kernel(Machine *m, Err *e)
{
    const MachineConf *conf = m->conf;
    char *cmdline CLEANUP(ptr_free) = full_cmdline(m);
    BootConf boot = {
        .kernel = { conf->kernel.fd, conf->kernel.name },
        .initrd = { conf->initrd.fd, conf->initrd.name },
        .cmdline = cmdline,
        .ram_bytes = conf->ram_bytes,
        .low_ram_max = MICROVM_LOW_RAM_MAX,
        .acpi = &m->acpi,
        .apic_ids = m->apic_ids,
        .vcpus = conf->smp.cpus,
        .mptable = true,
    };

    if (!cmdline)
        return err_set(e, ENOMEM, "out of memory");
    fill_acpi(m);
    if (conf->kernel.fd < 0)
        return 0; /* test accelerator */
    return boot_load_x86(&m->boot, &boot, m->gm, e);
}

/* --- life ---------------------------------------------------------------- */

int microvm_new(Machine *m, Err *e)
{
    int r;

    for (unsigned i = 0; i < MICROVM_MAX_SLOTS; i++)
        m->slot_dev[i] = -1;
    r = add_board(m, e);
    if (r == 0)
        r = add_devices(m, e);
    if (r == 0)
        r = load_kernel(m, e);
    return r;
}

void microvm_reset(Machine *m)
{
    if (m->serial)
        serial_reset(m->serial);
    if (m->acpi_dev)
        acpi_dev_reset(m->acpi_dev);
}

void microvm_free(Machine *m)
{
    for (unsigned i = 0; i < m->num_devs; i++)
        virtio_mmio_free(m->devs[i].mmio);
    machine_devices_free(m);
    virtio_mmio_pages_free(m->pages);
    for (unsigned i = 0; i < MICROVM_FIXED_SLOTS; i++)
        if (m->slot_stubs[i].ops)
            bus_del(m->bus, BUS_MMIO, &m->slot_stubs[i]);
    serial_free(m->serial);
    acpi_dev_free(m->acpi_dev);
}
