/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes between the caller's standard input and output and a pty's master, in both directions, without ever waiting for
 * either: what one side does not take yet is kept, and the other side is not read meanwhile.
 */
#ifndef DUET_RUNTIME_RELAY_H
#define DUET_RUNTIME_RELAY_H

#include <poll.h>
#include <stdbool.h>

#include "base/error.h"

struct relay;

enum { RELAY_SOURCES = 3 };

/* master stays the caller's and becomes non-blocking. Standard output is opened a second time where it is a terminal or
 * a pipe, so that it can be written without waiting while others who share it see no change. */
int relay_open(struct relay **relay, int master, struct error *err);
/* What to poll(2) for now; descriptors are -1 where there is nothing to wait for. Returns the timeout in ms after which
 * to look again (standard input is a terminal that is somebody else's at the moment), or -1. */
int relay_sources(const struct relay *relay, struct pollfd sources[RELAY_SOURCES]);
/* Moves what can be moved. */
void relay_move(struct relay *relay, const struct pollfd sources[RELAY_SOURCES]);
/* The process has ended: from now on standard input is left alone. */
void relay_end_input(struct relay *relay);
/* Takes what is in the terminal now; true while there is something that standard output has not taken. */
bool relay_drain(struct relay *relay);
void relay_close(struct relay **relay);

#endif
