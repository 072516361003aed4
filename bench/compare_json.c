/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison as JSON: docs/compare.md describes it, docs/compare.schema.json checks it. */
#include "bench/compare_internal.h"
#include "oci/json_write.h"

static void write_latency(struct json_writer *json, const char *key, const struct neighbour_latency *latency)
{
	if (!latency->there)
		return;
	json_write_key(json, key);
	json_write_open(json, '{');
	json_write_key(json, "medianMs");
	json_write_double(json, latency->median_ms, 6);
	json_write_key(json, "p99Ms");
	json_write_double(json, latency->p99_ms, 6);
	json_write_key(json, "maximumMs");
	json_write_double(json, latency->maximum_ms, 6);
	json_write_close(json, '}');
}

static void write_cell(struct json_writer *json, enum compare_column column, const struct compare_cell *cell)
{
	json_write_key(json, compare_column_names[column]);
	json_write_open(json, '{');
	json_write_string_member(json, "state", compare_state_names[cell->state]);
	if (cell->by)
		json_write_string_member(json, "by", compare_refuser_names[cell->by]);
	if (cell->text)
		json_write_string_member(json, "text", cell->text);
	write_latency(json, "neighbourBefore", &cell->before);
	write_latency(json, "neighbourDuring", &cell->during);
	json_write_close(json, '}');
}

static void write_line(struct json_writer *json, const struct compare_line *line)
{
	json_write_open(json, '{');
	json_write_string_member(json, "name", line->name);
	json_write_string_member(json, "title", line->title);
	json_write_key(json, "cells");
	json_write_open(json, '{');
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (line->cells[column].state != COMPARE_NOT_MEASURED)
			write_cell(json, column, &line->cells[column]);
	}
	json_write_close(json, '}');
	json_write_string_member(json, "verdict", line->verdict ? line->verdict : "");
	json_write_close(json, '}');
}

static void write_section(struct json_writer *json, const struct comparison *comparison, enum compare_section section)
{
	const struct compare_lines *lines = &comparison->sections[section];

	json_write_open(json, '{');
	json_write_string_member(json, "name", compare_section_names[section]);
	json_write_string_member(json, "title", compare_section_titles[section]);
	if (lines->skipped)
		json_write_string_member(json, "skipped", lines->skipped);
	json_write_key(json, "lines");
	json_write_open(json, '[');
	for (size_t i = 0; i < lines->count; i++)
		write_line(json, &lines->entries[i]);
	json_write_close(json, ']');
	json_write_close(json, '}');
}

static void write_columns(struct json_writer *json, const struct comparison *comparison)
{
	json_write_key(json, "columns");
	json_write_open(json, '[');
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (column != COMPARE_HOST && !comparison->columns[column])
			continue;
		json_write_open(json, '{');
		json_write_string_member(json, "name", compare_column_names[column]);
		json_write_string_member(json, "title", compare_column_titles[column]);
		if (comparison->skipped[column])
			json_write_string_member(json, "skipped", comparison->skipped[column]);
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
}

void compare_write_json(const struct comparison *comparison, struct strbuf *text)
{
	struct json_writer json = { .out = text, .indent = "\t" };

	json_write_open(&json, '{');
	json_write_string_member(&json, "schema", COMPARE_SCHEMA);
	json_write_u64_member(&json, "schemaVersion", COMPARE_SCHEMA_VERSION);
	json_write_string_member(&json, "duetVersion", DUET_VERSION);
	json_write_string_member(&json, "started", comparison->started);
	json_write_bool_member(&json, "interrupted", comparison->interrupted);
	if (comparison->bundle)
		json_write_string_member(&json, "bundle", comparison->bundle);
	json_write_key(&json, "host");
	json_write_open(&json, '{');
	json_write_string_member(&json, "kernel", comparison->kernel);
	json_write_bool_member(&json, "kvmHardware", comparison->kvm_hardware);
	json_write_close(&json, '}');
	write_columns(&json, comparison);
	json_write_key(&json, "sections");
	json_write_open(&json, '[');
	for (enum compare_section section = 0; section < COMPARE_SECTIONS; section++) {
		const struct compare_lines *lines = &comparison->sections[section];

		if (lines->count || lines->skipped)
			write_section(&json, comparison, section);
	}
	json_write_close(&json, ']');
	json_write_close(&json, '}');
	strbuf_string(text, "\n");
}
