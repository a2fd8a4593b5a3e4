/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * Reading XML that anybody may have written.
 *
 * Before libxml2 sees a byte, the text is known to be UTF-8 without NUL, so
 * that no encoding but that one is ever looked up (iconv would open files).
 * While libxml2 reads, depth, number of nodes and number of devices are
 * counted, and a DOCTYPE ends it at once: there are no entities, nothing is
 * fetched, nothing expands.
 *
 * Afterwards the parsers mark what they look at, in the node's _private.
 */

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/SAX2.h>

#include "domain/domain.h"
#include "domain/device.h"
#include "domain/xml.h"

#define XML_OPTIONS	(XML_PARSE_NONET | XML_PARSE_NOERROR | \
	XML_PARSE_NOWARNING | XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC | \
	XML_PARSE_BIG_LINES)

#define XML_MAX_COPIES	256	/* applications that keep metadata */
#define XML_MAX_ATTRS	64	/* of one element; the format has up to 20 */

#define QEMU_NAMESPACE	"http://libvirt.org/schemas/domain/qemu/1.0"

/* Limits while libxml2 reads; ctxt->_private points to it. */
struct limits {
	struct domain_error	*err;
	unsigned int		 depth;
	unsigned int		 nodes;
	unsigned int		 devices;
};

/* Values of _private. */
static char	 looked_at, skipped;

static void	 limits_fail(xmlParserCtxt *, int, const char *, ...)
		    __attribute__((__format__(printf, 3, 4)));
static int	 limits_count(xmlParserCtxt *, unsigned int);
static void	 on_start(void *, const xmlChar *, const xmlChar *,
		    const xmlChar *, int, const xmlChar **, int, int,
		    const xmlChar **);
static void	 on_end(void *, const xmlChar *, const xmlChar *,
		    const xmlChar *);
static void	 on_doctype(void *, const xmlChar *, const xmlChar *,
		    const xmlChar *);
static void	 on_comment(void *, const xmlChar *);
static void	 on_instruction(void *, const xmlChar *, const xmlChar *);
static void	 on_error(void *, xmlError *);
static int	 check_utf8(const char *, size_t, struct domain_error *);
static int	 check_tags(const char *, size_t, struct domain_error *);
static int	 is_element(const xmlNode *, const char *);
static int	 take_value(struct xml *, const xmlNode *, const char *,
		    xmlChar *, size_t, char **);
static char	*trim(char *);
static void	 join_words(const char *const *, char *, size_t);
static int	 copy_element(struct xml *, xmlNode *, xmlBuffer *);
static int	 is_repeated(const xmlNode *);
static int	 sweep_element(struct xml *, xmlNode *);
static int	 sweep_attrs(struct xml *, const xmlNode *);

const char *const xml_yesno[] = { "no", "yes", NULL };
const char *const xml_onoff[] = { "off", "on", NULL };

/* --- reading, within limits ----------------------------------------------- */

static void
limits_fail(xmlParserCtxt *ctxt, int code, const char *fmt, ...)
{
	struct limits	*l = ctxt->_private;
	va_list		 ap;

	if (l->err->code == 0) {
		va_start(ap, fmt);
		domain_verror(l->err, code, xmlSAX2GetLineNumber(ctxt), fmt,
		    ap);
		va_end(ap);
		l->err->column = xmlSAX2GetColumnNumber(ctxt);
	}
	xmlStopParser(ctxt);
}

/* -1: stop, it is too much. */
static int
limits_count(xmlParserCtxt *ctxt, unsigned int n)
{
	struct limits	*l = ctxt->_private;

	if (l->err->code != 0)
		return (-1);
	if (n > XML_MAX_NODES - l->nodes) {
		limits_fail(ctxt, DOMAIN_ERR_XML, "the document has more than "
		    "%d elements and attributes", XML_MAX_NODES);
		return (-1);
	}
	l->nodes += n;
	return (0);
}

static void
on_start(void *arg, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri, int nns, const xmlChar **ns, int nattrs,
    int ndefaulted, const xmlChar **attrs)
{
	xmlParserCtxt	*ctxt = arg;
	struct limits	*l = ctxt->_private;

	if (limits_count(ctxt, 1 + nattrs + nns) == -1)
		return;
	if (l->depth == XML_MAX_DEPTH) {
		limits_fail(ctxt, DOMAIN_ERR_XML, "<%.40s> is nested too "
		    "deeply: a domain has at most %d levels",
		    (const char *)name, XML_MAX_DEPTH);
		return;
	}
	/* there are some that aren't devices: device_add is exact */
	if (l->depth == 2 && ctxt->node != NULL &&
	    is_element(ctxt->node, "devices") &&
	    ++l->devices > 2 * DOMAIN_MAX_DEVICES) {
		limits_fail(ctxt, DOMAIN_ERR_CONFIG_UNSUPPORTED,
		    "too many devices: a domain has at most %d",
		    DOMAIN_MAX_DEVICES);
		return;
	}
	l->depth++;
	xmlSAX2StartElementNs(arg, name, prefix, uri, nns, ns, nattrs,
	    ndefaulted, attrs);
}

static void
on_end(void *arg, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri)
{
	xmlParserCtxt	*ctxt = arg;
	struct limits	*l = ctxt->_private;

	if (l->err->code != 0)
		return;
	if (l->depth > 0)
		l->depth--;
	xmlSAX2EndElementNs(arg, name, prefix, uri);
}

static void
on_doctype(void *arg, const xmlChar *name, const xmlChar *public,
    const xmlChar *system)
{
	limits_fail(arg, DOMAIN_ERR_XML, "a DOCTYPE is not allowed: "
	    "remove it and the entities that it declares");
}

static void
on_comment(void *arg, const xmlChar *text)
{
	if (limits_count(arg, 1) == 0)
		xmlSAX2Comment(arg, text);
}

static void
on_instruction(void *arg, const xmlChar *target, const xmlChar *data)
{
	if (limits_count(arg, 1) == 0)
		xmlSAX2ProcessingInstruction(arg, target, data);
}

/* The first error is the one that explains. */
static void
on_error(void *arg, xmlError *e)
{
	xmlParserCtxt	*ctxt = arg;
	struct limits	*l = ctxt->_private;

	if (e->level < XML_ERR_ERROR || l->err->code != 0)
		return;
	if (e->code == XML_ERR_NO_MEMORY) {
		domain_error(l->err, DOMAIN_ERR_NO_MEMORY, 0,
		    "out of memory");
		return;
	}
	domain_error(l->err, DOMAIN_ERR_XML_DETAIL, e->line,
	    "the document is not well-formed XML: line %d, column %d: %.300s",
	    e->line, e->int2, e->message == NULL ? "?" : e->message);
	l->err->column = e->int2;
}

/* UTF-8 without NUL and without what XML has no place for. */
static int
check_utf8(const char *xml, size_t len, struct domain_error *err)
{
	size_t	 i, n;
	int	 line = 1;
	size_t	 start = 0;

	for (i = 0; i < len; i += n) {
		n = xml[i] == '\0' ? 0 : utf8_length(xml + i, len - i);
		if (n == 0) {
			domain_error(err, DOMAIN_ERR_XML_DETAIL, line,
			    "line %d, column %zu: byte 0x%02x is not valid "
			    "in UTF-8", line, i - start + 1,
			    (unsigned char)xml[i]);
			err->column = (int)(i - start + 1);
			return (-1);
		}
		if (xml[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	return (0);
}

/*
 * libxml2 compares each attribute of a tag with all others of it: some
 * hundred thousand in one tag take minutes.  So they are counted first.
 * Where this reads a malformed document in another way than libxml2, that
 * has stopped already.
 */
static int
check_tags(const char *xml, size_t len, struct domain_error *err)
{
	static const struct {
		const char	*start, *end;
	} skip[] = {
		{ "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" }
	};
	const char	*p = xml, *stop = xml + len, *e;
	char		 quote;
	size_t		 i, n;
	int		 attrs;

	while ((p = memchr(p, '<', stop - p)) != NULL) {
		for (i = 0; i < nitems(skip); i++) {
			n = strlen(skip[i].start);
			if ((size_t)(stop - p) >= n &&
			    memcmp(p, skip[i].start, n) == 0)
				break;
		}
		if (i < nitems(skip)) {
			e = memmem(p + n, stop - p - n, skip[i].end,
			    strlen(skip[i].end));
			if (e == NULL)
				return (0);
			p = e;
			continue;
		}
		quote = '\0';
		attrs = 0;
		for (p++; p < stop; p++) {
			if (quote != '\0') {
				if (*p == quote)
					quote = '\0';
			} else if (*p == '\'' || *p == '"') {
				quote = *p;
			} else if (*p == '=') {
				if (++attrs > XML_MAX_ATTRS)
					return (domain_error(err,
					    DOMAIN_ERR_XML, 0, "an element "
					    "has more than %d attributes",
					    XML_MAX_ATTRS));
			} else if (*p == '>')
				break;
		}
	}
	return (0);
}

int
xml_open(struct xml *x, const char *text, size_t len, unsigned int flags,
    struct domain_error *err)
{
	struct limits	 l;

	memset(x, 0, sizeof(*x));
	memset(&l, 0, sizeof(l));
	memset(err, 0, sizeof(*err));
	x->err = l.err = err;
	x->flags = flags;

	if (len > XML_MAX_BYTES)
		return (domain_error(err, DOMAIN_ERR_XML, 0, "the document "
		    "has %zu bytes: at most %d are read", len,
		    XML_MAX_BYTES));
	if (check_utf8(text, len, err) == -1 ||
	    check_tags(text, len, err) == -1)
		return (-1);
	if ((x->ctxt = xmlNewParserCtxt()) == NULL)
		return (xml_nomem(x));
	x->ctxt->_private = &l;
	x->ctxt->sax->startElementNs = on_start;
	x->ctxt->sax->endElementNs = on_end;
	x->ctxt->sax->internalSubset = on_doctype;
	x->ctxt->sax->comment = on_comment;
	x->ctxt->sax->processingInstruction = on_instruction;
	x->ctxt->sax->serror = (xmlStructuredErrorFunc)on_error;
	x->doc = xmlCtxtReadMemory(x->ctxt, text, (int)len, NULL, "UTF-8",
	    XML_OPTIONS);
	x->ctxt->_private = NULL;
	if (err->code != 0)
		return (-1);
	if (x->doc == NULL || !x->ctxt->wellFormed ||
	    (x->root = xmlDocGetRootElement(x->doc)) == NULL)
		return (domain_error(err, DOMAIN_ERR_XML_DETAIL, 0,
		    "the document is not well-formed XML"));
	return (0);
}

void
xml_close(struct xml *x)
{
	xmlFreeDoc(x->doc);
	if (x->ctxt != NULL)
		xmlFreeParserCtxt(x->ctxt);
	x->doc = NULL;
	x->ctxt = NULL;
}

/* --- errors --------------------------------------------------------------- */

int
xml_error(struct xml *x, const xmlNode *node, int code, const char *fmt, ...)
{
	char	 what[400];
	va_list	 ap;
	long	 line;

	va_start(ap, fmt);
	if (vsnprintf(what, sizeof(what), fmt, ap) < 0)
		what[0] = '\0';
	va_end(ap);
	line = node == NULL ? 0 : xmlGetLineNo(node);
	if (line <= 0 || line > INT_MAX)
		return (domain_error(x->err, code, 0, "%s", what));
	return (domain_error(x->err, code, (int)line, "line %ld, <%.40s>: %s",
	    line, (const char *)node->name, what));
}

int
xml_nomem(struct xml *x)
{
	return (domain_error(x->err, DOMAIN_ERR_NO_MEMORY, 0,
	    "out of memory"));
}

/* --- access --------------------------------------------------------------- */

static int
is_element(const xmlNode *node, const char *name)
{
	return (node->type == XML_ELEMENT_NODE && node->ns == NULL &&
	    strcmp((const char *)node->name, name) == 0);
}

xmlNode *
xml_child(const xmlNode *parent, const char *name)
{
	xmlNode	*n;

	for (n = parent->children; n != NULL; n = n->next)
		if (is_element(n, name)) {
			n->_private = &looked_at;
			return (n);
		}
	return (NULL);
}

xmlNode *
xml_next(const xmlNode *node)
{
	xmlNode	*n;

	for (n = node->next; n != NULL; n = n->next)
		if (is_element(n, (const char *)node->name)) {
			n->_private = &looked_at;
			return (n);
		}
	return (NULL);
}

int
xml_only(struct xml *x, const xmlNode *parent, const char *name,
    xmlNode **child)
{
	xmlNode	*n, *second;

	if ((n = xml_child(parent, name)) == NULL)
		return (0);
	if ((second = xml_next(n)) != NULL)
		return (xml_error(x, second, DOMAIN_ERR_XML, "there is a "
		    "second <%s> in <%s>: only one is allowed", name,
		    (const char *)parent->name));
	*child = n;
	return (1);
}

void
xml_skip(const xmlNode *parent, const char *name)
{
	xmlNode	*n;

	for (n = parent->children; n != NULL; n = n->next)
		if (is_element(n, name))
			xml_skip_all(n);
}

void
xml_skip_attr(const xmlNode *node, const char *name)
{
	xmlAttr	*a;

	if ((a = xmlHasNsProp(node, (const xmlChar *)name, NULL)) != NULL)
		a->_private = &looked_at;
}

void
xml_skip_all(xmlNode *node)
{
	node->_private = &skipped;
}

/* Takes s.  what names the value in the error. */
static int
take_value(struct xml *x, const xmlNode *node, const char *what, xmlChar *s,
    size_t max, char **value)
{
	const unsigned char	*c;

	if (s == NULL)
		return (xml_nomem(x));
	for (c = s; *c != '\0'; c++)
		if (*c < 0x20 || *c == 0x7f) {
			xmlFree(s);
			return (xml_error(x, node, DOMAIN_ERR_XML,
			    "%s contains a control character", what));
		}
	if ((size_t)(c - s) > max) {
		xmlFree(s);
		return (xml_error(x, node, DOMAIN_ERR_XML, "%s is longer than "
		    "%zu bytes", what, max));
	}
	*value = strdup((const char *)s);
	xmlFree(s);
	return (*value == NULL ? xml_nomem(x) : 1);
}

int
xml_attr(struct xml *x, const xmlNode *node, const char *name, char **value)
{
	char	 what[64];
	xmlAttr	*a;

	*value = NULL;
	if ((a = xmlHasNsProp(node, (const xmlChar *)name, NULL)) == NULL)
		return (0);
	a->_private = &looked_at;
	snprintf(what, sizeof(what), "attribute '%s'", name);
	return (take_value(x, node, what,
	    xmlGetNoNsProp(node, (const xmlChar *)name), DOMAIN_STRING_MAX,
	    value));
}

int
xml_attr_uint(struct xml *x, const xmlNode *node, const char *name,
    unsigned int max, unsigned int *value)
{
	char		*s, *end;
	unsigned long	 n;
	int		 r, base = 10;

	if ((r = xml_attr(x, node, name, &s)) != 1)
		return (r);
	if (strncasecmp(s, "0x", 2) == 0)
		base = 16;
	errno = 0;
	n = strtoul(s, &end, base);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || n > max)
		r = xml_error(x, node, DOMAIN_ERR_XML, "attribute '%s' is "
		    "'%.40s': it must be a number from 0 to %u", name, s,
		    max);
	else
		*value = (unsigned int)n;
	free(s);
	return (r);
}

/* "raw, qcow2": for the error text. */
static void
join_words(const char *const *words, char *buf, size_t size)
{
	size_t	 i;

	buf[0] = '\0';
	for (i = 0; words[i] != NULL; i++) {
		if (words[i][0] == '\0')
			continue;
		if (buf[0] != '\0')
			strlcat(buf, ", ", size);
		strlcat(buf, words[i], size);
	}
}

/*
 * words ends with NULL; the index of the one that it is.  An empty word
 * stands for "not said" and cannot be written.
 */
int
xml_attr_enum(struct xml *x, const xmlNode *node, const char *name,
    const char *const *words, unsigned int *value)
{
	char		 all[160];
	char		*s;
	unsigned int	 i;
	int		 r;

	if ((r = xml_attr(x, node, name, &s)) != 1)
		return (r);
	for (i = 0; words[i] != NULL; i++)
		if (s[0] != '\0' && strcmp(s, words[i]) == 0) {
			*value = i;
			free(s);
			return (1);
		}
	join_words(words, all, sizeof(all));
	r = xml_error(x, node, DOMAIN_ERR_CONFIG_UNSUPPORTED, "%s='%.60s' is "
	    "not supported: it may be %s", name, s, all);
	free(s);
	return (r);
}

int
xml_attr_bool(struct xml *x, const xmlNode *node, const char *name,
    const char *const *words, int *value)
{
	unsigned int	 n;
	int		 r;

	if ((r = xml_attr_enum(x, node, name, words, &n)) == 1)
		*value = n == 1;
	return (r);
}

int
xml_check_path(struct xml *x, const xmlNode *node, const char *path)
{
	if (path[0] != '/' || path[1] == '\0')
		return (xml_error(x, node, DOMAIN_ERR_XML, "path '%.200s' "
		    "must be that of a file, and absolute", path));
	return (0);
}

int
xml_text(struct xml *x, const xmlNode *node, size_t max, char **value)
{
	*value = NULL;
	return (take_value(x, node, "its content", xmlNodeGetContent(node),
	    max, value));
}

int
xml_text_lines(struct xml *x, const xmlNode *node, char **value)
{
	xmlChar	*s;

	*value = NULL;
	if ((s = xmlNodeGetContent(node)) == NULL)
		return (xml_nomem(x));
	*value = strdup((const char *)s);
	xmlFree(s);
	return (*value == NULL ? xml_nomem(x) : 1);
}

/* Without white space around it; changes s. */
static char *
trim(char *s)
{
	size_t	 n;

	s += strspn(s, " \t\r\n");
	for (n = strlen(s); n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL; n--)
		;
	s[n] = '\0';
	return (s);
}

int
xml_text_word(struct xml *x, const xmlNode *node, char **value)
{
	char	*s, *t;

	if (xml_text_lines(x, node, &s) == -1) {
		*value = NULL;
		return (-1);
	}
	t = trim(s);
	memmove(s, t, strlen(t) + 1);
	*value = s;
	return (1);
}

int
xml_text_enum(struct xml *x, const xmlNode *node, const char *const *words,
    unsigned int *value)
{
	char		 all[160];
	char		*s;
	unsigned int	 i;
	int		 r;

	if ((r = xml_text_word(x, node, &s)) != 1)
		return (r);
	for (i = 0; words[i] != NULL; i++)
		if (strcmp(s, words[i]) == 0) {
			*value = i;
			free(s);
			return (1);
		}
	join_words(words, all, sizeof(all));
	r = xml_error(x, node, DOMAIN_ERR_CONFIG_UNSUPPORTED, "'%.60s' is not "
	    "supported: it may be %s", s, all);
	free(s);
	return (r);
}

int
xml_text_uint64(struct xml *x, const xmlNode *node, uint64_t *value)
{
	char			*s, *end;
	unsigned long long	 n;
	int			 r;

	if ((r = xml_text_word(x, node, &s)) != 1)
		return (r);
	errno = 0;
	n = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0)
		r = xml_error(x, node, DOMAIN_ERR_XML, "'%.40s' is not a "
		    "number, or too big for one", s);
	else
		*value = n;
	free(s);
	return (r);
}

/* One element, in a document of its own: that declares what it needs. */
static int
copy_element(struct xml *x, xmlNode *node, xmlBuffer *buf)
{
	xmlDoc	*doc;
	xmlNode	*copy;
	int	 r = -1;

	if ((doc = xmlNewDoc((const xmlChar *)"1.0")) == NULL)
		return (xml_nomem(x));
	if ((copy = xmlDocCopyNode(node, doc, 1)) != NULL) {
		xmlDocSetRootElement(doc, copy);
		r = xmlNodeDump(buf, doc, copy, 0, 0);
	}
	xmlFreeDoc(doc);
	return (r == -1 ? xml_nomem(x) : 0);
}

/* Has a child in front of this one the same namespace? */
static int
is_repeated(const xmlNode *node)
{
	const xmlNode	*n;

	for (n = node->prev; n != NULL; n = n->prev)
		if (n->type == XML_ELEMENT_NODE && n->ns != NULL &&
		    xmlStrEqual(n->ns->href, node->ns->href))
			return (1);
	return (0);
}

int
xml_metadata(struct xml *x, xmlNode *node, char **value)
{
	xmlBuffer	*buf;
	xmlNode		*n;
	unsigned int	 count = 0;
	int		 r = -1;

	*value = NULL;
	xml_skip_all(node);
	if ((buf = xmlBufferCreate()) == NULL)
		return (xml_nomem(x));
	for (n = node->children; n != NULL; n = n->next) {
		if (n->type != XML_ELEMENT_NODE || n->ns == NULL ||
		    n->ns->href == NULL || is_repeated(n))
			continue;
		if (++count > XML_MAX_COPIES) {
			xml_error(x, n, DOMAIN_ERR_XML, "there are more than "
			    "%d elements in <%s>", XML_MAX_COPIES,
			    (const char *)node->name);
			goto out;
		}
		if (xmlBufferCat(buf, (const xmlChar *)(count == 1 ?
		    "<metadata>\n    " : "\n    ")) != 0) {
			xml_nomem(x);
			goto out;
		}
		if (copy_element(x, n, buf) == -1)
			goto out;
	}
	r = 0;
	if (count == 0)
		goto out;
	if (xmlBufferCat(buf, (const xmlChar *)"\n  </metadata>") != 0) {
		r = xml_nomem(x);
		goto out;
	}
	if ((*value = strdup((const char *)xmlBufferContent(buf))) == NULL)
		r = xml_nomem(x);
	else
		r = 1;
 out:
	xmlBufferFree(buf);
	return (r);
}

/* --- what nobody looked at ------------------------------------------------ */

static int
sweep_attrs(struct xml *x, const xmlNode *node)
{
	const xmlAttr	*a;
	const char	*name, *in = (const char *)node->name;

	for (a = node->properties; a != NULL; a = a->next) {
		if (a->_private != NULL)
			continue;
		name = (const char *)a->name;
		if (a->ns == NULL && schema_attr(in, name))
			return (xml_error(x, node,
			    DOMAIN_ERR_CONFIG_UNSUPPORTED, "attribute '%.40s' "
			    "is not supported here", name));
		if (x->flags & DOMAIN_PARSE_VALIDATE)
			return (xml_error(x, node,
			    DOMAIN_ERR_XML_INVALID_SCHEMA, "attribute '%.40s' "
			    "is unknown here", name));
	}
	return (0);
}

/* Recursion is bounded by XML_MAX_DEPTH. */
static int
sweep_element(struct xml *x, xmlNode *node)
{
	xmlNode		*n;
	const char	*name, *in = (const char *)node->name;

	if (sweep_attrs(x, node) == -1)
		return (-1);
	for (n = node->children; n != NULL; n = n->next) {
		if (n->type != XML_ELEMENT_NODE || n->_private == &skipped)
			continue;
		if (n->_private == &looked_at) {
			if (sweep_element(x, n) == -1)
				return (-1);
			continue;
		}
		name = (const char *)n->name;
		if (n->ns != NULL && n->ns->href != NULL &&
		    strcmp((const char *)n->ns->href, QEMU_NAMESPACE) == 0)
			return (xml_error(x, n, DOMAIN_ERR_CONFIG_UNSUPPORTED,
			    "<qemu:%.40s> is not supported: QEMU takes no "
			    "arguments from a domain", name));
		if (n->ns == NULL && schema_element(in, name))
			return (xml_error(x, n, DOMAIN_ERR_CONFIG_UNSUPPORTED,
			    "<%.40s> in <%.40s> is not supported", name, in));
		if (x->flags & DOMAIN_PARSE_VALIDATE)
			return (xml_error(x, n, DOMAIN_ERR_XML_INVALID_SCHEMA,
			    "<%.40s> is unknown in <%.40s>", name, in));
	}
	return (0);
}

int
xml_sweep(struct xml *x)
{
	return (sweep_element(x, x->root));
}
