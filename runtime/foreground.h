/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that waits for the process it made: `run` and `exec` without --detach. Signals are forwarded, the terminal
 * is joined with the caller's, which is restored at the end, and the exit status comes back.
 */
#ifndef DUET_RUNTIME_FOREGROUND_H
#define DUET_RUNTIME_FOREGROUND_H

#include "runtime/child.h"

struct foreground;

struct foreground_plan {
	struct child *child; /* its signal_fd is that of foreground_block_signals() */
	int terminal_fd;     /* the pty's master to be joined with the caller's terminal; negative: none */
	/* Delivers a signal to the process. */
	int (*signal)(void *context, int signal, struct error *err);
	void *context;
};

/* Blocks every signal but those of the program's own faults and returns a signalfd(2) of them. To be called before the
 * clone: a signal that arrives meanwhile must find its way to the process and not end the runtime half-way. */
int foreground_block_signals(struct error *err);

/* The caller's terminal becomes raw, if there is one to join. */
int foreground_open(struct foreground **foreground, const struct foreground_plan *plan, struct error *err);
/* Until the process has ended and what it wrote to its terminal has been written. The exit status for the command, or a
 * negative errno, also for a last word (LAUNCH_FAILED) of the process. */
int foreground_wait(struct foreground *foreground, struct error *err);
/* Restores the caller's terminal. Safe on NULL. */
void foreground_close(struct foreground **foreground);
#define cleanup_foreground cleanup(foreground_close)

#endif
