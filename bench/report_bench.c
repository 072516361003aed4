/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a benchmark: charts first, then every figure as a table. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/bench.h"
#include "bench/report_internal.h"

#define MAIN_CASE "first-output"

/* The same in every chart, whatever was measured. */
static unsigned colour_of(const struct results *results, size_t column)
{
	static const char *const usual[] = { "host", "container", "microvm", "microvm-snapshot" };
	size_t others = ARRAY_SIZE(usual);

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		if (strcmp(results->columns[column].name, usual[i]) == 0)
			return chart_colours[i];
	}
	return chart_colours[others + column % (CHART_COLOURS - others)];
}

static const struct results_case *main_case(const struct results *results)
{
	const struct results_suite *suite = results_find_suite(results, "startup");
	const struct results_case *found = suite ? results_find_case(suite, MAIN_CASE) : NULL;

	return found ? found : suite && suite->case_count ? &suite->cases[0] : NULL;
}

static int draw_startup(const struct results *results, const struct results_case *one, bool page, unsigned number,
	struct strbuf *svg, struct error *err)
{
	cleanup_free struct chart_samples *groups = xcalloc(results->column_count + 1, sizeof(*groups));
	cleanup_free double *milliseconds = NULL;
	cleanup_free char *title = one ? xprintf("Start-up: %s", one->title) : NULL;
	struct chart_distribution chart = { .title = title, .axis = "ms", .groups = groups };
	size_t total = 0, at = 0;

	if (!one)
		return error_set(err, -ENODATA, "start-up was not measured");
	for (size_t column = 0; column < results->column_count; column++)
		total += one->cells[column].sample_count;
	milliseconds = xcalloc(total + 1, sizeof(*milliseconds));
	for (size_t column = 0; column < results->column_count; column++) {
		const struct results_cell *cell = &one->cells[column];

		if (!cell->sample_count)
			continue;
		groups[chart.count++] = (struct chart_samples){ .label = results->columns[column].name,
			.samples = milliseconds + at,
			.count = cell->sample_count,
			.median = cell->summary.median / 1e6,
			.colour = colour_of(results, column) };
		for (size_t i = 0; i < cell->sample_count; i++)
			milliseconds[at++] = cell->samples[i] / 1e6;
	}
	return chart_draw_distribution(&chart, page, number, svg, err);
}

int report_results_chart(
	const struct results *results, bool page, unsigned number, struct strbuf *svg, struct error *err)
{
	return draw_startup(results, main_case(results), page, number, svg, err);
}

struct table { /* of a chart whose rows are cases and whose series are columns */
	struct chart_value *values;
	struct chart_row *rows;
	const char **series;
	unsigned *colours;
};

static void table_free(struct table *table)
{
	free(table->values);
	free(table->rows);
	free(table->series);
	free(table->colours);
}

static struct chart_value ratio_value(const struct results_cell *cell)
{
	return cell->has_ratio ? (struct chart_value){ cell->ratio.value, cell->ratio.low, cell->ratio.high }
			       : (struct chart_value){ .value = NAN };
}

static struct chart_value mebibytes_value(const struct results_cell *cell)
{
	return (struct chart_value){ .value = cell->sample_count ? cell->summary.median / 0x1p20 : NAN };
}

static struct table table_of(const struct results *results, const struct results_suite *suite,
	struct chart_value (*value_of)(const struct results_cell *cell))
{
	size_t columns = results->column_count;
	struct table table = {
		.values = xcalloc(suite->case_count * columns + 1, sizeof(*table.values)),
		.rows = xcalloc(suite->case_count + 1, sizeof(*table.rows)),
		.series = xcalloc(columns + 1, sizeof(*table.series)),
		.colours = xcalloc(columns + 1, sizeof(*table.colours)),
	};

	for (size_t column = 0; column < columns; column++) {
		table.series[column] = results->columns[column].name;
		table.colours[column] = colour_of(results, column);
	}
	for (size_t i = 0; i < suite->case_count; i++) {
		table.rows[i] =
			(struct chart_row){ .label = suite->cases[i].name, .values = table.values + i * columns };
		for (size_t column = 0; column < columns; column++)
			table.values[i * columns + column] = value_of(suite->cases[i].cells + column);
	}
	return table;
}

/* One row for each case of a suite, with a value for each column. */
static void suite_figure(const struct results *results, const char *name, const struct chart *form,
	struct chart_value (*value_of)(const struct results_cell *cell), struct strbuf *html, unsigned *number)
{
	const struct results_suite *suite = results_find_suite(results, name);
	cleanup_free char *title = suite ? xprintf("%s%s", suite->title, form->title) : NULL;
	cleanup(table_free) struct table table = { 0 };
	struct chart chart = *form;

	if (!suite)
		return;
	table = table_of(results, suite, value_of);
	chart.title = title;
	chart.series = table.series;
	chart.colours = table.colours;
	chart.series_count = results->column_count;
	chart.rows = table.rows;
	chart.row_count = suite->case_count;
	report_figure(html, &chart, number, NULL);
}

enum { REASONS_MAX = 6 };

/* The most frequent reasons of one piece of work. */
static void exits_figure(
	const struct results *results, const struct results_exits *exits, struct strbuf *html, unsigned *number)
{
	size_t count = exits->count < REASONS_MAX ? exits->count : REASONS_MAX;
	struct chart_value values[REASONS_MAX];
	struct chart_row rows[REASONS_MAX];
	const char *series = results->columns[exits->column].name;
	cleanup_free char *title = xprintf("Exits by reason: %s", exits->title);
	unsigned colour = colour_of(results, exits->column);
	bool by_operation = exits->operations > 0;

	for (size_t i = 0; i < count; i++) {
		const struct results_exit *entry = &exits->entries[i];

		values[i] = (struct chart_value){ .value = by_operation ? entry->per_operation : entry->per_second };
		rows[i] = (struct chart_row){ .label = entry->reason, .values = &values[i] };
	}
	report_figure(html,
		&(struct chart){ .form = CHART_BARS,
			.title = title,
			.axis = by_operation ? "per operation" : "per second",
			.series = &series,
			.colours = &colour,
			.series_count = 1,
			.rows = rows,
			.row_count = count },
		number, NULL);
}

static void startup_figure(const struct results *results, const char *name, struct strbuf *html, unsigned *number)
{
	const struct results_suite *suite = results_find_suite(results, "startup");
	const struct results_case *one = suite ? results_find_case(suite, name) : NULL;
	cleanup_strbuf struct strbuf svg = STRBUF_INIT;
	struct error err;

	if (one)
		report_put_figure(html, &svg, draw_startup(results, one, true, ++*number, &svg, &err), &err,
			"Every dot is a run; the line is the median.");
}

static void write_figures(const struct results *results, struct strbuf *html)
{
	static const char *const startup_cases[] = { MAIN_CASE, "run", "create", "start", "delete" };
	static const char *const compared[] = { "syscalls", "files", "workloads" };
	static const struct chart ratios = { .form = CHART_DOTS,
		.title = ": ratio to the host",
		.axis = "ratio of medians; lines: 95 % intervals",
		.mark = 1 };
	static const struct chart memory = { .form = CHART_BARS, .title = "", .axis = "MiB, medians" };
	unsigned number = 0;

	strbuf_string(html, "<div class=\"charts\">\n");
	for (size_t i = 0; i < ARRAY_SIZE(startup_cases); i++)
		startup_figure(results, startup_cases[i], html, &number);
	for (size_t i = 0; i < ARRAY_SIZE(compared); i++)
		suite_figure(results, compared[i], &ratios, ratio_value, html, &number);
	suite_figure(results, "memory", &memory, mebibytes_value, html, &number);
	for (size_t i = 0; i < results->exits_count; i++)
		exits_figure(results, &results->exits[i], html, &number);
	strbuf_string(html, "</div>\n");
}

static void write_ratio(struct strbuf *html, const struct results_ratio *ratio)
{
	strbuf_string(html, "<br/><span class=\"verdict\">x ");
	results_print_number(html, ratio->value);
	strbuf_string(html, " (");
	results_print_number(html, ratio->low);
	strbuf_string(html, " to ");
	results_print_number(html, ratio->high);
	strbuf_string(html, ")</span>");
}

/* What a median does not tell. */
static void write_spread(struct strbuf *html, const struct results_cell *cell, const char *unit)
{
	const struct results_summary *summary = &cell->summary;
	const struct {
		const char *name;
		double value;
	} figures[] = { { "min", summary->minimum }, { "p95", summary->p95 }, { "p99", summary->p99 } };
	char figure[RESULTS_VALUE_BYTES];

	if (cell->sample_count == 1)
		return strbuf_string(html, "<br/><small>one sample</small>");
	strbuf_printf(html, "<br/><small>%zu samples", cell->sample_count);
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		results_format_value(figure, figures[i].value, unit);
		strbuf_printf(html, "%s%s %s", i == 1 ? ",<br/>" : ", ", figures[i].name, figure);
	}
	strbuf_string(html, "</small>");
}

static void write_cell(
	struct strbuf *html, const struct results *results, const struct results_case *one, size_t column)
{
	const struct results_cell *cell = &one->cells[column];
	char figure[RESULTS_VALUE_BYTES];

	strbuf_printf(html, "<td class=\"%s\" data-label=\"", cell->sample_count ? "number" : "why");
	html_escape(html, results->columns[column].name);
	strbuf_string(html, "\">");
	/* Why a whole column is left out stands above all tables. */
	if (!cell->sample_count) {
		html_escape(html, results->columns[column].skipped || !cell->skipped ? "-" : cell->skipped);
		return strbuf_string(html, "</td>\n");
	}
	results_format_value(figure, cell->summary.median, one->unit);
	html_escape(html, figure);
	if (cell->has_ratio && column > 0)
		write_ratio(html, &cell->ratio);
	write_spread(html, cell, one->unit);
	strbuf_string(html, "</td>\n");
}

static void write_suite(struct strbuf *html, const struct results *results, const struct results_suite *suite)
{
	html_element(html, "h2", NULL, suite->title);
	html_element(html, "p", "facts",
		"Medians; below them the ratio to the host with its 95 % confidence interval, and the other samples.");
	strbuf_string(html, "<table>\n<thead>\n<tr>\n<th scope=\"col\"></th>\n");
	for (size_t column = 0; column < results->column_count; column++)
		html_element(html, "th", "number", results->columns[column].title);
	strbuf_string(html, "</tr>\n</thead>\n<tbody>\n");
	for (size_t i = 0; i < suite->case_count; i++) {
		strbuf_string(html, "<tr>\n");
		html_element(html, "th", NULL, suite->cases[i].title);
		for (size_t column = 0; column < results->column_count; column++)
			write_cell(html, results, &suite->cases[i], column);
		strbuf_string(html, "</tr>\n");
	}
	strbuf_string(html, "</tbody>\n</table>\n");
}

static void write_exits(struct strbuf *html, const struct results *results, const struct results_exits *exits)
{
	cleanup_free char *title = xprintf("Exits: %s (%s)", exits->title, results->columns[exits->column].name);
	cleanup_strbuf struct strbuf why = STRBUF_INIT;

	html_element(html, "h3", NULL, title);
	exits_explain(results, exits, &why);
	if (why.length)
		html_element(html, "p", "verdict", why.data);
	strbuf_string(html, "<table>\n<thead>\n<tr>\n<th scope=\"col\">reason</th>\n<th class=\"number\">count</th>\n"
			    "<th class=\"number\">per second</th>\n<th class=\"number\">per "
			    "operation</th>\n</tr>\n</thead>\n<tbody>\n");
	for (size_t i = 0; i < exits->count; i++) {
		const struct results_exit *entry = &exits->entries[i];

		strbuf_string(html, "<tr>\n");
		html_element(html, "th", NULL, entry->reason);
		strbuf_printf(html,
			"<td class=\"number\" data-label=\"count\">%llu</td>\n"
			"<td class=\"number\" data-label=\"per second\">%.1f</td>\n"
			"<td class=\"number\" data-label=\"per operation\">",
			(unsigned long long)entry->count, entry->per_second);
		results_print_number(html, entry->per_operation);
		strbuf_string(html, "</td>\n</tr>\n");
	}
	strbuf_string(html, "</tbody>\n</table>\n");
}

static void write_fact(struct strbuf *html, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_string(html, "<tr>\n");
	html_element(html, "th", NULL, name);
	html_element(html, "td", NULL, value);
	strbuf_string(html, "</tr>\n");
}

static void write_kernels(struct strbuf *html, const struct results *results)
{
	for (size_t i = 0; i < results->column_count; i++) {
		cleanup_strbuf struct strbuf words = STRBUF_INIT;

		if (results_describe_kernel(results, i, &words))
			write_fact(html, results->columns[i].title, words.data);
	}
}

static void write_host(struct strbuf *html, const struct results *results)
{
	const struct results_host *host = &results->host;
	cleanup_free char *processors = xprintf("%llu", (unsigned long long)host->processors);
	cleanup_free char *kvm =
		host->kvm ? xprintf("%s, %s%s%s", host->kvm,
				    host->kvm_hardware ? "with hardware support" : "software only",
				    host->kvm_paging ? ", " : "", host->kvm_paging ? host->kvm_paging : "")
			  : NULL;

	html_element(html, "h2", NULL, "The machine and the state it was in");
	strbuf_string(html, "<table>\n<tbody>\n");
	write_fact(html, "processor", host->cpu);
	write_fact(html, "processors", processors);
	write_fact(html, "kernel", host->kernel);
	write_fact(html, "frequency governor", host->governor);
	write_fact(html, "KVM", kvm ? kvm : "none");
	write_fact(html, "transparent huge pages", host->transparent_pages);
	write_fact(html, "mitigations", host->mitigations);
	write_kernels(html, results);
	write_fact(html, "system call filter", host->seccomp);
	write_fact(html, "caches", host->caches);
	write_fact(html, "file system", host->file_system);
	strbuf_string(html, "</tbody>\n</table>\n");
}

static void write_notes(struct strbuf *html, const struct results *results)
{
	if (results->host.kvm && !results->host.kvm_hardware)
		html_element(html, "p", "warn",
			"KVM on this host is software only: guests' kernels run emulated, and slowly.");
	if (results->interrupted)
		html_element(html, "p", "warn", "Interrupted: this is what had been measured by then.");
	for (size_t column = 0; column < results->column_count; column++) {
		const struct results_column *one = &results->columns[column];
		cleanup_free char *text = one->skipped ? xprintf("%s: left out: %s", one->title, one->skipped) : NULL;

		if (text)
			html_element(html, "p", "note", text);
	}
	for (char **note = results->notes; note && *note; note++)
		html_element(html, "p", "note", *note);
}

void report_results_page(const struct results *results, struct strbuf *html)
{
	cleanup_free char *facts = xprintf("%s, duet %s, %llu rounds in %.0f s%s", results->started, results->version,
		(unsigned long long)results->runs, results->seconds, results->full ? ", the long suite" : "");

	html_begin(html, "What each wall costs", facts);
	write_notes(html, results);
	write_figures(results, html);
	for (size_t i = 0; i < results->suite_count; i++)
		write_suite(html, results, &results->suites[i]);
	if (results->exits_count)
		html_element(html, "h2", NULL, "Why the virtual processors left the guest");
	for (size_t i = 0; i < results->exits_count; i++)
		write_exits(html, results, &results->exits[i]);
	write_host(html, results);
	html_end(html);
}
