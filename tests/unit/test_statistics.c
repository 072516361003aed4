/* SPDX-License-Identifier: Apache-2.0 */
/* The line of `events` against the JSON that runc's types/events.go stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "runtime/statistics.h"

static void nothing_known(struct container_statistics *statistics)
{
	memset(&statistics->cgroup, 0xff, sizeof(statistics->cgroup));
	statistics->cgroup.under_oom = false;
	statistics->guest = statistics->cgroup;
}

static void assert_prints(const struct container_statistics *statistics, const char *expected)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	json_t *document;

	container_statistics_print("box", statistics, &json);
	assert_string_equal(json.data, expected);
	/* What is meant for tools is JSON on one line. */
	document = json_loads(json.data, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	assert_non_null(document);
	json_decref(document);
	assert_null(strchr(json.data, '\n'));
}

static void what_is_not_known_is_absent(void **state)
{
	struct container_statistics statistics = { 0 };

	(void)state;
	nothing_known(&statistics);
	assert_prints(&statistics,
		"{\"type\":\"stats\",\"id\":\"box\",\"data\":{\"cpu\":{\"usage\":{},\"throttling\":{}},"
		"\"memory\":{\"usage\":{}},\"pids\":{},\"blkio\":{},\"intel_rdt\":{},\"network_interfaces\":null}}");
}

static void figures_stand_under_the_names_of_runc(void **state)
{
	struct container_statistics statistics = { 0 };

	(void)state;
	nothing_known(&statistics);
	statistics.cgroup.cpu_usage_ns = 30;
	statistics.cgroup.cpu_system_ns = 10;
	statistics.cgroup.cpu_user_ns = 20;
	statistics.cgroup.cpu_periods = 5;
	statistics.cgroup.cpu_throttled_periods = 2;
	statistics.cgroup.cpu_throttled_ns = 7;
	statistics.cgroup.memory_usage_bytes = 4096;
	statistics.cgroup.memory_peak_bytes = 8192;
	statistics.cgroup.memory_limit_bytes = CGROUP_UNLIMITED;
	statistics.cgroup.memory_failures = 3;
	statistics.cgroup.pids_current = 1;
	statistics.cgroup.pids_limit = CGROUP_UNLIMITED;
	assert_prints(&statistics,
		"{\"type\":\"stats\",\"id\":\"box\",\"data\":{\"cpu\":{\"usage\":{\"total\":30,\"kernel\":10,"
		"\"user\":20},\"throttling\":{\"periods\":5,\"throttledPeriods\":2,\"throttledTime\":7}},"
		"\"memory\":{\"usage\":{\"limit\":18446744073709551615,\"usage\":4096,\"max\":8192,\"failcnt\":3}},"
		"\"pids\":{\"current\":1},\"blkio\":{},\"intel_rdt\":{},\"network_interfaces\":null}}");
}

static void details_stand_under_the_names_of_runc(void **state)
{
	struct container_statistics statistics = { 0 };
	struct cgroup_details *details = xcalloc(1, sizeof(*details));
	struct cgroup_usage unknown;
	struct cgroup_device_count *read = xcalloc(1, sizeof(*read));

	(void)state;
	nothing_known(&statistics);
	memset(&unknown, 0xff, sizeof(unknown));
	details->swap = details->kernel = details->kernel_tcp = unknown;
	details->cpus = xstrdup("0-1,4");
	details->mems = xstrdup("0");
	*read = (struct cgroup_device_count){ .major = 8, .minor = 16, .operation = "Read", .value = 512 };
	details->io_bytes = (struct cgroup_device_counts){ .entries = read, .count = 1 };
	details->hugepages = xcalloc(1, sizeof(*details->hugepages));
	details->hugepage_count = 1;
	details->hugepages[0].page_size = xstrdup("2MB");
	details->hugepages[0].usage =
		(struct cgroup_usage){ .usage_bytes = 0, .peak_bytes = 1, .limit_bytes = 2, .failures = 3 };
	details->memory_stat = xcalloc(1, sizeof(*details->memory_stat));
	details->memory_stat_count = 1;
	details->memory_stat[0] = (struct cgroup_number_entry){ .name = xstrdup("file"), .value = 77 };
	details->cpu_pressure = (struct cgroup_pressure){ .known = true, .some = { 1.5, 0, 0, 9 } };
	statistics.details = details;
	assert_prints(&statistics,
		"{\"type\":\"stats\",\"id\":\"box\",\"data\":{\"cpu\":{\"usage\":{},\"throttling\":{},"
		"\"psi\":{\"some\":{\"avg10\":1.50,\"avg60\":0.00,\"avg300\":0.00,\"total\":9},"
		"\"full\":{\"avg10\":0.00,\"avg60\":0.00,\"avg300\":0.00,\"total\":0}}},"
		"\"cpuset\":{\"cpus\":[0,1,4],\"mems\":[0]},\"memory\":{\"cache\":77,\"usage\":{},\"swap\":{},"
		"\"kernel\":{},\"kernelTCP\":{},\"raw\":{\"file\":77}},\"pids\":{},"
		"\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"minor\":16,\"op\":\"Read\",\"value\":512}]},"
		"\"hugetlb\":{\"2MB\":{\"usage\":0,\"max\":1,\"failcnt\":3}},\"intel_rdt\":{},"
		"\"network_interfaces\":null}}");
	container_statistics_free(&statistics);
	assert_null(statistics.details);
}

static void a_machine_adds_its_guest_and_its_exits(void **state)
{
	struct container_statistics statistics = { .has_guest = true, .exit_count = 1 };

	(void)state;
	nothing_known(&statistics);
	statistics.guest.pids_current = 4;
	statistics.exits = xcalloc(1, sizeof(*statistics.exits));
	statistics.exits[0] = (struct exit_count){ .reason = xstrdup("mmio"), .count = 12, .per_second = 2.25 };
	assert_prints(&statistics,
		"{\"type\":\"stats\",\"id\":\"box\",\"data\":{\"cpu\":{\"usage\":{},\"throttling\":{}},"
		"\"memory\":{\"usage\":{}},\"pids\":{},\"blkio\":{},\"intel_rdt\":{},\"network_interfaces\":null,"
		"\"vm\":{\"guest\":{\"cpu\":{\"usage\":{},\"throttling\":{}},\"memory\":{\"usage\":{}},"
		"\"pids\":{\"current\":4}},\"exits\":{\"mmio\":{\"count\":12,\"perSecond\":2.2}}}}}");
	container_statistics_free(&statistics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_absent),
		cmocka_unit_test(figures_stand_under_the_names_of_runc),
		cmocka_unit_test(details_stand_under_the_names_of_runc),
		cmocka_unit_test(a_machine_adds_its_guest_and_its_exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
