/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

/* Below this many rules a linear program is as good, and libseccomp up to 2.5.4 gets the tree of an empty one wrong. */
enum { BINARY_TREE_RULES = 32, BINARY_TREE = 2, ARGUMENTS_MAX = 6 };

struct compilation {
	const struct oci_seccomp *profile;
	scmp_filter_ctx context;
	uint32_t default_value;
	uint32_t architectures[SECCOMP_ARCHITECTURES_MAX];
	size_t architecture_count;
	struct seccomp_prefix prefix;
	size_t library_rules;      /* given to libseccomp */
	struct strbuf passed_over; /* names that nobody knows */
	bool notify;
};

static void compilation_release(struct compilation *compilation)
{
	if (compilation->context)
		seccomp_release(compilation->context);
	strbuf_free(&compilation->passed_over);
}

uint32_t seccomp_action_value(enum oci_seccomp_action action, const struct oci_u64 *errno_ret)
{
	uint32_t data = errno_ret->set ? (uint32_t)errno_ret->value & SECCOMP_RET_DATA : EPERM;

	switch (action) {
	case OCI_SECCOMP_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case OCI_SECCOMP_KILL_PROCESS:
		return SECCOMP_RET_KILL_PROCESS;
	case OCI_SECCOMP_TRAP:
		return SECCOMP_RET_TRAP;
	case OCI_SECCOMP_ERRNO:
		return SECCOMP_RET_ERRNO | data;
	case OCI_SECCOMP_TRACE:
		return SECCOMP_RET_TRACE | data;
	case OCI_SECCOMP_LOG:
		return SECCOMP_RET_LOG;
	case OCI_SECCOMP_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	case OCI_SECCOMP_ALLOW:
		return SECCOMP_RET_ALLOW;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

bool seccomp_at_least_as_strict(uint32_t a, uint32_t b)
{
	/* The kernel compares them as signed numbers: KILL_PROCESS is the lowest. */
	return (int32_t)(a & SECCOMP_RET_ACTION_FULL) <= (int32_t)(b & SECCOMP_RET_ACTION_FULL);
}

static enum scmp_compare compare_of(enum oci_seccomp_operator operator)
{
	switch (operator) {
	case OCI_SECCOMP_NE:
		return SCMP_CMP_NE;
	case OCI_SECCOMP_LT:
		return SCMP_CMP_LT;
	case OCI_SECCOMP_LE:
		return SCMP_CMP_LE;
	case OCI_SECCOMP_EQ:
		return SCMP_CMP_EQ;
	case OCI_SECCOMP_GE:
		return SCMP_CMP_GE;
	case OCI_SECCOMP_GT:
		return SCMP_CMP_GT;
	case OCI_SECCOMP_MASKED_EQ:
		return SCMP_CMP_MASKED_EQ;
	}
	return SCMP_CMP_EQ;
}

/* libseccomp's answers that are about the profile, in words; anything else is an errno. */
static int rule_failed(size_t index, const char *name, int result, struct error *err)
{
	if (result == -EEXIST)
		return error_set(err, -EINVAL, "linux.seccomp.syscalls[%zu]: another rule gives \"%s\" another action",
			index, name);
	return error_set(err, -result, "linux.seccomp.syscalls[%zu]: adding the rule for \"%s\"", index, name);
}

/* A rule for libseccomp's part of the program. */
static int add_rule(struct compilation *compilation, size_t index, const char *name, int number, struct error *err)
{
	const struct oci_seccomp_rule *rule = &compilation->profile->rules[index];
	uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);
	struct scmp_arg_cmp conditions[ARGUMENTS_MAX];
	bool alternatives = seccomp_arguments_are_alternatives(rule);
	int result = 0;

	compilation->library_rules++;
	for (size_t i = 0; i < rule->argument_count; i++) {
		const struct oci_seccomp_argument *argument = &rule->arguments[i];
		struct scmp_arg_cmp condition = { .arg = argument->index,
			.op = compare_of(argument->operator),
			.datum_a = argument->value,
			.datum_b = argument->value_two };

		if (alternatives)
			result = seccomp_rule_add_array(compilation->context, action, number, 1, &condition);
		else /* no index twice: at most six */
			conditions[i] = condition;
		if (result < 0)
			return rule_failed(index, name, result, err);
	}
	if (!alternatives)
		result = seccomp_rule_add_array(compilation->context, action, number,
			(unsigned int)rule->argument_count, rule->argument_count ? conditions : NULL);
	return result < 0 ? rule_failed(index, name, result, err) : 0;
}

/* A name that nobody knows: fine only where the default action does what the rule would have done, or more. */
static int pass_over(
	struct compilation *compilation, size_t index, const char *name, uint32_t action, struct error *err)
{
	const struct scmp_version *version = seccomp_version();

	if (!seccomp_at_least_as_strict(compilation->default_value, action))
		return error_set(err, -EINVAL,
			"linux.seccomp.syscalls[%zu]: libseccomp %u.%u.%u does not know the system call \"%s\" and the "
			"default "
			"action is weaker than the rule's, which could not be enforced",
			index, version->major, version->minor, version->micro, name);
	strbuf_printf(&compilation->passed_over, "%s%s", compilation->passed_over.length ? ", " : "", name);
	return 0;
}

static int add_name(struct compilation *compilation, size_t index, const char *name, uint32_t action, struct error *err)
{
	int number = seccomp_syscall_resolve_name(name);

	if (action == SECCOMP_RET_USER_NOTIF && (strcmp(name, "write") == 0 || strcmp(name, "sendmsg") == 0))
		return error_set(err, -EINVAL,
			"linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY cannot be used for %s, which "
			"hands the listener over",
			index, name);
	if (number == __NR_SCMP_ERROR)
		return seccomp_newer_known(name) ? 0 : pass_over(compilation, index, name, action, err);
	if (seccomp_prefix_settles(&compilation->prefix, &compilation->profile->rules[index], name))
		return 0;
	return add_rule(compilation, index, name, number, err);
}

/* Those for calls that multiplex others, or those for all the rest. */
static int add_rules(struct compilation *compilation, bool multiplexers, struct error *err)
{
	for (size_t i = 0; i < compilation->profile->rule_count; i++) {
		const struct oci_seccomp_rule *rule = &compilation->profile->rules[i];
		uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);

		if (action == compilation->default_value)
			continue;
		if (!seccomp_action_available(action))
			return error_set(err, -EOPNOTSUPP,
				"linux.seccomp.syscalls[%zu].action: this kernel does not have %s", i,
				oci_name_of(&oci_seccomp_actions, rule->action));
		if (action == SECCOMP_RET_USER_NOTIF)
			compilation->notify = true;
		for (char **name = rule->names; *name; name++) {
			int result = 0;

			if (seccomp_multiplexes(*name) == multiplexers)
				result = add_name(compilation, i, *name, action, err);
			if (result < 0)
				return result;
		}
	}
	return 0;
}

static bool is_everywhere(const struct compilation *compilation, const char *name)
{
	for (size_t i = 0; i < compilation->architecture_count; i++) {
		if (seccomp_syscall_resolve_name_arch(compilation->architectures[i], name) < 0)
			return false;
	}
	return true;
}

/*
 * They come first: what they settle, later rules for the calls behind them cannot contradict. But where the very first
 * call of libseccomp's program is one that an architecture does not have, libseccomp (2.5.4) forgets to load the call's
 * number there. So one goes along that all have; the prefix has settled it already.
 */
static int add_multiplexers(struct compilation *compilation, struct error *err)
{
	for (size_t i = 0; i < compilation->profile->rule_count; i++) {
		const struct oci_seccomp_rule *rule = &compilation->profile->rules[i];
		uint32_t action = seccomp_action_value(rule->action, &rule->errno_ret);

		for (char **name = rule->names; *name && action != compilation->default_value; name++) {
			if (!seccomp_prefix_settles(&compilation->prefix, rule, *name) ||
				!is_everywhere(compilation, *name) || !seccomp_action_available(action))
				continue;
			if (add_rule(compilation, i, *name, seccomp_syscall_resolve_name(*name), err) < 0)
				return -err->code;
			return add_rules(compilation, true, err);
		}
	}
	return 0;
}

static int add_architectures(struct compilation *compilation, struct error *err)
{
	const struct oci_seccomp *profile = compilation->profile;

	compilation->architectures[compilation->architecture_count++] = seccomp_arch_native();
	for (size_t i = 0; i < profile->architecture_count; i++) {
		uint32_t architecture = profile->architectures[i];
		int result = seccomp_arch_add(compilation->context, architecture);

		if (result == -EEXIST)
			continue;
		/* Another byte order, or unknown to this libseccomp: nothing of it can run on this machine. */
		if (result == -EDOM || result == -EINVAL) {
			log_warning("linux.seccomp.architectures[%zu] (%s) is not for this machine: passed over", i,
				oci_name_of(&oci_seccomp_architectures, architecture)
					? oci_name_of(&oci_seccomp_architectures, architecture)
					: "unknown");
			continue;
		}
		if (result < 0)
			return error_set(err, -result, "linux.seccomp.architectures[%zu]: adding the architecture", i);
		if (compilation->architecture_count == SECCOMP_ARCHITECTURES_MAX)
			return error_set(
				err, -EINVAL, "linux.seccomp.architectures: more than %d", SECCOMP_ARCHITECTURES_MAX);
		compilation->architectures[compilation->architecture_count++] = architecture;
	}
	return 0;
}

/* Appends libseccomp's program to *out. */
static int export_program(struct compilation *compilation, struct strbuf *out, struct error *err)
{
	cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	cleanup_strbuf struct strbuf program = STRBUF_INIT;
	int result;

	if (fd < 0)
		return error_set(err, errno, "making a memory file for the seccomp filter");
	result = seccomp_export_bpf(compilation->context, fd);
	if (result < 0)
		return error_set(err, -result, "translating the seccomp profile");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, errno, "reading the seccomp filter back");
	result = file_read_fd(fd, 16UL * BPF_MAXINSNS * sizeof(struct sock_filter), &program);
	if (result < 0)
		return error_set(err, -result, "reading the seccomp filter back");
	strbuf_append(out, program.data, program.length);
	return 0;
}

static int generate(struct compilation *compilation, struct strbuf *out, struct error *err)
{
	int result;

	seccomp_prefix_generate(&compilation->prefix, out);
	result = export_program(compilation, out, err);
	if (result < 0)
		return result;
	if (out->length / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return error_set(err, -E2BIG, "linux.seccomp: the filter takes %zu instructions, the kernel allows %d",
			out->length / sizeof(struct sock_filter), BPF_MAXINSNS);
	return 0;
}

static int prepare(struct compilation *compilation, struct error *err)
{
	const struct oci_seccomp *profile = compilation->profile;
	int result;

	if (profile->default_action == OCI_SECCOMP_NOTIFY)
		return error_set(err, -EINVAL, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default");
	compilation->default_value = seccomp_action_value(profile->default_action, &profile->default_errno_ret);
	compilation->context = seccomp_init(compilation->default_value);
	if (!compilation->context)
		return error_set(err, -EOPNOTSUPP,
			"linux.seccomp.defaultAction: libseccomp or the kernel does not have %s",
			oci_name_of(&oci_seccomp_actions, profile->default_action));
	result = add_architectures(compilation, err);
	if (result < 0)
		return result;
	compilation->prefix = (struct seccomp_prefix){ .profile = profile,
		.architectures = compilation->architectures,
		.architecture_count = compilation->architecture_count,
		.default_value = compilation->default_value,
		/* As in runc: a tracer or a log is meant to see what is new. */
		.answer_newer = seccomp_at_least_as_strict(compilation->default_value, SECCOMP_RET_USER_NOTIF) };
	result = add_multiplexers(compilation, err);
	if (result == 0)
		result = add_rules(compilation, false, err);
	if (result == 0 && compilation->library_rules > BINARY_TREE_RULES)
		(void)seccomp_attr_set(compilation->context, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	return result;
}

int seccomp_compile(const struct oci_seccomp *profile, struct seccomp_program *program, struct error *err)
{
	cleanup(compilation_release) struct compilation compilation = { .profile = profile };
	cleanup_strbuf struct strbuf out = STRBUF_INIT;
	uint32_t flags = 0;
	int result = prepare(&compilation, err);

	if (result == 0)
		result = generate(&compilation, &out, err);
	if (result == 0)
		result = seccomp_load_flags(profile, compilation.notify, &flags, err);
	if (result < 0)
		return result;
	if (compilation.passed_over.length)
		log_warning("linux.seccomp: unknown system calls are left to the default action: %s",
			compilation.passed_over.data);
	program->count = (uint32_t)(out.length / sizeof(struct sock_filter));
	program->filter = xmemdup(out.data, out.length);
	program->flags = flags;
	program->notify = compilation.notify;
	return 0;
}

void seccomp_program_free(struct seccomp_program *program)
{
	free(program->filter);
	*program = (struct seccomp_program){ 0 };
}
