/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/describe.h - the program tells what it can do. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define DESCRIBE_SCHEMA 1

/**
 * cli_describe() - All that -describe prints; depends on the binary alone
 *
 * Return: new reference
 */
json_t *cli_describe(void);

/* Text of -h and of -version. */
void cli_print_help(FILE *out);
void cli_print_version(FILE *out);

/* Options of one driver, for -device DRIVER,help. false: unknown driver. */
bool cli_print_device_help(const char *driver, FILE *out);
