/* SPDX-License-Identifier: Apache-2.0 */
/* config.json "linux.resources"; update's resources file is the same object. */
#include <ctype.h>
#include <string.h>

#include "oci/spec_sections.h"

static int read_rule_type(struct json_reader *reader, const json_t *value, void *target)
{
	char *type = target, *name = NULL;
	int result = json_read_string(reader, value, &name);

	if (result == 0 && name && (strlen(name) != 1 || !strchr("abc", name[0])))
		result = json_fail(reader, "unknown device type \"%s\" (a, b and c are known)", name);
	if (result == 0 && name)
		*type = name[0];
	free(name);
	return result;
}

static int read_device_number(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_signed(reader, value, -1, UINT32_MAX, target);
}

static int read_access(struct json_reader *reader, const json_t *value, void *target)
{
	static const char letters[] = "rwm"; /* in the order of the bits of enum oci_device_access */
	unsigned int *access = target, found = 0;
	char *text = NULL;
	int result = json_read_text(reader, value, &text);

	for (const char *c = text; result == 0 && *c; c++) {
		const char *letter = strchr(letters, *c);

		if (letter)
			found |= 1U << (letter - letters);
		else
			result = json_fail(reader, "\"%s\" holds more than the letters r, w and m", text);
	}
	free(text);
	if (result == 0)
		*access = found;
	return result;
}

static int read_device_rule(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED("allow", struct oci_device_rule, allow),
		JSON_FIELD_BY("type", struct oci_device_rule, type, read_rule_type),
		JSON_FIELD_BY("major", struct oci_device_rule, major, read_device_number),
		JSON_FIELD_BY("minor", struct oci_device_rule, minor, read_device_number),
		JSON_FIELD_BY("access", struct oci_device_rule, access, read_access),
	};
	struct oci_device_rule *rule = target;
	int result;

	*rule = (struct oci_device_rule){ .type = 'a', .major = -1, .minor = -1, .access = OCI_DEVICE_ALL };
	result = json_read_fields(reader, value, fields, target);
	/* The v1 controller takes "a" for every device, whatever numbers follow. */
	if (result == 0 && rule->type == 'a' && (rule->major != -1 || rule->minor != -1))
		return json_fail(reader, "major and minor need a type (b or c)");
	return result;
}

static int read_device_rules(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_resources *resources = target;

	return json_read_array(reader, value, sizeof(*resources->device_rules), read_device_rule,
		&resources->device_rules, &resources->device_rule_count);
}

/* A number of bytes; -1 is no limit. */
static int read_bytes(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_i64 *number = target;
	int result = json_read_signed(reader, value, -1, INT64_MAX, &number->value);

	number->set = result == 0;
	return result;
}

static int read_swappiness(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_u64 *number = target;
	int result = json_read_unsigned(reader, value, 0, 100, &number->value);

	number->set = result == 0;
	return result;
}

static int read_memory(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("limit", struct oci_memory, limit, read_bytes),
		JSON_FIELD_BY("reservation", struct oci_memory, reservation, read_bytes),
		JSON_FIELD_BY("swap", struct oci_memory, swap, read_bytes),
		JSON_FIELD_BY("kernel", struct oci_memory, kernel, read_bytes),
		JSON_FIELD_BY("kernelTCP", struct oci_memory, kernel_tcp, read_bytes),
		JSON_FIELD_BY("swappiness", struct oci_memory, swappiness, read_swappiness),
		JSON_FIELD("disableOOMKiller", struct oci_memory, disable_oom_killer),
		JSON_FIELD("useHierarchy", struct oci_memory, use_hierarchy),
		JSON_FIELD("checkBeforeUpdate", struct oci_memory, check_before_update),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_idle(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_i64 *number = target;
	int result = json_read_signed(reader, value, 0, 1, &number->value);

	number->set = result == 0;
	return result;
}

static int read_cpu(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("shares", struct oci_cpu, shares),
		JSON_FIELD("quota", struct oci_cpu, quota),
		JSON_FIELD("burst", struct oci_cpu, burst),
		JSON_FIELD("period", struct oci_cpu, period),
		JSON_FIELD("realtimeRuntime", struct oci_cpu, realtime_runtime),
		JSON_FIELD("realtimePeriod", struct oci_cpu, realtime_period),
		JSON_FIELD("cpus", struct oci_cpu, cpus),
		JSON_FIELD("mems", struct oci_cpu, mems),
		JSON_FIELD_BY("idle", struct oci_cpu, idle, read_idle),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_pids(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("limit", struct oci_resources, pids_limit),
	};

	return json_read_fields(reader, value, fields, target);
}

/* The weights of the blkio controller; zero is how some engines write "none". */
static int read_weight(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_u64 *number = target;
	int result = json_read_unsigned(reader, value, 0, 1000, &number->value);

	if (result < 0)
		return result;
	if (number->value && number->value < 10)
		return json_fail(reader, "%d is out of range (10 to 1000)", (int)number->value);
	number->set = true;
	return 0;
}

static int read_weight_device(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED("major", struct oci_block_device_weight, major),
		JSON_REQUIRED("minor", struct oci_block_device_weight, minor),
		JSON_FIELD_BY("weight", struct oci_block_device_weight, weight, read_weight),
		JSON_FIELD_BY("leafWeight", struct oci_block_device_weight, leaf_weight, read_weight),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_weight_devices(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_block_io *block_io = target;

	return json_read_array(reader, value, sizeof(*block_io->weight_devices), read_weight_device,
		&block_io->weight_devices, &block_io->weight_device_count);
}

static int read_rate(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED("major", struct oci_block_device_rate, major),
		JSON_REQUIRED("minor", struct oci_block_device_rate, minor),
		JSON_REQUIRED("rate", struct oci_block_device_rate, rate),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_rates(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_block_device_rates *rates = target;

	return json_read_array(reader, value, sizeof(*rates->entries), read_rate, &rates->entries, &rates->count);
}

static int read_block_io(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("weight", struct oci_block_io, weight, read_weight),
		JSON_FIELD_BY("leafWeight", struct oci_block_io, leaf_weight, read_weight),
		JSON_SECTION("weightDevice", read_weight_devices),
		JSON_FIELD_BY("throttleReadBpsDevice", struct oci_block_io, read_bytes, read_rates),
		JSON_FIELD_BY("throttleWriteBpsDevice", struct oci_block_io, write_bytes, read_rates),
		JSON_FIELD_BY("throttleReadIOPSDevice", struct oci_block_io, read_operations, read_rates),
		JSON_FIELD_BY("throttleWriteIOPSDevice", struct oci_block_io, write_operations, read_rates),
	};

	return json_read_fields(reader, value, fields, target);
}

/* "<size><unit>B" as in the names of the kernel's files: 64KB, 2MB, 1GB. */
static int read_page_size(struct json_reader *reader, const json_t *value, void *target)
{
	char **size = target;
	int result = json_read_text(reader, value, size);
	const char *next = *size;

	if (result < 0)
		return result;
	while (isdigit((unsigned char)*next))
		next++;
	if (next == *size || **size == '0' || !*next || !strchr("KMG", *next) || strcmp(next + 1, "B") != 0)
		return json_fail(reader, "\"%s\" is not a page size such as \"2MB\"", *size);
	return 0;
}

static int read_hugepage_limit(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("pageSize", struct oci_hugepage_limit, page_size, read_page_size),
		JSON_REQUIRED("limit", struct oci_hugepage_limit, limit_bytes),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_hugepage_limits(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_resources *resources = target;

	return json_read_array(reader, value, sizeof(*resources->hugepage_limits), read_hugepage_limit,
		&resources->hugepage_limits, &resources->hugepage_limit_count);
}

static int read_optional_u32(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_u64 *number = target;
	int result = json_read_unsigned(reader, value, 0, UINT32_MAX, &number->value);

	number->set = result == 0;
	return result;
}

static int read_interface_priority(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("name", struct oci_interface_priority, name, json_read_text),
		JSON_REQUIRED("priority", struct oci_interface_priority, priority),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_priorities(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_resources *resources = target;

	return json_read_array(reader, value, sizeof(*resources->network_priorities), read_interface_priority,
		&resources->network_priorities, &resources->network_priority_count);
}

static int read_network(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("classID", struct oci_resources, network_class_id, read_optional_u32),
		JSON_SECTION("priorities", read_priorities),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_rdma_limit(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("hcaHandles", struct oci_rdma_limit, handles, read_optional_u32),
		JSON_FIELD_BY("hcaObjects", struct oci_rdma_limit, objects, read_optional_u32),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_rdma(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_resources *resources = target;

	return json_read_map(reader, value, sizeof(*resources->rdma_limits), read_rdma_limit, &resources->rdma_limits,
		&resources->rdma_limit_count);
}

/* The key names a file of the container's own group: nothing that leads elsewhere. */
static int read_unified_value(struct json_reader *reader, const json_t *value, void *target)
{
	const struct key_value *pair = target;

	if (strchr(pair->key, '/') || strcmp(pair->key, ".") == 0 || strcmp(pair->key, "..") == 0)
		return json_fail(reader, "the key is not the name of a file");
	return json_read_key_value(reader, value, target);
}

static int read_unified(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_resources *resources = target;

	return json_read_map(reader, value, sizeof(*resources->unified), read_unified_value, &resources->unified,
		&resources->unified_count);
}

int oci_read_resources(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_SECTION("devices", read_device_rules),
		JSON_FIELD_BY("memory", struct oci_resources, memory, read_memory),
		JSON_FIELD_BY("cpu", struct oci_resources, cpu, read_cpu),
		JSON_SECTION("pids", read_pids),
		JSON_FIELD_BY("blockIO", struct oci_resources, block_io, read_block_io),
		JSON_SECTION("hugepageLimits", read_hugepage_limits),
		JSON_SECTION("network", read_network),
		JSON_SECTION("rdma", read_rdma),
		JSON_SECTION("unified", read_unified),
	};
	struct oci_resources **resources = target;

	*resources = xcalloc(1, sizeof(**resources));
	return json_read_fields(reader, value, fields, *resources);
}

void oci_resources_free(struct oci_resources *resources)
{
	if (!resources)
		return;
	free(resources->device_rules);
	free(resources->cpu.cpus);
	free(resources->cpu.mems);
	free(resources->block_io.weight_devices);
	free(resources->block_io.read_bytes.entries);
	free(resources->block_io.write_bytes.entries);
	free(resources->block_io.read_operations.entries);
	free(resources->block_io.write_operations.entries);
	for (size_t i = 0; i < resources->hugepage_limit_count; i++)
		free(resources->hugepage_limits[i].page_size);
	free(resources->hugepage_limits);
	for (size_t i = 0; i < resources->network_priority_count; i++)
		free(resources->network_priorities[i].name);
	free(resources->network_priorities);
	for (size_t i = 0; i < resources->rdma_limit_count; i++)
		free(resources->rdma_limits[i].device);
	free(resources->rdma_limits);
	oci_key_values_free(resources->unified, resources->unified_count);
	free(resources);
}
