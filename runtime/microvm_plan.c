/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/microvm_plan.h"

#include <linux/sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cgroups/wire.h"
#include "microvm/guest_protocol.h"
#include "microvm/vm.h"
#include "runtime/pod.h"
#include "runtime/microvm_machine.h"

/* The monitor's threads with those that the kernel gives it, and its hooks. */
#define MONITOR_THREADS_MAX (VM_VCPUS_MAX + 96)

/* Device numbers that every Linux has without hardware behind them: the guest's own kernel serves them. */
static const struct {
	char type;
	uint32_t major, minor;
} guest_devices[] = {
	{ 'c', 1, 3 },
	{ 'c', 1, 5 },
	{ 'c', 1, 7 },
	{ 'c', 1, 8 },
	{ 'c', 1, 9 },
	{ 'c', 1, 11 },
	{ 'c', 5, 0 },
	{ 'c', 5, 1 },
	{ 'c', 5, 2 },
	{ 'c', 10, 229 },
	{ 'c', 10, 200 },
};

static int refuse_namespaces(const struct oci_spec *spec, const struct container *sandbox, struct error *err)
{
	bool own[NAMESPACE_KINDS] = { false };
	static const enum namespace_kind needed[] = { NAMESPACE_PID, NAMESPACE_IPC, NAMESPACE_UTS, NAMESPACE_NETWORK,
		NAMESPACE_MOUNT };

	for (size_t i = 0; i < spec->namespace_count; i++) {
		const struct oci_namespace *namespace = &spec->namespaces[i];

		own[namespace->kind] = true;
		if (namespace->path && namespace->kind != NAMESPACE_NETWORK &&
			!(sandbox && pod_holds_namespace(sandbox, namespace)))
			return error_set(err, -EINVAL,
				"config.json: linux.namespaces[%zu].path: a micro-VM cannot join the host's %s "
				"namespace",
				i, namespace_table[namespace->kind].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!own[needed[i]])
			return error_set(err, -EINVAL,
				"config.json: linux.namespaces: a micro-VM cannot share the host's %s namespace (add "
				"an entry of that type)",
				namespace_table[needed[i]].name);
	}
	return 0;
}

static bool is_same_file(const char *path, const char *other)
{
	struct stat first, second;

	return stat(path, &first) == 0 && stat(other, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* The guest takes the place of the namespace's own network stack, which hears nothing any more: not the host's. */
static int refuse_host_network(const struct oci_spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec->namespace_count; i++) {
		const struct oci_namespace *namespace = &spec->namespaces[i];

		if (namespace->kind == NAMESPACE_NETWORK && namespace->path &&
			(is_same_file(namespace->path, "/proc/self/ns/net") ||
				is_same_file(namespace->path, "/proc/1/ns/net")))
			return error_set(err, -EINVAL,
				"config.json: linux.namespaces[%zu].path: a micro-VM cannot share the host's network "
				"namespace",
				i);
	}
	return 0;
}

static int refuse_devices(const struct rootfs_plan *plan, struct error *err)
{
	for (uint32_t i = 0; i < plan->device_count; i++) {
		const struct device_plan *device = &plan->devices[i];
		bool known = device->type == 'p';

		for (size_t j = 0; j < ARRAY_SIZE(guest_devices) && !known; j++)
			known = device->type == guest_devices[j].type && device->major == guest_devices[j].major &&
				device->minor == guest_devices[j].minor;
		if (!known)
			return error_set(err, -EINVAL,
				"config.json: linux.devices[%u]: a micro-VM cannot have the host's device %s (%c "
				"%u:%u)",
				i, device->path, device->type, device->major, device->minor);
	}
	return 0;
}

static int refuse(const struct launch *launch, const struct container *sandbox, struct error *err)
{
	const struct oci_spec *spec = launch->spec;
	int result = refuse_namespaces(spec, sandbox, err);

	if (result == 0)
		result = refuse_host_network(spec, err);
	if (result == 0)
		result = refuse_devices(&launch->plan.rootfs, err);
	if (result == 0 && spec->resources)
		result = microvm_check_resources(spec->resources, err);
	if (result < 0)
		return result;
	if (spec->mount_label)
		return error_set(
			err, -EINVAL, "config.json: linux.mountLabel: the guest's kernel of a micro-VM has no SELinux");
	if (launch->process.landlock.set)
		return error_set(err, -EINVAL,
			"config.json: annotations: run.duet.landlock: the guest's kernel of a micro-VM has no "
			"Landlock");
	if (launch->options->preserve_fds)
		return error_set(
			err, -EINVAL, "--preserve-fds, LISTEN_FDS: a micro-VM cannot inherit the host's descriptors");
	for (size_t i = 0; spec->seccomp && i < spec->seccomp->rule_count; i++) {
		if (spec->seccomp->rules[i].action == OCI_SECCOMP_NOTIFY)
			return error_set(err, -EINVAL,
				"config.json: linux.seccomp.syscalls[%zu].action: a micro-VM cannot notify a listener "
				"on the host",
				i);
	}
	if (spec->vm && (spec->vm->device_tree || spec->vm->device_tree_devices || spec->vm->io_memory_count ||
				spec->vm->irq_count))
		return error_set(err, -EINVAL,
			"config.json: vm.hwConfig: a micro-VM cannot be given the host's devices (deviceTree, dtdevs, "
			"iomems, "
			"irqs)");
	if (spec->vm && spec->vm->hypervisor_path)
		return error_set(err, -ENOTSUP,
			"config.json: vm.hypervisor.path: duet is the hypervisor itself, another one cannot be named");
	return 0;
}

/* ---- the jail on the host ---- */

static void jail_bind(struct mount_plan *mount, char *destination, char *source, bool directory)
{
	*mount = (struct mount_plan){
		.destination = destination,
		.source = source,
		.source_is_directory = directory,
		/* The guest's kernel gives set-user-ID bits and device nodes their meaning; the host must not. */
		.flags = MS_BIND | MS_REC | MS_NOSUID | MS_NODEV,
		.propagation = MS_PRIVATE | MS_REC,
	};
}

/* The host's own part of a bind: what the guest's kernel could not enforce against a guest that broke it. */
static void jail_bind_volume(struct mount_plan *jail, struct mount_plan *guest, uint32_t number)
{
	jail_bind(jail, xprintf("/binds/%u", number), guest->source, guest->source_is_directory);
	jail->flags |= guest->flags & MS_RDONLY;
	if (!(guest->flags & MS_REC))
		jail->flags &= ~(uint64_t)MS_REC;
	jail->recursive_set = guest->recursive_set;
	jail->source_nofollow = guest->source_nofollow;
	jail->idmap = guest->idmap;
	jail->idmap_recursive = guest->idmap_recursive;
	jail->uid_mappings = take_pointer(&guest->uid_mappings);
	jail->gid_mappings = take_pointer(&guest->gid_mappings);
	jail->uid_mapping_count = guest->uid_mapping_count;
	jail->gid_mapping_count = guest->gid_mapping_count;
	guest->idmap = guest->idmap_recursive = false;
	guest->uid_mapping_count = guest->gid_mapping_count = 0;
	guest->source_nofollow = false;
	guest->source = xprintf("%s/binds/%u", GUEST_SHARE_PATH, number);
}

/* A container in a user namespace that shares its caller's network namespace cannot mount sysfs and has the host's
 * bound instead (`spec --rootless`). The guest has a kernel of its own, which the host's says nothing of. */
static void plan_sysfs(struct mount_plan *mount)
{
	if (!(mount->flags & MS_BIND) || !mount->source || strcmp(mount->source, "/sys") != 0 ||
		strcmp(mount->destination, "/sys") != 0)
		return;
	free(mount->type);
	free(mount->source);
	mount->type = xstrdup("sysfs");
	mount->source = xstrdup("sysfs");
	mount->flags &= ~(uint64_t)(MS_BIND | MS_REC);
}

static void plan_jail(struct launch *launch)
{
	struct rootfs_plan *guest = &launch->vm.guest.rootfs;
	struct rootfs_plan jail = {
		.root = xprintf("%s/" CONTAINER_JAIL_FILE, launch->container->path),
		.readonly = true,
		.bare = true,
		.mounts = xcalloc(guest->mount_count + 1, sizeof(*jail.mounts)),
		.masked_paths = xcalloc(1, sizeof(char *)),
		.readonly_paths = xcalloc(1, sizeof(char *)),
	};

	if (launch->spec->vm && launch->spec->vm->image_path) {
		free(guest->root);
		guest->root = xstrdup(GUEST_IMAGE_PATH);
	} else {
		jail_bind(&jail.mounts[jail.mount_count++], xstrdup("/rootfs"), guest->root, true);
		if (guest->readonly)
			jail.mounts[0].flags |= MS_RDONLY;
		guest->root = xstrdup(GUEST_SHARE_PATH "/rootfs");
	}
	for (uint32_t i = 0; i < guest->mount_count; i++) {
		plan_sysfs(&guest->mounts[i]);
		if (guest->mounts[i].flags & MS_BIND)
			jail_bind_volume(&jail.mounts[jail.mount_count++], &guest->mounts[i], i);
	}
	launch->plan.rootfs = jail;
}

int microvm_check_resources(const struct oci_resources *resources, struct error *err)
{
	static const struct {
		const char *file, *instead;
	} others[] = { { "memory.max", "memory.limit" }, { "pids.max", "pids.limit" } };

	for (size_t i = 0; i < resources->unified_count; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(others); j++) {
			if (strcmp(resources->unified[i].key, others[j].file) == 0)
				return error_set(err, -EINVAL,
					"linux.resources.unified[\"%s\"]: a micro-VM takes linux.resources.%s",
					others[j].file, others[j].instead);
		}
	}
	return 0;
}

void microvm_host_resources(struct oci_resources *resources)
{
	struct oci_i64 *pids = &resources->pids_limit;

	if (pids->set && pids->value >= 0)
		pids->value = pids->value < INT32_MAX ? pids->value + MONITOR_THREADS_MAX : -1;
}

void microvm_inherit_limits(struct process_plan *process)
{
	process->rlimits = xrealloc(process->rlimits, process->rlimit_count + RLIM_NLIMITS, sizeof(*process->rlimits));
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;
		bool named = false;

		for (uint32_t i = 0; i < process->rlimit_count && !named; i++)
			named = process->rlimits[i].resource == resource;
		if (named || getrlimit((__rlimit_resource_t)resource, &limit) < 0)
			continue;
		process->rlimits[process->rlimit_count++] =
			(struct process_rlimit){ .resource = resource, .soft = limit.rlim_cur, .hard = limit.rlim_max };
	}
}

/* What only the guest's kernel can limit goes there. The monitor's own threads do not count as the container's. */
static void plan_limits(struct launch *launch)
{
	static const struct oci_resources none;
	struct oci_resources *resources = launch->spec->resources;

	cgroup_resources_encode(resources ? resources : &none, &launch->vm.limits);
	if (resources)
		microvm_host_resources(resources);
}

/* Those of its pod are, for a guest, new ones with the pod's name. */
static int plan_pod(const struct container *sandbox, struct container_plan *plan, struct error *err)
{
	static const enum namespace_kind kinds[] = { NAMESPACE_IPC, NAMESPACE_UTS };
	bool named = plan->namespaces.join[NAMESPACE_UTS] && !plan->hostname;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char **path = &plan->namespaces.join[kinds[i]];

		if (!*path)
			continue;
		free(*path);
		*path = NULL;
		plan->namespaces.unshare |= namespace_table[kinds[i]].clone_flag;
	}
	return named ? pod_host_name(sandbox, &plan->hostname, err) : 0;
}

/*
 * A caller without privilege makes the monitor's namespaces in a user namespace, which maps the ids on this side: the
 * guest sees the files as a container in such a namespace would, and needs none of its own. Without maps in config.json
 * the caller is root in the guest.
 */
static void plan_without_privilege(struct namespaces_plan *jail, struct container_plan *inside)
{
	struct namespaces_plan *guest = &inside->namespaces;
	const struct id_mapping uid = { .host_id = geteuid(), .size = 1 }, gid = { .host_id = getegid(), .size = 1 };

	if (geteuid() == 0)
		return;
	jail->unshare |= CLONE_NEWUSER;
	guest->unshare &= ~(uint64_t)CLONE_NEWUSER;
	inside->rootfs.bind_devices = false;
	jail->uid_mappings = take_pointer(&guest->uid_mappings);
	jail->gid_mappings = take_pointer(&guest->gid_mappings);
	jail->uid_mapping_count = guest->uid_mapping_count;
	jail->gid_mapping_count = guest->gid_mapping_count;
	guest->uid_mapping_count = guest->gid_mapping_count = 0;
	if (jail->uid_mapping_count)
		return;
	jail->uid_mappings = xmemdup(&uid, sizeof(uid));
	jail->gid_mappings = xmemdup(&gid, sizeof(gid));
	jail->uid_mapping_count = jail->gid_mapping_count = 1;
}

int microvm_plan(struct launch *launch, struct error *err)
{
	struct container_plan *guest = &launch->vm.guest;
	cleanup_container struct container *sandbox = NULL;
	int result = pod_find_sandbox(launch->options->root, launch->options->id, launch->spec, &sandbox, err);

	if (result == 0)
		result = refuse(launch, sandbox, err);
	if (result == 0 && sandbox)
		result = plan_pod(sandbox, &launch->plan, err);
	if (result == 0)
		result = microvm_machine(launch, err);
	if (result < 0)
		return result;
	*guest = launch->plan;
	launch->plan = (struct container_plan){ 0 };
	launch->plan.namespaces.unshare = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
					  (guest->namespaces.unshare & CLONE_NEWNET);
	launch->plan.namespaces.join[NAMESPACE_NETWORK] = take_pointer(&guest->namespaces.join[NAMESPACE_NETWORK]);
	/* The machine is the container's alone: its own network namespace is the container's. */
	guest->namespaces.unshare &= ~(uint64_t)CLONE_NEWNET;
	plan_without_privilege(&launch->plan.namespaces, guest);
	guest->rootfs.move_root = true;
	microvm_inherit_limits(&launch->process);
	plan_jail(launch);
	plan_limits(launch);
	return 0;
}
