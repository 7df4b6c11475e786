/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* machine/devices.h - creating devices and the objects they refer to. */
#pragma once

#include "machine/machine_priv.h"

/**
 * machine_device_new() - Create the device of one -device or device_add
 * @where: for messages
 *
 * Appends to m->devs, unless the device is part of another one (a console
 * port).  The board gives it its place.
 */
int machine_device_new(Machine *m, const OptBag *bag, const char *where,
                       Err *e);
void machine_devices_free(Machine *m);

/* The chardev of an id, which nobody else uses. NULL with @e set. */
Chardev *machine_chardev_take(Machine *m, const char *id, Err *e);
