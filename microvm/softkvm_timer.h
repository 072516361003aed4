/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fewer timer interrupts for a busy guest on a software-only KVM.
 *
 * There one tick of the guest's kernel takes 1 to 3 ms of processor time: at 100 ticks a second a sixth of a processor
 * or more, and where the host's processors are shared, all of what the guest gets. So writes of the TSC deadline
 * register come to the monitor, which lets a vCPU that has not rested for a while run on before it is interrupted. A
 * guest that rests now and then is interrupted when it wanted to be. Never used on hardware.
 */
#ifndef DUET_MICROVM_SOFTKVM_TIMER_H
#define DUET_MICROVM_SOFTKVM_TIMER_H

#include <stdint.h>

#include "base/error.h"

/* IA32_TSC_DEADLINE (Intel SDM volume 3, 11.5.4.1). */
#define SOFTKVM_TIMER_MSR 0x6e0U

/* How far a vCPU thread has come: its processor time, the time, how often it went to sleep of its own accord. */
struct softkvm_progress {
	uint64_t processor_ns, wall_ns, rests;
};

/* Has KVM hand writes of the register to the monitor (KVM_EXIT_X86_WRMSR). */
int softkvm_timer_intercept(int vm_fd, struct error *err);

/* Reads the calling thread's progress. */
void softkvm_timer_progress(struct softkvm_progress *progress);

/* One vCPU's timer; zero at first. */
struct softkvm_timer {
	struct softkvm_progress last; /* when the guest set it last */
	uint64_t awake_since_ns;      /* processor time at which the vCPU was last known to have rested */
};

/* The deadline to set when the guest wants `wanted` (0: none), both in ticks of its time stamp counter, which is at
 * `now`. */
uint64_t softkvm_timer_deadline(struct softkvm_timer *timer, uint64_t wanted, uint64_t now, uint64_t tsc_khz,
	const struct softkvm_progress *progress);

#endif
