/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of seccomp/ share.
 */
#ifndef DUET_SECCOMP_INTERNAL_H
#define DUET_SECCOMP_INTERNAL_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/spec.h"
#include "seccomp/seccomp.h"

/* Part of the cache's key: raise it whenever the same profile would give another program. */
enum { SECCOMP_FORMAT_VERSION = 1 };

/* More than libseccomp knows. */
enum { SECCOMP_ARCHITECTURES_MAX = 64 };

/* The value that a filter returns for an action (SECCOMP_RET_*, <linux/seccomp.h>), which is libseccomp's SCMP_ACT_* too. */
uint32_t seccomp_action_value(enum oci_seccomp_action action, const struct oci_u64 *errno_ret);
/* Is action a at least as strict as b? The kernel's own order of precedence (seccomp(2)). */
bool seccomp_at_least_as_strict(uint32_t a, uint32_t b);
/* Do `args` name one argument twice, so that every condition is a rule of its own? */
bool seccomp_arguments_are_alternatives(const struct oci_seccomp_rule *rule);

/* ---- names.c: system calls that are newer than libseccomp ---- */

/* The number of a system call on an architecture (SCMP_ARCH_*), by duet's own table; -1: not there. */
int seccomp_newer_number(uint32_t architecture, const char *name);
bool seccomp_newer_known(const char *name);

/* ---- prefix.c: the instructions in front of libseccomp's ---- */

struct seccomp_prefix {
	const struct oci_seccomp *profile;
	const uint32_t *architectures; /* SCMP_ARCH_*, all that the filter has */
	size_t architecture_count;     /* at most SECCOMP_ARCHITECTURES_MAX */
	uint32_t default_value;        /* the default action as SECCOMP_RET_* */
	bool answer_newer;             /* ENOSYS for what is newer than the profile */
};

/* Appends struct sock_filter to *out; appends nothing when the profile needs no prefix. The program goes on behind it. */
void seccomp_prefix_generate(const struct seccomp_prefix *prefix, struct strbuf *out);

/* ---- flags.c ---- */

/* The flags to load with, checked against the kernel. */
int seccomp_load_flags(const struct oci_seccomp *profile, bool notify, uint32_t *flags, struct error *err);

#endif
