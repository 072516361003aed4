/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `duet bench` share. */
#ifndef DUET_BENCH_BENCH_INTERNAL_H
#define DUET_BENCH_BENCH_INTERNAL_H

#include <sys/types.h>

#include "bench/bench.h"
#include "bench/progress.h"

#define BENCH_TIME_UP "the time of the short run was up: --full measures it"

#define MEASURE_FILE "measure" /* the measuring program, beside the guest's files */

enum column_kind { COLUMN_HOST, COLUMN_CONTAINER, COLUMN_MICROVM, COLUMN_SNAPSHOT, COLUMN_PEER };

struct column {
	enum column_kind kind;
	size_t index;  /* in the results */
	char *runtime; /* program of a peer; NULL: duet itself */
	bool skipped;
	bool is_vm;
	uint64_t start_ms; /* what its last start took; 0: not known */
	char *left_out;    /* why it serves no orders, or not any more; NULL: it does */
};

struct bench {
	const struct bench_options *options;
	struct results *results;
	char *program;    /* duet's own path */
	char *scratch;    /* directory of this measurement, removed at its end */
	char *bundle;     /* the bundle that is run, below scratch */
	char *state_root; /* below scratch */
	char *inside;     /* on the host: the directory with the measuring program and `work`; see scratch_inside() */
	bool filtered;    /* the bundle has a seccomp filter */
	int signals;      /* signalfd(2) */
	int interrupted_by;
	bool software; /* the KVM emulates guest kernels: what takes microseconds elsewhere takes milliseconds */
	uint64_t begin_ms, budget_ms; /* budget 0: no bound */
	uint64_t next_id;
	const char *trace;  /* of duet's next `run`; NULL: none */
	unsigned int vcpus; /* of the micro-VMs that are started; 0: as many as the bundle gets without a word */
	struct column *columns;
	size_t column_count;
	struct progress progress;
};

uint64_t bench_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t bench_now_ms(void);

/* ---- scratch.c ---- */

int scratch_make(struct bench *bench, struct error *err);
void scratch_remove(struct bench *bench);
/* Where that directory is behind the walls. */
const char *scratch_inside(const struct bench *bench);
/* Before anything is made: can the bundle that was named, if any, be read? */
int scratch_check_bundle(struct bench *bench, struct error *err);
/* Writes config.json: the process is the measuring program with these words. */
int scratch_configure(struct bench *bench, const char *const *words, struct error *err);

/* ---- host_facts.c ---- */

void host_facts_read(struct bench *bench);

/* ---- process.c: a command and its output ---- */

struct command_process {
	pid_t pid;
	int pidfd;
	int input, output;  /* pipes to and from it; -EBADF: none, or closed */
	int complaints;     /* what it wrote to standard error */
	uint64_t begin_ns;  /* just before it was made */
	struct strbuf text; /* output that was read, not yet taken */
};

enum { PROCESS_INPUT = 1 << 0 };

int process_start(struct bench *bench, const char *const *words, unsigned int flags, struct command_process *process,
	struct error *err);
/* Reads until there is a line, which it takes, without its newline, into *line (allocated); first_ns: when its first
 * byte was there. 1, or 0 at the end of the output; -EINTR when interrupted, -ETIMEDOUT. */
int process_line(
	struct bench *bench, struct command_process *process, uint64_t timeout_ms, char **line, uint64_t *first_ns);
/* Waits for its end; *end_ns: when that was. Its exit status (128 + signal), or a negative errno as above. */
int process_wait(struct bench *bench, struct command_process *process, uint64_t timeout_ms, uint64_t *end_ns);
/* The last line of its standard error, or what its status means; allocated. */
char *process_complaint(const struct command_process *process, int status);
/* Kills it if it is there, and forgets it. */
void process_close(struct command_process *process);

/* Runs it to its end; duration in *ns when given. 0, or negative with *err set: a status other than 0 is -EPROTO. */
int process_run(struct bench *bench, const char *const *words, uint64_t timeout_ms, uint64_t *ns, struct error *err);

/* ---- instance.c: the measuring program in a column, waiting for its orders ---- */

struct instance {
	struct column *column;
	char *id; /* of the container; NULL on the host */
	bool running;
	struct command_process process;
	double ticks_per_second;
};

int instance_start(struct bench *bench, struct column *column, struct instance *instance, struct error *err);
/* One order. Samples go to the cell, when one is given. `operations` and `ns` of the whole may be NULL. -ENOTSUP when
 * it cannot be done there, with the reason in *err; other failures mean that the instance is gone. */
int instance_order(struct bench *bench, struct instance *instance, const char *order, struct results_cell *cell,
	uint64_t *operations, double *ns, struct error *err);
void instance_stop(struct bench *bench, struct instance *instance);
/* What the measuring program answers to "facts": strings that are there already, or not told, stay as they are. */
int instance_read_facts(
	struct bench *bench, struct command_process *process, char **kernel, char **mitigations, struct error *err);

/* The words of the command that runs the bundle in a column; free with free_strings(). */
char **column_command(const struct bench *bench, const struct column *column, const char *verb, const char *id);
char *bench_new_id(struct bench *bench);
/* Ends a container, whatever its state, and what is left of it. */
void bench_delete(struct bench *bench, const struct column *column, const char *id);

/* ---- the suites ---- */

/* Of the results; not the one of exits, which are no cases. */
struct results_suite *bench_suite(struct bench *bench, enum bench_suite suite);

void startup_measure(struct bench *bench);
/* The moments of a traced `run`, from its trace (base/trace.h), as cases of the suite of start-up. */
int phases_read(struct bench *bench, const struct column *column, const char *trace, struct error *err);
void phases_explain_gaps(struct bench *bench, const struct column *column);
void served_measure(struct bench *bench); /* syscalls, files, workloads, memory, exits */
/* Of an instance that waits for orders; before it got any, or after it has worked. */
void memory_measure(struct bench *bench, const struct instance *instance, bool worked);
/* What one more instance beside the first costs. */
void memory_measure_more(struct bench *bench, struct column *column, const struct instance *first);
void exits_measure(struct bench *bench, struct instance *instance);

/* True when nothing more may begin: interrupted, or the time is up. `share`: of the budget, in per cent. */
bool bench_is_over(struct bench *bench, unsigned int share);

#endif
