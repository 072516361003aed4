/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's own pseudo terminal (pty(7), devpts of the container, not of the host).
 */
#ifndef DUET_PROCESS_TERMINAL_H
#define DUET_PROCESS_TERMINAL_H

#include "process/process_plan.h"

/*
 * Opens /dev/pts/ptmx below root (a descriptor of the container's root directory, before or after pivot_root), checks
 * that it is the multiplexer of a devpts, and makes a pair: *master, and *slave taken from the master itself
 * (TIOCGPTPEER), so that nothing that was put in place of /dev/pts/N is ever opened. Size from plan->rows and
 * plan->columns, owner plan->uid. Both are O_CLOEXEC.
 */
int process_make_terminal(int root, const struct process_plan *plan, int *master, int *slave, struct error *err);

/* Makes the terminal the controlling one of a new session and standard input, output and error of the caller. The
 * descriptor itself stays open. */
int process_take_terminal(int terminal_fd, struct error *err);

#endif
