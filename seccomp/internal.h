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
enum { SECCOMP_FORMAT_VERSION = 3 };

/* More than libseccomp knows. */
enum { SECCOMP_ARCHITECTURES_MAX = 64 };

/* The value that a filter returns for an action (SECCOMP_RET_*, <linux/seccomp.h>), which is libseccomp's SCMP_ACT_*
 * too. */
uint32_t seccomp_action_value(enum oci_seccomp_action action, const struct oci_u64 *errno_ret);
/* Is action a at least as strict as b? The kernel's own order of precedence (seccomp(2)). */
bool seccomp_at_least_as_strict(uint32_t a, uint32_t b);
/* Do `args` name one argument twice, so that every condition is a rule of its own? */
bool seccomp_arguments_are_alternatives(const struct oci_seccomp_rule *rule);

/* ---- names.c: system calls that are newer than libseccomp ---- */

/* The number of a system call on an architecture (SCMP_ARCH_*), by duet's own table; -1: not there. */
int seccomp_newer_number(uint32_t architecture, const char *name);
bool seccomp_newer_known(const char *name);
/* By its number on x86-64, or NULL. */
const char *seccomp_newer_name(uint32_t number);

/* ---- prefix.c: the instructions in front of libseccomp's ---- */

struct seccomp_prefix {
	const struct oci_seccomp *profile;
	const uint32_t *architectures; /* SCMP_ARCH_*, all that the filter has */
	size_t architecture_count;     /* at most SECCOMP_ARCHITECTURES_MAX */
	uint32_t default_value;        /* the default action as SECCOMP_RET_* */
	bool answer_newer;             /* ENOSYS for what is newer than the profile */
};

/* Appends struct sock_filter to *out; appends nothing when the profile needs no prefix. The program goes on behind it.
 */
void seccomp_prefix_generate(const struct seccomp_prefix *prefix, struct strbuf *out);
/* Is it one of the calls through which i386 and its like make others? libseccomp has to know what a profile says of it:
 * conditions on `socket` say nothing of socketcall(2), whose arguments are in memory, so several rules for `socket`
 * would contradict each other there. */
bool seccomp_multiplexes(const char *name);
/* Does the prefix do all that this rule asks for this call? libseccomp need not know of it then. */
bool seccomp_prefix_settles(const struct seccomp_prefix *prefix, const struct oci_seccomp_rule *rule, const char *name);

/* ---- conditions.c ---- */

/* A rule with conditions on one system call; goes on behind itself, with the number loaded, when they do not hold. */
void seccomp_emit_conditional_rule(struct strbuf *out, const struct oci_seccomp_rule *rule, uint32_t number);

/* ---- tree.c ---- */

#define SECCOMP_GO_ON UINT32_MAX /* no action: to libseccomp's program */

struct seccomp_call {
	uint32_t number, value; /* value: SECCOMP_RET_* or SECCOMP_GO_ON */
	size_t order;           /* of two for one number the first holds */
};

struct seccomp_ranges {
	struct seccomp_call *calls;
	size_t count, capacity;
	uint32_t beyond; /* the value of all numbers above the highest call's; numbers in between go on */
};

void seccomp_ranges_add(struct seccomp_ranges *ranges, uint32_t number, uint32_t value);
void seccomp_ranges_free(struct seccomp_ranges *ranges);
/* Emits the tree, with the number loaded before. The places of the jumps that go on are appended to *exits (size_t
 * each). */
void seccomp_emit_tree(struct strbuf *out, struct seccomp_ranges *ranges, struct strbuf *exits);

/* ---- flags.c ---- */

/* Does this kernel know an action (SECCOMP_RET_*)? */
bool seccomp_action_available(uint32_t action);

/* The flags to load with, checked against the kernel. */
int seccomp_load_flags(const struct oci_seccomp *profile, bool notify, uint32_t *flags, struct error *err);

#endif
