/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods, as containerd and CRI-O describe them to a runtime by annotations of theirs: a sandbox, whose process does
 * nothing but hold the pod's namespaces, and containers that join these (Kubernetes' Container Runtime Interface;
 * containerd pkg/cri/annotations, CRI-O pkg/annotations).
 */
#ifndef DUET_RUNTIME_POD_H
#define DUET_RUNTIME_POD_H

#include "runtime/container.h"

/* Is this a pod's sandbox? Its program is the node's own. */
bool pod_is_sandbox(const struct oci_spec *spec);

/*
 * Finds the sandbox of the pod of container `id`, for a micro-VM: *sandbox is NULL when it is in no pod, or in one
 * whose sandbox is not a container that runs under the same root. From inside a virtual machine the pod's ipc and uts
 * namespaces cannot be joined, which nobody can tell as long as nobody else is in them: -EBUSY when the pod has another
 * micro-VM.
 */
int pod_find_sandbox(
	const char *root, const char *id, const struct oci_spec *spec, struct container **sandbox, struct error *err);

/* Does the sandbox hold this namespace, as one that a micro-VM can do without? */
bool pod_holds_namespace(const struct container *sandbox, const struct oci_namespace *namespace);

/* The host name that the sandbox gave to the pod; NULL: none. Allocated. */
int pod_host_name(const struct container *sandbox, char **name, struct error *err);

#endif
