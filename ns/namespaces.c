/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/namespaces.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/procfs.h"
#include "ns/sysctl.h"

static const char *kind_name(int clone_flag)
{
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		if (namespace_table[kind].clone_flag == (uint64_t)clone_flag)
			return namespace_table[kind].name;
	}
	return "unknown";
}

static int open_namespace(enum namespace_kind kind, const char *path, struct error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int type;

	if (fd < 0)
		return error_set(err, errno, "open the %s namespace %s", namespace_table[kind].name, path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0)
		return error_set(err, -EINVAL, "open the %s namespace %s: it is not a namespace",
			namespace_table[kind].name, path);
	if ((uint64_t)type != namespace_table[kind].clone_flag)
		return error_set(err, -EINVAL, "open the %s namespace %s: it is a %s namespace",
			namespace_table[kind].name, path, kind_name(type));
	return take_fd(&fd);
}

int namespaces_open(const struct namespaces_plan *plan, int fds[NAMESPACE_KINDS], struct error *err)
{
	int opened[NAMESPACE_KINDS];
	int result = 0;

	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		opened[kind] = -EBADF;
		if (plan->join[kind] && result >= 0)
			result = opened[kind] = open_namespace((enum namespace_kind)kind, plan->join[kind], err);
	}
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		if (result < 0)
			close_fd(&opened[kind]);
		else
			fds[kind] = opened[kind];
	}
	return result < 0 ? result : 0;
}

static bool is_wanted(const int fds[NAMESPACE_KINDS], int kind, uint64_t kinds_mask)
{
	return fds[kind] >= 0 && (namespace_table[kind].clone_flag & kinds_mask);
}

static int join_one(const int fds[NAMESPACE_KINDS], int kind, struct error *err)
{
	if (setns(fds[kind], (int)namespace_table[kind].clone_flag) == 0)
		return 0;
	return error_set(err, errno, "join the %s namespace", namespace_table[kind].name);
}

/*
 * A namespace of the host (a network namespace made by root, say) may be entered only with privileges over the host;
 * one that belongs to the user namespace only with privileges inside it. So those that let us in come first, then the
 * user namespace, then the rest.
 */
int namespaces_join(const int fds[NAMESPACE_KINDS], uint64_t kinds_mask, struct error *err)
{
	bool joined[NAMESPACE_KINDS] = { false };
	bool user = is_wanted(fds, NAMESPACE_USER, kinds_mask);

	for (int kind = NAMESPACE_USER + 1; user && kind < NAMESPACE_KINDS; kind++) {
		if (!is_wanted(fds, kind, kinds_mask))
			continue;
		joined[kind] = setns(fds[kind], (int)namespace_table[kind].clone_flag) == 0;
		if (!joined[kind] && errno != EPERM)
			return error_set(err, errno, "join the %s namespace", namespace_table[kind].name);
	}
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		int result;

		if (joined[kind] || !is_wanted(fds, kind, kinds_mask))
			continue;
		result = join_one(fds, kind, err);
		if (result < 0)
			return result;
	}
	return 0;
}

int namespaces_become_root(struct error *err)
{
	/* EPERM: setgroups is denied in a namespace whose maps an unprivileged user wrote; the groups stay what they
	 * are. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return error_set(err, errno, "clear the groups in the user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set(err, errno, "become root of the user namespace (is the id 0 mapped?)");
	return 0;
}

int namespaces_write_time_offsets(const struct namespaces_plan *plan, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_fd int procfs = -EBADF;
	int result;

	if (!plan->time_offsets_set)
		return 0;
	procfs = procfs_open(err);
	if (procfs < 0)
		return procfs;
	strbuf_printf(&text, "monotonic %lld %u\nboottime %lld %u\n", (long long)plan->monotonic_seconds,
		plan->monotonic_nanoseconds, (long long)plan->boottime_seconds, plan->boottime_nanoseconds);
	result = procfs_write(procfs, "self/timens_offsets", text.data);
	if (result < 0)
		return error_set(err, -result,
			"set the offsets of the time namespace (monotonic %lld.%09u s, boottime %lld.%09u s)",
			(long long)plan->monotonic_seconds, plan->monotonic_nanoseconds,
			(long long)plan->boottime_seconds, plan->boottime_nanoseconds);
	return 0;
}

/* By ioctl on a socket of any family: a guest's kernel may have no IP, and netlink(7) is not linked there. */
int namespaces_bring_loopback_up(struct error *err)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (fd < 0)
		return error_set(err, errno, "open a socket to bring the loopback device up");
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0 && errno != ENODEV)
		return error_set(err, errno, "bring the loopback device up");
	return 0;
}

static bool has_namespace(const struct namespaces_plan *plan, enum namespace_kind kind)
{
	return (plan->unshare & namespace_table[kind].clone_flag) || plan->join[kind];
}

static int check_names(const struct container_plan *plan, bool whole_kernel_is_ours, struct error *err)
{
	if (whole_kernel_is_ours || has_namespace(&plan->namespaces, NAMESPACE_UTS))
		return 0;
	if (plan->hostname)
		return error_set(err, -EINVAL, "set the host name: the container has no uts namespace of its own");
	if (plan->domainname)
		return error_set(err, -EINVAL, "set the domain name: the container has no uts namespace of its own");
	return 0;
}

int namespaces_check(const struct container_plan *plan, bool whole_kernel_is_ours, struct error *err)
{
	int result = check_names(plan, whole_kernel_is_ours, err);

	return result < 0 ? result : sysctl_check(plan, whole_kernel_is_ours, false, err);
}

int namespaces_apply(const struct container_plan *plan, bool whole_kernel_is_ours, struct error *err)
{
	int result = check_names(plan, whole_kernel_is_ours, err);

	if (result == 0)
		result = sysctl_check(plan, whole_kernel_is_ours, true, err);
	if (result < 0)
		return result;
	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return error_set(err, errno, "set the host name to \"%s\"", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)) < 0)
		return error_set(err, errno, "set the domain name to \"%s\"", plan->domainname);
	/* In a guest's user namespace that takes the guest's root, who has done it. */
	if ((plan->namespaces.unshare & CLONE_NEWNET) ||
		(whole_kernel_is_ours && !(plan->namespaces.unshare & CLONE_NEWUSER)))
		result = namespaces_bring_loopback_up(err);
	return result < 0 ? result : sysctl_apply(plan, err);
}
