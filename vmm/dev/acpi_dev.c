/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dev/acpi_dev.c - GED events, sleep and reset registers. */
#include <config.h>

#include "dev/acpi_dev.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#define GED_BYTES 4

/* Sleep control register, as ACPI 4.8.3.7 lays it out. */
#define SLEEP_ENABLE        0x20
#define SLEEP_TYPE(val)     ((val) >> 2 & 7)
#define SLEEP_TYPE_SOFT_OFF 5

#define KBD_PORT        0x64
#define KBD_PULSE_RESET 0xfe
#define KBD_IDLE        0xfd /* what an absent controller reads as */

enum {
    REGION_GED,
    REGION_SLEEP_CTL,
    REGION_SLEEP_STS,
    REGION_RESET,
    REGION_KBD,
    REGION_MAX,
};

struct AcpiDev {
    AcpiDevConf conf;
    Irq *irq; /* owned */
    IoRegion regions[REGION_MAX];
    bool on_bus[REGION_MAX];

    pthread_mutex_t lock;
    uint32_t pending;  /* events the guest has not read */
    uint8_t sleep_ctl; /* last value written */
};

static uint64_t ged_read(void *opaque, uint64_t off, unsigned size)
{
    AcpiDev *dev = opaque;
    uint32_t events = dev->pending;

    dev->pending = 0;
    return events;
}

static void ignore_write(void *opaque, uint64_t off, uint64_t val,
                         unsigned size)
{
}

static uint64_t zero_read(void *opaque, uint64_t off, unsigned size)
{
    return 0;
}

static uint64_t sleep_ctl_read(void *opaque, uint64_t off, unsigned size)
{
    AcpiDev *dev = opaque;

    return dev->sleep_ctl & ~SLEEP_ENABLE; /* that bit is write-only */
}

static void sleep_ctl_write(void *opaque, uint64_t off, uint64_t val,
                            unsigned size)
{
    AcpiDev *dev = opaque;

    dev->sleep_ctl = val;
    if ((val & SLEEP_ENABLE) && SLEEP_TYPE(val) == SLEEP_TYPE_SOFT_OFF)
        dev->conf.listener.power_off(dev->conf.listener.opaque);
}

static void reset_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiDev *dev = opaque;

    /* Bit 2 starts a reset, as in a chipset's reset control register. */
    if (val & 0x04)
        dev->conf.listener.reset(dev->conf.listener.opaque);
}

static uint64_t kbd_read(void *opaque, uint64_t off, unsigned size)
{
    return KBD_IDLE;
}

static void kbd_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiDev *dev = opaque;

    if (val == KBD_PULSE_RESET)
        dev->conf.listener.reset(dev->conf.listener.opaque);
}

static const IoOps region_ops[] = {
    [REGION_GED] = { ged_read, ignore_write, 4 },
    [REGION_SLEEP_CTL] = { sleep_ctl_read, sleep_ctl_write, 1 },
    [REGION_SLEEP_STS] = { zero_read, ignore_write, 1 },
    [REGION_RESET] = { zero_read, reset_write, 1 },
    [REGION_KBD] = { kbd_read, kbd_write, 1 },
};
_Static_assert(ARRAY_SIZE(region_ops) == REGION_MAX, "ops per region");

static const char *const region_names[] = {
    [REGION_GED] = "ged",
    [REGION_SLEEP_CTL] = "sleep control",
    [REGION_SLEEP_STS] = "sleep status",
    [REGION_RESET] = "reset",
    [REGION_KBD] = "keyboard controller command",
};
_Static_assert(ARRAY_SIZE(region_names) == REGION_MAX, "a name per region");

static int region_add(AcpiDev *dev, unsigned i, uint64_t base, Err *e)
{
    int r;

    if (!base)
        return 0;
    dev->regions[i] = (IoRegion){
        .name = region_names[i],
        .base = base,
        .len = i == REGION_GED ? GED_BYTES : 1,
        .ops = &region_ops[i],
        .opaque = dev,
        .lock = &dev->lock,
    };
    r = bus_add(dev->conf.bus, i == REGION_GED ? BUS_MMIO : BUS_PIO,
                &dev->regions[i], e);
    dev->on_bus[i] = r == 0;
    return r;
}

static int acpi_dev_setup(AcpiDev *dev, Err *e)
{
    const AcpiDevConf *conf = &dev->conf;
    const uint64_t bases[] = {
        [REGION_GED] = conf->ged_base,
        [REGION_SLEEP_CTL] = conf->sleep_ctl,
        [REGION_SLEEP_STS] = conf->sleep_sts,
        [REGION_RESET] = conf->reset_port,
        [REGION_KBD] = conf->kbd_reset ? KBD_PORT : 0,
    };
    int r = irq_new_pin(&dev->irq, conf->hv, IRQ_EDGE, conf->ged_gsi, e);

    for (unsigned i = 0; i < REGION_MAX && r == 0; i++)
        r = region_add(dev, i, bases[i], e);
    return r;
}

int acpi_dev_new(AcpiDev **ret_dev, const AcpiDevConf *conf, Err *e)
{
    AcpiDev *dev = calloc(1, sizeof(*dev));
    int r;

    if (!dev)
        return err_set(e, ENOMEM, "out of memory");
    dev->conf = *conf;
    pthread_mutex_init(&dev->lock, NULL);
    r = acpi_dev_setup(dev, e);
    if (r < 0) {
        acpi_dev_free(dev);
        return r;
    }
    *ret_dev = dev;
    return 0;
}

void acpi_dev_free(AcpiDev *dev)
{
    if (!dev)
        return;
    for (unsigned i = 0; i < REGION_MAX; i++)
        if (dev->on_bus[i])
            bus_del(dev->conf.bus, i == REGION_GED ? BUS_MMIO : BUS_PIO,
                    &dev->regions[i]);
    irq_free(dev->irq);
    pthread_mutex_destroy(&dev->lock);
    free(dev);
}

void acpi_dev_event(AcpiDev *dev, uint32_t events)
{
    pthread_mutex_lock(&dev->lock);
    dev->pending |= events;
    pthread_mutex_unlock(&dev->lock);
    irq_pulse(dev->irq);
}

void acpi_dev_reset(AcpiDev *dev)
{
    MUTEX_SCOPE(&dev->lock);
    dev->pending = 0;
    dev->sleep_ctl = 0;
}

const StateField acpi_dev_state[] = {
    { "pending", STATE_U32, offsetof(AcpiDev, pending), 0, 0 },
    { "sleep-control", STATE_U8, offsetof(AcpiDev, sleep_ctl), 0, 0 },
    { 0 },
};
