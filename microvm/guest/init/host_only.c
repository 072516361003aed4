/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cgroups/ may ask of a host and a guest does not have: systemd as the manager of groups, and libcgroup to say why
 * a controller is missing.
 */
#include <errno.h>

#include "cgroups/kernel_controllers.h"
#include "cgroups/systemd.h"

/* The guest's kernel is duet's own, with all controllers, or of the user's choice. */
enum kernel_controller kernel_controller_state(const char *name)
{
	(void)name;
	return KERNEL_CONTROLLER_UNKNOWN;
}

static int refuse(struct error *err)
{
	return error_set(err, -EOPNOTSUPP, "there is no systemd in a guest to manage cgroups");
}

int systemd_bus_open(struct systemd_bus **bus, bool user, struct error *err)
{
	(void)bus;
	(void)user;
	return refuse(err);
}

void systemd_bus_close(struct systemd_bus **bus)
{
	(void)bus;
}

int systemd_make(struct systemd_bus *bus, struct cgroup *group, const struct cgroup_request *request, char **path,
	struct error *err)
{
	(void)bus;
	(void)group;
	(void)request;
	(void)path;
	return refuse(err);
}

int systemd_tell(struct systemd_bus *bus, const struct cgroup *group, struct error *err)
{
	(void)bus;
	(void)group;
	return refuse(err);
}

int systemd_update(const struct cgroup *group, struct error *err)
{
	(void)group;
	return refuse(err);
}

int systemd_unmake(const struct cgroup *group, int timeout_ms, struct error *err)
{
	(void)group;
	(void)timeout_ms;
	return refuse(err);
}

int systemd_hold(const struct cgroup *group, struct error *err)
{
	(void)group;
	return refuse(err);
}

int systemd_plan(struct cgroup *plan, const struct cgroup_request *request, char **path, struct error *err)
{
	(void)plan;
	(void)request;
	(void)path;
	return refuse(err);
}

/* There is no placeholder to let go. */
void cgroup_settle(struct cgroup *group)
{
	(void)group;
}
