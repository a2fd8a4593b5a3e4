/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What a domain's XML says, as far as it is shown.  It comes from the daemon,
 * and may be of a version that knows more than we do.
 */

#include <libxml/parser.h>
#include <libxml/tree.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "qemuctl/qemuctl.h"

static xmlDoc	*doc_parse(const char *);
static xmlNode	*child(const xmlNode *, const char *);
static xmlNode	*next(xmlNode *, const char *);
static void	 set_attr(json_t *, const char *, const xmlNode *,
		    const char *);
static void	 set_content(json_t *, const char *, const xmlNode *);
static json_t	*disk_json(const xmlNode *);
static json_t	*interface_json(const xmlNode *);
static json_t	*console_json(const xmlNode *);
static json_t	*graphics_json(const xmlNode *);
static void	 add_devices(json_t *, const char *, const xmlNode *,
		    const char *, json_t *(*)(const xmlNode *));

/* NULL: not well-formed, or not a domain. */
static xmlDoc *
doc_parse(const char *xml)
{
	xmlDoc		*doc;
	xmlNode		*root;
	size_t		 len = strlen(xml);

	if (len > FILE_BYTES_MAX)
		return (NULL);
	doc = xmlReadMemory(xml, (int)len, NULL, NULL, XML_PARSE_NONET |
	    XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (doc == NULL)
		return (NULL);
	root = xmlDocGetRootElement(doc);
	if (doc->intSubset != NULL || root == NULL ||
	    xmlStrcmp(root->name, (const xmlChar *)"domain") != 0) {
		xmlFreeDoc(doc);
		return (NULL);
	}
	return (doc);
}

/* The first element of this name from here on. */
static xmlNode *
next(xmlNode *n, const char *name)
{
	for (; n != NULL; n = n->next)
		if (n->type == XML_ELEMENT_NODE &&
		    xmlStrcmp(n->name, (const xmlChar *)name) == 0)
			return (n);
	return (NULL);
}

/* The first of this name below parent, which may be NULL. */
static xmlNode *
child(const xmlNode *parent, const char *name)
{
	return (parent == NULL ? NULL : next(parent->children, name));
}

/* An attribute that is not there, or of no element, sets nothing. */
static void
set_attr(json_t *o, const char *key, const xmlNode *n, const char *name)
{
	xmlChar	*s;

	if (n == NULL || (s = xmlGetNoNsProp(n, (const xmlChar *)name)) == NULL)
		return;
	json_object_set_new(o, key, json_string((char *)s));
	xmlFree(s);
}

static void
set_content(json_t *o, const char *key, const xmlNode *n)
{
	xmlChar	*s;

	if (n == NULL || (s = xmlNodeGetContent(n)) == NULL)
		return;
	json_object_set_new(o, key, json_string((char *)s));
	xmlFree(s);
}

/* Adds to o what the XML tells.  -1: it cannot be read. */
int
facts_add(json_t *o, const char *xml)
{
	xmlDoc	*doc;
	xmlNode	*root, *devices, *type;

	if ((doc = doc_parse(xml)) == NULL)
		return (-1);
	root = xmlDocGetRootElement(doc);
	devices = child(root, "devices");
	type = child(child(root, "os"), "type");
	set_content(o, "title", child(root, "title"));
	set_attr(o, "type", root, "type");
	set_attr(o, "arch", type, "arch");
	set_attr(o, "machine", type, "machine");
	set_content(o, "emulator", child(devices, "emulator"));
	add_devices(o, "disks", devices, "disk", disk_json);
	add_devices(o, "interfaces", devices, "interface", interface_json);
	add_devices(o, "consoles", devices, "console", console_json);
	add_devices(o, "graphics", devices, "graphics", graphics_json);
	xmlFreeDoc(doc);
	return (0);
}

/* Name and UUID, which the caller frees; NULL where there is none. */
int
facts_identity(const char *xml, char **name, char **uuid)
{
	xmlDoc	*doc;
	xmlNode	*root;
	json_t	*o;

	*name = *uuid = NULL;
	if ((doc = doc_parse(xml)) == NULL)
		return (-1);
	root = xmlDocGetRootElement(doc);
	o = json_object();
	set_content(o, "name", child(root, "name"));
	set_content(o, "uuid", child(root, "uuid"));
	if (json_object_get(o, "name") != NULL &&
	    (*name = strdup(json_string_value(json_object_get(o,
	    "name")))) == NULL)
		err(CTL_FAILED, NULL);
	if (json_object_get(o, "uuid") != NULL &&
	    (*uuid = strdup(json_string_value(json_object_get(o,
	    "uuid")))) == NULL)
		err(CTL_FAILED, NULL);
	json_decref(o);
	xmlFreeDoc(doc);
	return (0);
}

static void
add_devices(json_t *o, const char *key, const xmlNode *devices,
    const char *element, json_t *(*make)(const xmlNode *))
{
	xmlNode	*n;
	json_t	*list = json_array();

	for (n = child(devices, element); n != NULL;
	    n = next(n->next, element))
		json_array_append_new(list, make(n));
	json_object_set_new(o, key, list);
}

static json_t *
disk_json(const xmlNode *n)
{
	static const char *const	 sources[] = { "file", "dev", "name",
	    "dir", "volume" };
	json_t				*o = json_object();
	xmlNode				*source = child(n, "source");
	size_t				 i;

	set_attr(o, "target", child(n, "target"), "dev");
	set_attr(o, "bus", child(n, "target"), "bus");
	set_attr(o, "device", n, "device");
	set_attr(o, "format", child(n, "driver"), "type");
	for (i = 0; i < nitems(sources); i++)
		if (json_object_get(o, "source") == NULL)
			set_attr(o, "source", source, sources[i]);
	json_object_set_new(o, "readonly",
	    json_boolean(child(n, "readonly") != NULL));
	return (o);
}

static json_t *
interface_json(const xmlNode *n)
{
	static const char *const	 sources[] = { "bridge", "network",
	    "dev", "address" };
	json_t				*o = json_object();
	xmlNode				*source = child(n, "source");
	size_t				 i;

	set_attr(o, "mac", child(n, "mac"), "address");
	set_attr(o, "type", n, "type");
	for (i = 0; i < nitems(sources); i++)
		if (json_object_get(o, "source") == NULL)
			set_attr(o, "source", source, sources[i]);
	set_attr(o, "model", child(n, "model"), "type");
	set_attr(o, "target", child(n, "target"), "dev");
	return (o);
}

static json_t *
console_json(const xmlNode *n)
{
	json_t	*o = json_object();

	set_attr(o, "type", n, "type");
	set_attr(o, "alias", child(n, "alias"), "name");
	set_attr(o, "tty", n, "tty");
	if (json_object_get(o, "tty") == NULL)
		set_attr(o, "tty", child(n, "source"), "path");
	return (o);
}

static json_t *
graphics_json(const xmlNode *n)
{
	json_t	*o = json_object();

	set_attr(o, "type", n, "type");
	set_attr(o, "port", n, "port");
	set_attr(o, "listen", n, "listen");
	if (json_object_get(o, "listen") == NULL)
		set_attr(o, "listen", child(n, "listen"), "address");
	set_attr(o, "socket", n, "socket");
	return (o);
}
