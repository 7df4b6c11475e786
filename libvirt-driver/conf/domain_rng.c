// SPDX-License-Identifier: LGPL-2.1-or-later
// conf/domain_rng.c - documents against the schema that is built in.
#include <config.h>

#include <libxml/relaxng.h>
#include <string.h>

#include "conf/domain_schema.h"
#include "util/error.h"

/* Compiled once, read by all threads. */
static xmlRelaxNGPtr schema_get(void)
{
    static gsize once;
    static xmlRelaxNGPtr schema;

    if (g_once_init_enter(&once)) {
        xmlRelaxNGParserCtxtPtr ctxt = xmlRelaxNGNewMemParserCtxt(
            domain_rng_text, (int)strlen(domain_rng_text));

        if (ctxt) {
            schema = xmlRelaxNGParse(ctxt);
            xmlRelaxNGFreeParserCtxt(ctxt);
        }
        g_once_init_leave(&once, 1);
    }
    return schema;
}

/* The deepest message is the most telling one, and libxml2 gives it first. */
static void on_error(void *opaque, xmlErrorPtr err)
{
    char **first = opaque;

    if (*first || !err || !err->message)
        return;
    *first = err->line > 0
                 ? g_strdup_printf("line %d: %s", err->line, err->message)
                 : g_strdup(err->message);
    g_strchomp(*first);
}

/* What the tables say of a value that the schema does not like. */
static char *find_bad_value(xmlNodePtr root)
{
    g_autoptr(DomainDef) def = domain_def_new();
    g_autoptr(GError) error = NULL;

    if (xml_table_parse(domain_record.rows, root, def, 0, &error))
        return NULL;
    return g_strdup(error->message);
}

gboolean domain_rng_validate(xmlDocPtr doc, GError **error)
{
    xmlRelaxNGPtr schema = schema_get();
    xmlRelaxNGValidCtxtPtr ctxt =
        schema ? xmlRelaxNGNewValidCtxt(schema) : NULL;
    g_autofree char *message = NULL;
    g_autofree char *culprit = NULL;
    int status;

    if (!ctxt)
        return vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_INTERNAL_ERROR,
                                  "the built-in schema cannot be used");
    xmlRelaxNGSetValidStructuredErrors(ctxt, on_error, &message);
    status = xmlRelaxNGValidateDoc(ctxt, doc);
    xmlRelaxNGFreeValidCtxt(ctxt);
    if (status == 0)
        return TRUE;
    /* libxml2 blames the parent of what it does not know; the tables say
     * better which element it is */
    culprit =
        xml_table_find_unknown(domain_record.rows, xmlDocGetRootElement(doc));
    if (!culprit)
        culprit = find_bad_value(xmlDocGetRootElement(doc));
    return vir_error_set_from(error, VIR_FROM_XML, VIR_ERR_XML_INVALID_SCHEMA,
                              "%s",
                              culprit   ? culprit
                              : message ? message
                                        : "the document is not valid");
}
