/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Landlock policy: made while the process still may open everything, put into force last before the seccomp filter.
 */
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/process_internal.h"

/* struct landlock_ruleset_attr of version 6; an older kernel takes it while what it does not know is zero. */
struct ruleset_attributes {
	uint64_t files, network, scopes;
};

/* struct landlock_net_port_attr of version 4. */
struct port_attributes {
	uint64_t allowed, port;
};

enum { RULE_NET_PORT = 2 };

/* The rights that a file that is no directory can have; for the others a rule on it would be an error. */
#define RIGHTS_OF_FILES                                                                                         \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | 1U << 14 | \
		1U << 15)

static int check_version(unsigned int wanted, struct error *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 0)
		return error_set(err, -ENOTSUP, "apply the Landlock policy: this kernel has no Landlock%s",
			errno == EOPNOTSUPP ? " enabled (lsm=landlock,…)" : "");
	if (version < (long)wanted)
		return error_set(err, -ENOTSUP,
			"apply the Landlock policy: it is for version %u of Landlock, this kernel has version %ld",
			wanted, version);
	return 0;
}

static int add_path(int ruleset, const struct process_landlock_rule *rule, struct error *err)
{
	cleanup_fd int fd = open(rule->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr attributes = { .allowed_access = rule->rights, .parent_fd = fd };
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set(err, errno, "apply the Landlock policy: open \"%s\"", rule->path);
	if (!S_ISDIR(status.st_mode))
		attributes.allowed_access &= RIGHTS_OF_FILES;
	/* A rule that allows nothing is refused by the kernel, and needless. */
	if (attributes.allowed_access &&
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attributes, 0) < 0)
		return error_set(err, errno, "apply the Landlock policy: add the rule for \"%s\"", rule->path);
	return 0;
}

static int add_port(int ruleset, const struct process_landlock_rule *rule, struct error *err)
{
	const struct port_attributes attributes = { .allowed = rule->rights, .port = rule->port };

	if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attributes, 0) < 0)
		return error_set(err, errno, "apply the Landlock policy: add the rule for port %u", rule->port);
	return 0;
}

int process_make_landlock(struct process_plan *plan, struct error *err)
{
	struct process_landlock *landlock = &plan->landlock;
	const struct ruleset_attributes attributes = {
		.files = landlock->handled_files, .network = landlock->handled_network, .scopes = landlock->scopes
	};
	cleanup_fd int ruleset = -EBADF;
	int result;

	if (!landlock->set)
		return 0;
	result = check_version(landlock->abi, err);
	if (result < 0)
		return result;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return error_set(err, errno, "apply the Landlock policy: make the ruleset");
	for (uint32_t i = 0; i < landlock->rule_count && result == 0; i++) {
		const struct process_landlock_rule *rule = &landlock->rules[i];

		result = rule->path ? add_path(ruleset, rule, err) : add_port(ruleset, rule, err);
	}
	if (result == 0)
		landlock->ruleset_fd = take_fd(&ruleset);
	return result;
}

int process_enforce_landlock(const struct process_plan *plan, struct error *err)
{
	int ruleset = plan->landlock.ruleset_fd;

	if (!plan->landlock.set || plan->landlock.enforced)
		return 0;
	if (ruleset <= 0)
		return error_set(err, -EINVAL, "apply the Landlock policy: it was not made");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_set(err, errno, "apply the Landlock policy");
	(void)close(ruleset);
	return 0;
}
