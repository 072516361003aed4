/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of cgroups crosses to a guest and back (base/wire.h): limits that are numbers, device rules, figures.
 */
#ifndef DUET_CGROUPS_WIRE_H
#define DUET_CGROUPS_WIRE_H

#include "base/wire.h"
#include "cgroups/cgroup.h"

/* pids.limit, memory.limit, .reservation and .checkBeforeUpdate, and the device rules; nothing else of the resources.
 */
void cgroup_resources_encode(const struct oci_resources *resources, struct strbuf *out);
/* To be freed with cgroup_resources_free(). -EBADMSG: malformed. */
int cgroup_resources_decode(struct oci_resources *resources, struct wire_reader *in, struct error *err);
void cgroup_resources_free(struct oci_resources *resources);
#define cleanup_cgroup_resources cleanup(cgroup_resources_free)

void cgroup_statistics_encode(const struct cgroup_statistics *statistics, struct strbuf *out);
int cgroup_statistics_decode(struct cgroup_statistics *statistics, struct wire_reader *in, struct error *err);

#endif
