/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/mptable.c - Intel MultiProcessor table, for kernels without ACPI. */
#include <config.h>

#include "boot/boot_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <string.h>

/* Intel MultiProcessor Specification 1.4 */
#define MP_POINTER_LEN 16
#define MP_HEADER_LEN  44
#define MP_CPU_LEN     20
#define MP_ENTRY_LEN   8
#define MP_ISA_IRQS    16

#define LAPIC_GPA  0xfee00000u
#define IOAPIC_GPA 0xfec00000u

typedef struct MpBuf {
    uint8_t *buf;
    size_t len;
    size_t max;
    uint16_t entries;
} MpBuf;

static uint8_t *mp_entry(MpBuf *m, uint8_t type, size_t len)
{
    uint8_t *entry = m->buf + m->len;

    if (m->max - m->len < len)
        return NULL;
    memset(entry, 0, len);
    entry[0] = type;
    m->len += len;
    m->entries++;
    return entry;
}

static void mp_cpu(MpBuf *m, uint32_t apic_id, bool first)
{
    uint8_t *entry;

    if (apic_id >= 255) /* the table has 8 bits for it */
        return;
    entry = mp_entry(m, 0, MP_CPU_LEN);
    if (!entry)
        return;
    entry[1] = (uint8_t)apic_id;
    entry[2] = 0x14;
    entry[3] = first ? 3 : 1; /* enabled, boot processor */
    store_le32(entry + 4, 0x600);
    store_le32(entry + 8, 0x201);
}

static void mp_bus_and_ioapic(MpBuf *m, uint8_t ioapic_id)
{
    uint8_t *entry = mp_entry(m, 1, MP_ENTRY_LEN);

    if (entry)
        memcpy(entry + 2, "ISA   ", 6);
    entry = mp_entry(m, 2, MP_ENTRY_LEN);
    if (!entry)
        return;
    entry[1] = ioapic_id;
    entry[2] = 0x14;
    entry[3] = 1; /* usable */
    store_le32(entry + 4, IOAPIC_GPA);
}

/* @kind: 0 interrupt, 1 NMI, 3 external (PIC) */
static void mp_interrupt(MpBuf *m, uint8_t type, uint8_t kind, uint8_t irq,
                         uint8_t apic, uint8_t pin)
{
    uint8_t *entry = mp_entry(m, type, MP_ENTRY_LEN);

    if (!entry)
        return;
    entry[1] = kind;
    entry[5] = irq;
    entry[6] = apic;
    entry[7] = pin;
}

static uint8_t checksum(const uint8_t *buf, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + buf[i]);
    return (uint8_t)-sum;
}

size_t mptable_build(uint8_t *buf, size_t max, uint32_t gpa,
                     const uint32_t *apic_ids, unsigned vcpus)
{
    uint8_t ioapic_id = (uint8_t)(vcpus + 1);
    MpBuf m = { .buf = buf, .len = MP_POINTER_LEN + MP_HEADER_LEN, .max = max };
    uint8_t *header = buf + MP_POINTER_LEN;

    memset(buf, 0, m.len);
    for (unsigned i = 0; i < MIN(vcpus, MPTABLE_CPUS_MAX); i++)
        mp_cpu(&m, apic_ids[i], i == 0);
    mp_bus_and_ioapic(&m, ioapic_id);
    for (uint8_t i = 0; i < MP_ISA_IRQS; i++)
        mp_interrupt(&m, 3, 0, i, ioapic_id, i);
    mp_interrupt(&m, 4, 3, 0, 0, 0);
    mp_interrupt(&m, 4, 1, 0, 0xff, 1);

    memcpy(header, "PCMP", 4);
    store_le16(header + 4, (uint16_t)(m.len - MP_POINTER_LEN));
    header[6] = 4;
    memcpy(header + 8, "STRATO", 6);
    memcpy(header + 16, "1.0", 3);
    store_le16(header + 34, m.entries);
    store_le32(header + 36, LAPIC_GPA);
    header[7] = checksum(header, m.len - MP_POINTER_LEN);

    memcpy(buf, "_MP_", 4);
    store_le32(buf + 4, gpa + MP_POINTER_LEN);
    buf[8] = 1; /* length in paragraphs */
    buf[9] = 4;
    buf[10] = checksum(buf, MP_POINTER_LEN);
    return m.len;
}
