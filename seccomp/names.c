/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that came after libseccomp 2.5.4 (Linux 5.16; Debian's goes to 6.7). libseccomp is asked first, so a
 * newer library makes this table idle.
 *
 * Source: Linux scripts/syscall.tbl and arch/x86/entry/syscalls/syscall_64.tbl, 6.18. From 424 on all architectures
 * share one number per system call; those of the MIPS ABIs count from a base.
 */
#include "seccomp/internal.h"

#include <seccomp.h>
#include <string.h>

enum { MIPS_O32_BASE = 4000, MIPS_N64_BASE = 5000, MIPS_N32_BASE = 6000, X32_BIT = 0x40000000 };

struct newer_call {
	const char *name;
	int number;
	bool only_x86_64;
};

static const struct newer_call newer_calls[] = {
	{ "uretprobe", 335, true },
	{ "uprobe", 336, true },
	{ "set_mempolicy_home_node", 450, false },
	{ "cachestat", 451, false },
	{ "fchmodat2", 452, false },
	{ "map_shadow_stack", 453, false },
	{ "futex_wake", 454, false },
	{ "futex_wait", 455, false },
	{ "futex_requeue", 456, false },
	{ "statmount", 457, false },
	{ "listmount", 458, false },
	{ "lsm_get_self_attr", 459, false },
	{ "lsm_set_self_attr", 460, false },
	{ "lsm_list_modules", 461, false },
	{ "mseal", 462, false },
	{ "setxattrat", 463, false },
	{ "getxattrat", 464, false },
	{ "listxattrat", 465, false },
	{ "removexattrat", 466, false },
	{ "open_tree_attr", 467, false },
	{ "file_getattr", 468, false },
	{ "file_setattr", 469, false },
};

static const struct newer_call *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(newer_calls); i++) {
		if (strcmp(newer_calls[i].name, name) == 0)
			return &newer_calls[i];
	}
	return NULL;
}

bool seccomp_newer_known(const char *name)
{
	return find(name) != NULL;
}

int seccomp_newer_number(uint32_t architecture, const char *name)
{
	const struct newer_call *call = find(name);

	if (!call || (call->only_x86_64 && architecture != SCMP_ARCH_X86_64))
		return -1;
	switch (architecture) {
	case SCMP_ARCH_X32:
		return X32_BIT | call->number;
	case SCMP_ARCH_MIPS:
	case SCMP_ARCH_MIPSEL:
		return MIPS_O32_BASE + call->number;
	case SCMP_ARCH_MIPS64:
	case SCMP_ARCH_MIPSEL64:
		return MIPS_N64_BASE + call->number;
	case SCMP_ARCH_MIPS64N32:
	case SCMP_ARCH_MIPSEL64N32:
		return MIPS_N32_BASE + call->number;
	default:
		return call->number;
	}
}

const char *seccomp_newer_name(uint32_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(newer_calls); i++) {
		if ((uint32_t)newer_calls[i].number == number)
			return newer_calls[i].name;
	}
	return NULL;
}
