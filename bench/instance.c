/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "bench/bench_internal.h"

enum {
	START_TIMEOUT_MS = 180000,
	ORDER_TIMEOUT_MS = 300000,
	STOP_TIMEOUT_MS = 30000,
	DELETE_TIMEOUT_MS = 30000,
	WORDS_MAX = 24
};

char *bench_new_id(struct bench *bench)
{
	return xprintf("bench-%d-%llu", (int)getpid(), (unsigned long long)bench->next_id++);
}

/* crun, runc and their like take the same words; isolation is duet's alone. */
char **column_command(const struct bench *bench, const struct column *column, const char *verb, const char *id)
{
	char **words = xcalloc(WORDS_MAX, sizeof(*words));
	bool makes = strcmp(verb, "run") == 0 || strcmp(verb, "create") == 0;
	size_t count = 0;

	words[count++] = xstrdup(column->runtime ? column->runtime : bench->program);
	for (char **option = bench->options->commands_options; option && *option && !column->runtime; option++)
		words[count++] = xstrdup(*option);
	if (bench->trace && !column->runtime) {
		words[count++] = xstrdup("--trace-start");
		words[count++] = xstrdup(bench->trace);
	}
	words[count++] = xstrdup("--root");
	words[count++] =
		column->runtime ? xprintf("%s/%s", bench->scratch, column->runtime) : xstrdup(bench->state_root);
	words[count++] = xstrdup(verb);
	if (makes) {
		words[count++] = xstrdup("--bundle");
		words[count++] = xstrdup(bench->bundle);
	}
	if (makes && !column->runtime)
		words[count++] = xstrdup(column->is_vm ? "--isolation=microvm" : "--isolation=container");
	if (makes && column->kind == COLUMN_MICROVM)
		words[count++] = xstrdup("--no-template");
	if (makes && column->is_vm && bench->vcpus)
		words[count++] = xprintf("--vm-vcpus=%u", bench->vcpus);
	if (strcmp(verb, "delete") == 0)
		words[count++] = xstrdup("--force");
	words[count++] = xstrdup(id);
	return words;
}

void bench_delete(struct bench *bench, const struct column *column, const char *id)
{
	char **words = column_command(bench, column, "delete", id);
	int signals = bench->interrupted_by;
	struct error err;

	/* It has to be gone also when somebody wants to go home. */
	bench->interrupted_by = 0;
	if (process_run(bench, (const char *const *)words, DELETE_TIMEOUT_MS, NULL, &err) < 0)
		log_debug("%s", err.message);
	if (signals)
		bench->interrupted_by = signals;
	free_strings(words);
}

static int read_ready(struct bench *bench, struct instance *instance, struct error *err)
{
	cleanup_free char *line = NULL;
	int result = process_line(bench, &instance->process, START_TIMEOUT_MS, &line, NULL);
	char clock[32];

	if (result == 1 && sscanf(line, "ready %31s %lf", clock, &instance->ticks_per_second) == 2)
		return 0;
	if (result == 1)
		return error_set(err, -EPROTO, "the measuring program said \"%s\"", line);
	if (result < 0)
		return error_set(err, -result, "wait for the measuring program");
	result = process_wait(bench, &instance->process, STOP_TIMEOUT_MS, NULL);
	if (result >= 0) {
		cleanup_free char *complaint = process_complaint(&instance->process, result);

		return error_set(err, -EPROTO, "%s", complaint);
	}
	return error_set(err, -result, "wait for the measuring program");
}

static void take_fact(const char *line, const char *name, char **fact)
{
	size_t length = strlen(name);

	if (!*fact && strncmp(line, "fact ", 5) == 0 && strncmp(line + 5, name, length) == 0 && line[5 + length] == ' ')
		*fact = xstrdup(line + 6 + length);
}

int instance_read_facts(
	struct bench *bench, struct command_process *process, char **kernel, char **mitigations, struct error *err)
{
	for (;;) {
		cleanup_free char *line = NULL;
		int result = process_line(bench, process, ORDER_TIMEOUT_MS, &line, NULL);

		if (result <= 0)
			return error_set(err, result ? -result : EPIPE, "wait for what the measuring program knows");
		if (strncmp(line, "done ", 5) == 0)
			return 0;
		take_fact(line, "kernel", kernel);
		take_fact(line, "mitigations", mitigations);
	}
}

static int give_order(struct instance *instance, const char *order, struct error *err)
{
	cleanup_free char *text = xprintf("%s\n", order);

	if (write(instance->process.input, text, strlen(text)) != (ssize_t)strlen(text))
		return error_set(err, errno, "give the measuring program its order");
	return 0;
}

/* Once in a column: its kernel stays. */
static int ask_facts(struct bench *bench, struct instance *instance, struct error *err)
{
	struct results_column *column = bench->results->columns + instance->column->index;
	int result = column->kernel ? 0 : give_order(instance, "facts", err);

	if (result < 0 || column->kernel)
		return result;
	return instance_read_facts(bench, &instance->process, &column->kernel, &column->mitigations, err);
}

int instance_start(struct bench *bench, struct column *column, struct instance *instance, struct error *err)
{
	cleanup_free char *program = xprintf("%s/" MEASURE_FILE, bench->inside);
	cleanup_free char *work = xprintf("%s/work", bench->inside);
	const char *const on_host[] = { program, "serve", work, NULL };
	char **words = NULL;
	int result;

	*instance = (struct instance){ .column = column };
	if (column->kind != COLUMN_HOST) {
		instance->id = bench_new_id(bench);
		words = column_command(bench, column, "run", instance->id);
	}
	result = process_start(
		bench, words ? (const char *const *)words : on_host, PROCESS_INPUT, &instance->process, err);
	if (words)
		free_strings(words);
	if (result == 0) {
		instance->running = true;
		result = read_ready(bench, instance, err);
	}
	if (result == 0)
		result = ask_facts(bench, instance, err);
	if (result == 0)
		column->start_ms = (bench_now_ns() - instance->process.begin_ns) / 1000000;
	else
		instance_stop(bench, instance);
	return result;
}

/* It ends by itself when its input does; what does not end in time is killed. */
void instance_stop(struct bench *bench, struct instance *instance)
{
	int ended = -EINTR;

	close_fd(&instance->process.input);
	if (instance->running && !bench->interrupted_by)
		ended = process_wait(bench, &instance->process, STOP_TIMEOUT_MS, NULL);
	if (instance->running && ended < 0 && instance->id) {
		bench_delete(bench, instance->column, instance->id);
		(void)process_wait(bench, &instance->process, STOP_TIMEOUT_MS, NULL);
	}
	if (instance->running)
		process_close(&instance->process);
	free(instance->id);
	instance->id = NULL;
	instance->running = false;
}

static int end_of_order(const char *line, uint64_t *operations, double *ns, struct error *err)
{
	unsigned long long number;
	double duration;

	if (sscanf(line, "done %llu %lf", &number, &duration) == 2) {
		if (operations)
			*operations = number;
		if (ns)
			*ns = duration;
		return 0;
	}
	if (strncmp(line, "skip ", 5) == 0)
		return error_set(err, -ENOTSUP, "%s", line + 5);
	return error_set(err, -EPROTO, "the measuring program said \"%s\"", line);
}

int instance_order(struct bench *bench, struct instance *instance, const char *order, struct results_cell *cell,
	uint64_t *operations, double *ns, struct error *err)
{
	int result = give_order(instance, order, err);

	if (result < 0)
		return result;
	if (cell)
		results_begin_round(cell);
	for (;;) {
		cleanup_free char *line = NULL;
		unsigned long long number;
		double value;

		result = process_line(bench, &instance->process, ORDER_TIMEOUT_MS, &line, NULL);
		if (result <= 0)
			return error_set(err, result ? -result : EPIPE, "%s: wait for the measuring program", order);
		if (!cell || sscanf(line, "sample %llu %lf", &number, &value) != 2)
			return end_of_order(line, operations, ns, err);
		results_add_sample(cell, value, number);
	}
}
