/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A caller without privilege: its sandbox is made in a user namespace in which it is root, with its own id alone or,
 * where newuidmap(1) hands them out, with its subordinate ones (subuid(5)). Limits are held by a cgroup where one is
 * delegated to the caller, some by other means where not.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "ns/namespaces.h"
#include "oci/spec.h"
#include "sandbox/internal.h"

#define PROBE_REMOVAL_MS  2000
#define ID_FILE_BYTES_MAX (4U << 20)

/* ---- what holds the limits ---- */

static bool can_set(struct cgroup *group, const struct oci_resources *resources)
{
	struct error err;

	if (cgroup_apply(group, resources, &err) == 0)
		return true;
	log_debug("%s", err.message);
	return false;
}

/* Bits of enum sandbox_limit: what a group that this caller makes can hold. why: where none can be made. */
static unsigned int held_by_cgroup(const struct sandbox *sandbox, struct error *why)
{
	const struct sandbox_settings *settings = sandbox->settings;
	const struct oci_resources memory = { .memory.limit = { .set = true, .value = 1 << 30 } };
	const struct oci_resources pids = { .pids_limit = { .set = true, .value = 1 << 10 } };
	const struct oci_resources cpus = { .cpu = { .period = { true, 100000 }, .quota = { true, 100000 } } };
	const struct oci_resources io = { .block_io.weight = { .set = true, .value = 500 } };
	/* Refused, not gone without: the reason is wanted. */
	const struct cgroup_request request = { .id = sandbox->id, .rootless = CGROUP_ROOTLESS_FALSE };
	cleanup_cgroup_host struct cgroup_host *host = NULL;
	cleanup_cgroup struct cgroup *group = NULL;
	struct cgroup_statistics usage;
	unsigned int held = 0;
	struct error err;

	if (cgroup_host_open(&host, why) < 0 || cgroup_create(host, &request, &group, why) < 0)
		return 0;
	if (group->manager == CGROUP_MANAGER_DISABLED)
		(void)error_set(why, -ENOENT, "this host has no cgroups");
	held |= can_set(group, &memory) ? SANDBOX_LIMIT_MEMORY : 0U;
	held |= can_set(group, &pids) ? SANDBOX_LIMIT_PIDS : 0U;
	held |= can_set(group, &cpus) ? SANDBOX_LIMIT_CPUS : 0U;
	held |= settings->io_weight != SANDBOX_UNLIMITED && can_set(group, &io) ? SANDBOX_LIMIT_IO_WEIGHT : 0U;
	if (cgroup_statistics(group, &usage, &err) == 0 && usage.cpu_usage_ns != CGROUP_UNKNOWN)
		held |= SANDBOX_LIMIT_CPU_TIME;
	if (cgroup_delete(group, PROBE_REMOVAL_MS, &err) < 0)
		log_warning("%s", err.message);
	return held;
}

int rootless_plan(struct sandbox *sandbox, struct error *err)
{
	const struct sandbox_settings *settings = sandbox->settings;
	const struct {
		const char *name;
		uint64_t value;
		unsigned int limit;
	} limits[] = {
		{ "memory", settings->memory_bytes, SANDBOX_LIMIT_MEMORY },
		{ "swap", settings->swap_bytes, SANDBOX_LIMIT_MEMORY },
		{ "cpus", settings->cpus_milli, SANDBOX_LIMIT_CPUS },
		{ "cpu-time", settings->cpu_time_ms, SANDBOX_LIMIT_CPU_TIME },
		{ "pids", settings->pids, SANDBOX_LIMIT_PIDS },
		{ "io-weight", settings->io_weight, SANDBOX_LIMIT_IO_WEIGHT },
	};
	struct error why = { .code = 0 };
	unsigned int held = held_by_cgroup(sandbox, &why), others = 0;

	/* RLIMIT_NPROC counts by user and user namespace (Linux 5.14): with one user it counts everything. */
	sandbox->pids_by_rlimit = !(held & SANDBOX_LIMIT_PIDS) && !settings->vm;
	/* The guest cannot have more than the machine has. */
	sandbox->memory_by_machine = !(held & SANDBOX_LIMIT_MEMORY) && settings->vm;
	others |= sandbox->pids_by_rlimit ? SANDBOX_LIMIT_PIDS : 0U;
	others |= sandbox->memory_by_machine ? SANDBOX_LIMIT_MEMORY : 0U;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (limits[i].value == SANDBOX_UNLIMITED || ((held | others) & limits[i].limit))
			continue;
		if (sandbox_setting_is_given(settings, limits[i].name))
			return error_set(err, -EOPNOTSUPP,
				"--%s: nothing can hold this limit: no cgroup with that controller is delegated to "
				"this user%s%s%s",
				limits[i].name, why.code ? " (" : "", why.code ? why.message : "", why.code ? ")" : "");
		sandbox->result.not_in_force |= limits[i].limit;
	}
	if (sandbox->result.not_in_force && !settings->quiet)
		log_warning("these default limits are not in force, since no cgroup is delegated to this user:%s%s",
			sandbox->result.not_in_force & SANDBOX_LIMIT_MEMORY ? " memory" : "",
			sandbox->result.not_in_force & SANDBOX_LIMIT_PIDS ? " pids" : "");
	return 0;
}

/* ---- ids ---- */

uint32_t sandbox_id_maps(const struct sandbox *sandbox, struct id_mapping maps[SANDBOX_ID_MAPS])
{
	uint32_t own = sandbox->rootless ? 1 : sandbox->ids;

	maps[0] = (struct id_mapping){ .host_id = sandbox->first_id, .size = own };
	maps[1] = (struct id_mapping){ .container_id = own, .host_id = own, .size = sandbox->ids - own };
	return maps[1].size ? 2 : 1;
}

int sandbox_make_user_namespace(const struct sandbox *sandbox, struct error *err)
{
	struct id_mapping maps[SANDBOX_ID_MAPS];
	uint32_t count = sandbox_id_maps(sandbox, maps);
	const struct namespaces_plan plan = {
		.uid_mappings = maps, .gid_mappings = maps, .uid_mapping_count = count, .gid_mapping_count = count
	};

	return namespaces_make_user(&plan, err);
}

/* As passwd(5) has it: what the C library would ask beyond that file is loaded at run time, which this program cannot.
 */
static char *own_name(void)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *rest, *line;

	if (file_read(AT_FDCWD, "/etc/passwd", ID_FILE_BYTES_MAX, &text) < 0)
		return NULL;
	rest = text.data;
	while ((line = strsep(&rest, "\n"))) {
		const char *name = strsep(&line, ":");
		unsigned int id;

		if (line && strsep(&line, ":") && line && sscanf(line, "%u:", &id) == 1 && id == geteuid())
			return xstrdup(name);
	}
	return NULL;
}

/* The first range that a file like subuid(5) gives to a user, by name or number. */
static bool find_range(const char *file, const char *name, uid_t id, struct id_mapping *range)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char number[16];
	char *rest, *line;

	if (file_read(AT_FDCWD, file, ID_FILE_BYTES_MAX, &text) < 0)
		return false;
	(void)snprintf(number, sizeof(number), "%u", (unsigned)id);
	rest = text.data;
	while ((line = strsep(&rest, "\n"))) {
		const char *user = strsep(&line, ":");
		unsigned int first, count;

		if (!line || (strcmp(user, number) != 0 && (!name || strcmp(user, name) != 0)) ||
			sscanf(line, "%u:%u", &first, &count) != 2 || count == 0)
			continue;
		*range = (struct id_mapping){
			.container_id = 1, .host_id = first, .size = count < SANDBOX_IDS - 1 ? count : SANDBOX_IDS - 1
		};
		return true;
	}
	return false;
}

static bool is_in_path(const char *program)
{
	static const char *const directories[] = { "/usr/bin", "/bin", "/usr/local/bin" };

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		cleanup_free char *path = xprintf("%s/%s", directories[i], program);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

struct maps {
	struct id_mapping uids[2], gids[2]; /* the own id, the subordinate ones */
	bool subordinate;
};

/* The subordinate ids are of use to package managers and to other people's roots; limits that are counted by user come
 * first. */
static void find_maps(const struct sandbox *sandbox, struct maps *maps)
{
	cleanup_free char *name = own_name();

	maps->uids[0] = (struct id_mapping){ .host_id = geteuid(), .size = 1 };
	maps->gids[0] = (struct id_mapping){ .host_id = getegid(), .size = 1 };
	maps->subordinate = !(sandbox->pids_by_rlimit && sandbox->settings->pids != SANDBOX_UNLIMITED) &&
			    is_in_path("newuidmap") && is_in_path("newgidmap") &&
			    find_range("/etc/subuid", name, geteuid(), &maps->uids[1]) &&
			    find_range("/etc/subgid", name, geteuid(), &maps->gids[1]);
}

struct answer {
	struct error error;
	uint32_t ids;
};

/* From outside of the namespace, by a process that is still what the caller was. */
static void write_maps(struct maps *maps, pid_t pid, struct answer *answer)
{
	struct namespaces_plan plan = { .uid_mappings = maps->uids, .gid_mappings = maps->gids };
	bool setgroups_denied;
	int result = -EPERM;

	plan.uid_mapping_count = plan.gid_mapping_count = 2;
	if (maps->subordinate)
		result = namespaces_write_id_maps(&plan, pid, &setgroups_denied, &answer->error);
	if (result == 0) {
		uint32_t uids = maps->uids[1].size, gids = maps->gids[1].size;

		answer->ids = 1 + (uids < gids ? uids : gids);
		answer->error.code = 0;
		return;
	}
	if (maps->subordinate)
		log_debug("without subordinate ids: %s", answer->error.message);
	plan.uid_mapping_count = plan.gid_mapping_count = 1;
	answer->error.code = 0;
	answer->ids = 1;
	(void)namespaces_write_id_maps(&plan, pid, &setgroups_denied, &answer->error);
}

static void mapper(struct maps *maps, pid_t pid, int go, int answer_fd)
{
	struct answer *answer = xcalloc(1, sizeof(*answer));
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &byte, 1) == 1) {
		write_maps(maps, pid, answer);
		(void)file_write_fd(answer_fd, answer, sizeof(*answer));
	}
	_exit(0);
}

/* What forbids them is found by the errno and the sysctls; where AppArmor does, they are made, and give no right. */
static int explain(int error_code, struct error *err)
{
	const struct namespaces_plan plan = { .unshare = CLONE_NEWUSER };
	struct error why;

	(void)namespaces_explain(&plan, error_code, &why);
	return error_set(err, error_code, "without root a sandbox needs a user namespace: %s", why.message);
}

static int unshare_with_maps(struct sandbox *sandbox, int go, int answer_fd, struct error *err)
{
	cleanup_free struct answer *answer = xcalloc(1, sizeof(*answer));

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return explain(errno, err);
	if (write(go, "", 1) != 1 || file_read_exactly(answer_fd, answer, sizeof(*answer)) < 0)
		return error_set(
			err, -EIO, "map the ids of the sandbox's user namespace: the process that does it died");
	if (answer->error.code) {
		*err = answer->error;
		return error_prefix(err, "without root a sandbox needs a user namespace");
	}
	sandbox->ids = answer->ids;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set(err, errno, "become root of the sandbox's user namespace");
	/* Only so may the maps of the command's own namespace be written. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return explain(errno, err);
	return 0;
}

int rootless_enter(struct sandbox *sandbox, struct error *err)
{
	pid_t own = getpid(), helper;
	struct maps maps;
	int go[2], answer[2], result;

	find_maps(sandbox, &maps);
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe");
	helper = fork();
	if (helper == 0) {
		close_fd(&go[1]);
		mapper(&maps, own, go[0], answer[1]);
	}
	close_fd(&go[0]);
	close_fd(&answer[1]);
	result = helper < 0 ? error_set(err, errno, "make a process to map ids with")
			    : unshare_with_maps(sandbox, go[1], answer[0], err);
	close_fd(&go[1]);
	close_fd(&answer[0]);
	while (helper > 0 && waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}
