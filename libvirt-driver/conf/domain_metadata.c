// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_metadata.c - title, description and metadata elements.
#include <config.h>

#include <string.h>

#include "conf/domain_def.h"
#include "conf/xml_table.h"
#include "util/error.h"

static gboolean check_text(const char *text, const char *what, gboolean newline,
                           GError **error)
{
    if (!g_utf8_validate(text, -1, NULL))
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "the %s is not valid UTF-8", what);
    for (const char *s = text; *s; s++) {
        if (*s == '\n' && !newline)
            return vir_error_set(error, VIR_ERR_INVALID_ARG,
                                 "the %s cannot contain newlines", what);
        if ((unsigned char)*s < 0x20 && *s != '\n' && *s != '\t' && *s != '\r')
            return vir_error_set(error, VIR_ERR_INVALID_ARG,
                                 "the %s contains the control character 0x%02x",
                                 what, *s);
    }
    return TRUE;
}

static gboolean set_text(char **field, const char *text, const char *what,
                         gboolean newline, GError **error)
{
    if (text && !check_text(text, what, newline, error))
        return FALSE;
    g_free(*field);
    *field = text && *text ? g_strdup(text) : NULL;
    return TRUE;
}

/* The child of <metadata> in that namespace. */
static xmlNodePtr find_element(const DomainDef *def, const char *uri)
{
    xmlNodePtr root =
        def->metadata ? xmlDocGetRootElement(def->metadata) : NULL;

    for (xmlNodePtr node = root ? root->children : NULL; node;
         node = node->next) {
        if (node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
            strcmp((const char *)node->ns->href, uri) == 0)
            return node;
    }
    return NULL;
}

static gboolean add_element(DomainDef *def, const char *metadata,
                            const char *key, const char *uri, GError **error)
{
    xmlDocPtr doc = xmlReadMemory(metadata, (int)strlen(metadata), NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOBLANKS |
                                      XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNsPtr ns;

    if (!root || doc->intSubset) {
        xmlFreeDoc(doc);
        return vir_error_set_from(
            error, VIR_FROM_DOMAIN, VIR_ERR_XML_ERROR,
            "the metadata is not one well-formed element");
    }
    ns = xmlNewNs(root, (const xmlChar *)uri, (const xmlChar *)key);
    if (!ns)
        ns = xmlSearchNsByHref(doc, root, (const xmlChar *)uri);
    if (!ns) {
        xmlFreeDoc(doc);
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "the prefix '%s' is taken in the metadata", key);
    }
    xmlSetNs(root, ns);
    xml_keep_add(&def->metadata, root);
    xmlFreeDoc(doc);
    return TRUE;
}

static gboolean set_element(DomainDef *def, const char *metadata,
                            const char *key, const char *uri, GError **error)
{
    xmlNodePtr old;
    xmlNodePtr keep;

    if (!uri || !*uri)
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "metadata needs the URI of its namespace");
    old = find_element(def, uri);
    if (metadata) {
        if (!key || !*key)
            return vir_error_set(error, VIR_ERR_INVALID_ARG,
                                 "metadata needs a key for its namespace");
        if (xmlValidateNCName((const xmlChar *)key, 0) != 0)
            return vir_error_set(error, VIR_ERR_INVALID_ARG,
                                 "'%s' cannot be a namespace prefix", key);
        if (!add_element(def, metadata, key, uri, error))
            return FALSE;
    }
    if (old) {
        xmlUnlinkNode(old);
        xmlFreeNode(old);
    }
    keep = def->metadata ? xmlDocGetRootElement(def->metadata) : NULL;
    if (keep && !keep->children)
        g_clear_pointer(&def->metadata, xml_keep_free);
    return TRUE;
}

gboolean domain_def_set_metadata(DomainDef *def, int type, const char *metadata,
                                 const char *key, const char *uri,
                                 GError **error)
{
    switch (type) {
    case VIR_DOMAIN_METADATA_DESCRIPTION:
        return set_text(&def->description, metadata, "description", TRUE,
                        error);
    case VIR_DOMAIN_METADATA_TITLE:
        return set_text(&def->title, metadata, "title", FALSE, error);
    case VIR_DOMAIN_METADATA_ELEMENT:
        return set_element(def, metadata, key, uri, error);
    default:
        return vir_error_set(error, VIR_ERR_INVALID_ARG,
                             "unknown metadata type %d", type);
    }
}

/* Does anything below the node belong to that namespace object? */
static gboolean uses_ns(xmlNodePtr node, xmlNsPtr ns)
{
    for (xmlAttrPtr attr = node->properties; attr; attr = attr->next) {
        if (attr->ns == ns)
            return TRUE;
    }
    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE &&
            (child->ns == ns || uses_ns(child, ns)))
            return TRUE;
    }
    return FALSE;
}

/* The element as clients wrote it: its own prefix is not their affair, so
 * it is printed without the namespace it was filed under. */
static char *element_text(xmlNodePtr node)
{
    xmlNodePtr copy = xmlDocCopyNode(node, node->doc, 1);
    xmlBufferPtr out = xmlBufferCreate();
    char *text = NULL;

    if (copy && out) {
        copy->ns = NULL;
        for (xmlNsPtr *link = &copy->nsDef; *link;) {
            xmlNsPtr ns = *link;

            if (node->ns && xmlStrEqual(ns->href, node->ns->href) &&
                xmlStrEqual(ns->prefix, node->ns->prefix) &&
                !uses_ns(copy, ns)) {
                *link = ns->next;
                xmlFreeNs(ns);
            } else {
                link = &ns->next;
            }
        }
        if (xmlNodeDump(out, node->doc, copy, 0, 1) >= 0)
            text = g_strdup((const char *)xmlBufferContent(out));
    }
    if (out)
        xmlBufferFree(out);
    if (copy)
        xmlFreeNode(copy);
    return text;
}

char *domain_def_get_metadata(const DomainDef *def, int type, const char *uri,
                              GError **error)
{
    const char *text = NULL;
    xmlNodePtr node;

    switch (type) {
    case VIR_DOMAIN_METADATA_DESCRIPTION:
        text = def->description;
        break;
    case VIR_DOMAIN_METADATA_TITLE:
        text = def->title;
        break;
    case VIR_DOMAIN_METADATA_ELEMENT:
        node = uri ? find_element(def, uri) : NULL;
        if (node)
            return element_text(node);
        break;
    default:
        vir_error_set(error, VIR_ERR_INVALID_ARG, "unknown metadata type %d",
                      type);
        return NULL;
    }
    if (text)
        return g_strdup(text);
    vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_NO_DOMAIN_METADATA,
                       "Requested metadata element is not present");
    return NULL;
}
