/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and figures as bytes: what goes in comes out, and nothing malformed does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cgroups/wire.h"

static struct wire_reader reader(const struct strbuf *bytes, size_t length)
{
	return (struct wire_reader){ .next = (const unsigned char *)bytes->data, .left = length };
}

static void limits_arrive_as_they_were(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = false, .type = 'a', .major = -1, .minor = -1, .access = OCI_DEVICE_ALL },
		{ .allow = true, .type = 'c', .major = 10, .minor = 229, .access = OCI_DEVICE_READ },
	};
	const struct oci_resources sent = { .device_rules = rules,
		.device_rule_count = 2,
		.pids_limit = { .set = true, .value = -1 },
		.memory = { .limit = { .set = true, .value = INT64_MAX }, .check_before_update = true } };
	struct oci_resources got = { 0 };
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	struct wire_reader in;
	struct error err;

	(void)state;
	cgroup_resources_encode(&sent, &bytes);
	in = reader(&bytes, bytes.length);
	assert_int_equal(cgroup_resources_decode(&got, &in, &err), 0);
	assert_true(wire_reader_ok(&in));
	assert_true(got.pids_limit.set && got.pids_limit.value == -1);
	assert_true(got.memory.limit.set && got.memory.limit.value == INT64_MAX);
	assert_true(got.memory.check_before_update && !got.memory.reservation.set);
	assert_int_equal(got.device_rule_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(got.device_rules[i].allow, rules[i].allow);
		assert_int_equal(got.device_rules[i].type, rules[i].type);
		assert_int_equal(got.device_rules[i].major, rules[i].major);
		assert_int_equal(got.device_rules[i].minor, rules[i].minor);
		assert_int_equal(got.device_rules[i].access, rules[i].access);
	}
	cgroup_resources_free(&got);
	for (size_t length = 0; length < bytes.length; length++) {
		in = reader(&bytes, length);
		assert_int_equal(cgroup_resources_decode(&got, &in, &err), -EBADMSG);
		assert_null(got.device_rules);
	}
}

static void figures_arrive_as_they_were(void **state)
{
	struct cgroup_statistics sent = { 0 }, got;
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	struct wire_reader in;
	struct error err;

	(void)state;
	/* Different in every byte, so that a figure that is left out or in another's place is seen. */
	for (size_t i = 0; i < sizeof(sent); i++)
		((unsigned char *)&sent)[i] = (unsigned char)(i + 1);
	sent.under_oom = true;
	memcpy(&got, &sent, sizeof(got));
	memset(&got, 0, offsetof(struct cgroup_statistics, under_oom));
	cgroup_statistics_encode(&sent, &bytes);
	in = reader(&bytes, bytes.length);
	assert_int_equal(cgroup_statistics_decode(&got, &in, &err), 0);
	assert_true(wire_reader_ok(&in));
	assert_memory_equal(&got, &sent, offsetof(struct cgroup_statistics, under_oom));
	assert_true(got.under_oom);
	assert_int_equal(got.io_write_operations, sent.io_write_operations);
	assert_int_equal(got.cpu_usage_ns, sent.cpu_usage_ns);
	assert_int_equal(bytes.length, (sizeof(sent) - sizeof(uint64_t)) + 1);
	in = reader(&bytes, bytes.length - 1);
	assert_int_equal(cgroup_statistics_decode(&got, &in, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_arrive_as_they_were),
		cmocka_unit_test(figures_arrive_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
