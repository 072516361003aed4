/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON form of a report: docs/bench.md.
 */
#include "bench/results.h"
#include "oci/json_write.h"

/* Nanoseconds to the picosecond, ratios to a thousandth of a per cent. */
enum { VALUE_DECIMALS = 3, RATIO_DECIMALS = 5 };

static void write_text(struct json_writer *json, const char *key, const char *text)
{
	if (text)
		json_write_string_member(json, key, text);
}

static void write_double(struct json_writer *json, const char *key, double value, int decimals)
{
	json_write_key(json, key);
	json_write_double(json, value, decimals);
}

static void write_host(struct json_writer *json, const struct results_host *host)
{
	json_write_key(json, "host");
	json_write_open(json, '{');
	write_text(json, "cpu", host->cpu);
	json_write_u64_member(json, "processors", host->processors);
	if (host->memory_bytes)
		json_write_u64_member(json, "memoryBytes", host->memory_bytes);
	write_text(json, "kernel", host->kernel);
	write_text(json, "governor", host->governor);
	if (host->kvm) {
		json_write_key(json, "kvm");
		json_write_open(json, '{');
		write_text(json, "module", host->kvm);
		json_write_bool_member(json, "hardware", host->kvm_hardware);
		write_text(json, "paging", host->kvm_paging);
		json_write_close(json, '}');
	}
	write_text(json, "transparentHugePages", host->transparent_pages);
	write_text(json, "mitigations", host->mitigations);
	write_text(json, "seccomp", host->seccomp);
	write_text(json, "caches", host->caches);
	write_text(json, "fileSystem", host->file_system);
	json_write_close(json, '}');
}

static void write_columns(struct json_writer *json, const struct results *results)
{
	json_write_key(json, "columns");
	json_write_open(json, '[');
	for (size_t i = 0; i < results->column_count; i++) {
		json_write_open(json, '{');
		write_text(json, "name", results->columns[i].name);
		write_text(json, "title", results->columns[i].title);
		write_text(json, "skipped", results->columns[i].skipped);
		write_text(json, "kernel", results->columns[i].kernel);
		write_text(json, "mitigations", results->columns[i].mitigations);
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
}

static void write_measured(struct json_writer *json, const struct results_cell *cell)
{
	const struct results_summary *summary = &cell->summary;
	const char *indent = json->indent;

	json_write_u64_member(json, "count", cell->sample_count);
	json_write_u64_member(json, "operationsPerSample", cell->operations);
	write_double(json, "minimum", summary->minimum, VALUE_DECIMALS);
	write_double(json, "median", summary->median, VALUE_DECIMALS);
	write_double(json, "p95", summary->p95, VALUE_DECIMALS);
	write_double(json, "p99", summary->p99, VALUE_DECIMALS);
	write_double(json, "mean", summary->mean, VALUE_DECIMALS);
	if (cell->has_ratio) {
		json_write_key(json, "ratio");
		json_write_open(json, '{');
		write_double(json, "value", cell->ratio.value, RATIO_DECIMALS);
		write_double(json, "low", cell->ratio.low, RATIO_DECIMALS);
		write_double(json, "high", cell->ratio.high, RATIO_DECIMALS);
		json_write_close(json, '}');
	}
	json->indent = NULL; /* hundreds of numbers: on one line */
	json_write_key(json, "rounds");
	json_write_open(json, '[');
	for (size_t i = 0; i < cell->round_count; i++)
		json_write_u64(json, cell->rounds[i]);
	json_write_close(json, ']');
	json_write_key(json, "samples");
	json_write_open(json, '[');
	for (size_t i = 0; i < cell->sample_count; i++)
		json_write_double(json, cell->samples[i], VALUE_DECIMALS);
	json_write_close(json, ']');
	json->indent = indent;
}

static void write_cell(struct json_writer *json, const struct results_cell *cell, const char *column)
{
	json_write_open(json, '{');
	write_text(json, "column", column);
	if (cell->sample_count)
		write_measured(json, cell);
	else
		write_text(json, "skipped", cell->skipped ? cell->skipped : "not measured");
	json_write_close(json, '}');
}

static void write_case(struct json_writer *json, const struct results *results, const struct results_case *entry)
{
	json_write_open(json, '{');
	write_text(json, "name", entry->name);
	write_text(json, "title", entry->title);
	write_text(json, "unit", entry->unit);
	json_write_key(json, "results");
	json_write_open(json, '[');
	for (size_t i = 0; i < results->column_count; i++)
		write_cell(json, entry->cells + i, results->columns[i].name);
	json_write_close(json, ']');
	json_write_close(json, '}');
}

static void write_suites(struct json_writer *json, const struct results *results)
{
	json_write_key(json, "suites");
	json_write_open(json, '[');
	for (size_t i = 0; i < results->suite_count; i++) {
		const struct results_suite *suite = results->suites + i;

		json_write_open(json, '{');
		write_text(json, "name", suite->name);
		write_text(json, "title", suite->title);
		json_write_key(json, "cases");
		json_write_open(json, '[');
		for (size_t j = 0; j < suite->case_count; j++)
			write_case(json, results, suite->cases + j);
		json_write_close(json, ']');
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
}

static void write_exits(struct json_writer *json, const struct results *results)
{
	json_write_key(json, "exits");
	json_write_open(json, '[');
	for (size_t i = 0; i < results->exits_count; i++) {
		const struct results_exits *exits = results->exits + i;

		json_write_open(json, '{');
		write_text(json, "column", results->columns[exits->column].name);
		write_text(json, "work", exits->work);
		write_text(json, "title", exits->title);
		json_write_u64_member(json, "operations", exits->operations);
		write_double(json, "seconds", exits->seconds, 6);
		json_write_key(json, "reasons");
		json_write_open(json, '[');
		for (size_t j = 0; j < exits->count; j++) {
			json_write_open(json, '{');
			write_text(json, "reason", exits->entries[j].reason);
			json_write_u64_member(json, "count", exits->entries[j].count);
			write_double(json, "perSecond", exits->entries[j].per_second, VALUE_DECIMALS);
			write_double(json, "perOperation", exits->entries[j].per_operation, RATIO_DECIMALS);
			json_write_close(json, '}');
		}
		json_write_close(json, ']');
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
}

void results_write_json(const struct results *results, struct strbuf *out)
{
	struct json_writer json = { .out = out, .indent = "  " };

	json_write_open(&json, '{');
	write_text(&json, "schema", RESULTS_SCHEMA);
	json_write_u64_member(&json, "schemaVersion", RESULTS_SCHEMA_VERSION);
	write_text(&json, "duetVersion", results->version);
	write_text(&json, "started", results->started);
	write_double(&json, "seconds", results->seconds, VALUE_DECIMALS);
	json_write_u64_member(&json, "runs", results->runs);
	json_write_bool_member(&json, "full", results->full);
	json_write_bool_member(&json, "interrupted", results->interrupted);
	write_host(&json, &results->host);
	write_columns(&json, results);
	write_suites(&json, results);
	write_exits(&json, results);
	json_write_key(&json, "notes");
	json_write_open(&json, '[');
	for (char **note = results->notes; note && *note; note++)
		json_write_string(&json, *note);
	json_write_close(&json, ']');
	json_write_close(&json, '}');
	strbuf_string(out, "\n");
}
