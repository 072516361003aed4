/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a command goes (`--trace-start FILE`): spans of the runtime and of the process that it makes, in
 * the trace event format that browsers show (chrome://tracing, ui.perfetto.dev; "Trace Event Format", JSON array of
 * complete events). Times are microseconds since the command began.
 *
 * Like the log this is process-wide state, set once before any other thread and before any child. Spans go to memory
 * that is shared with the children, so that a child needs no descriptor for it and what it noted last is seen although
 * it became another program. Without --trace-start a span costs a test of a pointer.
 */
#ifndef DUET_BASE_TRACE_H
#define DUET_BASE_TRACE_H

#include <stdbool.h>

#include "base/error.h"

/* Spans are noted from now on. After sealed_program_enter() has executed the sealed copy the same command goes on: its
 * file is added to, and its beginning stays. path NULL: nothing is noted. Returns 0 or a negative errno with *err set.
 */
int trace_open(const char *path, struct error *err);

/* Adds what was noted to the file and ends the noting. With goes_on the process executes the sealed copy next. Failing
 * is a warning in the log: the command has done its work. */
void trace_close(bool goes_on);

/* From here on this process is another one of the trace's. */
void trace_child(const char *name);

/* Begins a span; the name is cut after 47 bytes. A number for trace_end(), negative when nothing is noted. */
int trace_begin(const char *name);
void trace_end(const int *span);

/* Ends what other processes of the trace have begun: they execute another program from now on. */
void trace_end_children(void);

#define TRACE_JOIN_(left, right) left##right
#define TRACE_NAME_(left, right) TRACE_JOIN_(left, right)
/* A span from here to the end of the block. */
#define trace_scope(name) \
	const int TRACE_NAME_(trace_span_, __LINE__) cleanup(trace_end) __attribute__((unused)) = trace_begin(name)

#endif
