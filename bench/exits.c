/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exits of a micro-VM's processors by their reason, for one kind of work at a time: the counts that `duet events
 * --stats` prints, taken before and after.
 */
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/bench_internal.h"
#include "runtime/operations.h"

#define IDLE "idle"

enum { IDLE_MS = 500, WORK_MS = 300, OPERATIONS_LEAST = 3, OPERATIONS_MOST = 20000, OPERATIONS_UNKNOWN = 20 };

static const struct {
	const char *name, *title;
} works[] = {
	{ IDLE, "nothing, for half a second" },
	{ "getpid", "null system call" },
	{ "fault-anonymous", "page fault, anonymous" },
	{ "fork-exec", "fork, exec, exit, wait" },
	{ "pipe", "pipe ping-pong" },
	{ "timer", "sleep of 1 ms" },
	{ "create", "create a file" },
	{ "read-random", "read 4 KiB somewhere in a file" },
	{ "write-sequential", "write 1 MiB to a file" },
};

/* What the cases of the measuring program are found in: other suites have names of their own. */
static const char *const suites[] = { "syscalls", "files", NULL };

const struct results_case *exits_find_case(const struct results *results, const char *work)
{
	for (const char *const *name = suites; *name; name++) {
		const struct results_suite *suite = results_find_suite(results, *name);
		const struct results_case *entry = suite ? results_find_case(suite, work) : NULL;

		if (entry)
			return entry;
	}
	return NULL;
}

/* So many that it takes about WORK_MS, as far as that was measured. */
static uint64_t operations_of(const struct bench *bench, const char *name, size_t column)
{
	const struct results_case *entry = exits_find_case(bench->results, name);
	const struct results_cell *cell = entry ? entry->cells + column : NULL;
	double operations;

	if (!cell || !cell->sample_count || cell->samples[0] <= 0)
		return bench->software ? OPERATIONS_LEAST : OPERATIONS_UNKNOWN;
	operations = WORK_MS * 1e6 / cell->samples[cell->sample_count / 2];
	return operations < OPERATIONS_LEAST  ? OPERATIONS_LEAST
	       : operations > OPERATIONS_MOST ? OPERATIONS_MOST
					      : (uint64_t)operations;
}

/* Nothing, for a while: only what the guest does by itself. */
static void idle(struct bench *bench, double *seconds)
{
	struct pollfd signals = { .fd = bench->signals, .events = POLLIN };

	(void)poll(&signals, 1, IDLE_MS);
	*seconds = IDLE_MS / 1e3;
}

static uint64_t count_of(const struct container_statistics *statistics, const char *reason)
{
	for (size_t i = 0; i < statistics->exit_count; i++) {
		if (strcmp(statistics->exits[i].reason, reason) == 0)
			return statistics->exits[i].count;
	}
	return 0;
}

/* KVM sums nanoseconds up too: no event. */
static bool is_count(const char *reason)
{
	size_t length = strlen(reason);

	return length < 3 || strcmp(reason + length - 3, "_ns") != 0;
}

/* The counts around one order; seconds: of the operations alone. */
static int count_order(struct bench *bench, struct instance *instance, const char *name, uint64_t operations,
	struct container_statistics counts[2], double *seconds, struct error *err)
{
	cleanup_free char *order = xprintf("work %s %llu", name, (unsigned long long)operations);
	double ns = 0;
	int result = operation_statistics(bench->state_root, instance->id, counts, err);

	if (result < 0)
		return result;
	if (strcmp(name, IDLE) == 0 && operations)
		idle(bench, seconds);
	else if (strcmp(name, IDLE) != 0)
		result = instance_order(bench, instance, order, NULL, NULL, &ns, err);
	if (ns > 0)
		*seconds = ns / 1e9;
	return result < 0 ? result : operation_statistics(bench->state_root, instance->id, counts + 1, err);
}

/* Twice: with no operation at all the order alone is counted, its preparations and the asking for the counts. */
static int measure_work(struct bench *bench, struct instance *instance, size_t index, struct error *err)
{
	struct container_statistics none[2] = { 0 }, some[2] = { 0 };
	const char *name = works[index].name;
	uint64_t operations = strcmp(name, IDLE) == 0 ? 1 : operations_of(bench, name, instance->column->index);
	struct results_exits *exits;
	double seconds = 0;
	int result = count_order(bench, instance, name, 0, none, &seconds, err);

	if (result == 0)
		result = count_order(bench, instance, name, operations, some, &seconds, err);
	if (result == 0) {
		exits = results_add_exits(
			bench->results, instance->column->index, name, works[index].title, operations, seconds);
		for (size_t i = 0; i < some[1].exit_count; i++) {
			const char *reason = some[1].exits[i].reason;
			uint64_t before = count_of(some, reason) + count_of(none + 1, reason) - count_of(none, reason);

			if (some[1].exits[i].count > before && is_count(reason))
				results_add_exit(exits, reason, some[1].exits[i].count - before);
		}
	}
	for (size_t i = 0; i < 2; i++) {
		container_statistics_free(none + i);
		container_statistics_free(some + i);
	}
	return result;
}

static void note_rest(struct bench *bench, size_t first)
{
	cleanup_strbuf struct strbuf names = STRBUF_INIT;

	for (size_t i = first; i < ARRAY_SIZE(works); i++)
		strbuf_printf(&names, "%s%s", names.length ? ", " : "", works[i].name);
	if (!bench->interrupted_by)
		results_note(bench->results, "exits were not counted for %s: " BENCH_TIME_UP, names.data);
}

void exits_measure(struct bench *bench, struct instance *instance)
{
	struct error err;
	int result = 0;

	if (!(bench->options->suites & BENCH_EXITS) || !instance->running || !instance->column->is_vm)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
		if (bench_is_over(bench, 100)) {
			note_rest(bench, i);
			return;
		}
		progress_show(&bench->progress, works[i].title, IDLE_MS);
		result = measure_work(bench, instance, i, &err);
		if (result < 0 && !bench->interrupted_by)
			results_note(bench->results, "exits: %s: %s", works[i].name, err.message);
		/* The instance is gone, unless this alone could not be done. */
		if (result < 0 && result != -ENOTSUP)
			return;
	}
}
