/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID answers in the guest: what KVM supports here, made to fit one package of single-threaded cores.
 */
#ifndef DUET_MICROVM_CPUID_H
#define DUET_MICROVM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define CPUID_ENTRIES_MAX 256

struct cpuid_table {
	/* As KVM_SET_CPUID2 takes it: a count, padding, the entries. */
	uint32_t count, padding;
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
};

struct cpuid_options {
	unsigned vcpus;
	bool hardware;     /* false: hide the paravirtual features that need VMCALL */
	bool tsc_deadline; /* KVM's local APIC has that mode */
};

/* KVM_GET_SUPPORTED_CPUID, then everything that is the same for each vCPU. */
int cpuid_prepare(struct cpuid_table *table, int kvm_fd, const struct cpuid_options *options, struct error *err);
/* What cpuid_prepare() does to the table after it was read; for tests. */
void cpuid_adjust(struct cpuid_table *table, const struct cpuid_options *options);
/* Puts in the numbers of one vCPU, whose local APIC id is its index. */
void cpuid_number(struct cpuid_table *table, unsigned index);

#endif
