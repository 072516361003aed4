/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Flags are looked at before the program: a program that is not there answers EFAULT when the kernel knows them all
 * (seccomp(2), SECCOMP_GET_ACTION_AVAIL has no counterpart for flags). */
static bool kernel_has(uint32_t flags)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

bool seccomp_action_available(uint32_t action)
{
	uint32_t bare = action & SECCOMP_RET_ACTION_FULL;

	/* EINVAL: before 4.14 nobody could ask. */
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &bare) == 0 || errno != EOPNOTSUPP;
}

int seccomp_load_flags(const struct oci_seccomp *profile, bool notify, uint32_t *flags, struct error *err)
{
	uint32_t wanted = profile->flags_set ? profile->flags : SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	/* Both are about threads and listeners that are not there. */
	wanted &= ~(uint32_t)SECCOMP_FILTER_FLAG_TSYNC;
	if (notify)
		wanted |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	else
		wanted &= ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	if (wanted && !kernel_has(wanted)) {
		/* SPEC_ALLOW relaxes a mitigation: a default that an old kernel (before 4.17) may miss. */
		if (!profile->flags_set)
			wanted &= ~(uint32_t)SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		for (unsigned int bit = 0; bit < 32; bit++) {
			uint32_t flag = 1U << bit;

			/* WAIT_KILLABLE_RECV is only taken together with NEW_LISTENER. */
			if ((wanted & flag) && !kernel_has(flag | (notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0)))
				return error_set(err, -EOPNOTSUPP, "linux.seccomp.flags: this kernel does not have %s",
					oci_name_of(&oci_seccomp_flags, flag) ? oci_name_of(&oci_seccomp_flags, flag)
									      : "NEW_LISTENER");
		}
	}
	*flags = wanted;
	return 0;
}
