/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf/xml_table.h - tables that map XML to structs and back. */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/*
 * How this works
 *
 * A table is an array of XmlRow, one row per element or attribute, ended by
 * a row without a name.  The order of rows is the order of output.  A row's
 * name is "@attr" for an attribute, "." for the element's text, else that of
 * a child element.  Rows of a group describe the same object as the group's
 * own table, so that a struct may be flatter than its XML; a list row leads
 * to objects of their own, described by an XmlRecord.
 *
 * The same walk over the rows parses, prints, frees and copies, and the unit
 * test compares the rows with the RNG schema.  Every pointer that an object
 * owns must have a row.  An empty string is the same as an absent one.
 */
typedef enum XmlRowType {
    XML_ROW_STR,    /* char *, owned */
    XML_ROW_UINT,   /* guint; 0 is absent unless .has is set */
    XML_ROW_U64,    /* guint64; likewise */
    XML_ROW_ID,     /* int; -1 is absent */
    XML_ROW_ENUM,   /* int index into names[]; "" is absent */
    XML_ROW_ON_OFF, /* int: 0 absent, 1 on, 2 off */
    XML_ROW_YES_NO, /* the same in other words */
    XML_ROW_KIB,    /* guint64 in KiB; text that the attribute unit scales */
    XML_ROW_UNIT,   /* that attribute: always KiB in output */
    XML_ROW_FLAG,   /* gboolean: the element is there */
    XML_ROW_GROUP,  /* an element with rows of its own */
    XML_ROW_LIST,   /* GPtrArray * of records, one per element */
    XML_ROW_KEEP,   /* xmlDoc *: elements printed as they came */
    XML_ROW_ANY,    /* xmlDoc *: the children of this element, any at all */
    XML_ROW_DROP,   /* known, without effect, not stored */
    XML_ROW_REFUSE, /* known, can never work here */
    XML_ROW_MAX
} XmlRowType;

typedef struct XmlRow XmlRow;

typedef struct XmlRecord {
    gsize size;
    const XmlRow *rows;
    /* after parsing one object; may be NULL */
    void (*fixup)(void *obj, unsigned parse_flags);
} XmlRecord;

struct XmlRow {
    const char *name;
    XmlRowType type;
    gsize off;                /* in the object */
    gsize has;                /* XML_HAS() of a gboolean, or 0 */
    const char *const *names; /* ENUM: all values, NULL-ended;
                                 KEEP, REFUSE: values of @only that are fine */
    const XmlRow *rows;       /* GROUP */
    const XmlRecord *record;  /* LIST */
    const char *only;         /* KEEP: attribute that decides (see names) */
    const char *hint;         /* REFUSE, KEEP: why, and what instead */
    /* Is it printed?  NULL: always (when there is something). */
    gboolean (*shown)(const void *obj, unsigned format_flags);
};

#define XML_HAS(type, field) (offsetof(type, field) + 1)

/**
 * xml_table_parse() - Read an element into an object by its rows
 * @node: borrowed
 * @obj:  zeroed, or with values that stay where @node says nothing
 */
gboolean xml_table_parse(const XmlRow *rows, xmlNodePtr node, void *obj,
                         unsigned parse_flags, GError **error);

/**
 * xml_table_format() - Append <name> with what the rows say of the object
 * @always: also when nothing is inside
 */
void xml_table_format(const XmlRow *rows, const char *name, const void *obj,
                      unsigned format_flags, guint indent, gboolean always,
                      GString *buf);

/* Free what the object owns, leaving NULLs; not the object. */
void xml_table_clear(const XmlRow *rows, void *obj);
/* @dst is a byte copy of @src: give it copies of what it should own. */
void xml_table_copy(const XmlRow *rows, void *dst, const void *src);

/* Lists of records: made, and freed with all their objects. */
void *xml_record_new(const XmlRecord *record);
void xml_record_free(const XmlRecord *record, void *obj);
void *xml_record_copy(const XmlRecord *record, const void *obj);

/**
 * xml_table_find_unknown() - The first thing that no row knows
 *
 * Return: owned sentence naming it, its parent and its line; NULL if none
 */
char *xml_table_find_unknown(const XmlRow *rows, xmlNodePtr node);

/* conf/xml_doc.c */

/**
 * xml_doc_parse() - Text to tree, without network, entities or DTDs
 * @root: name that the root element must have
 *
 * Return: owned; NULL with VIR_ERR_XML_DETAIL or VIR_ERR_XML_ERROR
 */
xmlDocPtr xml_doc_parse(const char *xml, const char *root, GError **error);

/* An element's whole text, owned; NULL if there is none. */
char *xml_node_text(xmlNodePtr node);
/* An attribute in no namespace, owned; NULL if absent or empty. */
char *xml_node_attr(xmlNodePtr node, const char *name);
/* First child element of that name in no namespace; NULL if none. */
xmlNodePtr xml_node_child(xmlNodePtr node, const char *name);
/* An element of that name in no namespace? */
gboolean xml_node_is(xmlNodePtr node, const char *name);

/* Append @text with XML's characters escaped (quotes and blanks too). */
void xml_escape(GString *buf, const char *text, gboolean attribute);
void xml_indent(GString *buf, guint indent);

/* Kept elements: *keep is made when first needed. */
void xml_keep_add(xmlDocPtr *keep, xmlNodePtr node);
xmlDocPtr xml_keep_copy(xmlDocPtr keep);
void xml_keep_free(xmlDocPtr keep);
/* Print those of that name; @name NULL: all, as foreign XML. */
void xml_keep_format(xmlDocPtr keep, const char *name, guint indent,
                     GString *buf);
