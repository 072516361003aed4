/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison as tables for a terminal: cells are wrapped to their columns, the verdict stands below its line. */
#include <string.h>

#include "base/alloc.h"
#include "bench/compare_internal.h"

enum { TITLE_WIDTH = 20, COLUMN_WIDTH_MIN = 14, COLUMN_WIDTH_MAX = 40, GAP = 2 };

static void append_state(const struct compare_cell *cell, struct strbuf *words)
{
	/* Which errno a refusal has says nothing new, as a rule. */
	bool usual = cell->by && cell->text && strcmp(cell->text, strerror(EPERM)) == 0;
	const char *text = cell->text && !usual ? cell->text : "";
	const char *behind = *text ? ": " : "";

	switch (cell->state) {
	case COMPARE_SEEN:
		return strbuf_string(words, text);
	case COMPARE_SHARED:
		return strbuf_printf(words, "%s (the host's)", text);
	case COMPARE_OWN:
		return strbuf_printf(words, "%s (its own)", text);
	case COMPARE_REFUSED:
		return strbuf_printf(words, "refused%s%s%s%s", cell->by ? " by " : "", compare_refuser_titles[cell->by],
			behind, text);
	case COMPARE_DONE:
		return strbuf_printf(words, "done%s%s", behind, text);
	case COMPARE_ABSENT:
		return strbuf_printf(words, "nothing there%s%s%s%s", cell->by ? ", by " : "",
			compare_refuser_titles[cell->by], behind, text);
	default:
		return strbuf_string(words, "-");
	}
}

void compare_cell_words(const struct compare_cell *cell, struct strbuf *words)
{
	append_state(cell, words);
	if (cell->before.there && cell->during.there)
		strbuf_printf(words, "; a neighbour: median %.2g ms, before %.2g ms; p99 %.2g ms, before %.2g ms",
			cell->during.median_ms, cell->before.median_ms, cell->during.p99_ms, cell->before.p99_ms);
}

struct wrapped {
	const char *rest; /* what has not been printed yet */
};

/* So many bytes of text go into a line of that width; at a blank if there is one. */
static size_t fits(const char *text, size_t width)
{
	size_t length = strlen(text), at = width;

	if (length <= width)
		return length;
	while (at > 0 && text[at] != ' ')
		at--;
	return at ? at : width;
}

static void print_wrapped(struct strbuf *out, const char *text, size_t width, const char *indent)
{
	while (*text) {
		size_t length = fits(text, width);

		strbuf_printf(out, "%s%.*s\n", indent, (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
}

/* One row of the table: as many lines as its longest cell takes. */
static void print_row(struct strbuf *out, const char *const *cells, const size_t *widths, size_t count)
{
	struct wrapped rest[COMPARE_COLUMNS + 1];
	bool more = true;

	for (size_t i = 0; i < count; i++)
		rest[i].rest = cells[i];
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			size_t length = fits(rest[i].rest, widths[i]);

			strbuf_printf(out, "%.*s", (int)length, rest[i].rest);
			if (i + 1 < count)
				strbuf_printf(out, "%*s", (int)(widths[i] + GAP - length), "");
			rest[i].rest += length;
			rest[i].rest += strspn(rest[i].rest, " ");
			more = more || *rest[i].rest;
		}
		while (out->length && out->data[out->length - 1] == ' ')
			out->data[--out->length] = '\0';
		strbuf_string(out, "\n");
	}
}

struct layout {
	enum compare_column columns[COMPARE_COLUMNS];
	size_t count;
	size_t widths[COMPARE_COLUMNS + 1];
	bool colour;
};

static struct layout layout_of(const struct compare_lines *lines, bool colour, unsigned width)
{
	struct layout layout = { .widths = { TITLE_WIDTH }, .colour = colour };
	size_t each;

	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (compare_column_is_used(lines, column))
			layout.columns[layout.count++] = column;
	}
	each = layout.count && width > TITLE_WIDTH ? (width - TITLE_WIDTH) / layout.count : 0;
	each = each > GAP ? each - GAP : 0;
	if (each < COLUMN_WIDTH_MIN)
		each = COLUMN_WIDTH_MIN;
	if (each > COLUMN_WIDTH_MAX)
		each = COLUMN_WIDTH_MAX;
	for (size_t i = 0; i < layout.count; i++)
		layout.widths[i + 1] = each;
	return layout;
}

static void print_line(struct strbuf *out, const struct layout *layout, const struct compare_line *line, unsigned width)
{
	struct strbuf words[COMPARE_COLUMNS] = { STRBUF_INIT };
	const char *cells[COMPARE_COLUMNS + 1] = { line->title };

	for (size_t i = 0; i < layout->count; i++) {
		compare_cell_words(&line->cells[layout->columns[i]], &words[i]);
		cells[i + 1] = words[i].data;
	}
	print_row(out, cells, layout->widths, layout->count + 1);
	if (layout->colour)
		strbuf_string(out, "\033[2m");
	if (line->verdict)
		print_wrapped(out, line->verdict, width > 10 ? width - 4 : 72, "    ");
	if (layout->colour)
		strbuf_string(out, "\033[0m");
	for (size_t i = 0; i < layout->count; i++)
		strbuf_free(&words[i]);
}

static void print_section(
	struct strbuf *out, const struct compare_lines *lines, const char *title, bool colour, unsigned width)
{
	struct layout layout = layout_of(lines, colour, width);
	const char *cells[COMPARE_COLUMNS + 1] = { "" };

	strbuf_printf(out, "\n%s%s%s\n", colour ? "\033[1m" : "", title, colour ? "\033[0m" : "");
	if (lines->skipped)
		strbuf_printf(out, "  not measured: %s\n", lines->skipped);
	if (!lines->count)
		return;
	for (size_t i = 0; i < layout.count; i++)
		cells[i + 1] = compare_column_titles[layout.columns[i]];
	print_row(out, cells, layout.widths, layout.count + 1);
	for (size_t i = 0; i < lines->count; i++)
		print_line(out, &layout, &lines->entries[i], width);
}

void compare_write_text(const struct comparison *comparison, bool colour, unsigned width, struct strbuf *text)
{
	strbuf_printf(text, "duet " DUET_VERSION " compare, %s, host kernel %s, bundle: %s\n", comparison->started,
		comparison->kernel, comparison->bundle ? comparison->bundle : "built-in, with engines' defaults");
	if (!comparison->kvm_hardware && comparison->columns[COMPARE_MICROVM])
		strbuf_string(text, "The processor of this host does not help KVM: guests' kernels run emulated, "
				    "slowly, and without faults.\n");
	if (comparison->interrupted)
		strbuf_string(text, "Interrupted: what follows is what had been seen by then.\n");
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (comparison->skipped[column])
			strbuf_printf(
				text, "%s: left out: %s\n", compare_column_titles[column], comparison->skipped[column]);
	}
	for (enum compare_section section = 0; section < COMPARE_SECTIONS; section++) {
		const struct compare_lines *lines = &comparison->sections[section];

		if (lines->count || lines->skipped)
			print_section(text, lines, compare_section_titles[section], colour, width);
	}
}
