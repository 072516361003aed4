/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report from its JSON form. The tables are jansson's unpack formats: what is required there is required here.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/results.h"

struct reader {
	const char *name;
	struct results *results;
	struct error *err;
};

static void release_json(json_t **json)
{
	json_decref(*json);
	*json = NULL;
}

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static int refuse(struct reader *reader, const char *where, const json_error_t *why)
{
	return error_set(reader->err, -EINVAL, "%s: %s: %s", reader->name, where, why->text);
}

static int read_host(struct reader *reader, json_t *json)
{
	struct results_host *host = &reader->results->host;
	const char *cpu = NULL, *kernel = NULL, *governor = NULL, *module = NULL, *paging = NULL, *pages = NULL;
	const char *mitigations = NULL, *seccomp = NULL, *caches = NULL, *file_system = NULL;
	json_int_t processors = 0, memory = 0;
	json_error_t why;
	int hardware = 0;

	if (json_unpack_ex(json, &why, 0, "{s?s sI s?I s?s s?s s?{ss sb s?s} s?s s?s s?s s?s s?s}", "cpu", &cpu,
		    "processors", &processors, "memoryBytes", &memory, "kernel", &kernel, "governor", &governor, "kvm",
		    "module", &module, "hardware", &hardware, "paging", &paging, "transparentHugePages", &pages,
		    "mitigations", &mitigations, "seccomp", &seccomp, "caches", &caches, "fileSystem",
		    &file_system) < 0)
		return refuse(reader, "host", &why);
	*host = (struct results_host){
		.cpu = copy_or_null(cpu),
		.processors = (uint64_t)processors,
		.memory_bytes = (uint64_t)memory,
		.kernel = copy_or_null(kernel),
		.governor = copy_or_null(governor),
		.kvm = copy_or_null(module),
		.kvm_hardware = hardware,
		.kvm_paging = copy_or_null(paging),
		.transparent_pages = copy_or_null(pages),
		.mitigations = copy_or_null(mitigations),
		.seccomp = copy_or_null(seccomp),
		.caches = copy_or_null(caches),
		.file_system = copy_or_null(file_system),
	};
	return 0;
}

static int read_columns(struct reader *reader, json_t *json)
{
	json_error_t why;
	json_t *value;
	size_t index;

	json_array_foreach(json, index, value)
	{
		const char *name, *title, *skipped = NULL, *kernel = NULL, *mitigations = NULL;
		struct results_column *column;
		size_t added;

		if (json_unpack_ex(value, &why, 0, "{ss ss s?s s?s s?s}", "name", &name, "title", &title, "skipped",
			    &skipped, "kernel", &kernel, "mitigations", &mitigations) < 0)
			return refuse(reader, "columns", &why);
		if (results_find_column(reader->results, name) >= 0)
			return error_set(reader->err, -EINVAL, "%s: the column %s is there twice", reader->name, name);
		added = results_add_column(reader->results, name, title, skipped);
		column = reader->results->columns + added;
		column->kernel = copy_or_null(kernel);
		column->mitigations = copy_or_null(mitigations);
	}
	return 0;
}

/* Round by round; the rounds have to make up the samples. */
static int read_samples(struct reader *reader, json_t *rounds, json_t *samples, struct results_cell *cell)
{
	size_t next = 0, round, total = json_array_size(samples);
	json_t *size;

	json_array_foreach(rounds, round, size)
	{
		json_int_t left = json_integer_value(size);

		if (!json_is_integer(size) || left < 0 || (size_t)left > total - next)
			return error_set(reader->err, -EINVAL, "%s: rounds and samples do not agree", reader->name);
		results_begin_round(cell);
		for (; left > 0; left--) {
			json_t *value = json_array_get(samples, next++);

			if (!json_is_number(value) || !isfinite(json_number_value(value)))
				return error_set(reader->err, -EINVAL, "%s: a sample is no number", reader->name);
			results_add_sample(cell, json_number_value(value), cell->operations);
		}
	}
	if (next != total)
		return error_set(reader->err, -EINVAL, "%s: rounds and samples do not agree", reader->name);
	return 0;
}

static int read_measured(struct reader *reader, json_t *json, struct results_cell *cell)
{
	struct results_summary *summary = &cell->summary;
	json_t *rounds, *samples, *ratio = NULL;
	json_int_t count, operations;
	json_error_t why;

	if (json_unpack_ex(json, &why, 0, "{sI sI sF sF sF sF sF s?o so so}", "count", &count, "operationsPerSample",
		    &operations, "minimum", &summary->minimum, "median", &summary->median, "p95", &summary->p95, "p99",
		    &summary->p99, "mean", &summary->mean, "ratio", &ratio, "rounds", &rounds, "samples", &samples) < 0)
		return refuse(reader, "results", &why);
	if (ratio && json_unpack_ex(ratio, &why, 0, "{sF sF sF}", "value", &cell->ratio.value, "low", &cell->ratio.low,
			     "high", &cell->ratio.high) < 0)
		return refuse(reader, "ratio", &why);
	if (!json_is_array(samples) || (size_t)count != json_array_size(samples) || !count || operations < 1)
		return error_set(reader->err, -EINVAL, "%s: count and samples do not agree", reader->name);
	cell->has_ratio = ratio;
	cell->operations = (uint64_t)operations;
	return read_samples(reader, rounds, samples, cell);
}

static int read_cell(struct reader *reader, json_t *json, struct results_case *entry)
{
	const char *column, *skipped = NULL;
	struct results_cell *cell;
	json_error_t why;
	int index;

	if (json_unpack_ex(json, &why, 0, "{ss s?s}", "column", &column, "skipped", &skipped) < 0)
		return refuse(reader, "results", &why);
	index = results_find_column(reader->results, column);
	if (index < 0)
		return error_set(reader->err, -EINVAL, "%s: there is no column %s", reader->name, column);
	cell = entry->cells + index;
	if (cell->sample_count)
		return error_set(reader->err, -EINVAL, "%s: %s has %s twice", reader->name, entry->name, column);
	if (!skipped)
		return read_measured(reader, json, cell);
	results_skip(cell, skipped);
	return 0;
}

static int read_case(struct reader *reader, json_t *json, struct results_suite *suite)
{
	const char *name, *title, *unit;
	struct results_case *entry;
	json_t *cells, *value;
	json_error_t why;
	size_t index;
	int result = 0;

	if (json_unpack_ex(json, &why, 0, "{ss ss ss so}", "name", &name, "title", &title, "unit", &unit, "results",
		    &cells) < 0)
		return refuse(reader, "cases", &why);
	entry = results_case(reader->results, suite, name, title, unit);
	json_array_foreach(cells, index, value)
	{
		if (result == 0)
			result = read_cell(reader, value, entry);
	}
	return result;
}

static int read_suites(struct reader *reader, json_t *json)
{
	const char *name, *title;
	json_t *cases, *suite_value, *value;
	struct results_suite *suite;
	size_t index, case_index;
	json_error_t why;
	int result = 0;

	json_array_foreach(json, index, suite_value)
	{
		if (json_unpack_ex(
			    suite_value, &why, 0, "{ss ss so}", "name", &name, "title", &title, "cases", &cases) < 0)
			return refuse(reader, "suites", &why);
		suite = results_suite(reader->results, name, title);
		json_array_foreach(cases, case_index, value)
		{
			if (result == 0)
				result = read_case(reader, value, suite);
		}
	}
	return result;
}

static int read_reasons(struct reader *reader, json_t *json, struct results_exits *exits)
{
	const char *reason;
	json_error_t why;
	json_int_t count;
	json_t *value;
	size_t index;

	json_array_foreach(json, index, value)
	{
		if (json_unpack_ex(value, &why, 0, "{ss sI}", "reason", &reason, "count", &count) < 0)
			return refuse(reader, "exits", &why);
		results_add_exit(exits, reason, (uint64_t)count);
	}
	return 0;
}

static int read_exits(struct reader *reader, json_t *json)
{
	const char *column, *work, *title;
	json_t *value, *reasons;
	json_int_t operations;
	json_error_t why;
	double seconds;
	size_t index;
	int found, result = 0;

	json_array_foreach(json, index, value)
	{
		if (json_unpack_ex(value, &why, 0, "{ss ss ss sI sF so}", "column", &column, "work", &work, "title",
			    &title, "operations", &operations, "seconds", &seconds, "reasons", &reasons) < 0)
			return refuse(reader, "exits", &why);
		found = results_find_column(reader->results, column);
		if (found < 0)
			return error_set(reader->err, -EINVAL, "%s: there is no column %s", reader->name, column);
		if (result == 0)
			result = read_reasons(reader, reasons,
				results_add_exits(
					reader->results, (size_t)found, work, title, (uint64_t)operations, seconds));
	}
	return result;
}

static int read_head(struct reader *reader, json_t *json)
{
	struct results *results = reader->results;
	const char *schema = "", *version, *started;
	int number = 0, full, interrupted;
	json_error_t why;
	json_int_t runs;

	if (json_unpack_ex(json, &why, 0, "{ss si}", "schema", &schema, "schemaVersion", &number) < 0 ||
		strcmp(schema, RESULTS_SCHEMA) != 0)
		return error_set(reader->err, -EINVAL, "%s: not a report of `duet bench`", reader->name);
	if (number != RESULTS_SCHEMA_VERSION)
		return error_set(reader->err, -EPROTONOSUPPORT,
			"%s: a report with schema version %d; this program reads version %d", reader->name, number,
			RESULTS_SCHEMA_VERSION);
	if (json_unpack_ex(json, &why, 0, "{ss ss sF sI sb sb}", "duetVersion", &version, "started", &started,
		    "seconds", &results->seconds, "runs", &runs, "full", &full, "interrupted", &interrupted) < 0)
		return refuse(reader, "report", &why);
	free(results->version);
	results->version = xstrdup(version);
	results->started = xstrdup(started);
	results->runs = (uint64_t)runs;
	results->full = full;
	results->interrupted = interrupted;
	return 0;
}

static int read_document(struct reader *reader, json_t *json)
{
	json_t *host, *columns, *suites, *exits, *notes = NULL, *note;
	json_error_t why;
	size_t index;
	int result = read_head(reader, json);

	if (result == 0 && json_unpack_ex(json, &why, 0, "{so so so so so}", "host", &host, "columns", &columns,
				   "suites", &suites, "exits", &exits, "notes", &notes) < 0)
		return refuse(reader, "report", &why);
	if (result == 0)
		result = read_host(reader, host);
	if (result == 0)
		result = read_columns(reader, columns);
	if (result == 0)
		result = read_suites(reader, suites);
	if (result == 0)
		result = read_exits(reader, exits);
	if (result < 0)
		return result;
	json_array_foreach(notes, index, note)
	{
		if (json_is_string(note))
			results_note(reader->results, "%s", json_string_value(note));
	}
	return 0;
}

int results_read(const char *name, const char *text, size_t length, struct results **ret, struct error *err)
{
	json_error_t where;
	cleanup(release_json) json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	cleanup_results struct results *results = results_new();
	struct reader reader = { .name = name, .results = results, .err = err };
	int result;

	if (!json)
		return error_set(err, -EINVAL, "%s: line %d: %s", name, where.line, where.text);
	result = read_document(&reader, json);
	if (result == 0)
		*ret = take_pointer(&results);
	return result;
}
