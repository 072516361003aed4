/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/container_plan.h"

#include <linux/sched.h>
#include <stdlib.h>

/* Smallest encodings of one element, for wire_get_count(). */
enum { MAPPING_WIRE_BYTES = 12, MOUNT_WIRE_BYTES = 62, DEVICE_WIRE_BYTES = 26, PAIR_WIRE_BYTES = 10 };

const struct namespace_info namespace_table[NAMESPACE_KINDS] = {
	[NAMESPACE_USER] = { "user", CLONE_NEWUSER, "user" },
	[NAMESPACE_CGROUP] = { "cgroup", CLONE_NEWCGROUP, "cgroup" },
	[NAMESPACE_IPC] = { "ipc", CLONE_NEWIPC, "ipc" },
	[NAMESPACE_UTS] = { "uts", CLONE_NEWUTS, "uts" },
	[NAMESPACE_NETWORK] = { "network", CLONE_NEWNET, "net" },
	[NAMESPACE_PID] = { "pid", CLONE_NEWPID, "pid" },
	[NAMESPACE_MOUNT] = { "mount", CLONE_NEWNS, "mnt" },
	[NAMESPACE_TIME] = { "time", CLONE_NEWTIME, "time" },
};

static void namespaces_free(struct namespaces_plan *plan)
{
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++)
		free(plan->join[kind]);
	free(plan->uid_mappings);
	free(plan->gid_mappings);
}

static void mount_free(struct mount_plan *mount)
{
	if (mount->tree_fd > 0)
		close_fd(&mount->tree_fd);
	if (mount->user_fd > 0)
		close_fd(&mount->user_fd);
	free(mount->destination);
	free(mount->type);
	free(mount->source);
	free(mount->data);
	free(mount->link);
	free(mount->uid_mappings);
	free(mount->gid_mappings);
}

void container_plan_free(struct container_plan *plan)
{
	struct rootfs_plan *rootfs = &plan->rootfs;

	namespaces_free(&plan->namespaces);
	free(rootfs->root);
	for (uint32_t i = 0; rootfs->mounts && i < rootfs->mount_count; i++)
		mount_free(&rootfs->mounts[i]);
	free(rootfs->mounts);
	for (uint32_t i = 0; rootfs->devices && i < rootfs->device_count; i++)
		free(rootfs->devices[i].path);
	free(rootfs->devices);
	free_strings(rootfs->masked_paths);
	free_strings(rootfs->readonly_paths);
	free(rootfs->working_directory);
	free(rootfs->host_cgroups);
	free(plan->hostname);
	free(plan->domainname);
	for (uint32_t i = 0; plan->sysctls && i < plan->sysctl_count; i++) {
		free(plan->sysctls[i].key);
		free(plan->sysctls[i].value);
	}
	free(plan->sysctls);
	*plan = (struct container_plan){ 0 };
}

static void encode_mappings(const struct id_mapping *mappings, uint32_t count, struct strbuf *out)
{
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count; i++) {
		wire_put_u32(out, mappings[i].container_id);
		wire_put_u32(out, mappings[i].host_id);
		wire_put_u32(out, mappings[i].size);
	}
}

static void decode_mappings(struct id_mapping **mappings, uint32_t *count, struct wire_reader *in)
{
	*count = wire_get_count(in, MAPPING_WIRE_BYTES);
	*mappings = *count ? xcalloc(*count, sizeof(**mappings)) : NULL;
	for (uint32_t i = 0; i < *count; i++) {
		struct id_mapping *mapping = &(*mappings)[i];

		mapping->container_id = wire_get_u32(in);
		mapping->host_id = wire_get_u32(in);
		mapping->size = wire_get_u32(in);
	}
}

static void encode_namespaces(const struct namespaces_plan *plan, struct strbuf *out)
{
	wire_put_u64(out, plan->unshare);
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++)
		wire_put_string(out, plan->join[kind]);
	encode_mappings(plan->uid_mappings, plan->uid_mapping_count, out);
	encode_mappings(plan->gid_mappings, plan->gid_mapping_count, out);
	wire_put_u8(out, plan->time_offsets_set);
	wire_put_i64(out, plan->monotonic_seconds);
	wire_put_i64(out, plan->boottime_seconds);
	wire_put_u32(out, plan->monotonic_nanoseconds);
	wire_put_u32(out, plan->boottime_nanoseconds);
}

static void decode_namespaces(struct namespaces_plan *plan, struct wire_reader *in)
{
	plan->unshare = wire_get_u64(in);
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++)
		plan->join[kind] = wire_get_string(in);
	decode_mappings(&plan->uid_mappings, &plan->uid_mapping_count, in);
	decode_mappings(&plan->gid_mappings, &plan->gid_mapping_count, in);
	plan->time_offsets_set = wire_get_u8(in) != 0;
	plan->monotonic_seconds = wire_get_i64(in);
	plan->boottime_seconds = wire_get_i64(in);
	plan->monotonic_nanoseconds = wire_get_u32(in);
	plan->boottime_nanoseconds = wire_get_u32(in);
}

static void encode_mount(const struct mount_plan *mount, struct strbuf *out)
{
	wire_put_string(out, mount->destination);
	wire_put_string(out, mount->type);
	wire_put_string(out, mount->source);
	wire_put_string(out, mount->data);
	wire_put_u64(out, mount->flags);
	wire_put_u64(out, mount->clear);
	wire_put_u64(out, mount->propagation);
	wire_put_u64(out, mount->recursive_set);
	wire_put_u64(out, mount->recursive_clear);
	wire_put_u8(out, mount->tmpcopyup);
	wire_put_string(out, mount->link);
	wire_put_u8(out, mount->destination_nofollow);
	wire_put_u8(out, mount->source_nofollow);
	wire_put_u8(out, mount->idmap);
	wire_put_u8(out, mount->idmap_recursive);
	encode_mappings(mount->uid_mappings, mount->uid_mapping_count, out);
	encode_mappings(mount->gid_mappings, mount->gid_mapping_count, out);
	wire_put_u8(out, mount->source_is_directory);
}

static void decode_mount(struct mount_plan *mount, struct wire_reader *in)
{
	mount->destination = wire_get_string(in);
	mount->type = wire_get_string(in);
	mount->source = wire_get_string(in);
	mount->data = wire_get_string(in);
	mount->flags = wire_get_u64(in);
	mount->clear = wire_get_u64(in);
	mount->propagation = wire_get_u64(in);
	mount->recursive_set = wire_get_u64(in);
	mount->recursive_clear = wire_get_u64(in);
	mount->tmpcopyup = wire_get_u8(in) != 0;
	mount->link = wire_get_string(in);
	mount->destination_nofollow = wire_get_u8(in) != 0;
	mount->source_nofollow = wire_get_u8(in) != 0;
	mount->idmap = wire_get_u8(in) != 0;
	mount->idmap_recursive = wire_get_u8(in) != 0;
	decode_mappings(&mount->uid_mappings, &mount->uid_mapping_count, in);
	decode_mappings(&mount->gid_mappings, &mount->gid_mapping_count, in);
	mount->source_is_directory = wire_get_u8(in) != 0;
	if (!mount->destination)
		in->failed = true;
}

static void encode_device(const struct device_plan *device, struct strbuf *out)
{
	wire_put_string(out, device->path);
	wire_put_u8(out, (uint8_t)device->type);
	wire_put_u32(out, device->major);
	wire_put_u32(out, device->minor);
	wire_put_u32(out, device->mode);
	wire_put_u32(out, device->uid);
	wire_put_u32(out, device->gid);
}

static void decode_device(struct device_plan *device, struct wire_reader *in)
{
	device->path = wire_get_string(in);
	device->type = (char)wire_get_u8(in);
	device->major = wire_get_u32(in);
	device->minor = wire_get_u32(in);
	device->mode = wire_get_u32(in) & 07777;
	device->uid = wire_get_u32(in);
	device->gid = wire_get_u32(in);
	if (!device->path)
		in->failed = true;
}

static void encode_rootfs(const struct rootfs_plan *plan, struct strbuf *out)
{
	wire_put_string(out, plan->root);
	wire_put_u8(out, plan->readonly);
	wire_put_u64(out, plan->propagation);
	wire_put_u8(out, plan->no_pivot);
	wire_put_u8(out, plan->move_root);
	wire_put_u32(out, plan->mount_count);
	for (uint32_t i = 0; i < plan->mount_count; i++)
		encode_mount(&plan->mounts[i], out);
	wire_put_u32(out, plan->device_count);
	for (uint32_t i = 0; i < plan->device_count; i++)
		encode_device(&plan->devices[i], out);
	wire_put_u8(out, plan->bind_devices);
	wire_put_strings(out, plan->masked_paths);
	wire_put_strings(out, plan->readonly_paths);
	wire_put_u8(out, plan->console);
	wire_put_u8(out, plan->bare);
	wire_put_string(out, plan->working_directory);
}

static void decode_rootfs(struct rootfs_plan *plan, struct wire_reader *in)
{
	plan->root = wire_get_string(in);
	plan->readonly = wire_get_u8(in) != 0;
	plan->propagation = wire_get_u64(in);
	plan->no_pivot = wire_get_u8(in) != 0;
	plan->move_root = wire_get_u8(in) != 0;
	plan->mount_count = wire_get_count(in, MOUNT_WIRE_BYTES);
	plan->mounts = xcalloc(plan->mount_count, sizeof(*plan->mounts));
	for (uint32_t i = 0; i < plan->mount_count; i++)
		decode_mount(&plan->mounts[i], in);
	plan->device_count = wire_get_count(in, DEVICE_WIRE_BYTES);
	plan->devices = xcalloc(plan->device_count, sizeof(*plan->devices));
	for (uint32_t i = 0; i < plan->device_count; i++)
		decode_device(&plan->devices[i], in);
	plan->bind_devices = wire_get_u8(in) != 0;
	plan->masked_paths = wire_get_strings(in);
	plan->readonly_paths = wire_get_strings(in);
	plan->console = wire_get_u8(in) != 0;
	plan->bare = wire_get_u8(in) != 0;
	plan->working_directory = wire_get_string(in);
}

void container_plan_encode(const struct container_plan *plan, struct strbuf *out)
{
	encode_namespaces(&plan->namespaces, out);
	encode_rootfs(&plan->rootfs, out);
	wire_put_string(out, plan->hostname);
	wire_put_string(out, plan->domainname);
	wire_put_u32(out, plan->sysctl_count);
	for (uint32_t i = 0; i < plan->sysctl_count; i++) {
		wire_put_string(out, plan->sysctls[i].key);
		wire_put_string(out, plan->sysctls[i].value);
	}
}

static void decode_sysctls(struct container_plan *plan, struct wire_reader *in)
{
	plan->sysctl_count = wire_get_count(in, PAIR_WIRE_BYTES);
	plan->sysctls = xcalloc(plan->sysctl_count, sizeof(*plan->sysctls));
	for (uint32_t i = 0; i < plan->sysctl_count; i++) {
		plan->sysctls[i].key = wire_get_string(in);
		plan->sysctls[i].value = wire_get_string(in);
		if (!plan->sysctls[i].key || !plan->sysctls[i].value)
			in->failed = true;
	}
}

int container_plan_decode(struct container_plan *plan, struct wire_reader *in, struct error *err)
{
	struct container_plan decoded = { 0 };

	decode_namespaces(&decoded.namespaces, in);
	decode_rootfs(&decoded.rootfs, in);
	decoded.hostname = wire_get_string(in);
	decoded.domainname = wire_get_string(in);
	decode_sysctls(&decoded, in);
	if (in->failed || !decoded.rootfs.root) {
		container_plan_free(&decoded);
		return error_set(err, -EBADMSG, "decode the plan of a container: it is short or malformed");
	}
	*plan = decoded;
	return 0;
}
