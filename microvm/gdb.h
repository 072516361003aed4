/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stub for gdb(1): its remote serial protocol (gdb's manual, appendix E) over a stream socket, for one debugger at a
 * time. `target remote PATH` stops the machine; registers and memory can be read and written, execution be stepped and
 * continued, break points set: up to four of the processor's own (hbreak), more as instructions in memory; the machine
 * goes on, without them, when the debugger leaves. Each vCPU is a thread, numbered from 1.
 *
 * Addresses are virtual ones, by the page tables of the vCPU that the debugger looks at.
 */
#ifndef DUET_MICROVM_GDB_H
#define DUET_MICROVM_GDB_H

#include <linux/kvm.h>

#include "microvm/confine.h"
#include "microvm/vm.h"

struct gdb;

/* listen_fd stays the caller's. The machine has not been started. */
int gdb_create(struct gdb **gdb, struct vm *vm, int listen_fd, struct error *err);

/* What to wait for, POLLIN on each: the listener, a debugger, a break point. -EBADF: not now. */
#define GDB_SOURCES 3
void gdb_sources(const struct gdb *gdb, int fds[GDB_SOURCES]);
/* One of them is ready. */
void gdb_ready(struct gdb *gdb, unsigned source);
/* The machine belongs to a debugger. */
bool gdb_is_attached(const struct gdb *gdb);

/* What it asks of the kernel beyond what saving a machine does, for the filter of the thread that serves it. */
#define FILTER_ALLOW_GDB FILTER_ALLOW_IOCTL(KVM_SET_GUEST_DEBUG), FILTER_ALLOW_IOCTL(KVM_SET_REGS)

#endif
