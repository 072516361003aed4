/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's seccomp filter, compiled or taken from the cache under the state root (seccomp/seccomp.h).
 */
#ifndef DUET_RUNTIME_FILTER_H
#define DUET_RUNTIME_FILTER_H

#include "oci/spec.h"
#include "process/process_plan.h"

/* Fills *seccomp from linux.seccomp (NULL: there is none, and it stays as it is). */
int filter_compile(
	int state_root_fd, const struct oci_seccomp *profile, struct process_seccomp *seccomp, struct error *err);

#endif
