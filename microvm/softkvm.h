/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions of the guest's kernel that a software-only KVM cannot execute, finished by the monitor.
 *
 * An implementation of KVM without hardware support (kvm-pvm) runs the guest's kernel in KVM's instruction emulator,
 * which knows what hardware KVM needs to emulate and little more. For the rest it leaves with KVM_EXIT_INTERNAL_ERROR,
 * the vCPU standing at the instruction. softkvm_finish() does that instruction on the vCPU's registers and memory and
 * steps over it. Never used on hardware.
 *
 * It knows what Linux uses in kernel mode: XSAVE, XSAVEOPT and XRSTOR in the standard form, XGETBV, XSETBV, FNINIT,
 * FNSTCW, FNSTSW, FWAIT, LDMXCSR, STMXCSR, POPCNT, CMPXCHG16B, CRC32, RDTSCP, RDRAND, RDSEED, STAC, CLAC, VERR, VERW,
 * CLWB, INT3. Everything else is refused with its address and bytes.
 */
#ifndef DUET_MICROVM_SOFTKVM_H
#define DUET_MICROVM_SOFTKVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "microvm/memory.h"

/*
 * Words for the guest kernel's command line on such a host; microvm/guest/kernel/README.md has the reasons and the
 * figures. First the features that the guest must not use although CPUID, which cannot be changed there, shows them:
 * what the emulator executes wrongly or not at all. The next ones save seconds of boot. The last is the guest kernel's
 * patch for SYSCALL.
 */
/* The clock: this KVM cannot set a guest's time stamp counter, which would leap when a guest goes on from a snapshot;
 * kvm-clock's can be set. And the kernel's RCU thread need not look twice a tick for processors that rest: nobody
 * waits for it (rcupdate.rcu_expedited). */
#define SOFTKVM_CMDLINE                                                                                        \
	"clearcpuid=popcnt,erms,fsrm,cx16,smap,smep,umip,invpcid,pcid,fsgsbase,xsaveopt,xsavec,xsaves,xgetbv1" \
	" mitigations=off rodata=off percpu_alloc=page initcall_blacklist=param_sysfs_init,irq_sysfs_init"     \
	" duet_syscall_repair clocksource=kvm-clock"                                                           \
	" rcutree.jiffies_till_first_fqs=100 rcutree.jiffies_till_next_fqs=100"

#define SOFTKVM_COMPONENTS 64

/* Where each component of the extended state lies in the standard form of the XSAVE area (CPUID leaf 0xd). */
struct softkvm_layout {
	struct {
		uint32_t offset, size_bytes;
	} components[SOFTKVM_COMPONENTS];
};

void softkvm_read_layout(struct softkvm_layout *layout);

/* The parts of a vCPU that are fetched when needed; each returns 0 or a negative errno. */
struct softkvm_state {
	int (*get_xsave)(void *owner, void *area); /* the standard form, area_bytes long */
	int (*set_xsave)(void *owner, const void *area);
	int (*get_xcr0)(void *owner, uint64_t *xcr0);
	int (*set_xcr0)(void *owner, uint64_t xcr0);
	int (*get_msr)(void *owner, uint32_t index, uint64_t *value);
};

struct softkvm_cpu {
	struct kvm_regs *regs;   /* changed by what the instruction does */
	struct kvm_sregs *sregs; /* read, but for cr2 of a page fault */
	const struct guest_memory *memory;
	const struct softkvm_layout *layout;
	const struct softkvm_state *state;
	void *owner; /* passed to the functions of `state` */
	void *area;  /* room for one XSAVE area */
	size_t area_bytes;
	/* Out: the instruction ends in an exception, which the caller injects. */
	struct {
		bool raised, has_code;
		uint8_t vector;
		uint32_t code;
	} exception;
};

/* Finishes the instruction at RIP. 0: done, or an exception is to be injected; negative errno: not known, or broken. */
int softkvm_finish(struct softkvm_cpu *cpu, struct error *err);

#endif
