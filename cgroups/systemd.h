/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd manager: the group is a transient scope, which systemd makes, and which it would change behind our back
 * if it did not know of the limits. Private to cgroups/.
 *
 * linux.cgroupsPath is "SLICE:PREFIX:NAME" as with runc and crun: the scope PREFIX-NAME.scope (NAME.scope without a
 * prefix) in SLICE; without a path system.slice (user.slice of the user's manager), "duet" and the container's id.
 *
 * A scope cannot be made without a process, and the container's own first process is to be born in its group
 * (CLONE_INTO_CGROUP): a placeholder, which only sleeps, holds the scope until cgroup_settle().
 *
 * Limits are written to the group's files as the cgroupfs manager does it. What then stands in the files is told to
 * systemd as the scope's properties: it shows them (systemctl show), and writes the same values when it comes by again
 * (daemon-reload). Annotations "org.systemd.property.NAME" are properties in GVariant's text format.
 */
#ifndef DUET_CGROUPS_SYSTEMD_H
#define DUET_CGROUPS_SYSTEMD_H

#include "cgroups/internal.h"
#include "cgroups/systemd_bus.h"

struct systemd_unit {
	char *slice, *scope; /* "system.slice", "duet-ID.scope" */
};

/* -EINVAL: cgroupsPath has not the form above. user: the defaults of the user's manager. */
int systemd_unit_parse(const struct cgroup_request *request, bool user, struct systemd_unit *unit, struct error *err);
void systemd_unit_free(struct systemd_unit *unit);

/* "/a.slice/a-b.slice" of "a-b.slice" (systemd.slice(5)), "" of "-.slice"; allocated. */
char *systemd_slice_path(const char *slice);

/* What StartTransientUnit gets besides the process: slice, delegation, accounting, annotations. */
int systemd_scope_properties(const struct cgroup_request *request, const struct systemd_unit *unit, bool unified,
	struct systemd_properties *properties, struct error *err);

/* One property in the text form of an annotation: 'text', "text", true, 5 (int32), uint64 5, byte, int16, uint16,
 * uint32, int64, double 1.5, ['a', 'b']. A name that ends in "Sec" becomes the same in "USec". -EINVAL otherwise. */
int systemd_property_parse(
	struct systemd_properties *properties, const char *name, const char *text, struct error *err);

/* What stands in the files of the group, as properties. -EOPNOTSUPP: systemd cannot keep it. */
int systemd_mirror(const struct cgroup *group, struct systemd_properties *properties, struct error *err);

/* The scope with its placeholder, and where it is: the path below the mount points in *path (allocated). */
int systemd_make(struct systemd_bus *bus, struct cgroup *group, const struct cgroup_request *request, char **path,
	struct error *err);
/* Tells systemd what stands in the files. */
int systemd_tell(struct systemd_bus *bus, const struct cgroup *group, struct error *err);
/* The same for a group that was loaded: with a connection of its own. */
int systemd_update(const struct cgroup *group, struct error *err);
/* Stops the scope. */
int systemd_unmake(const struct cgroup *group, int timeout_ms, struct error *err);
/* Puts the placeholder into the groups that we made beside systemd's. */
int systemd_hold(const struct cgroup *group, struct error *err);
/* The unit that systemd_make() will make, and where, if it is the system's: the path below the mount points
 * (allocated). */
int systemd_plan(struct cgroup *plan, const struct cgroup_request *request, char **path, struct error *err);

#endif
