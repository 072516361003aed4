/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a process on the wire, its environment, CPU lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>

#include "process/accounts.h"
#include "process/process_internal.h"

static char **strings(const char *const *source)
{
	size_t count = 0;
	char **copy;

	while (source[count])
		count++;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(source[i]);
	return copy;
}

static struct process_plan full_plan(void)
{
	static const char *const args[] = { "/bin/sh", "-c", "", "exit 7", NULL };
	static const char *const env[] = { "PATH=/bin", "EMPTY=", "A=\xff\x01", NULL };
	struct process_plan plan = {
		.args = strings(args),
		.env = strings(env),
		.cwd = xstrdup("/work"),
		.terminal = true,
		.rows = 24,
		.columns = 80,
		.uid = 1000,
		.gid = UINT32_MAX - 1,
		.additional_gid_count = 3,
		.user_name = xstrdup("user"),
		.group_name = xstrdup("group"),
		.user_groups = true,
		.umask_set = true,
		.umask = 027,
		.capabilities = { true, UINT64_MAX, 1, 2, 1ULL << 40, 4 },
		.rlimit_count = 2,
		.no_new_privileges = true,
		.oom_score_set = true,
		.oom_score_adjust = -999,
		.scheduler = { true, 6, -20, 0, 1ULL << 60, UINT64_MAX, 2, 3 },
		.io_priority = { true, 2, 7 },
		.personality_set = true,
		.personality = 8,
		.cpu_affinity_final = xstrdup("0-1"),
		.apparmor_profile = xstrdup("profile"),
		.new_keyring = true,
		.init = true,
		.keyring_name = xstrdup("_ses.x"),
		.preserve_fds = 2,
	};

	plan.additional_gids = xcalloc(3, sizeof(gid_t));
	plan.additional_gids[2] = 4294967294U;
	plan.rlimits = xcalloc(2, sizeof(*plan.rlimits));
	plan.rlimits[0] = (struct process_rlimit){ 7, 1024, UINT64_MAX };
	plan.rlimits[1] = (struct process_rlimit){ 0, UINT64_MAX - 1, UINT64_MAX };
	plan.seccomp.filter = xcalloc(2, sizeof(struct sock_filter));
	plan.seccomp.filter[0] = (struct sock_filter){ 0x20, 0, 255, 0xfffffffc };
	plan.seccomp.filter[1] = (struct sock_filter){ 0xffff, 200, 0, 0x7fff0000 };
	plan.seccomp.filter_count = 2;
	plan.seccomp.flags = 6;
	plan.seccomp.notify = true;
	return plan;
}

static struct strbuf encoded(const struct process_plan *plan)
{
	struct strbuf out = STRBUF_INIT;

	process_plan_encode(plan, &out);
	return out;
}

static int decode(const void *data, size_t length, struct process_plan *plan)
{
	struct wire_reader in = { .next = data, .left = length };
	struct error err = { 0 };
	int result = process_plan_decode(plan, &in, &err);

	if (result < 0)
		assert_true(err.message[0] != '\0');
	return result;
}

static void test_a_plan_survives_the_wire(void **state)
{
	struct process_plan plan = full_plan(), copy = { 0 };
	struct strbuf first = encoded(&plan), second;

	(void)state;
	assert_int_equal(decode(first.data, first.length, &copy), 0);
	second = encoded(&copy);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.data, second.data, first.length);
	assert_string_equal(copy.args[3], "exit 7");
	assert_null(copy.args[4]);
	assert_string_equal(copy.env[2], "A=\xff\x01");
	assert_int_equal(copy.oom_score_adjust, -999);
	assert_true(copy.rlimits[1].hard == UINT64_MAX && copy.rlimits[1].soft == UINT64_MAX - 1);
	assert_true(copy.capabilities.bounding == UINT64_MAX && copy.capabilities.permitted == 1ULL << 40);
	assert_int_equal(copy.seccomp.filter[0].jf, 255);
	assert_int_equal(copy.seccomp.filter[1].code, 0xffff);
	assert_null(copy.cpu_affinity_initial);
	assert_null(copy.selinux_label);
	assert_string_equal(copy.user_name, "user");
	assert_string_equal(copy.group_name, "group");
	assert_true(copy.user_groups);
	assert_int_equal(copy.additional_gids[2], 4294967294U);
	strbuf_free(&first);
	strbuf_free(&second);
	process_plan_free(&plan);
	process_plan_free(&copy);
	assert_null(copy.args);
}

static void test_every_truncation_is_refused(void **state)
{
	struct process_plan plan = full_plan();
	struct strbuf out = encoded(&plan);

	(void)state;
	for (size_t length = 0; length < out.length; length++) {
		struct process_plan copy = { .uid = 42 };
		/* In memory of just that size, so that a sanitizer sees a read too far. */
		void *piece = xmemdup(out.data, length);

		assert_true(decode(piece, length, &copy) < 0);
		assert_int_equal(copy.uid, 42);
		assert_null(copy.args);
		free(piece);
	}
	strbuf_free(&out);
	process_plan_free(&plan);
}

static void test_damaged_bytes_do_no_harm(void **state)
{
	struct process_plan plan = full_plan();
	struct strbuf out = encoded(&plan);
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char *damaged = xmemdup(out.data, out.length);
		struct process_plan copy = { 0 };

		for (int i = 0; i <= rand_r(&seed) % 4; i++)
			damaged[(size_t)rand_r(&seed) % out.length] = (char)rand_r(&seed);
		if (decode(damaged, out.length, &copy) == 0) {
			assert_non_null(copy.args[0]);
			assert_int_equal(copy.cwd[0], '/');
			process_plan_free(&copy);
		}
		free(damaged);
	}
	strbuf_free(&out);
	process_plan_free(&plan);
}

static void test_a_plan_without_arguments_is_refused(void **state)
{
	struct process_plan plan = full_plan(), copy = { 0 };
	struct strbuf out;

	(void)state;
	free_strings(plan.args);
	plan.args = xcalloc(1, sizeof(char *));
	out = encoded(&plan);
	assert_int_equal(decode(out.data, out.length, &copy), -EBADMSG);
	strbuf_free(&out);
	process_plan_free(&plan);
}

static void test_a_plan_with_a_relative_directory_is_refused(void **state)
{
	struct process_plan plan = full_plan(), copy = { 0 };
	struct strbuf out;

	(void)state;
	free(plan.cwd);
	plan.cwd = xstrdup("work");
	out = encoded(&plan);
	assert_int_equal(decode(out.data, out.length, &copy), -EBADMSG);
	strbuf_free(&out);
	process_plan_free(&plan);
}

static void test_home_comes_from_passwd(void **state)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
				     "broken line\n"
				     "short:x:5\n"
				     "nohome:x:6:6::\n"
				     "hex:x:0x7:7::/wrong:/bin/sh\n"
				     "user:x:1000:1000:A, B:/home/user:/bin/sh\n"
				     "other:x:1000:1000::/home/other:/bin/sh\n"
				     "last:x:4294967294:1::/last";
	char *home;

	(void)state;
	home = account_home(passwd, 0);
	assert_string_equal(home, "/root");
	free(home);
	home = account_home(passwd, 1000);
	assert_string_equal(home, "/home/user");
	free(home);
	home = account_home(passwd, 4294967294U);
	assert_string_equal(home, "/last");
	free(home);
	assert_null(account_home(passwd, 5));
	assert_null(account_home(passwd, 6));
	assert_null(account_home(passwd, 7));
	assert_null(account_home("", 0));
	assert_null(account_home("::::::", 0));
}

static void test_ids_are_whole_decimal_numbers(void **state)
{
	static const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1e3", "4294967295", "4294967296",
		"18446744073709551616", "1:2", "one" };
	id_t id = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(account_parse_id(wrong[i], strlen(wrong[i]), &id));
	assert_int_equal(id, 7);
	assert_true(account_parse_id("0", 1, &id) && id == 0);
	assert_true(account_parse_id("4294967294", 10, &id) && id == 4294967294U);
	assert_true(account_parse_id("0010", 4, &id) && id == 10);
	assert_true(account_parse_id("12345", 2, &id) && id == 12);
}

static void test_users_and_groups_are_found_by_their_whole_name(void **state)
{
	static const char passwd[] =
		"\nroot\nuse:x:1:1::/:/\nuser:x:-5:5::/:/\nuser:x:1000:1001::/:/bin/sh\nuser:x:0:0::/:/\n"
		"short:x:3:4";
	static const char group[] = "wheel:x:10:user,other\nuser:x:1001:\nbad:x:x:user\nlast:x:20:other,user\n"
				    "again:x:10:user\nnear:x:30:user1,1user\nnone:x:40";
	gid_t gid = 99, *gids = xcalloc(1, sizeof(*gids));
	uid_t uid = 99;
	size_t count = 1;

	(void)state;
	assert_true(account_find_user(passwd, "user", &uid, &gid));
	assert_int_equal(uid, 1000);
	assert_int_equal(gid, 1001);
	assert_true(account_find_user(passwd, "short", &uid, &gid) && gid == 4);
	assert_false(account_find_user(passwd, "root", &uid, &gid));
	assert_false(account_find_user(passwd, "us", &uid, &gid));
	assert_false(account_find_user(passwd, "", &uid, &gid));
	assert_true(account_find_group(group, "none", &gid) && gid == 40);
	assert_false(account_find_group(group, "bad", &gid));
	account_groups_of(group, "user", 65536, &gids, &count);
	assert_int_equal(count, 3);
	assert_int_equal(gids[1], 10);
	assert_int_equal(gids[2], 20);
	count = 0;
	account_groups_of(group, "user", 1, &gids, &count);
	assert_int_equal(count, 1);
	free(gids);
}

static void test_a_user_is_set_by_ids_or_names(void **state)
{
	struct process_plan plan = { .uid = 5, .gid = 6, .additional_gid_count = 1 };
	struct error err;

	(void)state;
	assert_int_equal(process_set_user(&plan, "1000", &err), 0);
	assert_true(plan.uid == 1000 && plan.gid == 6 && plan.additional_gid_count == 1 && !plan.user_name);
	assert_int_equal(process_set_user(&plan, "1001:7", &err), 0);
	assert_true(plan.uid == 1001 && plan.gid == 7 && plan.additional_gid_count == 1 && !plan.group_name);
	assert_int_equal(process_set_user(&plan, "8:staff", &err), 0);
	assert_true(plan.uid == 8 && !plan.user_name && !plan.user_groups);
	assert_string_equal(plan.group_name, "staff");
	assert_int_equal(process_set_user(&plan, "_user-1.2:9", &err), 0);
	assert_true(plan.gid == 9 && !plan.group_name && !plan.user_groups && plan.additional_gid_count == 0);
	assert_string_equal(plan.user_name, "_user-1.2");
	assert_int_equal(process_set_user(&plan, "user", &err), 0);
	assert_true(plan.user_groups);
	process_plan_free(&plan);
}

static void test_odd_users_are_refused(void **state)
{
	static const char *const odd[] = { "", ":", "-1", "+1", "1:2:3", "root ", " root", "root\n", "1:", ":1", "0x0",
		"1 ", "4294967295", "1:4294967295", "4294967296", "99999999999999999999", "root:", ":root", "-root",
		"1root", "a/b", "a,b", "root:-1", "root:wheel:x" };
	struct process_plan plan = { .uid = 5, .gid = 6, .additional_gid_count = 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct error err = { 0 };

		assert_int_equal(process_set_user(&plan, odd[i], &err), -EINVAL);
		assert_non_null(strstr(err.message, odd[i]));
	}
	assert_true(plan.uid == 5 && plan.gid == 6 && !plan.user_name && plan.additional_gid_count == 1);
}

static void test_the_last_entry_of_a_name_counts(void **state)
{
	static const char *const env[] = { "A=1", "B=2", "A=3", "AB=4", "HOME=/h", "B", "A=5", "=x", "=y", NULL };
	static const char *const kept[] = { "A=5", "B", "AB=4", "HOME=/h", "=y", NULL };
	struct process_plan plan = { .env = strings(env) };

	(void)state;
	process_complete_environment(&plan);
	for (size_t i = 0; kept[i]; i++)
		assert_string_equal(plan.env[i], kept[i]);
	assert_null(plan.env[5]);
	process_plan_free(&plan);
}

static void test_a_large_environment_is_handled(void **state)
{
	enum { COUNT = 20000 };
	struct process_plan plan = { .env = xcalloc(COUNT + 1, sizeof(char *)) };
	size_t count = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++)
		plan.env[i] = xprintf("NAME_%d=%d", i % (COUNT / 2), i);
	process_complete_environment(&plan);
	while (plan.env[count])
		count++;
	assert_int_equal(count, COUNT / 2 + 1); /* and HOME */
	assert_string_equal(process_environment_value(plan.env, "NAME_3"), "10003");
	process_plan_free(&plan);
}

static void test_an_empty_home_is_as_none(void **state)
{
	static const char *const env[] = { "HOME=", NULL };
	struct process_plan plan = { .env = strings(env), .uid = 4242424 };

	(void)state;
	process_complete_environment(&plan);
	assert_string_equal(plan.env[0], "HOME=/");
	assert_null(plan.env[1]);
	process_plan_free(&plan);
}

static void test_cpu_lists(void **state)
{
	static const char *const wrong[] = { "", ",", "a", "1-", "-1", "3-1", "0,", "0,,1", "0-8192",
		"99999999999999999999", "0 1", NULL };
	struct error err = { 0 };
	cpu_set_t before, now;

	(void)state;
	for (size_t i = 0; wrong[i]; i++)
		assert_int_equal(process_set_cpu_affinity(wrong[i], &err), -EINVAL);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(process_set_cpu_affinity("0", &err), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_int_equal(CPU_COUNT(&now), 1);
	assert_int_equal(process_set_cpu_affinity("0-8191", &err), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
	assert_true(CPU_COUNT(&now) >= CPU_COUNT(&before));
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void test_a_limit_that_cannot_be_raised_is_named(void **state)
{
	struct process_rlimit limit = { 99, 1, 1 };
	struct process_plan plan = { .rlimits = &limit, .rlimit_count = 1 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(process_raise_limits(&plan, 0, &err), -EINVAL);
	assert_non_null(strstr(err.message, "99"));
	limit = (struct process_rlimit){ 7, 2, 1 };
	assert_int_equal(process_raise_limits(&plan, 0, &err), -EINVAL);
	assert_non_null(strstr(err.message, "RLIMIT_NOFILE to 2 (hard 1)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_survives_the_wire),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_damaged_bytes_do_no_harm),
		cmocka_unit_test(test_a_plan_without_arguments_is_refused),
		cmocka_unit_test(test_a_plan_with_a_relative_directory_is_refused),
		cmocka_unit_test(test_home_comes_from_passwd),
		cmocka_unit_test(test_ids_are_whole_decimal_numbers),
		cmocka_unit_test(test_users_and_groups_are_found_by_their_whole_name),
		cmocka_unit_test(test_a_user_is_set_by_ids_or_names),
		cmocka_unit_test(test_odd_users_are_refused),
		cmocka_unit_test(test_the_last_entry_of_a_name_counts),
		cmocka_unit_test(test_a_large_environment_is_handled),
		cmocka_unit_test(test_an_empty_home_is_as_none),
		cmocka_unit_test(test_cpu_lists),
		cmocka_unit_test(test_a_limit_that_cannot_be_raised_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
