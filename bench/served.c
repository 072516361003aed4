/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The suites that the measuring program serves: in each column one instance of it waits for orders, and each case is
 * measured in one column after the other, round after round.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/bench_internal.h"

struct served_case {
	const char *name, *title;
	enum bench_suite suite;
	bool slow; /* on a software-only KVM: minutes */
};

static const struct served_case cases[] = {
	{ "getpid", "null system call (getpid)", BENCH_SYSCALLS, false },
	{ "read-1", "read 1 byte of /dev/zero", BENCH_SYSCALLS, false },
	{ "read-64k", "read 64 KiB of /dev/zero", BENCH_SYSCALLS, false },
	{ "write-1", "write 1 byte to /dev/null", BENCH_SYSCALLS, false },
	{ "write-64k", "write 64 KiB to /dev/null", BENCH_SYSCALLS, false },
	{ "open-close", "open and close /dev/null", BENCH_SYSCALLS, false },
	{ "stat", "stat /dev/null", BENCH_SYSCALLS, false },
	{ "mmap", "mmap, touch and munmap 64 KiB", BENCH_SYSCALLS, false },
	{ "fault-anonymous", "page fault, anonymous", BENCH_SYSCALLS, false },
	{ "fault-file", "page fault, file in the page cache (maps 64 KiB)", BENCH_SYSCALLS, false },
	{ "fork", "fork, exit, wait", BENCH_SYSCALLS, false },
	{ "fork-exec", "fork, exec, exit, wait", BENCH_SYSCALLS, false },
	{ "signal", "signal to itself, handled", BENCH_SYSCALLS, false },
	{ "clock-gettime", "clock_gettime", BENCH_SYSCALLS, false },
	{ "timer", "wake-up after a 1 ms sleep: how late", BENCH_SYSCALLS, false },
	{ "epoll", "eventfd write, epoll_wait, read", BENCH_SYSCALLS, false },
	{ "pipe", "pipe ping-pong between two processes", BENCH_SYSCALLS, false },
	{ "context-switch", "the same on one processor: two context switches", BENCH_SYSCALLS, false },
	{ "futex", "futex hand-over to another processor and back", BENCH_SYSCALLS, false },
	{ "socketpair", "socket pair round trip", BENCH_SYSCALLS, false },
	{ "tcp", "loopback TCP round trip", BENCH_SYSCALLS, false },
	{ "create", "create a file (in a directory of many)", BENCH_FILES, false },
	{ "stat-file", "stat a file", BENCH_FILES, false },
	{ "unlink", "unlink a file", BENCH_FILES, false },
	{ "read-random", "read 4 KiB somewhere in a file", BENCH_FILES, false },
	{ "write-random", "write 4 KiB somewhere in a file", BENCH_FILES, false },
	{ "read-sequential", "read 1 MiB, next in a file", BENCH_FILES, false },
	{ "write-sequential", "write 1 MiB, next in a file", BENCH_FILES, false },
	{ "fsync", "write 4 KiB and fsync", BENCH_FILES, false },
	{ "build", "build: compile and link 9 C files", BENCH_WORKLOADS, true },
	{ "tar", "tar of 100 files", BENCH_WORKLOADS, true },
	{ "sort", "sort of 40,000 lines", BENCH_WORKLOADS, true },
	{ "gzip", "gzip of 1.4 MB", BENCH_WORKLOADS, true },
};

#define NO_SECOND_MACHINE "once it runs it is the machine of the other micro-VM column: --full measures both"
#define TOO_SLOW          "takes minutes on a software-only KVM: --full measures it"

/* Parts of the time, in per cent, after which nothing more is begun in a micro-VM, and elsewhere. */
enum { VM_SHARE = 70, SHARE = 80 };

enum { SERVED_VCPUS = 2 };

static struct results_cell *cell_of(struct bench *bench, const struct served_case *entry, const struct column *column)
{
	struct results_suite *suite = bench_suite(bench, entry->suite);

	return results_case(bench->results, suite, entry->name, entry->title, "ns")->cells + column->index;
}

static void skip_everywhere(struct bench *bench, struct column *column, const char *reason)
{
	if (!column->left_out)
		column->left_out = xstrdup(reason);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (bench->options->suites & cases[i].suite)
			results_skip(cell_of(bench, cases + i, column), reason);
	}
}

/* ---- instances ---- */

struct served {
	struct bench *bench;
	struct instance *instances; /* one for each column */
	bool *gone;                 /* columns that are not measured, or not any more */
};

static const char *reason_to_leave_out(const struct bench *bench, const struct column *column)
{
	bool both = (bench->options->columns & BENCH_MICROVM) && (bench->options->columns & BENCH_SNAPSHOT);

	if (column->kind == COLUMN_PEER)
		return "measured at start-up only";
	if (column->kind == COLUMN_MICROVM && both && bench->software && !bench->options->full)
		return NO_SECOND_MACHINE;
	return NULL;
}

static void give_up(struct served *served, struct column *column, const struct error *err)
{
	struct bench *bench = served->bench;

	served->gone[column->index] = true;
	instance_stop(bench, served->instances + column->index);
	if (bench->interrupted_by)
		return;
	skip_everywhere(bench, column, err->message);
	results_note(bench->results, "%s: %s", bench->results->columns[column->index].name, err->message);
}

/* The same in all columns; what a machine without hardware support can do in the time decides. */
enum { MIB = 16, MIB_SMALL = 2 };

static bool is_small(const struct bench *bench)
{
	return bench->software && !bench->options->full && (bench->options->columns & (BENCH_MICROVM | BENCH_SNAPSHOT));
}

static void set_sizes(struct served *served, struct instance *instance)
{
	struct bench *bench = served->bench;
	cleanup_free char *bytes = xprintf("set file-bytes %d", (is_small(bench) ? MIB_SMALL : MIB) << 20);
	struct error err;

	if (instance_order(bench, instance, bytes, NULL, NULL, NULL, &err) < 0)
		give_up(served, instance->column, &err);
}

/* What starts in milliseconds is a new process in every round: where its pages lie is luck that evens out. */
static void begin_instances(struct served *served)
{
	struct bench *bench = served->bench;
	struct error err;

	for (size_t i = 0; i < bench->column_count && !bench->interrupted_by; i++) {
		struct column *column = bench->columns + i;
		struct instance *instance = served->instances + i;

		if (served->gone[i] || instance->running)
			continue;
		progress_show(&bench->progress, "starting", column->start_ms);
		if (instance_start(bench, column, instance, &err) < 0)
			give_up(served, column, &err);
		else
			set_sizes(served, instance);
	}
}

static void end_instances(struct served *served, bool all)
{
	for (size_t i = 0; i < served->bench->column_count; i++) {
		if (all || !served->bench->columns[i].is_vm)
			instance_stop(served->bench, served->instances + i);
	}
}

/* ---- rounds ---- */

struct effort {
	unsigned int samples;
	unsigned int budget_ms;
};

static struct effort effort_of(const struct bench *bench, const struct served_case *entry, const struct column *column)
{
	bool software = column->is_vm && bench->software;

	if (entry->suite == BENCH_WORKLOADS)
		return (struct effort){ 1, 0 };
	/* Twenty files a sample: 10,000 in all, if the time allows. */
	if (entry->suite == BENCH_FILES && bench->options->full)
		return (struct effort){ 500, 60000 };
	if (entry->suite == BENCH_FILES)
		return (struct effort){ 500, software ? 600 : 300 };
	return (struct effort){ 20, software ? 150 : column->is_vm ? 60 : 25 };
}

static bool is_left_out(const struct bench *bench, const struct served_case *entry, const struct column *column)
{
	return entry->slow && column->is_vm && bench->software && !bench->options->full;
}

static void measure_case(struct served *served, const struct served_case *entry, struct column *column)
{
	struct bench *bench = served->bench;
	struct effort effort = effort_of(bench, entry, column);
	struct results_cell *cell = cell_of(bench, entry, column);
	cleanup_free char *order = xprintf("measure %s %u %u", entry->name, effort.samples, effort.budget_ms);
	struct error err;
	int result;

	/* What could not be done once is not tried again. */
	if (cell->skipped || served->gone[column->index])
		return;
	if (is_left_out(bench, entry, column)) {
		results_skip(cell, TOO_SLOW);
		return;
	}
	progress_show(&bench->progress, entry->title, effort.budget_ms + 10);
	result = instance_order(bench, served->instances + column->index, order, cell, NULL, NULL, &err);
	if (result == -ENOTSUP)
		results_skip(cell, err.message);
	else if (result < 0)
		give_up(served, column, &err);
}

/* Rounds of whole workloads are dear, and so are those of a slow machine. */
static bool has_round(
	const struct bench *bench, const struct served_case *entry, const struct column *column, uint64_t round)
{
	uint64_t rounds = bench->results->runs;

	if (entry->suite == BENCH_WORKLOADS && !bench->options->full)
		return round < 3;
	if (column->is_vm && bench->software && !bench->options->full)
		return entry->suite == BENCH_FILES ? round == 0 : round % 7 == 0;
	if (entry->suite == BENCH_FILES && !bench->options->full)
		return round % 4 == 0 || rounds <= 5;
	return true;
}

static void note_time_up(struct results_cell *cell)
{
	if (!cell->sample_count)
		results_skip(cell, BENCH_TIME_UP);
}

static void measure_round(struct served *served, uint64_t round)
{
	struct bench *bench = served->bench;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!(bench->options->suites & cases[i].suite))
			continue;
		for (size_t j = 0; j < bench->column_count; j++) {
			if (!has_round(bench, cases + i, bench->columns + j, round) || served->gone[j])
				continue;
			if (!bench_is_over(bench, bench->columns[j].is_vm ? VM_SHARE : SHARE))
				measure_case(served, cases + i, bench->columns + j);
			else if (!bench->interrupted_by)
				note_time_up(cell_of(bench, cases + i, bench->columns + j));
		}
	}
}

static void expect_rounds(const struct served *served)
{
	const struct bench *bench = served->bench;
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t j = 0; j < bench->column_count && (bench->options->suites & cases[i].suite); j++) {
			for (uint64_t round = 0; round < bench->results->runs && !served->gone[j]; round++) {
				if (has_round(bench, cases + i, bench->columns + j, round) &&
					!is_left_out(bench, cases + i, bench->columns + j))
					sum += effort_of(bench, cases + i, bench->columns + j).budget_ms + 10;
			}
		}
	}
	progress_expect(&served->bench->progress, sum);
}

static void measure_all(struct served *served)
{
	struct bench *bench = served->bench;
	uint64_t rounds = bench->results->runs;

	if (!(bench->options->suites & (BENCH_SYSCALLS | BENCH_FILES | BENCH_WORKLOADS)))
		return;
	expect_rounds(served);
	if ((bench->options->suites & BENCH_FILES) && is_small(bench))
		results_note(bench->results,
			"file work is done on a file of %d MiB, as the KVM is software only (else %d MiB)", MIB_SMALL,
			MIB);
	for (uint64_t round = 0; round < rounds && !bench_is_over(bench, SHARE); round++) {
		begin_instances(served);
		measure_round(served, round);
		if (round + 1 < rounds)
			end_instances(served, false);
	}
}

/* The same for all: a file is written, memory is used, programs run. */
static void do_some_work(struct served *served, struct instance *instance)
{
	static const char *const orders[] = { "work write-sequential 4", "work fault-anonymous 256",
		"work fork-exec 3" };
	struct bench *bench = served->bench;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(orders) && instance->running; i++) {
		progress_show(&bench->progress, "some work", 100);
		if (instance_order(bench, instance, orders[i], NULL, NULL, NULL, &err) < 0)
			give_up(served, instance->column, &err);
	}
}

/* Whatever was measured before: the figures say that it was some work, and which is documented. */
static void look_at_instances(struct served *served)
{
	struct bench *bench = served->bench;

	begin_instances(served);
	for (size_t i = 0; i < bench->column_count && !bench->interrupted_by; i++) {
		struct instance *instance = served->instances + i;

		if (bench->options->suites & BENCH_MEMORY)
			do_some_work(served, instance);
		memory_measure(bench, instance, true);
		exits_measure(bench, instance);
	}
	/* Last: other machines' starts are the dearest. */
	for (size_t i = 0; i < bench->column_count && !bench_is_over(bench, 95); i++)
		memory_measure_more(bench, bench->columns + i, served->instances + i);
}

/* As on the host, one task can hand over to another that runs at the same time. A named bundle has what it has. */
static void choose_vcpus(struct bench *bench)
{
	if (bench->options->bundle || bench->results->host.processors < SERVED_VCPUS)
		return;
	if (bench->software && !bench->options->full) {
		results_note(bench->results,
			"micro-VMs have one processor, since a second takes long to start on a software-only KVM "
			"(--full gives them %d)",
			SERVED_VCPUS);
		return;
	}
	bench->vcpus = SERVED_VCPUS;
	results_note(bench->results, "micro-VMs have %d processors in all suites but start-up", SERVED_VCPUS);
}

void served_measure(struct bench *bench)
{
	cleanup_free char *program = xprintf("%s/" MEASURE_FILE, scratch_inside(bench));
	cleanup_free char *work = xprintf("%s/work", scratch_inside(bench));
	cleanup_free struct instance *instances = xcalloc(bench->column_count, sizeof(*instances));
	cleanup_free bool *gone = xcalloc(bench->column_count, sizeof(*gone));
	struct served served = { .bench = bench, .instances = instances, .gone = gone };
	struct error err;

	if (scratch_configure(bench, (const char *const[]){ program, "serve", work, NULL }, &err) < 0) {
		results_note(bench->results, "%s", err.message);
		return;
	}
	for (size_t i = 0; i < bench->column_count; i++) {
		const char *reason = reason_to_leave_out(bench, bench->columns + i);

		gone[i] = reason || bench->columns[i].skipped;
		if (reason)
			skip_everywhere(bench, bench->columns + i, reason);
	}
	choose_vcpus(bench);
	begin_instances(&served);
	for (size_t i = 0; i < bench->column_count; i++)
		memory_measure(bench, instances + i, false);
	measure_all(&served);
	look_at_instances(&served);
	end_instances(&served, true);
}
