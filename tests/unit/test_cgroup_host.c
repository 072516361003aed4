/* SPDX-License-Identifier: Apache-2.0 */
/* Hierarchies, paths, conversions and device rules: what is worked out without touching a group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "cgroups/internal.h"

/* ---- hierarchies ---- */

static struct cgroup_host *parse(const char *mountinfo, const char *self)
{
	struct cgroup_host *host = xcalloc(1, sizeof(*host));

	cgroup_host_parse(host, mountinfo, self);
	return host;
}

static const struct cgroup_hierarchy *hierarchy(const struct cgroup_host *host, const char *name)
{
	for (size_t i = 0; i < host->count; i++) {
		if (strcmp(host->hierarchies[i].name, name) == 0)
			return &host->hierarchies[i];
	}
	fail_msg("no hierarchy \"%s\"", name);
	return NULL;
}

static void a_host_with_v1_has_a_hierarchy_per_mount(void **state)
{
	cleanup_cgroup_host struct cgroup_host *host =
		parse("22 1 0:21 / /proc rw,nosuid - proc proc rw\n"
		      "31 24 0:27 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
		      "34 24 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
		      "35 24 0:31 / /sys/fs/cgroup/memory rw shared:16 master:3 - cgroup cgroup rw,memory\n"
		      "36 24 0:32 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n",
			"12:memory:/user/me\n7:cpu,cpuacct:/\n3:blkio:/\n2:freezer:/\n1:name=systemd:/init.scope\n");
	const struct cgroup_hierarchy *cpu = hierarchy(host, "cpu,cpuacct");

	(void)state;
	assert_int_equal(host->count, 4); /* the freezer is not mounted */
	assert_int_equal(cgroup_host_layout(host), CGROUP_LAYOUT_V1);
	assert_string_equal(cpu->mount_point, "/sys/fs/cgroup/cpu,cpuacct");
	assert_int_equal(cpu->controllers, CGROUP_BIT(CGROUP_CPU) | CGROUP_BIT(CGROUP_CPUACCT));
	assert_string_equal(hierarchy(host, "memory")->own_path, "/user/me");
	assert_int_equal(hierarchy(host, "name=systemd")->controllers, 0);
	assert_int_equal(hierarchy(host, "blkio")->controllers, CGROUP_BIT(CGROUP_IO));
	assert_true(cgroup_host_has(host, CGROUP_MEMORY));
	assert_false(cgroup_host_has(host, CGROUP_FREEZER));
}

static void a_hybrid_host_has_both_versions(void **state)
{
	cleanup_cgroup_host struct cgroup_host *host =
		parse("1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		      "2 0 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"1:memory:/\n0::/\n");

	(void)state;
	assert_int_equal(cgroup_host_layout(host), CGROUP_LAYOUT_HYBRID);
	assert_true(hierarchy(host, "")->unified);
	assert_string_equal(hierarchy(host, "")->mount_point, "/sys/fs/cgroup/unified");
}

static void a_host_with_v2_has_one_hierarchy(void **state)
{
	cleanup_cgroup_host struct cgroup_host *host =
		parse("2 0 0:2 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
			"0::/user.slice/session-1.scope\n");

	(void)state;
	assert_int_equal(cgroup_host_layout(host), CGROUP_LAYOUT_V2);
	assert_string_equal(hierarchy(host, "")->own_path, "/user.slice/session-1.scope");
}

/* As in a container that sees only its own part of a hierarchy. */
static void the_callers_group_counts_from_what_is_mounted(void **state)
{
	const struct {
		const char *root, *own, *expected;
	} cases[] = {
		{ "/docker/abc", "/docker/abc", "/" },
		{ "/docker/abc", "/docker/abc/sub", "/sub" },
		{ "/docker/abc", "/docker/abcdef", "/" },
		{ "/docker/abc", "/elsewhere", "/" },
		{ "/", "/..", "/" },
		{ "/", "/../other", "/" },
		{ "/", "/a", "/a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *mountinfo = xprintf("2 0 0:2 %s /cg rw - cgroup cgroup rw,pids\n", cases[i].root);
		cleanup_free char *self = xprintf("4:pids:%s\n", cases[i].own);
		cleanup_cgroup_host struct cgroup_host *host = parse(mountinfo, self);

		assert_string_equal(hierarchy(host, "pids")->own_path, cases[i].expected);
	}
}

static void escapes_in_mount_points_are_undone(void **state)
{
	cleanup_cgroup_host struct cgroup_host *host =
		parse("2 0 0:2 / /my\\040cgroups\\134x rw - cgroup cgroup rw,pids\n", "4:pids:/\n");

	(void)state;
	assert_string_equal(host->hierarchies[0].mount_point, "/my cgroups\\x");
}

static void lines_of_another_form_are_passed_over(void **state)
{
	cleanup_cgroup_host struct cgroup_host *host = parse(
		"\n - cgroup\n1 2 3 - cgroup2\nx - cgroup cgroup rw,pids\n- - -\n", "\n:\n4\n0::/\n4:pids:/\n::::\n");

	(void)state;
	assert_int_equal(host->count, 0);
}

/* ---- paths ---- */

static void expect_path(bool unified, const char *own, const char *path, const char *expected)
{
	struct cgroup_hierarchy place = { .unified = unified, .own_path = (char *)own };
	struct cgroup_request request = { .path = path, .id = "box" };
	struct error err = { 0 };
	cleanup_free char *found = cgroup_path_in(&place, &request, &err);

	if (expected) {
		assert_non_null(found);
		assert_string_equal(found, expected);
	} else {
		assert_null(found);
		assert_int_equal(err.code, EINVAL);
		assert_non_null(strstr(err.message, "cgroupsPath"));
	}
}

static void paths_count_from_the_root_or_from_the_callers_group(void **state)
{
	(void)state;
	expect_path(false, "/mine", "/pod/box", "/pod/box");
	expect_path(true, "/mine", "/pod/box", "/pod/box");
	expect_path(false, "/mine/deep", "pod/box", "/mine/deep/pod/box");
	expect_path(true, "/mine/deep", "pod/box", "/mine/pod/box"); /* beside the caller */
	expect_path(true, "/mine", "pod/box", "/pod/box");
	expect_path(true, "/", "pod/box", "/pod/box");
	expect_path(false, "/", NULL, "/duet-box");
	expect_path(false, "/mine", NULL, "/mine/duet-box");
	expect_path(true, "/mine/session", NULL, "/mine/duet-box");
	expect_path(true, "/mine/session", "", "/mine/duet-box");
	expect_path(false, "/mine", "//pod/./box/", "/pod/box");
	expect_path(false, "/mine", "/pod/..box", "/pod/..box");
}

static void paths_that_lead_elsewhere_are_refused(void **state)
{
	const char *bad[] = { "/..", "..", "/pod/../../other", "pod/..", "/", "///", ".", "/a\nb", "/a\tb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_path(i % 2, "/mine", bad[i], NULL);
}

/* ---- conversions ---- */

static void shares_become_weights_as_in_runc(void **state)
{
	const uint64_t pairs[][2] = { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 2 }, { 100, 17 }, { 512, 59 }, { 1024, 100 },
		{ 2048, 174 }, { 10240, 639 }, { 262143, 10000 }, { 262144, 10000 }, { 1000000, 10000 } };
	uint64_t last = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		assert_int_equal(cgroup_weight_of_shares(pairs[i][0]), pairs[i][1]);
	for (uint64_t shares = 2; shares <= 262144; shares += 61) {
		uint64_t weight = cgroup_weight_of_shares(shares);

		assert_true(weight >= last && weight >= 1 && weight <= 10000);
		last = weight;
	}
	assert_int_equal(cgroup_weight_of_blkio(10), 1);
	assert_int_equal(cgroup_weight_of_blkio(1000), 10000);
}

static void numbers_are_spelled_for_each_version(void **state)
{
	(void)state;
	assert_string_equal(cgroup_number(-1, true).text, "max");
	assert_string_equal(cgroup_number(-1, false).text, "-1");
	assert_string_equal(cgroup_number(INT64_MAX, true).text, "9223372036854775807");
	assert_string_equal(cgroup_pids_limit(-1).text, "max");
	assert_string_equal(cgroup_pids_limit(0).text, "1");
	assert_string_equal(cgroup_pids_limit(7).text, "7");
}

static void lists_of_cpus_are_compared_as_sets(void **state)
{
	(void)state;
	assert_true(cgroup_list_within("0-1\n", "0-3"));
	assert_true(cgroup_list_within("1,3", "0-1,3"));
	assert_false(cgroup_list_within("0-4", "0-3"));
	assert_false(cgroup_list_within("", "0-3"));
	assert_false(cgroup_list_within("\n", "0-3"));
	assert_false(cgroup_list_within("0", ""));
	assert_false(cgroup_list_within("0x", "0-3"));
	assert_false(cgroup_list_within("3-1", "0-3"));
	assert_false(cgroup_list_within("0-99999999", "0-3"));
}

static void keyed_numbers_are_found_by_their_whole_key(void **state)
{
	const char *text = "oom 1\noom_kill 2\noom_group_kill 3\nlimit max\n";

	(void)state;
	assert_int_equal(cgroup_keyed_number(text, "oom"), 1);
	assert_int_equal(cgroup_keyed_number(text, "oom_kill"), 2);
	assert_true(cgroup_keyed_number(text, "limit") == CGROUP_UNLIMITED);
	assert_true(cgroup_keyed_number(text, "kill") == CGROUP_UNKNOWN);
	assert_true(cgroup_keyed_number("", "oom") == CGROUP_UNKNOWN);
}

/* ---- device rules ---- */

#define ANY (-1)

/* Runs a program of ours; enough of eBPF for that. */
static bool interpret(const struct strbuf *text, char type, unsigned int access, uint32_t major, uint32_t minor)
{
	const struct bpf_insn *program = (const void *)text->data;
	const uint32_t accesses = (access & OCI_DEVICE_READ ? BPF_DEVCG_ACC_READ : 0U) |
				  (access & OCI_DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0U) |
				  (access & OCI_DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0U);
	const struct bpf_cgroup_dev_ctx context = { .access_type = accesses << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK
												 : BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor };
	size_t count = text->length / sizeof(*program);
	uint64_t r[11] = { 0 };

	for (size_t at = 0; at < count; at++) {
		const struct bpf_insn *i = &program[at];

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			r[i->dst_reg] = ((const uint32_t *)&context)[i->off / 4];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			r[i->dst_reg] = r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = (uint64_t)i->imm;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			r[i->dst_reg] >>= i->imm;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			r[i->dst_reg] &= (uint64_t)(int64_t)i->imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			at += r[i->dst_reg] != (uint64_t)i->imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += r[i->dst_reg] == (uint64_t)i->imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at += r[i->dst_reg] & (uint64_t)i->imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JA:
			at += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("fell off the program");
	return false;
}

/* What v1's kernel code would say of a default and its exceptions: an exception must name every access. */
static bool exceptions_allow(
	const struct cgroup_device_rules *e, char type, unsigned int access, int64_t major, int64_t minor)
{
	bool partly = false, wholly = false;

	for (size_t i = 0; i < e->count; i++) {
		const struct oci_device_rule *rule = &e->rules[i];

		if (rule->type != type || (rule->major != ANY && rule->major != major) ||
			(rule->minor != ANY && rule->minor != minor))
			continue;
		partly = partly || (rule->access & access);
		wholly = wholly || (rule->access & access) == access;
	}
	return e->allow ? !partly : wholly;
}

static bool v1_knows; /* set by allows(): v1 can say the rules, and says the same */

/* The answer of the v2 program; the v1 form is compared with it for single accesses. */
static bool allows(const struct oci_device_rule *rules, size_t count, char type, unsigned int access, uint32_t major,
	uint32_t minor)
{
	struct oci_resources resources = { .device_rules = (struct oci_device_rule *)rules,
		.device_rule_count = count };
	cleanup(cgroup_device_rules_free) struct cgroup_device_rules all = { 0 }, exceptions = { 0 };
	cleanup_strbuf struct strbuf program = STRBUF_INIT;
	struct error err = { 0 };
	bool answer;

	assert_int_equal(cgroup_device_rules(&resources, &all, &err), 0);
	cgroup_device_program(&all, &program);
	answer = interpret(&program, type, access, major, minor);
	v1_knows = cgroup_device_exceptions(&all, &exceptions, &err) == 0;
	if (v1_knows && (access & (access - 1)) == 0)
		assert_int_equal(exceptions_allow(&exceptions, type, access, major, minor), answer);
	return answer;
}

static void without_rules_only_the_default_devices_can_be_used(void **state)
{
	const struct oci_device_rule deny_all = { false, 'a', ANY, ANY, OCI_DEVICE_ALL };

	(void)state;
	for (size_t count = 0; count <= 1; count++) {
		assert_true(allows(&deny_all, count, 'c', OCI_DEVICE_READ | OCI_DEVICE_WRITE, 1, 3));
		assert_true(allows(&deny_all, count, 'c', OCI_DEVICE_READ, 136, 77));
		assert_true(allows(&deny_all, count, 'c', OCI_DEVICE_MKNOD, 10, 229));
		assert_true(allows(&deny_all, count, 'b', OCI_DEVICE_MKNOD, 8, 0));
		assert_false(allows(&deny_all, count, 'c', OCI_DEVICE_READ, 1, 1));
		assert_false(allows(&deny_all, count, 'c', OCI_DEVICE_READ, 10, 200)); /* tun */
		assert_false(allows(&deny_all, count, 'b', OCI_DEVICE_READ, 8, 0));
		assert_false(allows(&deny_all, count, 'b', OCI_DEVICE_READ, 1, 3));
		assert_true(v1_knows);
	}
}

static void the_last_rule_that_matches_decides_each_access(void **state)
{
	const struct oci_device_rule rules[] = {
		{ false, 'a', ANY, ANY, OCI_DEVICE_ALL },
		{ true, 'c', 10, 229, OCI_DEVICE_ALL },
		{ false, 'c', 10, 229, OCI_DEVICE_WRITE },
		{ true, 'b', 8, ANY, OCI_DEVICE_READ },
		{ true, 'b', 8, ANY, OCI_DEVICE_WRITE },
	};

	(void)state;
	assert_true(allows(rules, 5, 'c', OCI_DEVICE_READ, 10, 229));
	assert_false(allows(rules, 5, 'c', OCI_DEVICE_WRITE, 10, 229));
	assert_false(allows(rules, 5, 'c', OCI_DEVICE_READ | OCI_DEVICE_WRITE, 10, 229));
	assert_true(allows(rules, 5, 'b', OCI_DEVICE_READ | OCI_DEVICE_WRITE, 8, 3)); /* two rules together */
	assert_false(allows(rules, 5, 'b', OCI_DEVICE_READ, 9, 3));
	assert_true(v1_knows);
}

static void everything_allowed_can_have_exceptions(void **state)
{
	const struct oci_device_rule rules[] = {
		{ false, 'c', 1, 1, OCI_DEVICE_ALL }, /* made void by the next */
		{ true, 'a', ANY, ANY, OCI_DEVICE_ALL },
		{ false, 'b', 8, ANY, OCI_DEVICE_WRITE },
	};

	(void)state;
	assert_true(allows(rules, 3, 'c', OCI_DEVICE_ALL, 1, 1));
	assert_true(allows(rules, 3, 'b', OCI_DEVICE_READ, 8, 1));
	assert_false(allows(rules, 3, 'b', OCI_DEVICE_WRITE, 8, 1));
	assert_true(v1_knows);
}

/* The kernel reads "a 1:5 r" as "everything": the rule must not widen. */
static void a_rule_for_both_kinds_keeps_its_numbers(void **state)
{
	const struct oci_device_rule rules[] = {
		{ false, 'a', ANY, ANY, OCI_DEVICE_ALL },
		{ true, 'a', 7, 1, OCI_DEVICE_READ },
	};

	(void)state;
	assert_true(allows(rules, 2, 'b', OCI_DEVICE_READ, 7, 1));
	assert_true(allows(rules, 2, 'c', OCI_DEVICE_READ, 7, 1));
	assert_false(allows(rules, 2, 'c', OCI_DEVICE_WRITE, 7, 1));
	assert_false(allows(rules, 2, 'c', OCI_DEVICE_READ, 7, 2));
	assert_true(v1_knows);
}

static void a_wider_denial_takes_narrower_exceptions_along(void **state)
{
	const struct oci_device_rule rules[] = {
		{ true, 'c', 10, 229, OCI_DEVICE_ALL },
		{ true, 'c', 10, 1, OCI_DEVICE_ALL },
		{ false, 'c', 10, ANY, OCI_DEVICE_WRITE },
	};

	(void)state;
	assert_false(allows(rules, 3, 'c', OCI_DEVICE_WRITE, 10, 229));
	assert_true(allows(rules, 3, 'c', OCI_DEVICE_READ, 10, 229));
	assert_true(v1_knows);
}

static void v1_refuses_rules_that_it_would_not_enforce(void **state)
{
	const struct oci_device_rule hole[] = { { true, 'c', ANY, ANY, OCI_DEVICE_ALL },
		{ false, 'c', 10, 229, OCI_DEVICE_WRITE } };
	struct oci_resources resources = { .device_rules = (struct oci_device_rule *)hole, .device_rule_count = 2 };
	cleanup(cgroup_device_rules_free) struct cgroup_device_rules all = { 0 }, exceptions = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_false(allows(hole, 2, 'c', OCI_DEVICE_WRITE, 10, 229));
	assert_true(allows(hole, 2, 'c', OCI_DEVICE_WRITE, 10, 228));
	assert_false(v1_knows);
	assert_int_equal(cgroup_device_rules(&resources, &all, &err), 0);
	assert_int_equal(cgroup_device_exceptions(&all, &exceptions, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "10:229"));
}

static void numbers_that_no_device_has_are_refused(void **state)
{
	struct oci_device_rule rule = { true, 'c', 0x1000, 0, OCI_DEVICE_ALL };
	struct oci_resources resources = { .device_rules = &rule, .device_rule_count = 1 };
	struct cgroup_device_rules all = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(cgroup_device_rules(&resources, &all, &err), -EINVAL);
	assert_non_null(strstr(err.message, "linux.resources.devices[0]"));
}

/* ---- limits ---- */

static void limits_are_known_by_their_fields(void **state)
{
	struct key_value unified = { (char *)"hugetlb.2MB.max", (char *)"0" };
	struct oci_resources none = { .memory.use_hierarchy = true, .memory.kernel = { true, 5 } };
	struct oci_resources memory = { .memory.limit = { true, 1 << 20 }, .cpu.cpus = (char *)"0" };
	struct oci_resources zero = { .memory.limit = { true, 0 }, .cpu.quota = { true, 0 }, .cpu.cpus = (char *)"" };
	struct oci_resources file = { .unified = &unified, .unified_count = 1 };

	(void)state;
	assert_null(cgroup_first_limit(&none));
	assert_null(cgroup_first_limit(&zero));
	assert_string_equal(cgroup_first_limit(&memory), "linux.resources.memory.limit");
	assert_int_equal(cgroup_controllers_needed(&memory), CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_CPUSET));
	assert_string_equal(cgroup_first_limit(&file), "linux.resources.unified");
	assert_int_equal(cgroup_controllers_needed(&file), CGROUP_BIT(CGROUP_HUGETLB));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_with_v1_has_a_hierarchy_per_mount),
		cmocka_unit_test(a_hybrid_host_has_both_versions),
		cmocka_unit_test(a_host_with_v2_has_one_hierarchy),
		cmocka_unit_test(the_callers_group_counts_from_what_is_mounted),
		cmocka_unit_test(escapes_in_mount_points_are_undone),
		cmocka_unit_test(lines_of_another_form_are_passed_over),
		cmocka_unit_test(paths_count_from_the_root_or_from_the_callers_group),
		cmocka_unit_test(paths_that_lead_elsewhere_are_refused),
		cmocka_unit_test(shares_become_weights_as_in_runc),
		cmocka_unit_test(numbers_are_spelled_for_each_version),
		cmocka_unit_test(lists_of_cpus_are_compared_as_sets),
		cmocka_unit_test(keyed_numbers_are_found_by_their_whole_key),
		cmocka_unit_test(without_rules_only_the_default_devices_can_be_used),
		cmocka_unit_test(the_last_rule_that_matches_decides_each_access),
		cmocka_unit_test(everything_allowed_can_have_exceptions),
		cmocka_unit_test(a_rule_for_both_kinds_keeps_its_numbers),
		cmocka_unit_test(a_wider_denial_takes_narrower_exceptions_along),
		cmocka_unit_test(v1_refuses_rules_that_it_would_not_enforce),
		cmocka_unit_test(numbers_that_no_device_has_are_refused),
		cmocka_unit_test(limits_are_known_by_their_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
