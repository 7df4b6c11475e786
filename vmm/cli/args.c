/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cli/args.c - cuts argv and counts values. */
#include <config.h>

#include "cli/args.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

static const ArgDesc *find(const char *name, ArgId *ret_id)
{
    for (unsigned i = 0; i < ARG_MAX; i++) {
        const ArgDesc *d = &arg_descs[i];

        if (strcmp(d->name, name) == 0 ||
            (d->alias && strcmp(d->alias, name) == 0)) {
            *ret_id = (ArgId)i;
            return d;
        }
    }
    return NULL;
}

static int add_value(Arg *arg, const char *value, Err *e)
{
    const char **grown =
        realloc(arg->values, (arg->num + 1) * sizeof(*arg->values));

    if (!grown)
        return err_set(e, ENOMEM, "out of memory");
    arg->values = grown;
    arg->values[arg->num++] = value;
    return 0;
}

/* The two double-dash spellings that people type out of habit. */
static const char *habit(const char *token)
{
    if (strcmp(token, "--help") == 0)
        return "help";
    if (strcmp(token, "--version") == 0)
        return "version";
    return NULL;
}

static int cut_option(Args *args, const char *token, Arg **ret_arg, Err *e)
{
    const char *name = token + 1;
    ArgId id;

    if (token[1] == '-') {
        name = habit(token);
        if (!name)
            return err_set(e, EINVAL,
                           "unknown option '%s': options take one dash, as in "
                           "'-%.60s'; -h lists them",
                           token, token + 2);
    }
    if (!find(name, &id))
        return err_set(e, EINVAL, "unknown option '%s'; -h lists the options",
                       token);
    args->arg[id].given++;
    *ret_arg = &args->arg[id];
    return 0;
}

int args_cut(Args *args, int argc, char **argv, Err *e)
{
    Arg *arg = NULL;

    memset(args, 0, sizeof(*args));
    for (int i = 1; i < argc; i++) {
        int r;

        if (strcmp(argv[i], "--") == 0)
            break;
        if (argv[i][0] == '-')
            r = cut_option(args, argv[i], &arg, e);
        else if (arg)
            r = add_value(arg, argv[i], e);
        else
            r = err_set(e, EINVAL,
                        "'%s' is not an option; -h lists the options", argv[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_one(const ArgDesc *d, const Arg *arg, Err *e)
{
    if (!arg->given || (d->arity == ARITY_MANY && arg->num))
        return 0;
    if (arg->given > 1 && d->arity != ARITY_MANY && !d->repeats)
        return err_set(e, EINVAL, "-%s is given more than once", d->name);
    if (d->arity == ARITY_FLAG && arg->num)
        return err_set(e, EINVAL, "-%s takes no value, not '%s'", d->name,
                       arg->values[0]);
    if ((d->arity == ARITY_ONE || d->arity == ARITY_MANY) && !arg->num)
        return err_set(e, EINVAL, "-%s needs a value: %s", d->name,
                       d->param ? d->param : "VALUE");
    if (arg->num > 1)
        return err_set(e, EINVAL, "-%s takes one value, but '%s' follows '%s'",
                       d->name, arg->values[1], arg->values[0]);
    return 0;
}

int args_check(const Args *args, Err *e)
{
    for (unsigned i = 0; i < ARG_MAX; i++) {
        int r = check_one(&arg_descs[i], &args->arg[i], e);

        if (r < 0)
            return r;
    }
    return 0;
}

void args_fini(Args *args)
{
    for (unsigned i = 0; i < ARG_MAX; i++)
        free(args->arg[i].values);
    memset(args, 0, sizeof(*args));
}

const char *args_value(const Args *args, ArgId id)
{
    const Arg *arg = &args->arg[id];

    if (!arg->given)
        return NULL;
    return arg->num ? arg->values[0] : "";
}

bool args_given(const Args *args, ArgId id)
{
    return args->arg[id].given;
}

void args_print_help(FILE *out)
{
    for (unsigned i = 0; i < ARG_MAX; i++) {
        const ArgDesc *d = &arg_descs[i];

        if (d->ignored || d->later)
            continue;
        fprintf(out, "  -%s%s%s%s%s\n        %s\n", d->name,
                d->alias ? ", -" : "", d->alias ? d->alias : "",
                d->param ? " " : "", d->param ? d->param : "", d->help);
    }
}

static const char *const arity_names[] = {
    [ARITY_FLAG] = "flag",
    [ARITY_ONE] = "one",
    [ARITY_OPTIONAL] = "optional",
    [ARITY_MANY] = "many",
};

json_t *args_describe(void)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < ARG_MAX; i++) {
        const ArgDesc *d = &arg_descs[i];
        json_t *o;

        if (d->later)
            continue;
        o = json_pack("{s:s, s:s, s:b}", "name", d->name, "values",
                      arity_names[d->arity], "ignored", d->ignored);
        if (d->alias)
            json_object_set_new(o, "alias", json_string(d->alias));
        if (d->param)
            json_object_set_new(o, "param", json_string(d->param));
        if (d->help)
            json_object_set_new(o, "help", json_string(d->help));
        json_array_append_new(array, o);
    }
    return array;
}
