/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/seccomp_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"

struct fixture {
	char path[64];
	int directory;
};

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	snprintf(fixture->path, sizeof(fixture->path), "/tmp/duet-test-seccomp.XXXXXX");
	if (!mkdtemp(fixture->path))
		return -1;
	fixture->directory = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = fixture;
	return fixture->directory < 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	cleanup_fd int above = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result;

	close(fixture->directory);
	result = remove_tree(above, fixture->path + sizeof("/tmp/") - 1);
	free(fixture);
	return result;
}

static char *names[] = { "getppid", "mseal", NULL };

static bool cached(struct fixture *fixture, const struct oci_seccomp *profile)
{
	cleanup_seccomp_program struct seccomp_program program = { 0 }, expected = compile(profile);
	struct error err = { 0 };
	bool hit = false;

	assert_int_equal(seccomp_compile_cached(fixture->directory, profile, &program, &hit, &err), 0);
	assert_int_equal(program.count, expected.count);
	assert_memory_equal(program.filter, expected.filter, expected.count * sizeof(struct sock_filter));
	assert_int_equal(program.flags, expected.flags);
	assert_int_equal(program.notify, expected.notify);
	return hit;
}

/* The name of the only entry. */
static char *entry_name(struct fixture *fixture)
{
	cleanup_directory DIR *stream = opendir(fixture->path);
	struct dirent *entry;
	char *name = NULL;

	while ((entry = readdir(stream))) {
		if (entry->d_name[0] == '.')
			continue;
		assert_null(name);
		name = xstrdup(entry->d_name);
	}
	assert_non_null(name);
	return name;
}

static void the_second_time_the_filter_comes_from_the_cache(void **state)
{
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_NOTIFY };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };
	cleanup_free char *name = NULL;
	struct stat status;

	assert_false(cached(*state, &profile));
	assert_true(cached(*state, &profile));
	name = entry_name(*state);
	assert_int_equal(strlen(name), 64);
	assert_int_equal(fstatat(((struct fixture *)*state)->directory, name, &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

/* Each change is tried alone against a profile that is in the cache. */
static void every_field_of_the_profile_is_part_of_the_key(void **state)
{
	char *other_names[] = { "getppid", "mseal", "getpid", NULL }, *joined[] = { "getppi", "dmseal", NULL };
	uint32_t architectures[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 };
	struct oci_seccomp_argument argument = {
		.index = 1, .value = 2, .value_two = 3, .operator= OCI_SECCOMP_MASKED_EQ };
	struct oci_seccomp_rule rule = { .names = names,
		.action = OCI_SECCOMP_ERRNO,
		.errno_ret = number_of(5),
		.arguments = &argument,
		.argument_count = 1 };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_LOG,
		.default_errno_ret = number_of(7),
		.architectures = architectures,
		.architecture_count = 1,
		.rules = &rule,
		.rule_count = 1 };
	const struct oci_seccomp profile_before = profile;
	const struct oci_seccomp_rule rule_before = rule;
	const struct oci_seccomp_argument argument_before = argument;

	assert_false(cached(*state, &profile));
	assert_true(cached(*state, &profile));
#define DIFFERS(change)                                 \
	do {                                            \
		change;                                 \
		assert_false(cached(*state, &profile)); \
		profile = profile_before;               \
		rule = rule_before;                     \
		argument = argument_before;             \
		assert_true(cached(*state, &profile));  \
	} while (0)
	DIFFERS(profile.default_action = OCI_SECCOMP_ALLOW);
	DIFFERS(profile.default_errno_ret.value = 8);
	DIFFERS(profile.default_errno_ret = (struct oci_u64){ 0 });
	DIFFERS(profile.architecture_count = 2);
	DIFFERS(profile.rule_count = 0);
	DIFFERS(rule.names = other_names);
	DIFFERS(rule.action = OCI_SECCOMP_TRAP);
	DIFFERS(rule.errno_ret.value = 6);
	DIFFERS(rule.errno_ret.set = false);
	DIFFERS(rule.argument_count = 0);
	DIFFERS(argument.index = 2);
	DIFFERS(argument.value = 3);
	DIFFERS(argument.value_two = 4);
	DIFFERS(argument.operator= OCI_SECCOMP_EQ);
#undef DIFFERS
	/* The same letters, cut elsewhere, under a default that lets unknown names pass. */
	rule.action = OCI_SECCOMP_ALLOW;
	profile.default_action = OCI_SECCOMP_ERRNO;
	assert_false(cached(*state, &profile));
	rule.names = joined;
	assert_false(cached(*state, &profile));
}

static void flags_are_not_part_of_an_entry(void **state)
{
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_ERRNO };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };

	assert_false(cached(*state, &profile));
	profile.flags_set = true;
	profile.flags = SECCOMP_FILTER_FLAG_LOG;
	assert_true(cached(*state, &profile)); /* compares the flags with those of a fresh compilation */
}

static void a_damaged_entry_is_compiled_anew(void **state)
{
	struct fixture *fixture = *state;
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_ERRNO };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };
	cleanup_free char *name = NULL;
	cleanup_strbuf struct strbuf whole = STRBUF_INIT;

	assert_false(cached(fixture, &profile));
	name = entry_name(fixture);
	assert_int_equal(file_read(fixture->directory, name, 100000, &whole), 0);
	for (size_t i = 0; i < whole.length; i++) {
		cleanup_free char *damaged = xmemdup(whole.data, whole.length);

		damaged[i] = (char)(damaged[i] ^ 0x10);
		assert_int_equal(file_replace(fixture->directory, name, damaged, whole.length, 0600), 0);
		assert_false(cached(fixture, &profile));
		assert_true(cached(fixture, &profile));
	}
	for (size_t length = 0; length < whole.length; length += 7) {
		assert_int_equal(file_replace(fixture->directory, name, whole.data, length, 0600), 0);
		assert_false(cached(fixture, &profile));
		assert_true(cached(fixture, &profile));
	}
	strbuf_append(&whole, "x", 1);
	assert_int_equal(file_replace(fixture->directory, name, whole.data, whole.length, 0600), 0);
	assert_false(cached(fixture, &profile));
	assert_true(cached(fixture, &profile));
}

static void an_entry_that_is_not_a_private_file_of_ours_is_not_used(void **state)
{
	struct fixture *fixture = *state;
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_ERRNO };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };
	cleanup_free char *name = NULL;

	assert_false(cached(fixture, &profile));
	name = entry_name(fixture);
	assert_int_equal(fchmodat(fixture->directory, name, 0620, 0), 0);
	assert_false(cached(fixture, &profile));
	assert_true(cached(fixture, &profile));

	assert_int_equal(renameat(fixture->directory, name, fixture->directory, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", fixture->directory, name), 0);
	assert_false(cached(fixture, &profile));
	assert_true(cached(fixture, &profile));
	assert_int_equal(unlinkat(fixture->directory, "elsewhere", 0), 0);

	assert_int_equal(unlinkat(fixture->directory, name, 0), 0);
	assert_int_equal(mkfifoat(fixture->directory, name, 0600), 0);
	assert_false(cached(fixture, &profile));
	assert_true(cached(fixture, &profile));

	if (geteuid() != 0)
		return;
	assert_int_equal(fchownat(fixture->directory, name, 65534, 65534, 0), 0);
	assert_false(cached(fixture, &profile));
	assert_true(cached(fixture, &profile));
}

static void a_directory_that_others_can_write_to_is_not_used(void **state)
{
	struct fixture *fixture = *state;
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_ERRNO };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };

	assert_false(cached(fixture, &profile));
	assert_int_equal(fchmod(fixture->directory, 0777), 0);
	assert_false(cached(fixture, &profile));
	assert_int_equal(fchmod(fixture->directory, 0700), 0);
	assert_true(cached(fixture, &profile));
}

static void without_a_directory_it_compiles(void **state)
{
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW };
	struct fixture none = { .directory = -1 };

	(void)state;
	assert_false(cached(&none, &profile));
	assert_false(cached(&none, &profile));
}

static void a_profile_that_is_refused_leaves_no_entry(void **state)
{
	struct fixture *fixture = *state;
	char *unknown[] = { "no_such_call", NULL };
	struct oci_seccomp_rule rule = { .names = unknown, .action = OCI_SECCOMP_ERRNO };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };
	struct seccomp_program program = { 0 };
	struct error err = { 0 };

	assert_int_equal(seccomp_compile_cached(fixture->directory, &profile, &program, NULL, &err), -EINVAL);
	assert_null(program.filter);
	assert_int_equal(rmdir(fixture->path), 0); /* empty */
}

/* Some tests damage hundreds of entries, which is warned about each time. */
static int silence(void **state)
{
	const struct log_options options = { .path = "/dev/null" };

	(void)state;
	return log_open(&options, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_second_time_the_filter_comes_from_the_cache, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_field_of_the_profile_is_part_of_the_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flags_are_not_part_of_an_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_entry_is_compiled_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_entry_that_is_not_a_private_file_of_ours_is_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_that_others_can_write_to_is_not_used, set_up, tear_down),
		cmocka_unit_test(without_a_directory_it_compiles),
		cmocka_unit_test_setup_teardown(a_profile_that_is_refused_leaves_no_entry, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, silence, NULL);
}
