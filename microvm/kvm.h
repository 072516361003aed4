/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/kvm: what it can do, and one machine made with it (Linux Documentation/virt/kvm/api.rst).
 */
#ifndef DUET_MICROVM_KVM_H
#define DUET_MICROVM_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "microvm/memory.h"
#include "microvm/vm.h"

/* What is known about the KVM module and the processor under it. */
struct kvm_evidence {
	bool module_intel, module_amd, module_software; /* loaded: kvm_intel, kvm_amd, kvm_pvm */
	bool processor_vmx, processor_svm;              /* what CPUID says where the monitor runs */
	bool nested_paging;                             /* the module's parameter `ept` or `npt` is on */
};

/* Decides from the evidence; fills host->hardware and host->description. */
void kvm_classify(const struct kvm_evidence *evidence, struct vm_host *host);

#define KVM_PAGE_BYTES 4096 /* of what a vCPU's mapping consists of */

struct kvm_machine {
	int vm_fd;
	int statistics_fd;  /* KVM_GET_STATS_FD; -EBADF: it has none */
	size_t run_bytes;   /* size of the kvm_run mapping of a vCPU */
	size_t xsave_bytes; /* what KVM_GET_XSAVE2 fills; 4096 where only KVM_GET_XSAVE exists */
	size_t ring_offset; /* in that mapping: the ring of stores that made no exit; 0: there is none */
	bool sync_regs;     /* registers can be exchanged through kvm_run */
	bool tsc_deadline;  /* the local APIC has the TSC deadline mode */
};

/* Checks the API and the capabilities that the monitor stands on (the error names the first one missing), makes the
 * machine with its interrupt controllers and timer. Returns 0 or a negative errno. */
int kvm_machine_create(struct kvm_machine *machine, int kvm_fd, struct error *err);
void kvm_machine_close(struct kvm_machine *machine);
int kvm_machine_set_memory(struct kvm_machine *machine, const struct guest_memory *memory, struct error *err);

/* Writing 8 bytes of event_fd pulses the interrupt line. */
int kvm_machine_irqfd(struct kvm_machine *machine, int event_fd, unsigned irq, struct error *err);
/* A guest's 4-byte store of `value` at `address` signals event_fd without an exit. */
int kvm_machine_ioeventfd(
	struct kvm_machine *machine, int event_fd, uint64_t address, uint32_t value, struct error *err);

/* Stores into these bytes make no exit but wait in the ring (linux Documentation/virt/kvm/api.rst, 4.116). */
int kvm_machine_coalesce(struct kvm_machine *machine, uint64_t address, unsigned length, struct error *err);

#endif
