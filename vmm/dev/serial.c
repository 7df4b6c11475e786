/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dev/serial.c - 16550A UART.
 *
 * Register accesses run on vCPU threads, the character device on the main
 * loop.  Between them lie two buffers under the device's lock: what the guest
 * transmits goes to a ring that posted work hands to the chardev, and what
 * comes in waits in the chardev until the receive FIFO has room.
 *
 * Transmission takes no time: THRE and TEMT always show.  The hypervisor may
 * hold back writes of the transmit register and deliver them together before
 * the next exit (hv_coalesce_add()); stock drivers read the line status or the
 * interrupt identification after what they write, so nothing gets stuck.
 *
 * The interrupt line is edge-triggered and pulsed whenever its level rises.
 */
#include <config.h>

#include "dev/serial.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    REG_DATA = 0, /* RBR, THR; DLL with DLAB */
    REG_IER = 1,  /* DLM with DLAB */
    REG_IIR = 2,  /* FCR when written */
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_MSR = 6,
    REG_SCR = 7,
    NUM_REGS = 8,
};

enum {
    IER_RDI = 0x01,
    IER_THRI = 0x02,
    IER_ALL = 0x0f,

    IIR_NONE = 0x01,
    IIR_THRI = 0x02,
    IIR_RDI = 0x04,
    IIR_FIFO = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,

    LCR_DLAB = 0x80,

    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_ALL = 0x1f,

    LSR_DR = 0x01,
    LSR_IDLE = 0x60, /* THRE, TEMT */

    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
};

#define FIFO_BYTES 16
#define TX_BYTES   16384

struct Serial {
    SerialConf conf;
    IoRegion region;
    Irq *irq; /* owned */
    bool on_bus, coalesced, attached;

    pthread_mutex_t lock;
    uint8_t ier, lcr, mcr, scr;
    uint16_t divisor;
    bool fifo;     /* FCR bit 0 */
    bool thri;     /* transmitter became empty since IIR said so */
    bool level;    /* of the interrupt line */
    bool rx_waits; /* the chardev was told there is no room */
    uint8_t rx[FIFO_BYTES];
    unsigned rx_head, rx_len;
    uint8_t tx[TX_BYTES];
    unsigned tx_len;

    /* Main loop. */
    Work tx_work; /* hands @tx to the chardev */
    Work rx_work; /* tells the chardev of room */
};

static void reset_regs(Serial *s)
{
    s->ier = s->lcr = s->scr = 0;
    s->mcr = MCR_OUT2;
    s->divisor = 12;
    s->fifo = s->thri = s->level = false;
    s->rx_head = s->rx_len = 0;
}

/* --- interrupt ----------------------------------------------------------- */

static uint8_t iir_id(const Serial *s)
{
    if ((s->ier & IER_RDI) && s->rx_len)
        return IIR_RDI;
    if ((s->ier & IER_THRI) && s->thri)
        return IIR_THRI;
    return IIR_NONE;
}

static void update_irq(Serial *s)
{
    bool level = iir_id(s) != IIR_NONE;

    if (level && !s->level)
        irq_pulse(s->irq);
    s->level = level;
}

/* --- data ---------------------------------------------------------------- */

static unsigned rx_room(const Serial *s)
{
    return (s->fifo ? FIFO_BYTES : 1) -
           MIN(s->rx_len, s->fifo ? FIFO_BYTES : 1);
}

static void rx_put(Serial *s, uint8_t byte)
{
    if (s->rx_len == FIFO_BYTES)
        return;
    s->rx[(s->rx_head + s->rx_len++) % FIFO_BYTES] = byte;
}

static void rx_wanted(Serial *s)
{
    if (s->rx_waits && !s->rx_len) {
        s->rx_waits = false;
        loop_post(s->conf.loop, &s->rx_work);
    }
}

static uint8_t rx_get(Serial *s)
{
    uint8_t byte;

    if (!s->rx_len)
        return 0;
    byte = s->rx[s->rx_head];
    s->rx_head = (s->rx_head + 1) % FIFO_BYTES;
    s->rx_len--;
    rx_wanted(s);
    return byte;
}

static void transmit(Serial *s, uint8_t byte)
{
    s->thri = true;
    if (s->mcr & MCR_LOOP) {
        if (rx_room(s))
            rx_put(s, byte);
        return;
    }
    if (s->tx_len == TX_BYTES)
        return; /* the main loop is stuck: nobody shall wait for it */
    s->tx[s->tx_len++] = byte;
    loop_post(s->conf.loop, &s->tx_work);
}

/* --- registers ----------------------------------------------------------- */

static uint8_t modem_status(const Serial *s)
{
    uint8_t msr = 0;

    if (!(s->mcr & MCR_LOOP))
        return MSR_DCD | MSR_DSR | MSR_CTS;
    msr |= s->mcr & 0x01 ? MSR_DSR : 0; /* DTR */
    msr |= s->mcr & 0x02 ? MSR_CTS : 0; /* RTS */
    msr |= s->mcr & 0x04 ? MSR_RI : 0;  /* OUT1 */
    msr |= s->mcr & 0x08 ? MSR_DCD : 0; /* OUT2 */
    return msr;
}

static uint8_t read_iir(Serial *s)
{
    uint8_t id = iir_id(s);

    if (id == IIR_THRI)
        s->thri = false;
    return id | (s->fifo ? IIR_FIFO : 0);
}

static uint64_t serial_read(void *opaque, uint64_t off, unsigned size)
{
    Serial *s = opaque;
    bool dlab = s->lcr & LCR_DLAB;
    uint8_t val = 0;

    switch (off) {
    case REG_DATA:
        val = dlab ? s->divisor & 0xff : rx_get(s);
        break;
    case REG_IER:
        val = dlab ? s->divisor >> 8 : s->ier;
        break;
    case REG_IIR:
        val = read_iir(s);
        break;
    case REG_LCR:
        val = s->lcr;
        break;
    case REG_MCR:
        val = s->mcr;
        break;
    case REG_LSR:
        val = LSR_IDLE | (s->rx_len ? LSR_DR : 0);
        break;
    case REG_MSR:
        val = modem_status(s);
        break;
    case REG_SCR:
        val = s->scr;
        break;
    }
    update_irq(s);
    return val;
}

static void write_fcr(Serial *s, uint8_t val)
{
    bool fifo = val & FCR_ENABLE;

    if ((val & FCR_CLEAR_RX) || fifo != s->fifo) {
        s->rx_head = s->rx_len = 0;
        rx_wanted(s);
    }
    s->fifo = fifo;
}

static void write_ier(Serial *s, uint8_t val)
{
    /* Enabling it while the transmitter is empty interrupts at once. */
    if ((val & IER_THRI) && !(s->ier & IER_THRI))
        s->thri = true;
    s->ier = val & IER_ALL;
}

static void serial_write(void *opaque, uint64_t off, uint64_t val,
                         unsigned size)
{
    Serial *s = opaque;
    bool dlab = s->lcr & LCR_DLAB;
    uint8_t byte = val;

    switch (off) {
    case REG_DATA:
        if (dlab)
            s->divisor = (s->divisor & 0xff00) | byte;
        else
            transmit(s, byte);
        break;
    case REG_IER:
        if (dlab)
            s->divisor = (s->divisor & 0xff) | byte << 8;
        else
            write_ier(s, byte);
        break;
    case REG_IIR:
        write_fcr(s, byte);
        break;
    case REG_LCR:
        s->lcr = byte;
        break;
    case REG_MCR:
        s->mcr = byte & MCR_ALL;
        rx_wanted(s); /* loopback keeps the host's input away */
        break;
    case REG_SCR:
        s->scr = byte;
        break;
    }
    update_irq(s);
}

static const IoOps serial_ops = {
    .read = serial_read,
    .write = serial_write,
    .sizes = 1,
};

/* --- character device (main loop) ---------------------------------------- */

static void tx_run(void *opaque)
{
    Serial *s = opaque;
    uint8_t buf[4096];
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = MIN(s->tx_len, sizeof(buf));
    memcpy(buf, s->tx, n);
    s->tx_len -= n;
    memmove(s->tx, s->tx + n, s->tx_len);
    if (s->tx_len)
        loop_post(s->conf.loop, &s->tx_work);
    pthread_mutex_unlock(&s->lock);
    chardev_write(s->conf.chardev, buf, n);
}

static void rx_run(void *opaque)
{
    Serial *s = opaque;

    chardev_accept_input(s->conf.chardev);
}

static size_t serial_can_read(void *opaque)
{
    Serial *s = opaque;
    size_t room;

    MUTEX_SCOPE(&s->lock);
    room = s->mcr & MCR_LOOP ? 0 : rx_room(s);
    s->rx_waits = room == 0;
    return room;
}

static void serial_input(void *opaque, const uint8_t *buf, size_t len)
{
    Serial *s = opaque;

    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < len; i++)
        rx_put(s, buf[i]);
    update_irq(s);
}

static const ChardevHandlers serial_handlers = {
    .can_read = serial_can_read,
    .read = serial_input,
};

/* --- construction -------------------------------------------------------- */

static int serial_setup(Serial *s, Err *e)
{
    const SerialConf *conf = &s->conf;
    int r;

    r = irq_new_pin(&s->irq, conf->hv, IRQ_EDGE, conf->gsi, e);
    if (r < 0)
        return r;
    s->region = (IoRegion){
        .name = "serial",
        .base = conf->base,
        .len = NUM_REGS,
        .ops = &serial_ops,
        .opaque = s,
        .lock = &s->lock,
    };
    r = bus_add(conf->bus, conf->space, &s->region, e);
    if (r < 0)
        return r;
    s->on_bus = true;
    s->coalesced = hv_coalesce_add(conf->hv, conf->base + REG_DATA, 1,
                                   conf->space == BUS_PIO) == 0;
    r = chardev_attach(conf->chardev, conf->loop, &serial_handlers, s,
                       CHARDEV_DROP | CHARDEV_RAW, e);
    s->attached = r == 0;
    return r;
}

int serial_new(Serial **ret_serial, const SerialConf *conf, Err *e)
{
    Serial *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(e, ENOMEM, "out of memory");
    s->conf = *conf;
    pthread_mutex_init(&s->lock, NULL);
    work_init(&s->tx_work, tx_run, s);
    work_init(&s->rx_work, rx_run, s);
    reset_regs(s);
    r = serial_setup(s, e);
    if (r < 0) {
        serial_free(s);
        return r;
    }
    *ret_serial = s;
    return 0;
}

void serial_free(Serial *s)
{
    if (!s)
        return;
    if (s->coalesced)
        hv_coalesce_del(s->conf.hv, s->conf.base + REG_DATA, 1,
                        s->conf.space == BUS_PIO);
    if (s->on_bus)
        bus_del(s->conf.bus, s->conf.space, &s->region);
    while (s->tx_len) /* the guest's last words */
        tx_run(s);
    loop_unpost(s->conf.loop, &s->tx_work);
    loop_unpost(s->conf.loop, &s->rx_work);
    if (s->attached)
        chardev_detach(s->conf.chardev);
    irq_free(s->irq);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void serial_reset(Serial *s)
{
    MUTEX_SCOPE(&s->lock);
    reset_regs(s);
    s->rx_waits = true;
    rx_wanted(s);
}

const StateField serial_state[] = {
    { "ier", STATE_U8, offsetof(Serial, ier), 0, 0 },
    { "lcr", STATE_U8, offsetof(Serial, lcr), 0, 0 },
    { "mcr", STATE_U8, offsetof(Serial, mcr), 0, 0 },
    { "scr", STATE_U8, offsetof(Serial, scr), 0, 0 },
    { "divisor", STATE_U16, offsetof(Serial, divisor), 0, 0 },
    { "fifo", STATE_BOOL, offsetof(Serial, fifo), 0, 0 },
    { "thri", STATE_BOOL, offsetof(Serial, thri), 0, 0 },
    { "rx", STATE_U8, offsetof(Serial, rx), FIFO_BYTES, 0 },
    { "rx-head", STATE_U32, offsetof(Serial, rx_head), 0, 0 },
    { "rx-len", STATE_U32, offsetof(Serial, rx_len), 0, 0 },
    { 0 },
};

int serial_loaded(Serial *s, Err *e)
{
    MUTEX_SCOPE(&s->lock);
    s->level = false;
    if (s->rx_head >= FIFO_BYTES || s->rx_len > FIFO_BYTES) {
        reset_regs(s);
        return err_set(e, EINVAL, "state of the serial port is nonsense");
    }
    update_irq(s);
    return 0;
}
