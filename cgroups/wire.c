/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/wire.h"

#include <errno.h>
#include <stddef.h>

enum { RULE_BYTES = 1 + 1 + 8 + 8 + 4 };

static void put_number(struct strbuf *out, const struct oci_i64 *number)
{
	wire_put_u8(out, number->set);
	wire_put_i64(out, number->value);
}

static struct oci_i64 get_number(struct wire_reader *in)
{
	bool set = wire_get_u8(in);

	return (struct oci_i64){ .set = set, .value = wire_get_i64(in) };
}

void cgroup_resources_encode(const struct oci_resources *resources, struct strbuf *out)
{
	put_number(out, &resources->pids_limit);
	put_number(out, &resources->memory.limit);
	put_number(out, &resources->memory.reservation);
	wire_put_u8(out, resources->memory.check_before_update);
	wire_put_u32(out, (uint32_t)resources->device_rule_count);
	for (size_t i = 0; i < resources->device_rule_count; i++) {
		const struct oci_device_rule *rule = &resources->device_rules[i];

		wire_put_u8(out, rule->allow);
		wire_put_u8(out, (uint8_t)rule->type);
		wire_put_i64(out, rule->major);
		wire_put_i64(out, rule->minor);
		wire_put_u32(out, rule->access);
	}
}

int cgroup_resources_decode(struct oci_resources *resources, struct wire_reader *in, struct error *err)
{
	struct oci_resources decoded = { .pids_limit = get_number(in) };

	decoded.memory.limit = get_number(in);
	decoded.memory.reservation = get_number(in);
	decoded.memory.check_before_update = wire_get_u8(in);
	decoded.device_rule_count = wire_get_count(in, RULE_BYTES);
	decoded.device_rules = xcalloc(decoded.device_rule_count, sizeof(*decoded.device_rules));
	for (size_t i = 0; i < decoded.device_rule_count; i++) {
		struct oci_device_rule *rule = &decoded.device_rules[i];

		rule->allow = wire_get_u8(in);
		rule->type = (char)wire_get_u8(in);
		rule->major = wire_get_i64(in);
		rule->minor = wire_get_i64(in);
		rule->access = wire_get_u32(in);
	}
	if (in->failed) {
		cgroup_resources_free(&decoded);
		return error_set(err, -EBADMSG, "the limits are malformed");
	}
	*resources = decoded;
	return 0;
}

void cgroup_resources_free(struct oci_resources *resources)
{
	free(resources->device_rules);
	*resources = (struct oci_resources){ .device_rules = NULL };
}

/* Everything but under_oom. */
static const size_t figures[] = {
	offsetof(struct cgroup_statistics, memory_usage_bytes),
	offsetof(struct cgroup_statistics, memory_peak_bytes),
	offsetof(struct cgroup_statistics, memory_limit_bytes),
	offsetof(struct cgroup_statistics, memory_swap_usage_bytes),
	offsetof(struct cgroup_statistics, memory_failures),
	offsetof(struct cgroup_statistics, oom_kills),
	offsetof(struct cgroup_statistics, cpu_usage_ns),
	offsetof(struct cgroup_statistics, cpu_user_ns),
	offsetof(struct cgroup_statistics, cpu_system_ns),
	offsetof(struct cgroup_statistics, cpu_periods),
	offsetof(struct cgroup_statistics, cpu_throttled_periods),
	offsetof(struct cgroup_statistics, cpu_throttled_ns),
	offsetof(struct cgroup_statistics, pids_current),
	offsetof(struct cgroup_statistics, pids_limit),
	offsetof(struct cgroup_statistics, pids_peak),
	offsetof(struct cgroup_statistics, pids_failures),
	offsetof(struct cgroup_statistics, io_read_bytes),
	offsetof(struct cgroup_statistics, io_write_bytes),
	offsetof(struct cgroup_statistics, io_read_operations),
	offsetof(struct cgroup_statistics, io_write_operations),
};

void cgroup_statistics_encode(const struct cgroup_statistics *statistics, struct strbuf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		wire_put_u64(out, *(const uint64_t *)(const void *)((const char *)statistics + figures[i]));
	wire_put_u8(out, statistics->under_oom);
}

int cgroup_statistics_decode(struct cgroup_statistics *statistics, struct wire_reader *in, struct error *err)
{
	struct cgroup_statistics decoded = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		*(uint64_t *)(void *)((char *)&decoded + figures[i]) = wire_get_u64(in);
	decoded.under_oom = wire_get_u8(in);
	if (in->failed)
		return error_set(err, -EBADMSG, "the statistics are malformed");
	*statistics = decoded;
	return 0;
}
