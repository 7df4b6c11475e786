/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/domain_schema.h - the tables of the domain document. */
#pragma once

#include "conf/domain_def.h"
#include "conf/xml_table.h"

extern const XmlRecord domain_record;     /* DomainDef */
extern const XmlRow domain_device_rows[]; /* children of <devices> */

extern const XmlRecord domain_disk_record;
extern const XmlRecord domain_net_record;
extern const XmlRecord domain_chr_record;
extern const XmlRecord domain_rng_record;
extern const XmlRecord domain_balloon_record;
extern const XmlRecord domain_controller_record;
extern const XmlRecord domain_video_record;

/* Names by enum, for messages and defaults. */
extern const char *const domain_disk_type_names[];
extern const char *const domain_disk_device_names[];
extern const char *const domain_disk_bus_names[];
extern const char *const domain_net_type_names[];
extern const char *const domain_chr_type_names[];
extern const char *const domain_chr_target_names[];
extern const char *const domain_action_names[];
extern const char *const domain_cpu_mode_names[];
extern const char *const domain_address_names[];

/* conf/domain_rng.c */

/**
 * domain_rng_validate() - Check a document against the schema
 *
 * Return: FALSE with VIR_ERR_XML_INVALID_SCHEMA naming the culprit
 */
gboolean domain_rng_validate(xmlDocPtr doc, GError **error);

/* The schema's text, built in. */
extern const char domain_rng_text[];
