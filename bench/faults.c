/* SPDX-License-Identifier: Apache-2.0 */
/* The section "faults": what became of what goes wrong on purpose, and what a neighbour felt of it. */
#include "bench/faults.h"

#include <string.h>

#include "base/alloc.h"

static const struct {
	const char *name, *title;
} faults[] = {
	{ "fork-bomb", "fork bomb" },
	{ "memory-hog", "memory hog" },
	{ "descriptors", "open files without end" },
	{ "disk-fill", "fill /dev/shm" },
	{ "crash", "crash the kernel" },
};

/* The moment when a line of the probe was first seen here. */
static void note(struct fault_times *times, const char *text, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults) + 1; i++) {
		const char *name = i < ARRAY_SIZE(faults) ? faults[i].name : "idle";
		cleanup_free char *begin = xprintf("fault\t%s\tbegin", name);
		cleanup_free char *end = xprintf("fault\t%s\tend", name);

		if (!times->begin_ns[i] && memmem(text, length, begin, strlen(begin)))
			times->begin_ns[i] = neighbour_now_ns();
		if (!times->end_ns[i] && memmem(text, length, end, strlen(end)))
			times->end_ns[i] = neighbour_now_ns();
	}
}

void faults_look(void *context, const char *text, size_t length)
{
	struct fault_times *times = context;

	if (times->looked_at != length && text)
		note(times, text, length);
	times->looked_at = length;
}

void faults_ended(struct fault_times *times)
{
	uint64_t now = neighbour_now_ns();

	for (size_t i = 0; i < FAULTS_MAX; i++) {
		if (times->begin_ns[i] && !times->end_ns[i])
			times->end_ns[i] = now;
	}
}

static void set_latency(
	struct compare_cell *cell, const struct fault_times *times, size_t fault, const struct neighbour *neighbour)
{
	if (!neighbour || !times->begin_ns[fault] || !times->begin_ns[FAULTS_IDLE])
		return;
	cell->before = neighbour_between(neighbour, times->begin_ns[FAULTS_IDLE], times->end_ns[FAULTS_IDLE]);
	cell->during = neighbour_between(neighbour, times->begin_ns[fault], times->end_ns[fault]);
}

/* The line of its end; the first one is that of its beginning. */
static const struct probe_line *end_of(const struct probe_output *output, const char *name)
{
	for (size_t i = 0; i < output->count; i++) {
		const struct probe_line *line = &output->lines[i];

		if (strcmp(line->fields[0], "fault") == 0 && strcmp(line->fields[1], name) == 0 &&
			strcmp(probe_field(line, 2), "end") == 0)
			return line;
	}
	return NULL;
}

static void set_cell(struct compare_line *line, enum compare_column column, const struct probe_output *output)
{
	const struct probe_line *end = end_of(output, line->name);
	const char *how = probe_field(end, 3), *detail = probe_field(end, 4);

	if (!end)
		return;
	if (strcmp(how, "unlimited") == 0)
		compare_set(line, column, COMPARE_DONE, REFUSED_BY_NOBODY, "%s", detail);
	else if (strcmp(how, "slow") == 0)
		compare_set(line, column, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s", detail);
	else
		compare_set(line, column, COMPARE_REFUSED, REFUSED_BY_LIMIT, "%s", detail);
}

/* Without the privileges for it the crash is an attempt like others; with them it ends the machine. */
static void set_crash(struct compare_line *line, enum compare_column column, const struct probe_output *output)
{
	const struct probe_line *attempt = probe_find(output, "fault", "crash-permission");
	const struct probe_line *end = end_of(output, "crash");

	if (column != COMPARE_GUEST_ROOT) {
		if (attempt && strcmp(probe_field(attempt, 2), "refused") == 0)
			compare_set(line, column, COMPARE_REFUSED, REFUSED_BY_MOUNT, "%s", probe_field(attempt, 3));
		else if (attempt)
			compare_set(line, column, COMPARE_DONE, REFUSED_BY_NOBODY, "permitted; not carried out");
		return;
	}
	if (end)
		compare_set(line, column, COMPARE_REFUSED, REFUSED_BY_NOBODY, "%s", probe_field(end, 4));
	else if (probe_find(output, "fault", "crash"))
		compare_set(line, column, COMPARE_DONE, REFUSED_BY_NOBODY, "the run ended with: %s",
			output->complaint ? output->complaint : "nothing said");
}

/* Less than that is what a machine does by itself from one second to the next. */
#define NOTICED 1.3

/* By its median or by its slowest hundredth, whichever grew more. */
static char *noticed(const struct compare_line *line, enum compare_column column)
{
	const struct compare_cell *cell = &line->cells[column];
	double median, slowest;

	if (!cell->before.there || !cell->during.there || cell->before.median_ms <= 0 || cell->before.p99_ms <= 0)
		return NULL;
	median = cell->during.median_ms / cell->before.median_ms;
	slowest = cell->during.p99_ms / cell->before.p99_ms;
	if (median < NOTICED && slowest < NOTICED)
		return xprintf("noticed nothing beside the %s", compare_column_titles[column]);
	if (median < slowest)
		return xprintf("took, in its slowest hundredth, %.2g times as long beside the %s", slowest,
			compare_column_titles[column]);
	return xprintf("took %.2g times as long beside the %s", median, compare_column_titles[column]);
}

static char *verdict(const struct compare_line *line)
{
	cleanup_free char *container = noticed(line, COMPARE_CONTAINER), *vm = noticed(line, COMPARE_MICROVM);
	bool unlimited = line->cells[COMPARE_CONTAINER].state == COMPARE_DONE ||
			 line->cells[COMPARE_MICROVM].state == COMPARE_DONE;
	const char *inside =
		unlimited ? "Nothing but the probe itself put an end to it." : "It stays within its limits.";

	if (container && vm)
		return xprintf("%s A neighbour %s, and %s.", inside, container, vm);
	if (container || vm)
		return xprintf("%s A neighbour %s.", inside, container ? container : vm);
	return xstrdup(inside);
}

static char *crash_verdict(const struct compare_line *line)
{
	const struct compare_cell *guest = &line->cells[COMPARE_GUEST_ROOT];

	if (guest->state == COMPARE_DONE)
		return xstrdup("A guest with all privileges brings down its own kernel and nothing else: the host, "
			       "whose kernel a "
			       "container would take with it, goes on, and the run ends with an error.");
	return xstrdup("Nobody was let near enough to the kernel to bring it down.");
}

void compare_faults(struct comparison *comparison, const struct probe_output outputs[COMPARE_COLUMNS],
	const struct fault_times times[COMPARE_COLUMNS], const struct neighbour *neighbour)
{
	struct compare_lines *lines = &comparison->sections[COMPARE_FAULTS];

	if (lines->skipped)
		return;
	for (size_t fault = 0; fault < ARRAY_SIZE(faults); fault++) {
		struct compare_line *line = compare_add_line(lines, faults[fault].name, faults[fault].title);
		bool crash = strcmp(line->name, "crash") == 0;

		for (enum compare_column column = COMPARE_CONTAINER; column < COMPARE_COLUMNS; column++) {
			if (crash)
				set_crash(line, column, &outputs[column]);
			else
				set_cell(line, column, &outputs[column]);
			if (line->cells[column].state != COMPARE_NOT_MEASURED)
				set_latency(&line->cells[column], &times[column], fault, neighbour);
		}
		line->verdict = crash ? crash_verdict(line) : verdict(line);
	}
}
