/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often what happened in a machine: exits to the monitor by their reason, counted here, and KVM's own statistics.
 *
 * Source: Linux Documentation/virt/kvm/api.rst, KVM_EXIT_* in 5 "The kvm_run structure" and 4.133 KVM_GET_STATS_FD.
 */
#ifndef DUET_MICROVM_COUNTS_H
#define DUET_MICROVM_COUNTS_H

#include <stddef.h>
#include <stdint.h>

/* KVM_EXIT_* that are told apart; greater ones count as the last. */
#define VCPU_EXIT_REASONS 48

struct vm_count {
	char *name; /* "io", "mmio", …; of KVM's own statistics with "kvm." before it */
	uint64_t count;
};

struct vm_counts { /* those that are not 0; each name once */
	struct vm_count *entries;
	size_t count;
};

void vm_counts_free(struct vm_counts *counts);
#define cleanup_vm_counts cleanup(vm_counts_free)

/* Adds to what there is. exits is written by another thread meanwhile. */
void vm_counts_add_exits(struct vm_counts *counts, const uint64_t exits[VCPU_EXIT_REASONS]);
/* From a descriptor that KVM_GET_STATS_FD gave; negative: nothing. Only sums since the beginning are taken. */
void vm_counts_add_kvm(struct vm_counts *counts, int statistics_fd);
/* Where in such a descriptor one of KVM's statistics is, to be read as 64 bits there; 0: it has none of that name. */
uint64_t vm_counts_offset(int statistics_fd, const char *name);

#endif
