/* SPDX-License-Identifier: Apache-2.0 */
/* Making groups, entering them, removing them. */
#include "tests/unit/cgroup_test.h"

static void a_new_group_exists_in_every_hierarchy_and_is_gone_after_delete(void **state)
{
	struct fixture *fixture = *state;
	cleanup_cgroup struct cgroup *group = NULL;
	struct error err = { 0 };

	need_groups(fixture);
	group = make(fixture, NULL);
	assert_int_equal(group->count, fixture->host->count);
	for (size_t i = 0; i < group->count; i++)
		assert_int_equal(access(group->entries[i].directory, F_OK), 0);
	assert_int_equal(cgroup_delete(group, DELETE_TIMEOUT_MS, &err), 0);
	for (size_t i = 0; i < group->count; i++)
		assert_int_equal(access(group->entries[i].directory, F_OK), -1);
	assert_int_equal(cgroup_delete(group, DELETE_TIMEOUT_MS, &err), 0); /* gone is fine */
}

static void parents_that_were_made_are_removed_and_others_are_not(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *deep = NULL, *beside = NULL;
	struct cgroup_request request = { .id = "x" };
	struct cgroup *first = NULL, *second = NULL;
	struct error err = { 0 };

	need_groups(fixture);
	deep = xprintf("%s/a/b", fixture->path);
	beside = xprintf("%s/c", fixture->path);
	request.path = deep;
	assert_int_equal(cgroup_create(fixture->host, &request, &first, &err), 0);
	assert_int_equal(first->entries[0].made, 3);
	request.path = beside;
	assert_int_equal(cgroup_create(fixture->host, &request, &second, &err), 0);
	assert_int_equal(second->entries[0].made, 1);
	delete_group(&second);
	assert_int_equal(access(first->entries[0].directory, F_OK), 0);
	delete_group(&first);
}

static int compare_with_groups(void *context)
{
	const struct cgroup *group = context;
	cleanup_strbuf struct strbuf self = STRBUF_INIT;

	/* cgroup.procs of each hierarchy must hold this process alone. */
	for (size_t i = 0; i < group->count; i++) {
		strbuf_free(&self);
		if (cgroup_read(&group->entries[i], "cgroup.procs", &self) < 0 || atoi(self.data) != getpid())
			return (int)i + 1;
	}
	return 0;
}

static void a_process_enters_every_hierarchy(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup *group;

	need_groups(fixture);
	group = make(fixture, NULL);
	assert_int_equal(status_of(start_in(group, NULL, true, compare_with_groups, group)), 0);
	assert_int_equal(status_of(start_in(group, NULL, false, compare_with_groups, group)), 0);
	delete_group(&group);
}

static void a_process_can_enter_a_group_below(void **state)
{
	struct fixture *fixture = *state;
	const struct cgroup_entry *entry;
	struct cgroup_join join;
	struct cgroup *group;
	struct error err = { 0 };
	pid_t child, *pids = NULL;
	size_t count = 0;

	need_groups(fixture);
	group = make(fixture, NULL);
	entry = cgroup_unified(group) ? cgroup_unified(group) : &group->entries[0];
	assert_int_equal(mkdirat(entry->fd, "sub", 0755), 0);
	child = start_in(group, "/sub", true, sleep_forever, NULL);
	assert_int_equal(cgroup_processes(group, &pids, &count, &err), 0);
	if (cgroup_unified(group) || cgroup_find(group, CGROUP_PIDS) == entry) {
		assert_int_equal(count, 1);
		assert_int_equal(pids[0], child);
	}
	free(pids);
	kill(child, SIGKILL);
	status_of(child);
	assert_int_equal(cgroup_join_open(group, "../up", true, &join, &err), -EINVAL);
	if (entry->unified)
		assert_int_equal(cgroup_join_open(group, "nothing", true, &join, &err), -ENOENT);
	delete_group(&group); /* with the group below it */
}

static void a_saved_group_can_be_loaded(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL, *again = NULL;
	cleanup_cgroup struct cgroup *group = NULL, *loaded = NULL, *gone = NULL;
	struct error err = { 0 };
	struct cgroup_statistics statistics;
	bool frozen;
	pid_t *pids = NULL;
	size_t count = 1;

	need_groups(fixture);
	group = make(fixture, NULL);
	text = cgroup_save(group);
	assert_int_equal(cgroup_load(text, &loaded, &err), 0);
	again = cgroup_save(loaded);
	assert_string_equal(text, again);
	for (size_t i = 0; i < group->count; i++) {
		assert_string_equal(loaded->entries[i].directory, group->entries[i].directory);
		assert_int_equal(loaded->entries[i].controllers, group->entries[i].controllers);
		assert_true(loaded->entries[i].fd >= 0);
	}
	assert_int_equal(cgroup_delete(loaded, DELETE_TIMEOUT_MS, &err), 0);
	/* Once more without the group: nothing fails that can be true of a group that is gone. */
	assert_int_equal(cgroup_load(text, &gone, &err), 0);
	assert_int_equal(cgroup_processes(gone, &pids, &count, &err), 0);
	assert_int_equal(count, 0);
	free(pids);
	assert_int_equal(cgroup_kill_all(gone, SIGKILL, &err), 0);
	assert_int_equal(cgroup_is_frozen(gone, &frozen, &err), 0);
	assert_false(frozen);
	assert_int_equal(cgroup_statistics(gone, &statistics, &err), 0);
	assert_true(statistics.memory_usage_bytes == CGROUP_UNKNOWN);
	assert_int_equal(cgroup_delete(gone, DELETE_TIMEOUT_MS, &err), 0);
}

static struct cgroup *load_plan(const struct fixture *fixture, const struct cgroup_request *request)
{
	cleanup_cgroup struct cgroup *plan = NULL;
	cleanup_free char *text = NULL;
	struct cgroup *loaded = NULL;
	struct error err = { 0 };

	assert_int_equal(cgroup_plan(fixture->host, request, &plan, &err), 0);
	text = cgroup_save(plan);
	assert_int_equal(cgroup_load(text, &loaded, &err), 0);
	assert_true(loaded->planned);
	return loaded;
}

/* As after a command that was killed while it made the group: some directories are there, nobody is in them. */
static void a_plan_is_enough_to_remove_what_was_made(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *deep = xprintf("%s/a/b", fixture->path);
	struct cgroup_request request = { .path = deep, .id = "x" };
	cleanup_cgroup struct cgroup *plan = NULL, *made = NULL;
	struct error err = { 0 };

	need_groups(fixture);
	plan = load_plan(fixture, &request);
	assert_int_equal(plan->entries[0].made, 3);
	assert_int_equal(cgroup_delete(plan, DELETE_TIMEOUT_MS, &err), 0); /* nothing was made yet */
	assert_int_equal(cgroup_create(fixture->host, &request, &made, &err), 0);
	assert_int_equal(rmdir(made->entries[0].directory), 0);
	assert_int_equal(cgroup_delete(plan, DELETE_TIMEOUT_MS, &err), 0); /* tear_down looks for what is left */
}

static void a_plan_touches_nothing_that_was_there_before(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_request request = { .path = fixture->path, .id = "x" };
	cleanup_cgroup struct cgroup *plan = NULL;
	struct cgroup *other;
	struct error err = { 0 };
	pid_t child;

	need_groups(fixture);
	other = make(fixture, NULL);
	child = start_in(other, NULL, true, sleep_forever, NULL);
	plan = load_plan(fixture, &request);
	assert_int_equal(cgroup_kill_all(plan, SIGKILL, &err), 0);
	assert_int_equal(cgroup_freeze(plan, FREEZE_TIMEOUT_MS, &err), -EOPNOTSUPP);
	assert_int_equal(cgroup_delete(plan, DELETE_TIMEOUT_MS, &err), 0);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	status_of(child);
	assert_int_equal(cgroup_delete(plan, DELETE_TIMEOUT_MS, &err), 0); /* empty, but somebody else's */
	for (size_t i = 0; i < other->count; i++)
		assert_int_equal(access(other->entries[i].directory, F_OK), 0);
	delete_group(&other);
}

static void a_saved_text_of_another_form_is_refused(void **state)
{
	const char *bad[] = { "", "what\n", "cgroupfs\n1\tx\n", "cgroupfs\n1\tx\t0\trelative\t/x\n",
		"cgroupfs\n1\tx\t0\t/m\t/x\tmore\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cgroup *group = NULL;
		struct error err = { 0 };

		assert_int_equal(cgroup_load(bad[i], &group, &err), -EINVAL);
		assert_null(group);
	}
}

static void a_group_with_processes_is_not_taken_over(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_request request = { .path = fixture->path, .id = "x" };
	struct cgroup *group;
	pid_t child;

	need_groups(fixture);
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, sleep_forever, NULL);
	expect_create_fails(fixture->host, &request, EBUSY, fixture->path);
	kill(child, SIGKILL);
	status_of(child);
	for (size_t i = 0; i < group->count; i++) /* the failed attempt removed nothing that it had not made */
		assert_int_equal(access(group->entries[i].directory, F_OK), 0);
	delete_group(&group);
}

static void an_empty_group_that_exists_is_used(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup *first, *second;

	need_groups(fixture);
	first = make(fixture, NULL);
	second = make(fixture, NULL);
	assert_int_equal(second->entries[0].made, 0);
	delete_group(&second);
	delete_group(&first);
}

static void refused_requests_leave_nothing_behind(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *upwards = xprintf("%s/../x", fixture->path);
	struct oci_resources resources = { .cpu.shares = { true, 1 } };
	struct cgroup_request request = { .path = upwards, .id = "x", .resources = &resources };

	need_controller(fixture, CGROUP_CPU);
	expect_create_fails(fixture->host, &request, EINVAL, "linux.cgroupsPath");
	request.path = fixture->path;
	expect_create_fails(fixture->host, &request, EINVAL, "linux.resources.cpu.shares");
}

static void disabled_cgroups_take_no_limits(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .memory.limit = { true, 1 << 24 } };
	struct cgroup_request request = { .manager = CGROUP_MANAGER_DISABLED, .path = fixture->path, .id = "x" };
	cleanup_cgroup struct cgroup *group = NULL, *loaded = NULL;
	cleanup_free char *text = NULL;
	struct cgroup_join join;
	struct error err = { 0 };

	assert_int_equal(cgroup_create(fixture->host, &request, &group, &err), 0);
	assert_int_equal(group->manager, CGROUP_MANAGER_DISABLED);
	assert_int_equal(group->count, 0);
	assert_int_equal(cgroup_join_open(group, NULL, true, &join, &err), 0);
	assert_int_equal(join.clone_into_fd, -EBADF);
	assert_int_equal(cgroup_join_self(&join, &err), 0);
	text = cgroup_save(group);
	assert_int_equal(cgroup_load(text, &loaded, &err), 0);
	assert_int_equal(loaded->manager, CGROUP_MANAGER_DISABLED);
	assert_int_equal(cgroup_delete(loaded, 0, &err), 0);
	assert_int_equal(cgroup_freeze(loaded, 10, &err), -EOPNOTSUPP);
	assert_int_equal(cgroup_apply(loaded, &resources, &err), -EOPNOTSUPP);
	request.resources = &resources;
	expect_create_fails(fixture->host, &request, EOPNOTSUPP, "linux.resources.memory.limit");
}

static int as_nobody(struct fixture *fixture)
{
	struct oci_device_rule deny = { false, 'a', -1, -1, OCI_DEVICE_ALL };
	struct oci_resources rules = { .device_rules = &deny, .device_rule_count = 1 },
			     limits = { .pids_limit = { true, 5 } };
	struct cgroup_request request = { .path = fixture->path, .id = "x", .resources = &rules };
	struct cgroup *group = NULL;
	struct error err = { 0 };

	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 90;
	if (cgroup_create(fixture->host, &request, &group, &err) < 0)
		return 1;
	if (group->manager != CGROUP_MANAGER_DISABLED)
		return 2;
	cgroup_close(&group);
	request.resources = &limits;
	if (cgroup_create(fixture->host, &request, &group, &err) != -EOPNOTSUPP)
		return 3;
	return strstr(err.message, "linux.resources.pids.limit") ? 0 : 4;
}

static void without_privilege_there_is_no_group_and_limits_are_refused(void **state)
{
	struct fixture *fixture = *state;
	pid_t child;

	need_groups(fixture);
	child = fork();
	if (child == 0) {
		plain_signals();
		_exit(as_nobody(fixture));
	}
	assert_int_equal(status_of(child), 0);
}

static int from_a_delegated_group(void *context)
{
	struct oci_resources limits = { .pids_limit = { true, 5 } };
	struct cgroup_request request = { .path = "inner", .id = "x", .resources = &limits };
	cleanup_cgroup_host struct cgroup_host *host = NULL;
	struct cgroup *group = NULL;
	struct error err = { 0 };
	int result;

	(void)context;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 90;
	if (cgroup_host_open(&host, &err) < 0 || cgroup_create(host, &request, &group, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	if (group->manager != CGROUP_MANAGER_CGROUPFS)
		return 2;
	result = run_in(group, compare_with_groups, group) ? 3 : 0;
	if (cgroup_delete(group, DELETE_TIMEOUT_MS, &err) < 0)
		return 4;
	cgroup_close(&group);
	return result;
}

/* As systemd does it for a user's session: DIRECTORY belongs to the user, who is in DIRECTORY/session. */
static void in_a_delegated_group_there_are_limits_without_privilege(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *session_path = NULL, *outer = NULL;
	struct cgroup_request request = { .id = "x", .delegate = true, .owner_uid = 65534, .owner_gid = 65534 };
	struct cgroup *delegated = NULL, *session = NULL;
	struct error err = { 0 };
	struct stat status;

	need_groups(fixture);
	if (cgroup_host_layout(fixture->host) != CGROUP_LAYOUT_V2) {
		print_message("only v2 can be delegated\n");
		skip();
	}
	request.path = fixture->path;
	assert_int_equal(cgroup_create(fixture->host, &request, &delegated, &err), 0);
	outer = xprintf("%s/cgroup.procs", delegated->entries[0].directory);
	assert_int_equal(stat(outer, &status), 0);
	assert_int_equal(status.st_uid, 65534);
	session_path = xprintf("%s/session", fixture->path);
	request.path = session_path;
	assert_int_equal(cgroup_create(fixture->host, &request, &session, &err), 0);
	assert_int_equal(run_in(session, from_a_delegated_group, NULL), 0);
	delete_group(&session);
	delete_group(&delegated);
}

/* ---- removing ---- */

static void groups_below_are_removed_too(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup *group;

	need_groups(fixture);
	group = make(fixture, NULL);
	for (size_t i = 0; i < group->count; i++) {
		assert_int_equal(mkdirat(group->entries[i].fd, "a", 0755), 0);
		assert_int_equal(mkdirat(group->entries[i].fd, "a/b", 0755), 0);
		assert_int_equal(mkdirat(group->entries[i].fd, "c", 0755), 0);
	}
	delete_group(&group);
}

static int end_soon(void *context)
{
	(void)context;
	(void)poll(NULL, 0, 150);
	return 7;
}

static void delete_waits_for_processes_on_their_way_out(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup *group;
	pid_t child;

	need_groups(fixture);
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, end_soon, NULL);
	delete_group(&group);
	assert_int_equal(status_of(child), 7);
}

static void delete_says_when_processes_stay(void **state)
{
	struct fixture *fixture = *state;
	struct error err = { 0 };
	struct cgroup *group;
	pid_t child;

	need_groups(fixture);
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, sleep_forever, NULL);
	assert_int_equal(cgroup_delete(group, 30, &err), -EBUSY);
	assert_non_null(strstr(err.message, fixture->path));
	kill(child, SIGKILL);
	status_of(child);
	delete_group(&group);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_group_exists_in_every_hierarchy_and_is_gone_after_delete),
		TEST(parents_that_were_made_are_removed_and_others_are_not),
		TEST(a_process_enters_every_hierarchy),
		TEST(a_process_can_enter_a_group_below),
		TEST(a_saved_group_can_be_loaded),
		TEST(a_plan_is_enough_to_remove_what_was_made),
		TEST(a_plan_touches_nothing_that_was_there_before),
		TEST(a_saved_text_of_another_form_is_refused),
		TEST(a_group_with_processes_is_not_taken_over),
		TEST(an_empty_group_that_exists_is_used),
		TEST(refused_requests_leave_nothing_behind),
		TEST(disabled_cgroups_take_no_limits),
		TEST(without_privilege_there_is_no_group_and_limits_are_refused),
		TEST(in_a_delegated_group_there_are_limits_without_privilege),
		TEST(groups_below_are_removed_too),
		TEST(delete_waits_for_processes_on_their_way_out),
		TEST(delete_says_when_processes_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
