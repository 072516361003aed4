/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/alloc.h"
#include "base/sealed_program.h"
#include "base/strbuf.h"
#include "bench/bench_internal.h"

/* The default run ends within five minutes: what is over this is not begun any more. */
#define BUDGET_MS    240000U
#define RUNS_DEFAULT 20U
#define RUNS_FULL    50U

static const char *const suite_names[] = { "startup", "syscalls", "files", "workloads", "memory", "exits", NULL };
static const char *const column_names[] = { "host", "container", "microvm", "microvm-snapshot", NULL };

static int refuse_word(
	const char *word, const char *const *names, const char *option, const char *list, struct error *err)
{
	cleanup_strbuf struct strbuf known = STRBUF_INIT;

	for (unsigned int i = 0; names[i]; i++)
		strbuf_printf(&known, "%s%s", i ? ", " : "", names[i]);
	return error_set(err, -EINVAL, "--%s %s: there is no \"%s\" (%s)", option, list, word, known.data);
}

static int parse_list(
	const char *list, const char *const *names, const char *option, unsigned int *bits, struct error *err)
{
	cleanup_free char *copy = xstrdup(list);
	unsigned int found = 0;
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		unsigned int i = 0;

		while (names[i] && strcmp(names[i], word) != 0)
			i++;
		if (!names[i])
			return refuse_word(word, names, option, list, err);
		found |= 1U << i;
	}
	*bits = found;
	return 0;
}

int bench_parse_suites(const char *list, unsigned int *suites, struct error *err)
{
	return parse_list(list, suite_names, "suite", suites, err);
}

int bench_parse_columns(const char *list, unsigned int *columns, struct error *err)
{
	return parse_list(list, column_names, "isolation", columns, err);
}

bool bench_is_over(struct bench *bench, unsigned int share)
{
	if (bench->interrupted_by)
		return true;
	if (!bench->budget_ms || bench_now_ms() - bench->begin_ms < bench->budget_ms * share / 100)
		return false;
	results_note(bench->results,
		"the time of the short run was up before all rounds were done: cases have fewer samples (--full takes "
		"the time that it takes)");
	return true;
}

/* ---- columns ---- */

static struct column *add_column(
	struct bench *bench, enum column_kind kind, const char *name, const char *title, const char *skipped)
{
	struct column *column;

	bench->columns = xrealloc(bench->columns, bench->column_count + 1, sizeof(*bench->columns));
	column = bench->columns + bench->column_count++;
	*column = (struct column){
		.kind = kind,
		.index = results_add_column(bench->results, name, title, skipped),
		.skipped = skipped,
		.is_vm = kind == COLUMN_MICROVM || kind == COLUMN_SNAPSHOT,
	};
	return column;
}

static bool is_on_path(const char *program)
{
	cleanup_free char *path = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	char *rest = path, *directory;

	while ((directory = strsep(&rest, ":"))) {
		cleanup_free char *file = xprintf("%s/%s", directory, program);

		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static void plan_columns(struct bench *bench)
{
	const struct bench_options *options = bench->options;
	bool kvm = bench->results->host.kvm;
	const char *no_kvm = kvm ? NULL : "/dev/kvm is missing, or not for this user";

	if (options->columns & BENCH_HOST)
		add_column(bench, COLUMN_HOST, "host", "host, no wall", NULL);
	if (options->columns & BENCH_CONTAINER)
		add_column(bench, COLUMN_CONTAINER, "container", "container", NULL);
	if (options->columns & BENCH_SNAPSHOT)
		add_column(bench, COLUMN_SNAPSHOT, "microvm-snapshot", "micro-VM from a snapshot", no_kvm);
	if (options->columns & BENCH_MICROVM)
		add_column(bench, COLUMN_MICROVM, "microvm", "micro-VM, cold boot", no_kvm);
	for (char **peer = options->peers; peer && *peer; peer++) {
		bool there = is_on_path(*peer);

		add_column(bench, COLUMN_PEER, *peer, *peer, there ? NULL : "it is not installed")->runtime =
			xstrdup(*peer);
	}
}

static const struct {
	enum bench_suite suite;
	const char *name, *title;
} suites[] = {
	{ BENCH_STARTUP, "startup", "Start-up" },
	{ BENCH_SYSCALLS, "syscalls", "System calls and kernel work" },
	{ BENCH_FILES, "files", "File work on the root file system" },
	{ BENCH_WORKLOADS, "workloads", "Whole workloads" },
	{ BENCH_MEMORY, "memory", "Memory on the host" },
};

struct results_suite *bench_suite(struct bench *bench, enum bench_suite suite)
{
	size_t i = 0;

	while (suites[i].suite != suite)
		i++;
	return results_suite(bench->results, suites[i].name, suites[i].title);
}

/* In the order in which they are read, not in that of their first samples. */
static void plan_suites(struct bench *bench)
{
	bool machine = false;

	for (size_t i = 0; i < ARRAY_SIZE(suites); i++) {
		if (bench->options->suites & suites[i].suite)
			(void)bench_suite(bench, suites[i].suite);
	}
	for (size_t i = 0; i < bench->column_count; i++)
		machine = machine || (bench->columns[i].is_vm && !bench->columns[i].skipped);
	if ((bench->options->suites & BENCH_EXITS) && !machine)
		results_note(bench->results, "exits are not counted: there is no micro-VM among the columns");
}

/* ---- the run ---- */

static int open_signals(struct bench *bench, sigset_t *before, struct error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, before) < 0)
		return error_set(err, errno, "block signals");
	/* A write to a process that has ended is an error there, not the end here. */
	sigdelset(&set, SIGPIPE);
	bench->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return bench->signals < 0 ? error_set(err, errno, "signalfd") : 0;
}

static void begin_results(struct bench *bench)
{
	const struct bench_options *options = bench->options;
	time_t now = time(NULL);
	struct tm utc;
	char text[32];

	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	bench->results->started = xstrdup(text);
	bench->results->runs = options->runs ? options->runs : options->full ? RUNS_FULL : RUNS_DEFAULT;
	bench->results->full = options->full;
	bench->begin_ms = bench_now_ms();
	bench->budget_ms = options->full || options->runs ? 0 : BUDGET_MS;
	bench->progress.shown = options->progress;
}

/* Nothing is left out without a word. */
static void explain_gaps(struct bench *bench, const struct results_case *entry)
{
	for (size_t i = 0; i < bench->column_count; i++) {
		const struct column *column = bench->columns + i;
		const char *skipped = bench->results->columns[i].skipped;

		if (!entry->cells[i].sample_count)
			results_skip(entry->cells + i, skipped                 ? skipped
						       : column->left_out      ? column->left_out
						       : bench->interrupted_by ? "interrupted before it was measured"
									       : BENCH_TIME_UP);
	}
}

static void finish_results(struct bench *bench)
{
	struct results *results = bench->results;

	results->host.seccomp = xstrdup(bench->filtered ? "the bundle's filter on the container's process"
							: "no filter on the container's process");
	results->seconds = (double)(bench_now_ms() - bench->begin_ms) / 1e3;
	results->interrupted = bench->interrupted_by;
	for (size_t i = 0; i < results->suite_count; i++) {
		for (size_t j = 0; j < results->suites[i].case_count; j++)
			explain_gaps(bench, results->suites[i].cases + j);
	}
	results_summarize(results);
}

static int measure(struct bench *bench, struct error *err)
{
	int result = scratch_check_bundle(bench, err);

	if (result == 0)
		result = scratch_make(bench, err);
	if (result < 0)
		return result;
	host_facts_read(bench);
	plan_columns(bench);
	plan_suites(bench);
	if (bench->options->suites & BENCH_STARTUP)
		startup_measure(bench);
	if (bench->options->suites & ~(unsigned int)BENCH_STARTUP && !bench->interrupted_by)
		served_measure(bench);
	progress_end(&bench->progress);
	finish_results(bench);
	return 0;
}

static void free_columns(struct bench *bench)
{
	for (size_t i = 0; i < bench->column_count; i++) {
		free(bench->columns[i].runtime);
		free(bench->columns[i].left_out);
	}
	free(bench->columns);
}

int bench_run(const struct bench_options *options, struct results **ret, struct error *err)
{
	cleanup_results struct results *results = results_new();
	struct bench bench = { .options = options, .results = results, .signals = -EBADF };
	sigset_t before;
	int result;

	bench.program = sealed_program_path();
	if (!bench.program)
		return error_set(err, -ENOENT, "find out where this program is");
	begin_results(&bench);
	result = open_signals(&bench, &before, err);
	if (result == 0)
		result = measure(&bench, err);
	progress_end(&bench.progress);
	scratch_remove(&bench);
	close_fd(&bench.signals);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	free_columns(&bench);
	free(bench.program);
	if (result == 0)
		*ret = take_pointer(&results);
	return result;
}
