/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that means harm, for the tests of duet sandbox: one verb for each thing that it tries. hostile.table says
 * what has to come of it.
 *
 * Exit status 0: nothing that it tried succeeded. HOSTILE_BREACH: something did, and a line "BREACH: …" says what.
 */
#ifndef TESTS_SANDBOX_HOSTILE_H
#define TESTS_SANDBOX_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>

#define HOSTILE_BREACH 99

struct verb {
	const char *name;
	int (*run)(void);
};

/* Each ends with a NULL name. */
extern const struct verb resource_verbs[], process_verbs[], file_verbs[], kernel_verbs[], network_verbs[];

extern char **hostile_arguments; /* argv behind the verb */

/* What must fail: prints what became of it. result: of the call, with errno. */
void must_fail(const char *what, long result);
/* What must not be. */
void must_not(const char *what, bool happened);
/* The exit status that all of them together mean. */
int verdict(void);

#endif
