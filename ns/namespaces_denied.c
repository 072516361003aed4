/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why namespaces could not be made, on the way to an error: user_namespaces(7), namespaces(7), and what distributions
 * add to them.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>

#include "base/file.h"
#include "ns/namespaces.h"

/* A sysctl of one number; -1: there is none. */
static long read_sysctl(const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	return file_read(AT_FDCWD, path, 64, &text) < 0 ? -1 : strtol(text.data, NULL, 10);
}

static const struct {
	const char *path, *name;
	long forbids;
	const char *lift; /* what to do as root */
} switches[] = {
	{ "/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", 0,
		"sysctl -w user.max_user_namespaces=15000" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", 0,
		"sysctl -w kernel.unprivileged_userns_clone=1" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns", 1,
		"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for this program "
		"with the rule \"userns,\"" },
};

int namespaces_explain(const struct namespaces_plan *plan, int error_code, struct error *err)
{
	if (error_code == EPERM && !(plan->unshare & CLONE_NEWUSER))
		return error_set(err, -EPERM,
			"making namespaces takes CAP_SYS_ADMIN, which the caller lacks: without it linux.namespaces "
			"needs an entry of type \"user\" with mappings (`duet spec --rootless` writes one)");
	for (size_t i = 0; i < ARRAY_SIZE(switches) && (plan->unshare & CLONE_NEWUSER); i++) {
		if (read_sysctl(switches[i].path) == switches[i].forbids)
			return error_set(err, error_code,
				"make a user namespace: the sysctl %s is %ld, which forbids it (to lift that, as root: "
				"%s)",
				switches[i].name, switches[i].forbids, switches[i].lift);
	}
	if (error_code == ENOSPC || error_code == EUSERS)
		return error_set(err, error_code,
			"make the container's namespaces: a limit on their number or depth was reached "
			"(/proc/sys/user)");
	return error_set(err, error_code, "make the container's namespaces");
}
