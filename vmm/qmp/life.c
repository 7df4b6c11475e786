/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/life.c - commands that start, stop and end the machine. */
#include <config.h>

#include "qmp/action.h"
#include "qmp/command.h"

static int do_capabilities(QmpCall *call, const void *args, Err *e)
{
    (void)call;
    (void)args;
    (void)e;
    return 0;
}

static int do_stop(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    (void)e;
    machine_stop(call->machine, qmp_call_done, call);
    return QMP_PENDING;
}

static int do_cont(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    (void)e;
    machine_cont(call->machine, qmp_call_done, call);
    return QMP_PENDING;
}

static int do_system_reset(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    (void)e;
    machine_reset(call->machine, qmp_call_done, call);
    return QMP_PENDING;
}

static int do_system_powerdown(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    return machine_powerdown(call->machine, e);
}

static int do_inject_nmi(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    return machine_nmi(call->machine, e);
}

static int do_quit(QmpCall *call, const void *args, Err *e)
{
    (void)args;
    (void)e;
    machine_quit(call->machine, EXIT_CAUSE_QUIT, "host-qmp-quit", 0);
    return 0;
}

static int do_query_status(QmpCall *call, const void *args, Err *e)
{
    RunState state = machine_run_state(call->machine);
    const char *reason = machine_state_reason(call->machine);

    (void)args;
    (void)e;
    call->ret =
        json_pack("{s:b, s:b, s:s}", "running", state == RUN_STATE_RUNNING,
                  "singlestep", 0, "status", run_state_names[state]);
    if (reason)
        json_object_set_new(call->ret, "cause", json_string(reason));
    return 0;
}

static int do_set_action(QmpCall *call, const void *args, Err *e)
{
    (void)e;
    action_apply(args, machine_actions(call->machine));
    return 0;
}

const QmpCommand qmp_life_rows[] = {
    { .name = "qmp_capabilities",
      .fn = do_capabilities,
      .lenient = true,
      .doc = "accepted and not required" },
    { .name = "stop", .fn = do_stop, .doc = "pause the guest; STOP" },
    { .name = "cont", .fn = do_cont, .doc = "let the guest run; RESUME" },
    { .name = "system_reset",
      .fn = do_system_reset,
      .doc = "reset the machine, whatever -action says; RESET" },
    { .name = "system_powerdown",
      .fn = do_system_powerdown,
      .doc = "press the power button: the guest is asked; POWERDOWN" },
    { .name = "inject-nmi",
      .fn = do_inject_nmi,
      .doc = "send a non-maskable interrupt to every vCPU" },
    { .name = "quit",
      .fn = do_quit,
      .doc = "end the program at once; SHUTDOWN" },
    { .name = "query-status",
      .fn = do_query_status,
      .doc = "run state, and what led to it" },
    { .name = "set-action",
      .fn = do_set_action,
      .args = action_opts,
      .args_size = sizeof(ActionArgs),
      .doc = "what happens when the guest reboots, powers off or panics" },
    { 0 },
};
