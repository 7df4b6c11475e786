/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot/acpi.c - ACPI tables of microvm.  Spec: ACPI 6.4, chapter 5. */
#include <config.h>

#include "boot/acpi.h"

#include "boot/aml.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RSDP_LEN   36
#define HEADER_LEN 36
#define FADT_LEN   276
#define ALIGN      16

/* FADT */
#define FADT_BOOT_FLAGS    109
#define FADT_FLAGS         112
#define FADT_RESET_REG     116
#define FADT_RESET_VALUE   128
#define FADT_MINOR         131
#define FADT_X_DSDT        140
#define FADT_SLEEP_CTL     244
#define FADT_SLEEP_STS     256
#define FADT_HYPERVISOR    268
#define BOOT_NO_VGA        (1 << 2)
#define BOOT_NO_CMOS       (1 << 5)
#define FLAG_WBINVD        (1 << 0)
#define FLAG_NO_PWR_BUTTON (1 << 4) /* none among the fixed registers */
#define FLAG_NO_SLP_BUTTON (1 << 5)
#define FLAG_RESET_REG     (1 << 10)
#define FLAG_HW_REDUCED    (1 << 20)

/* MADT */
#define MADT_LAPIC_GPA    0xfee00000u
#define MADT_IOAPIC_GPA   0xfec00000u
#define MADT_PCAT_COMPAT  1
#define MADT_ENABLED      1
#define MADT_LAPIC_ID_MAX 254

/* Pages KVM keeps for itself on Intel processors. */
#define KVM_PAGES_GPA 0xfef0c000u
#define KVM_PAGES_LEN 0x4000u

#define NOTIFY_DEVICE_CHECK 1
#define NOTIFY_BUTTON       0x80
#define STA_PRESENT         0xf

/* --- tables -------------------------------------------------------------- */

static uint8_t checksum(const uint8_t *buf, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + buf[i]);
    return (uint8_t)-sum;
}

static size_t table_begin(Aml *t, const char *signature, uint8_t revision)
{
    uint8_t header[HEADER_LEN] = { 0 };
    size_t at;

    while (t->len % ALIGN)
        aml_byte(t, 0);
    at = t->len;
    memcpy(header, signature, 4);
    header[8] = revision;
    memcpy(header + 10, "STRATO", 6);
    memcpy(header + 16, "VIRT", 4);
    memcpy(header + 20, signature, 4);
    header[24] = 1;
    aml_bytes(t, header, sizeof(header));
    return at;
}

static void table_end(Aml *t, size_t at)
{
    if (t->failed)
        return;
    store_le32(t->buf + at + 4, (uint32_t)(t->len - at));
    t->buf[at + 9] = checksum(t->buf + at, t->len - at);
}

/* A register at an I/O port, one byte wide. */
static void put_port(uint8_t *gas, uint16_t port)
{
    gas[0] = 1;
    gas[1] = 8;
    gas[3] = 1;
    store_le64(gas + 4, port);
}

static size_t build_fadt(Aml *t, uint64_t dsdt_gpa)
{
    size_t at = table_begin(t, "FACP", 6);
    uint8_t body[FADT_LEN] = { 0 }; /* offsets are those of the table */

    store_le16(body + FADT_BOOT_FLAGS, BOOT_NO_VGA | BOOT_NO_CMOS);
    store_le32(body + FADT_FLAGS, FLAG_WBINVD | FLAG_NO_PWR_BUTTON |
                                      FLAG_NO_SLP_BUTTON | FLAG_RESET_REG |
                                      FLAG_HW_REDUCED);
    put_port(body + FADT_RESET_REG, ACPI_PORT_RESET);
    body[FADT_RESET_VALUE] = ACPI_RESET_VALUE;
    body[FADT_MINOR] = 3;
    store_le64(body + FADT_X_DSDT, dsdt_gpa);
    put_port(body + FADT_SLEEP_CTL, ACPI_PORT_SLEEP_CTL);
    put_port(body + FADT_SLEEP_STS, ACPI_PORT_SLEEP_STS);
    memcpy(body + FADT_HYPERVISOR, "STRATO", 6);
    aml_bytes(t, body + HEADER_LEN, FADT_LEN - HEADER_LEN);
    table_end(t, at);
    return at;
}

static void madt_cpu(Aml *t, uint32_t uid, uint32_t apic_id)
{
    uint8_t lapic[8] = { 0, 8, (uint8_t)uid, (uint8_t)apic_id, MADT_ENABLED };
    uint8_t x2apic[16] = { 9, 16 };

    if (apic_id <= MADT_LAPIC_ID_MAX && uid < 255) {
        aml_bytes(t, lapic, sizeof(lapic));
        return;
    }
    store_le32(x2apic + 4, apic_id);
    store_le32(x2apic + 8, MADT_ENABLED);
    store_le32(x2apic + 12, uid);
    aml_bytes(t, x2apic, sizeof(x2apic));
}

static size_t build_madt(Aml *t, const MicrovmAcpi *conf)
{
    size_t at = table_begin(t, "APIC", 5);
    uint8_t fixed[8] = { 0 };
    uint8_t ioapic[12] = { 1, 12 };

    store_le32(fixed, MADT_LAPIC_GPA);
    store_le32(fixed + 4, MADT_PCAT_COMPAT);
    aml_bytes(t, fixed, sizeof(fixed));
    store_le32(ioapic + 4, MADT_IOAPIC_GPA);
    aml_bytes(t, ioapic, sizeof(ioapic));
    for (unsigned i = 0; i < conf->vcpus; i++)
        madt_cpu(t, i, conf->apic_ids[i]);
    table_end(t, at);
    return at;
}

/* --- DSDT ---------------------------------------------------------------- */

static void hid_eisa(Aml *a, const char *id)
{
    aml_name(a, "_HID");
    aml_eisa_id(a, id);
}

static void hid_string(Aml *a, const char *id)
{
    aml_name(a, "_HID");
    aml_string(a, id);
}

static void dsdt_reserved(Aml *a)
{
    size_t dev = aml_device(a, "RSRV");
    AmlCrs crs = { 0 };

    hid_eisa(a, "PNP0C02");
    aml_name_int(a, "_UID", 0);
    aml_crs_io(&crs, ACPI_PORT_SLEEP_CTL, 2);
    aml_crs_io(&crs, ACPI_PORT_RESET, 1);
    aml_crs_memory(&crs, MADT_IOAPIC_GPA, 0x1000);
    aml_crs_memory(&crs, MADT_LAPIC_GPA, 0x1000);
    aml_crs_memory(&crs, KVM_PAGES_GPA, KVM_PAGES_LEN);
    aml_crs_end(a, &crs);
    aml_close(a, dev);
}

static void dsdt_serial(Aml *a, const MicrovmAcpi *conf)
{
    size_t dev = aml_device(a, "COM1");
    AmlCrs crs = { 0 };

    hid_eisa(a, "PNP0501");
    aml_name_int(a, "_UID", 1);
    aml_name_int(a, "_STA", STA_PRESENT);
    aml_crs_io(&crs, conf->serial_port, 8);
    aml_crs_edge_irq(&crs, conf->serial_gsi);
    aml_crs_end(a, &crs);
    aml_close(a, dev);
}

static void slot_name(char name[5], char kind, unsigned slot)
{
    snprintf(name, 5, "%c%03u", kind, slot % 1000);
}

/* Two bytes of RAM a slot: what _STA says, and what to notify. */
static void dsdt_slot_state(Aml *a, const MicrovmAcpi *conf)
{
    size_t field;
    char name[5];

    aml_region(a, "SLST", conf->slot_state_gpa, 2ull * conf->num_slots);
    field = aml_field(a, "SLST", 1);
    for (unsigned i = 0; i < conf->num_slots; i++) {
        slot_name(name, 'S', i);
        aml_field_entry(a, name, 8);
        slot_name(name, 'E', i);
        aml_field_entry(a, name, 8);
    }
    aml_close(a, field);
}

static void dsdt_slot(Aml *a, const MicrovmAcpi *conf, unsigned i)
{
    const AcpiSlot *slot = &conf->slots[i];
    AmlCrs crs = { 0 };
    char name[5];
    size_t dev, method;

    slot_name(name, 'V', i);
    dev = aml_device(a, name);
    hid_string(a, "LNRO0005");
    aml_name_int(a, "_UID", i);
    aml_name_int(a, "_CCA", 1);
    aml_crs_memory(&crs, (uint32_t)slot->base, slot->len);
    aml_crs_edge_irq(&crs, slot->gsi);
    aml_crs_end(a, &crs);
    if (conf->slot_state_gpa) {
        method = aml_method(a, "_STA", 0);
        slot_name(name, 'S', i);
        aml_byte(a, AML_RETURN);
        aml_path(a, name);
        aml_close(a, method);
    } else {
        aml_name_int(a, "_STA", slot->present ? STA_PRESENT : 0);
    }
    aml_close(a, dev);
}

/* Notifies every slot whose event byte is set, and clears it. */
static void dsdt_scan(Aml *a, const MicrovmAcpi *conf)
{
    size_t method = aml_method(a, "SCAN", 0);
    char event[5], device[5];

    for (unsigned i = 0; i < conf->num_slots; i++) {
        size_t cond;

        slot_name(event, 'E', i);
        slot_name(device, 'V', i);
        aml_byte(a, AML_STORE);
        aml_path(a, event);
        aml_local(a, 0);
        cond = aml_if(a);
        aml_local(a, 0);
        aml_byte(a, AML_STORE);
        aml_byte(a, AML_ZERO);
        aml_path(a, event);
        aml_notify(a, device);
        aml_local(a, 0);
        aml_close(a, cond);
    }
    aml_close(a, method);
}

/* If (Local0 & bit): the body comes next. */
static size_t ged_if(Aml *a, uint64_t bit)
{
    size_t cond = aml_if(a);

    aml_byte(a, AML_AND);
    aml_local(a, 0);
    aml_int(a, bit);
    aml_byte(a, AML_ZERO); /* result goes nowhere else */
    return cond;
}

static void dsdt_ged(Aml *a, const MicrovmAcpi *conf)
{
    size_t dev = aml_device(a, "GED");
    AmlCrs crs = { 0 };
    size_t field, method, cond;

    hid_string(a, "ACPI0013");
    aml_name(a, "_UID");
    aml_string(a, "GED");
    aml_crs_edge_irq(&crs, conf->ged_gsi);
    aml_crs_end(a, &crs);
    aml_region(a, "EREG", conf->ged_base, ACPI_GED_LEN);
    field = aml_field(a, "EREG", 4);
    aml_field_entry(a, "ESEL", 32);
    aml_close(a, field);
    method = aml_method(a, "_EVT", 1);
    aml_byte(a, AML_STORE);
    aml_path(a, "ESEL");
    aml_local(a, 0);
    cond = ged_if(a, ACPI_GED_POWER_BUTTON);
    aml_notify(a, "\\_SB.PWRB");
    aml_int(a, NOTIFY_BUTTON);
    aml_close(a, cond);
    if (conf->num_slots && conf->slot_state_gpa) {
        cond = ged_if(a, ACPI_GED_SLOT);
        aml_path(a, "\\_SB.SCAN");
        aml_close(a, cond);
    }
    aml_close(a, method);
    aml_close(a, dev);
}

static void dsdt_power_button(Aml *a)
{
    size_t dev = aml_device(a, "PWRB");

    hid_eisa(a, "PNP0C0C");
    aml_name_int(a, "_UID", 0);
    aml_close(a, dev);
}

static void dsdt_s5(Aml *a)
{
    size_t package;

    aml_name(a, "\\_S5");
    package = aml_open(a, 0x12);
    aml_byte(a, 4);
    aml_int(a, ACPI_SLEEP_TYPE_S5);
    for (int i = 0; i < 3; i++)
        aml_int(a, 0);
    aml_close(a, package);
}

static size_t build_dsdt(Aml *t, const MicrovmAcpi *conf)
{
    size_t at = table_begin(t, "DSDT", 2);
    size_t scope = aml_scope(t, "\\_SB");

    dsdt_reserved(t);
    if (conf->serial_port)
        dsdt_serial(t, conf);
    if (conf->num_slots && conf->slot_state_gpa)
        dsdt_slot_state(t, conf);
    for (unsigned i = 0; i < conf->num_slots; i++)
        dsdt_slot(t, conf, i);
    if (conf->ged_base) {
        dsdt_power_button(t);
        if (conf->num_slots && conf->slot_state_gpa)
            dsdt_scan(t, conf);
        dsdt_ged(t, conf);
    }
    aml_close(t, scope);
    dsdt_s5(t);
    table_end(t, at);
    return at;
}

/* --- the whole ----------------------------------------------------------- */

static int check(const MicrovmAcpi *conf, Err *e)
{
    if (conf->num_slots > ACPI_SLOTS_MAX)
        return err_set(e, EINVAL, "ACPI describes at most %d virtio slots",
                       ACPI_SLOTS_MAX);
    for (unsigned i = 0; i < conf->num_slots; i++)
        if (conf->slots[i].base > UINT32_MAX - conf->slots[i].len)
            return err_set(e, EINVAL, "virtio slot %u lies above 4 GiB", i);
    if (conf->ged_base > UINT32_MAX)
        return err_set(e, EINVAL, "the event device lies above 4 GiB");
    return 0;
}

static void put_rsdp(uint8_t *rsdp, uint64_t xsdt_gpa)
{
    memset(rsdp, 0, RSDP_LEN);
    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 9, "STRATO", 6);
    rsdp[15] = 2;
    store_le32(rsdp + 20, RSDP_LEN);
    store_le64(rsdp + 24, xsdt_gpa);
    rsdp[8] = checksum(rsdp, 20);
    rsdp[32] = checksum(rsdp, RSDP_LEN);
}

int acpi_microvm_build(const MicrovmAcpi *conf, uint64_t gpa, uint8_t **ret_buf,
                       size_t *ret_len, Err *e)
{
    const uint8_t no_rsdp[RSDP_LEN] = { 0 };
    uint8_t entries[16];
    size_t fadt, madt, xsdt;
    Aml t = { 0 };
    int r = check(conf, e);

    if (r < 0)
        return r;
    aml_bytes(&t, no_rsdp, sizeof(no_rsdp));
    fadt = build_fadt(&t, gpa + build_dsdt(&t, conf));
    madt = build_madt(&t, conf);
    xsdt = table_begin(&t, "XSDT", 1);
    store_le64(entries, gpa + fadt);
    store_le64(entries + 8, gpa + madt);
    aml_bytes(&t, entries, sizeof(entries));
    table_end(&t, xsdt);
    if (t.failed || t.len > ACPI_TABLES_MAX) {
        aml_fini(&t);
        return err_sys(e, t.failed ? ENOMEM : E2BIG,
                       "cannot build the ACPI tables");
    }
    put_rsdp(t.buf, gpa + xsdt);
    *ret_buf = t.buf;
    *ret_len = t.len;
    return 0;
}

int acpi_slot_set(const MicrovmAcpi *conf, GuestMem *gm, unsigned slot,
                  bool present)
{
    const uint8_t state[2] = { present ? STA_PRESENT : 0, NOTIFY_DEVICE_CHECK };

    if (slot >= conf->num_slots || !conf->slot_state_gpa)
        return -EINVAL;
    return gmem_write(gm, conf->slot_state_gpa + 2ull * slot, state,
                      sizeof(state));
}
