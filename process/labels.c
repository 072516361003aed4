/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/procfs.h"
#include "process/process_internal.h"

enum { KEY_USER_SEARCH = 0x00080000 };

/* The attribute of the next execve (proc(5), attr/). AppArmor has its own directory since Linux 5.1, so that it can be
 * stacked. */
static int write_exec_attribute(int procfs, bool apparmor, const char *value)
{
	int result = -ENOENT;

	if (apparmor)
		result = procfs_write(procfs, "self/attr/apparmor/exec", value);
	if (result == -ENOENT)
		result = procfs_write(procfs, "self/attr/exec", value);
	return result;
}

int process_apply_labels(const struct process_plan *plan, struct error *err)
{
	cleanup_fd int procfs = -EBADF;
	int result = 0;

	if (!plan->apparmor_profile && !plan->selinux_label)
		return 0;
	procfs = procfs_open(err);
	if (procfs < 0)
		return procfs;
	if (plan->apparmor_profile) {
		cleanup_free char *command = xprintf("exec %s", plan->apparmor_profile);

		result = write_exec_attribute(procfs, true, command);
		if (result < 0)
			return error_set(err, -result,
				"apply the AppArmor profile \"%s\" (is AppArmor enabled and the profile loaded?)",
				plan->apparmor_profile);
	}
	if (plan->selinux_label) {
		result = write_exec_attribute(procfs, false, plan->selinux_label);
		if (result < 0)
			return error_set(err, -result, "apply the SELinux label \"%s\" (is SELinux enabled?)",
				plan->selinux_label);
	}
	return 0;
}

int process_join_keyring(const struct process_plan *plan, struct error *err)
{
	char description[256] = "";
	unsigned int permissions;
	long ring;

	if (!plan->new_keyring)
		return 0;
	ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, plan->keyring_name);
	/* A kernel without keys, or a filter of the outside that forbids them: the process simply shares nothing. */
	if (ring < 0 && (errno == ENOSYS || errno == EPERM))
		return 0;
	if (ring < 0)
		return error_set(err, errno, "join a new session keyring");
	/* A later exec joins the ring by its name, for which its user needs to find it:
	 * "keyring;uid;gid;permissions;name". */
	if (plan->keyring_name &&
		syscall(SYS_keyctl, KEYCTL_DESCRIBE, ring, description, sizeof(description) - 1) > 0 &&
		sscanf(description, "%*[^;];%*d;%*d;%x;", &permissions) == 1)
		(void)syscall(SYS_keyctl, KEYCTL_SETPERM, ring, permissions | KEY_USER_SEARCH);
	return 0;
}
