/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fewer timer interrupts for a busy guest on a software-only KVM.
 *
 * There one tick of the guest's kernel, with what it wakes, takes 2 to 8 ms of processor time: at 100 ticks a second
 * half a processor or more, and where the host's processors are shared, all of what the guest gets. So writes of the
 * TSC deadline register come to the monitor. Where a guest that mostly works has its timer go off and sets it anew,
 * that is the next tick, and the vCPU runs on for longer before it is interrupted. A guest that mostly rests, and what
 * a busy one sets while its timer has yet to go off (somebody goes to sleep there), is interrupted as it wanted. Never
 * used on hardware.
 */
#ifndef DUET_MICROVM_SOFTKVM_TIMER_H
#define DUET_MICROVM_SOFTKVM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* IA32_TSC_DEADLINE (Intel SDM volume 3, 11.5.4.1). */
#define SOFTKVM_TIMER_MSR 0x6e0U

/* How far a vCPU thread has come: its processor time, the time, and for how much of that the guest had it wait (HLT).
 */
struct softkvm_progress {
	uint64_t processor_ns, wall_ns, rested_ns;
};

/* Has KVM hand writes of the register to the monitor (KVM_EXIT_X86_WRMSR). */
int softkvm_timer_intercept(int vm_fd, struct error *err);

/* Reads the calling thread's progress; rested_ns is what KVM counts (halt_wait_ns), if it does. */
void softkvm_timer_progress(uint64_t rested_ns, bool rests_known, struct softkvm_progress *progress);

/* One vCPU's timer; zero at first. */
struct softkvm_timer {
	struct softkvm_progress last;  /* when the guest set it last */
	uint64_t worked_ns, rested_ns; /* of late: older times weigh less */
	uint64_t deadline;             /* that was set last, in ticks of the guest's time stamp counter; 0: none */
};

/* The deadline to set when the guest wants `wanted` (0: none), both in ticks of its time stamp counter, which is at
 * `now`. */
uint64_t softkvm_timer_deadline(struct softkvm_timer *timer, uint64_t wanted, uint64_t now, uint64_t tsc_khz,
	const struct softkvm_progress *progress);

#endif
