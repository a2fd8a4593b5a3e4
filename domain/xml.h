/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * XML for the domain model, private to this folder.
 *
 * Reading (xml.c): a document that is bounded in every way, and access to it
 * that remembers what has been looked at, so that what nobody looked at can
 * be refused by name at the end (xml_sweep).
 *
 * Writing (out.c): a buffer that indents and escapes.
 */

#ifndef DOMAIN_XML_H
#define DOMAIN_XML_H

#include <libxml/parser.h>
#include <libxml/tree.h>

struct xml {
	xmlParserCtxt		*ctxt;
	xmlDoc			*doc;
	xmlNode			*root;
	struct domain_error	*err;	/* never NULL */
	unsigned int		 flags;	/* DOMAIN_PARSE_ */
};

/*
 * Functions that return int: 1 there, 0 not there, -1 wrong (x->err says
 * why).  *value is untouched unless it is 1, except for strings, which are
 * NULL unless it is 1, and then the caller's.
 */
int	 xml_open(struct xml *, const char *, size_t, unsigned int,
	    struct domain_error *);		/* 0 or -1 */
void	 xml_close(struct xml *);

/* The first child element of that name; the next sibling of the same name.
 * NULL: none.  Both count as looked at. */
xmlNode	*xml_child(const xmlNode *, const char *);
xmlNode	*xml_next(const xmlNode *);

/* The same for a child that may stand there once only. */
int	 xml_only(struct xml *, const xmlNode *, const char *, xmlNode **);

/* This child or attribute, with all below it, is accepted and not used. */
void	 xml_skip(const xmlNode *, const char *);
void	 xml_skip_attr(const xmlNode *, const char *);
void	 xml_skip_all(xmlNode *);

/* Attributes: without control characters, up to DOMAIN_STRING_MAX bytes. */
int	 xml_attr(struct xml *, const xmlNode *, const char *, char **);
int	 xml_attr_uint(struct xml *, const xmlNode *, const char *,
	    unsigned int, unsigned int *);	/* decimal or 0x, up to max */
int	 xml_attr_enum(struct xml *, const xmlNode *, const char *,
	    const char *const *, unsigned int *);
int	 xml_attr_bool(struct xml *, const xmlNode *, const char *,
	    const char *const *, int *);
extern const char *const xml_yesno[], *const xml_onoff[];

/* Is it absolute, and more than that? */
int	 xml_check_path(struct xml *, const xmlNode *, const char *);

/*
 * What an element contains: one line, as attributes; many lines; a word
 * without the white space around it, one of some words, a number.
 */
int	 xml_text(struct xml *, const xmlNode *, size_t, char **);
int	 xml_text_lines(struct xml *, const xmlNode *, char **);
int	 xml_text_word(struct xml *, const xmlNode *, char **);
int	 xml_text_enum(struct xml *, const xmlNode *, const char *const *,
	    unsigned int *);
int	 xml_text_uint64(struct xml *, const xmlNode *, uint64_t *);

/*
 * A <metadata> as text that stands for itself, or nothing if it is empty.
 * Of each namespace there is one element in it, the first; others have no
 * owner, and are dropped.
 */
int	 xml_metadata(struct xml *, xmlNode *, char **);

/* Fills x->err with the line of the node; always -1. */
int	 xml_error(struct xml *, const xmlNode *, int, const char *, ...)
	    __attribute__((__format__(printf, 4, 5)));
int	 xml_nomem(struct xml *);

/* 0, or -1 for what nobody looked at and may not be dropped. */
int	 xml_sweep(struct xml *);

/* schema.c: does libvirt's format have this in that element? */
int	 schema_element(const char *, const char *);
int	 schema_attr(const char *, const char *);

/* --- writing -------------------------------------------------------------- */

#define OUT_DEPTH_MAX	64	/* a chain of layers nests */

struct out {
	char			*buf;
	size_t			 len, size;
	const char		*stack[OUT_DEPTH_MAX];
	unsigned int		 depth;
	int			 open;		/* '>' is still to come */
	int			 oneline;	/* text was written */
	int			 failed;	/* no memory */
	unsigned int		 flags;		/* DOMAIN_FORMAT_ */
};

/* Names must be constants: they are kept until out_end. */
void	 out_start(struct out *, const char *);
void	 out_attr(struct out *, const char *, const char *);	/* not NULL */
void	 out_attrf(struct out *, const char *, const char *, ...)
	    __attribute__((__format__(printf, 3, 4)));
void	 out_text(struct out *, const char *);
void	 out_end(struct out *);
void	 out_leaf(struct out *, const char *, const char *);	/* or NULL */
void	 out_raw(struct out *, const char *);	/* a whole element */

/* Runtime facts are wanted. */
int	 out_live(const struct out *);

#endif /* DOMAIN_XML_H */
