/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duet sandbox: one command that nobody has reason to trust, run in a root file system of its own that is thrown away
 * afterwards, behind either wall, with limits and a report.
 *
 * The supervisor (this process) has a mount namespace of its own. In it, on a tmpfs of the size of --disk, lie the
 * upper layers of overlays over the host's file systems, the bundle and nothing else, so that everything is gone when
 * the supervisor is, however it ends. A guardian process, whose only work is to see that, removes the container of a
 * supervisor that was killed; should it have been killed too, the next duet command does.
 *
 *   settings.h    what can be asked: one table
 *   scratch.c     the directory and the tmpfs, the guardian, what was left by others
 *   root.c        the root file system: overlays, masks
 *   config.c      the bundle's config.json
 *   supervise.c   output, time limits, signals while the command runs
 *   output.c      the command's output on its way
 *   report.c, junit.c, summary.c  what happened: for programs, for dashboards, for persons
 *   repeat.c      many times, several at a time
 */
#ifndef DUET_SANDBOX_SANDBOX_H
#define DUET_SANDBOX_SANDBOX_H

#include "sandbox/settings.h"

#define SANDBOX_EXIT_TIMEOUT 124 /* the wall time or the processor time was up */
#define SANDBOX_EXIT_FAILED  125 /* the sandbox itself failed */

/* Runs the command; the result is the exit status: the command's own, 128 + its signal, or one of the above. */
int sandbox_run(
	const struct sandbox_settings *settings, char *const *command, const char *state_root, struct error *err);

/* Removes what sandboxes left whose supervisor and guardian are gone. Cheap when there is nothing. */
void sandbox_collect(const char *state_root);

#endif
