/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/action.c - what happens when the guest reboots, powers off, panics. */
#include <config.h>

#include "qmp/action.h"
#include "util/cleanup.h"

static const char *const reboot_names[] = { "reset", "shutdown", NULL };

static const char *const shutdown_names[] = {
    [ACTION_SHUTDOWN_POWEROFF] = "poweroff",
    [ACTION_SHUTDOWN_PAUSE] = "pause",
    NULL,
};
_Static_assert(ARRAY_SIZE(shutdown_names) == ACTION_SHUTDOWN_PAUSE + 2,
               "one name an action");

static const char *const panic_names[] = {
    [ACTION_PANIC_SHUTDOWN] = "shutdown",
    [ACTION_PANIC_PAUSE] = "pause",
    [ACTION_PANIC_EXIT_FAILURE] = "exit-failure",
    [ACTION_PANIC_NONE] = "none",
    NULL,
};
_Static_assert(ARRAY_SIZE(panic_names) == ACTION_PANIC_NONE + 2,
               "one name an action");

const OptDesc action_opts[] = {
    { .name = "reboot",
      .type = OPT_ENUM,
      .off = offsetof(ActionArgs, reboot),
      .given = offsetof(ActionArgs, reboot_given),
      .names = reboot_names,
      .help = "when the guest resets or triple-faults" },
    { .name = "shutdown",
      .type = OPT_ENUM,
      .off = offsetof(ActionArgs, shutdown),
      .given = offsetof(ActionArgs, shutdown_given),
      .names = shutdown_names,
      .help = "when the guest powers off" },
    { .name = "panic",
      .type = OPT_ENUM,
      .off = offsetof(ActionArgs, panic),
      .given = offsetof(ActionArgs, panic_given),
      .names = panic_names,
      .help = "when the guest reports a panic" },
    { 0 },
};

void action_apply(const ActionArgs *args, MachineActions *actions)
{
    if (args->reboot_given)
        actions->reboot =
            args->reboot ? ACTION_REBOOT_SHUTDOWN : ACTION_REBOOT_RESET;
    if (args->shutdown_given)
        actions->shutdown = args->shutdown;
    if (args->panic_given)
        actions->panic = args->panic;
}
