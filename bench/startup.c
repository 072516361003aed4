/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up: from the command to the end of everything, with a process that says hello and ends; and the same in the
 * steps of an engine: create, start, delete.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/bench_internal.h"
#include "runtime/guest_files.h"

enum { RUN_TIMEOUT_MS = 180000, STEP_TIMEOUT_MS = 180000 };

/* Parts of the time, in per cent, after which no more start is begun: of a micro-VM, of one that has no sample yet, and
 * of what takes milliseconds. */
enum { VM_SHARE = 35, FIRST_SHARE = 60, SHARE = 60 };

enum startup_case { RUN, ENTERED, FIRST_OUTPUT, FROM_OUTPUT, RUN_COLD, CREATE, START, DELETE, STARTUP_CASES };

enum counting { NOT_COUNTED, COUNTED, COUNTED_COLD };

static const struct {
	const char *name, *title;
} cases[STARTUP_CASES] = {
	[RUN] = { "run", "from the command to its end, everything deleted" },
	[ENTERED] = { "entered", "from the command to the process's first instruction" },
	[FIRST_OUTPUT] = { "first-output", "from the command to the first byte of output" },
	[FROM_OUTPUT] = { "end", "from the first byte of output to the command's end" },
	[RUN_COLD] = { "run-cold", "from the command to its end, files out of the page cache" },
	[CREATE] = { "create", "create" },
	[START] = { "start", "start, to the first byte of output" },
	[DELETE] = { "delete", "delete" },
};

static struct results_cell *cell_of(struct bench *bench, const struct column *column, enum startup_case which)
{
	struct results_suite *suite = bench_suite(bench, BENCH_STARTUP);

	return results_case(bench->results, suite, cases[which].name, cases[which].title, "ns")->cells + column->index;
}

static void add(struct bench *bench, const struct column *column, enum startup_case which, uint64_t ns)
{
	struct results_cell *cell = cell_of(bench, column, which);

	results_begin_round(cell);
	results_add_sample(cell, (double)ns, 1);
}

struct moments {
	uint64_t entered_ns; /* of the host's clock; 0: another kernel's, or not said */
	uint64_t first_ns, end_ns;
};

/* A line, the end of output, the end of the process. */
static int watch(struct bench *bench, const struct column *column, struct command_process *process,
	struct moments *moments, struct error *err)
{
	cleanup_free char *line = NULL, *rest = NULL;
	int result = process_line(bench, process, RUN_TIMEOUT_MS, &line, &moments->first_ns);
	unsigned long long entered;

	if (result == 1 && sscanf(line, "hello %llu", &entered) == 1 && !column->is_vm)
		moments->entered_ns = entered;
	if (result == 1)
		result = process_line(bench, process, RUN_TIMEOUT_MS, &rest, NULL);
	if (result < 0)
		return error_set(err, -result, "wait for the output");
	result = process_wait(bench, process, RUN_TIMEOUT_MS, &moments->end_ns);
	if (result < 0)
		return error_set(err, -result, "wait for the end");
	if (result > 0 || !line) {
		cleanup_free char *complaint = process_complaint(process, result);

		return error_set(err, -EPROTO, "%s", complaint);
	}
	return 0;
}

static int run_once(struct bench *bench, struct column *column, enum counting counting, struct error *err)
{
	cleanup_free char *program = xprintf("%s/" MEASURE_FILE, bench->inside), *id = bench_new_id(bench);
	const char *const on_host[] = { program, "hello", NULL };
	char **words = column->kind == COLUMN_HOST ? NULL : column_command(bench, column, "run", id);
	struct command_process process = { .pidfd = -EBADF };
	struct moments moments = { 0 };
	int result = process_start(bench, words ? (const char *const *)words : on_host, 0, &process, err);
	uint64_t begin_ns = process.begin_ns;

	if (result == 0) {
		result = watch(bench, column, &process, &moments, err);
		if (result < 0 && words)
			bench_delete(bench, column, id);
		process_close(&process);
	}
	if (words)
		free_strings(words);
	if (result < 0)
		return result;
	column->start_ms = (moments.end_ns - begin_ns) / 1000000;
	if (counting == COUNTED_COLD)
		add(bench, column, RUN_COLD, moments.end_ns - begin_ns);
	if (counting != COUNTED)
		return 0;
	add(bench, column, RUN, moments.end_ns - begin_ns);
	add(bench, column, FIRST_OUTPUT, moments.first_ns - begin_ns);
	add(bench, column, FROM_OUTPUT, moments.end_ns - moments.first_ns);
	if (moments.entered_ns > begin_ns)
		add(bench, column, ENTERED, moments.entered_ns - begin_ns);
	return 0;
}

static int step(struct bench *bench, const struct column *column, const char *verb, const char *id, uint64_t *ns,
	struct error *err)
{
	char **words = column_command(bench, column, verb, id);
	int result = process_run(bench, (const char *const *)words, STEP_TIMEOUT_MS, ns, err);

	free_strings(words);
	return result;
}

/* The container keeps the output of `create`; it says hello when `start` lets it, and then its end has to be awaited
 * before `delete` is what an engine does. */
static int create_and_start(
	struct bench *bench, const struct column *column, const char *id, uint64_t ns[STARTUP_CASES], struct error *err)
{
	char **words = column_command(bench, column, "create", id);
	struct command_process process = { .pidfd = -EBADF };
	cleanup_free char *line = NULL, *rest = NULL;
	uint64_t created_ns = 0, start_ns, first_ns = 0;
	int result = process_start(bench, (const char *const *)words, 0, &process, err);

	free_strings(words);
	if (result < 0)
		return result;
	result = process_wait(bench, &process, STEP_TIMEOUT_MS, &created_ns);
	if (result > 0) {
		cleanup_free char *complaint = process_complaint(&process, result);

		result = error_set(err, -EPROTO, "%s", complaint);
	} else if (result < 0) {
		result = error_set(err, -result, "wait for create");
	}
	ns[CREATE] = created_ns - process.begin_ns;
	start_ns = bench_now_ns();
	if (result == 0)
		result = step(bench, column, "start", id, NULL, err);
	if (result == 0 && (process_line(bench, &process, STEP_TIMEOUT_MS, &line, &first_ns) != 1 ||
				   process_line(bench, &process, STEP_TIMEOUT_MS, &rest, NULL) != 0))
		result = error_set(err, -EPROTO, "there was no output");
	ns[START] = first_ns - start_ns;
	process_close(&process);
	return result;
}

static int steps_once(struct bench *bench, struct column *column, struct error *err)
{
	cleanup_free char *id = bench_new_id(bench);
	uint64_t ns[STARTUP_CASES] = { 0 };
	int result = create_and_start(bench, column, id, ns, err);

	if (result == 0)
		result = step(bench, column, "delete", id, ns + DELETE, err);
	if (result < 0) {
		bench_delete(bench, column, id);
		return result;
	}
	add(bench, column, CREATE, ns[CREATE]);
	add(bench, column, START, ns[START]);
	add(bench, column, DELETE, ns[DELETE]);
	return 0;
}

/* ---- the plan ---- */

static uint64_t runs_of(const struct bench *bench, const struct column *column)
{
	uint64_t runs = bench->results->runs;

	if (!column->is_vm || bench->options->full || bench->options->runs)
		return runs;
	if (!bench->software)
		return runs < 5 ? runs : 5;
	return column->kind == COLUMN_SNAPSHOT ? 3 : 1;
}

/* Spread over all the rounds, beginning with the first. */
static bool has_turn(uint64_t round, uint64_t rounds, uint64_t runs)
{
	return round * runs % rounds < runs;
}

static void skip_all(struct bench *bench, const struct column *column, const char *reason)
{
	for (int which = 0; which < STARTUP_CASES; which++)
		results_skip(cell_of(bench, column, which), reason);
}

static void explain_gaps(struct bench *bench, const struct column *column)
{
	bool few = column->is_vm && bench->software && !bench->options->full;

	if (!bench->interrupted_by && !column->skipped && !cell_of(bench, column, RUN)->sample_count)
		skip_all(bench, column, BENCH_TIME_UP);
	phases_explain_gaps(bench, column);
	if (column->kind == COLUMN_HOST) {
		for (int which = CREATE; which <= DELETE; which++)
			results_skip(cell_of(bench, column, which), "there is no runtime on the host");
	}
	if (column->kind == COLUMN_SNAPSHOT)
		results_skip(cell_of(bench, column, RUN_COLD), "its template stays in the page cache");
	if (column->kind == COLUMN_PEER)
		results_skip(cell_of(bench, column, RUN_COLD), "which files it needs is not known");
	if (column->kind == COLUMN_MICROVM && bench->software)
		results_skip(
			cell_of(bench, column, RUN_COLD), "what is emulated takes so long that the disk does not show");
	if (column->is_vm)
		results_skip(cell_of(bench, column, ENTERED), "the guest's clock is not the host's");
	for (int which = CREATE; which <= DELETE && few; which++)
		results_skip(
			cell_of(bench, column, which), "a start takes long on a software-only KVM: --full measures it");
}

static void fail(struct bench *bench, struct column *column, const struct error *err)
{
	if (bench->interrupted_by)
		return;
	column->skipped = true;
	skip_all(bench, column, err->message);
	results_note(bench->results, "%s: %s", bench->results->columns[column->index].name, err->message);
}

/* A micro-VM's start is so long that its trace costs nothing: that run counts as well. */
static int run_traced(struct bench *bench, struct column *column, enum counting counting, struct error *err)
{
	cleanup_free char *trace = xprintf("%s/trace.json", bench->scratch);
	int result;

	bench->trace = trace;
	result = run_once(bench, column, counting, err);
	bench->trace = NULL;
	return result < 0 ? result : phases_read(bench, column, trace, err);
}

static void forget_file(int fd)
{
	/* What somebody maps stays, as the text of this very program does: dropped is what can be. */
	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void forget_files(const struct bench *bench, const struct column *column)
{
	static const char *const guest_files[] = { "vmlinux", "initrd.cpio" };
	cleanup_free char *measure = xprintf("%s/" MEASURE_FILE, bench->inside);
	cleanup_fd int program_fd = open(bench->program, O_RDONLY | O_CLOEXEC);
	cleanup_fd int measure_fd = open(measure, O_RDONLY | O_CLOEXEC);
	struct error err;

	forget_file(program_fd);
	forget_file(measure_fd);
	for (size_t i = 0; i < ARRAY_SIZE(guest_files) && column->is_vm; i++) {
		cleanup_free char *name = NULL;
		cleanup_fd int fd = guest_file_open(NULL, guest_files[i], &name, &err);

		forget_file(fd);
	}
}

static int run_cold(struct bench *bench, struct column *column, struct error *err)
{
	if (column->kind == COLUMN_SNAPSHOT || column->kind == COLUMN_PEER || (column->is_vm && bench->software))
		return 0;
	forget_files(bench, column);
	return run_once(bench, column, COUNTED_COLD, err);
}

static void measure_column(struct bench *bench, struct column *column, bool steps)
{
	const char *title = bench->results->columns[column->index].title;
	struct error err;
	int result = 0;

	progress_show(&bench->progress, title, column->start_ms);
	if (!column->is_vm)
		result = run_once(bench, column, COUNTED, &err);
	if (result == 0 && (column->is_vm || column->kind == COLUMN_CONTAINER))
		result = run_traced(bench, column, column->is_vm ? COUNTED : NOT_COUNTED, &err);
	if (result == 0)
		result = run_cold(bench, column, &err);
	if (result == 0 && steps)
		result = steps_once(bench, column, &err);
	if (result < 0)
		fail(bench, column, &err);
}

/* Once without counting: the page cache and the filter cache are warm then, and the template of the guest is there. */
static void warm_up(struct bench *bench)
{
	struct error err;

	for (size_t i = 0; i < bench->column_count && !bench_is_over(bench, 100); i++) {
		struct column *column = bench->columns + i;

		if (column->skipped || (column->kind == COLUMN_MICROVM && bench->software))
			continue;
		progress_show(&bench->progress, "warming up", bench->software && column->is_vm ? 20000 : 50);
		if (run_once(bench, column, NOT_COUNTED, &err) < 0)
			fail(bench, column, &err);
	}
}

static bool has_time(struct bench *bench, const struct column *column)
{
	bool first = !cell_of(bench, column, RUN)->sample_count;

	return !bench_is_over(bench, !column->is_vm ? SHARE : first ? FIRST_SHARE : VM_SHARE);
}

void startup_measure(struct bench *bench)
{
	cleanup_free char *program = xprintf("%s/" MEASURE_FILE, scratch_inside(bench));
	uint64_t rounds = bench->results->runs;
	struct error err;

	if (scratch_configure(bench, (const char *const[]){ program, "hello", NULL }, &err) < 0) {
		results_note(bench->results, "%s", err.message);
		return;
	}
	warm_up(bench);
	for (size_t i = 0; i < bench->column_count; i++) {
		if (!bench->columns[i].skipped)
			progress_expect(
				&bench->progress, runs_of(bench, bench->columns + i) * bench->columns[i].start_ms);
	}
	for (uint64_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < bench->column_count; i++) {
			struct column *column = bench->columns + i;
			bool few = column->is_vm && bench->software && !bench->options->full;

			if (!column->skipped && has_turn(round, rounds, runs_of(bench, column)) &&
				has_time(bench, column))
				measure_column(bench, column, column->kind != COLUMN_HOST && !few);
		}
	}
	for (size_t i = 0; i < bench->column_count; i++)
		explain_gaps(bench, bench->columns + i);
}
