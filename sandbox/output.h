/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command's standard output and error on their way to the caller's: counted, cut at a limit, with a time before
 * every line when asked. Neither side is ever waited for: a caller that does not read must not stop the clock.
 */
#ifndef DUET_SANDBOX_OUTPUT_H
#define DUET_SANDBOX_OUTPUT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct output;

enum { OUTPUT_SOURCES = 4 }; /* two pipes, and their two destinations */

/* line_prefix: before every line; NULL: none. Kept, not copied. */
struct output *output_open(uint64_t limit_bytes, bool time_stamps, const char *line_prefix);
void output_close(struct output **output);

/* Puts pipes in the place of descriptors 1 and 2, and what can only be read in that of a terminal at 0, for the process
 * that is made next; and the caller's own back. */
int output_redirect(struct output *output, struct error *err);
void output_restore(struct output *output);

/* What to poll(2) for; descriptors are -1 where there is nothing to wait for. */
void output_sources(const struct output *output, struct pollfd sources[OUTPUT_SOURCES]);
/* Moves what can be moved. */
void output_move(struct output *output, const struct pollfd sources[OUTPUT_SOURCES]);
/* Somebody may still write, or something is not delivered yet. */
bool output_is_open(const struct output *output);

uint64_t output_bytes(const struct output *output);     /* what the command wrote */
uint64_t output_cut_bytes(const struct output *output); /* of these not delivered */

#endif
