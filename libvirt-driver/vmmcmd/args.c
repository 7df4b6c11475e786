// SPDX-License-Identifier: LGPL-2.1-or-later
// vmmcmd/args.c - collecting a command line, option by option.
#include <config.h>

#include "vmmcmd/args.h"

#include <string.h>

#include "util/error.h"

void args_init(VmmArgs *args, const char *binary, const VmmCaps *caps)
{
    *args = (VmmArgs){
        .argv = g_ptr_array_new_with_free_func(g_free),
        .value = g_string_new(NULL),
        .caps = caps,
        .next_set = 1,
    };
    g_ptr_array_add(args->argv, g_strdup(binary));
}

GPtrArray *args_end(VmmArgs *args, GError **error)
{
    g_string_free(args->value, TRUE);
    if (args->error) {
        g_propagate_error(error, args->error);
        g_ptr_array_unref(args->argv);
        return NULL;
    }
    g_ptr_array_add(args->argv, NULL);
    return args->argv;
}

void args_fail(VmmArgs *args, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (args->error)
        return;
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    vir_error_set(&args->error, VIR_ERR_CONFIG_UNSUPPORTED, "%s", text);
}

static gboolean has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return TRUE;
    }
    return FALSE;
}

void args_flag(VmmArgs *args, const char *option)
{
    g_ptr_array_add(args->argv, g_strdup(option));
}

void args_whole(VmmArgs *args, const char *option, const char *value)
{
    if (has_control(value))
        args_fail(args, "the value of %s contains a control character", option);
    if (value[0] == '-')
        args_fail(args,
                  "the value of %s cannot start with '-': the VMM would "
                  "take '%s' for an option",
                  option, value);
    args_flag(args, option);
    args_flag(args, value);
}

void args_begin(VmmArgs *args, const char *option, const char *first)
{
    args_flag(args, option);
    g_string_assign(args->value, first ? first : "");
}

static void separate(VmmArgs *args)
{
    if (args->value->len)
        g_string_append_c(args->value, ',');
}

void args_bare(VmmArgs *args, const char *key)
{
    separate(args);
    g_string_append(args->value, key);
}

void args_key(VmmArgs *args, const char *key, const char *value)
{
    const char *option = args->argv->pdata[args->argv->len - 1];

    if (strpbrk(value, ",=") || has_control(value))
        args_fail(args,
                  "%s of %s cannot be '%s': the VMM takes no ',', '=' or "
                  "control character there",
                  key, option, value);
    separate(args);
    g_string_append_printf(args->value, "%s=%s", key, value);
}

void args_key_u64(VmmArgs *args, const char *key, guint64 value)
{
    separate(args);
    g_string_append_printf(args->value, "%s=%" G_GUINT64_FORMAT, key, value);
}

void args_finish(VmmArgs *args)
{
    args_flag(args, args->value->str);
}

gboolean vmm_file_given(const VmmFile *file)
{
    return file->fd >= 0 || file->path;
}

char *args_file(VmmArgs *args, const VmmFile *file, const char *tag)
{
    guint set = args->next_set;

    if (file->fd < 0) {
        if (!file->path)
            args_fail(args, "nothing was opened for %s", tag);
        return g_strdup(file->path ? file->path : "");
    }
    if (!vmm_caps_has(args->caps, VMM_FEATURE_ADD_FD)) {
        args_fail(args, "this VMM takes no descriptor for %s", tag);
        return g_strdup("");
    }
    args->next_set++;
    args_begin(args, "-add-fd", NULL);
    args_key_u64(args, "fd", (guint64)file->fd);
    args_key_u64(args, "set", set);
    args_key(args, "opaque", tag);
    args_finish(args);
    return g_strdup_printf("/dev/fdset/%u", set);
}
