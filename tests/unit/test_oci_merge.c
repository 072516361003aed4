/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "oci/merge.h"
#include "oci/spec.h"

static int merge(const char *config, const char *resources, struct strbuf *merged, struct error *err)
{
	return oci_merge_resources(config, strlen(config), resources, strlen(resources), merged, err);
}

/* Both as compact JSON with sorted keys; integers may be wider than jansson takes. */
static void assert_merges(const char *config, const char *resources, const char *expected)
{
	cleanup_strbuf struct strbuf merged = STRBUF_INIT;
	struct error err = { 0 };
	json_t *left, *right;

	assert_int_equal(merge(config, resources, &merged, &err), 0);
	left = json_loads(merged.data, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, NULL);
	right = json_loads(expected, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, NULL);
	if (!json_equal(left, right))
		print_error("%s\nis not\n%s\n", merged.data, expected);
	assert_true(left && right && json_equal(left, right));
	json_decref(left);
	json_decref(right);
}

static void members_are_replaced_one_by_one(void **state)
{
	(void)state;
	assert_merges(
		"{\"a\":[1,\"x\",null,true],\"linux\":{\"b\":{},\"resources\":{\"memory\":{\"limit\":1,\"swap\":2},"
		"\"pids\":{\"limit\":3}}}}",
		"{\"memory\":{\"limit\":9,\"swap\":null},\"cpu\":{\"cpus\":\"0-1\"}}",
		"{\"a\":[1,\"x\",null,true],\"linux\":{\"b\":{},\"resources\":{\"memory\":{\"limit\":9,\"swap\":2},"
		"\"pids\":{\"limit\":3},\"cpu\":{\"cpus\":\"0-1\"}}}}");
}

static void what_was_not_there_is_made(void **state)
{
	(void)state;
	assert_merges("{\"x\":1}", "{\"pids\":{\"limit\":5}}",
		"{\"x\":1,\"linux\":{\"resources\":{\"pids\":{\"limit\":5}}}}");
	assert_merges("{\"linux\":{}}", "{}", "{\"linux\":{\"resources\":{}}}");
}

static void lists_of_limits_are_merged_by_what_they_are_about(void **state)
{
	(void)state;
	assert_merges("{\"linux\":{\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},"
		      "{\"pageSize\":\"1GB\",\"limit\":2}],\"blockIO\":{\"throttleReadBpsDevice\":["
		      "{\"major\":8,\"minor\":0,\"rate\":1},{\"major\":8,\"minor\":1,\"rate\":2}]}}}}",
		"{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":7}],\"blockIO\":{\"throttleReadBpsDevice\":["
		"{\"major\":8,\"minor\":1,\"rate\":9}]}}",
		"{\"linux\":{\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":2},"
		"{\"pageSize\":\"2MB\",\"limit\":7}],\"blockIO\":{\"throttleReadBpsDevice\":["
		"{\"major\":8,\"minor\":0,\"rate\":1},{\"major\":8,\"minor\":1,\"rate\":9}]}}}}");
}

static void device_rules_stay(void **state)
{
	(void)state;
	assert_merges("{\"linux\":{\"resources\":{\"devices\":[{\"allow\":false}]}}}",
		"{\"devices\":[{\"allow\":true}],\"pids\":{\"limit\":1}}",
		"{\"linux\":{\"resources\":{\"devices\":[{\"allow\":false}],\"pids\":{\"limit\":1}}}}");
}

/* As it is applied: an old limit on memory plus swap would contradict it. */
static void no_limit_on_memory_is_none_on_swap(void **state)
{
	(void)state;
	assert_merges("{\"linux\":{\"resources\":{\"memory\":{\"limit\":1,\"swap\":2}}}}",
		"{\"memory\":{\"limit\":-1}}", "{\"linux\":{\"resources\":{\"memory\":{\"limit\":-1,\"swap\":-1}}}}");
	assert_merges("{\"linux\":{\"resources\":{\"memory\":{\"limit\":1,\"swap\":2}}}}",
		"{\"memory\":{\"limit\":-1,\"swap\":8}}",
		"{\"linux\":{\"resources\":{\"memory\":{\"limit\":-1,\"swap\":8}}}}");
}

static void wide_integers_come_through(void **state)
{
	cleanup_strbuf struct strbuf merged = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(merge("{\"soft\":18446744073709551615,\"text\":\"\\u00e4\\n\"}",
				 "{\"network\":{\"classID\":18446744073709551614}}", &merged, &err),
		0);
	assert_non_null(strstr(merged.data, "\"soft\": 18446744073709551615"));
	assert_non_null(strstr(merged.data, "\"classID\": 18446744073709551614"));
	assert_non_null(strstr(merged.data, "\"\xc3\xa4\\n\""));
}

static void the_result_is_a_configuration_again(void **state)
{
	static const char config[] =
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\","
		"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":18446744073709551615,\"soft\":18446744073709551615}]},"
		"\"linux\":{\"resources\":{\"pids\":{\"limit\":4}}}}";
	cleanup_strbuf struct strbuf merged = STRBUF_INIT;
	cleanup_oci_spec struct oci_spec *spec = NULL;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(merge(config, "{\"pids\":{\"limit\":6}}", &merged, &err), 0);
	assert_int_equal(oci_spec_parse(&spec, merged.data, merged.length, "config.json", &err), 0);
	assert_int_equal(spec->resources->pids_limit.value, 6);
	assert_true(spec->process->rlimits[0].hard == UINT64_MAX);
}

static void what_is_no_object_is_refused(void **state)
{
	cleanup_strbuf struct strbuf merged = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(merge("[]", "{}", &merged, &err), -EINVAL);
	assert_int_equal(merge("{}", "[]", &merged, &err), -EINVAL);
	assert_int_equal(merge("{", "{}", &merged, &err), -EINVAL);
	assert_int_equal(merge("{}", "", &merged, &err), -EINVAL);
	assert_int_equal(merged.length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_replaced_one_by_one),
		cmocka_unit_test(what_was_not_there_is_made),
		cmocka_unit_test(lists_of_limits_are_merged_by_what_they_are_about),
		cmocka_unit_test(device_rules_stay),
		cmocka_unit_test(no_limit_on_memory_is_none_on_swap),
		cmocka_unit_test(wide_integers_come_through),
		cmocka_unit_test(the_result_is_a_configuration_again),
		cmocka_unit_test(what_is_no_object_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
