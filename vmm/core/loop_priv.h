/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/loop_priv.h - for core/ and its tests. */
#pragma once

/* Every loop looks at its timers again. Any thread. */
void loop_wake_all(void);
