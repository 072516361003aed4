/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces: joining, id maps, host name, sysctls, loopback (namespaces(7), user_namespaces(7), time_namespaces(7)).
 */
#ifndef DUET_NS_NAMESPACES_H
#define DUET_NS_NAMESPACES_H

#include "ns/container_plan.h"

/* Refuses what cannot be done, before anything is made: sysctls that are not of a namespace of the container's own (the
 * list is runc's), a host name without a uts namespace. whole_kernel_is_ours: inside a VM's guest every sysctl is the
 * container's. */
int namespaces_check(const struct container_plan *plan, bool whole_kernel_is_ours, struct error *err);

/* Says why the namespaces could not be made (clone(2) failed with this errno). Returns -error_code. */
int namespaces_explain(const struct namespaces_plan *plan, int error_code, struct error *err);

/* Opens every namespace to be joined, checked to be of its kind (NS_GET_NSTYPE), before anything else can change the
 * paths. fds[kind] is -EBADF where there is none to join. On failure nothing stays open. */
int namespaces_open(const struct namespaces_plan *plan, int fds[NAMESPACE_KINDS], struct error *err);
/* setns(2) into those whose CLONE_NEW* flag is in kinds_mask; a joined pid or time namespace holds for children only,
 * so call it before the clone for these. With a user namespace among them, those that the caller may enter with its
 * present privileges are entered first, the others from inside the user namespace. */
int namespaces_join(const int fds[NAMESPACE_KINDS], uint64_t kinds_mask, struct error *err);

/* In a user namespace: becomes its ids 0 and leaves the caller's groups, as far as it may. The process is not dumpable
 * afterwards (prctl(2)). */
int namespaces_become_root(struct error *err);

/* Parent: writes uid_map, setgroups and gid_map of the child (or runs newuidmap/newgidmap where the caller lacks the
 * privilege). *setgroups_denied: additional groups cannot be set inside. */
int namespaces_write_id_maps(const struct namespaces_plan *plan, pid_t pid, bool *setgroups_denied, struct error *err);
/* Writes /proc/PID/timens_offsets of the calling process, before the first process enters its new time namespace. */
int namespaces_write_time_offsets(const struct namespaces_plan *plan, struct error *err);

/* A descriptor of a new user namespace with these maps and no process in it (for idmapped mounts). */
int namespaces_make_user(const struct namespaces_plan *maps, struct error *err);

/* In the present network namespace. */
int namespaces_bring_loopback_up(struct error *err);

/* Child, inside the new namespaces: hostname, domainname; loopback up in a new network namespace; sysctls through a
 * procfs handle that was verified (base/procfs.h), so that nothing that is mounted in the container redirects them.
 * Refuses what namespaces_check() refuses. */
int namespaces_apply(const struct container_plan *plan, bool whole_kernel_is_ours, struct error *err);

#endif
