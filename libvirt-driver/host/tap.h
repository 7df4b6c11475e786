/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tap devices: made or opened here, handed to the VMM as descriptors. */
#pragma once

#include <glib.h>

typedef struct TapRequest {
    const char *ifname; /* NULL or with %d: a name is chosen */
    const char *bridge; /* NULL: none */
    const guint8 *mac;  /* of the guest, 6 bytes; the host's end differs */
    gboolean existing;  /* must exist already; is left as it is */
    guint queues;       /* at least 1 */
    guint mtu;          /* 0: as it is */
    gboolean link_down;
} TapRequest;

/**
 * tap_open() - Open (and unless it exists make) a tap
 * @ret_ifname: owned by the caller
 * @ret_fds:    array of @req->queues descriptors, owned by the caller
 *
 * A tap made here disappears when its last descriptor closes.
 */
gboolean tap_open(const TapRequest *req, char **ret_ifname, int *ret_fds,
                  GError **error);

gboolean mac_parse(const char *text, guint8 *ret_mac);
