/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container uses: the host's control groups, and of a micro-VM the guest's own and the monitor's counts too.
 *
 * Source of the printed form: runc's types/events.go and events.go.
 */
#ifndef DUET_RUNTIME_STATISTICS_H
#define DUET_RUNTIME_STATISTICS_H

#include "base/strbuf.h"
#include "cgroups/cgroup.h"
#include "microvm/devices/balloon.h"
#include "runtime/container.h"

struct exit_count {
	char *reason; /* "io", "mmio", "halt", …: of KVM_EXIT_*, counted by the monitor, or a name of KVM's own
			 statistics with "kvm." before it */
	uint64_t count;
	double per_second; /* over the life of the machine, or since an earlier look */
};

struct container_statistics {
	struct cgroup_statistics cgroup; /* the host's group: of a micro-VM the monitor with the guest's memory */
	struct cgroup_details *details;  /* of the same; NULL: not read */
	bool has_guest;
	struct cgroup_statistics guest; /* the group of the workload inside the guest */
	struct exit_count *exits;
	size_t exit_count;
	uint64_t life_ms; /* of the machine, when the exits were counted */
	bool has_balloon;
	struct balloon_state balloon;
};

/* Reads the host's group, the part that is the same behind both walls. -EOPNOTSUPP: the container has none. */
int container_statistics_read_host(
	const struct container *container, struct container_statistics *statistics, struct error *err);
/* Has the exits' rates be those since an earlier look at the same container. */
void container_statistics_since(struct container_statistics *statistics, const struct container_statistics *earlier);
void container_statistics_free(struct container_statistics *statistics);
#define cleanup_container_statistics cleanup(container_statistics_free)

/* One line of `events`: the object that runc prints, {"type":"stats","id":…,"data":{…}}, with what a micro-VM adds
 * under data.vm. Unknown figures are absent. */
void container_statistics_print(const char *id, const struct container_statistics *statistics, struct strbuf *json);

#endif
