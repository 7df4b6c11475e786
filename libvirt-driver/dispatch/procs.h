/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handlers of the procedures; the tables name them. */
#pragma once

#include "dispatch/conn.h"

#define PROC(name)                                                             \
    RpcVerdict proc_##name(RpcCall *call, gconstpointer args, gpointer ret,    \
                           GError **error)

/* connect.c */
PROC(connect_open);
PROC(connect_close);
PROC(connect_get_type);
PROC(connect_get_version);
PROC(connect_get_lib_version);
PROC(connect_get_hostname);
PROC(connect_get_uri);
PROC(connect_is_secure);
PROC(connect_supports_feature);
PROC(connect_set_identity);
PROC(connect_register_close);
PROC(connect_unregister_close);

/* node.c */
PROC(connect_get_max_vcpus);
PROC(connect_get_capabilities);
PROC(connect_get_domain_caps);
PROC(connect_get_sysinfo);
PROC(node_get_info);
PROC(node_get_cpu_stats);
PROC(node_get_memory_stats);
PROC(node_get_cpu_map);
PROC(node_get_free_memory);
PROC(node_get_cells_free_memory);

/* lookup.c */
PROC(lookup_by_id);
PROC(lookup_by_name);
PROC(lookup_by_uuid);
PROC(num_of_domains);
PROC(num_of_defined_domains);
PROC(list_domains);
PROC(list_defined_domains);
PROC(list_all_domains);

/* query.c */
PROC(domain_get_state);
PROC(domain_get_info);
PROC(domain_is_active);
PROC(domain_is_persistent);
PROC(domain_is_updated);
PROC(domain_get_autostart);
PROC(domain_get_os_type);
PROC(domain_get_max_memory);
PROC(domain_get_max_vcpus);
PROC(domain_get_hostname);
PROC(domain_get_control_info);
PROC(domain_get_job_info);
PROC(domain_get_job_stats);
PROC(domain_get_xml_desc);
PROC(domain_get_vcpus_flags);
PROC(domain_get_vcpus);
PROC(domain_get_vcpu_pin_info);
PROC(domain_has_managed_save);
PROC(domain_get_messages);
gboolean check_xml_desc(RpcCall *call, gconstpointer args, GError **error);
gboolean check_vcpus_flags(RpcCall *call, gconstpointer args, GError **error);

/* define.c */
PROC(domain_define_xml);
PROC(domain_define_xml_flags);
PROC(domain_undefine);
PROC(domain_undefine_flags);
PROC(domain_set_autostart);
PROC(domain_rename);
PROC(domain_get_metadata);
PROC(domain_set_metadata);

/* life.c */
PROC(domain_create);
PROC(domain_create_with_flags);
PROC(domain_create_xml);
PROC(domain_destroy);
PROC(domain_destroy_flags);
PROC(domain_shutdown);
PROC(domain_shutdown_flags);
PROC(domain_reboot);
PROC(domain_reset);
PROC(domain_suspend);
PROC(domain_resume);

/* domain_stats.c */
PROC(domain_block_stats);
PROC(domain_block_stats_flags);
PROC(domain_interface_stats);
PROC(domain_memory_stats);
PROC(domain_get_block_info);
PROC(get_all_domain_stats);

/* console.c */
PROC(domain_open_console);

/* event_procs.c */
PROC(event_register);
PROC(event_deregister);
PROC(event_register_legacy);
PROC(event_deregister_legacy);
PROC(event_register_any_legacy);
PROC(event_deregister_any_legacy);
PROC(monitor_event_register);
PROC(monitor_event_deregister);

/* qemu_table.c */
PROC(monitor_command);
