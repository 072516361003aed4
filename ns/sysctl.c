/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/sysctl.h"

#include <string.h>
#include <sys/stat.h>

#include "base/procfs.h"

/* Those that a namespace keeps for itself, as runc and crun know them. */
static const struct {
	const char *path;
	bool prefix;
	enum namespace_kind kind;
} namespaced[] = {
	{ "kernel/msgmax", false, NAMESPACE_IPC },
	{ "kernel/msgmnb", false, NAMESPACE_IPC },
	{ "kernel/msgmni", false, NAMESPACE_IPC },
	{ "kernel/sem", false, NAMESPACE_IPC },
	{ "kernel/shmall", false, NAMESPACE_IPC },
	{ "kernel/shmmax", false, NAMESPACE_IPC },
	{ "kernel/shmmni", false, NAMESPACE_IPC },
	{ "kernel/shm_rmid_forced", false, NAMESPACE_IPC },
	{ "fs/mqueue/", true, NAMESPACE_IPC },
	{ "net/", true, NAMESPACE_NETWORK },
	{ "kernel/domainname", false, NAMESPACE_UTS },
};

static bool is_path(const char *path)
{
	if (!path[0])
		return false;
	for (const char *next = path;; next++) {
		size_t length = strcspn(next, "/");

		if (length == 0 || (length == 1 && next[0] == '.') || (length == 2 && memcmp(next, "..", 2) == 0))
			return false;
		next += length;
		if (!*next)
			return true;
	}
}

char *sysctl_path(const char *key)
{
	char *path = xstrdup(key);

	if (path[strcspn(path, "./")] == '.') {
		for (char *letter = path; *letter; letter++)
			*letter = *letter == '.' ? '/' : *letter == '/' ? '.' : *letter;
	}
	if (is_path(path))
		return path;
	free(path);
	return NULL;
}

/* A path to join may well be that of the namespace which the caller is in. */
static bool is_own_namespace(const struct namespaces_plan *plan, enum namespace_kind kind, bool joined_already)
{
	cleanup_free char *own_path = NULL;
	struct stat own, joined;

	if (plan->unshare & namespace_table[kind].clone_flag)
		return true;
	if (!plan->join[kind] || joined_already)
		return plan->join[kind] != NULL;
	own_path = xprintf("/proc/self/ns/%s", namespace_table[kind].proc_name);
	if (stat(plan->join[kind], &joined) < 0 || stat(own_path, &own) < 0)
		return false;
	return own.st_dev != joined.st_dev || own.st_ino != joined.st_ino;
}

static int check_one(
	const struct namespaces_plan *plan, const char *key, const char *path, bool joined_already, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaced); i++) {
		size_t length = strlen(namespaced[i].path);

		if (namespaced[i].prefix ? strncmp(path, namespaced[i].path, length) != 0
					 : strcmp(path, namespaced[i].path) != 0)
			continue;
		if (is_own_namespace(plan, namespaced[i].kind, joined_already))
			return 0;
		return error_set(err, -EINVAL,
			"sysctl \"%s\" is not allowed: the container has no %s namespace of its own", key,
			namespace_table[namespaced[i].kind].name);
	}
	if (strcmp(path, "kernel/hostname") == 0)
		return error_set(err, -EINVAL, "sysctl \"%s\" is not allowed: use config.json's hostname", key);
	return error_set(err, -EINVAL, "sysctl \"%s\" is not allowed: it is the host's, not of a namespace", key);
}

int sysctl_check(const struct container_plan *plan, bool whole_kernel_is_ours, bool joined_already, struct error *err)
{
	for (uint32_t i = 0; i < plan->sysctl_count; i++) {
		const char *key = plan->sysctls[i].key;
		cleanup_free char *path = sysctl_path(key);
		int result = 0;

		if (!path)
			return error_set(err, -EINVAL, "sysctl \"%s\" is not the name of a kernel parameter", key);
		if (!whole_kernel_is_ours)
			result = check_one(&plan->namespaces, key, path, joined_already, err);
		if (result < 0)
			return result;
	}
	return 0;
}

int sysctl_apply(const struct container_plan *plan, struct error *err)
{
	cleanup_fd int procfs = -EBADF;

	if (!plan->sysctl_count)
		return 0;
	procfs = procfs_open(err);
	if (procfs < 0)
		return procfs;
	for (uint32_t i = 0; i < plan->sysctl_count; i++) {
		cleanup_free char *below = sysctl_path(plan->sysctls[i].key);
		cleanup_free char *path = xprintf("sys/%s", below ? below : "");
		int result = procfs_write(procfs, path, plan->sysctls[i].value);

		if (result < 0)
			return error_set(err, -result, "set sysctl \"%s\" to \"%s\"", plan->sysctls[i].key,
				plan->sysctls[i].value);
	}
	return 0;
}
