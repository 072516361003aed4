/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a start goes, by the program's own trace: moments, all counted from the command's beginning.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/bench_internal.h"

enum { TRACE_BYTES_MAX = 1 << 20 };

struct moment {
	const char *name, *title;
	const char *span; /* of the trace; NULL in a table's end */
	bool at_end;      /* when the span ends; else when it begins */
	bool of_vm;       /* a micro-VM alone has it */
};

static const struct moment moments[] = {
	{ "at-ready", "traced: runtime ready, the bundle read", "state directory", false, false },
	{ "at-process", "traced: process in its namespaces made", "clone with new namespaces", true, false },
	{ "at-root", "traced: root file system in place", "change of root", true, false },
	{ "at-monitor", "traced: monitor ready, the machine made", "start and confine the monitor's threads", false,
		true },
	{ "at-guest", "traced: the guest's first instruction", "start and confine the monitor's threads", true, true },
	{ "at-init", "traced: the guest's init has said hello", "guest, until its init is there", true, true },
	{ "at-prepared", "traced: created, the program found", "create the container", true, false },
	{ "at-executed", "traced: program executed", "start the container", true, false },
	{ "at-ended", "traced: the process has ended", "wait for the container to end", true, false },
	{ "at-deleted", "traced: everything deleted", "end", false, false },
};

static struct results_cell *cell_of(struct bench *bench, const struct column *column, const struct moment *moment)
{
	struct results_suite *suite = bench_suite(bench, BENCH_STARTUP);

	return results_case(bench->results, suite, moment->name, moment->title, "ns")->cells + column->index;
}

static void release_json(json_t **json)
{
	json_decref(*json);
	*json = NULL;
}

/* Microseconds; the first span of that name. Negative: it is not there. */
static double find_moment(const json_t *events, const struct moment *moment)
{
	size_t index;
	json_t *event;

	json_array_foreach(events, index, event)
	{
		const char *name = json_string_value(json_object_get(event, "name"));
		double begin = json_number_value(json_object_get(event, "ts"));

		if (name && strcmp(name, moment->span) == 0)
			return begin + (moment->at_end ? json_number_value(json_object_get(event, "dur")) : 0);
	}
	return -1;
}

int phases_read(struct bench *bench, const struct column *column, const char *trace, struct error *err)
{
	cleanup(release_json) json_t *events = NULL;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	json_error_t where;
	int result = file_read(AT_FDCWD, trace, TRACE_BYTES_MAX, &text);

	if (result < 0)
		return error_set(err, -result, "read the trace %s", trace);
	events = json_loadb(text.data ? text.data : "", text.length, 0, &where);
	if (!json_is_array(events))
		return error_set(err, -EPROTO, "the trace %s: %s", trace, events ? "not an array" : where.text);
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		double at_us = find_moment(events, moments + i);
		struct results_cell *cell = cell_of(bench, column, moments + i);

		if (at_us < 0 || (moments[i].of_vm && !column->is_vm))
			continue;
		results_begin_round(cell);
		results_add_sample(cell, at_us * 1e3, 1);
	}
	return 0;
}

void phases_explain_gaps(struct bench *bench, const struct column *column)
{
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
		struct results_cell *cell = cell_of(bench, column, moments + i);

		if (column->kind == COLUMN_HOST || column->kind == COLUMN_PEER)
			results_skip(cell, "it has no trace of duet's");
		else if (moments[i].of_vm && !column->is_vm)
			results_skip(cell, "there is no guest");
		else if (!cell->sample_count && !column->skipped)
			results_skip(cell, "not in the trace");
	}
}
