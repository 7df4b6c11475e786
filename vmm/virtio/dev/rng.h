/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio/dev/rng.h - where entropy comes from: -object rng-random. */
#pragma once

#include "opt/opt.h"
#include "util/err.h"

typedef struct RngSourceConf {
    const char *id;
    const char *filename; /* a character device, or /dev/fdset/M with one */
} RngSourceConf;

typedef struct RngSource RngSource;

/* Rows of "rng-random", id included. */
extern const OptDesc rng_source_opts[];

int rng_source_new(RngSource **ret_source, const RngSourceConf *conf, Err *e);
void rng_source_free(RngSource *source);
const char *rng_source_id(const RngSource *source);
