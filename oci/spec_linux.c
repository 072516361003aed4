/* SPDX-License-Identifier: Apache-2.0 */
/* config.json "linux", except for resources and seccomp. */
#include <ctype.h>
#include <net/if.h>
#include <string.h>

#include "oci/spec_sections.h"

static int read_namespace_kind(struct json_reader *reader, const json_t *value, void *target)
{
	enum namespace_kind *kind = target;
	char *name = NULL;
	int result = json_read_any_string(reader, value, &name);

	if (result < 0)
		return result;
	for (unsigned int i = 0; i < NAMESPACE_KINDS; i++) {
		if (strcmp(namespace_table[i].name, name) == 0) {
			*kind = (enum namespace_kind)i;
			free(name);
			return 0;
		}
	}
	result = json_fail(reader, "unknown namespace \"%s\"", name);
	free(name);
	return result;
}

static int read_namespace(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("type", struct oci_namespace, kind, read_namespace_kind),
		JSON_FIELD_BY("path", struct oci_namespace, path, json_read_absolute),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_namespaces(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return json_read_array(
		reader, value, sizeof(*spec->namespaces), read_namespace, &spec->namespaces, &spec->namespace_count);
}

static int read_uid_mappings(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return oci_read_id_mappings(reader, value, &spec->uid_mappings, &spec->uid_mapping_count);
}

static int read_gid_mappings(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return oci_read_id_mappings(reader, value, &spec->gid_mappings, &spec->gid_mapping_count);
}

static int read_nanoseconds(struct json_reader *reader, const json_t *value, void *target)
{
	uint32_t *nanoseconds = target;
	uint64_t number;
	int result = json_read_unsigned(reader, value, 0, 999999999, &number);

	if (result == 0)
		*nanoseconds = (uint32_t)number;
	return result;
}

static int read_time_offset(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("secs", struct oci_time_offset, seconds),
		JSON_FIELD_BY("nanosecs", struct oci_time_offset, nanoseconds, read_nanoseconds),
	};
	struct oci_time_offset *offset = target;

	offset->set = true;
	return json_read_fields(reader, value, fields, target);
}

static int read_time_offsets(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("monotonic", struct oci_spec, monotonic_offset, read_time_offset),
		JSON_FIELD_BY("boottime", struct oci_spec, boottime_offset, read_time_offset),
	};
	json_t *object = (json_t *)value;
	const char *clock;
	json_t *member;
	int result = json_read_fields(reader, value, fields, target);

	if (result < 0)
		return result;
	json_object_foreach(object, clock, member)
	{
		if (strcmp(clock, "monotonic") != 0 && strcmp(clock, "boottime") != 0)
			return json_fail(reader, "unknown clock \"%s\"", clock);
	}
	return 0;
}

static int read_device_type(struct json_reader *reader, const json_t *value, void *target)
{
	char *type = target, *name = NULL;
	int result = json_read_any_string(reader, value, &name);

	if (result == 0 && (strlen(name) != 1 || !strchr("cbup", name[0])))
		result = json_fail(reader, "unknown device type \"%s\" (c, b, u and p are known)", name);
	if (result == 0)
		*type = name[0] == 'u' ? 'c' : name[0];
	free(name);
	return result;
}

static int read_device_mode(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_device *device = target;
	uint64_t mode;
	int result = json_read_unsigned(reader, value, 0, UINT32_MAX, &mode);

	if (result < 0)
		return result;
	/* Engines write what stat(2) told them, file type bits included. */
	device->mode_set = true;
	device->mode = (mode_t)mode & 07777;
	return 0;
}

static int read_device(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_device, path, json_read_absolute),
		JSON_REQUIRED_BY("type", struct oci_device, type, read_device_type),
		JSON_FIELD("major", struct oci_device, major),
		JSON_FIELD("minor", struct oci_device, minor),
		JSON_SECTION("fileMode", read_device_mode),
		JSON_FIELD_BY("uid", struct oci_device, uid, json_read_id),
		JSON_FIELD_BY("gid", struct oci_device, gid, json_read_id),
	};
	struct oci_device *device = target;
	int result;

	device->mode = 0666;
	result = json_read_fields(reader, value, fields, target);
	if (result < 0)
		return result;
	if (!device->path)
		return json_fail_field(reader, "path", "is empty");
	if (device->type == 'p')
		return 0;
	if (!json_is_integer(json_object_get(value, "major")))
		return json_fail_field(reader, "major", "is missing");
	if (!json_is_integer(json_object_get(value, "minor")))
		return json_fail_field(reader, "minor", "is missing");
	return 0;
}

static int read_devices(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return json_read_array(reader, value, sizeof(*spec->devices), read_device, &spec->devices, &spec->device_count);
}

/* What the kernel takes for the name of an interface (dev_valid_name), and no "%" as that is its template for new
 * names. */
static bool is_interface_name(const char *name)
{
	if (strlen(name) >= IFNAMSIZ || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++) {
		if (strchr("/:%", *name) || isspace((unsigned char)*name) || iscntrl((unsigned char)*name))
			return false;
	}
	return true;
}

static int read_network_device(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("name", struct oci_network_device, container_name),
	};
	struct oci_network_device *device = target;
	int result = json_read_fields(reader, value, fields, target);

	if (result < 0)
		return result;
	if (!is_interface_name(device->host_name))
		return json_fail(reader, "is not the name of a network interface");
	if (device->container_name && !is_interface_name(device->container_name))
		return json_fail_field(
			reader, "name", "\"%s\" is not the name of a network interface", device->container_name);
	return 0;
}

static const char *name_inside(const struct oci_network_device *device)
{
	return device->container_name ? device->container_name : device->host_name;
}

static int read_network_devices(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;
	int result = json_read_map(reader, value, sizeof(*spec->network_devices), read_network_device,
		&spec->network_devices, &spec->network_device_count);

	for (size_t i = 0; result == 0 && i < spec->network_device_count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(name_inside(&spec->network_devices[i]), name_inside(&spec->network_devices[j])) == 0)
				return json_fail(reader, "two interfaces would be named \"%s\"",
					name_inside(&spec->network_devices[i]));
		}
	}
	return result;
}

static int read_rootfs_propagation(struct json_reader *reader, const json_t *value, void *target)
{
	if (json_is_string(value) && json_string_length(value) == 0)
		return 0;
	return json_read_name(reader, value, &oci_rootfs_propagations, target);
}

static int read_sysctls(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return json_read_map(
		reader, value, sizeof(*spec->sysctls), json_read_key_value, &spec->sysctls, &spec->sysctl_count);
}

static int read_intel_rdt(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("closID", struct oci_intel_rdt, closid),
		JSON_FIELD("schemata", struct oci_intel_rdt, schemata),
		JSON_FIELD("l3CacheSchema", struct oci_intel_rdt, l3_cache_schema),
		JSON_FIELD("memBwSchema", struct oci_intel_rdt, memory_bandwidth_schema),
		JSON_FIELD("enableMonitoring", struct oci_intel_rdt, enable_monitoring),
		JSON_FIELD("enableCMT", struct oci_intel_rdt, enable_cmt),
		JSON_FIELD("enableMBM", struct oci_intel_rdt, enable_mbm),
	};
	struct oci_intel_rdt **rdt = target;
	int result;

	*rdt = xcalloc(1, sizeof(**rdt));
	result = json_read_fields(reader, value, fields, *rdt);
	if (result == 0 && (*rdt)->closid &&
		(strcmp((*rdt)->closid, ".") == 0 || strcmp((*rdt)->closid, "..") == 0 || strchr((*rdt)->closid, '/')))
		return json_fail_field(reader, "closID", "\"%s\" is not the name of a directory", (*rdt)->closid);
	return result;
}

static int read_personality_domain(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_name(reader, value, &oci_personality_domains, target);
}

static int refuse_personality_flags(struct json_reader *reader, const json_t *value, void *target)
{
	(void)target;
	if (!json_is_array(value))
		return json_fail_type(reader, value, "an array");
	return json_array_size(value) ? json_fail(reader, "no flags are known") : 0;
}

static int read_personality(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("domain", struct oci_spec, personality, read_personality_domain),
		JSON_SECTION("flags", refuse_personality_flags),
	};
	struct oci_spec *spec = target;

	spec->personality_set = true;
	return json_read_fields(reader, value, fields, target);
}

static int read_memory_mode(struct json_reader *reader, const json_t *value, void *target)
{
	int *mode = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_memory_policy_modes, &number);

	if (result == 0)
		*mode = (int)number;
	return result;
}

static int read_memory_flags(struct json_reader *reader, const json_t *value, void *target)
{
	unsigned int *flags = target;
	uint64_t bits;
	int result = json_read_names(reader, value, &oci_memory_policy_flags, &bits);

	if (result == 0)
		*flags = (unsigned int)bits;
	return result;
}

static int read_memory_policy(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("mode", struct oci_memory_policy, mode, read_memory_mode),
		JSON_FIELD_BY("nodes", struct oci_memory_policy, nodes, oci_read_number_list),
		JSON_FIELD_BY("flags", struct oci_memory_policy, flags, read_memory_flags),
	};
	struct oci_memory_policy **policy = target;

	*policy = xcalloc(1, sizeof(**policy));
	return json_read_fields(reader, value, fields, *policy);
}

int oci_read_linux(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_SECTION("namespaces", read_namespaces),
		JSON_SECTION("uidMappings", read_uid_mappings),
		JSON_SECTION("gidMappings", read_gid_mappings),
		JSON_SECTION("timeOffsets", read_time_offsets),
		JSON_SECTION("devices", read_devices),
		JSON_SECTION("netDevices", read_network_devices),
		JSON_FIELD("cgroupsPath", struct oci_spec, cgroups_path),
		JSON_FIELD_BY("resources", struct oci_spec, resources, oci_read_resources),
		JSON_FIELD_BY("rootfsPropagation", struct oci_spec, rootfs_propagation, read_rootfs_propagation),
		JSON_FIELD_BY("seccomp", struct oci_spec, seccomp, oci_read_seccomp),
		JSON_SECTION("sysctl", read_sysctls),
		JSON_FIELD("maskedPaths", struct oci_spec, masked_paths),
		JSON_FIELD("readonlyPaths", struct oci_spec, readonly_paths),
		JSON_FIELD("mountLabel", struct oci_spec, mount_label),
		JSON_FIELD_BY("intelRdt", struct oci_spec, intel_rdt, read_intel_rdt),
		JSON_SECTION("personality", read_personality),
		JSON_FIELD_BY("memoryPolicy", struct oci_spec, memory_policy, read_memory_policy),
	};

	return json_read_fields(reader, value, fields, target);
}

static int check_paths(struct json_reader *reader, const char *field, char **paths)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		if (paths[i][0] != '/')
			return json_fail_element(
				reader, field, i, NULL, "must be an absolute path, not \"%s\"", paths[i]);
	}
	return 0;
}

static int check_duplicates(struct json_reader *reader, const struct oci_spec *spec)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < spec->namespace_count; i++) {
		uint64_t bit = UINT64_C(1) << spec->namespaces[i].kind;

		if (seen & bit)
			return json_fail_element(reader, "linux.namespaces", i, "type",
				"namespace \"%s\" is there more than once",
				namespace_table[spec->namespaces[i].kind].name);
		seen |= bit;
	}
	return 0;
}

static int check_user_namespace(struct json_reader *reader, const struct oci_spec *spec)
{
	const struct oci_namespace *user = oci_namespace_find(spec, NAMESPACE_USER);

	if (!user && spec->uid_mapping_count)
		return json_fail_field(reader, "linux.uidMappings", "needs a user namespace in linux.namespaces");
	if (!user && spec->gid_mapping_count)
		return json_fail_field(reader, "linux.gidMappings", "needs a user namespace in linux.namespaces");
	if (user && !user->path && !spec->uid_mapping_count)
		return json_fail_field(reader, "linux.uidMappings", "is missing (a new user namespace needs it)");
	if (user && !user->path && !spec->gid_mapping_count)
		return json_fail_field(reader, "linux.gidMappings", "is missing (a new user namespace needs it)");
	return 0;
}

static int check_time_namespace(struct json_reader *reader, const struct oci_spec *spec)
{
	const struct oci_namespace *time = oci_namespace_find(spec, NAMESPACE_TIME);

	if (!spec->monotonic_offset.set && !spec->boottime_offset.set)
		return 0;
	if (!time)
		return json_fail_field(reader, "linux.timeOffsets", "needs a time namespace in linux.namespaces");
	if (time->path)
		return json_fail_field(reader, "linux.timeOffsets",
			"needs a new time namespace; the offsets of %s are fixed", time->path);
	return 0;
}

int oci_check_linux(struct json_reader *reader, const struct oci_spec *spec)
{
	int result = check_duplicates(reader, spec);

	if (result == 0)
		result = check_user_namespace(reader, spec);
	if (result == 0)
		result = check_time_namespace(reader, spec);
	if (result == 0)
		result = check_paths(reader, "linux.maskedPaths", spec->masked_paths);
	if (result == 0)
		result = check_paths(reader, "linux.readonlyPaths", spec->readonly_paths);
	if (result < 0)
		return result;
	if (spec->hostname && !oci_namespace_find(spec, NAMESPACE_UTS))
		return json_fail_field(reader, "hostname", "needs a uts namespace in linux.namespaces");
	if (spec->domainname && !oci_namespace_find(spec, NAMESPACE_UTS))
		return json_fail_field(reader, "domainname", "needs a uts namespace in linux.namespaces");
	if (spec->network_device_count && !oci_namespace_find(spec, NAMESPACE_NETWORK))
		return json_fail_field(reader, "linux.netDevices", "needs a network namespace in linux.namespaces");
	if (!oci_namespace_find(spec, NAMESPACE_MOUNT) && spec->masked_paths && spec->masked_paths[0])
		return json_fail_field(reader, "linux.maskedPaths", "needs a mount namespace in linux.namespaces");
	if (!oci_namespace_find(spec, NAMESPACE_MOUNT) && spec->readonly_paths && spec->readonly_paths[0])
		return json_fail_field(reader, "linux.readonlyPaths", "needs a mount namespace in linux.namespaces");
	return 0;
}

static void intel_rdt_free(struct oci_intel_rdt *rdt)
{
	if (!rdt)
		return;
	free(rdt->closid);
	free_strings(rdt->schemata);
	free(rdt->l3_cache_schema);
	free(rdt->memory_bandwidth_schema);
	free(rdt);
}

void oci_key_values_free(struct key_value *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].key);
		free(pairs[i].value);
	}
	free(pairs);
}

void oci_linux_free(struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->namespace_count; i++)
		free(spec->namespaces[i].path);
	free(spec->namespaces);
	free(spec->uid_mappings);
	free(spec->gid_mappings);
	for (size_t i = 0; i < spec->device_count; i++)
		free(spec->devices[i].path);
	free(spec->devices);
	for (size_t i = 0; i < spec->network_device_count; i++) {
		free(spec->network_devices[i].host_name);
		free(spec->network_devices[i].container_name);
	}
	free(spec->network_devices);
	free(spec->cgroups_path);
	oci_resources_free(spec->resources);
	free_strings(spec->masked_paths);
	free_strings(spec->readonly_paths);
	free(spec->mount_label);
	oci_seccomp_free(spec->seccomp);
	oci_key_values_free(spec->sysctls, spec->sysctl_count);
	intel_rdt_free(spec->intel_rdt);
	if (spec->memory_policy)
		free(spec->memory_policy->nodes);
	free(spec->memory_policy);
}
