/* SPDX-License-Identifier: Apache-2.0 */
/* config.json "process"; exec's process file is the same object. */
#include <ctype.h>
#include <linux/sched.h>
#include <string.h>

#include "oci/spec_sections.h"

static int read_console_size(struct json_reader *reader, const json_t *value, void *target)
{
	/* struct winsize holds 16 bits each (ioctl_tty(2)). */
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("height", struct oci_process, console_rows, json_read_u16),
		JSON_REQUIRED_BY("width", struct oci_process, console_columns, json_read_u16),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_umask(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_user *user = target;
	uint64_t mask;
	int result = json_read_unsigned(reader, value, 0, 0777, &mask);

	if (result < 0)
		return result;
	user->umask_set = true;
	user->umask = (mode_t)mask;
	return 0;
}

static int read_additional_gids(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_user *user = target;

	return json_read_array(reader, value, sizeof(*user->additional_gids), json_read_id, &user->additional_gids,
		&user->additional_gid_count);
}

static int read_user(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("uid", struct oci_user, uid, json_read_id),
		JSON_FIELD_BY("gid", struct oci_user, gid, json_read_id),
		JSON_SECTION("umask", read_umask),
		JSON_SECTION("additionalGids", read_additional_gids),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_args(struct json_reader *reader, const json_t *value, void *target)
{
	char ***args = target;
	int result = json_read_strings(reader, value, args);

	if (result == 0 && !(*args)[0])
		return json_fail(reader, "is empty");
	return result;
}

static int refuse_command_line(struct json_reader *reader, const json_t *value, void *target)
{
	(void)target;
	if (json_is_string(value) && json_string_length(value) == 0)
		return 0;
	return json_fail(reader, "is for Windows only (args is what runs here)");
}

/* Names unknown here are passed over, as a set for a newer kernel is to work on an older one: it grants less, never
 * more. */
static int read_capability_set(struct json_reader *reader, const json_t *value, void *target)
{
	char **names = NULL;
	uint64_t *set = target, found = 0;
	int result = json_read_strings(reader, value, &names);

	for (char **name = names; result == 0 && *name; name++) {
		uint64_t number;

		if (oci_name_find(&oci_capability_names, *name, &number))
			found |= UINT64_C(1) << number;
		else
			json_warn(reader, "unknown capability \"%s\" is left out", *name);
	}
	free_strings(names);
	if (result == 0)
		*set = found;
	return result;
}

/* The kernel knows no such thing. buildah up to 1.29 asks for it all the same, and runc has always let it pass: that
 * grants less, never more. */
static void leave_out_ambient(struct json_reader *reader, struct oci_capabilities *capabilities)
{
	uint64_t impossible = capabilities->ambient & ~(capabilities->permitted & capabilities->inheritable);
	cleanup_strbuf struct strbuf names = STRBUF_INIT;

	for (uint64_t rest = impossible; rest; rest &= rest - 1)
		strbuf_printf(&names, "%s%s", names.length ? ", " : "",
			oci_name_of(&oci_capability_names, (uint64_t)__builtin_ctzll(rest)));
	if (impossible)
		json_warn(reader, "ambient without being permitted and inheritable, left out: %s", names.data);
	capabilities->ambient &= ~impossible;
}

static int read_capabilities(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("bounding", struct oci_capabilities, bounding, read_capability_set),
		JSON_FIELD_BY("effective", struct oci_capabilities, effective, read_capability_set),
		JSON_FIELD_BY("inheritable", struct oci_capabilities, inheritable, read_capability_set),
		JSON_FIELD_BY("permitted", struct oci_capabilities, permitted, read_capability_set),
		JSON_FIELD_BY("ambient", struct oci_capabilities, ambient, read_capability_set),
	};
	struct oci_capabilities *capabilities = target;

	int result = json_read_fields(reader, value, fields, target);

	capabilities->set = true;
	if (result == 0)
		leave_out_ambient(reader, capabilities);
	return result;
}

static int read_rlimit_type(struct json_reader *reader, const json_t *value, void *target)
{
	int *resource = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_rlimits, &number);

	if (result == 0)
		*resource = (int)number;
	return result;
}

static int read_rlimit(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("type", struct oci_rlimit, resource, read_rlimit_type),
		JSON_REQUIRED("soft", struct oci_rlimit, soft),
		JSON_REQUIRED("hard", struct oci_rlimit, hard),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_rlimits(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_process *process = target;
	int result = json_read_array(
		reader, value, sizeof(*process->rlimits), read_rlimit, &process->rlimits, &process->rlimit_count);
	uint64_t seen = 0;

	for (size_t i = 0; result == 0 && i < process->rlimit_count; i++) {
		uint64_t bit = UINT64_C(1) << process->rlimits[i].resource;

		if (seen & bit)
			return json_fail(reader, "%s is there more than once",
				oci_name_of(&oci_rlimits, (uint64_t)process->rlimits[i].resource));
		seen |= bit;
	}
	return result;
}

static int read_oom_score(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_process *process = target;
	int64_t score;
	int result = json_read_signed(reader, value, -1000, 1000, &score);

	if (result < 0)
		return result;
	process->oom_score_adjust_set = true;
	process->oom_score_adjust = (int)score;
	return 0;
}

static int read_policy(struct json_reader *reader, const json_t *value, void *target)
{
	int *policy = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_scheduler_policies, &number);

	if (result == 0)
		*policy = (int)number;
	return result;
}

static int read_scheduler_flags(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_names(reader, value, &oci_scheduler_flags, target);
}

static int read_nice(struct json_reader *reader, const json_t *value, void *target)
{
	int *nice = target;
	int64_t number;
	int result = json_read_signed(reader, value, -20, 19, &number);

	if (result == 0)
		*nice = (int)number;
	return result;
}

static int read_priority(struct json_reader *reader, const json_t *value, void *target)
{
	int *priority = target;
	int64_t number;
	int result = json_read_signed(reader, value, 0, 99, &number);

	if (result == 0)
		*priority = (int)number;
	return result;
}

static int read_scheduler(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("policy", struct oci_scheduler, policy, read_policy),
		JSON_FIELD_BY("nice", struct oci_scheduler, nice, read_nice),
		JSON_FIELD_BY("priority", struct oci_scheduler, priority, read_priority),
		JSON_FIELD_BY("flags", struct oci_scheduler, flags, read_scheduler_flags),
		JSON_FIELD("runtime", struct oci_scheduler, runtime_ns),
		JSON_FIELD("deadline", struct oci_scheduler, deadline_ns),
		JSON_FIELD("period", struct oci_scheduler, period_ns),
	};
	struct oci_scheduler *scheduler = target;
	int result = json_read_fields(reader, value, fields, target);

	if (result < 0)
		return result;
	scheduler->set = true;
	if (scheduler->priority && scheduler->policy != SCHED_FIFO && scheduler->policy != SCHED_RR)
		return json_fail_field(reader, "priority", "is for SCHED_FIFO and SCHED_RR only");
	if (scheduler->policy != SCHED_DEADLINE &&
		(scheduler->runtime_ns || scheduler->deadline_ns || scheduler->period_ns))
		return json_fail(reader, "runtime, deadline and period are for SCHED_DEADLINE only");
	return 0;
}

static int read_io_class(struct json_reader *reader, const json_t *value, void *target)
{
	int *class = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_io_priority_classes, &number);

	if (result == 0)
		*class = (int)number;
	return result;
}

static int read_io_level(struct json_reader *reader, const json_t *value, void *target)
{
	int *priority = target;
	int64_t number;
	int result = json_read_signed(reader, value, 0, 7, &number);

	if (result == 0)
		*priority = (int)number;
	return result;
}

static int read_io_priority(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("class", struct oci_io_priority, class, read_io_class),
		JSON_FIELD_BY("priority", struct oci_io_priority, priority, read_io_level),
	};
	struct oci_io_priority *priority = target;

	priority->set = true;
	return json_read_fields(reader, value, fields, target);
}

/* Passes over "N" or "N-M", M not below N; false when it is neither. */
static bool pass_range(const char **next)
{
	unsigned long first, last;
	char *end;

	if (!isdigit((unsigned char)**next))
		return false;
	errno = 0;
	first = last = strtoul(*next, &end, 10);
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return false;
		last = strtoul(end + 1, &end, 10);
	}
	*next = end;
	return errno == 0 && first <= last && last < 1U << 16;
}

/* Drops the blanks; false when that would make one number of two. */
static bool drop_blanks(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == ' ')
			continue;
		if (from != text && from[-1] == ' ' && to != text && isdigit((unsigned char)*from) &&
			isdigit((unsigned char)to[-1]))
			return false;
		*to++ = *from;
	}
	*to = '\0';
	return true;
}

int oci_read_number_list(struct json_reader *reader, const json_t *value, void *target)
{
	char **list = target;
	int result = json_read_string(reader, value, list);
	const char *next = *list;

	if (result < 0 || !*list)
		return result;
	if (!drop_blanks(*list))
		return json_fail(reader, "a blank between two numbers is not a separator");
	while (pass_range(&next)) {
		if (!*next)
			return 0;
		if (*next++ != ',')
			break;
	}
	return json_fail(reader, "\"%s\" is not a list of numbers such as \"0-3,7\"", *list);
}

static int read_cpu_affinity(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD_BY("initial", struct oci_process, cpu_affinity_initial, oci_read_number_list),
		JSON_FIELD_BY("final", struct oci_process, cpu_affinity_final, oci_read_number_list),
	};

	return json_read_fields(reader, value, fields, target);
}

int oci_read_process(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("terminal", struct oci_process, terminal),
		JSON_SECTION("consoleSize", read_console_size),
		JSON_FIELD_BY("user", struct oci_process, user, read_user),
		JSON_SECTION("commandLine", refuse_command_line),
		JSON_REQUIRED_BY("args", struct oci_process, args, read_args),
		JSON_FIELD("env", struct oci_process, env),
		JSON_REQUIRED_BY("cwd", struct oci_process, cwd, json_read_absolute),
		JSON_FIELD_BY("capabilities", struct oci_process, capabilities, read_capabilities),
		JSON_SECTION("rlimits", read_rlimits),
		JSON_FIELD("noNewPrivileges", struct oci_process, no_new_privileges),
		JSON_FIELD("apparmorProfile", struct oci_process, apparmor_profile),
		JSON_FIELD("selinuxLabel", struct oci_process, selinux_label),
		JSON_SECTION("oomScoreAdj", read_oom_score),
		JSON_FIELD_BY("scheduler", struct oci_process, scheduler, read_scheduler),
		JSON_FIELD_BY("ioPriority", struct oci_process, io_priority, read_io_priority),
		JSON_SECTION("execCPUAffinity", read_cpu_affinity),
	};
	struct oci_process **process = target;
	int result;

	*process = xcalloc(1, sizeof(**process));
	result = json_read_fields(reader, value, fields, *process);
	if (result == 0 && !(*process)->cwd)
		return json_fail_field(reader, "cwd", "is empty");
	return result;
}

void oci_process_free(struct oci_process *process)
{
	if (!process)
		return;
	free(process->user.additional_gids);
	free_strings(process->args);
	free_strings(process->env);
	free(process->cwd);
	free(process->rlimits);
	free(process->apparmor_profile);
	free(process->selinux_label);
	free(process->cpu_affinity_initial);
	free(process->cpu_affinity_final);
	free(process);
}
