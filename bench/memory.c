/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: what every process on the host that an instance needs has, as /proc/PID/smaps_rollup tells
 * (proc_pid_smaps(5)): resident, and proportional, where a page that n processes share counts as an nth. What the
 * kernel itself keeps for it is in the charge of its control group only.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/bench_internal.h"
#include "runtime/operations.h"

enum { PROCESSES_MAX = 32768, ROLLUP_BYTES_MAX = 65536, MORE_INSTANCES = 2, MORE_INSTANCES_FULL = 5 };

struct usage {
	uint64_t resident, proportional, huge; /* bytes */
};

struct relation {
	pid_t pid, parent;
};

static uint64_t rollup_bytes(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static void add_process(pid_t pid, struct usage *usage)
{
	cleanup_free char *path = xprintf("/proc/%d/smaps_rollup", (int)pid);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (file_read(AT_FDCWD, path, ROLLUP_BYTES_MAX, &text) < 0 || !text.length)
		return;
	usage->resident += rollup_bytes(text.data, "\nRss:");
	usage->proportional += rollup_bytes(text.data, "\nPss:");
	usage->huge += rollup_bytes(text.data, "\nAnonHugePages:");
}

/* Field 4 of /proc/PID/stat, behind the name in its brackets. */
static pid_t parent_of(pid_t pid)
{
	cleanup_free char *path = xprintf("/proc/%d/stat", (int)pid);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	const char *end;
	int parent;

	if (file_read(AT_FDCWD, path, 4096, &text) < 0 || !text.length)
		return 0;
	end = strrchr(text.data, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static size_t list_processes(struct relation *relations)
{
	cleanup_directory DIR *directory = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (directory && count < PROCESSES_MAX && (entry = readdir(directory))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

		if (pid > 0)
			relations[count++] = (struct relation){ .pid = pid, .parent = parent_of(pid) };
	}
	return count;
}

/* The command that was started, and all that descends from it. */
static struct usage usage_of(const struct instance *instance)
{
	struct relation *relations = xcalloc(PROCESSES_MAX, sizeof(*relations));
	bool *member = xcalloc(PROCESSES_MAX, sizeof(*member));
	size_t count = list_processes(relations);
	struct usage usage = { 0 };
	bool grown = true;

	for (size_t i = 0; i < count; i++)
		member[i] = relations[i].pid == instance->process.pid;
	while (grown) {
		grown = false;
		for (size_t i = 0; i < count; i++) {
			for (size_t j = 0; j < count && !member[i]; j++) {
				if (member[j] && relations[j].pid == relations[i].parent)
					member[i] = grown = true;
			}
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (member[i])
			add_process(relations[i].pid, &usage);
	}
	free(relations);
	free(member);
	return usage;
}

/* ---- cases ---- */

static struct results_cell *cell_of(
	struct bench *bench, const struct column *column, const char *what, const char *moment, const char *title)
{
	struct results_suite *suite = bench_suite(bench, BENCH_MEMORY);
	cleanup_free char *name = xprintf("%s-%s", what, moment);

	return results_case(bench->results, suite, name, title, "bytes")->cells + column->index;
}

static void add(struct results_cell *cell, uint64_t bytes)
{
	results_begin_round(cell);
	results_add_sample(cell, (double)bytes, 1);
}

static void add_charge(struct bench *bench, const struct instance *instance, const char *moment, const char *words)
{
	cleanup_free char *title = xprintf("charged to the control group, %s", words);
	struct results_cell *cell = cell_of(bench, instance->column, "charged", moment, title);
	cleanup_container_statistics struct container_statistics statistics = { 0 };
	struct error err;

	if (!instance->id)
		results_skip(cell, "no control group of its own");
	else if (operation_statistics(bench->state_root, instance->id, &statistics, &err) < 0)
		results_skip(cell, err.message);
	else if (statistics.cgroup.memory_usage_bytes == CGROUP_UNKNOWN)
		results_skip(cell, "the control group does not count memory");
	else
		add(cell, statistics.cgroup.memory_usage_bytes);
}

void memory_measure(struct bench *bench, const struct instance *instance, bool worked)
{
	const char *moment = worked ? "after" : "empty", *words = worked ? "after some work" : "before any work";
	bool wanted = (bench->options->suites & BENCH_MEMORY) && instance->running;
	struct usage usage = wanted ? usage_of(instance) : (struct usage){ 0 };
	const struct {
		const char *what, *title;
		uint64_t bytes;
	} figures[] = {
		{ "proportional", "proportional memory", usage.proportional },
		{ "resident", "resident memory", usage.resident },
		{ "huge-pages", "of it in transparent huge pages", usage.huge },
	};

	if (!wanted)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		cleanup_free char *title = xprintf("%s, %s", figures[i].title, words);

		add(cell_of(bench, instance->column, figures[i].what, moment, title), figures[i].bytes);
	}
	add_charge(bench, instance, moment, words);
}

static int start_more(struct bench *bench, struct column *column, const struct instance *first, struct instance *more,
	size_t count, struct results_cell *cell, struct error *err)
{
	uint64_t before = usage_of(first).proportional;
	int result = 0;

	for (size_t i = 0; i < count && result == 0 && !bench_is_over(bench, 95); i++) {
		uint64_t sum;

		progress_show(&bench->progress, "starting one more", column->start_ms);
		result = instance_start(bench, column, more + i, err);
		if (result < 0)
			break;
		/* What the others share with it counts less for them now. */
		sum = usage_of(first).proportional;
		for (size_t j = 0; j <= i; j++)
			sum += usage_of(more + j).proportional;
		add(cell, sum > before ? sum - before : 0);
		before = sum;
	}
	return result;
}

void memory_measure_more(struct bench *bench, struct column *column, const struct instance *first)
{
	size_t count = bench->options->full ? MORE_INSTANCES_FULL : MORE_INSTANCES;
	struct results_cell *cell;
	struct instance *more;
	struct error err;

	if (!(bench->options->suites & BENCH_MEMORY) || !first->running || bench_is_over(bench, 95))
		return;
	cell = cell_of(bench, column, "proportional", "another", "proportional memory that one more instance adds");
	more = xcalloc(count, sizeof(*more));
	if (start_more(bench, column, first, more, count, cell, &err) < 0 && !bench->interrupted_by)
		results_skip(cell, err.message);
	for (size_t i = 0; i < count; i++)
		instance_stop(bench, more + i);
	free(more);
}
