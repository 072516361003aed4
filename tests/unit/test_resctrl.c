/* SPDX-License-Identifier: Apache-2.0 */
/* linux.intelRdt on a directory that looks like a resctrl file system: no machine at hand has a true one. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "runtime/resctrl.h"

struct trial {
	char path[32];
	int root;
};

static int begin(void **state)
{
	struct trial *trial = xcalloc(1, sizeof(*trial));

	(void)strcpy(trial->path, "/tmp/duet-test.XXXXXX");
	assert_non_null(mkdtemp(trial->path));
	trial->root = open(trial->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = trial;
	return 0;
}

static int end(void **state)
{
	struct trial *trial = *state;

	assert_int_equal(remove_tree(AT_FDCWD, trial->path), 0);
	(void)close(trial->root);
	free(trial);
	return 0;
}

static void make(const struct trial *trial, const char *directory)
{
	assert_int_equal(make_directories(trial->root, directory, 0755), 0);
}

static void put(const struct trial *trial, const char *file, const char *text)
{
	assert_int_equal(file_replace(trial->root, file, text, strlen(text), 0644), 0);
}

static void assert_file(const struct trial *trial, const char *file, const char *text)
{
	struct strbuf content = STRBUF_INIT;

	assert_int_equal(file_read(trial->root, file, 4096, &content), 0);
	/* In a plain file what was there before stays behind a shorter text. */
	assert_int_equal(strncmp(content.data, text, strlen(text)), 0);
	strbuf_free(&content);
}

static bool exists(const struct trial *trial, const char *name)
{
	return faccessat(trial->root, name, F_OK, 0) == 0;
}

static void test_a_group_of_the_containers_own_goes_with_it(void **state)
{
	const struct trial *trial = *state;
	struct oci_intel_rdt rdt = { 0 };
	struct error err;

	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), 0);
	assert_true(exists(trial, "c1"));
	put(trial, "c1/tasks", "");
	assert_int_equal(resctrl_add(trial->root, &rdt, "c1", 4321, &err), 0);
	assert_file(trial, "c1/tasks", "4321");
	assert_int_equal(unlinkat(trial->root, "c1/tasks", 0), 0);
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), -EEXIST);
	assert_int_equal(resctrl_remove(trial->root, &rdt, "c1", &err), 0);
	assert_false(exists(trial, "c1"));
	assert_int_equal(resctrl_remove(trial->root, &rdt, "c1", &err), 0);
}

static void test_a_named_group_has_to_be_there_or_to_be_described(void **state)
{
	const struct trial *trial = *state;
	char name[] = "gold", schema[] = "L3:0=f;1=f\nMB:0=10", bandwidth[] = "MB:0=20;1=70";
	struct oci_intel_rdt rdt = { .closid = name };
	struct error err;

	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), -ENOENT);
	assert_non_null(strstr(err.message, "linux.intelRdt.closID: group \"gold\""));
	make(trial, "gold");
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), 0);
	rdt.l3_cache_schema = schema;
	rdt.memory_bandwidth_schema = bandwidth;
	put(trial, "gold/schemata", "    L3:0=f;1=f\n    MB:0=20;1=70\n");
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), 0);
	put(trial, "gold/schemata", "    L3:0=f;1=f\n    MB:0=20;1=71\n");
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), -EEXIST);
	assert_non_null(strstr(err.message, "has not \"MB:0=20;1=70\""));
	assert_int_equal(resctrl_remove(trial->root, &rdt, "c1", &err), 0);
	assert_true(exists(trial, "gold"));
}

static void test_schemata_can_be_changed(void **state)
{
	const struct trial *trial = *state;
	char name[] = "gold";
	struct oci_intel_rdt own = { 0 }, named = { .closid = name };
	struct error err;

	make(trial, "c1");
	make(trial, "gold");
	put(trial, "c1/schemata", "");
	put(trial, "gold/schemata", "");
	assert_int_equal(resctrl_change(trial->root, &own, "c1", "L3:0=3", NULL, &err), 0);
	assert_file(trial, "c1/schemata", "L3:0=3\n");
	assert_int_equal(resctrl_change(trial->root, &named, "c1", "L3:0=7\nMB:0=10", "MB:0=40", &err), 0);
	assert_file(trial, "gold/schemata", "L3:0=7\nMB:0=40\n");
	assert_int_equal(resctrl_change(trial->root, &own, "c2", "L3:0=3", NULL, &err), -ENOENT);
	assert_non_null(strstr(err.message, "write the schemata of group \"c2\""));
}

static void test_schemata_are_written_in_the_end(void **state)
{
	const struct trial *trial = *state;
	char name[] = "gold", first[] = "L3:0=ff", second[] = "L2:0=1";
	char *lines[] = { first, second, NULL };
	struct oci_intel_rdt rdt = { .closid = name, .schemata = lines };
	struct error err;

	make(trial, "gold");
	put(trial, "gold/schemata", "L3:0=1\nL2:0=2\n");
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), 0);
	assert_file(trial, "gold/schemata", "L3:0=ff\nL2:0=1\n");
}

static void test_monitoring_has_a_group_of_its_own_below_a_named_one(void **state)
{
	const struct trial *trial = *state;
	char name[] = "gold";
	struct oci_intel_rdt rdt = { .closid = name, .enable_monitoring = true };
	struct error err;

	make(trial, "gold/mon_groups");
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), -ENOTSUP);
	assert_non_null(strstr(err.message, "no monitoring"));
	make(trial, "info/L3_MON");
	put(trial, "info/L3_MON/mon_features", "llc_occupancy\n");
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), 0);
	put(trial, "gold/tasks", "");
	put(trial, "gold/mon_groups/c1/tasks", "");
	assert_int_equal(resctrl_add(trial->root, &rdt, "c1", 99, &err), 0);
	assert_file(trial, "gold/mon_groups/c1/tasks", "99");
	assert_int_equal(unlinkat(trial->root, "gold/mon_groups/c1/tasks", 0), 0);
	assert_int_equal(resctrl_remove(trial->root, &rdt, "c1", &err), 0);
	assert_false(exists(trial, "gold/mon_groups/c1"));
	assert_true(exists(trial, "gold"));
}

static void test_what_the_kernel_says_is_passed_on(void **state)
{
	const struct trial *trial = *state;
	char name[] = "gold", line[] = "L3:0=zz";
	char *lines[] = { line, NULL };
	struct oci_intel_rdt rdt = { .closid = name, .schemata = lines };
	struct error err;

	make(trial, "info");
	put(trial, "info/last_cmd_status", "Non-hex character in the mask zz\n");
	/* There is no schemata file in what it makes here, as if the kernel refused to write it. */
	assert_int_equal(resctrl_make(trial->root, &rdt, "c1", &err), -ENOENT);
	assert_non_null(strstr(err.message, "write the schemata of group \"gold\": Non-hex character in the mask zz"));
	assert_false(exists(trial, "gold"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_group_of_the_containers_own_goes_with_it, begin, end),
		cmocka_unit_test_setup_teardown(test_a_named_group_has_to_be_there_or_to_be_described, begin, end),
		cmocka_unit_test_setup_teardown(test_schemata_are_written_in_the_end, begin, end),
		cmocka_unit_test_setup_teardown(test_schemata_can_be_changed, begin, end),
		cmocka_unit_test_setup_teardown(test_monitoring_has_a_group_of_its_own_below_a_named_one, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_kernel_says_is_passed_on, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
