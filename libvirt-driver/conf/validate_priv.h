/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/validate_priv.h - shared by the checks of domains and of devices. */
#pragma once

#include "conf/domain_def.h"
#include "conf/domain_machine.h"
#include "util/error.h"

/* Everything that refuses says which element and what is accepted. */
#define UNSUPPORTED(...)                                                       \
    vir_error_set(error, VIR_ERR_CONFIG_UNSUPPORTED, __VA_ARGS__)
#define MALFORMED(...)                                                         \
    vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_XML_ERROR, __VA_ARGS__)
#define MISSING(code) vir_error_set_from(error, VIR_FROM_DOMAIN, code, NULL)

gboolean validate_has_control(const char *text);
/* Absolute, of sane length, without control characters; NULL is fine. */
gboolean validate_path(const char *path, const char *what, GError **error);
/* conf/device_validate.c: all of <devices> but <emulator>. */
gboolean validate_devices(const DomainDef *def, const DomainCapsLimits *limits,
                          const DomainMachine *machine, GError **error);
