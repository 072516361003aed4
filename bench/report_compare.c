/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a comparison: a table for each section, and who refused what as a chart. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/compare_internal.h"
#include "bench/report_internal.h"

/* Refusals of each kind, what has nothing to be tried on, and what happened. */
enum { SERIES = REFUSERS + 2, SERIES_ABSENT = REFUSERS, SERIES_DONE };

static void count(const struct compare_lines *lines, enum compare_column column, unsigned counts[SERIES])
{
	for (size_t i = 0; i < lines->count; i++) {
		const struct compare_cell *cell = &lines->entries[i].cells[column];

		if (cell->state == COMPARE_DONE)
			counts[SERIES_DONE]++;
		else if (cell->state == COMPARE_ABSENT)
			counts[SERIES_ABSENT]++;
		else if (cell->state == COMPARE_REFUSED)
			counts[cell->by]++;
	}
}

int report_comparison_chart(
	const struct comparison *comparison, bool page, unsigned number, struct strbuf *svg, struct error *err)
{
	const struct compare_lines *lines = &comparison->sections[COMPARE_ATTEMPTS];
	static const unsigned colours[SERIES] = { 0x555555, 0x2f81c4, 0x2aa5a0, 0x3a9b5c, 0x7fb069, 0xb59a00, 0x8e5bd0,
		0x7f8c8d, 0xd9822b, 0xc7477f, 0xbdc3c7, 0xc0392b };
	struct chart_value values[COMPARE_COLUMNS][SERIES];
	struct chart_row rows[COMPARE_COLUMNS];
	const char *series[SERIES];
	struct chart chart = { .form = CHART_STACKED,
		.title = "What became of forbidden acts, and who refused them",
		.axis = "acts",
		.series = series,
		.colours = colours,
		.series_count = SERIES,
		.rows = rows };
	bool used[SERIES] = { false };

	for (enum compare_column column = COMPARE_CONTAINER; column < COMPARE_COLUMNS; column++) {
		unsigned counts[SERIES] = { 0 };
		size_t row = chart.row_count;

		if (!compare_column_is_used(lines, column))
			continue;
		count(lines, column, counts);
		for (size_t i = 0; i < SERIES; i++) {
			values[row][i] = (struct chart_value){ .value = counts[i] ? counts[i] : NAN };
			used[i] = used[i] || counts[i];
		}
		rows[chart.row_count++] =
			(struct chart_row){ .label = compare_column_titles[column], .values = values[row] };
	}
	for (size_t i = 0; i < REFUSERS; i++)
		series[i] = i ? compare_refuser_titles[i] : "refused";
	series[SERIES_ABSENT] = "nothing there";
	series[SERIES_DONE] = "done";
	return chart_draw(&chart, page, number, svg, err);
}

static void write_cell(struct strbuf *html, enum compare_column column, const struct compare_cell *cell)
{
	cleanup_strbuf struct strbuf words = STRBUF_INIT;

	compare_cell_words(cell, &words);
	/* What happens on a guest's own kernel is neither good nor bad. */
	strbuf_printf(html, "<td class=\"%s\" data-label=\"%s\">",
		cell->state == COMPARE_DONE && column != COMPARE_CONTAINER ? "inside"
									   : compare_state_names[cell->state],
		compare_column_titles[column]);
	html_escape(html, words.data ? words.data : "");
	strbuf_string(html, "</td>\n");
}

static void write_line(struct strbuf *html, const struct compare_lines *lines, const struct compare_line *line)
{
	strbuf_string(html, "<tr>\n<th scope=\"row\">");
	html_escape(html, line->title);
	strbuf_string(html, "</th>\n");
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (compare_column_is_used(lines, column))
			write_cell(html, column, &line->cells[column]);
	}
	strbuf_string(html, "<td class=\"verdict\">");
	html_escape(html, line->verdict ? line->verdict : "");
	strbuf_string(html, "</td>\n</tr>\n");
}

static void write_section(struct strbuf *html, const struct compare_lines *lines, const char *title)
{
	html_element(html, "h2", NULL, title);
	if (lines->skipped) {
		cleanup_free char *reason = xprintf("Not measured: %s", lines->skipped);

		html_element(html, "p", "note", reason);
	}
	if (!lines->count)
		return;
	strbuf_string(html, "<table>\n<thead>\n<tr>\n<th scope=\"col\"></th>\n");
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (compare_column_is_used(lines, column))
			strbuf_printf(html, "<th scope=\"col\">%s</th>\n", compare_column_titles[column]);
	}
	strbuf_string(html, "<th scope=\"col\">in words</th>\n</tr>\n</thead>\n<tbody>\n");
	for (size_t i = 0; i < lines->count; i++)
		write_line(html, lines, &lines->entries[i]);
	strbuf_string(html, "</tbody>\n</table>\n");
}

static void write_notes(struct strbuf *html, const struct comparison *comparison)
{
	if (!comparison->kvm_hardware && comparison->columns[COMPARE_MICROVM])
		html_element(html, "p", "warn",
			"The processor of this host does not help KVM: guests' kernels run emulated, slowly, and "
			"without faults.");
	if (comparison->interrupted)
		html_element(html, "p", "warn", "Interrupted: this is what had been seen by then.");
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		cleanup_free char *text = comparison->skipped[column]
						  ? xprintf("%s: left out: %s", compare_column_titles[column],
							    comparison->skipped[column])
						  : NULL;

		if (text)
			html_element(html, "p", "note", text);
	}
}

void report_comparison_page(const struct comparison *comparison, struct strbuf *html)
{
	cleanup_free char *facts = xprintf("%s, duet " DUET_VERSION ", host kernel %s, bundle: %s", comparison->started,
		comparison->kernel, comparison->bundle ? comparison->bundle : "built-in, with engines' defaults");
	cleanup_strbuf struct strbuf svg = STRBUF_INIT;
	struct error err;

	html_begin(html, "Container and micro-VM: what a workload sees and can do", facts);
	write_notes(html, comparison);
	report_put_figure(html, &svg, report_comparison_chart(comparison, true, 1, &svg, &err), &err, NULL);
	for (enum compare_section section = 0; section < COMPARE_SECTIONS; section++) {
		const struct compare_lines *lines = &comparison->sections[section];

		if (lines->count || lines->skipped)
			write_section(html, lines, compare_section_titles[section]);
	}
	html_end(html);
}
