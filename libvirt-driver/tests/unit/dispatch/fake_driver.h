/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A driver without VMMs behind domain/driver.h, host/host.h and stats/stats.h.
 *
 * Domains live in memory and change state at once; what a real driver would
 * wait for is completed from a thread of its own, so that the callers' pending
 * paths are the real ones.
 */
#pragma once

#include "domain/driver.h"

Driver *fake_driver_new(const DriverListener *listener, gpointer user);
void fake_driver_free(Driver *drv);

/* The guest's end of the last console that was opened; -1: none. */
int fake_console_guest_fd(Driver *drv);
/* The current console is taken away, as by force. */
void fake_console_lose(Driver *drv);
/* Connections that were reported closed. */
guint fake_connections_closed(Driver *drv);
/* Sends an event of the given kind for the first domain. */
void fake_event(Driver *drv, const DriverEvent *event);
void fake_monitor_event(Driver *drv, const char *name, const char *details);
