/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/monitor.c - bytes of one client: in, cut, out. */
#include <config.h>

#include "qmp/monitor.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

#define IN_STEP  4096
#define IN_AHEAD (SCAN_MAX_BYTES + IN_STEP)

static void drop_fds(Monitor *mon)
{
    for (unsigned i = 0; i < mon->num_fds; i++)
        close(mon->fds[i]);
    mon->num_fds = 0;
}

static void disconnect(Monitor *mon)
{
    mon->dead = true;
    chardev_disconnect(mon->cd);
}

/* --- out ------------------------------------------------------------------ */

static int grow(char **buf, size_t *cap, size_t need)
{
    size_t want = *cap ? *cap : IN_STEP;
    char *bigger;

    if (need <= *cap)
        return 0;
    while (want < need)
        want *= 2;
    bigger = realloc(*buf, want);
    if (!bigger)
        return -ENOMEM;
    *buf = bigger;
    *cap = want;
    return 0;
}

void monitor_flush(Monitor *mon)
{
    size_t took;

    if (!mon->out_len || !mon->connected || mon->dead)
        return;
    took = chardev_write(mon->cd, mon->out, mon->out_len);
    mon->out_len -= took;
    memmove(mon->out, mon->out + took, mon->out_len);
}

void monitor_send(Monitor *mon, const char *text, bool event)
{
    size_t len = strlen(text);

    if (!mon->connected || mon->dead)
        return;
    if (event && mon->out_len + len > QMP_OUT_MAX) {
        log_warn("monitor '%s': the client leaves %zu bytes unread and is "
                 "disconnected",
                 chardev_id(mon->cd), mon->out_len);
        disconnect(mon);
        return;
    }
    if (grow(&mon->out, &mon->out_cap, mon->out_len + len + 2) < 0) {
        log_error("monitor '%s': out of memory, the client is disconnected",
                  chardev_id(mon->cd));
        disconnect(mon);
        return;
    }
    memcpy(mon->out + mon->out_len, text, len);
    memcpy(mon->out + mon->out_len + len, "\r\n", 2);
    mon->out_len += len + 2;
    monitor_flush(mon);
}

/* --- in ------------------------------------------------------------------- */

/* Whether the next request may be carried out. */
static bool may_go_on(const Monitor *mon)
{
    return mon->connected && !mon->dead && !mon->pending &&
           mon->out_len < QMP_OUT_HIGH;
}

static void consume(Monitor *mon, size_t len)
{
    if (len > mon->in_len)
        return; /* the client left meanwhile and took its bytes along */
    mon->in_len -= len;
    memmove(mon->in, mon->in + len, mon->in_len);
}

/* One step of the scanner. Return: whether to go on. */
static bool process_one(Monitor *mon)
{
    size_t start = 0;
    size_t end = 0;

    switch (scan(&mon->scanner, mon->in, mon->in_len, &start, &end)) {
    case SCAN_MORE:
        return false;
    case SCAN_OBJECT:
        qmp_dispatch(mon, mon->in + start, end - start);
        break;
    case SCAN_DEEP:
        qmp_refuse(mon, QMP_GENERIC_ERROR, NULL,
                   "JSON parse error: the request is nested too deeply");
        break;
    case SCAN_GARBAGE:
        qmp_refuse(mon, QMP_GENERIC_ERROR, NULL,
                   "JSON parse error: a request is an object that starts "
                   "with '{'");
        break;
    case SCAN_LONG:
        qmp_refuse(mon, QMP_GENERIC_ERROR, NULL,
                   "The socket message is too long.");
        disconnect(mon);
        return false;
    }
    consume(mon, end);
    return true;
}

static void process(Monitor *mon)
{
    if (mon->processing)
        return;
    mon->processing = true;
    while (may_go_on(mon) && process_one(mon))
        ;
    mon->processing = false;
    /* Nothing of this message is left: nobody takes its descriptors. */
    if (!mon->pending && !mon->scanner.in_object && may_go_on(mon))
        drop_fds(mon);
    if (mon->connected && !mon->dead)
        chardev_accept_input(mon->cd);
}

void monitor_resume(Monitor *mon)
{
    mon->pending = NULL;
    process(mon);
}

static size_t on_can_read(void *opaque)
{
    const Monitor *mon = opaque;

    /* Some is read ahead, so that the end of the stream is noticed even while
     * a request is pending or replies are left unread. */
    return mon->connected && !mon->dead && mon->in_len < IN_AHEAD ? IN_STEP : 0;
}

static void on_read(void *opaque, const uint8_t *buf, size_t len)
{
    Monitor *mon = opaque;

    if (mon->dead)
        return;
    if (grow(&mon->in, &mon->in_cap, mon->in_len + len) < 0) {
        disconnect(mon);
        return;
    }
    memcpy(mon->in + mon->in_len, buf, len);
    mon->in_len += len;
    process(mon);
}

static void on_fds(void *opaque, const int *fds, size_t num)
{
    Monitor *mon = opaque;

    for (size_t i = 0; i < num; i++) {
        if (mon->num_fds < QMP_MAX_FDS && !mon->dead)
            mon->fds[mon->num_fds++] = fds[i];
        else
            close(fds[i]);
    }
}

static void on_writable(void *opaque)
{
    Monitor *mon = opaque;

    monitor_flush(mon);
    process(mon);
}

/* --- coming and going ------------------------------------------------------
 */

static void reset(Monitor *mon)
{
    drop_fds(mon);
    if (mon->pending)
        mon->pending->mon = NULL;
    mon->pending = NULL;
    mon->in_len = 0;
    mon->out_len = 0;
    mon->heard = false;
    mon->dead = false;
    memset(&mon->scanner, 0, sizeof(mon->scanner));
}

static void greet(Monitor *mon)
{
    monitor_send(mon,
                 "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":2,\"minor\":2,"
                 "\"major\":8},\"package\":\"stratovmm-" PACKAGE_VERSION
                 "\"},\"capabilities\":[]}}",
                 false);
}
_Static_assert(QMP_QEMU_MAJOR == 8 && QMP_QEMU_MINOR == 2 &&
                   QMP_QEMU_MICRO == 2,
               "the greeting states the level");

static void on_event(void *opaque, ChardevEvent ev)
{
    Monitor *mon = opaque;

    switch (ev) {
    case CHARDEV_OPENED:
        reset(mon);
        mon->connected = true;
        greet(mon);
        break;
    case CHARDEV_CLOSED:
        mon->connected = false;
        reset(mon);
        break;
    }
}

int monitor_attach(Monitor *mon, Err *e)
{
    static const ChardevHandlers handlers = {
        .can_read = on_can_read,
        .read = on_read,
        .event = on_event,
        .writable = on_writable,
        .fds = on_fds,
    };
    int r = chardev_attach(mon->cd, mon->server->loop, &handlers, mon, 0, e);

    mon->attached = r >= 0;
    return r;
}

int monitor_new(Monitor **ret_mon, QmpServer *server, Chardev *cd, Err *e)
{
    Monitor *mon = calloc(1, sizeof(*mon));

    if (!mon) {
        chardev_free(cd);
        return err_set(e, ENOMEM, "out of memory");
    }
    list_init(&mon->link);
    mon->server = server;
    mon->cd = cd;
    *ret_mon = mon;
    return 0;
}

void monitor_free(Monitor *mon)
{
    if (!mon)
        return;
    list_del(&mon->link);
    if (mon->attached)
        chardev_detach(mon->cd);
    reset(mon);
    chardev_free(mon->cd);
    free(mon->in);
    free(mon->out);
    free(mon);
}
