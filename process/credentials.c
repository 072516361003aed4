/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User, groups and the five capability sets (capabilities(7)).
 */
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/procfs.h"
#include "process/process_internal.h"

#define CAPABILITY_BIT(capability) (UINT64_C(1) << (capability))

/* Without process.capabilities every set is empty. */
static struct process_capabilities wanted_capabilities(const struct process_plan *plan)
{
	return plan->capabilities.set ? plan->capabilities : (struct process_capabilities){ 0 };
}

bool process_keeps_admin(const struct process_plan *plan)
{
	return (plan->seccomp.filter || plan->landlock.set) && !plan->no_new_privileges &&
	       !(wanted_capabilities(plan).effective & CAPABILITY_BIT(CAP_SYS_ADMIN));
}

/* "CAP_NET_RAW" of the lowest bit; capabilities younger than libcap go by number. */
static void capability_name(uint64_t mask, char name[32])
{
	unsigned int number = (unsigned int)__builtin_ctzll(mask);
	char *known = cap_to_name((cap_value_t)number);

	(void)snprintf(name, 32, "%s", known ? known : "");
	cap_free(known);
	for (char *letter = name; *letter; letter++) {
		if (*letter >= 'a' && *letter <= 'z')
			*letter = (char)(*letter - 'a' + 'A');
	}
	if (strncmp(name, "CAP_", 4) != 0)
		(void)snprintf(name, 32, "capability %u", number);
}

static int refuse_capability(uint64_t mask, const char *set, const char *why, struct error *err)
{
	char name[32];

	capability_name(mask, name);
	return error_set(err, -EPERM, "process.capabilities.%s: %s %s", set, name, why);
}

static int held_capabilities(uint64_t *permitted, uint64_t *inheritable, struct error *err)
{
	cap_t current = cap_get_proc();

	*permitted = *inheritable = 0;
	if (!current)
		return error_set(err, errno, "read the capabilities of this process");
	for (cap_value_t capability = 0; capability < cap_max_bits() && capability < 64; capability++) {
		cap_flag_value_t value = CAP_CLEAR;

		if (cap_get_flag(current, capability, CAP_PERMITTED, &value) == 0 && value == CAP_SET)
			*permitted |= CAPABILITY_BIT(capability);
		if (cap_get_flag(current, capability, CAP_INHERITABLE, &value) == 0 && value == CAP_SET)
			*inheritable |= CAPABILITY_BIT(capability);
	}
	cap_free(current);
	return 0;
}

/* What the kernel would refuse or quietly not give, named before anything is changed. */
static int check_capabilities(const struct process_capabilities *wanted, uint64_t for_filter, struct error *err)
{
	uint64_t permitted, inheritable, missing;
	int result = held_capabilities(&permitted, &inheritable, err);

	if (result < 0)
		return result;
	/* What is permitted was, but for odd callers, not beyond the bounding set: that saves a call for each. */
	missing = wanted->bounding & ~permitted;
	for (uint64_t rest = missing; rest; rest &= rest - 1) {
		if (cap_get_bound((cap_value_t)__builtin_ctzll(rest)) > 0)
			missing &= ~(rest & -rest);
	}
	if (missing)
		return refuse_capability(missing, "bounding",
			"is not available here: the bounding set of the runtime does not have it", err);
	if (for_filter & ~permitted)
		return error_set(err, -EPERM,
			"process.noNewPrivileges is false: then a seccomp filter and a Landlock policy need "
			"CAP_SYS_ADMIN, which the runtime does not have");
	missing = wanted->permitted & ~permitted;
	if (missing)
		return refuse_capability(
			missing, "permitted", "is not available here: the runtime itself does not have it", err);
	if (wanted->effective & ~wanted->permitted)
		return refuse_capability(
			wanted->effective & ~wanted->permitted, "effective", "is not in the permitted set too", err);
	missing = wanted->inheritable & ~(inheritable | wanted->bounding);
	if (missing)
		return refuse_capability(missing, "inheritable", "is not in the bounding set too", err);
	missing = wanted->ambient & ~(wanted->permitted & wanted->inheritable);
	if (missing)
		return refuse_capability(
			missing, "ambient", "is not in both the permitted and the inheritable set", err);
	return 0;
}

static int drop_bounding(uint64_t keep, struct error *err)
{
	for (cap_value_t capability = 0; capability < cap_max_bits() && capability < 64; capability++) {
		if (keep & CAPABILITY_BIT(capability))
			continue;
		/* One that is gone already may be dropped by anybody only where it is gone: ask before calling it an
		 * error. */
		if (cap_drop_bound(capability) < 0 && cap_get_bound(capability) > 0) {
			char name[32];

			capability_name(CAPABILITY_BIT(capability), name);
			return error_set(err, errno, "drop %s from the bounding set", name);
		}
	}
	return 0;
}

static int set_flag(cap_t capabilities, cap_flag_t flag, uint64_t mask)
{
	cap_value_t list[64];
	int count = 0;

	for (uint64_t rest = mask; rest; rest &= rest - 1)
		list[count++] = (cap_value_t)__builtin_ctzll(rest);
	return count ? cap_set_flag(capabilities, flag, count, list, CAP_SET) : 0;
}

static int make_capabilities(const struct process_capabilities *sets, uint64_t more, cap_t *made, struct error *err)
{
	cap_t capabilities = cap_init();

	if (!capabilities || set_flag(capabilities, CAP_PERMITTED, sets->permitted | more) < 0 ||
		set_flag(capabilities, CAP_EFFECTIVE, sets->effective | more) < 0 ||
		set_flag(capabilities, CAP_INHERITABLE, sets->inheritable) < 0) {
		int code = errno;

		cap_free(capabilities);
		return error_set(err, code, "put the capability sets together");
	}
	*made = capabilities;
	return 0;
}

int process_final_capabilities(const struct process_plan *plan, cap_t *capabilities, struct error *err)
{
	struct process_capabilities wanted = wanted_capabilities(plan);

	return make_capabilities(&wanted, 0, capabilities, err);
}

static int set_capabilities(const struct process_capabilities *sets, uint64_t more, struct error *err)
{
	cap_t capabilities = NULL;
	int result = make_capabilities(sets, more, &capabilities, err);

	if (result == 0 && cap_set_proc(capabilities) < 0)
		result = error_set(err, errno, "set the permitted, effective and inheritable capabilities");
	cap_free(capabilities);
	return result;
}

static int set_ambient(uint64_t ambient, struct error *err)
{
	/* cap_reset_ambient(3) asks for each capability first. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set(err, errno, "clear the ambient capabilities");
	for (uint64_t rest = ambient; rest; rest &= rest - 1) {
		char name[32];

		if (cap_set_ambient((cap_value_t)__builtin_ctzll(rest), CAP_SET) == 0)
			continue;
		capability_name(rest, name);
		return error_set(err, errno, "raise the ambient capability %s", name);
	}
	return 0;
}

static bool setgroups_is_denied(const struct process_plan *plan)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	cleanup_fd int procfs = -EBADF;

	if (plan->setgroups_denied)
		return true;
	procfs = procfs_open(NULL);
	return procfs >= 0 && procfs_read(procfs, "self/setgroups", 16, &content) == 0 &&
	       strncmp(content.data, "deny", 4) == 0;
}

static int set_groups(const struct process_plan *plan, struct error *err)
{
	if (!plan->setgroups_denied && setgroups(plan->additional_gid_count, plan->additional_gids) == 0)
		return 0;
	if (plan->setgroups_denied || (errno == EPERM && setgroups_is_denied(plan))) {
		if (!plan->additional_gid_count)
			return 0;
		return error_set(err, -EPERM, "set additional groups: setgroups(2) is denied in this user namespace");
	}
	return error_set(err, errno, "set %u additional groups", plan->additional_gid_count);
}

/*
 * The process is to be able to open /dev/stdout again. Only pipes: what else may be there (a file of the caller's, the
 * caller's terminal, a device node of the host) keeps its owner.
 */
static void give_standard_pipes(uid_t uid)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		struct stat status;

		if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && status.st_uid != uid) {
			/* Not possible where its present owner is not mapped; then it stays as it is. */
			int ignored = fchown(fd, uid, (gid_t)-1);

			(void)ignored;
		}
	}
}

static int set_user(const struct process_plan *plan, struct error *err)
{
	int result = set_groups(plan, err);

	if (result < 0)
		return result;
	if (setresgid(plan->gid, plan->gid, plan->gid) < 0)
		return error_set(err, errno, "set the group id %u%s", plan->gid,
			errno == EINVAL ? " (it is not mapped in the user namespace)" : "");
	/* Capabilities outlive the change of user; the flag itself ends with execve. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "keep capabilities across the change of user");
	if (setresuid(plan->uid, plan->uid, plan->uid) < 0)
		return error_set(err, errno, "set the user id %u%s", plan->uid,
			errno == EINVAL ? " (it is not mapped in the user namespace)" : "");
	return 0;
}

int process_apply_credentials(const struct process_plan *plan, struct error *err)
{
	struct process_capabilities wanted = wanted_capabilities(plan);
	uint64_t admin = process_keeps_admin(plan) ? CAPABILITY_BIT(CAP_SYS_ADMIN) : 0;
	int result = check_capabilities(&wanted, admin, err);

	if (result < 0)
		return result;
	give_standard_pipes(plan->uid);
	result = drop_bounding(wanted.bounding, err);
	if (result == 0)
		result = set_user(plan, err);
	if (result == 0)
		result = set_capabilities(&wanted, admin, err);
	if (result == 0)
		result = set_ambient(wanted.ambient, err);
	return result;
}
