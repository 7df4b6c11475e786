// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/xml_doc.c - careful parsing of documents, and pieces kept as they came.
#include <config.h>

#include "conf/xml_table.h"

#include <libxml/parser.h>
#include <string.h>

#include "util/error.h"

#define XML_DOC_MAX_BYTES (16u * 1024 * 1024)

typedef struct XmlDocError {
    GString *text; /* owned; the first message */
    const char *xml;
} XmlDocError;

/* The line that holds the error, and a caret below the place. */
static void append_context(GString *text, const char *xml, int line, int column)
{
    const char *start = xml;
    const char *end;
    gsize len, caret;

    while (--line > 0 && (end = strchr(start, '\n')) != NULL)
        start = end + 1;
    len = strcspn(start, "\r\n");
    caret = column > 0 ? (gsize)column - 1 : 0;
    if (len > 200) {
        gsize skip = caret > 100 ? MIN(caret - 100, len - 200) : 0;

        start += skip;
        caret -= MIN(skip, caret);
        len = 200;
    }
    if (caret > len)
        caret = len;

    g_autofree char *raw = g_strndup(start, len);
    g_autofree char *shown = g_utf8_make_valid(raw, -1);

    g_string_append_printf(text, "\n%s\n%*s^", shown, (int)caret, "");
}

static void on_error(void *opaque, xmlErrorPtr err)
{
    XmlDocError *state = opaque;

    if (state->text || !err || err->level < XML_ERR_ERROR)
        return;

    g_autofree char *message =
        g_utf8_make_valid(err->message ? err->message : "malformed", -1);

    state->text = g_string_new(NULL);
    g_string_printf(state->text, "(domain_definition):%d: %s", err->line,
                    g_strchomp(message));
    append_context(state->text, state->xml, err->line, err->int2);
}

static xmlDocPtr read_text(const char *xml, XmlDocError *state)
{
    static gsize once;
    xmlParserCtxtPtr ctxt;
    xmlDocPtr doc = NULL;

    if (g_once_init_enter(&once)) {
        xmlInitParser(); /* must not race with itself */
        g_once_init_leave(&once, 1);
    }
    ctxt = xmlNewParserCtxt();
    if (!ctxt)
        return NULL;
    /* the structured handler is per thread; libxml2 gives no other way to
     * have the message of this context alone */
    xmlSetStructuredErrorFunc(state, on_error);
    doc = xmlCtxtReadMemory(ctxt, xml, (int)strlen(xml), NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOBLANKS |
                                XML_PARSE_NOCDATA | XML_PARSE_NOWARNING);
    xmlSetStructuredErrorFunc(NULL, NULL);
    if (doc && !ctxt->wellFormed) {
        xmlFreeDoc(doc);
        doc = NULL;
    }
    xmlFreeParserCtxt(ctxt);
    return doc;
}

xmlDocPtr xml_doc_parse(const char *xml, const char *root, GError **error)
{
    XmlDocError state = { .xml = xml };
    xmlNodePtr node;
    xmlDocPtr doc;

    if (strlen(xml) > XML_DOC_MAX_BYTES) {
        vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_XML_ERROR,
                           "the document is longer than %u bytes",
                           XML_DOC_MAX_BYTES);
        return NULL;
    }
    doc = read_text(xml, &state);
    if (!doc) {
        vir_error_set_from(error, VIR_FROM_DOMAIN, VIR_ERR_XML_DETAIL, "%s",
                           state.text ? state.text->str
                                      : "(domain_definition): unreadable");
        if (state.text)
            g_string_free(state.text, TRUE);
        return NULL;
    }
    if (state.text)
        g_string_free(state.text, TRUE);

    node = xmlDocGetRootElement(doc);
    if (doc->intSubset || doc->extSubset)
        vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_XML_ERROR,
                           "a document type declaration is not accepted: "
                           "remove <!DOCTYPE>");
    else if (!node || strcmp((const char *)node->name, root) != 0)
        vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_XML_ERROR,
                           "expected root element named <%s>, got <%s>", root,
                           node ? (const char *)node->name : "");
    else
        return doc;
    xmlFreeDoc(doc);
    return NULL;
}

static char *take_xml_string(xmlChar *text)
{
    char *ret = text && *text ? g_strdup((const char *)text) : NULL;

    xmlFree(text);
    return ret;
}

char *xml_node_text(xmlNodePtr node)
{
    return take_xml_string(xmlNodeGetContent(node));
}

char *xml_node_attr(xmlNodePtr node, const char *name)
{
    return take_xml_string(xmlGetNoNsProp(node, (const xmlChar *)name));
}

gboolean xml_node_is(xmlNodePtr node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && !node->ns &&
           strcmp((const char *)node->name, name) == 0;
}

xmlNodePtr xml_node_child(xmlNodePtr node, const char *name)
{
    for (xmlNodePtr child = node->children; child; child = child->next) {
        if (xml_node_is(child, name))
            return child;
    }
    return NULL;
}

void xml_escape(GString *buf, const char *text, gboolean attribute)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            g_string_append(buf, "&lt;");
            break;
        case '>':
            g_string_append(buf, "&gt;");
            break;
        case '&':
            g_string_append(buf, "&amp;");
            break;
        case '\'':
            g_string_append(buf, "&apos;");
            break;
        case '"':
            g_string_append(buf, "&quot;");
            break;
        case '\r':
            g_string_append(buf, "&#13;");
            break;
        case '\n':
        case '\t':
            /* a parser turns these into blanks inside an attribute */
            if (attribute)
                g_string_append_printf(buf, "&#%d;", *text);
            else
                g_string_append_c(buf, *text);
            break;
        default:
            g_string_append_c(buf, *text);
        }
    }
}

void xml_indent(GString *buf, guint indent)
{
    g_string_append_printf(buf, "%*s", (int)indent, "");
}

void xml_keep_add(xmlDocPtr *keep, xmlNodePtr node)
{
    xmlNodePtr copy;

    if (!*keep) {
        *keep = xmlNewDoc((const xmlChar *)"1.0");
        xmlDocSetRootElement(
            *keep, xmlNewDocNode(*keep, NULL, (const xmlChar *)"kept", NULL));
    }
    /* copied alone, so that it brings the namespaces it uses */
    copy = xmlDocCopyNode(node, *keep, 1);
    if (copy)
        xmlAddChild(xmlDocGetRootElement(*keep), copy);
}

xmlDocPtr xml_keep_copy(xmlDocPtr keep)
{
    return keep ? xmlCopyDoc(keep, 1) : NULL;
}

void xml_keep_free(xmlDocPtr keep)
{
    if (keep)
        xmlFreeDoc(keep);
}

/* An element of ours: single quotes, nothing of foreign namespaces. */
static void format_plain(xmlNodePtr node, guint indent, GString *buf)
{
    gboolean elements = FALSE;

    xml_indent(buf, indent);
    g_string_append_printf(buf, "<%s", (const char *)node->name);
    for (xmlAttrPtr attr = node->properties; attr; attr = attr->next) {
        g_autofree char *value =
            attr->ns ? NULL : xml_node_attr(node, (const char *)attr->name);

        if (attr->ns)
            continue;
        g_string_append_printf(buf, " %s='", (const char *)attr->name);
        xml_escape(buf, value ? value : "", TRUE);
        g_string_append_c(buf, '\'');
    }
    for (xmlNodePtr child = node->children; child; child = child->next)
        elements |= child->type == XML_ELEMENT_NODE && !child->ns;

    if (elements) {
        g_string_append(buf, ">\n");
        for (xmlNodePtr child = node->children; child; child = child->next) {
            if (child->type == XML_ELEMENT_NODE && !child->ns)
                format_plain(child, indent + 2, buf);
        }
        xml_indent(buf, indent);
        g_string_append_printf(buf, "</%s>\n", (const char *)node->name);
    } else {
        g_autofree char *text = xml_node_text(node);

        if (text) {
            g_string_append_c(buf, '>');
            xml_escape(buf, text, FALSE);
            g_string_append_printf(buf, "</%s>\n", (const char *)node->name);
        } else {
            g_string_append(buf, "/>\n");
        }
    }
}

/* An element of somebody else: libxml2's own output. */
static void format_foreign(xmlNodePtr node, guint indent, GString *buf)
{
    xmlBufferPtr out = xmlBufferCreate();

    if (out && xmlNodeDump(out, node->doc, node, (int)indent / 2, 1) >= 0) {
        xml_indent(buf, indent);
        g_string_append(buf, (const char *)xmlBufferContent(out));
        g_string_append_c(buf, '\n');
    }
    if (out)
        xmlBufferFree(out);
}

void xml_keep_format(xmlDocPtr keep, const char *name, guint indent,
                     GString *buf)
{
    xmlNodePtr root = keep ? xmlDocGetRootElement(keep) : NULL;

    for (xmlNodePtr node = root ? root->children : NULL; node;
         node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (!name)
            format_foreign(node, indent, buf);
        else if (xml_node_is(node, name))
            format_plain(node, indent, buf);
    }
}
