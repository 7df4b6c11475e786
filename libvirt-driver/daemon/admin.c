/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The admin program: what virt-admin asks of the daemon.
 *
 * It runs on a server and a socket of its own, which only root may open, so
 * that it answers when the main server is at its limits.
 */
#include <config.h>

#include "daemon/admin.h"

#include <grp.h>
#include <libvirt/libvirt-admin.h>
#include <pwd.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"

#define ADMIN_LIB_VERSION 9000000u

#define PROC(name)                                                             \
    static RpcVerdict admin_##name(RpcCall *call, gconstpointer args,          \
                                   gpointer ret, GError **error)

/* A connection's data is whether it is open. */
typedef struct AdminConn {
    gint open; /* atomic */
} AdminConn;

static DaemonAdmin *call_admin(RpcCall *call)
{
    return rpc_server_user(rpc_client_server(rpc_call_client(call)));
}

static gboolean fail(GError **error, int code, const char *text)
{
    return vir_error_set_from(error, VIR_FROM_ADMIN, code, "%s", text);
}

static gboolean no_flags(RpcCall *call, guint flags, GError **error)
{
    return vir_error_check_flags(flags, 0, rpc_call_proc(call)->api, error);
}

static RpcVerdict verdict(gboolean ok)
{
    return ok ? CALL_DONE : CALL_FAILED;
}

static const char *const server_names[] = { "virtstratovirtd", "admin" };

static RpcServer *server_find(RpcCall *call, const char *name, GError **error)
{
    DaemonAdmin *admin = call_admin(call);

    if (g_str_equal(name, server_names[0]))
        return admin->main_server;
    if (g_str_equal(name, server_names[1]))
        return admin->admin_server;
    vir_error_set_from(error, VIR_FROM_ADMIN, VIR_ERR_NO_SERVER,
                       "no server with matching name '%s' found", name);
    return NULL;
}

PROC(open)
{
    const wire_a_flags *a = args;
    AdminConn *conn = rpc_client_data(rpc_call_client(call));

    if (!no_flags(call, a->flags, error))
        return CALL_FAILED;
    g_atomic_int_set(&conn->open, TRUE);
    return CALL_DONE;
}

PROC(close)
{
    g_autoptr(RpcClient) client = rpc_client_ref(rpc_call_client(call));

    rpc_call_complete(call, NULL);
    rpc_client_close_after_flush(client);
    return CALL_PENDING;
}

PROC(lib_version)
{
    wire_r_ulong *r = ret;

    r->value = ADMIN_LIB_VERSION;
    return CALL_DONE;
}

PROC(list_servers)
{
    const wire_a_need_flags *a = args;
    wire_r_servers *r = ret;
    guint n = G_N_ELEMENTS(server_names);

    if (!no_flags(call, a->flags, error))
        return CALL_FAILED;
    r->count = n;
    if (!a->need)
        return CALL_DONE;
    r->list.list_val = g_new0(wire_server, n);
    r->list.list_len = n;
    for (guint i = 0; i < n; i++)
        r->list.list_val[i].name = g_strdup(server_names[i]);
    return CALL_DONE;
}

PROC(lookup_server)
{
    const wire_a_str_flags *a = args;
    wire_r_server *r = ret;

    if (!no_flags(call, a->flags, error) || !server_find(call, a->value, error))
        return CALL_FAILED;
    r->server.name = g_strdup(a->value);
    return CALL_DONE;
}

PROC(get_threadpool)
{
    const wire_a_server_flags *a = args;
    wire_params *params = &((wire_r_params *)ret)->params;
    RpcServer *server = server_find(call, a->server.name, error);
    WorkerPoolInfo info;

    if (!server || !no_flags(call, a->flags, error))
        return CALL_FAILED;
    worker_pool_get_info(rpc_server_workers(server), &info);
    wire_params_add_uint(params, VIR_THREADPOOL_WORKERS_MIN, info.min);
    wire_params_add_uint(params, VIR_THREADPOOL_WORKERS_MAX, info.max);
    wire_params_add_uint(params, VIR_THREADPOOL_WORKERS_CURRENT, info.current);
    wire_params_add_uint(params, VIR_THREADPOOL_WORKERS_FREE, info.free);
    wire_params_add_uint(params, VIR_THREADPOOL_WORKERS_PRIORITY, info.prio);
    wire_params_add_uint(params, VIR_THREADPOOL_JOB_QUEUE_DEPTH, info.depth);
    return CALL_DONE;
}

/* A number to set, and where it goes. */
typedef struct Setting {
    const char *field;
    guint *value;
} Setting;

static gboolean settings_read(const wire_a_server_params *a,
                              const Setting *settings, GError **error)
{
    for (guint i = 0; i < a->params.params_len; i++) {
        const wire_param *param = &a->params.params_val[i];
        const Setting *s = settings;

        while (s->field && !g_str_equal(s->field, param->field))
            s++;
        if (!s->field || param->value.type != VIR_TYPED_PARAM_UINT)
            return vir_error_set_from(
                error, VIR_FROM_ADMIN, VIR_ERR_INVALID_ARG,
                "'%s' is no number that can be set", param->field);
        *s->value = param->value.wire_value_u.ui;
    }
    return TRUE;
}

PROC(set_threadpool)
{
    const wire_a_server_params *a = args;
    RpcServer *server = server_find(call, a->server.name, error);
    WorkerPoolInfo info;
    const Setting settings[] = {
        { VIR_THREADPOOL_WORKERS_MIN, &info.min },
        { VIR_THREADPOOL_WORKERS_MAX, &info.max },
        { VIR_THREADPOOL_WORKERS_PRIORITY, &info.prio },
        { NULL, NULL },
    };

    if (!server || !no_flags(call, a->flags, error))
        return CALL_FAILED;
    worker_pool_get_info(rpc_server_workers(server), &info);
    if (!settings_read(a, settings, error))
        return CALL_FAILED;
    if (info.min < 1 || info.min > info.max || info.max > 10000 ||
        info.prio > 10000)
        return verdict(fail(error, VIR_ERR_INVALID_ARG,
                            "minWorkers must be from 1 to maxWorkers, and "
                            "maxWorkers and prioWorkers at most 10000"));
    return verdict(worker_pool_resize(rpc_server_workers(server), info.min,
                                      info.max, info.prio, error));
}

static void client_fill(wire_client *wire, const char *server,
                        const RpcClientInfo *info)
{
    wire->server.name = g_strdup(server);
    wire->id = info->id;
    wire->timestamp = info->since;
    wire->transport = VIR_CLIENT_TRANS_UNIX;
}

PROC(list_clients)
{
    const wire_a_server_need_flags *a = args;
    wire_r_clients *r = ret;
    RpcServer *server = server_find(call, a->server.name, error);
    g_autoptr(GArray) clients = NULL;

    if (!server || !no_flags(call, a->flags, error))
        return CALL_FAILED;
    clients = rpc_server_list_clients(server);
    r->count = MIN(clients->len, WIRE_CLIENTS_MAX);
    if (!a->need)
        return CALL_DONE;
    r->list.list_val = g_new0(wire_client, MAX(r->count, 1));
    r->list.list_len = r->count;
    for (guint i = 0; i < r->count; i++)
        client_fill(&r->list.list_val[i], a->server.name,
                    &g_array_index(clients, RpcClientInfo, i));
    return CALL_DONE;
}

static gboolean client_find(RpcServer *server, guint64 id,
                            RpcClientInfo *ret_info, GError **error)
{
    g_autoptr(GArray) clients = rpc_server_list_clients(server);

    for (guint i = 0; i < clients->len; i++) {
        *ret_info = g_array_index(clients, RpcClientInfo, i);
        if (ret_info->id == id)
            return TRUE;
    }
    return vir_error_set_from(
        error, VIR_FROM_ADMIN, VIR_ERR_NO_CLIENT,
        "no client with matching id '%" G_GUINT64_FORMAT "' found", id);
}

PROC(lookup_client)
{
    const wire_a_server_id_flags *a = args;
    wire_r_client *r = ret;
    RpcServer *server = server_find(call, a->server.name, error);
    RpcClientInfo info;

    if (!server || !no_flags(call, a->flags, error) ||
        !client_find(server, a->id, &info, error))
        return CALL_FAILED;
    client_fill(&r->client, a->server.name, &info);
    return CALL_DONE;
}

static void add_user(wire_params *params, uid_t uid)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buf[4096];

    wire_params_add_int(params, VIR_CLIENT_INFO_UNIX_USER_ID, (int)uid);
    getpwuid_r(uid, &entry, buf, sizeof(buf), &found);
    if (found)
        wire_params_add_string(params, VIR_CLIENT_INFO_UNIX_USER_NAME,
                               found->pw_name);
}

static void add_group(wire_params *params, gid_t gid)
{
    struct group entry;
    struct group *found = NULL;
    char buf[16384];

    wire_params_add_int(params, VIR_CLIENT_INFO_UNIX_GROUP_ID, (int)gid);
    getgrgid_r(gid, &entry, buf, sizeof(buf), &found);
    if (found)
        wire_params_add_string(params, VIR_CLIENT_INFO_UNIX_GROUP_NAME,
                               found->gr_name);
}

PROC(client_get_info)
{
    const wire_a_client_flags *a = args;
    wire_params *params = &((wire_r_params *)ret)->params;
    RpcServer *server = server_find(call, a->client.server.name, error);
    RpcClientInfo info;

    if (!server || !no_flags(call, a->flags, error) ||
        !client_find(server, a->client.id, &info, error))
        return CALL_FAILED;
    wire_params_add_bool(params, VIR_CLIENT_INFO_READONLY, info.readonly);
    if (!info.peer.known)
        return CALL_DONE;
    add_user(params, info.peer.uid);
    add_group(params, info.peer.gid);
    wire_params_add_int(params, VIR_CLIENT_INFO_UNIX_PROCESS_ID,
                        (int)info.peer.pid);
    return CALL_DONE;
}

PROC(client_close)
{
    const wire_a_client_flags *a = args;
    RpcServer *server = server_find(call, a->client.server.name, error);
    RpcClientInfo info;

    if (!server || !no_flags(call, a->flags, error) ||
        !client_find(server, a->client.id, &info, error))
        return CALL_FAILED;
    rpc_server_close_client(server, a->client.id);
    return CALL_DONE;
}

PROC(get_limits)
{
    const wire_a_server_flags *a = args;
    wire_params *params = &((wire_r_params *)ret)->params;
    RpcServer *server = server_find(call, a->server.name, error);
    RpcServerLimits limits;

    if (!server || !no_flags(call, a->flags, error))
        return CALL_FAILED;
    rpc_server_get_limits(server, &limits);
    wire_params_add_uint(params, VIR_SERVER_CLIENTS_MAX, limits.max_clients);
    wire_params_add_uint(params, VIR_SERVER_CLIENTS_CURRENT, limits.clients);
    wire_params_add_uint(params, VIR_SERVER_CLIENTS_UNAUTH_MAX,
                         limits.max_anonymous);
    wire_params_add_uint(params, VIR_SERVER_CLIENTS_UNAUTH_CURRENT,
                         limits.anonymous);
    return CALL_DONE;
}

PROC(set_limits)
{
    const wire_a_server_params *a = args;
    RpcServer *server = server_find(call, a->server.name, error);
    RpcServerLimits limits;
    const Setting settings[] = {
        { VIR_SERVER_CLIENTS_MAX, &limits.max_clients },
        { VIR_SERVER_CLIENTS_UNAUTH_MAX, &limits.max_anonymous },
        { NULL, NULL },
    };

    if (!server || !no_flags(call, a->flags, error))
        return CALL_FAILED;
    rpc_server_get_limits(server, &limits);
    if (!settings_read(a, settings, error))
        return CALL_FAILED;
    if (limits.max_anonymous < 1 || limits.max_clients < limits.max_anonymous)
        return verdict(fail(error, VIR_ERR_INVALID_ARG,
                            "nclients_unauth_max must be from 1 to "
                            "nclients_max"));
    rpc_server_set_limits(server, limits.max_clients, limits.max_anonymous);
    return CALL_DONE;
}

PROC(get_outputs)
{
    const wire_a_flags *a = args;
    wire_r_str_count *r = ret;

    if (!no_flags(call, a->flags, error))
        return CALL_FAILED;
    r->value = log_get_outputs(&r->count);
    return CALL_DONE;
}

PROC(get_filters)
{
    const wire_a_flags *a = args;
    wire_r_str_opt_count *r = ret;
    g_autofree char *filters = NULL;

    if (!no_flags(call, a->flags, error))
        return CALL_FAILED;
    filters = log_get_filters(&r->count);
    r->value = wire_str_opt_new(*filters ? filters : NULL);
    return CALL_DONE;
}

PROC(set_outputs)
{
    const wire_a_str_opt_flags *a = args;

    return verdict(no_flags(call, a->flags, error) &&
                   log_set_outputs(wire_str_opt_get(a->value), error));
}

PROC(set_filters)
{
    const wire_a_str_opt_flags *a = args;

    return verdict(no_flags(call, a->flags, error) &&
                   log_set_filters(wire_str_opt_get(a->value), error));
}

PROC(set_timeout)
{
    const wire_a_need_flags *a = args; /* seconds, flags */
    DaemonAdmin *admin = call_admin(call);

    if (!no_flags(call, a->flags, error))
        return CALL_FAILED;
    if (a->need > G_MAXINT / 1000)
        return verdict(
            fail(error, VIR_ERR_INVALID_ARG, "the timeout is too long"));
    admin->set_timeout(admin->user, a->need);
    return CALL_DONE;
}

#define A(name) CODEC(wire_a_##name)
#define R(name) CODEC(wire_r_##name)
#define NIL     CODEC_VOID
#define HI      RPC_PROC_HIGH

/* clang-format off */
static const RpcProc admin_procs[] = {
    { 1, "virAdmConnectOpen", VIR_FROM_ADMIN, HI | RPC_PROC_NOOPEN, A(flags), NIL, admin_open },
    { 2, "virAdmConnectClose", VIR_FROM_ADMIN, HI | RPC_PROC_NOOPEN, NIL, NIL, admin_close },
    { 3, "virAdmConnectGetLibVersion", VIR_FROM_ADMIN, HI, NIL, R(ulong), admin_lib_version },
    { 4, "virAdmConnectListServers", VIR_FROM_ADMIN, HI, A(need_flags), R(servers), admin_list_servers },
    { 5, "virAdmConnectLookupServer", VIR_FROM_ADMIN, HI, A(str_flags), R(server), admin_lookup_server },
    { 6, "virAdmServerGetThreadPoolParameters", VIR_FROM_ADMIN, 0, A(server_flags), R(params), admin_get_threadpool },
    { 7, "virAdmServerSetThreadPoolParameters", VIR_FROM_ADMIN, 0, A(server_params), NIL, admin_set_threadpool },
    { 8, "virAdmServerListClients", VIR_FROM_ADMIN, 0, A(server_need_flags), R(clients), admin_list_clients },
    { 9, "virAdmServerLookupClient", VIR_FROM_ADMIN, 0, A(server_id_flags), R(client), admin_lookup_client },
    { 10, "virAdmClientGetInfo", VIR_FROM_ADMIN, 0, A(client_flags), R(params), admin_client_get_info },
    { 11, "virAdmClientClose", VIR_FROM_ADMIN, 0, A(client_flags), NIL, admin_client_close },
    { 12, "virAdmServerGetClientLimits", VIR_FROM_ADMIN, HI, A(server_flags), R(params), admin_get_limits },
    { 13, "virAdmServerSetClientLimits", VIR_FROM_ADMIN, HI, A(server_params), NIL, admin_set_limits },
    { 14, "virAdmConnectGetLoggingOutputs", VIR_FROM_ADMIN, HI, A(flags), R(str_count), admin_get_outputs },
    { 15, "virAdmConnectGetLoggingFilters", VIR_FROM_ADMIN, HI, A(flags), R(str_opt_count), admin_get_filters },
    { 16, "virAdmConnectSetLoggingOutputs", VIR_FROM_ADMIN, HI, A(str_opt_flags), NIL, admin_set_outputs },
    { 17, "virAdmConnectSetLoggingFilters", VIR_FROM_ADMIN, HI, A(str_opt_flags), NIL, admin_set_filters },
    { 18, "virAdmServerUpdateTlsFiles", VIR_FROM_ADMIN, HI },
    { 19, "virAdmConnectSetDaemonTimeout", VIR_FROM_ADMIN, HI, A(need_flags), NIL, admin_set_timeout },
};
/* clang-format on */

static const RpcProgram admin_program = { RPC_PROGRAM_ADMIN, RPC_VERSION,
                                          admin_procs,
                                          G_N_ELEMENTS(admin_procs) };

const RpcProgram *const daemon_admin_programs[] = { &admin_program, NULL };

static gpointer on_connected(gpointer user, RpcClient *client)
{
    return g_new0(AdminConn, 1);
}

static gboolean is_open(gpointer data)
{
    AdminConn *conn = data;

    return g_atomic_int_get(&conn->open);
}

const RpcServerHooks daemon_admin_hooks = {
    .connected = on_connected,
    .data_free = g_free,
    .is_open = is_open,
};
