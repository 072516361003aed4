/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probe tries (bench/probe/attempts_*.c), in words, and who refused it.
 */
#ifndef DUET_BENCH_ATTEMPTS_H
#define DUET_BENCH_ATTEMPTS_H

#include "bench/compare_internal.h"

/* What is known of the process that tried. */
struct attempt_setting {
	bool guest;                           /* its kernel is a guest's */
	bool user_namespace;                  /* its capabilities hold in a user namespace alone */
	uint64_t capabilities;                /* effective, bit N: capability N */
	const struct seccomp_program *filter; /* without instructions: none */
};

struct attempt_text {
	const char *name, *title;
	int capability; /* that it takes; -1: none */
	/* Who refuses when neither the filter nor a missing capability explains it. */
	enum compare_refuser container, guest;
};

extern const struct attempt_text attempt_texts[]; /* ends with a NULL name */

/* From a line of the probe to who refused. */
enum compare_refuser attempt_refuser(
	const struct attempt_text *text, const struct probe_line *line, const struct attempt_setting *setting);

#endif
