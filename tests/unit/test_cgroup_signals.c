/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing and killing all processes of a group. */
#include "tests/unit/cgroup_test.h"

/* ---- freezing ---- */

static int count_up(void *context)
{
	volatile uint64_t *counter = context;

	for (;;)
		(*counter)++;
	return 0;
}

static uint64_t progress(const volatile uint64_t *counter)
{
	uint64_t before = *counter;

	(void)poll(NULL, 0, 50);
	return *counter - before;
}

static bool saved_is_frozen(const struct cgroup *group)
{
	cleanup_free char *saved = cgroup_save(group);

	return cgroup_saved_is_frozen(saved);
}

static void frozen_processes_stand_still_until_thawed(void **state)
{
	struct fixture *fixture = *state;
	volatile uint64_t *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct error err = { 0 };
	struct cgroup *group;
	bool frozen = true;
	pid_t child;

	need_controller(fixture, CGROUP_FREEZER);
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, count_up, (void *)counter);
	assert_int_equal(cgroup_is_frozen(group, &frozen, &err), 0);
	assert_false(frozen);
	assert_true(progress(counter) > 0);
	assert_int_equal(cgroup_freeze(group, FREEZE_TIMEOUT_MS, &err), 0);
	assert_int_equal(cgroup_is_frozen(group, &frozen, &err), 0);
	assert_true(frozen);
	assert_true(saved_is_frozen(group));
	assert_int_equal(progress(counter), 0);
	assert_int_equal(cgroup_thaw(group, &err), 0);
	assert_int_equal(cgroup_is_frozen(group, &frozen, &err), 0);
	assert_false(frozen);
	assert_false(saved_is_frozen(group));
	assert_true(progress(counter) > 0);
	kill(child, SIGKILL);
	status_of(child);
	delete_group(&group);
	munmap((void *)counter, 4096);
	assert_false(cgroup_saved_is_frozen(CGROUP_SAVED_NONE));
	assert_false(cgroup_saved_is_frozen("cgroupfs\n1\tfreezer\t40\t/no/such\t/group\n"));
	assert_false(cgroup_saved_is_frozen("cgroupfs\nnonsense\n"));
}

/* v1 frozen by somebody else, beside v2's freezer too. */
static void what_is_frozen_can_be_killed(void **state)
{
	struct fixture *fixture = *state;
	const struct cgroup_entry *v1;
	struct error err = { 0 };
	struct cgroup *group;
	pid_t child;

	need_controller(fixture, CGROUP_FREEZER);
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, sleep_forever, NULL);
	assert_int_equal(cgroup_freeze(group, FREEZE_TIMEOUT_MS, &err), 0);
	v1 = cgroup_find(group, CGROUP_FREEZER);
	if (!v1->unified)
		assert_int_equal(cgroup_try_write(v1, "freezer.state", "FROZEN"), 0);
	assert_int_equal(cgroup_kill_all(group, SIGKILL, &err), 0);
	assert_int_equal(status_of(child), 128 + SIGKILL);
	delete_group(&group);
}

/* ---- killing ---- */

static int two_levels(void *context)
{
	(void)context;
	(void)signal(SIGTERM, SIG_IGN);
	if (fork() == 0) {
		(void)setsid();
		(void)signal(SIGTERM, SIG_DFL);
		sleep_forever(NULL);
	}
	return sleep_forever(NULL);
}

static size_t count_processes(const struct cgroup *group)
{
	struct error err = { 0 };
	pid_t *pids = NULL;
	size_t count = 0;

	assert_int_equal(cgroup_processes(group, &pids, &count, &err), 0);
	free(pids);
	return count;
}

static size_t wait_for_count(const struct cgroup *group, size_t wanted)
{
	size_t count = count_processes(group);

	for (int i = 0; i < 400 && count != wanted; i++) {
		(void)poll(NULL, 0, 5);
		count = count_processes(group);
	}
	return count;
}

static void a_signal_reaches_every_process_of_the_group(void **state)
{
	struct fixture *fixture = *state;
	struct error err = { 0 };
	struct cgroup *group;
	pid_t child;

	need_groups(fixture);
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, two_levels, NULL);
	assert_int_equal(wait_for_count(group, 2), 2);
	(void)poll(NULL, 0, 20); /* until the handlers are set */
	assert_int_equal(cgroup_kill_all(group, SIGTERM, &err), 0);
	/* The child that ignores it stays, its child goes (as a zombie at most, which is not listed). */
	assert_int_equal(wait_for_count(group, 1), 1);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	assert_int_equal(cgroup_kill_all(group, SIGKILL, &err), 0);
	assert_int_equal(status_of(child), 128 + SIGKILL);
	delete_group(&group);
}

static int fork_bomb(void *context)
{
	(void)context;
	for (;;)
		(void)fork();
	return 0;
}

static void a_fork_bomb_dies(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .pids_limit = { true, 300 } };
	struct error err = { 0 };
	struct cgroup *group;
	pid_t child;

	need_controller(fixture, CGROUP_PIDS);
	group = make(fixture, &resources);
	child = start_in(group, NULL, true, fork_bomb, NULL);
	assert_int_equal(wait_for_count(group, 300), 300);
	assert_int_equal(cgroup_kill_all(group, SIGKILL, &err), 0);
	assert_int_equal(status_of(child), 128 + SIGKILL);
	assert_int_equal(wait_for_count(group, 0), 0);
	delete_group(&group);
}

/* The path of hosts without cgroup.kill: v1, and v2 before 5.14. The v2 part of the group is hidden. */
static void without_cgroup_kill_a_fork_bomb_dies_too(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .pids_limit = { true, 300 } };
	struct error err = { 0 };
	struct cgroup *group, v1 = { 0 };
	pid_t child;

	need_controller(fixture, CGROUP_PIDS);
	if (cgroup_host_layout(fixture->host) == CGROUP_LAYOUT_V2) {
		print_message("this host has no v1 hierarchy\n");
		skip();
	}
	group = make(fixture, &resources);
	for (size_t i = 0; i < group->count; i++) {
		if (!group->entries[i].unified)
			v1.entries[v1.count++] = group->entries[i];
	}
	child = start_in(group, NULL, true, fork_bomb, NULL);
	assert_int_equal(wait_for_count(&v1, 300), 300);
	assert_int_equal(cgroup_kill_all(&v1, SIGKILL, &err), 0);
	assert_int_equal(status_of(child), 128 + SIGKILL);
	assert_int_equal(wait_for_count(group, 0), 0);
	delete_group(&group);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frozen_processes_stand_still_until_thawed),
		TEST(what_is_frozen_can_be_killed),
		TEST(a_signal_reaches_every_process_of_the_group),
		TEST(a_fork_bomb_dies),
		TEST(without_cgroup_kill_a_fork_bomb_dies_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
