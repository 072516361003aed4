/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "oci/annotations.h"
#include "oci/landlock.h"

enum { FILE_SYSTEMS_BYTES_MAX = 65536 };

static char *copy_text(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static char **copy_strings(char *const *strings)
{
	size_t count = 0;
	char **copy;

	while (strings && strings[count])
		count++;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(strings[i]);
	return copy;
}

static struct id_mapping *copy_mappings(const struct id_mapping *mappings, uint32_t count)
{
	return count ? xmemdup(mappings, count * sizeof(*mappings)) : NULL;
}

static char *path_in_bundle(const char *bundle, const char *path)
{
	return path[0] == '/' ? xstrdup(path) : xprintf("%s/%s", bundle, path);
}

static int plan_namespaces(const struct oci_spec *spec, struct namespaces_plan *plan, struct error *err)
{
	for (size_t i = 0; i < spec->namespace_count; i++) {
		const struct oci_namespace *namespace = &spec->namespaces[i];

		if (namespace->path)
			plan->join[namespace->kind] = xstrdup(namespace->path);
		else
			plan->unshare |= namespace_table[namespace->kind].clone_flag;
	}
	plan->uid_mappings = copy_mappings(spec->uid_mappings, spec->uid_mapping_count);
	plan->gid_mappings = copy_mappings(spec->gid_mappings, spec->gid_mapping_count);
	plan->uid_mapping_count = spec->uid_mapping_count;
	plan->gid_mapping_count = spec->gid_mapping_count;
	if ((plan->unshare & CLONE_NEWUSER) && (!plan->uid_mapping_count || !plan->gid_mapping_count))
		return error_set(err, -EINVAL,
			"config.json: linux.uidMappings and linux.gidMappings are needed for a new user namespace");
	if (!(plan->unshare & CLONE_NEWUSER) && !plan->join[NAMESPACE_USER] && plan->uid_mapping_count)
		return error_set(
			err, -EINVAL, "config.json: linux.uidMappings: there is no user namespace to apply them to");
	plan->time_offsets_set = spec->monotonic_offset.set || spec->boottime_offset.set;
	if (plan->time_offsets_set && !(plan->unshare & CLONE_NEWTIME))
		return error_set(err, -EINVAL,
			"config.json: linux.timeOffsets: there is no new time namespace to apply them to");
	plan->monotonic_seconds = spec->monotonic_offset.seconds;
	plan->monotonic_nanoseconds = spec->monotonic_offset.nanoseconds;
	plan->boottime_seconds = spec->boottime_offset.seconds;
	plan->boottime_nanoseconds = spec->boottime_offset.nanoseconds;
	return 0;
}

/* File systems that keep no labels of their own take the one for all of their files as an option, but for those whose
 * files have labels by the policy. */
static bool takes_label(const struct mount_plan *plan)
{
	static const char *const by_policy[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2", "none" };

	if (!plan->type || (plan->flags & (MS_BIND | MS_REMOUNT)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(by_policy); i++) {
		if (strcmp(plan->type, by_policy[i]) == 0)
			return false;
	}
	return true;
}

/* In quotes: a label has commas. */
static void plan_label(const char *label, struct mount_plan *plan)
{
	char *data = plan->data;

	if (!label || !takes_label(plan))
		return;
	plan->data = xprintf("%s%scontext=\"%s\"", data ? data : "", data ? "," : "", label);
	free(data);
}

/* The text of a symbolic link (allocated); NULL: it is none. */
static char *read_link(const char *path)
{
	char text[PATH_MAX];
	ssize_t length = readlink(path, text, sizeof(text) - 1);

	return length < 0 ? NULL : xstrndup(text, (size_t)length);
}

static void plan_mount(const struct oci_mount *mount, const char *bundle, struct mount_plan *plan)
{
	const struct oci_mount_options *options = &mount->options;
	struct stat status;

	*plan = (struct mount_plan){
		.destination = xstrdup(mount->destination),
		.type = copy_text(mount->type),
		.data = copy_text(options->data),
		.flags = options->flags,
		.clear = options->clear,
		.propagation = options->propagation,
		.recursive_set = options->recursive_set,
		.recursive_clear = options->recursive_clear,
		.tmpcopyup = options->tmpcopyup,
		.destination_nofollow = options->destination_nofollow,
		.source_nofollow = options->source_nofollow,
		.idmap = options->idmap,
		.idmap_recursive = options->idmap_recursive,
		.uid_mappings = copy_mappings(mount->uid_mappings, mount->uid_mapping_count),
		.gid_mappings = copy_mappings(mount->gid_mappings, mount->gid_mapping_count),
		.uid_mapping_count = mount->uid_mapping_count,
		.gid_mapping_count = mount->gid_mapping_count,
	};
	/* crun and runc take the type "bind" for the option too. */
	if (plan->type && strcmp(plan->type, "bind") == 0)
		plan->flags |= MS_BIND;
	if (mount->source && (plan->flags & MS_BIND)) {
		plan->source = path_in_bundle(bundle, mount->source);
		if (options->copy_symlink)
			plan->link = read_link(plan->source);
		plan->source_is_directory = stat(plan->source, &status) == 0 && S_ISDIR(status.st_mode);
	} else {
		plan->source = copy_text(mount->source);
	}
	if (plan->link)
		plan->flags = 0;
}

static void plan_devices(const struct oci_spec *spec, struct rootfs_plan *plan)
{
	plan->devices = xcalloc(spec->device_count, sizeof(*plan->devices));
	plan->device_count = (uint32_t)spec->device_count;
	for (size_t i = 0; i < spec->device_count; i++) {
		const struct oci_device *device = &spec->devices[i];

		plan->devices[i] = (struct device_plan){
			.path = xstrdup(device->path),
			.type = device->type,
			.major = device->major,
			.minor = device->minor,
			.mode = device->mode_set ? device->mode : 0666,
			.uid = device->uid,
			.gid = device->gid,
		};
	}
}

static void plan_rootfs(const struct oci_spec *spec, const char *bundle, bool user_namespace, struct rootfs_plan *plan)
{
	plan->root = path_in_bundle(bundle, spec->root.path);
	plan->readonly = spec->root.readonly;
	plan->propagation = spec->rootfs_propagation;
	plan->mounts = xcalloc(spec->mount_count, sizeof(*plan->mounts));
	plan->mount_count = (uint32_t)spec->mount_count;
	for (size_t i = 0; i < spec->mount_count; i++) {
		plan_mount(&spec->mounts[i], bundle, &plan->mounts[i]);
		plan_label(spec->mount_label, &plan->mounts[i]);
	}
	plan_devices(spec, plan);
	plan->bind_devices = user_namespace;
	plan->masked_paths = copy_strings(spec->masked_paths);
	plan->readonly_paths = copy_strings(spec->readonly_paths);
	plan->console = spec->process->terminal;
	plan->working_directory = copy_text(spec->process->cwd);
}

/* The kernel knows the file system only when it was booted with SELinux. */
static bool has_selinux(void)
{
	cleanup_strbuf struct strbuf known = STRBUF_INIT;

	return file_read(AT_FDCWD, "/proc/filesystems", FILE_SYSTEMS_BYTES_MAX, &known) == 0 &&
	       strstr(known.data, "\tselinuxfs\n");
}

static int plan_refuse(const struct oci_spec *spec, const struct container_plan *plan, struct error *err)
{
	bool mount_namespace = (plan->namespaces.unshare & CLONE_NEWNS) || plan->namespaces.join[NAMESPACE_MOUNT];
	bool uts_namespace = (plan->namespaces.unshare & CLONE_NEWUTS) || plan->namespaces.join[NAMESPACE_UTS];

	if (!mount_namespace)
		return error_set(err, -EINVAL,
			"config.json: linux.namespaces: a mount namespace is needed, or the host's mounts would "
			"change");
	if ((spec->hostname || spec->domainname) && !uts_namespace)
		return error_set(
			err, -EINVAL, "config.json: hostname: there is no uts namespace, the host's name would change");
	if (spec->mount_label && strchr(spec->mount_label, '"'))
		return error_set(err, -EINVAL, "config.json: linux.mountLabel: a label has no quotes in it");
	if (spec->mount_label && !has_selinux())
		return error_set(err, -ENOTSUP, "config.json: linux.mountLabel: SELinux is not enabled on this host");
	return 0;
}

int plan_container(const struct oci_spec *spec, const char *bundle, struct container_plan *plan, struct error *err)
{
	int result = plan_namespaces(spec, &plan->namespaces, err);

	if (result < 0)
		return result;
	result = plan_refuse(spec, plan, err);
	if (result < 0)
		return result;
	plan_rootfs(spec, bundle, (plan->namespaces.unshare & CLONE_NEWUSER) || plan->namespaces.join[NAMESPACE_USER],
		&plan->rootfs);
	plan->hostname = copy_text(spec->hostname);
	plan->domainname = copy_text(spec->domainname);
	plan->sysctls = xcalloc(spec->sysctl_count, sizeof(*plan->sysctls));
	plan->sysctl_count = (uint32_t)spec->sysctl_count;
	for (size_t i = 0; i < spec->sysctl_count; i++) {
		plan->sysctls[i].key = xstrdup(spec->sysctls[i].key);
		plan->sysctls[i].value = xstrdup(spec->sysctls[i].value);
	}
	return 0;
}

static void plan_limits(const struct oci_process *process, struct process_plan *plan)
{
	plan->rlimits = xcalloc(process->rlimit_count, sizeof(*plan->rlimits));
	plan->rlimit_count = (uint32_t)process->rlimit_count;
	for (size_t i = 0; i < process->rlimit_count; i++) {
		plan->rlimits[i].resource = process->rlimits[i].resource;
		plan->rlimits[i].soft = process->rlimits[i].soft;
		plan->rlimits[i].hard = process->rlimits[i].hard;
	}
	plan->capabilities = (struct process_capabilities){
		.set = process->capabilities.set,
		.bounding = process->capabilities.bounding,
		.effective = process->capabilities.effective,
		.inheritable = process->capabilities.inheritable,
		.permitted = process->capabilities.permitted,
		.ambient = process->capabilities.ambient,
	};
	plan->no_new_privileges = process->no_new_privileges;
	plan->oom_score_set = process->oom_score_adjust_set;
	plan->oom_score_adjust = process->oom_score_adjust;
	plan->scheduler = (struct process_scheduler){
		.set = process->scheduler.set,
		.policy = process->scheduler.policy,
		.nice = process->scheduler.nice,
		.priority = process->scheduler.priority,
		.flags = process->scheduler.flags,
		.runtime_ns = process->scheduler.runtime_ns,
		.deadline_ns = process->scheduler.deadline_ns,
		.period_ns = process->scheduler.period_ns,
	};
	plan->io_priority = (struct process_io_priority){
		.set = process->io_priority.set,
		.class = process->io_priority.class,
		.priority = process->io_priority.priority,
	};
}

static void plan_ports(const struct oci_landlock_ports *ports, uint64_t right, struct process_landlock *plan)
{
	if (!ports->set)
		return;
	plan->handled_network |= right;
	for (size_t i = 0; i < ports->count; i++)
		plan->rules[plan->rule_count++] =
			(struct process_landlock_rule){ .port = (uint16_t)ports->numbers[i], .rights = right };
}

static int plan_landlock(const struct oci_spec *spec, struct process_landlock *plan, struct error *err)
{
	enum { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1 }; /* LANDLOCK_ACCESS_NET_* of version 4 */
	const char *text = oci_annotation(spec, OCI_ANNOTATION_LANDLOCK);
	cleanup_oci_landlock struct oci_landlock *landlock = NULL;
	int result;

	if (!text)
		return 0;
	result = oci_landlock_parse(&landlock, text, err);
	if (result < 0)
		return error_prefix(err, "config.json");
	*plan = (struct process_landlock){
		.set = true,
		.abi = landlock->abi,
		.handled_files = landlock->file_rights,
		.scopes = landlock->scopes,
		.rules = xcalloc(landlock->path_count + landlock->bind.count + landlock->connect.count,
			sizeof(struct process_landlock_rule)),
	};
	for (size_t i = 0; i < landlock->path_count; i++)
		plan->rules[plan->rule_count++] =
			(struct process_landlock_rule){ .path = xstrdup(landlock->paths[i].path),
				.rights = landlock->paths[i].rights };
	plan_ports(&landlock->bind, NET_BIND_TCP, plan);
	plan_ports(&landlock->connect, NET_CONNECT_TCP, plan);
	return 0;
}

int plan_process(
	const struct oci_spec *spec, const struct oci_process *process, struct process_plan *plan, struct error *err)
{
	plan->args = copy_strings(process->args);
	plan->env = copy_strings(process->env);
	plan->cwd = xstrdup(process->cwd);
	plan->terminal = process->terminal;
	plan->rows = process->console_rows;
	plan->columns = process->console_columns;
	plan->uid = process->user.uid;
	plan->gid = process->user.gid;
	plan->additional_gid_count = (uint32_t)process->user.additional_gid_count;
	if (plan->additional_gid_count)
		plan->additional_gids =
			xmemdup(process->user.additional_gids, plan->additional_gid_count * sizeof(gid_t));
	plan->umask_set = process->user.umask_set;
	plan->umask = process->user.umask;
	plan_limits(process, plan);
	if (spec->memory_policy)
		plan->memory_policy = (struct process_memory_policy){
			.set = true,
			.mode = spec->memory_policy->mode,
			.flags = spec->memory_policy->flags,
			.nodes = copy_text(spec->memory_policy->nodes),
		};
	plan->personality_set = spec->personality_set;
	plan->personality = spec->personality;
	plan->cpu_affinity_initial = copy_text(process->cpu_affinity_initial);
	plan->cpu_affinity_final = copy_text(process->cpu_affinity_final);
	plan->apparmor_profile = copy_text(process->apparmor_profile);
	plan->selinux_label = copy_text(process->selinux_label);
	return plan_landlock(spec, &plan->landlock, err);
}

void plan_listen(struct process_plan *plan, uint32_t count)
{
	size_t entries = 0;

	while (plan->env[entries])
		entries++;
	plan->env = xrealloc(plan->env, entries + 3, sizeof(*plan->env));
	plan->env[entries] = xprintf("LISTEN_FDS=%u", count);
	plan->env[entries + 1] = xstrdup("LISTEN_PID=1");
	plan->env[entries + 2] = NULL;
}
