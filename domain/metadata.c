/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * <metadata>: what applications keep with a domain, one element for each XML
 * namespace.  It is kept as text, and made a tree only to be looked into.
 */

#include <stdlib.h>
#include <string.h>

#include "domain/domain.h"
#include "domain/xml.h"

static xmlNode	*find_ns(xmlNode *, const char *);
static void	 set_ns(xmlNode *, xmlNs *);
static void	 drop_ns(xmlNode *, const char *);
static char	*text_of(xmlDoc *, xmlNode *);
static xmlNode	*element_new(struct xml *, const char *, const char *,
		    const char *, struct domain_error *);

/* The element whose namespace is uri. */
static xmlNode *
find_ns(xmlNode *root, const char *uri)
{
	xmlNode	*n;

	for (n = root->children; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE && n->ns != NULL &&
		    n->ns->href != NULL &&
		    strcmp((const char *)n->ns->href, uri) == 0)
			return (n);
	return (NULL);
}

/* Elements without a namespace get this one. */
static void
set_ns(xmlNode *n, xmlNs *ns)
{
	xmlNode	*child;

	if (n->ns == NULL)
		xmlSetNs(n, ns);
	for (child = n->children; child != NULL; child = child->next)
		if (child->type == XML_ELEMENT_NODE)
			set_ns(child, ns);
}

/* The reverse: elements in it get none. */
static void
drop_ns(xmlNode *n, const char *uri)
{
	xmlNode	*child;

	if (n->ns != NULL && n->ns->href != NULL &&
	    strcmp((const char *)n->ns->href, uri) == 0)
		n->ns = NULL;
	for (child = n->children; child != NULL; child = child->next)
		if (child->type == XML_ELEMENT_NODE)
			drop_ns(child, uri);
}

static char *
text_of(xmlDoc *doc, xmlNode *n)
{
	xmlBuffer	*buf;
	char		*text = NULL;

	if ((buf = xmlBufferCreate()) == NULL)
		return (NULL);
	if (xmlNodeDump(buf, doc, n, 0, 0) != -1)
		text = strdup((const char *)xmlBufferContent(buf));
	xmlBufferFree(buf);
	return (text);
}

char *
domain_metadata_get(const struct domain *d, const char *uri)
{
	struct domain_error	 err;
	struct xml		 x;
	xmlNode			*n;
	xmlNs			**link, *ns;
	char			*text = NULL;

	if (d->metadata == NULL)
		return (NULL);
	if (xml_open(&x, d->metadata, strlen(d->metadata), 0, &err) == 0 &&
	    (n = find_ns(x.root, uri)) != NULL) {
		/* as it was set: the prefix is not part of it */
		drop_ns(n, uri);
		for (link = &n->nsDef; (ns = *link) != NULL; link = &ns->next)
			if (ns->href != NULL &&
			    strcmp((const char *)ns->href, uri) == 0) {
				*link = ns->next;
				xmlFreeNs(ns);
				break;
			}
		text = text_of(x.doc, n);
	}
	xml_close(&x);
	return (text);
}

/* The element of the client's, in its namespace, for the tree x. */
static xmlNode *
element_new(struct xml *x, const char *uri, const char *prefix,
    const char *text, struct domain_error *err)
{
	struct xml	 e;
	xmlNode		*n = NULL;
	xmlNs		*ns;

	if (xmlValidateNCName((const xmlChar *)prefix, 0) != 0) {
		domain_error(err, DOMAIN_ERR_INVALID_ARG, 0,
		    "'%s' cannot be the prefix of an XML namespace", prefix);
		return (NULL);
	}
	if (xml_open(&e, text, strlen(text), 0, err) == -1) {
		xml_close(&e);
		return (NULL);
	}
	ns = xmlNewNs(e.root, (const xmlChar *)uri, (const xmlChar *)prefix);
	if (ns == NULL)
		domain_error(err, DOMAIN_ERR_INVALID_ARG, 0,
		    "the element declares the prefix '%s' itself", prefix);
	else {
		set_ns(e.root, ns);
		if ((n = xmlDocCopyNode(e.root, x->doc, 1)) == NULL)
			domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
			    "out of memory");
	}
	xml_close(&e);
	return (n);
}

int
domain_metadata_set(struct domain *d, const char *uri, const char *prefix,
    const char *text, struct domain_error *err)
{
	const char	*old = d->metadata != NULL ? d->metadata :
			    "<metadata/>";
	struct xml	 x;
	xmlNode		*n, *new = NULL;
	char		*all = NULL;
	int		 empty;

	if (xml_open(&x, old, strlen(old), 0, err) == -1 || (text != NULL &&
	    (new = element_new(&x, uri, prefix, text, err)) == NULL)) {
		xml_close(&x);
		return (-1);
	}
	while ((n = find_ns(x.root, uri)) != NULL) {
		xmlUnlinkNode(n);
		xmlFreeNode(n);
	}
	if (new != NULL)
		xmlAddChild(x.root, new);
	empty = xmlFirstElementChild(x.root) == NULL;
	if (!empty)
		all = text_of(x.doc, x.root);
	xml_close(&x);
	if (!empty && all == NULL)
		return (domain_error(err, DOMAIN_ERR_NO_MEMORY, 0,
		    "out of memory"));
	if (all != NULL && strlen(all) > DOMAIN_METADATA_MAX) {
		free(all);
		return (domain_error(err, DOMAIN_ERR_INVALID_ARG, 0,
		    "the domain's metadata would be longer than %d bytes",
		    DOMAIN_METADATA_MAX));
	}
	free(d->metadata);
	d->metadata = all;
	return (0);
}
