/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* opt/opt.h - option tables: text or JSON -> typed struct, help, description.
 */
#pragma once

#include "util/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * How this works
 *
 * "class,key=value,key" or a JSON object is first cut into an OptBag: an
 * ordered list of keys and values, in which nothing is judged yet.  opt_parse()
 * then fills a typed struct by a const table of OptDesc rows: every key must
 * have a row, every value must fit it, and what is missing takes its default.
 * The same rows print help, the reference manual and `-describe`.
 *
 * Strings in the struct are borrowed from the bag, so the bag must live as
 * long as the struct.
 */

typedef enum OptType {
    OPT_BOOL = 1, /* bool: on|yes|true|unmap, off|no|false|ignore */
    OPT_ONOFF,    /* bool: on|off only */
    OPT_FLAG,     /* bool: a bare key (key=on and key=off work, too) */
    OPT_U8,       /* uint8_t; decimal, as all numbers unless said otherwise */
    OPT_U16,      /* uint16_t */
    OPT_U32,      /* uint32_t */
    OPT_U64,      /* uint64_t */
    OPT_I32,      /* int32_t, not negative: an inherited descriptor */
    OPT_HEX,      /* uint32_t; 0x... is hexadecimal, else decimal */
    OPT_SIZE,     /* uint64_t bytes; suffix K, M or G, none means MiB */
    OPT_STR,      /* const char *; may be empty */
    OPT_ID,       /* const char *; not empty, at most 255 bytes */
    OPT_PATH,     /* const char *; not empty, at most .max or 4095 bytes */
    OPT_REF,      /* const char *; id of an object of kind .ref */
    OPT_ENUM,     /* unsigned; index of the word in .names */
    OPT_MAC,      /* uint8_t[6] */
    OPT_UUID,     /* uint8_t[16] */
    OPT_FDS,      /* OptFds; decimal descriptors joined by ':' */
    OPT_IGNORED,  /* nothing stored; any value, accepted for compatibility */
    OPT_JSON,     /* json_t *; borrowed; only from JSON */
    OPT_TYPE_MAX,
} OptType;

/* What writing a key twice means. */
typedef enum OptRepeat {
    OPT_ONCE,       /* an error */
    OPT_FIRST_WINS, /* the later ones are checked and ignored */
    OPT_APPEND,     /* values accumulate (OPT_FDS only) */
} OptRepeat;

#define OPT_FDS_MAX 32

typedef struct OptFds {
    unsigned num;
    int fd[OPT_FDS_MAX];
} OptFds;

typedef struct OptDesc {
    const char *name;  /* NULL ends the table */
    const char *alias; /* further spellings, joined by '|'; NULL: none */
    OptType type;
    size_t off;   /* of the field in the struct */
    size_t given; /* of a bool set when the key was there; 0: none */
    uint64_t min; /* smallest value; strings: smallest length */
    uint64_t max; /* largest value or length; 0: what the type holds */
    bool required;
    bool pow2;   /* numbers: a power of two */
    bool nocase; /* OPT_ENUM: any case */
    OptRepeat repeat;
    const char *def;          /* text as a user would write it; NULL: field is
                                 left as it is */
    const char *const *names; /* OPT_ENUM: words, NULL-terminated */
    const char *ref;          /* OPT_REF: "drive", "netdev", "iothread"... */
    const char *unit;         /* for help: "bytes", "ms"... */
    const char *help;         /* what the option does, no full stop */
} OptDesc;

/* --- bags ---------------------------------------------------------------- */

typedef enum OptKind {
    OPT_KIND_BARE, /* key without a value */
    OPT_KIND_TEXT, /* key=value, or a JSON string */
    OPT_KIND_INT,  /* JSON integer */
    OPT_KIND_BOOL, /* JSON true or false; text is "on" or "off" */
    OPT_KIND_JSON, /* JSON array, null or real */
} OptKind;

typedef struct OptEntry {
    char *key;
    char *text; /* NULL for OPT_KIND_BARE and OPT_KIND_JSON */
    OptKind kind;
    json_t *json; /* OPT_KIND_JSON: a reference of ours, else NULL */
} OptEntry;

typedef struct OptBag {
    char where[80]; /* for messages: "-device virtio-blk-device" */
    char *name;     /* the first element (class, URI...); NULL: none */
    bool strict;    /* JSON whose types must match (QMP arguments) */
    unsigned num;
    OptEntry *entries;
} OptBag;

/* What the first element of a text means. */
typedef enum OptHead {
    OPT_HEAD_NONE, /* all elements are key=value or flags */
    OPT_HEAD_NAME, /* the bag's name; must be there and not be key=value */
    OPT_HEAD_KEY,  /* the value of .head_key unless that key is written out */
} OptHead;

/**
 * opt_bag_text() - Cut "a,b=c,d" at commas and '='
 * @where:    what messages call this option, as "-drive"; with OPT_HEAD_NAME
 *            the name is appended to it
 * @head_key: the implicit key of OPT_HEAD_KEY
 *
 * There is no escape for ',' and '='.  One empty last element is tolerated.
 */
int opt_bag_text(OptBag *bag, const char *where, const char *text, OptHead head,
                 const char *head_key, Err *e);

/**
 * opt_bag_json() - Take the members of a JSON object, nested ones as "a.b"
 * @object:   borrowed; NULL is an empty object
 * @head_key: member that becomes the bag's name ("driver"); NULL: none
 */
int opt_bag_json(OptBag *bag, const char *where, const json_t *object,
                 const char *head_key, Err *e);

/* Adds one entry; for bags made by the program. */
int opt_bag_add(OptBag *bag, const char *key, const char *text, OptKind kind,
                Err *e);
void opt_bag_fini(OptBag *bag);
/* The text of a key, "" for a bare one, NULL when it is not there. */
const char *opt_bag_get(const OptBag *bag, const char *key);
/* Removes an entry of a key (all of them). Return: whether there was one. */
bool opt_bag_drop(OptBag *bag, const char *key);

/* --- parsing ------------------------------------------------------------- */

/**
 * opt_parse() - Fill a struct from a bag
 * @descs: the rows; defaults are stored first
 * @conf:  the struct; fields without row or default stay as they are
 *
 * Return: 0 or -EINVAL with one sentence naming option, value and what is
 *         accepted
 */
int opt_parse(const OptDesc *descs, const OptBag *bag, void *conf, Err *e);

/* One of several tables that share a bag (a device and its transport). */
typedef struct OptSet {
    const OptDesc *descs; /* NULL: empty */
    void *conf;
} OptSet;

int opt_parse_sets(const OptSet *sets, unsigned num_sets, const OptBag *bag,
                   Err *e);

/* Stores the defaults alone. */
void opt_defaults(const OptDesc *descs, void *conf);

/* Row of a key or one of its aliases, or NULL. */
const OptDesc *opt_find(const OptDesc *descs, const char *key);

/* --- single values, for options that are not tables ----------------------- */

int opt_size(const char *text, uint64_t *ret_bytes); /* 0 or -EINVAL, -ERANGE */
int opt_u64(const char *text, uint64_t *ret_val);
int opt_mac(const char *text, uint8_t ret_mac[6]);
int opt_uuid(const char *text, uint8_t ret_uuid[16]);
/* 36 characters and a NUL. */
void opt_uuid_text(const uint8_t uuid[16], char ret_text[37]);

/* --- telling about options ------------------------------------------------ */

/* What a value may be, in words: "1 to 32", "raw or qcow2". */
void opt_accepts(const OptDesc *desc, char *ret_text, size_t len);

/* One line per row, for `-device NAME,help`. */
void opt_print_help(const OptDesc *descs, FILE *out);

/**
 * opt_describe() - The rows as a JSON array, sorted by name
 *
 * Objects have name, type, required, help and, where they apply, aliases,
 * choices, default, max, min, ref, unit.
 * Return: a new reference, or NULL without memory
 */
json_t *opt_describe(const OptDesc *descs);

/* "u16", "enum"...: the type's name in help and `-describe`. */
const char *opt_type_name(OptType type);
