/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/fs/credentials.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "microvm/confine.h"

#define BIT(capability) (UINT64_C(1) << (capability))

/* Not CAP_DAC_READ_SEARCH: CAP_DAC_OVERRIDE says as much for names, and without it file handles cannot be opened
 * (open_by_handle_at(2)), which would reach outside of the served directory. */
static const uint64_t needed =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_SETUID) | BIT(CAP_SETGID);
static const uint64_t welcome = BIT(CAP_MKNOD) | BIT(CAP_SETFCAP);

static int set_capabilities(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted, .inheritable = 0 },
		{ .effective = (uint32_t)(effective >> 32),
			.permitted = (uint32_t)(permitted >> 32),
			.inheritable = 0 },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int get_permitted(uint64_t *permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

/* What was there before the file server: supplementary groups, and ids that a change of file-system ids would act upon.
 */
static int become_server(struct fs_credentials *credentials, struct error *err)
{
	int securebits = prctl(PR_GET_SECUREBITS);

	if ((credentials->permitted & needed) != needed)
		return error_set(err, EPERM,
			"serve files under their users' names (CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, "
			"CAP_SETUID, "
			"CAP_SETGID are needed)");
	/* In a user namespace this may be forbidden (user_namespaces(7), setgroups); then there is nothing to gain by
	 * them. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
		return error_set(err, errno, "drop the supplementary groups of the file server");
	credentials->ids_keep_caps =
		securebits >= 0 && prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0;
	credentials->permitted &= needed | welcome;
	return 0;
}

int fs_credentials_enter(struct fs_credentials *credentials, bool capabilities, struct error *err)
{
	struct fs_credentials made = { .capable = capabilities };
	int result = get_permitted(&made.permitted);

	if (result < 0)
		return error_set(err, -result, "read the capabilities of the file server");
	/* The umask and the working directory are shared by all threads otherwise (clone(2), CLONE_FS). */
	if (unshare(CLONE_FS) < 0)
		return error_set(err, errno, "give the file server a working directory of its own");
	if (capabilities) {
		result = become_server(&made, err);
		if (result < 0)
			return result;
	} else {
		made.permitted = 0;
	}
	confine_drop_bounding_set();
	result = set_capabilities(made.permitted, made.permitted);
	if (result < 0)
		return error_set(err, -result, "drop the capabilities that the file server does not need");
	made.effective = made.permitted;
	/* An invalid id changes nothing and answers the one in force (setfsuid(2)). */
	made.uid = (uid_t)syscall(SYS_setfsuid, -1);
	made.gid = (gid_t)syscall(SYS_setfsgid, -1);
	made.umask = 0;
	(void)umask(0);
	*credentials = made;
	return 0;
}

int fs_credentials_act_as(struct fs_credentials *credentials, uid_t uid, gid_t gid)
{
	bool changed = false;

	if (!credentials->capable)
		return 0;
	if (gid != credentials->gid) {
		(void)syscall(SYS_setfsgid, gid);
		credentials->gid = (gid_t)syscall(SYS_setfsgid, -1);
		changed = true;
	}
	if (uid != credentials->uid) {
		(void)syscall(SYS_setfsuid, uid);
		credentials->uid = (uid_t)syscall(SYS_setfsuid, -1);
		changed = true;
	}
	if (changed && !credentials->ids_keep_caps) {
		int result = set_capabilities(credentials->permitted, credentials->effective);

		if (result < 0)
			return result;
	}
	return credentials->uid == uid && credentials->gid == gid ? 0 : -EOVERFLOW;
}

void fs_credentials_umask(struct fs_credentials *credentials, mode_t mask)
{
	mask &= 0777;
	if (mask != credentials->umask)
		(void)umask(mask);
	credentials->umask = mask;
}

int fs_credentials_keep_setid(struct fs_credentials *credentials, bool keep)
{
	uint64_t wanted = credentials->effective & ~BIT(CAP_FSETID);
	int result;

	if (keep)
		wanted |= credentials->permitted & BIT(CAP_FSETID);
	if (wanted == credentials->effective)
		return 0;
	result = set_capabilities(credentials->permitted, wanted);
	if (result == 0)
		credentials->effective = wanted;
	return result;
}
