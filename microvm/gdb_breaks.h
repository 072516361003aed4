/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The debugger's break points: those of the processor (KVM_GUESTDBG_USE_HW_BP, linux Documentation/virt/kvm/api.rst,
 * 4.87), and INT3 instructions in guest memory. Everything here is done while all vCPUs stand still.
 */
#ifndef DUET_MICROVM_GDB_BREAKS_H
#define DUET_MICROVM_GDB_BREAKS_H

#include "microvm/translate.h"
#include "microvm/vm_internal.h"

#define GDB_HARDWARE_BREAKS 4

struct gdb_breaks {
	struct vm *vm;                               /* whose break_points are those in memory */
	uint64_t hardware[GDB_HARDWARE_BREAKS];      /* 0: none */
	unsigned char *replaced_at[VM_BREAK_POINTS]; /* where INT3 stands for each of vm->break_points */
	unsigned char replaced[VM_BREAK_POINTS];     /* and what stood there before */
};

/* Whether there was room for it, and memory at that address. */
bool gdb_breaks_set(
	struct gdb_breaks *breaks, const struct translation *translation, uint64_t address, bool by_processor);
void gdb_breaks_remove(struct gdb_breaks *breaks, uint64_t address, bool by_processor);
/* All of them. */
void gdb_breaks_clear(struct gdb_breaks *breaks);
/* Whether an INT3 of ours stands there. */
bool gdb_breaks_at(const struct gdb_breaks *breaks, uint64_t address);
/* Around the debugger's accesses to memory: it sees and changes what was there before. */
void gdb_breaks_hide(struct gdb_breaks *breaks, bool hidden);
/* Tells KVM. step: the vCPU that stops after its next instruction; negative: none. */
void gdb_breaks_apply(const struct gdb_breaks *breaks, bool enabled, int step);

#endif
