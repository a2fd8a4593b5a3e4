/*
 * Copyright (c) 2026 The qemud authors
 * SPDX-License-Identifier: ISC
 */

/*
 * What is shown: text that a terminal can be given, tables that fit it, JSON.
 * Commands make JSON of what they know; tables are one way to look at it.
 */

#include <sys/ioctl.h>

#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "qemuctl/qemuctl.h"

#define COLUMN_MIN	4
#define COLUMNS_MAX	16
#define GAP		2	/* between columns */

static size_t	 char_next(const char *, size_t, wchar_t *);
static int	 is_number(const struct column *);
static size_t	 text_width(const char *);
static void	 cell_print(const char *, size_t, int, int);
static void	 widths_fit(size_t *, const size_t *, size_t, size_t);
static void	 row_print(char **, const struct column *, const size_t *,
		    size_t);

/*
 * Length of the character at s, and which it is if it can be shown; else 1
 * and L'\0'.
 */
static size_t
char_next(const char *s, size_t len, wchar_t *wc)
{
	mbstate_t	 state;
	size_t		 n;

	memset(&state, 0, sizeof(state));
	n = mbrtowc(wc, s, len, &state);
	if (n == 0 || n == (size_t)-1 || n == (size_t)-2 || !iswprint(*wc) ||
	    wcwidth(*wc) < 0) {
		*wc = L'\0';
		return (1);
	}
	return (n);
}

/*
 * A copy in which whatever could steer a terminal is written as \ooo.  Lines
 * and tabs stay, if there may be several lines.  The caller frees it.
 */
char *
out_printable(const char *s, size_t len, int lines)
{
	char	*out, *p;
	wchar_t	 wc;
	size_t	 i, n;

	if ((out = p = reallocarray(NULL, len + 1, 4)) == NULL)
		err(CTL_FAILED, NULL);
	for (i = 0; i < len; i += n) {
		n = char_next(s + i, len - i, &wc);
		if (lines && s[i] == '\r' && i + 1 < len && s[i + 1] == '\n')
			continue;
		if (wc != L'\0' || (lines && (s[i] == '\n' ||
		    s[i] == '\t'))) {
			memcpy(p, s + i, n);
			p += n;
		} else
			p += snprintf(p, 5, "\\%03o", (unsigned char)s[i]);
	}
	*p = '\0';
	return (out);
}

/* Text of several lines: a terminal gets it harmless, a file as it is. */
void
out_text(FILE *f, const char *s, size_t len)
{
	char	*p;

	if (!isatty(fileno(f))) {
		fwrite(s, 1, len, f);
		return;
	}
	p = out_printable(s, len, 1);
	fputs(p, f);
	free(p);
}

const char *
out_memory(uint64_t kib, char *buf, size_t size)
{
	static const char	 units[] = "KMGTPE";
	double			 v = (double)kib;
	size_t			 u = 0;

	while (v >= 1024 && u < sizeof(units) - 2) {
		v /= 1024;
		u++;
	}
	snprintf(buf, size, v >= 10 || v == (double)(uint64_t)v ?
	    "%.0f%c" : "%.1f%c", v, units[u]);
	return (buf);
}

const char *
out_cell(const json_t *v, enum cell kind, char *buf, size_t size)
{
	if (v == NULL || json_is_null(v))
		return ("-");
	switch (kind) {
	case CELL_TEXT:
		return (json_is_string(v) ? json_string_value(v) : "-");
	case CELL_NUMBER:
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(v));
		return (buf);
	case CELL_MEMORY:
		return (out_memory((uint64_t)json_integer_value(v), buf,
		    size));
	case CELL_YESNO:
		return (json_is_true(v) ? "yes" : "no");
	}
	return ("-");
}

/* --- tables --------------------------------------------------------------- */

/* Of the terminal that we write to; 0: as much as is needed. */
unsigned int
out_width(void)
{
	struct winsize	 ws;
	const char	*columns, *error;
	unsigned int	 n;

	if (!isatty(STDOUT_FILENO))
		return (0);
	if ((columns = getenv("COLUMNS")) != NULL && *columns != '\0') {
		n = strtonum(columns, 1, 10000, &error);
		if (error == NULL)
			return (n);
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return (ws.ws_col);
	return (80);
}

static int
is_number(const struct column *c)
{
	return (c->kind == CELL_NUMBER || c->kind == CELL_MEMORY);
}

static size_t
text_width(const char *s)
{
	size_t	 len = strlen(s), i, n, w = 0;
	wchar_t	 wc;

	for (i = 0; i < len; i += n) {
		n = char_next(s + i, len - i, &wc);
		w += wc == L'\0' ? 1 : wcwidth(wc);
	}
	return (w);
}

/* The widest column that can gives way first. */
static void
widths_fit(size_t *widths, const size_t *mins, size_t n, size_t max)
{
	size_t	 i, widest, total;

	for (;;) {
		total = (n - 1) * GAP;
		widest = n;
		for (i = 0; i < n; i++) {
			total += widths[i];
			if (widths[i] > mins[i] && (widest == n ||
			    widths[i] > widths[widest]))
				widest = i;
		}
		if (total <= max || widest == n)
			return;
		widths[widest]--;
	}
}

/* s in so many columns; the last one of a line is not filled up. */
static void
cell_print(const char *s, size_t width, int right, int last)
{
	const char	*dots;
	size_t		 have = text_width(s), len = strlen(s), i, n, w;
	wchar_t		 wc;

	if (have <= width) {
		for (i = have; right && i < width; i++)
			putchar(' ');
		fputs(s, stdout);
		for (i = have; !right && !last && i < width; i++)
			putchar(' ');
		return;
	}
	dots = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "\342\200\246" :
	    "~";
	for (i = w = 0; i < len; i += n, w += wcwidth(wc)) {
		n = char_next(s + i, len - i, &wc);
		if (w + wcwidth(wc) > width - 1)
			break;
		fwrite(s + i, 1, n, stdout);
	}
	fputs(dots, stdout);
	for (w++; !last && w < width; w++)
		putchar(' ');
}

static void
row_print(char **cells, const struct column *cols, const size_t *widths,
    size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++) {
		if (i > 0)
			printf("%*s", GAP, "");
		cell_print(cells[i], widths[i], is_number(&cols[i]),
		    i + 1 == n);
	}
	putchar('\n');
}

/* An array of objects; consumes it. */
void
out_table(json_t *rows, const struct column *cols, size_t n)
{
	char		*heads[COLUMNS_MAX], **cells, buf[64];
	const char	*s;
	size_t		 widths[COLUMNS_MAX], mins[COLUMNS_MAX];
	size_t		 i, k, w, nrows, max;
	json_t		*row;

	if (n > COLUMNS_MAX)
		errx(CTL_FAILED, "too many columns");
	nrows = json_array_size(rows);
	if ((cells = calloc(nrows + 1, n * sizeof(*cells))) == NULL)
		err(CTL_FAILED, NULL);
	for (k = 0; k < n; k++) {
		heads[k] = (char *)(uintptr_t)cols[k].title;	/* only read */
		widths[k] = text_width(heads[k]);
		mins[k] = COLUMN_MIN;
	}
	json_array_foreach(rows, i, row)
		for (k = 0; k < n; k++) {
			s = out_cell(json_object_get(row, cols[k].key),
			    cols[k].kind, buf, sizeof(buf));
			cells[i * n + k] = out_printable(s, strlen(s), 0);
			w = text_width(cells[i * n + k]);
			if (w > widths[k])
				widths[k] = w;
			/* the beginning of a number is another one */
			if (w > mins[k] && is_number(&cols[k]))
				mins[k] = w;
		}
	if ((max = out_width()) > 0)
		widths_fit(widths, mins, n, max);
	row_print(heads, cols, widths, n);
	for (i = 0; i < nrows; i++)
		row_print(cells + i * n, cols, widths, n);
	for (i = 0; i < nrows * n; i++)
		free(cells[i]);
	free(cells);
	json_decref(rows);
}

/* --- JSON ----------------------------------------------------------------- */

/* Printed at once, in a single line or as people read it; consumes it. */
void
out_json(json_t *j, int line)
{
	if (j == NULL || json_dumpf(j, stdout, line ? JSON_COMPACT :
	    JSON_INDENT(2)) == -1)
		errx(CTL_FAILED, "cannot write JSON");
	putchar('\n');
	fflush(stdout);
	json_decref(j);
}

/* JSON is UTF-8; what is not is written as it would be shown. */
json_t *
json_text(const char *s, size_t len)
{
	json_t	*j;
	char	*p;

	if ((j = json_stringn(s, len)) != NULL)
		return (j);
	p = out_printable(s, len, 1);
	if ((j = json_string(p)) == NULL)
		j = json_string("?");
	free(p);
	return (j);
}
