/* SPDX-License-Identifier: Apache-2.0 */
/* config.json "root", "mounts" and "hooks". */
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>

#include "oci/spec_sections.h"

int oci_read_root(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_root, path, json_read_text),
		JSON_FIELD("readonly", struct oci_root, readonly),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_id_mapping(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED("containerID", struct id_mapping, container_id),
		JSON_REQUIRED("hostID", struct id_mapping, host_id),
		JSON_REQUIRED("size", struct id_mapping, size),
	};
	struct id_mapping *mapping = target;
	int result = json_read_fields(reader, value, fields, target);

	if (result < 0)
		return result;
	if (mapping->size == 0)
		return json_fail_field(reader, "size", "is zero");
	if (mapping->size > UINT32_MAX - mapping->container_id || mapping->size > UINT32_MAX - mapping->host_id)
		return json_fail_field(
			reader, "size", "%" PRIu32 " reaches beyond the last ID, 4294967294", mapping->size);
	return 0;
}

int oci_read_id_mappings(struct json_reader *reader, const json_t *value, struct id_mapping **mappings, uint32_t *count)
{
	size_t found = 0;
	int result = json_read_array(reader, value, sizeof(**mappings), read_id_mapping, mappings, &found);

	*count = (uint32_t)found;
	return result;
}

static int read_uid_mappings(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_mount *mount = target;

	return oci_read_id_mappings(reader, value, &mount->uid_mappings, &mount->uid_mapping_count);
}

static int read_gid_mappings(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_mount *mount = target;

	return oci_read_id_mappings(reader, value, &mount->gid_mappings, &mount->gid_mapping_count);
}

static int read_options(struct json_reader *reader, const json_t *value, void *target)
{
	char **words = NULL;
	int result = json_read_strings(reader, value, &words);

	for (char **word = words; result == 0 && *word; word++)
		oci_mount_options_add(target, *word);
	free_strings(words);
	return result;
}

static int read_mount(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("destination", struct oci_mount, destination, json_read_text),
		JSON_FIELD("type", struct oci_mount, type),
		JSON_FIELD("source", struct oci_mount, source),
		JSON_FIELD_BY("options", struct oci_mount, options, read_options),
		JSON_SECTION("uidMappings", read_uid_mappings),
		JSON_SECTION("gidMappings", read_gid_mappings),
	};
	struct oci_mount *mount = target;
	int result = json_read_fields(reader, value, fields, target);

	if (result < 0)
		return result;
	/* The kernel has no such file system: the type alone is a way to ask for a bind mount, as mount(8) has it. */
	if (mount->type && strcmp(mount->type, "bind") == 0)
		mount->options.flags |= MS_BIND;
	if (mount->options.flags & MS_BIND && !mount->source)
		return json_fail_field(reader, "source", "is missing (a bind mount needs it)");
	if (!mount->uid_mapping_count != !mount->gid_mapping_count)
		return json_fail_field(reader, mount->uid_mapping_count ? "gidMappings" : "uidMappings",
			"is missing (%s is there)", mount->uid_mapping_count ? "uidMappings" : "gidMappings");
	if (mount->uid_mapping_count)
		mount->options.idmap = true;
	return 0;
}

int oci_read_mounts(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return json_read_array(reader, value, sizeof(*spec->mounts), read_mount, &spec->mounts, &spec->mount_count);
}

void oci_mounts_free(struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		struct oci_mount *mount = &spec->mounts[i];

		free(mount->destination);
		free(mount->type);
		free(mount->source);
		oci_mount_options_free(&mount->options);
		free(mount->uid_mappings);
		free(mount->gid_mappings);
	}
	free(spec->mounts);
}

static int read_hook_path(struct json_reader *reader, const json_t *value, void *target)
{
	char **path = target;
	int result = json_read_absolute(reader, value, target);

	return result == 0 && !*path ? json_fail(reader, "is empty") : result;
}

static int read_timeout(struct json_reader *reader, const json_t *value, void *target)
{
	uint32_t *timeout_s = target;
	int64_t number;
	/* "MUST be greater than zero" */
	int result = json_read_signed(reader, value, 1, INT32_MAX / 1000, &number);

	if (result == 0)
		*timeout_s = (uint32_t)number;
	return result;
}

static int read_hook(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_hook, path, read_hook_path),
		JSON_FIELD("args", struct oci_hook, args),
		JSON_FIELD("env", struct oci_hook, env),
		JSON_FIELD_BY("timeout", struct oci_hook, timeout_s, read_timeout),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_hook_list(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_hooks *hooks = target;

	return json_read_array(reader, value, sizeof(*hooks->entries), read_hook, &hooks->entries, &hooks->count);
}

int oci_read_hooks(struct json_reader *reader, const json_t *value, void *target)
{
	struct json_field fields[OCI_HOOK_KINDS];
	struct oci_spec *spec = target;

	for (size_t i = 0; i < oci_hook_kinds.count; i++) {
		const struct oci_name *kind = &oci_hook_kinds.entries[i];

		fields[i] =
			(struct json_field){ kind->name, read_hook_list, kind->value * sizeof(spec->hooks[0]), false };
	}
	return json_read_object(reader, value, fields, oci_hook_kinds.count, spec->hooks);
}

void oci_hooks_free(struct oci_spec *spec)
{
	for (size_t kind = 0; kind < OCI_HOOK_KINDS; kind++) {
		for (size_t i = 0; i < spec->hooks[kind].count; i++) {
			struct oci_hook *hook = &spec->hooks[kind].entries[i];

			free(hook->path);
			free_strings(hook->args);
			free_strings(hook->env);
		}
		free(spec->hooks[kind].entries);
	}
}
