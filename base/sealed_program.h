/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running program, out of the reach of what it starts.
 *
 * A process that is about to become a container's still executes this program while it is already inside the
 * container's namespaces: as /proc/PID/exe (or as the interpreter of a script that begins with #!/proc/self/exe) the
 * container can open it, and once nobody executes it any more write to it (CVE-2019-5736). So the commands that enter a
 * container first become a clone of the program that cannot be written to by anybody:
 *
 * - the program's own file through a mount of its own, detached and read-only (open_tree(2), mount_setattr(2)). It
 *   belongs to no mount namespace once the descriptor is gone, so that nobody can make it writable again. It takes the
 *   former one's place in the running process (executable_swap.h), or else is executed;
 * - where these calls are missing or forbidden, a copy in memory, sealed (memfd_create(2), F_SEAL_WRITE), is executed.
 *
 * Why in this order: measured (static programs, medians), a second execve(2) costs 0.3 to 0.6 ms and the exchange half
 * of that; the detached mount adds 0.03 ms, an overlay mount 0.1, the copy 0.3 (and as much again for each further MB).
 */
#ifndef DUET_BASE_SEALED_PROGRAM_H
#define DUET_BASE_SEALED_PROGRAM_H

#include "base/error.h"

/* Returns 0 when this process executes the sealed program. Where the first call of a process has to execute it, it does
 * with argv and the standard and inherited descriptors, and returns only on failure. Before any thread. */
int sealed_program_enter(char *const *argv, struct error *err);

/* In a child that fork(2) has made of such a process, before it does anything else: it executes the same. 0 or a
 * negative errno. */
int sealed_program_forked(void);

/* The path of the program's file, before it was sealed: allocated, or NULL when it cannot be found out. */
char *sealed_program_path(void);

#endif
