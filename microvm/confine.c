/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/confine.h"

#include <linux/capability.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED   true
#define STACK_BYTES (1U << 20)
#else
#define SANITIZED   false
#define STACK_BYTES (256U << 10)
#endif

void confine_prepare(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
}

int confine_start_thread(pthread_t *thread, void *(*start)(void *argument), void *argument)
{
	pthread_attr_t attributes;
	int result = pthread_attr_init(&attributes);

	if (result)
		return result;
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	result = pthread_create(thread, &attributes, start, argument);
	(void)pthread_attr_destroy(&attributes);
	return result;
}

void confine_drop_bounding_set(void)
{
	/* EINVAL: the kernel knows no more of them. EPERM: no CAP_SETPCAP. */
	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++) {
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int confine_drop_capabilities(struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	confine_drop_bounding_set();
	/* By hand: of the calling thread alone, as the kernel has it. */
	if (syscall(SYS_capset, &header, none) < 0)
		return error_set(err, errno, "drop the capabilities of a thread of the monitor");
	return 0;
}

int confine_system_calls(const struct thread_filter *filter, struct error *err)
{
	const struct sock_fprog program = {
		.len = filter->count,
		.filter = (struct sock_filter *)(uintptr_t)filter->instructions,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "set no_new_privs for the %s thread", filter->thread);
	if (!SANITIZED && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_set(err, errno, "install the system call filter of the %s thread", filter->thread);
	return 0;
}
