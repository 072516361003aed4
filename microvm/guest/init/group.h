/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control group of the container in the guest: the same code as on the host (cgroups/) sets the limits that only
 * the guest's kernel can know about. How many processes there are, how much of the guest's memory they have, and which
 * devices they open.
 */
#ifndef DUET_MICROVM_GUEST_GROUP_H
#define DUET_MICROVM_GUEST_GROUP_H

#include "cgroups/cgroup.h"
#include "microvm/guest/init/init.h"
#include "ns/container_plan.h"

/*
 * What every container's group needs and none of it depends on orders: the hierarchy, the group itself without limits,
 * and the program for the device rules that most have. Done before the machine's snapshot is taken. What fails is said
 * by group_create(), if it matters then.
 */
void group_prepare(struct init *init);
/* Makes the group, with the limits. maps: of the container's user namespace. */
int group_create(
	struct init *init, struct oci_resources *resources, const struct namespaces_plan *maps, struct error *err);
/* Sets other limits. */
int group_update(struct init *init, struct oci_resources *resources, struct error *err);
/* A directory for CLONE_INTO_CGROUP: the group, or one below it. -EBADF: the container has no group; other negative
 * errno. */
int group_open(const struct init *init, const char *subgroup, struct error *err);
/* The same for the group below it in which the process is. */
int group_open_of(const struct init *init, pid_t pid, struct error *err);

#endif
