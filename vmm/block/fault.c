/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block/fault.c - requests that fail or wait on purpose, for tests.
 *
 * file=fault:RULE[+RULE...]:PATH opens PATH, and each request is compared with
 * the rules in their order; the first that matches decides.
 *
 *   RULE    OP[@OFFSET][*COUNT]-ACTION
 *   OP      read, write, flush, discard, zeroes or any
 *   OFFSET  only requests that touch this byte of the disk
 *   COUNT   the rule ends after so many requests
 *   ACTION  EIO, ENOSPC, EAGAIN, ENOMEM: the request fails so
 *           delayN: the host gets it N milliseconds later
 *           lateN: the same, but it cannot be cancelled, as on a slow disk
 *           hold: it never ends, as on a dead disk
 *
 * Example: -drive file=fault:write@4096*2-EIO+flush-delay50:/tmp/disk,id=d
 */
#include <config.h>

#include "block/block_priv.h"
#include "core/clock.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_PREFIX    "fault:"
#define FAULT_MAX_RULES 16

typedef enum FaultAction {
    FAULT_FAIL,
    FAULT_DELAY,
    FAULT_LATE,
    FAULT_HOLD,
} FaultAction;

typedef struct FaultRule {
    unsigned op; /* BLOCK_OP_MAX: any */
    bool at;
    uint64_t off;
    bool counted;
    uint64_t count;
    FaultAction action;
    int code; /* -errno */
    int64_t delay_ns;
} FaultRule;

struct BlockFault {
    unsigned num_rules;
    FaultRule rules[FAULT_MAX_RULES];
    List delayed; /* by due time */
    List held;    /* for ever */
    Timer timer;
    Loop *loop; /* NULL: detached */
};

static const char *const op_names[] = {
    [BLOCK_READ] = "read",     [BLOCK_WRITE] = "write",
    [BLOCK_FLUSH] = "flush",   [BLOCK_DISCARD] = "discard",
    [BLOCK_ZEROES] = "zeroes", [BLOCK_OP_MAX] = "any",
};
_Static_assert(ARRAY_SIZE(op_names) == BLOCK_OP_MAX + 1, "a name per op");

static const struct {
    const char *name;
    int code;
} codes[] = {
    { "EIO", -EIO },
    { "ENOSPC", -ENOSPC },
    { "EAGAIN", -EAGAIN },
    { "ENOMEM", -ENOMEM },
};

/* --- rules --------------------------------------------------------------- */

static bool skip_word(const char **p, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(*p, word, len))
        return false;
    *p += len;
    return true;
}

static bool skip_number(const char **p, uint64_t *ret_val)
{
    char *end;

    if (**p < '0' || **p > '9')
        return false;
    errno = 0;
    *ret_val = strtoull(*p, &end, 10);
    *p = end;
    return errno == 0;
}

static bool parse_action(const char **p, FaultRule *rule)
{
    uint64_t ms;

    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
        if (skip_word(p, codes[i].name)) {
            rule->action = FAULT_FAIL;
            rule->code = codes[i].code;
            return true;
        }
    if (skip_word(p, "hold")) {
        rule->action = FAULT_HOLD;
        return true;
    }
    rule->action = **p == 'l' ? FAULT_LATE : FAULT_DELAY;
    if (!skip_word(p, rule->action == FAULT_LATE ? "late" : "delay") ||
        !skip_number(p, &ms) || ms > 86400000)
        return false;
    rule->delay_ns = (int64_t)ms * 1000000;
    return true;
}

static bool parse_rule(const char **p, FaultRule *rule)
{
    *rule = (FaultRule){ 0 };
    for (rule->op = 0; rule->op <= BLOCK_OP_MAX; rule->op++)
        if (skip_word(p, op_names[rule->op]))
            break;
    if (rule->op > BLOCK_OP_MAX)
        return false;
    rule->at = skip_word(p, "@");
    if (rule->at && !skip_number(p, &rule->off))
        return false;
    rule->counted = skip_word(p, "*");
    if (rule->counted && !skip_number(p, &rule->count))
        return false;
    return skip_word(p, "-") && parse_action(p, rule);
}

int fault_parse(BlockFault **ret_fault, const char *file, const char **ret_path,
                Err *e)
{
    const char *p = file;
    BlockFault *fault CLEANUP(ptr_free) = NULL;

    *ret_path = file;
    if (!skip_word(&p, FAULT_PREFIX))
        return 0;
    fault = calloc(1, sizeof(*fault));
    if (!fault)
        return err_set(e, ENOMEM, "out of memory for '%s'", file);
    do {
        if (fault->num_rules == FAULT_MAX_RULES ||
            !parse_rule(&p, &fault->rules[fault->num_rules++]))
            return err_set(e, EINVAL,
                           "'%s' is no fault:RULE[+RULE...]:PATH with at most "
                           "%d rules OP[@OFFSET][*COUNT]-ACTION",
                           file, FAULT_MAX_RULES);
    } while (skip_word(&p, "+"));
    if (!skip_word(&p, ":") || !*p)
        return err_set(e, EINVAL, "'%s' names no image after its fault rules",
                       file);
    list_init(&fault->delayed);
    list_init(&fault->held);
    *ret_path = p;
    *ret_fault = ptr_take(&fault);
    return 1;
}

void fault_free(BlockFault *fault)
{
    free(fault);
}

/* --- requests ------------------------------------------------------------ */

static bool matches(FaultRule *rule, const BlockReq *req)
{
    if (rule->op != BLOCK_OP_MAX && rule->op != req->op)
        return false;
    if (rule->at && (req->op == BLOCK_FLUSH || rule->off < req->off ||
                     rule->off - req->off >= req->len))
        return false;
    if (!rule->counted)
        return true;
    if (!rule->count)
        return false;
    rule->count--;
    return true;
}

static void arm(BlockFault *fault)
{
    if (!list_empty(&fault->delayed))
        timer_set(&fault->timer,
                  container_of(fault->delayed.next, BlockReq, link)->due_ns);
}

static void due(void *opaque)
{
    BlockFault *fault = opaque;

    while (!list_empty(&fault->delayed)) {
        BlockReq *req = container_of(fault->delayed.next, BlockReq, link);

        if (req->due_ns > clock_now_ns())
            break;
        list_del(&req->link);
        block_after_fault(req);
    }
    arm(fault);
}

static void delay(BlockFault *fault, BlockReq *req, int64_t delay_ns)
{
    List *at;

    req->due_ns = clock_now_ns() + delay_ns;
    for (at = fault->delayed.prev; at != &fault->delayed; at = at->prev)
        if (container_of(at, BlockReq, link)->due_ns <= req->due_ns)
            break;
    list_add_tail(at->next, &req->link);
    arm(fault);
}

bool fault_catch(BlockFault *fault, BlockReq *req)
{
    for (unsigned i = 0; i < fault->num_rules; i++) {
        FaultRule *rule = &fault->rules[i];

        if (!matches(rule, req))
            continue;
        req->stuck = rule->action != FAULT_DELAY;
        if (rule->action == FAULT_FAIL)
            block_done(req, rule->code);
        else if (rule->action == FAULT_HOLD)
            list_add_tail(&fault->held, &req->link);
        else
            delay(fault, req, rule->delay_ns);
        return true;
    }
    return false;
}

void fault_cancel(BlockFault *fault)
{
    list_for_each_safe(pos, &fault->delayed)
    {
        BlockReq *req = container_of(pos, BlockReq, link);

        if (req->stuck)
            continue;
        list_del(pos);
        block_done(req, -ECANCELED);
    }
}

void fault_attach(BlockFault *fault, Loop *loop)
{
    fault->loop = loop;
    timer_init(&fault->timer, loop, due, fault);
}

void fault_detach(BlockFault *fault)
{
    if (fault->loop)
        timer_del(&fault->timer);
    fault->loop = NULL;
}
