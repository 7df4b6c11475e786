/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/chardevs.c - -chardev, -serial, -qmp and -mon: the byte streams. */
#include <config.h>

#include "cli/config.h"
#include "util/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define SERIAL_ID "serial_chardev"

static int check_host(const OptBag *bag, const char *host, Err *e)
{
    struct in_addr addr;

    if (!host || inet_pton(AF_INET, host, &addr) == 1)
        return 0;
    return err_set(e, EINVAL,
                   "%s: 'host' cannot be '%s'; it accepts a numeric IPv4 "
                   "address",
                   bag->where, host);
}

static CliChardev *find_chardev(CliConf *conf, const char *id)
{
    for (unsigned i = 0; i < conf->num_chardevs; i++) {
        if (strcmp(conf->chardevs[i].conf.id, id) == 0)
            return &conf->chardevs[i];
    }
    return NULL;
}

/* Takes @bag on success. */
static int add(CliConf *conf, OptBag *bag, CliChardev **ret_cd, Err *e)
{
    CliChardev *grown =
        realloc(conf->chardevs, (conf->num_chardevs + 1) * sizeof(*grown));
    CliChardev cd = { .bag = *bag };
    int r;

    if (!grown)
        return err_set(e, ENOMEM, "out of memory");
    conf->chardevs = grown;
    r = chardev_parse(&cd.bag, &cd.conf, e);
    if (r == 0)
        r = check_host(bag, cd.conf.host, e);
    if (r < 0)
        return r;
    if (find_chardev(conf, cd.conf.id))
        return err_set(e, EEXIST,
                       "%s: the id '%s' is in use by another "
                       "chardev",
                       bag->where, cd.conf.id);
    conf->chardevs[conf->num_chardevs] = cd;
    *ret_cd = &conf->chardevs[conf->num_chardevs++];
    memset(bag, 0, sizeof(*bag));
    return 0;
}

int cli_chardev(CliConf *conf, const char *text, Err *e)
{
    OptBag bag CLEANUP(opt_bag_fini);
    CliChardev *cd;
    int r = opt_bag_text(&bag, "-chardev", text, OPT_HEAD_NAME, NULL, e);

    return r < 0 ? r : add(conf, &bag, &cd, e);
}

/* The chardev of a consumer that needs clients to come: a server, nowait. */
static int check_server(const char *where, const ChardevConf *c, Err *e)
{
    if (c->cls != CHARDEV_SOCKET || (c->server && c->nowait) || c->has_fd)
        return 0;
    return err_set(e, EINVAL,
                   "%s: the socket '%s' must be given 'server' and 'nowait'",
                   where, c->id);
}

int cli_serial(CliConf *conf, const char *text, Err *e)
{
    OptBag bag CLEANUP(opt_bag_fini);
    CliChardev *cd;
    int r;

    if (strncmp(text, "chardev:", 8) == 0) {
        conf->machine.serial = text + 8;
        memset(&bag, 0, sizeof(bag));
        return 0;
    }
    r = opt_bag_text(&bag, "-serial", text, OPT_HEAD_NAME, NULL, e);
    if (r < 0)
        return r;
    if (opt_bag_get(&bag, "id"))
        return err_set(e, EINVAL, "%s: 'id' cannot be given here", bag.where);
    r = opt_bag_add(&bag, "id", SERIAL_ID, OPT_KIND_TEXT, e);
    if (r == 0)
        r = add(conf, &bag, &cd, e);
    if (r == 0)
        conf->machine.serial = SERIAL_ID;
    return r;
}

/* --- monitors ----------------------------------------------------------------
 */

typedef struct QmpArgs {
    bool server;
    bool nowait;
    const char *iothread;
} QmpArgs;

static const OptDesc qmp_opts[] = {
    { .name = "server",
      .type = OPT_FLAG,
      .off = offsetof(QmpArgs, server),
      .help = "must be given" },
    { .name = "nowait",
      .type = OPT_FLAG,
      .off = offsetof(QmpArgs, nowait),
      .help = "must be given" },
    { .name = "iothread",
      .type = OPT_REF,
      .off = offsetof(QmpArgs, iothread),
      .ref = "iothread",
      .help = "accepted; the monitor is served by the main loop" },
    { 0 },
};

/* "unix:PATH" or "tcp:IP:PORT" to the keys of a socket chardev. */
static int uri_keys(OptBag *bag, const char *uri, Err *e)
{
    char host[64];
    const char *rest = strchr(uri, ':');
    const char *port = rest ? strchr(rest + 1, ':') : NULL;
    bool is_unix = rest && rest - uri == 4 && memcmp(uri, "unix", 4) == 0;
    bool is_tcp = rest && rest - uri == 3 && memcmp(uri, "tcp", 3) == 0;

    if (is_unix && rest[1] && !port)
        return opt_bag_add(bag, "path", rest + 1, OPT_KIND_TEXT, e);
    if (!is_tcp || !port || port - rest > (int)sizeof(host))
        return err_set(e, EINVAL,
                       "-qmp: '%s' cannot be listened on; it accepts "
                       "unix:PATH and tcp:IP:PORT",
                       uri);
    snprintf(host, sizeof(host), "%.*s", (int)(port - rest - 1), rest + 1);
    if (opt_bag_add(bag, "host", host, OPT_KIND_TEXT, e) < 0)
        return -e->code;
    return opt_bag_add(bag, "port", port + 1, OPT_KIND_TEXT, e);
}

/* Builds the socket chardev that serves the monitor. */
static int qmp_chardev(CliConf *conf, const char *uri, Err *e)
{
    OptBag bag CLEANUP(opt_bag_fini);
    CliChardev *cd;
    char id[32];
    int r;

    snprintf(id, sizeof(id), "qmp%u", conf->num_chardevs);
    r = opt_bag_text(&bag, "-qmp", "socket,server,nowait", OPT_HEAD_NAME, NULL,
                     e);
    if (r < 0)
        return r;
    snprintf(bag.where, sizeof(bag.where), "-qmp");
    r = opt_bag_add(&bag, "id", id, OPT_KIND_TEXT, e);
    if (r == 0)
        r = uri_keys(&bag, uri, e);
    if (r == 0)
        r = add(conf, &bag, &cd, e);
    if (r == 0)
        cd->monitor = true;
    return r;
}

static bool iothread_known(const CliConf *conf, const char *id)
{
    for (unsigned i = 0; i < conf->machine.num_objects; i++) {
        const OptBag *bag = &conf->machine.objects[i];
        const char *have = opt_bag_get(bag, "id");

        if (strcmp(bag->name, "iothread") == 0 && have && strcmp(have, id) == 0)
            return true;
    }
    return false;
}

int cli_qmp(CliConf *conf, const char *text, Err *e)
{
    OptBag bag CLEANUP(opt_bag_fini);
    QmpArgs a = { 0 };
    int r = opt_bag_text(&bag, "-qmp", text, OPT_HEAD_NAME, NULL, e);

    if (r < 0)
        return r;
    snprintf(bag.where, sizeof(bag.where), "-qmp");
    if (opt_bag_get(&bag, "wait") &&
        strcmp(opt_bag_get(&bag, "wait"), "off") == 0) {
        opt_bag_drop(&bag, "wait");
        a.nowait = true;
    }
    r = opt_parse(qmp_opts, &bag, &a, e);
    if (r < 0)
        return r;
    if (!a.server || !a.nowait)
        return err_set(e, EINVAL,
                       "-qmp: '%s' must be given 'server' and "
                       "'nowait'",
                       bag.name);
    if (a.iothread && !iothread_known(conf, a.iothread))
        return err_set(e, ENOENT, "-qmp: there is no iothread '%s'",
                       a.iothread);
    return qmp_chardev(conf, bag.name, e);
}

typedef struct MonArgs {
    const char *chardev;
    unsigned mode;
    const char *id;
} MonArgs;

static const char *const mode_names[] = { "control", NULL };

static const OptDesc mon_opts[] = {
    { .name = "chardev",
      .type = OPT_REF,
      .off = offsetof(MonArgs, chardev),
      .required = true,
      .ref = "chardev",
      .help = "socket chardev" },
    { .name = "mode",
      .type = OPT_ENUM,
      .off = offsetof(MonArgs, mode),
      .names = mode_names,
      .def = "control",
      .help = "kind of monitor" },
    { .name = "id",
      .type = OPT_STR,
      .off = offsetof(MonArgs, id),
      .help = "unused" },
    { 0 },
};

static int check_mon(CliConf *conf, const OptBag *bag, Err *e)
{
    MonArgs a = { 0 };
    CliChardev *cd;
    int r = opt_parse(mon_opts, bag, &a, e);

    if (r < 0)
        return r;
    cd = find_chardev(conf, a.chardev);
    if (!cd)
        return err_set(e, ENOENT, "-mon: there is no chardev '%s'", a.chardev);
    if (cd->monitor)
        return err_set(e, EBUSY, "-mon: the chardev '%s' is in use", a.chardev);
    if (cd->conf.cls != CHARDEV_SOCKET)
        return err_set(e, EINVAL, "-mon: the chardev '%s' is no socket",
                       a.chardev);
    cd->monitor = true;
    return check_server("-mon", &cd->conf, e);
}

/* Serial and chardevs: one may use standard input, none in the background. */
static int check_stdio(const CliConf *conf, Err *e)
{
    unsigned users = 0;

    for (unsigned i = 0; i < conf->num_chardevs; i++)
        users += conf->chardevs[i].conf.cls == CHARDEV_STDIO;
    if (users && conf->daemonize)
        return err_set(e, EINVAL,
                       "stdio cannot be used together with "
                       "-daemonize; use a pty, file or socket");
    if (users > 1)
        return err_set(e, EINVAL, "only one chardev or -serial can use stdio");
    return 0;
}

static int check_serial(CliConf *conf, Err *e)
{
    const char *id = conf->machine.serial;
    CliChardev *cd = id ? find_chardev(conf, id) : NULL;

    if (!id)
        return 0;
    if (!cd)
        return err_set(e, ENOENT, "-serial: there is no chardev '%s'", id);
    if (cd->monitor)
        return err_set(e, EBUSY, "-serial: the chardev '%s' is a monitor's",
                       id);
    return check_server("-serial", &cd->conf, e);
}

int cli_chardev_check(CliConf *conf, Err *e)
{
    int r = 0;

    for (unsigned i = 0; i < conf->num_mon_bags && r == 0; i++)
        r = check_mon(conf, &conf->mon_bags[i], e);
    if (r == 0)
        r = check_serial(conf, e);
    return r == 0 ? check_stdio(conf, e) : r;
}

/* --- making them
 * -------------------------------------------------------------- */

int cli_open_chardevs(CliConf *conf, CliChardevFn *fn, void *opaque, Err *e)
{
    MachineConf *m = &conf->machine;

    m->chardevs = calloc(conf->num_chardevs + 1, sizeof(*m->chardevs));
    if (!m->chardevs)
        return err_set(e, ENOMEM, "out of memory");
    for (unsigned i = 0; i < conf->num_chardevs; i++) {
        CliChardev *c = &conf->chardevs[i];
        Chardev *cd;
        int r;

        r = chardev_new(&cd, &c->conf, e);
        if (r < 0)
            return err_prefix(e, "%s: ", c->bag.where);
        if (!c->monitor)
            m->chardevs[m->num_chardevs++] = cd;
        r = fn(opaque, cd, c->monitor, e);
        if (r < 0)
            return r;
    }
    return 0;
}
