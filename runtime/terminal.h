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

/* Sends the master over the unix stream socket at path (SCM_RIGHTS, the payload is the terminal's name). */
int terminal_send(const char *path, int master, struct error *err);

/* A pty of the host's for a micro-VM: raw, since the line discipline is the guest's, and the controlling terminal of
 * the caller, who leads a session and so hears of its changes of size (SIGWINCH). */
int terminal_make(uint32_t rows, uint32_t columns, int *master, int *slave, struct error *err);

struct terminal;

/* The caller's standard input becomes raw and its size is given to the master. NULL in *terminal when standard input is
 * no terminal: bytes are relayed all the same. */
int terminal_open(struct terminal **terminal, int master, struct error *err);
/* Copies the window's size (after SIGWINCH). */
void terminal_resize(const struct terminal *terminal);
/* Restores the caller's terminal. Safe on NULL. */
void terminal_close(struct terminal **terminal);

#endif
