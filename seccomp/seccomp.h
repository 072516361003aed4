/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From config.json's linux.seccomp to a program that the kernel loads, and the cache of such programs.
 *
 * libseccomp names the system calls and translates the rules with conditions. In front of its program stand
 * instructions of our own (prefix.c): rules without conditions, as a tree over ranges of numbers; system calls that the
 * library does not know; and the answer to those newer than the whole profile.
 *
 * What a profile means here, beyond the specification's words:
 * - `args` of one rule that name different arguments must all hold (AND). As soon as one argument is named twice, every
 *   condition becomes a rule of its own (OR), as runc has always done it.
 * - A rule without `args` settles its calls, whatever the rules with `args` say; of several such rules the first holds.
 *   Two rules with the same conditions and different actions are refused. As libseccomp does it.
 * - A rule whose action is the default action adds nothing and is left out.
 * - A name that neither libseccomp nor duet knows is passed over, with a warning, where the default action is at least
 *   as strict as the rule's; otherwise the profile is refused, since nothing could enforce the rule.
 * - When the default action denies, a system call with a higher number than every one in the profile answers ENOSYS and
 *   not the default action, so that a C library newer than the profile falls back to the calls that the profile knows.
 *   As in runc.
 * - The native architecture is always part of the filter. A system call of an architecture that is not part of it
 *   kills.
 * - errnoRet is EPERM where it is absent.
 * - NOTIFY is refused as the default action and for write(2) and sendmsg(2), which the process needs to hand its
 *   listener over.
 *
 * Source: runtime-spec config-linux.md "seccomp"; seccomp(2); seccomp_rule_add(3).
 */
#ifndef DUET_SECCOMP_SECCOMP_H
#define DUET_SECCOMP_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "oci/spec.h"

struct seccomp_program {
	struct sock_filter *filter;
	uint32_t count; /* instructions, 1 … BPF_MAXINSNS */
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* for seccomp(SECCOMP_SET_MODE_FILTER) */
	bool notify;    /* some rule notifies: flags hold SECCOMP_FILTER_FLAG_NEW_LISTENER and the call returns the
			   listener */
};

/*
 * Translates a profile. TSYNC is taken out of the flags: the process is single-threaded when it loads its filter.
 * Without any `flags` in the profile the flag is SPEC_ALLOW where the kernel has it, as in runc. Errors: -EINVAL for
 * what the profile says, -EOPNOTSUPP for what this libseccomp or kernel cannot do, -E2BIG for a program of more than
 * BPF_MAXINSNS instructions.
 */
int seccomp_compile(const struct oci_seccomp *profile, struct seccomp_program *program, struct error *err);

/*
 * The same through a cache: a directory (by descriptor) that belongs to the caller's effective user and that nobody
 * else may write to. The key is the SHA-256 of everything that shapes the program. An entry that is damaged, or not a
 * private file of this user, is never used; it is compiled anew and replaced. A cache that cannot be read or written is
 * only slower. cache_directory -1: none. *cached, where not NULL, says whether the program came from the cache.
 */
int seccomp_compile_cached(int cache_directory, const struct oci_seccomp *profile, struct seccomp_program *program,
	bool *cached, struct error *err);

void seccomp_program_free(struct seccomp_program *program);
#define cleanup_seccomp_program cleanup(seccomp_program_free)

#endif
