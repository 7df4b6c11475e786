/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hv/test/proto.c - test accelerator: the requests of -mod-test. */
#include <config.h>

#include "core/clock.h"
#include "hv/test/test_priv.h"
#include "util/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * docs/test-accel.md has the protocol.  Nothing a harness sends ends the
 * process: what cannot be understood gets "ERR" and a sentence.
 */
#define WORDS_MAX       5
#define CLOCK_STEPS_MAX 100000 /* timers that keep setting themselves */

typedef struct Request {
    TestVm *vm;
    char *words[WORDS_MAX]; /* words[0] is the command */
    unsigned num_words;
} Request;

typedef struct Command {
    const char *name;
    unsigned min_args;
    unsigned max_args;
    void (*run)(Request *req, unsigned param);
    unsigned param;
} Command;

/* --- replies and numbers ------------------------------------------------- */

static void send_all(TestVm *vm, const char *buf, size_t len)
{
    while (len) {
        ssize_t n = write(vm->sock, buf, len); /* SIGPIPE is blocked */

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* the next read() says why */
        buf += n;
        len -= (size_t)n;
    }
}

void test_reply(TestVm *vm, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
    va_end(ap);
    n = MIN(n, (int)sizeof(line) - 3);
    memcpy(line + n, "\r\n", 2);
    send_all(vm, line, (size_t)n + 2);
}

static void reply_failed(TestVm *vm, int r)
{
    if (r == -ENODEV)
        test_reply(vm, "ERR there is no vCPU %u", vm->selected);
    else if (r == -ESHUTDOWN)
        test_reply(vm, "ERR the machine ends");
    else
        test_reply(vm, "ERR the address is out of range");
}

static bool parse_number(const char *text, int base, uint64_t *ret_val)
{
    char *end;

    if (base == 16 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        text += 2;
    if (!*text || *text == '-' || *text == '+')
        return false;
    errno = 0;
    *ret_val = strtoull(text, &end, base);
    return errno == 0 && *end == 0;
}

/* Replies itself when the word is no number or above @max. */
static bool arg(Request *req, unsigned i, int base, uint64_t max,
                uint64_t *ret_val)
{
    if (parse_number(req->words[i], base, ret_val) && *ret_val <= max)
        return true;
    test_reply(req->vm, "ERR '%.40s' is not a %s number up to %llu",
               req->words[i], base == 16 ? "hexadecimal" : "decimal",
               (unsigned long long)max);
    return false;
}

/* --- memory, devices, ports ---------------------------------------------- */

static void run_read_word(Request *req, unsigned len)
{
    uint8_t buf[8] = { 0 };
    uint64_t addr;
    int r;

    if (!arg(req, 1, 16, UINT64_MAX, &addr))
        return;
    r = test_mem(req->vm, false, addr, buf, len);
    if (r < 0)
        reply_failed(req->vm, r);
    else
        test_reply(req->vm, "OK 0x%016llx", (unsigned long long)load_le64(buf));
}

static uint64_t word_max(unsigned len)
{
    return UINT64_MAX >> (64 - len * 8);
}

static void run_write_word(Request *req, unsigned len)
{
    uint8_t buf[8];
    uint64_t addr, val;
    int r;

    if (!arg(req, 1, 16, UINT64_MAX, &addr) ||
        !arg(req, 2, 16, word_max(len), &val))
        return;
    store_le64(buf, val);
    r = test_mem(req->vm, true, addr, buf, len);
    if (r < 0)
        reply_failed(req->vm, r);
    else
        test_reply(req->vm, "OK");
}

static void run_port(Request *req, unsigned len, bool write)
{
    uint64_t port, val = 0;
    int r;

    if (!arg(req, 1, 16, 0xffff, &port))
        return;
    if (write && !arg(req, 2, 16, word_max(len), &val))
        return;
    r = test_port(req->vm, write, (uint16_t)port, len, &val);
    if (r < 0)
        reply_failed(req->vm, r);
    else if (write)
        test_reply(req->vm, "OK");
    else
        test_reply(req->vm, "OK 0x%016llx", (unsigned long long)val);
}

static void run_in(Request *req, unsigned len)
{
    run_port(req, len, false);
}

static void run_out(Request *req, unsigned len)
{
    run_port(req, len, true);
}

static void run_read(Request *req, unsigned unused)
{
    static const char digits[] = "0123456789abcdef";
    char *text CLEANUP(ptr_free) = NULL;
    uint64_t addr, len;
    uint8_t *buf;
    int r;

    if (!arg(req, 1, 16, UINT64_MAX, &addr) ||
        !arg(req, 2, 16, TEST_READ_MAX, &len))
        return;
    text = calloc(1, 5 + 2 * len + 2 + len);
    if (!text) {
        test_reply(req->vm, "ERR out of memory");
        return;
    }
    buf = (uint8_t *)text + 5 + 2 * len + 2;
    r = test_mem(req->vm, false, addr, buf, len);
    if (r < 0) {
        reply_failed(req->vm, r);
        return;
    }
    memcpy(text, "OK 0x", 5);
    for (uint64_t i = 0; i < len; i++) {
        text[5 + 2 * i] = digits[buf[i] >> 4];
        text[6 + 2 * i] = digits[buf[i] & 15];
    }
    memcpy(text + 5 + 2 * len, "\r\n", 2);
    send_all(req->vm, text, 5 + 2 * len + 2);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Hex digits become bytes, in place; an odd count gets a leading zero.
 * Return: bytes, or -1
 */
static ssize_t hex_decode(char *text)
{
    uint8_t *to = (uint8_t *)text;
    size_t digits, n = 0;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        text += 2;
    digits = strlen(text);
    for (size_t i = 0; i < digits; n++) {
        int high = n == 0 && digits % 2 ? 0 : hex_value(text[i++]);
        int low = hex_value(text[i++]);

        if (high < 0 || low < 0)
            return -1;
        to[n] = (uint8_t)(high << 4 | low);
    }
    return (ssize_t)n;
}

static void run_write(Request *req, unsigned unused)
{
    uint64_t addr, len;
    ssize_t have;
    int r;

    if (!arg(req, 1, 16, UINT64_MAX, &addr) ||
        !arg(req, 2, 16, TEST_REQUEST_MAX, &len))
        return;
    have = hex_decode(req->words[3]);
    if (have < 0 || (uint64_t)have != len) {
        test_reply(req->vm, "ERR the data are not %llu bytes of hex digits",
                   (unsigned long long)len);
        return;
    }
    r = test_mem(req->vm, true, addr, (uint8_t *)req->words[3], len);
    if (r < 0)
        reply_failed(req->vm, r);
    else
        test_reply(req->vm, "OK");
}

/* Memory only, the pattern's bytes again and again. */
static int mem_fill(GuestMem *gm, uint64_t addr, uint64_t len,
                    const uint8_t *pattern, size_t pattern_len)
{
    if (addr + len < addr)
        return -EFAULT;
    if (pattern_len == 1)
        return gmem_set(gm, addr, pattern[0], len);
    while (len) {
        size_t n = MIN((uint64_t)pattern_len, len);
        int r = gmem_write(gm, addr, pattern, n);

        if (r < 0)
            return r;
        addr += n;
        len -= n;
    }
    return 0;
}

static void run_memset(Request *req, unsigned unused)
{
    TestVm *vm = req->vm;
    uint64_t addr, len;
    ssize_t have;
    int r;

    if (!arg(req, 1, 16, UINT64_MAX, &addr) ||
        !arg(req, 2, 16, 1ull << 32, &len))
        return;
    have = hex_decode(req->words[3]);
    if (have <= 0) {
        test_reply(vm, "ERR the pattern is not made of hex digits");
        return;
    }
    qs_online(&vm->qs);
    r = mem_fill(vm->hv.gm, addr, len, (uint8_t *)req->words[3], (size_t)have);
    qs_offline(&vm->qs);
    if (r < 0)
        reply_failed(vm, r);
    else
        test_reply(vm, "OK");
}

static void run_cpu(Request *req, unsigned unused)
{
    uint64_t index;

    if (!arg(req, 1, 10, TEST_VCPUS_MAX - 1, &index))
        return;
    req->vm->selected = (unsigned)index;
    test_reply(req->vm, "OK");
}

/* --- clock --------------------------------------------------------------- */

/* Every timer on the way runs at its own time. */
static void clock_go(int64_t target)
{
    for (unsigned i = 0; i < CLOCK_STEPS_MAX; i++) {
        int64_t next = loop_next_deadline_all();

        if (next > target)
            break;
        clock_set_virtual(MAX(next, clock_now_ns()));
        loop_drain_all();
    }
    clock_set_virtual(target);
    loop_drain_all();
}

static bool clock_ok(Request *req)
{
    if (clock_is_virtual())
        return true;
    test_reply(req->vm, "ERR the clock is real");
    return false;
}

static void run_clock_step(Request *req, unsigned unused)
{
    int64_t now = clock_now_ns();
    int64_t next = loop_next_deadline_all();
    uint64_t ns = 0;

    if (!clock_ok(req))
        return;
    if (req->num_words > 1) {
        if (!arg(req, 1, 10, (uint64_t)(INT64_MAX - now), &ns))
            return;
    } else if (next != INT64_MAX && next > now) {
        ns = (uint64_t)(next - now);
    }
    clock_go(now + (int64_t)ns);
    test_reply(req->vm, "OK %lld", (long long)clock_now_ns());
}

static void run_clock_set(Request *req, unsigned unused)
{
    uint64_t ns;

    if (!clock_ok(req) || !arg(req, 1, 10, INT64_MAX, &ns))
        return;
    clock_go(MAX((int64_t)ns, clock_now_ns()));
    test_reply(req->vm, "OK %lld", (long long)clock_now_ns());
}

/* --- interrupts ---------------------------------------------------------- */

static void reply_bool(TestVm *vm, bool yes)
{
    test_reply(vm, "OK %s", yes ? "TRUE" : "FALSE");
}

static void run_query_msix(Request *req, unsigned unused)
{
    uint64_t addr, data;

    if (arg(req, 1, 10, UINT64_MAX, &addr) &&
        arg(req, 2, 10, UINT32_MAX, &data))
        reply_bool(req->vm, test_take_msi(req->vm, addr, (uint32_t)data));
}

static bool arg_pin(Request *req, unsigned *ret_gsi)
{
    uint64_t gsi;

    if (!arg(req, 1, 10, TEST_PINS - 1, &gsi))
        return false;
    *ret_gsi = (unsigned)gsi;
    return true;
}

static void run_query_intx(Request *req, unsigned eoi)
{
    unsigned gsi;

    if (arg_pin(req, &gsi))
        reply_bool(req->vm,
                   eoi ? test_eoi(req->vm, gsi) : test_intx(req->vm, gsi));
}

static void run_query_edge(Request *req, unsigned unused)
{
    unsigned gsi;

    if (arg_pin(req, &gsi))
        test_reply(req->vm, "OK %llu",
                   (unsigned long long)test_take_edges(req->vm, gsi));
}

/* --- requests ------------------------------------------------------------ */

static const Command commands[] = {
    { "read", 2, 2, run_read, 0 },
    { "readb", 1, 1, run_read_word, 1 },
    { "readw", 1, 1, run_read_word, 2 },
    { "readl", 1, 1, run_read_word, 4 },
    { "readq", 1, 1, run_read_word, 8 },
    { "write", 3, 3, run_write, 0 },
    { "writeb", 2, 2, run_write_word, 1 },
    { "writew", 2, 2, run_write_word, 2 },
    { "writel", 2, 2, run_write_word, 4 },
    { "writeq", 2, 2, run_write_word, 8 },
    { "memset", 3, 3, run_memset, 0 },
    { "inb", 1, 1, run_in, 1 },
    { "inw", 1, 1, run_in, 2 },
    { "inl", 1, 1, run_in, 4 },
    { "outb", 2, 2, run_out, 1 },
    { "outw", 2, 2, run_out, 2 },
    { "outl", 2, 2, run_out, 4 },
    { "cpu", 1, 1, run_cpu, 0 },
    { "clock_step", 0, 1, run_clock_step, 0 },
    { "clock_set", 1, 1, run_clock_set, 0 },
    { "query_msix", 2, 2, run_query_msix, 0 },
    { "query_intx", 1, 1, run_query_intx, 0 },
    { "eoi_intx", 1, 1, run_query_intx, 1 },
    { "query_edge", 1, 1, run_query_edge, 0 },
};

void test_serve_line(TestVm *vm, char *line)
{
    Request req = { .vm = vm };
    char *save = NULL;

    for (char *word = strtok_r(line, " \t\r\n", &save); word;
         word = strtok_r(NULL, " \t\r\n", &save)) {
        if (req.num_words == WORDS_MAX) {
            test_reply(vm, "ERR a request has at most %d words", WORDS_MAX);
            return;
        }
        req.words[req.num_words++] = word;
    }
    if (!req.num_words)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const Command *c = &commands[i];

        if (strcmp(req.words[0], c->name))
            continue;
        if (req.num_words - 1 < c->min_args || req.num_words - 1 > c->max_args)
            test_reply(vm, "ERR %s takes %u to %u arguments", c->name,
                       c->min_args, c->max_args);
        else
            c->run(&req, c->param);
        return;
    }
    test_reply(vm, "Unsupported command: %.100s", req.words[0]);
}
