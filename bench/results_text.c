/* SPDX-License-Identifier: Apache-2.0 */
/* A report for people, and for spreadsheets. */
#include <string.h>

#include "bench/bench.h"

enum { COLUMN_WIDTH = 16 };

static void write_fact(struct strbuf *text, const char *name, const char *value)
{
	if (value)
		strbuf_printf(text, "%-12s %s\n", name, value);
}

/* Only what is not the host's own. */
static void write_kernels(const struct results *results, struct strbuf *text)
{
	for (size_t i = 0; i < results->column_count; i++) {
		cleanup_strbuf struct strbuf words = STRBUF_INIT;

		if (results_describe_kernel(results, i, &words))
			strbuf_printf(text, "%-12s %s: %s\n", "guest", results->columns[i].name, words.data);
	}
}

static void write_head(const struct results *results, struct strbuf *text)
{
	const struct results_host *host = &results->host;

	if (host->kvm && !host->kvm_hardware)
		strbuf_printf(text,
			"KVM IS SOFTWARE ONLY ON THIS HOST (%s): what a micro-VM costs here is not what it costs with "
			"hardware support.\n",
			host->kvm);
	strbuf_printf(text, "duet %s, %s, %llu rounds%s, %.0f s%s\n", results->version, results->started,
		(unsigned long long)results->runs, results->full ? " (full)" : "", results->seconds,
		results->interrupted ? ", INTERRUPTED: what was measured so far" : "");
	strbuf_printf(text, "%-12s %s, %llu online\n", "processor", host->cpu ? host->cpu : "unknown",
		(unsigned long long)host->processors);
	write_fact(text, "kernel", host->kernel);
	write_fact(text, "governor", host->governor ? host->governor : "none (no cpufreq)");
	if (host->kvm)
		strbuf_printf(text, "%-12s %s, %s, %s paging\n", "KVM", host->kvm,
			host->kvm_hardware ? "with hardware support" : "software only",
			host->kvm_paging ? host->kvm_paging : "unknown");
	else
		write_fact(text, "KVM", "not there");
	write_fact(text, "huge pages", host->transparent_pages);
	write_fact(text, "mitigations", host->mitigations);
	write_kernels(results, text);
	write_fact(text, "seccomp", host->seccomp);
	write_fact(text, "caches", host->caches);
	write_fact(text, "files on", host->file_system);
	for (size_t i = 0; i < results->column_count; i++) {
		if (results->columns[i].skipped)
			strbuf_printf(
				text, "left out: %s: %s\n", results->columns[i].name, results->columns[i].skipped);
	}
	for (char **note = results->notes; note && *note; note++)
		strbuf_printf(text, "note: %s\n", *note);
}

static void write_cell(struct strbuf *text, const char *column, const struct results_cell *cell, const char *unit)
{
	char minimum[RESULTS_VALUE_BYTES], median[RESULTS_VALUE_BYTES], p95[RESULTS_VALUE_BYTES],
		p99[RESULTS_VALUE_BYTES];

	results_format_value(minimum, cell->summary.minimum, unit);
	results_format_value(median, cell->summary.median, unit);
	results_format_value(p95, cell->summary.p95, unit);
	results_format_value(p99, cell->summary.p99, unit);
	strbuf_printf(text, "    %-*s %6zu %10s %10s %10s %10s", COLUMN_WIDTH, column, cell->sample_count, median,
		minimum, p95, p99);
	if (cell->has_ratio) {
		strbuf_string(text, "   x ");
		results_print_number(text, cell->ratio.value);
	}
	if (cell->has_ratio && cell->sample_count == 1) {
		strbuf_string(text, " (one sample)");
	} else if (cell->has_ratio) {
		strbuf_string(text, " (");
		results_print_number(text, cell->ratio.low);
		strbuf_string(text, " to ");
		results_print_number(text, cell->ratio.high);
		strbuf_string(text, ")");
	}
	strbuf_string(text, "\n");
}

static const char *reason_of(const struct results_cell *cell)
{
	return cell->skipped ? cell->skipped : "not measured";
}

/* Columns that were left out for the same reason share a line, the first one's. */
static void write_skipped(
	const struct results *results, const struct results_case *entry, size_t column, struct strbuf *text)
{
	const char *reason = reason_of(entry->cells + column);
	bool first = true;

	for (size_t i = 0; i < results->column_count; i++) {
		const struct results_cell *cell = entry->cells + i;

		if (results->columns[i].skipped || cell->sample_count || strcmp(reason_of(cell), reason) != 0)
			continue;
		if (i < column)
			return;
		strbuf_printf(text, first ? "    %s" : ", %s", results->columns[i].name);
		first = false;
	}
	strbuf_printf(text, ": %s\n", reason);
}

static void write_case(const struct results *results, const struct results_case *entry, struct strbuf *text)
{
	strbuf_printf(text, "  %s\n", entry->title);
	for (size_t i = 0; i < results->column_count; i++) {
		const struct results_cell *cell = entry->cells + i;

		if (results->columns[i].skipped)
			continue;
		if (cell->sample_count)
			write_cell(text, results->columns[i].name, cell, entry->unit);
		else
			write_skipped(results, entry, i, text);
	}
}

static void write_exits(const struct results *results, struct strbuf *text)
{
	if (results->exits_count)
		strbuf_string(text, "\nExits of the micro-VM's processors\n");
	for (size_t i = 0; i < results->exits_count; i++) {
		const struct results_exits *exits = results->exits + i;
		cleanup_strbuf struct strbuf why = STRBUF_INIT;

		strbuf_printf(text, "  %s: %s, %llu times in %.3f s\n", results->columns[exits->column].name,
			exits->title, (unsigned long long)exits->operations, exits->seconds);
		exits_explain(results, exits, &why);
		if (why.length)
			strbuf_printf(text, "    %s\n", why.data);
		for (size_t j = 0; j < exits->count; j++)
			strbuf_printf(text, "    %-32s %10llu %14.1f a second %12.3f an operation\n",
				exits->entries[j].reason, (unsigned long long)exits->entries[j].count,
				exits->entries[j].per_second, exits->entries[j].per_operation);
	}
}

void results_write_text(const struct results *results, struct strbuf *text)
{
	write_head(results, text);
	for (size_t i = 0; i < results->suite_count; i++) {
		const struct results_suite *suite = results->suites + i;

		if (!suite->case_count)
			continue;
		strbuf_printf(text, "\n%s\n    %-*s %6s %10s %10s %10s %10s   %s\n", suite->title, COLUMN_WIDTH, "",
			"count", "median", "minimum", "p95", "p99", "median to the host's (95 % interval)");
		for (size_t j = 0; j < suite->case_count; j++)
			write_case(results, suite->cases + j, text);
	}
	write_exits(results, text);
}

/* ---- comma-separated values, RFC 4180 ---- */

static void csv_text(struct strbuf *csv, const char *value)
{
	strbuf_string(csv, "\"");
	for (; value && *value; value++)
		strbuf_append(csv, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
	strbuf_string(csv, "\"");
}

static void csv_cell(const struct results *results, const struct results_suite *suite, const struct results_case *entry,
	size_t column, struct strbuf *csv)
{
	const struct results_cell *cell = entry->cells + column;
	const struct results_summary *summary = &cell->summary;

	strbuf_printf(csv, "%s,%s,%s,%s,%zu,%llu", suite->name, entry->name, results->columns[column].name, entry->unit,
		cell->sample_count, (unsigned long long)cell->operations);
	if (cell->sample_count)
		strbuf_printf(csv, ",%.3f,%.3f,%.3f,%.3f,%.3f", summary->minimum, summary->median, summary->p95,
			summary->p99, summary->mean);
	else
		strbuf_string(csv, ",,,,,");
	if (cell->has_ratio)
		strbuf_printf(csv, ",%.5f,%.5f,%.5f,", cell->ratio.value, cell->ratio.low, cell->ratio.high);
	else
		strbuf_string(csv, ",,,,");
	if (!cell->sample_count)
		csv_text(csv, cell->skipped);
	strbuf_string(csv, "\r\n");
}

void results_write_csv(const struct results *results, struct strbuf *csv)
{
	strbuf_string(csv,
		"suite,case,column,unit,count,operations_per_sample,minimum,median,p95,p99,mean,ratio,ratio_low,"
		"ratio_high,skipped\r\n");
	for (size_t i = 0; i < results->suite_count; i++) {
		const struct results_suite *suite = results->suites + i;

		for (size_t j = 0; j < suite->case_count; j++) {
			for (size_t k = 0; k < results->column_count; k++)
				csv_cell(results, suite, suite->cases + j, k, csv);
		}
	}
}
