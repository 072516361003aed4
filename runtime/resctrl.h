/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt: cache and memory bandwidth of a container's processes, by the resctrl file system (Intel RDT, AMD
 * QoS). A group is a directory: the one that closID names, else one of the container's own name; with monitoring, a
 * second one below the first's mon_groups.
 *
 * Source: runtime-spec config-linux.md "IntelRdt"; the kernel's Documentation/filesystems/resctrl.rst.
 */
#ifndef DUET_RUNTIME_RESCTRL_H
#define DUET_RUNTIME_RESCTRL_H

#include <sys/types.h>

#include "oci/spec.h"

/* The file system at /sys/fs/resctrl, checked to be one; -ENOTSUP with what is missing. */
int resctrl_open(struct error *err);

/* Makes, or for a closID checks, the container's group and its schemata. On failure nothing of it is left. */
int resctrl_make(int resctrl, const struct oci_intel_rdt *rdt, const char *id, struct error *err);

/* Puts a process, and what it starts from then on, into the group. */
int resctrl_add(int resctrl, const struct oci_intel_rdt *rdt, const char *id, pid_t pid, struct error *err);

/* Writes other schemata into the group of a container that was made with `rdt`; NULL: as they are. */
int resctrl_change(int resctrl, const struct oci_intel_rdt *rdt, const char *id, const char *l3_cache,
	const char *memory_bandwidth, struct error *err);

/* Removes what resctrl_make() made for this container alone: its own group, its monitoring group. A group that closID
 * names stays. */
int resctrl_remove(int resctrl, const struct oci_intel_rdt *rdt, const char *id, struct error *err);

#endif
