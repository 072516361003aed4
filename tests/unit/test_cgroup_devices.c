/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules in force: v1's controller, and v2's program wherever the host has v2. */
#include "tests/unit/cgroup_test.h"

/* Bits of what could be opened for reading: /dev/null, /dev/zero, /dev/kmsg, /dev/loop-control. */
static int open_devices(void *context)
{
	const char *devices[] = { "/dev/null", "/dev/zero", "/dev/kmsg", "/dev/loop-control" };
	int opened = 0;

	(void)context;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		int fd = open(devices[i], O_RDONLY | O_NONBLOCK);

		if (fd >= 0 || errno != EPERM)
			opened |= 1 << i;
		if (fd >= 0)
			close(fd);
	}
	return opened;
}

static void expect_device_rules_hold(const struct fixture *fixture, const struct cgroup_host *host)
{
	struct stat kmsg;
	struct oci_device_rule rules[] = {
		{ false, 'a', -1, -1, OCI_DEVICE_ALL },
		{ true, 'c', 1, 11, OCI_DEVICE_READ },
	};
	struct oci_resources resources = { .device_rules = rules, .device_rule_count = 1 };
	struct cgroup_request request = { .path = fixture->path, .id = "x", .resources = &resources };
	struct cgroup *group = NULL;
	struct error err = { 0 };

	if (stat("/dev/kmsg", &kmsg) < 0) {
		print_message("this machine has no /dev/kmsg\n");
		skip();
	}
	assert_int_equal(open_devices(NULL) & 7, 7);
	if (cgroup_create(host, &request, &group, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(run_in(group, open_devices, NULL) & 7, 3);
	delete_group(&group);
	resources.device_rule_count = 2;
	if (cgroup_create(host, &request, &group, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(run_in(group, open_devices, NULL) & 7, 7);
	delete_group(&group);
	/* Everything, as for a privileged container. */
	rules[0].allow = true;
	resources.device_rule_count = 1;
	if (cgroup_create(host, &request, &group, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(run_in(group, open_devices, NULL), open_devices(NULL));
	delete_group(&group);
}

static void device_rules_hold(void **state)
{
	struct fixture *fixture = *state;

	need_controller(fixture, CGROUP_DEVICES);
	expect_device_rules_hold(fixture, fixture->host);
}

/* On a hybrid host with the v1 hierarchies left out: the eBPF program of v2. */
static void device_rules_hold_on_v2(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_host v2 = { 0 };

	need_groups(fixture);
	for (size_t i = 0; i < fixture->host->count; i++) {
		if (fixture->host->hierarchies[i].unified)
			v2.hierarchies[v2.count++] = fixture->host->hierarchies[i];
	}
	if (v2.count == 0) {
		print_message("this host has no cgroup v2\n");
		skip();
	}
	expect_device_rules_hold(fixture, &v2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(device_rules_hold),
		TEST(device_rules_hold_on_v2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
