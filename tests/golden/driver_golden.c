// SPDX-License-Identifier: LGPL-2.1-or-later
// golden/driver_golden.c - definitions to canonical XML and to command lines.
//
// For each tests/golden/driver/NAME.xml:
//   NAME.err           code, libvirt domain and text, when it is refused; or
//   NAME.inactive.xml  what `dumpxml --inactive` shows after define
//   NAME.live.xml      what `dumpxml` shows while it runs
//   NAME.args          the command lines for stratovmm and for stratovirt
// The lines for stratovmm are fed to the one of this build with -dry-run.
// A first line <!-- options: WORD... --> sets the stage.  REGENERATE=1 writes
// the files anew.  What was printed must parse and print as the same again.
// Then every document is cut short and bent, and nothing may crash.
#include <config.h>

#include <glib/gstdio.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/domain_def.h"
#include "util/error.h"
#include "vmmcmd/vmmcmd.h"

#define DEADLINE_S     300
#define CUTS_PER_FILE  80
#define BENDS_PER_FILE 300

static guint failures, fed, not_fed;
static char *vmm_binary;
static GHashTable *vmm_devices; /* set of names; NULL: no VMM to feed */
static const char *folder;

typedef struct Stage {
    DomainCapsLimits limits;
    unsigned flags;
} Stage;

static Stage read_options(const char *xml)
{
    Stage stage = {
        .limits = { .arch = "x86_64", .emulator = "/usr/bin/stratovmm" },
        .flags = DOMAIN_DEF_PARSE_INACTIVE,
    };
    g_autofree char *line = g_strndup(xml, strcspn(xml, "\n"));

    if (!g_str_has_prefix(line, "<!-- options:"))
        return stage;
    if (strstr(line, " substitute"))
        stage.limits.device_substitution = TRUE;
    if (strstr(line, " network"))
        stage.limits.network_interfaces = TRUE;
    if (strstr(line, " validate"))
        stage.flags |= DOMAIN_DEF_PARSE_VALIDATE_SCHEMA;
    if (strstr(line, " aarch64"))
        stage.limits.arch = "aarch64";
    return stage;
}

static void fail(const char *name, const char *what)
{
    fprintf(stderr, "%s: %s\n", name, what);
    failures++;
}

static void compare(const char *name, const char *suffix, const char *got)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    g_autofree char *path = g_build_filename(folder, file, NULL);
    g_autofree char *want = NULL;

    if (g_getenv("REGENERATE")) {
        if (!g_file_set_contents(path, got, -1, NULL))
            fail(file, "cannot be written");
        return;
    }
    if (!g_file_get_contents(path, &want, NULL, NULL))
        fail(file, "is missing; REGENERATE=1 writes it");
    else if (strcmp(want, got) != 0)
        fprintf(stderr, "--- %s, now:\n%s", file, got), fail(file, "differs");
}

static char *format(const DomainDef *def, unsigned flags)
{
    GString *buf = g_string_new(NULL);

    domain_def_format(def, flags, buf);
    return g_string_free(buf, FALSE);
}

/* What was printed is the same when it is read and printed again. */
static void check_again(const char *name, const char *xml, Stage stage,
                        unsigned parse_flags, unsigned format_flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomainDef) def =
        domain_def_parse(xml, parse_flags, &stage.limits, &error);
    g_autofree char *again = def ? format(def, format_flags) : NULL;

    if (!def)
        fprintf(stderr, "%s\n", error->message), fail(name, "not read again");
    else if (strcmp(xml, again) != 0)
        fprintf(stderr, "%s", again), fail(name, "changed when read again");
}

/* Numbers that are easy to see in the output. */
typedef struct Opened {
    VmmResources res;
    GArray *files; /* of VmmFile, disks then rngs */
    GArray *taps;
    GArray *chrs; /* serials then consoles */
    int tap_fds[64];
    guint next_fd;
} Opened;

static VmmFile open_file(Opened *opened, gboolean fds, const char *path)
{
    VmmFile file = { .fd = fds ? (int)opened->next_fd++ : -1, .path = path };

    return path ? file : VMM_FILE_NONE;
}

static VmmChr open_chr(Opened *opened, gboolean fds, const DomainChr *chr)
{
    return (VmmChr){
        .file = open_file(opened, fds,
                          chr->type == DOMAIN_CHR_PTY ? NULL : chr->path),
        .log = open_file(opened, fds, chr->log_file),
    };
}

static VmmTap open_tap(Opened *opened, gboolean fds, const DomainNet *net,
                       guint number)
{
    VmmTap tap = { .ifname = net->ifname ? net->ifname : "vnet0" };

    if (!fds)
        return tap;
    tap.fds = &opened->tap_fds[number * 16];
    for (guint i = 0; i < MAX(net->queues, 1); i++)
        opened->tap_fds[number * 16 + i] = (int)opened->next_fd++;
    tap.n_fds = MAX(net->queues, 1);
    return tap;
}

static void open_all(Opened *opened, const DomainDef *def, gboolean fds)
{
    VmmResources *res = &opened->res;

    vmm_resources_init(res);
    opened->next_fd = 10;
    opened->files = g_array_new(FALSE, TRUE, sizeof(VmmFile));
    opened->taps = g_array_new(FALSE, TRUE, sizeof(VmmTap));
    opened->chrs = g_array_new(FALSE, TRUE, sizeof(VmmChr));
    res->binary = def->emulator;
    res->kvm = open_file(opened, fds, "/dev/kvm");
    res->kernel = open_file(opened, fds, def->os.kernel);
    res->initrd = open_file(opened, fds, def->os.initrd);
    res->qmp = open_file(opened, fds, "/run/x/monitor.sock");
    res->exit_fd = fds ? (int)opened->next_fd++ : -1;
    res->paused = TRUE;
    for (guint i = 0; i < def->disks->len; i++) {
        VmmFile file =
            open_file(opened, fds, domain_disk_path(def->disks->pdata[i]));

        g_array_append_val(opened->files, file);
    }
    for (guint i = 0; i < def->rngs->len; i++) {
        VmmFile file =
            open_file(opened, fds, ((DomainRng *)def->rngs->pdata[i])->path);

        g_array_append_val(opened->files, file);
    }
    for (guint i = 0; i < def->nets->len; i++) {
        VmmTap tap = open_tap(opened, fds, def->nets->pdata[i], i);

        g_array_append_val(opened->taps, tap);
    }
    for (guint i = 0; i < def->serials->len + def->consoles->len; i++) {
        const DomainChr *chr =
            i < def->serials->len ? def->serials->pdata[i]
                                  : def->consoles->pdata[i - def->serials->len];
        gboolean mirror = i >= def->serials->len && domain_chr_is_mirror(chr);
        VmmChr back = mirror ? (VmmChr){ VMM_FILE_NONE, VMM_FILE_NONE }
                             : open_chr(opened, fds, chr);

        g_array_append_val(opened->chrs, back);
    }
    res->disks = (VmmFile *)opened->files->data;
    res->rngs = (VmmFile *)opened->files->data + def->disks->len;
    res->taps = (VmmTap *)opened->taps->data;
    res->serials = (VmmChr *)opened->chrs->data;
    res->consoles = (VmmChr *)opened->chrs->data + def->serials->len;
}

static void close_all(Opened *opened)
{
    g_array_unref(opened->files);
    g_array_unref(opened->taps);
    g_array_unref(opened->chrs);
}

static char *run_vmm(char **argv, int *ret_status, char **ret_stderr)
{
    char *output = NULL;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output,
                      ret_stderr, ret_status, NULL))
        return NULL;
    return output;
}

/* Is every device of the command line one that this VMM was built with? */
static gboolean vmm_has_devices(GPtrArray *argv)
{
    for (guint i = 0; argv->pdata[i]; i++) {
        g_autofree char *name = NULL;
        const char *value = argv->pdata[i + 1];

        if (strcmp(argv->pdata[i], "-device") != 0)
            continue;
        name = g_strndup(value, strcspn(value, ","));
        if (!g_hash_table_contains(vmm_devices, name))
            return FALSE;
    }
    return TRUE;
}

/* Our VMM must understand what the driver tells it. */
static void feed_vmm(const char *name, GPtrArray *argv)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *text = NULL;
    g_autofree char *errors = NULL;
    int status = 0;

    if (!vmm_devices)
        return;
    if (!vmm_has_devices(argv)) {
        not_fed++;
        return;
    }
    g_ptr_array_add(words, vmm_binary);
    for (guint i = 1; argv->pdata[i]; i++)
        g_ptr_array_add(words, argv->pdata[i]);
    g_ptr_array_add(words, (char *)"-dry-run");
    g_ptr_array_add(words, NULL);
    text = run_vmm((char **)words->pdata, &status, &errors);
    if (!text || status != 0)
        fprintf(stderr, "%s", errors ? errors : ""),
            fail(name, "the VMM does not take this command line");
    fed++;
}

/* What the VMM of this build offers; without one nothing is fed. */
static void find_vmm(void)
{
    const char *top = g_getenv("top_builddir");
    g_autofree char *text = NULL;
    g_autofree char *errors = NULL;
    json_t *doc, *device;
    size_t i;
    int status = -1;

    vmm_binary = g_build_filename(top ? top : "..", "vmm", "stratovmm", NULL);
    if (access(vmm_binary, X_OK) == 0)
        text = run_vmm((char *[]){ vmm_binary, (char *)"-describe", NULL },
                       &status, &errors);
    doc = text && status == 0 ? json_loads(text, 0, NULL) : NULL;
    if (!doc)
        return;
    vmm_devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_array_foreach(json_object_get(doc, "devices"), i, device)
    {
        g_hash_table_add(vmm_devices, g_strdup(json_string_value(
                                          json_object_get(device, "name"))));
    }
    json_decref(doc);
}

static void append_args(GString *out, const char *name, const DomainDef *def,
                        const VmmCaps *caps, gboolean fds)
{
    g_autoptr(GError) error = NULL;
    Opened opened;
    GPtrArray *argv;

    open_all(&opened, def, fds);
    argv = vmmcmd_build(def, &opened.res, caps, &error);
    if (!argv)
        g_string_append_printf(out, "error %d: %s\n", error->code,
                               error->message);
    for (guint i = 0; argv && argv->pdata[i]; i++) {
        const char *word = argv->pdata[i];

        g_string_append_printf(out, "%s%s",
                               i == 0           ? ""
                               : word[0] == '-' ? "\n"
                                                : " ",
                               word);
    }
    if (argv) {
        g_string_append_c(out, '\n');
        if (name && fds)
            feed_vmm(name, argv);
        g_ptr_array_unref(argv);
    }
    close_all(&opened);
}

/* @name: also fed to the VMM; NULL: only built */
static char *build_args(const char *name, const DomainDef *def)
{
    g_autoptr(VmmCaps) ours = vmm_caps_new();
    g_autoptr(VmmCaps) upstream = vmm_caps_upstream("2.5.0");
    GString *out = g_string_new("# stratovmm\n");

    for (int i = 0; i < VMM_FEATURE_MAX; i++)
        vmm_caps_set(ours, i);
    append_args(out, name, def, ours, TRUE);
    g_string_append(out, "# stratovirt\n");
    append_args(out, name, def, upstream, FALSE);
    return g_string_free(out, FALSE);
}

/* What a start adds. */
static void make_live(DomainDef *def)
{
    def->id = 7;
    domain_def_assign_aliases(def);
    for (guint i = 0; i < def->disks->len; i++) {
        DomainDisk *disk = def->disks->pdata[i];

        disk->index = i + 1;
        disk->has_backing = TRUE;
    }
    for (guint i = 0; i < def->nets->len; i++) {
        DomainNet *net = def->nets->pdata[i];

        if (net->ifname)
            continue;
        net->ifname = g_strdup_printf("vnet%u", i);
        net->ifname_generated = TRUE;
    }
    domain_def_set_pty(def, "serial0", "/dev/pts/3");
    domain_def_set_pty(def, "console1", "/dev/pts/4");
}

static void check_good(const char *name, DomainDef *def, Stage stage)
{
    g_autofree char *inactive = format(def, VIR_DOMAIN_XML_INACTIVE);
    g_autoptr(DomainDef) running = domain_def_copy(def);
    g_autofree char *live = NULL;
    g_autofree char *back = NULL;
    g_autofree char *args = NULL;
    unsigned schema = DOMAIN_DEF_PARSE_VALIDATE_SCHEMA;

    make_live(running);
    live = format(running, 0);
    back = format(running, VIR_DOMAIN_XML_INACTIVE);
    args = build_args(name, running);
    compare(name, ".inactive.xml", inactive);
    compare(name, ".live.xml", live);
    compare(name, ".args", args);
    check_again(name, inactive, stage, stage.flags | schema,
                VIR_DOMAIN_XML_INACTIVE);
    check_again(name, live, stage, DOMAIN_DEF_PARSE_RAW, 0);
    check_again(name, live, stage, 0, 0);
    if (!g_str_has_prefix(inactive, "<domain type='kvm'>\n"))
        fail(name, "the inactive document has live attributes");
}

static void check_file(const char *name, const char *xml)
{
    Stage stage = read_options(xml);
    g_autoptr(GError) error = NULL;
    g_autoptr(DomainDef) def =
        domain_def_parse(xml, stage.flags, &stage.limits, &error);
    gboolean bad = g_str_has_prefix(name, "bad-");

    if (bad != !def) {
        fprintf(stderr, "%s\n", def ? "accepted" : error->message);
        fail(name, bad ? "should be refused" : "should be accepted");
    } else if (bad) {
        g_autofree char *text =
            g_strdup_printf("code %d domain %d\n%s\n", error->code,
                            vir_error_domain(error), error->message);

        compare(name, ".err", text);
    } else {
        check_good(name, def, stage);
    }
}

/* Read something broken; whatever is accepted must print and read again. */
static void try_broken(const char *name, const char *xml, Stage stage)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) error2 = NULL;
    g_autoptr(DomainDef) def =
        domain_def_parse(xml, stage.flags, &stage.limits, &error);
    g_autoptr(DomainDef) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *args = NULL;

    if (!def != (error != NULL))
        fail(name, "a broken document gave neither definition nor error");
    if (!def)
        return;
    text = format(def, VIR_DOMAIN_XML_INACTIVE);
    again = domain_def_parse(text, stage.flags, &stage.limits, &error2);
    if (!again)
        fprintf(stderr, "%s\n%s\n%s\n", error2->message, xml, text),
            fail(name, "a bent document prints what cannot be read");
    make_live(def);
    args = build_args(NULL, def);
}

static void bend(const char *name, const char *xml)
{
    g_autoptr(GRand) dice = g_rand_new_with_seed(g_str_hash(name));
    Stage stage = read_options(xml);
    gsize len = strlen(xml);

    for (guint i = 0; i < CUTS_PER_FILE; i++) {
        g_autofree char *cut = g_strndup(xml, len * i / CUTS_PER_FILE);

        try_broken(name, cut, stage);
    }
    for (guint i = 0; i < BENDS_PER_FILE; i++) {
        g_autoptr(GString) text = g_string_new(xml);
        gsize at = (gsize)g_rand_int_range(dice, 0, (gint32)len);
        gsize size = (gsize)g_rand_int_range(dice, 1, 40);
        g_autofree char *piece = g_strndup(xml + at, size);

        size = MIN(size, len - at);

        switch (g_rand_int_range(dice, 0, 4)) {
        case 0:
            text->str[at] = (char)g_rand_int_range(dice, 1, 256);
            break;
        case 1:
            g_string_erase(text, (gssize)at, (gssize)size);
            break;
        case 2:
            g_string_insert(text, g_rand_int_range(dice, 0, (gint32)len),
                            piece);
            break;
        default:
            if (g_ascii_isdigit(text->str[at]))
                g_string_insert(text, (gssize)at, "99999999999");
            else
                g_string_insert_c(text, (gssize)at, "<>&'\"/ -0\n"[at % 10]);
        }
        try_broken(name, text->str, stage);
    }
}

int main(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path =
        g_build_filename(g_getenv("top_srcdir") ? g_getenv("top_srcdir") : "..",
                         "tests", "golden", "driver", NULL);
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *file;

    alarm(DEADLINE_S);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    folder = path;
    find_vmm();
    while (dir && (file = g_dir_read_name(dir)) != NULL) {
        const char *dot = strchr(file, '.');

        if (dot && strcmp(dot, ".xml") == 0)
            g_ptr_array_add(names, g_strndup(file, (gsize)(dot - file)));
    }
    if (dir)
        g_dir_close(dir);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *base = g_strconcat(names->pdata[i], ".xml", NULL);
        g_autofree char *full = g_build_filename(folder, base, NULL);
        g_autofree char *xml = NULL;

        if (!g_file_get_contents(full, &xml, NULL, NULL)) {
            fail(base, "cannot be read");
            continue;
        }
        check_file(names->pdata[i], xml);
        bend(names->pdata[i], xml);
    }
    printf("%u documents, %u command lines fed to the VMM, %u need devices it "
           "lacks, %u failures\n",
           names->len, fed, not_fed, failures);
    return failures || names->len < 60 ? EXIT_FAILURE : EXIT_SUCCESS;
}
