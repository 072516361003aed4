/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a bundle is done on which side of the virtual machine's wall, and how large the machine is.
 */
#ifndef DUET_RUNTIME_MICROVM_PLAN_H
#define DUET_RUNTIME_MICROVM_PLAN_H

#include "runtime/launch.h"

/*
 * Splits launch->plan. Afterwards launch->plan describes the monitor's jail (rootfs/ and binds/N below the state
 * directory's jail/, in new namespaces of every kind that the monitor needs) and launch->vm.guest the container as the
 * guest's init has to build it, with bind mounts taken from the share. Refuses by name what cannot mean the same in a
 * virtual machine. Decides on the machine (microvm_machine.h).
 */
int microvm_plan(struct launch *launch, struct error *err);

/* Refuses by name what would limit the monitor and not the container. */
int microvm_check_resources(const struct oci_resources *resources, struct error *err);

/* Makes of a container's limits those of its monitor's group: the guest's kernel counts the processes. */
void microvm_host_resources(struct oci_resources *resources);

/* A limit that the plan does not name is the caller's in a container, so it is in a guest. */
void microvm_inherit_limits(struct process_plan *process);

#endif
