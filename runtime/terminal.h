/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals of both walls: the runtime holds a pty's master, hands it to --console-socket or joins it with its own
 * terminal.
 */
#ifndef DUET_RUNTIME_TERMINAL_H
#define DUET_RUNTIME_TERMINAL_H

#include "runtime/launch.h"

/* process.terminal and --console-socket have to fit together, as with runc: a detached container with a terminal needs
 * a socket, one without a terminal must have none. */
int terminal_check(const struct launch *launch, struct error *err);

/* What a master is called that is sent to --console-socket (descriptor.h). */
#define TERMINAL_SOCKET_NAME "/dev/ptmx"

/* A pty of the host's for a micro-VM: raw, since the line discipline is the guest's, and the controlling terminal of
 * the caller, who leads a session and so hears of its changes of size (SIGWINCH). */
int terminal_make(uint32_t rows, uint32_t columns, int *master, int *slave, struct error *err);

struct terminal;

/* The caller's standard input, when it is a terminal, becomes raw and its size is given to the master; otherwise bytes
 * are relayed all the same. */
int terminal_open(struct terminal **terminal, int master, struct error *err);
/* Makes it raw now where it was not the caller's own to be changed before: a job that was in the background. again:
 * somebody else may have changed it since, as a shell does while a job is stopped. */
int terminal_claim(struct terminal *terminal, bool again);
/* Copies the window's size (after SIGWINCH). */
void terminal_resize(const struct terminal *terminal);
/* Restores the caller's terminal. Safe on NULL. */
void terminal_close(struct terminal **terminal);

#endif
