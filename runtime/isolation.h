/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one interface that both walls implement: a container on the host's kernel, a micro-VM with a kernel of its own.
 * Everything else in runtime/ (state, locks, cgroups, hooks, terminals, exit statuses) is the same for both.
 */
#ifndef DUET_RUNTIME_ISOLATION_H
#define DUET_RUNTIME_ISOLATION_H

#include "process/process_list.h"
#include "runtime/checkpoint.h"
#include "runtime/exec.h"
#include "runtime/launch.h"
#include "runtime/statistics.h"

struct isolation {
	const char *name;
	/* Whether the container's root is a disk image and root.path means nothing. NULL: never. */
	bool (*has_image)(const struct oci_spec *spec);
	/* In the runtime, before anything is made: refuses by name what cannot mean the same behind this wall, opens
	 * what the child will need from the host (/dev/kvm, the kernel), and adjusts the plans. */
	int (*prepare)(struct launch *launch, struct error *err);
	/* In the child, inside its namespaces and cgroups: builds the root, talks to the runtime by launch_… and in the
	 * end is the container's first process or the monitor. Returns only on failure. */
	int (*child)(struct launch *launch, struct error *err);
	/* Closes what prepare opened. */
	void (*release)(struct launch *launch);
	/* Takes back what the child made outside of what ends with it; it has ended. NULL: nothing of the kind. */
	void (*forget)(const struct oci_spec *spec);
	/* Delivers a signal to the container's process, or to all of its processes. */
	int (*signal)(const struct container *container, int signal, bool all, struct error *err);
	/* exec, in the runtime, before its child is made: refuses what cannot mean the same behind this wall, goes
	 * where the child has to be born, adjusts the plan (limits_raised: the runtime raises its limits from outside).
	 */
	int (*exec_prepare)(struct exec *exec, struct error *err);
	/* In exec's child, after GO, in the container's cgroup (unless exec.proxy): see runtime/exec.h. Returns only on
	 * failure. */
	int (*exec_child)(struct exec *exec, struct error *err);
	/* The container's processes, as seen from the host or, behind the other wall, from inside the guest. */
	int (*processes)(const struct container *container, struct process_list *list, struct error *err);
	/* Stops everything, or lets it go on; done when it returns. */
	int (*pause)(const struct container *container, bool paused, struct error *err);
	/* Sets limits of a container that runs; absent fields stay as they are. */
	int (*update)(const struct container *container, const struct oci_resources *resources, struct error *err);
	/* Writes the running container into a directory; NULL: there is no such thing behind this wall, and options
	 * with a checkpoint are refused. */
	int (*checkpoint)(
		const struct container *container, const struct checkpoint_options *options, struct error *err);
	int (*statistics)(
		const struct container *container, struct container_statistics *statistics, struct error *err);
};

/* "container", "microvm"; ends with a NULL name. The first is the default. */
extern const struct isolation *const isolation_table[];

/* By name; NULL when there is none. */
const struct isolation *isolation_find(const char *name);

/* Of an existing container. -EBADMSG: its record names one that this program does not have. */
int isolation_of(const struct container *container, const struct isolation **isolation, struct error *err);

extern const struct isolation isolation_container;
extern const struct isolation isolation_microvm;

#endif
