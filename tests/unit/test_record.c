/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/lifecycle.h"
#include "runtime/microvm_machine.h"
#include "runtime/record.h"

static void a_record_comes_back(void **state)
{
	struct key_value annotation = { .key = (char *)"a.b", .value = (char *)"c \"d\"" };
	struct container_record record = {
		.oci_version = (char *)"1.2.0",
		.bundle = (char *)"/b",
		.rootfs = (char *)"/b/rootfs",
		.isolation = (char *)"microvm",
		.pid = 42,
		.pid_start_ticks = 1ULL << 40,
		.prepared = true,
		.started = true,
		.created = (char *)"2026-01-01T00:00:00Z",
		.owner = 1000,
		.cgroup = NULL,
		.annotations = &annotation,
		.annotation_count = 1,
	};
	struct container_record back;
	struct error err;
	char *text = record_print(&record);

	(void)state;
	assert_non_null(text);
	assert_int_equal(record_parse(text, strlen(text), &back, &err), 0);
	assert_string_equal(back.bundle, "/b");
	assert_string_equal(back.isolation, "microvm");
	assert_int_equal(back.pid, 42);
	assert_true(back.pid_start_ticks == 1ULL << 40);
	assert_true(back.started);
	assert_null(back.cgroup);
	assert_int_equal(back.annotation_count, 1);
	assert_string_equal(back.annotations[0].value, "c \"d\"");
	record_free(&back);
	free(text);
}

static void damaged_records_are_refused(void **state)
{
	static const char *const texts[] = { "", "{}", "[1]", "{\"version\":1}", "{\"version\": 99" };
	struct container_record back;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(record_parse(texts[i], strlen(texts[i]), &back, &err), -EBADMSG);
}

static void ids_stay_inside_the_state_root(void **state)
{
	char long_id[300];

	(void)state;
	memset(long_id, 'a', sizeof(long_id));
	long_id[sizeof(long_id) - 1] = '\0';
	assert_int_equal(container_id_check("web-1_a.b+c", NULL), 0);
	assert_int_equal(container_id_check("", NULL), -EINVAL);
	assert_int_equal(container_id_check("..", NULL), -EINVAL);
	assert_int_equal(container_id_check(".hidden", NULL), -EINVAL);
	assert_int_equal(container_id_check("a/b", NULL), -EINVAL);
	assert_int_equal(container_id_check("-x", NULL), -EINVAL);
	assert_int_equal(container_id_check("a b", NULL), -EINVAL);
	assert_int_equal(container_id_check(long_id, NULL), -EINVAL);
}

static void signals_by_name_and_number(void **state)
{
	(void)state;
	assert_int_equal(signal_parse("TERM", NULL), 15);
	assert_int_equal(signal_parse("SIGKILL", NULL), 9);
	assert_int_equal(signal_parse("sigusr1", NULL), 10);
	assert_int_equal(signal_parse("28", NULL), 28);
	assert_true(signal_parse("RTMIN+1", NULL) == signal_parse("SIGRTMIN+1", NULL));
	assert_true(signal_parse("RTMIN+1", NULL) > 31);
	assert_int_equal(signal_parse("RTMIN+", NULL), -EINVAL);
	assert_int_equal(signal_parse("NOPE", NULL), -EINVAL);
	assert_int_equal(signal_parse("9x", NULL), -EINVAL);
	assert_int_equal(signal_parse("-1", NULL), -EINVAL);
	assert_int_equal(signal_parse("4096", NULL), -EINVAL);
}

static void guest_memory_follows_the_limit(void **state)
{
	uint64_t size = 0;
	struct error err;

	(void)state;
	assert_int_equal(microvm_memory_size(-1, &size, &err), 0);
	assert_true(size == 256ULL << 20);
	assert_int_equal(microvm_memory_size(512LL << 20, &size, &err), 0);
	assert_true(size == 384ULL << 20);
	assert_int_equal(microvm_memory_size(1200LL << 20, &size, &err), 0);
	assert_true(size == 1024ULL << 20);
	assert_int_equal(microvm_memory_size(64LL << 20, &size, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(ids_stay_inside_the_state_root),
		cmocka_unit_test(signals_by_name_and_number),
		cmocka_unit_test(guest_memory_follows_the_limit),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
