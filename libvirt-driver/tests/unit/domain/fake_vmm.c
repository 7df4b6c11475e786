/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VMM without guest, for tests of the driver.
 *
 * Takes the driver's command line, serves its monitor and does what words in
 * -append say:
 *
 *   fake.start=exit     complain on standard error and end at once
 *   fake.start=silent   never greet
 *   fake.hang=CMD       never answer CMD
 *   fake.refuse=CMD     answer CMD with an error
 *   fake.die=CMD        crash when CMD comes
 *   fake.term=ignore    SIGTERM does nothing
 *   fake.powerdown=obey the guest powers off when asked to
 *
 * Called by a name with "upstream" in it, it knows no -describe and makes its
 * monitor's socket itself, as StratoVirt does.
 *
 * The command x-fake {"do": WHAT} makes the guest do something: shutdown,
 * reset, panic, crash, error, io-error.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MAX_CLIENTS = 8,
    MAX_CHARDEVS = 8,
    LINE_BYTES = 65536,
};

typedef struct Client {
    int fd; /* -1: free */
    size_t len;
    char buf[LINE_BYTES];
} Client;

typedef struct Fake {
    int listener;
    int record;
    const char *append;
    const char *state; /* of query-status */
    const char *shutdown_action;
    const char *panic_action;
    int vcpus;
    int upstream;
    Client clients[MAX_CLIENTS];
    char ptys[MAX_CHARDEVS][64], labels[MAX_CHARDEVS][64];
    char drives[MAX_CHARDEVS][64];
    int num_ptys, num_drives;
} Fake;

static Fake fake = { .listener = -1,
                     .record = -1,
                     .append = "",
                     .state = "prelaunch",
                     .shutdown_action = "poweroff",
                     .panic_action = "exit-failure",
                     .vcpus = 1 };

static const char describe[] =
    "{\"build-id\":\"fake\",\"devices\":[{\"name\":\"virtio-blk-device\"}],"
    "\"features\":[\"action\",\"accel-device\",\"add-fd\",\"chardev-fd\","
    "\"chardev-logfile\",\"exit-record\",\"machine-versions\",\"no-shutdown\","
    "\"serial-chardev\"],\"limits\":{\"memory-bytes\":549755813888,"
    "\"vcpus\":254},\"machines\":[{\"alias\":\"microvm\",\"arch\":\"x86_64\","
    "\"default\":true,\"max-cpus\":254,\"name\":\"microvm-1.0\"}],"
    "\"qemu-version\":{\"major\":8,\"micro\":2,\"minor\":2},\"schema\":1,"
    "\"version\":\"0.1.0\"}\n";

/* Value of fake.KEY in -append into a static buffer, "" if absent. */
static const char *script(const char *key)
{
    static char value[64];
    char want[64];
    const char *p;

    snprintf(want, sizeof(want), "fake.%s=", key);
    p = strstr(fake.append, want);
    value[0] = '\0';
    if (p)
        sscanf(p + strlen(want), "%63[^ ]", value);
    return value;
}

static void send_text(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return; /* the client is gone, its end of file comes */
}

static void send_json(int fd, json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT);

    send_text(fd, text);
    send_text(fd, "\r\n");
    free(text);
    json_decref(doc);
}

static void emit(const char *name, json_t *data)
{
    for (int i = 0; i < MAX_CLIENTS; i++) {
        if (fake.clients[i].fd >= 0)
            send_json(fake.clients[i].fd,
                      json_pack("{s:s,s:O,s:{s:i,s:i}}", "event", name, "data",
                                data, "timestamp", "seconds", 1, "microseconds",
                                2));
    }
    json_decref(data);
}

static void leave(const char *cause, int guest, int status)
{
    if (fake.record >= 0)
        dprintf(fake.record,
                "{\"cause\":\"%s\",\"guest\":%s,\"detail\":\"\"}\n", cause,
                guest ? "true" : "false");
    exit(status);
}

static void guest_shutdown(void)
{
    emit("SHUTDOWN",
         json_pack("{s:b,s:s}", "guest", 1, "reason", "guest-shutdown"));
    fake.state = "shutdown";
    if (strcmp(fake.shutdown_action, "pause") != 0)
        leave("shutdown", 1, 0);
}

static void guest_panic(void)
{
    emit("GUEST_PANICKED", json_pack("{s:s}", "action", "poweroff"));
    fake.state = "guest-panicked";
    if (strcmp(fake.panic_action, "pause") != 0)
        leave("panic", 1, 1);
}

static void guest_does(const char *what)
{
    if (strcmp(what, "shutdown") == 0)
        guest_shutdown();
    else if (strcmp(what, "panic") == 0)
        guest_panic();
    else if (strcmp(what, "reset") == 0)
        emit("RESET", json_pack("{s:b}", "guest", 1));
    else if (strcmp(what, "crash") == 0)
        raise(SIGKILL);
    else if (strcmp(what, "error") == 0)
        leave("error", 0, 1);
    else if (strcmp(what, "io-error") == 0)
        emit("BLOCK_IO_ERROR",
             json_pack("{s:s,s:s,s:s}", "device", "drive-virtio-disk0",
                       "action", "report", "reason", "No space left"));
}

/* ---- Commands --------------------------------------------------------- */

static json_t *query_status(void)
{
    return json_pack("{s:b,s:b,s:s}", "running",
                     strcmp(fake.state, "running") == 0, "singlestep", 0,
                     "status", fake.state);
}

static json_t *query_cpus(void)
{
    json_t *list = json_array();

    for (int i = 0; i < fake.vcpus; i++)
        json_array_append_new(
            list, json_pack("{s:i,s:i}", "CPU", i, "thread_id", (int)getpid()));
    return list;
}

static json_t *query_chardev(void)
{
    json_t *list = json_array();

    for (int i = 0; i < fake.num_ptys; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s}", "label", fake.labels[i],
                                        "filename", fake.ptys[i]));
    return list;
}

static json_t *query_blockstats(void)
{
    json_t *list = json_array();

    for (int i = 0; i < fake.num_drives; i++)
        json_array_append_new(list,
                              json_pack("{s:s,s:{s:i,s:i,s:i,s:i}}", "device",
                                        fake.drives[i], "stats", "rd_bytes",
                                        512, "rd_operations", 1, "wr_bytes",
                                        4096, "wr_operations", 2));
    return list;
}

static void set_action(json_t *arguments)
{
    const char *action =
        json_string_value(json_object_get(arguments, "shutdown"));

    if (action)
        fake.shutdown_action = strdup(action);
}

/* Return: the value of "return", NULL for an unknown command */
static json_t *answer(const char *name, json_t *arguments)
{
    static const struct {
        const char *name;
        json_t *(*query)(void);
    } queries[] = {
        { "query-status", query_status },
        { "query-cpus", query_cpus },
        { "query-chardev", query_chardev },
        { "query-blockstats", query_blockstats },
        { "query-iothreads", json_array },
        { "qmp_capabilities", json_object },
        { "stop", json_object },
        { "cont", json_object },
        { "quit", json_object },
        { "system_powerdown", json_object },
        { "system_reset", json_object },
        { "set-action", json_object },
        { "x-fake", json_object },
    };

    for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
        if (strcmp(queries[i].name, name) == 0)
            return queries[i].query();
    }
    return NULL;
}

/* What follows the reply. */
static void act(const char *name, json_t *arguments)
{
    if (strcmp(name, "stop") == 0) {
        fake.state = "paused";
        emit("STOP", json_object());
    } else if (strcmp(name, "cont") == 0) {
        fake.state = "running";
        emit("RESUME", json_object());
    } else if (strcmp(name, "system_reset") == 0) {
        emit("RESET", json_pack("{s:b}", "guest", 0));
    } else if (strcmp(name, "set-action") == 0) {
        set_action(arguments);
    } else if (strcmp(name, "quit") == 0) {
        emit("SHUTDOWN",
             json_pack("{s:b,s:s}", "guest", 0, "reason", "host-qmp-quit"));
        leave("quit", 0, 0);
    } else if (strcmp(name, "system_powerdown") == 0) {
        emit("POWERDOWN", json_object());
        if (strcmp(script("powerdown"), "obey") == 0)
            guest_shutdown();
    } else if (strcmp(name, "x-fake") == 0) {
        const char *what = json_string_value(json_object_get(arguments, "do"));

        guest_does(what ? what : "");
    }
}

static void serve_command(int fd, json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "execute"));
    json_t *arguments = json_object_get(request, "arguments");
    json_t *id = json_object_get(request, "id");
    json_t *ret;

    if (!name || strcmp(script("hang"), name) == 0)
        return;
    if (strcmp(script("die"), name) == 0)
        raise(SIGKILL);
    ret = answer(name, arguments);
    if (!ret || strcmp(script("refuse"), name) == 0) {
        send_json(fd, json_pack("{s:{s:s,s:s},s:O}", "error", "class",
                                ret ? "GenericError" : "CommandNotFound",
                                "desc", "the fake refuses", "id", id));
        json_decref(ret);
        return;
    }
    send_json(fd, json_pack("{s:o,s:O}", "return", ret, "id", id));
    act(name, arguments);
}

static void serve_lines(Client *client)
{
    char *end;

    while ((end = memchr(client->buf, '\n', client->len))) {
        size_t used = end + 1 - client->buf;
        json_t *request = json_loadb(client->buf, used, 0, NULL);

        if (request)
            serve_command(client->fd, request);
        json_decref(request);
        client->len -= used;
        memmove(client->buf, end + 1, client->len);
    }
}

static void serve_client(Client *client)
{
    ssize_t n = recv(client->fd, client->buf + client->len,
                     LINE_BYTES - client->len, 0);

    if (n <= 0) {
        close(client->fd);
        client->fd = -1;
        client->len = 0;
        return;
    }
    client->len += n;
    serve_lines(client);
}

static void accept_client(void)
{
    int fd = accept4(fake.listener, NULL, NULL, SOCK_CLOEXEC);

    for (int i = 0; fd >= 0 && i < MAX_CLIENTS; i++) {
        if (fake.clients[i].fd >= 0)
            continue;
        fake.clients[i].fd = fd;
        if (strcmp(script("start"), "silent") != 0)
            send_text(fd, "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":2,"
                          "\"minor\":2,\"major\":8},\"package\":\"fake\"},"
                          "\"capabilities\":[]}}\r\n");
        return;
    }
}

/* ---- Command line ----------------------------------------------------- */

/* Value of KEY in "class,key=value,..." into @ret. */
static int option_key(const char *text, const char *key, char *ret, size_t size)
{
    char want[32];
    const char *p;

    snprintf(want, sizeof(want), ",%s=", key);
    p = strstr(text, want);
    if (!p)
        return 0;
    snprintf(ret, size, "%.*s", (int)strcspn(p + strlen(want), ","),
             p + strlen(want));
    return 1;
}

static void add_pty(const char *text)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int n = fake.num_ptys;

    if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 ||
        ptsname_r(fd, fake.ptys[n], sizeof(fake.ptys[n])) != 0)
        exit(1);
    option_key(text, "id", fake.labels[n], sizeof(fake.labels[n]));
    fake.num_ptys++;
}

/* "unix:PATH,server,nowait" */
static void make_monitor(const char *value)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int len = strcspn(value, ",") - strlen("unix:");

    if (len <= 0 || len >= (int)sizeof(addr.sun_path))
        exit(1);
    memcpy(addr.sun_path, value + strlen("unix:"), len);
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fake.listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fake.listener, 4) < 0)
        exit(1);
}

/* Paths must be open to us, as they were to StratoVirt. */
static void check_path(const char *value)
{
    char path[256];

    if (option_key(value, "file", path, sizeof(path)) &&
        access(path, R_OK | W_OK) < 0) {
        fprintf(stderr, "fake: cannot open %s\n", path);
        exit(1);
    }
}

static void take_option(const char *option, const char *value)
{
    char text[64];

    if (fake.upstream && strcmp(option, "-qmp") == 0)
        make_monitor(value);
    if (fake.upstream && strcmp(option, "-drive") == 0) {
        char with_comma[512];

        snprintf(with_comma, sizeof(with_comma), ",%s", value);
        check_path(with_comma);
    }
    if (strcmp(option, "-chardev") == 0 && strncmp(value, "pty", 3) == 0)
        add_pty(value);
    else if (strcmp(option, "-chardev") == 0 &&
             option_key(value, "id", text, sizeof(text)) &&
             strcmp(text, "charmonitor") == 0 &&
             option_key(value, "fd", text, sizeof(text)))
        fake.listener = atoi(text);
    else if (strcmp(option, "-drive") == 0 &&
             option_key(value, "id", text, sizeof(text)))
        strcpy(fake.drives[fake.num_drives++], text);
    else if (strcmp(option, "-exit-record") == 0)
        fake.record = atoi(value);
    else if (strcmp(option, "-append") == 0)
        fake.append = value;
    else if (strcmp(option, "-smp") == 0)
        fake.vcpus = atoi(value);
    else if (strcmp(option, "-action") == 0 && strstr(value, "shutdown=pause"))
        fake.shutdown_action = "pause";
    if (strcmp(option, "-action") == 0 && strstr(value, "panic=pause"))
        fake.panic_action = "pause";
}

static int signals_open(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve_signal(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != sizeof(info) ||
        strcmp(script("term"), "ignore") == 0)
        return;
    emit("SHUTDOWN",
         json_pack("{s:b,s:s}", "guest", 0, "reason", "host-signal"));
    leave("signal", 0, 0);
}

static void serve(int signals)
{
    struct pollfd fds[MAX_CLIENTS + 2] = { { signals, POLLIN, 0 },
                                           { fake.listener, POLLIN, 0 } };

    for (int i = 0; i < MAX_CLIENTS; i++)
        fds[i + 2] = (struct pollfd){ fake.clients[i].fd, POLLIN, 0 };
    if (poll(fds, MAX_CLIENTS + 2, -1) < 0 && errno != EINTR)
        exit(1);
    if (fds[1].revents)
        accept_client();
    for (int i = 0; i < MAX_CLIENTS; i++) {
        if (fds[i + 2].revents && fake.clients[i].fd == fds[i + 2].fd)
            serve_client(&fake.clients[i]);
    }
    if (fds[0].revents)
        serve_signal(signals);
}

int main(int argc, char **argv)
{
    int signals = signals_open();

    fake.upstream = strstr(argv[0], "upstream") != NULL;
    if (argc == 2 && fake.upstream && strcmp(argv[1], "-version") == 0)
        return puts("StratoVirt 2.5.0") < 0;
    if (argc == 2 && strcmp(argv[1], "-describe") == 0)
        return fake.upstream || fputs(describe, stdout) < 0;
    for (int i = 0; i < MAX_CLIENTS; i++)
        fake.clients[i].fd = -1;
    for (int i = 1; i + 1 < argc; i++)
        take_option(argv[i], argv[i + 1]);
    if (strcmp(script("start"), "exit") == 0) {
        fprintf(stderr, "fake: the kernel does not please me\n");
        return 1;
    }
    if (fake.listener < 0) {
        fprintf(stderr, "fake: no monitor\n");
        return 1;
    }
    for (;;)
        serve(signals);
}
