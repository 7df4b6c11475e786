/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Procedures of the qemu and lxc programs.
 *
 * Every stock daemon registers both whatever its driver is: a call that has no
 * handler then fails as unsupported, and not as an unknown program.
 */
#include <config.h>

#include "dispatch/procs.h"
#include "util/error.h"

PROC(monitor_command)
{
    const wire_a_dom_str_flags *a = args;
    g_autoptr(Domain) dom = NULL;

    if (!call_check_flags(call, a->flags, DRIVER_MONITOR_FLAGS, error) ||
        !(dom = call_lookup(call, &a->dom, error)))
        return CALL_FAILED;
    domain_monitor_command_async(dom, a->value, a->flags, done_text, call);
    return CALL_PENDING;
}

static const RpcProc qemu_procs[] = {
    { .number = 1,
      .api = "virDomainQemuMonitorCommand",
      .from = VIR_FROM_DOMAIN,
      .args = CODEC(wire_a_dom_str_flags),
      .ret = CODEC(wire_r_str),
      .handler = proc_monitor_command },
    { .number = 2, .api = "virDomainQemuAttach", .from = VIR_FROM_DOMAIN },
    { .number = 3,
      .api = "virDomainQemuAgentCommand",
      .from = VIR_FROM_DOMAIN },
    { .number = 4,
      .api = "virConnectDomainQemuMonitorEventRegister",
      .from = VIR_FROM_DOMAIN,
      .flags = RPC_PROC_HIGH,
      .args = CODEC(wire_a_monitor_event_register),
      .ret = CODEC(wire_r_int),
      .handler = proc_monitor_event_register },
    { .number = 5,
      .api = "virConnectDomainQemuMonitorEventDeregister",
      .from = VIR_FROM_DOMAIN,
      .flags = RPC_PROC_HIGH,
      .args = CODEC(wire_a_int),
      .handler = proc_monitor_event_deregister },
    { .number = 7,
      .api = "virDomainQemuMonitorCommandWithFiles",
      .from = VIR_FROM_DOMAIN },
};

const RpcProgram qemu_program = { RPC_PROGRAM_QEMU, RPC_VERSION, qemu_procs,
                                  G_N_ELEMENTS(qemu_procs) };

static const RpcProc lxc_procs[] = {
    { .number = 1,
      .api = "virDomainLxcOpenNamespace",
      .from = VIR_FROM_DOMAIN },
};

const RpcProgram lxc_program = { RPC_PROGRAM_LXC, RPC_VERSION, lxc_procs,
                                 G_N_ELEMENTS(lxc_procs) };
