/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names the out-of-memory killer where it ended a process, with the limit that it went by: the process itself can only
 * be seen to have died of SIGKILL.
 */
#ifndef DUET_RUNTIME_OUT_OF_MEMORY_H
#define DUET_RUNTIME_OUT_OF_MEMORY_H

#include "base/strbuf.h"
#include "cgroups/cgroup.h"

/* How often it came in this group; 0 when that is not known. cgroup may be NULL. */
uint64_t out_of_memory_kills(const struct cgroup *cgroup);

/* "the memory limit of 64 MiB (67108864 bytes) was reached" (allocated). */
char *out_of_memory_limit(const struct cgroup *cgroup);
/* "the 96 MiB (100663296 bytes) of the guest's memory that are the container's were used up" (allocated). */
char *out_of_memory_in_guest(uint64_t bytes);

/* The line for a container that ended with this exit status: so many of its processes were killed, and why (a clause
 * like those above). Allocated. */
char *out_of_memory_line(const char *id, int exit_status, uint64_t kills, const char *why);

/* Warns in one line when it came more than `before` times and the command is about to end with this status, 0 apart. */
void out_of_memory_warn(const struct cgroup *cgroup, uint64_t before, const char *id, int exit_status);

#endif
