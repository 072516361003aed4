/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From config.json's data to the plain plans that ns/ and process/ carry out. What duet cannot do is refused here, by
 * name.
 */
#ifndef DUET_RUNTIME_PLAN_H
#define DUET_RUNTIME_PLAN_H

#include "ns/container_plan.h"
#include "oci/spec.h"
#include "process/process_plan.h"

/* bundle: absolute path, which relative paths (the root, bind sources) count from. -EINVAL/-ENOTSUP with the JSON path
 * in *err. */
int plan_container(const struct oci_spec *spec, const char *bundle, struct container_plan *plan, struct error *err);

/* The seccomp filter is not filled in: see runtime/filter.h. */
int plan_process(
	const struct oci_spec *spec, const struct oci_process *process, struct process_plan *plan, struct error *err);

/* Tells the container's first process of descriptors from socket activation (sd_listen_fds(3)). */
void plan_listen(struct process_plan *plan, uint32_t count);

#endif
