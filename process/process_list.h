/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `ps` shows of a set of processes, read from proc(5): on the host for a container, by the guest's init for a
 * micro-VM, and carried between them as bytes.
 */
#ifndef DUET_PROCESS_PROCESS_LIST_H
#define DUET_PROCESS_PROCESS_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/wire.h"

#define PROCESS_LIST_MAX 65536 /* more are refused by decode */

struct process_entry {
	pid_t pid, parent; /* in the pid namespace of the reader */
	uid_t uid;
	char state;      /* R, S, D, Z, T, … */
	uint64_t cpu_ms; /* user and system time used */
	uint64_t age_ms; /* since it began */
	uint64_t resident_bytes;
	int terminal;  /* device number, 0: none */
	char *command; /* the arguments joined by spaces; "[name]" where there are none */
};

struct process_list {
	struct process_entry *entries;
	size_t count;
};

/* Reads the given processes below an open /proc; those that have gone meanwhile are left out. */
int process_list_read(int proc_fd, const pid_t *pids, size_t pid_count, struct process_list *list, struct error *err);
void process_list_free(struct process_list *list);
#define cleanup_process_list cleanup(process_list_free)

void process_list_encode(const struct process_list *list, struct strbuf *out);
/* Nothing of it is trusted: control characters in commands have become '?'. */
int process_list_decode(struct process_list *list, struct wire_reader *in, struct error *err);

#endif
