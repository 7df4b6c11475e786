/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/device_table.h - option tables behind the names of the command line. */
#pragma once

#include "opt/opt.h"
#include "virtio/virtio.h"

/* Class of "virtio-rng-device", or NULL. */
const VirtioClass *device_class(const char *driver);

/* Rows that every device has. */
extern const OptDesc device_id_opts[];
