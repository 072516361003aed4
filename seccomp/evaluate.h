/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a filter answers, found out by running it as the kernel does (seccomp(2), Linux
 * Documentation/networking/filter.rst), whoever made it: libseccomp, prefix.c, or the tables of the monitor's threads.
 */
#ifndef DUET_SECCOMP_EVALUATE_H
#define DUET_SECCOMP_EVALUATE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value (SECCOMP_RET_*) for one call; SECCOMP_RET_KILL_PROCESS for a program that the kernel would not take. */
uint32_t seccomp_evaluate(const struct sock_filter *filter, size_t count, const struct seccomp_data *data);

enum seccomp_reach {
	SECCOMP_REACH_NEVER,     /* whatever its arguments are, it is not executed */
	SECCOMP_REACH_SOMETIMES, /* it depends on the arguments */
	SECCOMP_REACH_ALWAYS,
};

/* Can an x86-64 system call of that number be executed? Both ways of every comparison that depends on arguments are
 * looked at, so that the answer errs to SOMETIMES only. ALLOW and LOG execute it; NOTIFY and TRACE leave it to somebody
 * else, which counts as SOMETIMES. */
enum seccomp_reach seccomp_reach(const struct sock_filter *filter, size_t count, uint32_t number);

/* Is there an x86-64 system call of that number, as far as libseccomp and duet know? Numbers end below
 * SECCOMP_NUMBERS. */
#define SECCOMP_NUMBERS 512U
bool seccomp_number_exists(uint32_t number);
/* Its name, allocated; NULL: there is none. */
char *seccomp_number_name(uint32_t number);

#endif
