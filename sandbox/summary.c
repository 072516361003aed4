/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a person: a line about one run, a table about many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "sandbox/internal.h"

#define NAMED_RUNS 10 /* of each outcome, in the table */

static bool has_peak(const struct sandbox_result *result)
{
	return result->statistics_there && result->usage.memory_peak_bytes != CGROUP_UNKNOWN;
}

void summary_line(const struct sandbox *sandbox)
{
	const struct sandbox_result *result = &sandbox->result;
	char reason[SANDBOX_REASON_BYTES];

	if (result->cut_bytes && !sandbox->settings->quiet)
		fprintf(stderr, "duet sandbox: %llu bytes of output were cut\n", (unsigned long long)result->cut_bytes);
	if (sandbox->settings->quiet || !isatty(STDERR_FILENO))
		return;
	report_reason(sandbox, reason, sizeof(reason));
	strbuf_disarm(reason);
	fprintf(stderr, "duet sandbox: %s; %.2f s", reason, (double)result->wall_ms / 1e3);
	if (result->statistics_there && result->usage.cpu_usage_ns != CGROUP_UNKNOWN)
		fprintf(stderr, ", processor %.2f s", (double)result->usage.cpu_usage_ns / 1e9);
	if (has_peak(result))
		fprintf(stderr, ", memory %.1f MiB", (double)result->usage.memory_peak_bytes / 0x1p20);
	fputc('\n', stderr);
}

/* ---- many ---- */

/* Runs of one outcome stand together, in the order of their times. */
static int compare(const void *left, const void *right)
{
	const struct sandbox *const *a = left, *const *b = right;
	int status_a = sandbox_exit_status(*a), status_b = sandbox_exit_status(*b);

	if ((*a)->result.cause != (*b)->result.cause)
		return (*a)->result.cause < (*b)->result.cause ? -1 : 1;
	if (status_a != status_b)
		return status_a < status_b ? -1 : 1;
	return (*a)->result.wall_ms < (*b)->result.wall_ms ? -1 : (*a)->result.wall_ms > (*b)->result.wall_ms;
}

static bool is_same_outcome(const struct sandbox *a, const struct sandbox *b)
{
	return a->result.cause == b->result.cause && sandbox_exit_status(a) == sandbox_exit_status(b);
}

static void print_numbers(const struct sandbox *const *runs, size_t count)
{
	for (size_t i = 0; i < count && i < NAMED_RUNS; i++)
		fprintf(stderr, "%s%u", i ? ", " : "", runs[i]->number);
	if (count > NAMED_RUNS)
		fputs(", ...", stderr);
}

static void print_outcome(const struct sandbox *const *runs, size_t count)
{
	const struct sandbox *median = runs[count / 2];
	uint64_t peak = 0;

	for (size_t i = 0; i < count; i++) {
		if (has_peak(&runs[i]->result) && runs[i]->result.usage.memory_peak_bytes > peak)
			peak = runs[i]->result.usage.memory_peak_bytes;
	}
	fprintf(stderr, "%-18s %6d %6zu %9.2f %9.2f %9.2f  ", report_status(&runs[0]->result),
		sandbox_exit_status(runs[0]), count, (double)runs[0]->result.wall_ms / 1e3,
		(double)median->result.wall_ms / 1e3, (double)runs[count - 1]->result.wall_ms / 1e3);
	if (peak)
		fprintf(stderr, "%8.1f MiB  ", (double)peak / 0x1p20);
	else
		fprintf(stderr, "%12s  ", "-");
	print_numbers(runs, count);
	fputc('\n', stderr);
}

void summary_table(const struct sandbox *sandboxes, size_t count, size_t asked)
{
	const struct sandbox **runs;
	size_t passed = 0;

	if (count == 0 || sandboxes[0].settings->quiet)
		return;
	runs = xcalloc(count, sizeof(const struct sandbox *));
	for (size_t i = 0; i < count; i++) {
		runs[i] = &sandboxes[i];
		passed += sandbox_exit_status(&sandboxes[i]) == 0;
	}
	qsort(runs, count, sizeof(const struct sandbox *), compare);
	fprintf(stderr, "duet sandbox: %zu of %zu runs ended with status 0", passed, asked);
	if (count < asked)
		fprintf(stderr, ", %zu were not begun", asked - count);
	fprintf(stderr, "\n%-18s %6s %6s %9s %9s %9s  %12s  %s\n", "outcome", "status", "runs", "min s", "median s",
		"max s", "memory peak", "which");
	for (size_t begin = 0, end = 0; begin < count; begin = end) {
		while (end < count && is_same_outcome(runs[begin], runs[end]))
			end++;
		print_outcome(runs + begin, end - begin);
	}
	free(runs);
}
