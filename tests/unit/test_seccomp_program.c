/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole program, run by an interpreter, against the one that libseccomp alone makes of the same rules: for every
 * system call number, three architectures and arguments on both sides of every condition.
 */
#include "tests/unit/seccomp_test.h"

#include <stdlib.h>

#include "seccomp/internal.h"

enum { X32_BIT = 0x40000000, NUMBERS = 600, NAMES_MAX = 512 };

static uint32_t load_word(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;

	assert_true(offset % 4 == 0 && offset < sizeof(*data));
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

static bool holds(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return a & k;
	default:
		fail_msg("jump %#x", code);
		return false;
	}
}

static uint32_t interpret(const struct sock_filter *program, size_t count, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < count; at++) {
		const struct sock_filter *i = &program[at];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			a = load_word(data, i->k);
			break;
		case BPF_ALU:
			assert_int_equal(i->code, BPF_ALU | BPF_AND | BPF_K);
			a &= i->k;
			break;
		case BPF_JMP:
			at += BPF_OP(i->code) == BPF_JA ? i->k : (holds(i->code, a, i->k) ? i->jt : i->jf);
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("fell off the program");
	return 0;
}

/* ---- libseccomp alone ---- */

static void add_reference_rule(
	scmp_filter_ctx context, const struct oci_seccomp_rule *rule, uint32_t action, int number)
{
	static const enum scmp_compare operators[] = {
		[OCI_SECCOMP_NE] = SCMP_CMP_NE,
		[OCI_SECCOMP_LT] = SCMP_CMP_LT,
		[OCI_SECCOMP_LE] = SCMP_CMP_LE,
		[OCI_SECCOMP_EQ] = SCMP_CMP_EQ,
		[OCI_SECCOMP_GE] = SCMP_CMP_GE,
		[OCI_SECCOMP_GT] = SCMP_CMP_GT,
		[OCI_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};
	struct scmp_arg_cmp all[6];

	for (size_t i = 0; i < rule->argument_count; i++) {
		all[i] = (struct scmp_arg_cmp){ rule->arguments[i].index, operators[rule->arguments[i].operator],
			rule->arguments[i].value, rule->arguments[i].value_two };
	}
	assert_int_equal(seccomp_rule_add_array(context, action, number, (unsigned int)rule->argument_count, all), 0);
}

static struct sock_filter *reference(const struct oci_seccomp *profile, size_t *count)
{
	uint32_t default_value = seccomp_action_value(profile->default_action, &profile->default_errno_ret);
	scmp_filter_ctx context = seccomp_init(default_value);
	int fd = memfd_create("reference", MFD_CLOEXEC);
	struct sock_filter *program = xcalloc(65536, sizeof(*program));
	ssize_t length;

	for (size_t i = 0; i < profile->architecture_count; i++)
		(void)seccomp_arch_add(context, profile->architectures[i]);
	for (size_t i = 0; i < profile->rule_count; i++) {
		const struct oci_seccomp_rule *rule = &profile->rules[i];
		uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);

		for (char **name = rule->names; *name && action != default_value; name++)
			add_reference_rule(context, rule, action, seccomp_syscall_resolve_name(*name));
	}
	assert_int_equal(seccomp_export_bpf(context, fd), 0);
	length = pread(fd, program, 65536 * sizeof(*program), 0);
	assert_true(length > 0);
	*count = (size_t)length / sizeof(*program);
	close(fd);
	seccomp_release(context);
	return program;
}

static int highest_of(const struct oci_seccomp *profile, uint32_t architecture)
{
	int highest = -1;

	for (size_t i = 0; i < profile->rule_count; i++) {
		for (char **name = profile->rules[i].names; *name; name++) {
			int number = seccomp_syscall_resolve_name_arch(architecture, *name);

			highest = number > highest ? number : highest;
		}
	}
	return highest;
}

static void compare_number(const struct oci_seccomp *profile, const struct seccomp_program *ours,
	const struct sock_filter *theirs, size_t their_count, uint32_t architecture, uint32_t number)
{
	static const uint64_t values[] = { 0, 1, 2, 7, 8, 18, 40, 0x20008, 0x10000000, 0x7e020000, UINT32_MAX,
		1ULL << 32, UINT64_MAX };
	bool newer =
		seccomp_at_least_as_strict(seccomp_action_value(profile->default_action, &profile->default_errno_ret),
			SECCOMP_RET_USER_NOTIF) &&
		(int)number > highest_of(profile, architecture) && highest_of(profile, architecture) >= 0;

	for (size_t i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
		struct seccomp_data data = { .nr = (int)number,
			.arch = architecture == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64 : architecture,
			.args = { values[i % ARRAY_SIZE(values)], values[i / ARRAY_SIZE(values)], 5 } };
		uint32_t answer = interpret(ours->filter, ours->count, &data);
		uint32_t expected =
			newer ? (uint32_t)(SECCOMP_RET_ERRNO | ENOSYS) : interpret(theirs, their_count, &data);

		if (answer != expected)
			print_error("architecture %#x, number %u, arguments %#llx %#llx\n", architecture, number,
				(unsigned long long)data.args[0], (unsigned long long)data.args[1]);
		assert_int_equal(answer, expected);
	}
}

static void expect_same_as_libseccomp(struct oci_seccomp *profile)
{
	uint32_t architectures[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32, SCMP_ARCH_AARCH64 };

	profile->architectures = architectures;
	for (profile->architecture_count = 0; profile->architecture_count <= 3; profile->architecture_count++) {
		cleanup_seccomp_program struct seccomp_program ours = compile(profile);
		cleanup_free struct sock_filter *theirs = NULL;
		size_t count, used = profile->architecture_count ? profile->architecture_count : 1;

		theirs = reference(profile, &count);
		for (size_t a = 0; a < used; a++) {
			uint32_t base = architectures[a] == SCMP_ARCH_X32 ? X32_BIT : 0;

			for (uint32_t number = 0; number < NUMBERS; number++)
				compare_number(profile, &ours, theirs, count, architectures[a], base | number);
		}
		/* What the filter does not have. */
		for (size_t a = used; a < ARRAY_SIZE(architectures); a++) {
			struct seccomp_data data = { .nr = architectures[a] == SCMP_ARCH_X32 ? X32_BIT | 39 : 39,
				.arch = architectures[a] == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64
									  : architectures[a] };

			assert_int_equal(interpret(ours.filter, ours.count, &data), interpret(theirs, count, &data));
			assert_int_equal(interpret(ours.filter, ours.count, &data), SECCOMP_RET_KILL_THREAD);
		}
	}
}

/* ---- profiles ---- */

/* Most calls of the native architecture, without those that end in "at" or begin with "s", for gaps of every size. */
static size_t many_names(char *names[NAMES_MAX])
{
	size_t count = 0;

	for (int number = 0; number < 460; number++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
		size_t length = name ? strlen(name) : 0;

		if (!name || name[0] == 's' || strcmp(name + length - 2, "at") == 0 || strcmp(name, "clone") == 0 ||
			strcmp(name, "personality") == 0)
			free(name);
		else
			names[count++] = name;
	}
	names[count] = NULL;
	return count;
}

static void free_names(char **names)
{
	for (; *names; names++)
		free(*names);
}

static void an_engines_profile_means_what_libseccomp_means(void **state)
{
	char *names[NAMES_MAX], *clone_name[] = { "clone", NULL }, *personality[] = { "personality", NULL };
	char *socket_name[] = { "socket", NULL }, *more[] = { "stat64", "set_robust_list", "statx", "symlinkat", NULL };
	char *refused[] = { "setns", "swapon", NULL };
	struct oci_seccomp_argument mask = { 0, 0x7e020000, 0, OCI_SECCOMP_MASKED_EQ },
				    vsock = { 0, 40, 0, OCI_SECCOMP_NE };
	struct oci_seccomp_argument persona[] = { { 0, 8, 0, OCI_SECCOMP_EQ }, { 0, 0x20008, 0, OCI_SECCOMP_EQ } };
	struct oci_seccomp_rule rules[] = {
		{ names, OCI_SECCOMP_ALLOW, { 0 }, NULL, 0 },
		{ clone_name, OCI_SECCOMP_ALLOW, { 0 }, &mask, 1 },
		{ personality, OCI_SECCOMP_ALLOW, { 0 }, &persona[0], 1 },
		{ personality, OCI_SECCOMP_ALLOW, { 0 }, &persona[1], 1 },
		{ socket_name, OCI_SECCOMP_ALLOW, { 0 }, &vsock, 1 },
		{ more, OCI_SECCOMP_ALLOW, { 0 }, NULL, 0 },
		{ refused, OCI_SECCOMP_ERRNO, { true, 38 }, NULL, 0 },
	};
	struct oci_seccomp profile = { .rules = rules, .rule_count = ARRAY_SIZE(rules) };
	const enum oci_seccomp_action defaults[] = { OCI_SECCOMP_ERRNO, OCI_SECCOMP_KILL_PROCESS, OCI_SECCOMP_LOG };

	(void)state;
	(void)many_names(names);
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		profile.default_action = defaults[i];
		expect_same_as_libseccomp(&profile);
	}
	free_names(names);
}

static void a_list_of_what_is_denied_means_what_libseccomp_means(void **state)
{
	char *denied[] = { "mount", "umount2", "reboot", "socket", "semget", NULL },
	     *killed[] = { "ptrace", "kexec_load", NULL };
	char *first[] = { "read", NULL }, *last[] = { "futex_waitv", NULL };
	struct oci_seccomp_argument both[] = { { 0, 7, 0, OCI_SECCOMP_GT }, { 1, 8, 0, OCI_SECCOMP_LE } };
	struct oci_seccomp_rule rules[] = {
		{ denied, OCI_SECCOMP_ERRNO, { 0 }, NULL, 0 },
		{ killed, OCI_SECCOMP_KILL_PROCESS, { 0 }, NULL, 0 },
		{ first, OCI_SECCOMP_ERRNO, { true, 5 }, both, 2 },
		{ last, OCI_SECCOMP_TRAP, { 0 }, NULL, 0 },
	};
	struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ALLOW, .rules = rules, .rule_count = ARRAY_SIZE(rules)
	};

	(void)state;
	expect_same_as_libseccomp(&profile);
}

/* i386 makes these through socketcall(2) and ipc(2) as well: the rule must reach both ways. */
static void calls_behind_socketcall_and_ipc_follow_their_rules(void **state)
{
	char *names[] = { "accept4", "recv", "sendmsg", "shmat", "semtimedop", "msgrcv", "exit_group", NULL };
	struct oci_seccomp_rule rule = { names, OCI_SECCOMP_ALLOW, { 0 }, NULL, 0 };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ERRNO, .rules = &rule, .rule_count = 1 };
	uint32_t architectures[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 };
	struct seccomp_data accept4 = { .nr = 102, .arch = SCMP_ARCH_X86, .args = { 18 } },
			    bind2 = { 102, SCMP_ARCH_X86, 0, { 2 } };

	(void)state;
	expect_same_as_libseccomp(&profile);
	profile.architectures = architectures;
	profile.architecture_count = 2;
	cleanup_seccomp_program struct seccomp_program program = compile(&profile);

	assert_int_equal(interpret(program.filter, program.count, &accept4), SECCOMP_RET_ALLOW);
	assert_int_equal(interpret(program.filter, program.count, &bind2), SECCOMP_RET_ERRNO | EPERM);
}

/* podman's default profile when CAP_AUDIT_WRITE is not given: on i386, where socketcall(2) hides the arguments,
 * libseccomp accepts several actions for `socket` only because socketcall itself is settled. */
static void an_auditing_socket_is_refused_where_socketcall_is_allowed(void **state)
{
	char *allowed[] = { "socketcall", "ipc", "read", NULL }, *socket_name[] = { "socket", NULL };
	struct oci_seccomp_argument audit[] = { { 0, 16, 0, OCI_SECCOMP_EQ }, { 2, 9, 0, OCI_SECCOMP_EQ } };
	struct oci_seccomp_argument others[] = { { 0, 16, 0, OCI_SECCOMP_NE }, { 2, 9, 0, OCI_SECCOMP_NE } };
	struct oci_seccomp_rule rules[] = {
		{ allowed, OCI_SECCOMP_ALLOW, { 0 }, NULL, 0 },
		{ socket_name, OCI_SECCOMP_ERRNO, { true, 22 }, audit, 2 },
		{ socket_name, OCI_SECCOMP_ALLOW, { 0 }, &others[1], 1 },
		{ socket_name, OCI_SECCOMP_ALLOW, { 0 }, &others[0], 1 },
		{ socket_name, OCI_SECCOMP_ALLOW, { 0 }, &others[1], 1 },
	};
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ERRNO,
		.default_errno_ret = { true, 38 },
		.rules = rules,
		.rule_count = ARRAY_SIZE(rules) };
	struct oci_seccomp_rule first = rules[0];

	(void)state;
	expect_same_as_libseccomp(&profile);
	/* Wherever the rule stands. */
	memmove(&rules[0], &rules[1], sizeof(rules) - sizeof(rules[0]));
	rules[ARRAY_SIZE(rules) - 1] = first;
	profile.architectures = (uint32_t[]){ SCMP_ARCH_X86_64, SCMP_ARCH_X86 };
	profile.architecture_count = 2;
	cleanup_seccomp_program struct seccomp_program program = compile(&profile);
	struct seccomp_data audit_call = { 41, SCMP_ARCH_X86_64, 0, { 16, 3, 9 } },
			    plain_call = { 41, SCMP_ARCH_X86_64, 0, { 16, 3, 0 } },
			    multiplexed = { 102, SCMP_ARCH_X86, 0, { 1 } };

	assert_int_equal(interpret(program.filter, program.count, &audit_call), SECCOMP_RET_ERRNO | 22);
	assert_int_equal(interpret(program.filter, program.count, &plain_call), SECCOMP_RET_ALLOW);
	assert_int_equal(interpret(program.filter, program.count, &multiplexed), SECCOMP_RET_ALLOW);
}

/* More rules than libseccomp is given in a line: its binary tree has to get the multiplexers right as well. */
static void many_conditions_beside_socketcall_mean_what_libseccomp_means(void **state)
{
	char *names[NAMES_MAX], *allowed[] = { "socketcall", "ipc", "read", NULL }, *one_name[64][2] = { { NULL } };
	struct oci_seccomp_argument below = { 0, 8, 0, OCI_SECCOMP_LT };
	struct oci_seccomp_rule rules[64] = { { allowed, OCI_SECCOMP_ALLOW, { 0 }, NULL, 0 } };
	struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ERRNO, .rules = rules, .rule_count = ARRAY_SIZE(rules)
	};

	(void)state;
	assert_true(many_names(names) > 128);
	for (size_t i = 1; i < ARRAY_SIZE(rules); i++) {
		one_name[i][0] = names[2 * i];
		rules[i] = (struct oci_seccomp_rule){ one_name[i], OCI_SECCOMP_ALLOW, { 0 }, &below, 1 };
	}
	expect_same_as_libseccomp(&profile);
	free_names(names);
}

static void rules_for_the_same_call_mean_what_libseccomp_means(void **state)
{
	char *names[] = { "read", "write", "open", NULL }, *some[] = { "write", NULL };
	struct oci_seccomp_argument one = { 0, 1, 0, OCI_SECCOMP_EQ };
	struct oci_seccomp_rule rules[] = {
		{ some, OCI_SECCOMP_ERRNO, { true, 9 }, &one, 1 },
		{ names, OCI_SECCOMP_ALLOW, { 0 }, NULL, 0 },
		{ some, OCI_SECCOMP_TRAP, { 0 }, NULL, 0 },
	};
	struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ERRNO, .rules = rules, .rule_count = ARRAY_SIZE(rules)
	};

	(void)state;
	expect_same_as_libseccomp(&profile);
}

static void empty_profiles_mean_what_libseccomp_means(void **state)
{
	const enum oci_seccomp_action defaults[] = { OCI_SECCOMP_ALLOW, OCI_SECCOMP_ERRNO, OCI_SECCOMP_TRACE };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		struct oci_seccomp profile = { .default_action = defaults[i] };

		expect_same_as_libseccomp(&profile);
	}
}

/* Ranges of one number each: the largest tree there can be, with jumps too long for a short one. */
static void a_tree_of_every_second_number_is_right(void **state)
{
	cleanup_strbuf struct strbuf out = STRBUF_INIT, exits = STRBUF_INIT;
	struct seccomp_ranges ranges = { .beyond = 77 };

	(void)state;
	for (uint32_t number = 0; number < 2000; number += 2)
		seccomp_ranges_add(&ranges, 1998 - number, 1000 + number);
	/* The number is loaded before, and what goes on ends in a return of its own. */
	(void)strbuf_append(
		&out, &(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), sizeof(struct sock_filter));
	seccomp_emit_tree(&out, &ranges, &exits);
	for (size_t i = 0; i < exits.length / sizeof(size_t); i++) {
		size_t place = ((size_t *)(void *)exits.data)[i];

		((struct sock_filter *)(void *)out.data)[place].k =
			(uint32_t)(out.length / sizeof(struct sock_filter) - place - 1);
	}
	strbuf_append(&out, &(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 55), sizeof(struct sock_filter));
	for (uint32_t number = 0; number < 3000; number++) {
		struct seccomp_data data = { .nr = (int)number };
		uint32_t expected = number >= 1999 ? 77 : (number % 2 ? 55 : 1000 + 1998 - number);

		assert_int_equal(interpret((void *)out.data, out.length / sizeof(struct sock_filter), &data), expected);
	}
	seccomp_ranges_free(&ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_engines_profile_means_what_libseccomp_means),
		cmocka_unit_test(a_list_of_what_is_denied_means_what_libseccomp_means),
		cmocka_unit_test(calls_behind_socketcall_and_ipc_follow_their_rules),
		cmocka_unit_test(an_auditing_socket_is_refused_where_socketcall_is_allowed),
		cmocka_unit_test(many_conditions_beside_socketcall_mean_what_libseccomp_means),
		cmocka_unit_test(rules_for_the_same_call_mean_what_libseccomp_means),
		cmocka_unit_test(empty_profiles_mean_what_libseccomp_means),
		cmocka_unit_test(a_tree_of_every_second_number_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
