/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uid_map and gid_map of a user namespace (user_namespaces(7), newuidmap(1)).
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/helper_program.h"
#include "base/procfs.h"
#include "base/sys.h"
#include "ns/namespaces.h"

struct id_map {
	const char *file, *helper; /* "uid_map", "newuidmap" */
	const struct id_mapping *mappings;
	uint32_t count;
	uint32_t own_id; /* the one id that everybody may map */
};

static int write_proc_file(int procfs, pid_t pid, const char *file, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	return procfs_write(procfs, path, text);
}

static int write_map(int procfs, pid_t pid, const struct id_map *map)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	for (uint32_t i = 0; i < map->count; i++)
		strbuf_printf(&text, "%u %u %u\n", map->mappings[i].container_id, map->mappings[i].host_id,
			map->mappings[i].size);
	return write_proc_file(procfs, pid, map->file, text.data);
}

static int run_helper(pid_t pid, const struct id_map *map, struct error *err)
{
	char **arguments = xcalloc(3 + 3 * (size_t)map->count, sizeof(*arguments));
	char complaint[256];
	size_t count = 0;
	int result;

	arguments[count++] = xstrdup(map->helper);
	arguments[count++] = xprintf("%d", (int)pid);
	for (uint32_t i = 0; i < map->count; i++) {
		arguments[count++] = xprintf("%u", map->mappings[i].container_id);
		arguments[count++] = xprintf("%u", map->mappings[i].host_id);
		arguments[count++] = xprintf("%u", map->mappings[i].size);
	}
	result = helper_program_run(arguments, -EBADF, complaint, sizeof(complaint));
	free_strings(arguments);
	if (result == 0)
		return 0;
	if (result == -EPERM)
		return error_set(err, -EPERM, "map the ids of the user namespace with %s: %s", map->helper,
			complaint[0] ? complaint : "it failed");
	return error_set(err, -result,
		"map the ids of the user namespace: the caller may not, and %s (Debian package uidmap) cannot be run",
		map->helper);
}

static bool is_own_id_only(const struct id_map *map)
{
	return map->count == 1 && map->mappings[0].size == 1 && map->mappings[0].host_id == map->own_id;
}

static int write_uid_map(int procfs, pid_t pid, const struct id_map *map, struct error *err)
{
	int result = write_map(procfs, pid, map);

	if (result == -EPERM)
		return run_helper(pid, map, err);
	return result < 0 ? error_set(err, -result, "write the uid_map of the user namespace") : 0;
}

static int write_gid_map(int procfs, pid_t pid, const struct id_map *map, bool *setgroups_denied, struct error *err)
{
	int result = write_map(procfs, pid, map);

	*setgroups_denied = false;
	if (result == -EPERM && !is_own_id_only(map))
		return run_helper(pid, map, err);
	if (result == -EPERM) {
		/* An unprivileged user may map its own group once nobody inside can drop groups any more. */
		result = write_proc_file(procfs, pid, "setgroups", "deny");
		if (result < 0)
			return error_set(err, -result, "deny setgroups in the user namespace");
		*setgroups_denied = true;
		result = write_map(procfs, pid, map);
	}
	return result < 0 ? error_set(err, -result, "write the gid_map of the user namespace") : 0;
}

int namespaces_write_id_maps(const struct namespaces_plan *plan, pid_t pid, bool *setgroups_denied, struct error *err)
{
	const struct id_map uids = { "uid_map", "newuidmap", plan->uid_mappings, plan->uid_mapping_count, geteuid() };
	const struct id_map gids = { "gid_map", "newgidmap", plan->gid_mappings, plan->gid_mapping_count, getegid() };
	cleanup_fd int procfs = -EBADF;
	bool denied = false;
	int result;

	if (!uids.count || !gids.count)
		return error_set(err, -EINVAL, "map the ids of the user namespace: there are no %s mappings",
			uids.count ? "gid" : "uid");
	procfs = procfs_open(err);
	if (procfs < 0)
		return procfs;
	result = write_uid_map(procfs, pid, &uids, err);
	if (result == 0)
		result = write_gid_map(procfs, pid, &gids, &denied, err);
	if (result < 0)
		return result;
	*setgroups_denied = denied;
	return 0;
}

static int open_user_namespace(pid_t pid, struct error *err)
{
	char path[48];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open the user namespace of process %d", (int)pid) : fd;
}

/* It is there for its maps to be written, and is killed then. */
static int wait_to_be_killed(void *parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == *(const pid_t *)parent)
		(void)pause();
	return 0;
}

/* The namespace lives as long as a descriptor of it. The process shares this one's memory, of which a copy would cost
 * more than all else; it ends with this one. */
int namespaces_make_user(const struct namespaces_plan *maps, struct error *err)
{
	static const size_t stack_bytes = 64 << 10;
	char *stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t parent = getpid(), pid;
	bool setgroups_denied;
	int result;

	if (stack == MAP_FAILED)
		return error_set(err, errno, "make a stack");
	pid = clone(wait_to_be_killed, stack + stack_bytes, CLONE_VM | CLONE_NEWUSER | SIGCHLD, &parent);
	if (pid < 0) {
		result = error_set(err, errno, "make a user namespace");
	} else {
		result = namespaces_write_id_maps(maps, pid, &setgroups_denied, err);
		if (result == 0)
			result = open_user_namespace(pid, err);
		(void)kill(pid, SIGKILL);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)munmap(stack, stack_bytes);
	return result;
}
