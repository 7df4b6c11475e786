/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bulk statistics of running and inactive domains with the fake VMM. */
#include <config.h>

#include "stats/stats.h"
#include "tests/unit/domain/harness.h"

#include <string.h>

#include "util/error.h"

/* "field=value" of every parameter, one line each, by domain. */
static char *records_text(GPtrArray *records)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < records->len; i++) {
        const StatsRecord *record = g_ptr_array_index(records, i);

        g_string_append_printf(text, "[%s]\n", record->dom.name);
        for (guint k = 0; k < record->params->len; k++) {
            const StatsParam *param =
                &g_array_index(record->params, StatsParam, k);

            g_string_append_printf(text, "%s=", param->field);
            if (param->type == VIR_TYPED_PARAM_STRING)
                g_string_append_printf(text, "%s\n", param->value.s);
            else if (param->type == VIR_TYPED_PARAM_ULLONG)
                g_string_append_printf(text, "%" G_GUINT64_FORMAT "\n",
                                       param->value.ul);
            else
                g_string_append_printf(text, "%d\n", param->value.i);
        }
    }
    return g_string_free(text, FALSE);
}

typedef struct StatsCall {
    Call *call;
    char *text;
} StatsCall;

static void stats_done(gpointer user, GPtrArray *records, const GError *error)
{
    StatsCall *stats = user;

    stats->text = records ? records_text(records) : NULL;
    call_done(stats->call, NULL, NULL, error);
}

static char *collect(Harness *h, GPtrArray *domains, guint groups, guint flags)
{
    StatsCall stats = { call_new(h), NULL };

    stats_collect_async(h->drv, domains, groups, flags, stats_done, &stats);
    call_ok(stats.call);
    return stats.text;
}

static void assert_has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("'%s' is not in:\n%s", line, text);
}

static void running_domain(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_create(h, "a", "");
    g_autofree char *text = collect(h, NULL, 0, 0);
    g_autofree char *path =
        g_strdup_printf("block.0.path=%s/disk.img\n", h->root);

    assert_true(g_str_has_prefix(text, "[a]\nstate.state=1\n"
                                       "state.reason=1\ncpu.time="));
    assert_has(text, "balloon.maximum=131072\n");
    assert_has(text, "vcpu.current=2\nvcpu.maximum=2\n");
    assert_has(text, "vcpu.1.state=1\n");
    assert_has(text, "net.count=0\n");
    assert_has(text, "block.count=1\nblock.0.name=vda\n");
    assert_has(text, path);
    assert_has(text, "block.0.rd.bytes=512\n");
    assert_has(text, "block.0.wr.reqs=2\n");
    assert_has(text, "block.0.capacity=4\n");
}

/* What clients read without asking is there. */
static void inactive_domain(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = harness_define(h, "a", "");
    g_autofree char *text = collect(h, NULL, 0, 0);

    assert_has(text, "state.state=5\n");
    assert_has(text, "vcpu.current=2\nvcpu.maximum=2\n");
    assert_has(text, "block.0.name=vda\n");
    assert_null(strstr(text, "cpu.time="));
    assert_null(strstr(text, "net.count="));
}

static void groups_and_filters(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) active = harness_create(h, "a", "");
    g_autoptr(Domain) inactive = harness_create(h, "b", "");
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    g_autofree char *state_only = NULL;
    g_autofree char *filtered = NULL;
    StatsCall stats = { call_new(h), NULL };

    g_ptr_array_add(one, inactive);
    state_only = collect(h, one, VIR_DOMAIN_STATS_STATE, 0);
    assert_string_equal(state_only, "[b]\nstate.state=1\nstate.reason=1\n");
    filtered = collect(h, NULL, VIR_DOMAIN_STATS_STATE,
                       VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE);
    assert_string_equal(filtered, "");
    stats_collect_async(h->drv, NULL, 1u << 30,
                        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS,
                        stats_done, &stats);
    call_fails(stats.call, VIR_ERR_NO_SUPPORT, "0x40000000");
}

/* Its VMM does not answer: the rest is told all the same. */
static void stuck_domain(void **state)
{
    Harness *h = *state;
    g_autoptr(Domain) dom = NULL;
    g_autofree char *text = NULL;

    h->drv->config->qmp_timeout_ms = 5000;
    dom = harness_create(h, "a", "fake.hang=query-blockstats");
    text = collect(h, NULL, 0, 0);
    assert_has(text, "state.state=1\n");
    assert_has(text, "block.0.name=vda\n");
    assert_null(strstr(text, "block.0.rd.bytes"));
}

#define TEST(fn)                                                               \
    cmocka_unit_test_setup_teardown(fn, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(running_domain),
        TEST(inactive_domain),
        TEST(groups_and_filters),
        TEST(stuck_domain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
