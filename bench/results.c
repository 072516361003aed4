/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/results.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/summary.h"

struct results *results_new(void)
{
	struct results *results = xcalloc(1, sizeof(*results));

	results->version = xstrdup(DUET_VERSION);
	return results;
}

static void free_cells(struct results_cell *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(cells[i].samples);
		free(cells[i].rounds);
		free(cells[i].skipped);
	}
	free(cells);
}

static void free_suite(struct results_suite *suite, size_t columns)
{
	for (size_t i = 0; i < suite->case_count; i++) {
		free(suite->cases[i].name);
		free(suite->cases[i].title);
		free(suite->cases[i].unit);
		free_cells(suite->cases[i].cells, columns);
	}
	free(suite->cases);
	free(suite->name);
	free(suite->title);
}

static void free_exits(struct results_exits *exits)
{
	for (size_t i = 0; i < exits->count; i++)
		free(exits->entries[i].reason);
	free(exits->entries);
	free(exits->work);
	free(exits->title);
}

static void free_host(struct results_host *host)
{
	char *const texts[] = { host->cpu, host->kernel, host->governor, host->kvm, host->kvm_paging,
		host->transparent_pages, host->mitigations, host->seccomp, host->caches, host->file_system };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
}

void results_free(struct results **location)
{
	struct results *results = *location;

	*location = NULL;
	if (!results)
		return;
	for (size_t i = 0; i < results->suite_count; i++)
		free_suite(results->suites + i, results->column_count);
	for (size_t i = 0; i < results->exits_count; i++)
		free_exits(results->exits + i);
	for (size_t i = 0; i < results->column_count; i++) {
		free(results->columns[i].name);
		free(results->columns[i].title);
		free(results->columns[i].skipped);
		free(results->columns[i].kernel);
		free(results->columns[i].mitigations);
	}
	free_host(&results->host);
	free_strings(results->notes);
	free(results->suites);
	free(results->exits);
	free(results->columns);
	free(results->version);
	free(results->started);
	free(results);
}

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

size_t results_add_column(struct results *results, const char *name, const char *title, const char *skipped)
{
	results->columns = xrealloc(results->columns, results->column_count + 1, sizeof(*results->columns));
	results->columns[results->column_count] = (struct results_column){
		.name = xstrdup(name), .title = xstrdup(title), .skipped = copy_or_null(skipped)
	};
	return results->column_count++;
}

struct results_suite *results_suite(struct results *results, const char *name, const char *title)
{
	struct results_suite *suite = (struct results_suite *)results_find_suite(results, name);

	if (suite)
		return suite;
	results->suites = xrealloc(results->suites, results->suite_count + 1, sizeof(*results->suites));
	suite = results->suites + results->suite_count++;
	*suite = (struct results_suite){ .name = xstrdup(name), .title = xstrdup(title) };
	return suite;
}

struct results_case *results_case(
	struct results *results, struct results_suite *suite, const char *name, const char *title, const char *unit)
{
	struct results_case *entry = (struct results_case *)results_find_case(suite, name);

	if (entry)
		return entry;
	suite->cases = xrealloc(suite->cases, suite->case_count + 1, sizeof(*suite->cases));
	entry = suite->cases + suite->case_count++;
	*entry = (struct results_case){ .name = xstrdup(name),
		.title = xstrdup(title),
		.unit = xstrdup(unit),
		.cells = xcalloc(results->column_count, sizeof(*entry->cells)) };
	for (size_t i = 0; i < results->column_count; i++)
		entry->cells[i].skipped = copy_or_null(results->columns[i].skipped);
	return entry;
}

void results_begin_round(struct results_cell *cell)
{
	if (cell->round_count && !cell->rounds[cell->round_count - 1])
		return;
	cell->rounds = xrealloc(cell->rounds, cell->round_count + 1, sizeof(*cell->rounds));
	cell->rounds[cell->round_count++] = 0;
}

void results_add_sample(struct results_cell *cell, double value, uint64_t operations)
{
	if (!cell->round_count)
		results_begin_round(cell);
	cell->rounds[cell->round_count - 1]++;
	if (cell->sample_count == cell->sample_capacity) {
		cell->sample_capacity = cell->sample_capacity ? 2 * cell->sample_capacity : 16;
		cell->samples = xrealloc(cell->samples, cell->sample_capacity, sizeof(*cell->samples));
	}
	cell->samples[cell->sample_count++] = value;
	cell->operations = operations;
}

void results_skip(struct results_cell *cell, const char *reason)
{
	if (!cell->skipped)
		cell->skipped = xstrdup(reason);
}

void results_note(struct results *results, const char *format, ...)
{
	size_t count = 0;
	char *note = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&note, format, arguments) < 0)
		abort();
	va_end(arguments);
	while (results->notes && results->notes[count]) {
		if (strcmp(results->notes[count++], note) == 0) {
			free(note);
			return;
		}
	}
	results->notes = xrealloc(results->notes, count + 2, sizeof(*results->notes));
	results->notes[count] = note;
	results->notes[count + 1] = NULL;
}

struct results_exits *results_add_exits(struct results *results, size_t column, const char *work, const char *title,
	uint64_t operations, double seconds)
{
	struct results_exits *exits;

	results->exits = xrealloc(results->exits, results->exits_count + 1, sizeof(*results->exits));
	exits = results->exits + results->exits_count++;
	*exits = (struct results_exits){ .column = column,
		.work = xstrdup(work),
		.title = xstrdup(title),
		.operations = operations,
		.seconds = seconds };
	return exits;
}

void results_add_exit(struct results_exits *exits, const char *reason, uint64_t count)
{
	exits->entries = xrealloc(exits->entries, exits->count + 1, sizeof(*exits->entries));
	exits->entries[exits->count++] = (struct results_exit){
		.reason = xstrdup(reason),
		.count = count,
		.per_second = exits->seconds > 0 ? (double)count / exits->seconds : 0,
		.per_operation = exits->operations ? (double)count / (double)exits->operations : 0,
	};
}

const struct results_suite *results_find_suite(const struct results *results, const char *name)
{
	for (size_t i = 0; i < results->suite_count; i++) {
		if (strcmp(results->suites[i].name, name) == 0)
			return results->suites + i;
	}
	return NULL;
}

const struct results_case *results_find_case(const struct results_suite *suite, const char *name)
{
	for (size_t i = 0; i < suite->case_count; i++) {
		if (strcmp(suite->cases[i].name, name) == 0)
			return suite->cases + i;
	}
	return NULL;
}

int results_find_column(const struct results *results, const char *name)
{
	for (size_t i = 0; i < results->column_count; i++) {
		if (strcmp(results->columns[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

static void summarize_cell(struct results_cell *cell, const struct results_cell *host)
{
	cell->has_ratio = false;
	if (!cell->sample_count) {
		results_skip(cell, "not measured");
		return;
	}
	cell->summary = summary_of(cell->samples, cell->sample_count);
	if (!host || !host->sample_count || host->summary.median <= 0)
		return;
	cell->has_ratio = true;
	cell->ratio = summary_ratio(cell, host);
}

static int compare_exits(const void *left, const void *right)
{
	const struct results_exit *a = left, *b = right;

	return a->count == b->count ? strcmp(a->reason, b->reason) : a->count < b->count ? 1 : -1;
}

static void summarize_case(struct results_case *entry, size_t columns, int host)
{
	/* The others' ratios need the host's median. */
	for (int turn = 0; turn < 2 && entry->cells; turn++) {
		for (size_t i = 0; i < columns; i++) {
			bool is_host = (int)i == host;

			if (is_host == (turn == 0))
				summarize_cell(entry->cells + i, is_host || host < 0 ? NULL : entry->cells + host);
		}
	}
}

void results_summarize(struct results *results)
{
	int host = results_find_column(results, "host");

	for (size_t i = 0; i < results->suite_count; i++) {
		for (size_t j = 0; j < results->suites[i].case_count; j++)
			summarize_case(results->suites[i].cases + j, results->column_count, host);
	}
	for (size_t i = 0; i < results->exits_count; i++)
		qsort(results->exits[i].entries, results->exits[i].count, sizeof(*results->exits[i].entries),
			compare_exits);
}
