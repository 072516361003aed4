/* SPDX-License-Identifier: Apache-2.0 */
/* What the systemd manager asks for; systemd itself is met in tests/systemd.bats. */
#include "tests/unit/cgroup_test.h"

#include "cgroups/systemd.h"

static char *scope_of(const char *path, bool user)
{
	struct cgroup_request request = { .id = "a+b", .path = path };
	cleanup(systemd_unit_free) struct systemd_unit unit = { 0 };
	struct error err = { 0 };

	if (systemd_unit_parse(&request, user, &unit, &err) < 0)
		return xprintf("refused: %d", err.code);
	return xprintf("%s in %s", unit.scope, unit.slice);
}

static void cgroups_path_names_slice_prefix_and_scope(void **state)
{
	static const struct {
		const char *path;
		bool user;
		const char *scope;
	} cases[] = {
		{ NULL, false, "duet-a\\x2bb.scope in system.slice" },
		{ "", true, "duet-a\\x2bb.scope in user.slice" },
		{ "machine.slice:libpod:abc", false, "libpod-abc.scope in machine.slice" },
		{ "a-b.slice::abc", false, "abc.scope in a-b.slice" },
		{ ":p:abc", false, "p-abc.scope in system.slice" },
		{ "-.slice:p:abc", false, "p-abc.scope in -.slice" },
		{ "/a/b", false, "refused: 22" },
		{ "a:b:c:d", false, "refused: 22" },
		{ "a.slice:b", false, "refused: 22" },
		{ "a.slice:b:", false, "refused: 22" },
		{ "a.slice:b:c.slice", false, "refused: 22" },
		{ "a:b:c", false, "refused: 22" },
		{ "../a.slice:b:c", false, "refused: 22" },
		{ "a--b.slice:b:c", false, "refused: 22" },
		{ "-a.slice:b:c", false, "refused: 22" },
		{ "a-.slice:b:c", false, "refused: 22" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *scope = scope_of(cases[i].path, cases[i].user);

		assert_string_equal(scope, cases[i].scope);
	}
}

static void a_slice_lies_in_the_slices_that_its_name_begins_with(void **state)
{
	cleanup_free char *deep = systemd_slice_path("a-b-c.slice"), *flat = systemd_slice_path("system.slice"),
			  *root = systemd_slice_path("-.slice");

	(void)state;
	assert_string_equal(deep, "/a.slice/a-b.slice/a-b-c.slice");
	assert_string_equal(flat, "/system.slice");
	assert_string_equal(root, "");
}

static void annotations_are_values_in_text_form(void **state)
{
	cleanup_systemd_properties struct systemd_properties properties = { 0 };
	struct error err = { 0 };
	static const struct {
		const char *name, *text, *becomes;
		enum systemd_property_kind kind;
		uint64_t number;
	} numbers[] = {
		{ "TasksMax", "uint64 18446744073709551615", "TasksMax", SYSTEMD_UINT64, UINT64_MAX },
		{ "KillSignal", "37", "KillSignal", SYSTEMD_INT32, 37 },
		{ "Nice", "int32 -5", "Nice", SYSTEMD_INT32, (uint64_t)-5 },
		{ "SendSIGHUP", "true", "SendSIGHUP", SYSTEMD_BOOLEAN, 1 },
		{ "TimeoutStopSec", "uint64 3", "TimeoutStopUSec", SYSTEMD_UINT64, 3000000 },
		{ "TimeoutStopUSec", "uint64 3", "TimeoutStopUSec", SYSTEMD_UINT64, 3 },
		{ "RuntimeMaxSec", "double 1.5", "RuntimeMaxUSec", SYSTEMD_UINT64, 1500000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct systemd_property *property;

		assert_int_equal(systemd_property_parse(&properties, numbers[i].name, numbers[i].text, &err), 0);
		property = &properties.items[properties.count - 1];
		assert_string_equal(property->name, numbers[i].becomes);
		assert_int_equal(property->kind, numbers[i].kind);
		assert_true(property->number == numbers[i].number);
	}
	assert_int_equal(properties.count, ARRAY_SIZE(numbers) - 1); /* the second TimeoutStopUSec replaced the first */
	assert_int_equal(systemd_property_parse(&properties, "Description", "'it\\'s'", &err), 0);
	assert_string_equal(properties.items[properties.count - 1].text, "it's");
	assert_int_equal(systemd_property_parse(&properties, "After", "['a.service', \"b.service\"]", &err), 0);
	assert_string_equal(properties.items[properties.count - 1].strings[1], "b.service");
	assert_null(properties.items[properties.count - 1].strings[2]);
}

static void other_annotations_are_refused(void **state)
{
	static const char *const texts[] = { "", "many", "uint64", "uint64 -1", "int32 99999999999", "'open", "'a' b",
		"['a'", "['a' 'b']", "[1]", "true1", "5x", "byte 0x10", "{}", "uint64 18446744073709551616" };
	cleanup_systemd_properties struct systemd_properties properties = { 0 };
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(systemd_property_parse(&properties, "X", texts[i], &err), -EINVAL);
	assert_int_equal(systemd_property_parse(&properties, "", "1", &err), -EINVAL);
	assert_int_equal(systemd_property_parse(&properties, "a b", "1", &err), -EINVAL);
	assert_int_equal(systemd_property_parse(&properties, "StopSec", "'3'", &err), -EINVAL);
	assert_int_equal(systemd_property_parse(&properties, "StopSec", "uint64 18446744073709551615", &err), -EINVAL);
	assert_int_equal(properties.count, 0);
}

static uint64_t number_of(const struct systemd_properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->count; i++) {
		if (strcmp(properties->items[i].name, name) == 0)
			return properties->items[i].number;
	}
	fail_msg("systemd is not told of %s", name);
	return 0;
}

static void systemd_is_told_what_stands_in_the_files(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .pids_limit = { .set = true, .value = 77 } };
	cleanup_systemd_properties struct systemd_properties properties = { 0 };
	struct error err = { 0 };
	struct cgroup *group;

	need_groups(fixture);
	resources.cpu.quota = (struct oci_i64){ .set = true, .value = 33333 };
	resources.cpu.period = (struct oci_u64){ .set = true, .value = 100000 };
	resources.memory.limit = (struct oci_i64){ .set = true, .value = 64 << 20 };
	group = make(fixture, &resources);
	assert_int_equal(systemd_mirror(group, &properties, &err), 0);
	assert_int_equal(number_of(&properties, "TasksMax"), 77);
	assert_int_equal(number_of(&properties, "CPUQuotaPerSecUSec"), 333330);
	assert_int_equal(number_of(&properties, "CPUQuotaPeriodUSec"), 100000);
	assert_int_equal(
		number_of(&properties, cgroup_find(group, CGROUP_MEMORY)->unified ? "MemoryMax" : "MemoryLimit"),
		64 << 20);
	resources.cpu.quota.value = 1000;
	resources.cpu.period.value = 1000000;
	assert_int_equal(cgroup_apply(group, &resources, &err), 0);
	assert_int_equal(systemd_mirror(group, &properties, &err), -EOPNOTSUPP);
	resources.cpu.quota.value = -1;
	assert_int_equal(cgroup_apply(group, &resources, &err), 0);
	assert_int_equal(systemd_mirror(group, &properties, &err), 0);
	assert_true(number_of(&properties, "CPUQuotaPerSecUSec") == UINT64_MAX);
	delete_group(&group);
}

static void a_scope_is_saved_and_loaded(void **state)
{
	static const char *const texts[] = { "systemd\tsystem\tduet-x.scope\n", "planned\tuser\tduet-x.scope\n" };
	static const char *const bad[] = { "systemd\n", "systemd\tsystem\t\n", "systemd\tsystem\n", "cgroupfs\ta\tb\n",
		"systemd\tsystem\ta\tb\n" };
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_cgroup struct cgroup *group = NULL;
		cleanup_free char *again = NULL;

		assert_int_equal(cgroup_load(texts[i], &group, &err), 0);
		assert_int_equal(group->manager, CGROUP_MANAGER_SYSTEMD);
		again = cgroup_save(group);
		assert_string_equal(again, texts[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cgroup *group = NULL;

		assert_int_equal(cgroup_load(bad[i], &group, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroups_path_names_slice_prefix_and_scope),
		cmocka_unit_test(a_slice_lies_in_the_slices_that_its_name_begins_with),
		cmocka_unit_test(annotations_are_values_in_text_form),
		cmocka_unit_test(other_annotations_are_refused),
		cmocka_unit_test_setup_teardown(systemd_is_told_what_stands_in_the_files, set_up, tear_down),
		cmocka_unit_test(a_scope_is_saved_and_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
