/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `duet compare` share. */
#ifndef DUET_BENCH_COMPARE_INTERNAL_H
#define DUET_BENCH_COMPARE_INTERNAL_H

#include "bench/compare.h"
#include "bench/trace.h"
#include "seccomp/seccomp.h"

enum { PROBE_FIELDS_MAX = 14 };

/* Every bundle that is compared gets these limits: what goes wrong on purpose must stay small. */
#define COMPARE_MEMORY_BYTES (128ULL << 20)
#define COMPARE_PIDS         64U

/* A line that the probe said, its fields in order; text of a guest made printable. */
struct probe_line {
	char *fields[PROBE_FIELDS_MAX];
	size_t count;
};

struct probe_output {
	struct probe_line *lines;
	size_t count;
	char *storage;
	int status;      /* exit status of the run */
	char *complaint; /* what duet said on standard error, one line; NULL: nothing */
	bool complete;   /* the probe came to its end */
};

/* Takes apart what a probe wrote; text is changed and kept. */
void probe_output_parse(struct probe_output *output, char *text);
void probe_output_free(struct probe_output *output);
#define cleanup_probe_output cleanup(probe_output_free)

/* The first line of that kind and name, or NULL. */
const struct probe_line *probe_find(const struct probe_output *output, const char *kind, const char *name);
/* A field of a line; "" when it has none of that number. */
const char *probe_field(const struct probe_line *line, size_t index);

/* The bundles of a comparison: below ROOT/.compare, removed at its end or by the next comparison. */
struct compare_session {
	const struct compare_options *options;
	char *id;   /* also the name of every container */
	char *path; /* the directory */
	int directory_fd, probe_fd;
	char *probe_path;
	int signals_fd;                /* signalfd(2) of what ends a command */
	char *configuration;           /* text of the bundle's config.json */
	struct seccomp_program filter; /* of the bundle; without instructions: it has none */
	uint64_t capabilities;         /* effective ones of its process */
	bool user_namespace;           /* it has one of its own */
	bool unlimited;                /* limits cannot be set here: nothing goes wrong on purpose */
};

int compare_session_open(struct compare_session *session, const struct compare_options *options, struct error *err);
void compare_session_close(struct compare_session *session);
#define cleanup_compare_session cleanup(compare_session_close)

/* The system call filter of the built-in bundle: the calls that engines' default profiles keep back. */
void compare_default_filter(struct strbuf *json);

/* What a probe runs in. */
struct probe_run {
	enum compare_column column;
	const char *const *words; /* the probe's arguments, NULL-terminated */
	unsigned timeout_s;
	/* Called from time to time with the container's output so far; NULL: nobody. */
	void (*look)(void *context, const char *text, size_t length);
	void *context;
	struct trace *trace; /* in shared memory; NULL: it is not traced */
};

/* Runs the probe as the bundle's process. 0, however it ended; -EINTR; or a negative errno when it could not be tried.
 */
int compare_run(
	struct compare_session *session, const struct probe_run *run, struct probe_output *output, struct error *err);

/* A copy of one line of printable ASCII: control characters become blanks, the rest a question mark. Allocated. */
char *compare_printable(const char *text);

struct compare_line *compare_add_line(struct compare_lines *lines, const char *name, const char *title);
void compare_set(struct compare_line *line, enum compare_column column, enum compare_state state,
	enum compare_refuser by, const char *format, ...) printf_like(5, 6);

/* A cell in words: "refused by system call filter: Operation not permitted". */
void compare_cell_words(const struct compare_cell *cell, struct strbuf *words);

/* What was seen of a monitor from the host, while its guest's process stood still. */
struct compare_monitor {
	const char *state_root, *id; /* the container's */
	bool looked;
	struct strbuf descriptors, capabilities; /* in words; empty: not seen */
};

/* The traces of a container and a micro-VM, each NULL or in shared memory. */
struct compare_traces {
	struct trace *columns[COMPARE_COLUMNS];
	char *refused[COMPARE_COLUMNS]; /* why there is none */
};

/* For struct probe_run.look, with a struct compare_monitor. */
void compare_look_at_monitor(void *context, const char *text, size_t length);

/* One for each column; those that were not run are empty. */
void compare_kernel(struct comparison *comparison, const struct probe_output outputs[COMPARE_COLUMNS]);
void compare_surface(struct comparison *comparison, const struct compare_session *session,
	const struct probe_output outputs[COMPARE_COLUMNS], const struct compare_monitor *monitor,
	const struct compare_traces *traces);
void compare_attempts(struct comparison *comparison, const struct compare_session *session,
	const struct probe_output outputs[COMPARE_COLUMNS]);

#endif
