/* SPDX-License-Identifier: Apache-2.0 */
/* libcgroup as the second opinion: what duet finds, makes and sets is what libcgroup finds, sees and reads. */

/* It has structs by names that are ours. */
#define cgroup            libcgroup_group
#define cgroup_controller libcgroup_controller
#include <libcgroup.h>
#undef cgroup
#undef cgroup_controller

#include "tests/unit/cgroup_test.h"

static void need_library(const struct fixture *fixture)
{
	need_groups(fixture);
	if (cgroup_init() != 0) {
		print_message("libcgroup finds no cgroups here\n");
		skip();
	}
}

/* The name by which libcgroup asks for a controller of an entry; NULL: it does not know it. */
static const char *name_of(const struct cgroup_entry *entry, int controller)
{
	const struct cgroup_controller_info *info = &cgroup_controller_table[controller];

	return entry->unified ? info->name_v2 : info->name_v1;
}

static void both_find_the_same_hierarchies(void **state)
{
	struct fixture *fixture = *state;
	int compared = 0;

	need_library(fixture);
	for (size_t i = 0; i < fixture->host->count; i++) {
		const struct cgroup_hierarchy *hierarchy = &fixture->host->hierarchies[i];

		for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
			const char *name = hierarchy->unified ? cgroup_controller_table[c].name_v2
							      : cgroup_controller_table[c].name_v1;
			char *mount_point = NULL;

			if (!(hierarchy->controllers & CGROUP_BIT(c)) || !name)
				continue;
			assert_int_equal(cgroup_get_subsys_mount_point(name, &mount_point), 0);
			assert_string_equal(mount_point, hierarchy->mount_point);
			free(mount_point);
			compared++;
		}
	}
	assert_true(compared > 0);
}

static int64_t value_of(
	const struct cgroup *group, enum cgroup_controller controller, const char *v1_file, const char *v2_file)
{
	const struct cgroup_entry *entry = cgroup_find(group, controller);
	struct libcgroup_group *seen = cgroup_new_cgroup(entry->path + 1);
	struct libcgroup_controller *values;
	int64_t value = -1;
	char *text = NULL;

	assert_non_null(seen);
	assert_int_equal(cgroup_get_cgroup(seen), 0);
	values = cgroup_get_controller(seen, name_of(entry, (int)controller));
	assert_non_null(values);
	assert_int_equal(cgroup_get_value_string(values, entry->unified ? v2_file : v1_file, &text), 0);
	value = strtoll(text, NULL, 10);
	free(text);
	cgroup_free(&seen);
	return value;
}

static void it_reads_the_limits_that_were_set(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = {
		.memory.limit = { true, 32 << 20 }, .pids_limit = { true, 123 }, .cpu.shares = { true, 512 }
	};
	struct cgroup *group;

	need_library(fixture);
	need_controller(fixture, CGROUP_MEMORY);
	need_controller(fixture, CGROUP_PIDS);
	need_controller(fixture, CGROUP_CPU);
	group = make(fixture, &resources);
	assert_int_equal(value_of(group, CGROUP_MEMORY, "memory.limit_in_bytes", "memory.max"), 32 << 20);
	assert_int_equal(value_of(group, CGROUP_PIDS, "pids.max", "pids.max"), 123);
	assert_int_equal(value_of(group, CGROUP_CPU, "cpu.shares", "cpu.weight"),
		cgroup_find(group, CGROUP_CPU)->unified ? 59 : 512);
	delete_group(&group);
}

static void it_lists_the_processes_that_joined(void **state)
{
	struct fixture *fixture = *state;
	const struct cgroup_entry *entry;
	struct cgroup *group;
	pid_t child, *pids = NULL;
	int count = 0;

	need_library(fixture);
	need_controller(fixture, CGROUP_PIDS);
	group = make(fixture, NULL);
	entry = cgroup_find(group, CGROUP_PIDS);
	child = start_in(group, NULL, true, sleep_forever, NULL);
	assert_int_equal(cgroup_get_procs(entry->path + 1, (char *)name_of(entry, CGROUP_PIDS), &pids, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(pids[0], child);
	free(pids);
	kill(child, SIGKILL);
	status_of(child);
	delete_group(&group);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_find_the_same_hierarchies),
		TEST(it_reads_the_limits_that_were_set),
		TEST(it_lists_the_processes_that_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
