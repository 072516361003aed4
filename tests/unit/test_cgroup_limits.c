/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: what is written, that it holds, and that what cannot be set is refused. */
#include "tests/unit/cgroup_test.h"

#include <sys/sysmacros.h>
#include <time.h>

enum { MIB = 1024 * 1024 };

static bool is_v2(const struct cgroup *group, enum cgroup_controller controller)
{
	const struct cgroup_entry *entry = cgroup_find(group, controller);

	assert_non_null(entry);
	return entry->unified;
}

/* The value of a controller's file: v1's or v2's, whichever the host has. */
static void expect_setting(const struct cgroup *group, enum cgroup_controller controller, const char *v1_file,
	const char *v1_value, const char *v2_file, const char *v2_value)
{
	bool v2 = is_v2(group, controller);

	if (v2 ? v2_file != NULL : v1_file != NULL)
		expect_content(cgroup_find(group, controller), v2 ? v2_file : v1_file, v2 ? v2_value : v1_value);
}

static void apply(struct cgroup *group, const struct oci_resources *resources)
{
	struct error err = { 0 };
	int result = cgroup_apply(group, resources, &err);

	if (result < 0)
		print_error("%s\n", err.message);
	assert_int_equal(result, 0);
}

static void expect_refused(struct cgroup *group, const struct oci_resources *resources, int code, const char *words)
{
	struct error err = { 0 };
	int result = cgroup_apply(group, resources, &err);

	if (result != -code || !strstr(err.message, words))
		print_error("%d: \"%s\" lacks \"%s\"\n", result, err.message, words);
	assert_int_equal(result, -code);
	assert_non_null(strstr(err.message, words));
}

/* ---- memory ---- */

static int touch_memory(void *context)
{
	size_t size = *(size_t *)context;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < size; i += 4096)
		((volatile char *)memory)[i] = 1;
	return 0;
}

static void beyond_its_memory_a_process_is_killed_and_counted(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .memory.limit = { true, 16 * MIB } };
	struct cgroup_statistics statistics;
	struct cgroup *group;
	struct error err = { 0 };
	size_t little = 4 * MIB, much = 64 * MIB;

	need_controller(fixture, CGROUP_MEMORY);
	group = make(fixture, &resources);
	if (cgroup_has_file(cgroup_find(group, CGROUP_MEMORY),
		    is_v2(group, CGROUP_MEMORY) ? "memory.swap.max" : "memory.memsw.limit_in_bytes")) {
		resources.memory.swap = (struct oci_i64){ true, 16 * MIB };
		apply(group, &resources);
	}
	assert_int_equal(run_in(group, touch_memory, &little), 0);
	assert_int_equal(cgroup_statistics(group, &statistics, &err), 0);
	assert_int_equal(statistics.oom_kills, 0);
	assert_int_equal(run_in(group, touch_memory, &much), 128 + SIGKILL);
	assert_int_equal(cgroup_statistics(group, &statistics, &err), 0);
	assert_int_equal(statistics.oom_kills, 1);
	assert_int_equal(statistics.memory_limit_bytes, 16 * MIB);
	assert_true(statistics.memory_failures != CGROUP_UNKNOWN);
	if (is_v2(group, CGROUP_MEMORY)) /* v1's counter stays at 0 on recent kernels */
		assert_true(statistics.memory_failures > 0);
	assert_true(statistics.memory_peak_bytes == CGROUP_UNKNOWN ||
		    (statistics.memory_peak_bytes > 8 * MIB && statistics.memory_peak_bytes <= 16 * MIB));
	assert_false(statistics.under_oom);
	delete_group(&group);
}

static void memory_limits_move_up_and_down(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .memory.limit = { true, 32 * MIB },
		.memory.reservation = { true, 8 * MIB } };
	struct cgroup *group;
	bool swap;

	need_controller(fixture, CGROUP_MEMORY);
	group = make(fixture, &resources);
	swap = cgroup_has_file(cgroup_find(group, CGROUP_MEMORY), "memory.memsw.limit_in_bytes") ||
	       cgroup_has_file(cgroup_find(group, CGROUP_MEMORY), "memory.swap.max");
	expect_setting(group, CGROUP_MEMORY, "memory.limit_in_bytes", "33554432", "memory.max", "33554432");
	expect_setting(group, CGROUP_MEMORY, "memory.soft_limit_in_bytes", "8388608", "memory.low", "8388608");
	if (swap) {
		const int64_t steps[][2] = { { 32, 48 }, { 64, 64 }, { 16, 20 }, { 128, 256 } };

		for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
			cleanup_free char *limit = xprintf("%lld", (long long)steps[i][0] * MIB);
			cleanup_free char *both = xprintf("%lld", (long long)steps[i][1] * MIB);
			cleanup_free char *alone = xprintf("%lld", (long long)(steps[i][1] - steps[i][0]) * MIB);

			resources.memory.limit.value = steps[i][0] * MIB;
			resources.memory.swap = (struct oci_i64){ true, steps[i][1] * MIB };
			apply(group, &resources);
			expect_setting(group, CGROUP_MEMORY, "memory.limit_in_bytes", limit, "memory.max", limit);
			expect_setting(
				group, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", both, "memory.swap.max", alone);
		}
		resources.memory.swap.value = 100 * MIB;
		resources.memory.limit.value = 101 * MIB;
		expect_refused(group, &resources, EINVAL, "linux.resources.memory.swap");
	}
	/* 0 leaves alone; -1 takes away, the limit on swap with it. */
	resources.memory = (struct oci_memory){ .limit = { true, 0 }, .swap = { true, 0 } };
	apply(group, &resources);
	resources.memory = (struct oci_memory){ .limit = { true, -1 }, .reservation = { true, -1 } };
	apply(group, &resources);
	expect_setting(group, CGROUP_MEMORY, NULL, NULL, "memory.max", "max");
	if (swap)
		expect_setting(group, CGROUP_MEMORY, NULL, NULL, "memory.swap.max", "max");
	assert_true(cgroup_read_number(cgroup_find(group, CGROUP_MEMORY),
			    is_v2(group, CGROUP_MEMORY) ? "memory.max" : "memory.limit_in_bytes") == CGROUP_UNLIMITED);
	delete_group(&group);
}

static int hold_memory(void *context)
{
	int result = touch_memory(context);

	kill(getppid(), SIGUSR1);
	return result ? result : sleep_forever(NULL);
}

static void a_limit_below_what_is_in_use_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .memory.limit = { true, 64 * MIB } };
	size_t held = 32 * MIB;
	struct cgroup *group;
	sigset_t ready;
	int number;
	pid_t child;

	need_controller(fixture, CGROUP_MEMORY);
	group = make(fixture, &resources);
	sigemptyset(&ready);
	sigaddset(&ready, SIGUSR1);
	sigprocmask(SIG_BLOCK, &ready, NULL);
	child = start_in(group, NULL, true, hold_memory, &held);
	sigwait(&ready, &number);
	resources.memory.limit.value = 8 * MIB;
	resources.memory.check_before_update = true;
	/* With swap v1 could make room, in which case nothing is refused. */
	if (access("/proc/swaps", F_OK) == 0 && !is_v2(group, CGROUP_MEMORY) &&
		cgroup_has_file(cgroup_find(group, CGROUP_MEMORY), "memory.memsw.limit_in_bytes"))
		resources.memory.swap = (struct oci_i64){ true, 8 * MIB };
	expect_refused(group, &resources, EBUSY, "in use");
	kill(child, SIGKILL);
	status_of(child);
	delete_group(&group);
}

static void other_memory_settings(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources swappiness = { .memory.swappiness = { true, 10 } },
			     oom = { .memory.disable_oom_killer = true };
	struct oci_resources ignored = { .memory.kernel = { true, 1 << 24 }, .memory.use_hierarchy = true };
	struct cgroup *group;

	need_controller(fixture, CGROUP_MEMORY);
	group = make(fixture, &ignored);
	if (is_v2(group, CGROUP_MEMORY)) {
		expect_refused(group, &swappiness, EOPNOTSUPP, "linux.resources.memory.swappiness");
		expect_refused(group, &oom, EOPNOTSUPP, "linux.resources.memory.disableOOMKiller");
	} else {
		apply(group, &swappiness);
		expect_content(cgroup_find(group, CGROUP_MEMORY), "memory.swappiness", "10");
		apply(group, &oom);
		expect_content(cgroup_find(group, CGROUP_MEMORY), "memory.oom_control", "oom_kill_disable 1");
	}
	delete_group(&group);
}

/* ---- pids ---- */

static int fork_ten(void *context)
{
	int made = 0;

	(void)context;
	for (int i = 0; i < 10; i++) {
		pid_t child = fork();

		if (child == 0)
			sleep_forever(NULL);
		made += child > 0;
	}
	return made;
}

static void a_container_cannot_have_more_processes_than_its_limit(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .pids_limit = { true, 4 } };
	struct cgroup_statistics statistics;
	struct error err = { 0 };
	struct cgroup *group;

	need_controller(fixture, CGROUP_PIDS);
	group = make(fixture, &resources);
	expect_setting(group, CGROUP_PIDS, "pids.max", "4", "pids.max", "4");
	assert_int_equal(run_in(group, fork_ten, NULL), 3);
	assert_int_equal(cgroup_statistics(group, &statistics, &err), 0);
	assert_int_equal(statistics.pids_current, 3);
	assert_int_equal(statistics.pids_limit, 4);
	assert_int_equal(cgroup_kill_all(group, SIGKILL, &err), 0);
	delete_group(&group);
	resources.pids_limit.value = 0;
	group = make(fixture, &resources);
	assert_int_equal(run_in(group, fork_ten, NULL), 0);
	resources.pids_limit.value = -1;
	apply(group, &resources);
	expect_setting(group, CGROUP_PIDS, "pids.max", "max", "pids.max", "max");
	delete_group(&group);
}

/* ---- cpu ---- */

static int burn_300_ms(void *context)
{
	struct timespec now, start;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 300);
	return 0;
}

static void a_quota_throttles(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .cpu.quota = { true, 10000 }, .cpu.period = { true, 50000 } };
	struct cgroup_statistics statistics;
	struct error err = { 0 };
	struct cgroup *group;

	need_controller(fixture, CGROUP_CPU);
	group = make(fixture, &resources);
	assert_int_equal(run_in(group, burn_300_ms, NULL), 0);
	assert_int_equal(cgroup_statistics(group, &statistics, &err), 0);
	assert_true(statistics.cpu_throttled_periods > 0 && statistics.cpu_throttled_periods < CGROUP_UNLIMITED);
	assert_true(statistics.cpu_throttled_ns > 0 && statistics.cpu_throttled_ns < CGROUP_UNLIMITED);
	assert_true(statistics.cpu_usage_ns > 20000000 && statistics.cpu_usage_ns < 200000000);
	delete_group(&group);
}

static void cpu_settings_reach_the_kernel(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = {
		.cpu.shares = { true, 512 }, .cpu.quota = { true, 20000 }, .cpu.burst = { true, 5000 }
	};
	struct cgroup *group;

	need_controller(fixture, CGROUP_CPU);
	group = make(fixture, &resources);
	expect_setting(group, CGROUP_CPU, "cpu.shares", "512", "cpu.weight", "59");
	expect_setting(group, CGROUP_CPU, "cpu.cfs_quota_us", "20000", "cpu.max", "20000 100000");
	expect_setting(group, CGROUP_CPU, "cpu.cfs_burst_us", "5000", "cpu.max.burst", "5000");
	/* The period alone: the quota stays. */
	resources.cpu = (struct oci_cpu){ .period = { true, 50000 } };
	apply(group, &resources);
	expect_setting(group, CGROUP_CPU, "cpu.cfs_quota_us", "20000", "cpu.max", "20000 50000");
	/* The quota alone: the period stays. A burst larger than the old quota comes with a larger quota. */
	resources.cpu = (struct oci_cpu){ .quota = { true, 40000 }, .burst = { true, 30000 } };
	apply(group, &resources);
	expect_setting(group, CGROUP_CPU, "cpu.cfs_period_us", "50000", "cpu.max", "40000 50000");
	expect_setting(group, CGROUP_CPU, "cpu.cfs_burst_us", "30000", "cpu.max.burst", "30000");
	/* And both shrink at once. */
	resources.cpu = (struct oci_cpu){ .quota = { true, 10000 }, .burst = { true, 0 } };
	apply(group, &resources);
	expect_setting(group, CGROUP_CPU, "cpu.cfs_quota_us", "10000", "cpu.max", "10000 50000");
	resources.cpu = (struct oci_cpu){ .quota = { true, -1 } };
	apply(group, &resources);
	expect_setting(group, CGROUP_CPU, "cpu.cfs_quota_us", "-1", "cpu.max", "max 50000");
	resources.cpu = (struct oci_cpu){ .idle = { true, 1 } };
	apply(group, &resources);
	expect_setting(group, CGROUP_CPU, "cpu.idle", "1", "cpu.idle", "1");
	delete_group(&group);
}

static void values_that_the_kernel_would_bend_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .cpu.shares = { true, 1 } };
	struct cgroup *group;

	need_controller(fixture, CGROUP_CPU);
	group = make(fixture, NULL);
	expect_refused(group, &resources, EINVAL, "linux.resources.cpu.shares");
	resources.cpu.shares.value = 262145;
	expect_refused(group, &resources, EINVAL, "linux.resources.cpu.shares");
	resources.cpu = (struct oci_cpu){ .quota = { true, 5 } };
	expect_refused(group, &resources, EINVAL, "linux.resources.cpu.quota");
	delete_group(&group);
}

static void realtime_is_v1_only(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .cpu.realtime_period = { true, 900000 } };
	struct cgroup *group;

	need_controller(fixture, CGROUP_CPU);
	group = make(fixture, NULL);
	if (cgroup_has_file(cgroup_find(group, CGROUP_CPU), "cpu.rt_period_us")) { /* never on v2 */
		apply(group, &resources);
		expect_content(cgroup_find(group, CGROUP_CPU), "cpu.rt_period_us", "900000");
	} else {
		expect_refused(group, &resources, EOPNOTSUPP, "linux.resources.cpu.realtimePeriod");
	}
	delete_group(&group);
}

static int count_cpus(void *context)
{
	cpu_set_t set;

	(void)context;
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 98 : CPU_COUNT(&set);
}

static void a_cpuset_confines(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .cpu.cpus = (char *)"0", .cpu.mems = (char *)"0" };
	struct error err = { 0 };
	struct cgroup *group;

	need_controller(fixture, CGROUP_CPUSET);
	group = make(fixture, &resources);
	assert_int_equal(run_in(group, count_cpus, NULL), 1);
	resources.cpu.cpus = (char *)"4000";
	assert_true(
		cgroup_apply(group, &resources, &err) < 0); /* EINVAL or ERANGE, by how many the kernel is built for */
	assert_non_null(strstr(err.message, "linux.resources.cpu.cpus"));
	resources.cpu.cpus = (char *)"zero";
	expect_refused(group, &resources, EINVAL, "linux.resources.cpu.cpus");
	delete_group(&group);
}

/* ---- io, hugepages, files of v2 ---- */

static bool find_disk(uint32_t *major_number, uint32_t *minor_number)
{
	const char *disks[] = { "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0" };
	struct stat status;

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		int fd = open(disks[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		close(fd);
		if (stat(disks[i], &status) == 0 && S_ISBLK(status.st_mode)) {
			*major_number = major(status.st_rdev);
			*minor_number = minor(status.st_rdev);
			return true;
		}
	}
	return false;
}

static void rates_of_a_disk_are_set(void **state)
{
	struct fixture *fixture = *state;
	struct oci_block_device_rate rate = { .rate = 1048576 };
	struct oci_resources resources = { .block_io.read_bytes = { &rate, 1 } };
	cleanup_free char *v1 = NULL, *v2 = NULL;
	struct cgroup *group;

	need_controller(fixture, CGROUP_IO);
	if (!find_disk(&rate.major, &rate.minor)) {
		print_message("this machine has no disk to open\n");
		skip();
	}
	group = make(fixture, &resources);
	v1 = xprintf("%u:%u 1048576", rate.major, rate.minor);
	v2 = xprintf("%u:%u rbps=1048576 wbps=max riops=max wiops=max", rate.major, rate.minor);
	expect_setting(group, CGROUP_IO, "blkio.throttle.read_bps_device", v1, "io.max", v2);
	rate.major = 4000;
	expect_refused(group, &resources, ENODEV, "linux.resources.blockIO.throttleReadBpsDevice");
	delete_group(&group);
}

static void hugepage_limits_are_set_on_v2(void **state)
{
	struct fixture *fixture = *state;
	struct oci_hugepage_limit limit = { .page_size = (char *)"2MB", .limit_bytes = 4 * MIB };
	struct oci_resources resources = { .hugepage_limits = &limit, .hugepage_limit_count = 1 };
	struct cgroup *group;

	need_controller(fixture, CGROUP_HUGETLB);
	if (cgroup_host_layout(fixture->host) == CGROUP_LAYOUT_HYBRID) {
		print_message("asking for hugetlb here would change the host's root group\n");
		skip();
	}
	group = make(fixture, &resources);
	expect_setting(group, CGROUP_HUGETLB, "hugetlb.2MB.limit_in_bytes", "4194304", "hugetlb.2MB.max", "4194304");
	limit.page_size = (char *)"3MB";
	expect_refused(group, &resources, EOPNOTSUPP, "linux.resources.hugepageLimits");
	delete_group(&group);
}

static void files_of_v2_can_be_named(void **state)
{
	struct fixture *fixture = *state;
	struct key_value entries[] = { { (char *)"memory.high", (char *)"33554432" },
		{ (char *)"cpu.weight", (char *)"77" } };
	struct oci_resources resources = { .unified = entries, .unified_count = 2 };
	struct cgroup *group;

	need_groups(fixture);
	group = make(fixture, NULL);
	if (!cgroup_unified(group)) {
		expect_refused(group, &resources, EOPNOTSUPP, "linux.resources.unified");
	} else if (!(cgroup_unified(group)->controllers & CGROUP_BIT(CGROUP_MEMORY))) {
		expect_refused(group, &resources, EOPNOTSUPP, "memory controller");
	} else {
		apply(group, &resources);
		expect_content(cgroup_unified(group), "memory.high", "33554432");
		expect_content(cgroup_unified(group), "cpu.weight", "77");
	}
	if (cgroup_unified(group)) {
		entries[0].key = (char *)"../memory.high";
		expect_refused(group, &resources, EINVAL, "../memory.high");
		entries[0].key = (char *)"cgroup.nothing";
		expect_refused(group, &resources, EOPNOTSUPP, "cgroup.nothing");
	}
	delete_group(&group);
}

static void a_limit_whose_controller_is_missing_is_refused_by_name(void **state)
{
	struct fixture *fixture = *state;
	struct oci_rdma_limit rdma = { .device = (char *)"mlx5_1", .handles = { true, 3 } };
	struct oci_resources network = { .network_class_id = { true, 0x100001 } };
	struct oci_resources rdma_limits = { .rdma_limits = &rdma, .rdma_limit_count = 1 };
	struct cgroup_request request = { .path = fixture->path, .id = "x", .resources = &network };

	need_groups(fixture);
	if (!cgroup_host_has(fixture->host, CGROUP_NET_CLS))
		expect_create_fails(fixture->host, &request, EOPNOTSUPP,
			"linux.resources.network.classID needs the net_cls controller");
	request.resources = &rdma_limits;
	if (!cgroup_host_has(fixture->host, CGROUP_RDMA))
		expect_create_fails(
			fixture->host, &request, EOPNOTSUPP, "linux.resources.rdma needs the rdma controller");
}

/* The kernel's rule about groups with processes, told as such. */
static void a_parent_with_processes_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct oci_resources resources = { .memory.limit = { true, 16 * MIB } };
	cleanup_free char *below = NULL;
	struct cgroup_request request = { .id = "x", .resources = &resources };
	struct cgroup *group;
	pid_t child;

	need_controller(fixture, CGROUP_MEMORY);
	if (cgroup_host_layout(fixture->host) != CGROUP_LAYOUT_V2) {
		print_message("only v2 has the rule\n");
		skip();
	}
	group = make(fixture, NULL);
	child = start_in(group, NULL, true, sleep_forever, NULL);
	below = xprintf("%s/below", fixture->path);
	request.path = below;
	expect_create_fails(fixture->host, &request, EOPNOTSUPP, "has processes of its own");
	kill(child, SIGKILL);
	status_of(child);
	delete_group(&group);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(beyond_its_memory_a_process_is_killed_and_counted),
		TEST(memory_limits_move_up_and_down),
		TEST(a_limit_below_what_is_in_use_is_refused),
		TEST(other_memory_settings),
		TEST(a_container_cannot_have_more_processes_than_its_limit),
		TEST(a_quota_throttles),
		TEST(cpu_settings_reach_the_kernel),
		TEST(values_that_the_kernel_would_bend_are_refused),
		TEST(realtime_is_v1_only),
		TEST(a_cpuset_confines),
		TEST(rates_of_a_disk_are_set),
		TEST(hugepage_limits_are_set_on_v2),
		TEST(files_of_v2_can_be_named),
		TEST(a_limit_whose_controller_is_missing_is_refused_by_name),
		TEST(a_parent_with_processes_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
