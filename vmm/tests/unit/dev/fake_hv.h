/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What devices ask of hv/, counted instead of done. */
#pragma once

#include "hv/hv.h"

struct Irq {
    unsigned gsi;
};

static Irq fake_irq;
static unsigned fake_pulses;

int irq_new_pin(Irq **ret_irq, Hv *hv, IrqKind kind, unsigned gsi, Err *e)
{
    fake_irq.gsi = gsi;
    *ret_irq = &fake_irq;
    return 0;
}

void irq_free(Irq *irq)
{
}

void irq_pulse(Irq *irq)
{
    fake_pulses++;
}

int hv_coalesce_add(Hv *hv, uint64_t addr, unsigned len, bool pio)
{
    return 0;
}

void hv_coalesce_del(Hv *hv, uint64_t addr, unsigned len, bool pio)
{
}
