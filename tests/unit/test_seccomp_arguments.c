/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions on arguments, by libseccomp's code (getppid) and by the prefix's (mseal, newer than libseccomp 2.5.4). */
#include "tests/unit/seccomp_test.h"

enum { DENIED = 91, MSEAL = 462 };

#define HIGH 0x100000000ULL

/* Does the rule match a call with these arguments? Both ways of compiling it must agree. */
static void expect_match(
	const struct oci_seccomp_argument *conditions, size_t count, const uint64_t arguments[6], bool expected)
{
	char *names[] = { "getppid", "mseal", NULL };
	struct oci_seccomp_rule rule = { .names = names,
		.action = OCI_SECCOMP_ERRNO,
		.errno_ret = number_of(DENIED),
		.arguments = (struct oci_seccomp_argument *)conditions,
		.argument_count = count };
	struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ERRNO, .default_errno_ret = number_of(1), .rules = &rule, .rule_count = 1
	};
	char *last[] = { "exit_group", "file_setattr", NULL };
	struct oci_seccomp_rule rules[] = { rule, { .names = last, .action = OCI_SECCOMP_ALLOW } };
	struct probe probes[] = { { .number = SYS_getppid }, { .number = MSEAL } };
	struct outcome outcome;

	profile.rules = rules;
	profile.rule_count = 2;
	for (size_t i = 0; i < 6; i++)
		probes[0].arguments[i] = probes[1].arguments[i] = arguments[i];
	outcome = try_profile(&profile, probes, 2);
	for (size_t i = 0; i < 2; i++) {
		if ((outcome.results[i] == DENIED) != expected)
			print_error("system call %ld, argument %#llx, operator %d, value %#llx: answered %d\n",
				probes[i].number, (unsigned long long)arguments[conditions[0].index],
				conditions[0].operator,(unsigned long long) conditions[0].value, outcome.results[i]);
		assert_int_equal(outcome.results[i], expected ? DENIED : 1);
	}
}

static void expect_compare(uint64_t argument, enum oci_seccomp_operator operator, uint64_t value, bool expected)
{
	struct oci_seccomp_argument condition = { .index = 1, .value = value, .operator= operator};
	const uint64_t arguments[6] = { ~argument, argument, ~argument, ~argument, ~argument, ~argument };

	expect_match(&condition, 1, arguments, expected);
}

/* Values that differ in the low word, in the high word, and with the words the other way round. */
static void operators_compare_all_64_bits(void **state)
{
	const uint64_t values[] = { 0, 5, 6, HIGH, HIGH + 5, 5 * HIGH + 1, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			uint64_t a = values[i], b = values[j];

			expect_compare(a, OCI_SECCOMP_EQ, b, a == b);
			expect_compare(a, OCI_SECCOMP_NE, b, a != b);
			expect_compare(a, OCI_SECCOMP_LT, b, a < b);
			expect_compare(a, OCI_SECCOMP_LE, b, a <= b);
			expect_compare(a, OCI_SECCOMP_GT, b, a > b);
			expect_compare(a, OCI_SECCOMP_GE, b, a >= b);
		}
	}
}

static void a_masked_comparison_looks_at_the_masks_bits_only(void **state)
{
	const struct {
		uint64_t argument, mask, value;
	} cases[] = {
		{ 0x7e0200ff, 0x7e020000, 0 }, /* clone(2)'s CLONE_NEW*, as engines write it */
		{ 0x11, 0x7e020000, 0 },
		{ 0x10f0, 0xf0, 0xf0 },
		{ 0x10e0, 0xf0, 0xf0 },
		{ 5 * HIGH + 3, 7 * HIGH, 5 * HIGH },
		{ 4 * HIGH + 3, 7 * HIGH, 5 * HIGH },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oci_seccomp_argument condition = { .index = 2,
			.value = cases[i].mask,
			.value_two = cases[i].value,
			.operator= OCI_SECCOMP_MASKED_EQ };
		const uint64_t arguments[6] = { 0, 0, cases[i].argument, 0, 0, 0 };

		expect_match(&condition, 1, arguments, (cases[i].argument & cases[i].mask) == cases[i].value);
	}
}

static void conditions_on_different_arguments_must_all_hold(void **state)
{
	const struct oci_seccomp_argument conditions[] = { { .index = 0, .value = 1, .operator= OCI_SECCOMP_EQ },
		{ .index = 2, .value = 5, .operator= OCI_SECCOMP_GT },
			{
				.index = 5,
				.value = HIGH,
				.operator= OCI_SECCOMP_NE },
		};

	(void)state;
	expect_match(conditions, 3, (const uint64_t[6]){ 1, 0, 6, 0, 0, 0 }, true);
	expect_match(conditions, 3, (const uint64_t[6]){ 2, 0, 6, 0, 0, 0 }, false);
	expect_match(conditions, 3, (const uint64_t[6]){ 1, 0, 5, 0, 0, 0 }, false);
	expect_match(conditions, 3, (const uint64_t[6]){ 1, 0, 6, 0, 0, HIGH }, false);
}

static void conditions_on_all_six_arguments_fit(void **state)
{
	struct oci_seccomp_argument conditions[6];
	uint64_t arguments[6];

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		conditions[i] =
			(struct oci_seccomp_argument){ .index = i, .value = HIGH + i, .operator= OCI_SECCOMP_GE };
		arguments[i] = HIGH + i;
	}
	expect_match(conditions, 6, arguments, true);
	arguments[5] = 5;
	expect_match(conditions, 6, arguments, false);
}

/* As runc: once an argument is named twice, every condition is a rule of its own, that of the other argument as well.
 */
static void an_argument_named_twice_makes_every_condition_an_alternative(void **state)
{
	const struct oci_seccomp_argument conditions[] = { { .index = 0, .value = 1, .operator= OCI_SECCOMP_EQ },
		{ .index = 0, .value = 2, .operator= OCI_SECCOMP_EQ },
			{
				.index = 1,
				.value = 7,
				.operator= OCI_SECCOMP_EQ },
		};

	(void)state;
	expect_match(conditions, 3, (const uint64_t[6]){ 1, 0, 0, 0, 0, 0 }, true);
	expect_match(conditions, 3, (const uint64_t[6]){ 2, 0, 0, 0, 0, 0 }, true);
	expect_match(conditions, 3, (const uint64_t[6]){ 3, 7, 0, 0, 0, 0 }, true);
	expect_match(conditions, 3, (const uint64_t[6]){ 3, 6, 0, 0, 0, 0 }, false);
}

static void several_rules_on_one_call_each_have_their_say(void **state)
{
	char *names[] = { "getppid", "mseal", NULL };
	struct oci_seccomp_argument one = { .index = 0, .value = 1, .operator= OCI_SECCOMP_EQ };
	struct oci_seccomp_argument two = { .index = 0, .value = 2, .operator= OCI_SECCOMP_EQ };
	struct oci_seccomp_rule rules[] = {
		{ names, OCI_SECCOMP_ERRNO, number_of(DENIED), &one, 1 },
		{ names, OCI_SECCOMP_ERRNO, number_of(DENIED + 1), &two, 1 },
	};
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = rules, .rule_count = 2 };
	const struct probe probes[] = { { SYS_getppid, { 1 } }, { SYS_getppid, { 2 } }, { SYS_getppid, { 3 } },
		{ MSEAL, { 1 } }, { MSEAL, { 2 } }, { MSEAL, { 3 } } };
	struct outcome outcome = try_profile(&profile, probes, 6);

	(void)state;
	assert_int_equal(outcome.results[0], DENIED);
	assert_int_equal(outcome.results[1], DENIED + 1);
	assert_int_equal(outcome.results[2], 0);
	assert_int_equal(outcome.results[3], DENIED);
	assert_int_equal(outcome.results[4], DENIED + 1);
	assert_true(outcome.results[5] != DENIED && outcome.results[5] != DENIED + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators_compare_all_64_bits),
		cmocka_unit_test(a_masked_comparison_looks_at_the_masks_bits_only),
		cmocka_unit_test(conditions_on_different_arguments_must_all_hold),
		cmocka_unit_test(conditions_on_all_six_arguments_fit),
		cmocka_unit_test(an_argument_named_twice_makes_every_condition_an_alternative),
		cmocka_unit_test(several_rules_on_one_call_each_have_their_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
