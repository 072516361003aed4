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

enum { IDLE_MS = 500, WORK_MS = 300, OPERATIONS_LEAST = 3, OPERATIONS_MOST = 20000, OPERATIONS_UNKNOWN = 20 };

static const struct {
	const char *name, *title;
} works[] = {
	{ "idle", "nothing for half a second (what asking for the counts costs is in all of these)" },
	{ "getpid", "null system call" },
	{ "fault-anonymous", "page fault, anonymous" },
	{ "fork-exec", "fork, exec, exit, wait" },
	{ "pipe", "pipe ping-pong" },
	{ "timer", "sleep of 1 ms" },
	{ "create", "create a file" },
	{ "read-random", "read 4 KiB somewhere in a file" },
	{ "write-sequential", "write 1 MiB to a file" },
};

/* So many that it takes about WORK_MS, as far as that was measured. */
static uint64_t operations_of(const struct bench *bench, const char *name, size_t column)
{
	for (size_t i = 0; i < bench->results->suite_count; i++) {
		const struct results_case *entry = results_find_case(bench->results->suites + i, name);
		const struct results_cell *cell = entry ? entry->cells + column : NULL;
		double operations;

		if (!cell || !cell->sample_count || cell->samples[0] <= 0)
			continue;
		operations = WORK_MS * 1e6 / cell->samples[cell->sample_count / 2];
		return operations < OPERATIONS_LEAST  ? OPERATIONS_LEAST
		       : operations > OPERATIONS_MOST ? OPERATIONS_MOST
						      : (uint64_t)operations;
	}
	return OPERATIONS_UNKNOWN;
}

static int do_work(struct bench *bench, struct instance *instance, const char *name, uint64_t *operations,
	double *seconds, struct error *err)
{
	uint64_t begin_ns = bench_now_ns();
	cleanup_free char *order = NULL;
	int result = 0;

	if (strcmp(name, "idle") == 0) {
		struct pollfd signals = { .fd = bench->signals, .events = POLLIN };

		(void)poll(&signals, 1, IDLE_MS);
		*operations = 1;
	} else {
		*operations = operations_of(bench, name, instance->column->index);
		order = xprintf("work %s %llu", name, (unsigned long long)*operations);
		result = instance_order(bench, instance, order, NULL, NULL, NULL, err);
	}
	*seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
	return result;
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

static int measure_work(struct bench *bench, struct instance *instance, size_t index, struct error *err)
{
	cleanup_container_statistics struct container_statistics before = { 0 }, after = { 0 };
	struct results_exits *exits;
	uint64_t operations = 0;
	double seconds = 0;
	int result = operation_statistics(bench->state_root, instance->id, &before, err);

	if (result == 0)
		result = do_work(bench, instance, works[index].name, &operations, &seconds, err);
	if (result == 0)
		result = operation_statistics(bench->state_root, instance->id, &after, err);
	if (result < 0)
		return result;
	exits = results_add_exits(
		bench->results, instance->column->index, works[index].name, works[index].title, operations, seconds);
	for (size_t i = 0; i < after.exit_count; i++) {
		uint64_t earlier = count_of(&before, after.exits[i].reason);

		if (after.exits[i].count > earlier && is_count(after.exits[i].reason))
			results_add_exit(exits, after.exits[i].reason, after.exits[i].count - earlier);
	}
	return 0;
}

void exits_measure(struct bench *bench, struct instance *instance)
{
	struct error err;
	int result = 0;

	if (!(bench->options->suites & BENCH_EXITS) || !instance->running || !instance->column->is_vm)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(works) && !bench_is_over(bench, 100); i++) {
		progress_show(&bench->progress, works[i].title, IDLE_MS);
		result = measure_work(bench, instance, i, &err);
		if (result < 0 && !bench->interrupted_by)
			results_note(bench->results, "exits: %s: %s", works[i].name, err.message);
		/* The instance is gone, unless this alone could not be done. */
		if (result < 0 && result != -ENOTSUP)
			return;
	}
}
