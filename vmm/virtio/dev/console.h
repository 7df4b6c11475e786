/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/dev/console.h - ports of a virtio-serial device. */
#pragma once

#include "opt/opt.h"
#include "virtio/virtio.h"

typedef struct ConsolePortConf {
    const char *chardev;
    uint32_t nr;
    bool has_nr;
} ConsolePortConf;

/* Rows of "virtconsole" and "virtserialport", without id. */
extern const OptDesc console_port_opts[];

/* Whether @vdev is a virtio-serial device, which takes ports. */
bool virtio_console_is(const VirtioDev *vdev);

/**
 * virtio_console_add_port() - Plug a port into a virtio-serial device
 * @vdev:    the controller; the guest does not run yet
 * @console: virtconsole, else virtserialport
 *
 * Thread: main loop
 */
int virtio_console_add_port(VirtioDev *vdev, const ConsolePortConf *conf,
                            bool console, Err *e);
