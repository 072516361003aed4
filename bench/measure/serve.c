/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure/measure.h"

/* A sample takes at least so many times what two readings of the clock take, and at least so long. */
#define SAMPLE_OVERHEADS 200
#define SAMPLE_LEAST_NS  20000
#define OPERATIONS_MOST  (1U << 20)
#define SAMPLES_MOST     100000U

static const struct measure_case *const tables[] = { measure_calls, measure_pages, measure_tasks, measure_talks,
	measure_files, measure_programs };

int measure_fail(struct measure_state *state, const char *what)
{
	int code = errno;

	if (code)
		(void)snprintf(state->reason, sizeof(state->reason), "%s: %s", what, strerror(code));
	else
		(void)snprintf(state->reason, sizeof(state->reason), "%s", what);
	return code ? -code : -ENOTSUP;
}

static const struct measure_case *find_case(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct measure_case *entry = tables[i]; entry->name; entry++) {
			if (strcmp(entry->name, name) == 0)
				return entry;
		}
	}
	return NULL;
}

struct server {
	struct measure_settings settings;
	struct measure_clock clock;
};

/* One sample: duration of so many operations, in nanoseconds, or a negative errno. */
static int take_sample(const struct server *server, const struct measure_case *entry, struct measure_state *state,
	uint64_t operations, double *ns)
{
	uint64_t begin, end;
	int result = entry->before ? entry->before(state, operations) : 0;

	if (result < 0)
		return result;
	state->own_ns = -1;
	begin = clock_ticks(&server->clock);
	result = entry->run(state, operations);
	end = clock_ticks(&server->clock);
	if (entry->after)
		entry->after(state, operations);
	*ns = state->own_ns >= 0 ? state->own_ns : clock_elapsed_ns(&server->clock, begin, end);
	return result;
}

/* How many operations make a sample long enough; a few are done on the way, which warms caches. */
static int find_operations(const struct server *server, const struct measure_case *entry, struct measure_state *state,
	uint64_t *operations)
{
	uint64_t most = entry->operations_max ? entry->operations_max : OPERATIONS_MOST;
	double least = server->clock.overhead_ns * SAMPLE_OVERHEADS, ns = 0;
	int result = 0;

	*operations = entry->operations_once ? entry->operations_once : 1;
	if (entry->operations_once)
		return 0;
	if (least < SAMPLE_LEAST_NS)
		least = SAMPLE_LEAST_NS;
	for (;;) {
		result = take_sample(server, entry, state, *operations, &ns);
		if (result < 0 || ns >= least || *operations >= most)
			return result;
		*operations = 2 * *operations > most ? most : 2 * *operations;
	}
}

static double *samples_buffer(uint64_t count)
{
	double *samples = calloc(count ? count : 1, sizeof(*samples));

	if (!samples)
		abort();
	return samples;
}

static int measure(const struct server *server, const struct measure_case *entry, struct measure_state *state,
	uint64_t count, uint64_t budget_ns)
{
	double *samples = samples_buffer(count), total = 0, ns = 0;
	uint64_t operations = 1, begin, taken = 0;
	int result = find_operations(server, entry, state, &operations);

	begin = monotonic_ns();
	while (result == 0 && taken < count && (taken == 0 || monotonic_ns() - begin < budget_ns)) {
		result = take_sample(server, entry, state, operations, &ns);
		if (result < 0)
			break;
		total += ns;
		samples[taken++] = ns / (double)operations;
	}
	if (result == -ENODATA && taken)
		result = 0;
	for (uint64_t i = 0; i < taken && result == 0; i++)
		printf("sample %llu %.3f\n", (unsigned long long)operations, samples[i]);
	if (result == 0)
		printf("done %llu %.3f\n", (unsigned long long)taken * operations, total);
	free(samples);
	return result;
}

/* The same work without samples, in pieces that the case can do at once. */
static int work(
	const struct server *server, const struct measure_case *entry, struct measure_state *state, uint64_t operations)
{
	uint64_t most = entry->operations_once ? entry->operations_once : entry->operations_max, left = operations;
	double total = 0, ns = 0;
	int result = 0;

	while (left > 0 && result == 0) {
		uint64_t piece = most && left > most ? most : left;

		result = take_sample(server, entry, state, piece, &ns);
		total += ns;
		left -= piece;
	}
	if (result == 0)
		printf("done %llu %.3f\n", (unsigned long long)operations, total);
	return result;
}

static void do_case(const struct server *server, const char *name, uint64_t count, uint64_t budget_ms, int sampled)
{
	const struct measure_case *entry = find_case(name);
	struct measure_state state = { .settings = &server->settings, .fds = { -1, -1, -1, -1 } };
	int result;

	if (!entry || (sampled && count > SAMPLES_MOST)) {
		printf(entry ? "skip %s: too many samples\n" : "skip unknown case %s\n", name);
		return;
	}
	result = entry->prepare ? entry->prepare(&state) : 0;
	if (result == 0 && sampled)
		result = measure(server, entry, &state, count, budget_ms * 1000000U);
	else if (result == 0)
		result = work(server, entry, &state, count);
	if (entry->finish)
		entry->finish(&state);
	for (int i = 0; i < 4; i++) {
		if (state.fds[i] >= 0)
			(void)close(state.fds[i]); /* some are there twice */
	}
	if (result < 0)
		printf("skip %s\n", state.reason[0] ? state.reason : strerror(-result));
}

static void set(struct server *server, const char *name, uint64_t value)
{
	if (strcmp(name, "file-bytes") == 0)
		server->settings.file_bytes = value;
	else {
		printf("skip unknown setting %s\n", name);
		return;
	}
	printf("done 0 0\n");
}

static void obey(struct server *server, const char *line)
{
	unsigned long long count, budget_ms;
	char name[64];

	if (sscanf(line, "measure %63s %llu %llu", name, &count, &budget_ms) == 3)
		do_case(server, name, count, budget_ms, 1);
	else if (sscanf(line, "work %63s %llu", name, &count) == 2)
		do_case(server, name, count, 0, 0);
	else if (sscanf(line, "set %63s %llu", name, &count) == 2)
		set(server, name, count);
	else if (strcmp(line, "facts\n") == 0)
		facts_print();
	else
		printf("skip unknown line\n");
	(void)fflush(stdout);
}

static int serve(const char *program, const char *directory)
{
	static char output[1 << 16];
	uint64_t files_made = 0;
	struct server server = { .settings = { .program = program, .file_bytes = 1 << 20, .files_made = &files_made } };
	char line[256], own[] = "run.XXXXXX";

	/* A directory of its own: others work beside it, and nobody finds what an earlier one left. */
	if (chdir(directory) < 0 || !mkdtemp(own) || chdir(own) < 0) {
		printf("skip %s: %s\n", directory, strerror(errno));
		return 1;
	}
	/* A system call behind the wall can cost much: few large writes. */
	(void)setvbuf(stdout, output, _IOFBF, sizeof(output));
	(void)signal(SIGPIPE, SIG_IGN);
	server.clock = clock_calibrate();
	printf("ready %s %.0f %.3f %ld\n", server.clock.tsc ? "tsc" : "clock_gettime", server.clock.ticks_per_second,
		server.clock.overhead_ns, sysconf(_SC_NPROCESSORS_ONLN));
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		obey(&server, line);
	return 0;
}

int main(int argc, char **argv)
{
	char text[64];

	if (argc == 2 && strcmp(argv[1], "hello") == 0) {
		int length = snprintf(text, sizeof(text), "hello %llu\n", (unsigned long long)monotonic_ns());

		return write(STDOUT_FILENO, text, (size_t)length) == length ? 0 : 1;
	}
	if (argc == 2 && strcmp(argv[1], "nothing") == 0)
		return 0;
	if (argc == 2 && strcmp(argv[1], "facts") == 0) {
		facts_print();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[0], argv[2]);
	fprintf(stderr, "usage: %s hello|nothing|facts|serve DIRECTORY\n", argv[0]);
	return 2;
}
