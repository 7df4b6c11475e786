/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp/action.h - -action and set-action: one table for both. */
#pragma once

#include "machine/config.h"
#include "opt/opt.h"

/* What a table fills; `given` members tell which ones were there. */
typedef struct ActionArgs {
    unsigned reboot; /* 0 reset, 1 shutdown */
    bool reboot_given;
    unsigned shutdown; /* as ActionShutdown */
    bool shutdown_given;
    unsigned panic; /* as ActionPanic */
    bool panic_given;
} ActionArgs;

extern const OptDesc action_opts[];

/* Changes only what was given. */
void action_apply(const ActionArgs *args, MachineActions *actions);
