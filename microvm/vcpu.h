/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual processors: one thread each, in KVM_RUN until the guest wants something of the monitor or somebody wants
 * something of the guest.
 */
#ifndef DUET_MICROVM_VCPU_H
#define DUET_MICROVM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "microvm/counts.h"
#include "microvm/cpuid.h"
#include "microvm/kvm.h"
#include "microvm/softkvm.h"
#include "microvm/softkvm_timer.h"

/* Gets a thread out of KVM_RUN. Ignored by default everywhere, and no signal that people send to containers. */
#define VCPU_KICK_SIGNAL SIGURG

/* Where the vCPUs' exits go; called on their threads. */
struct vcpu_bus {
	void (*mmio)(void *owner, uint64_t address, void *data, unsigned length, bool write);
	void (*port)(void *owner, uint16_t port, void *data, unsigned length, bool write);
	/* This vCPU cannot go on. */
	void (*crashed)(void *owner, const struct error *err);
	/* This vCPU has come upon a break point, or has made a step that it was to stop after. */
	void (*debugged)(void *owner, unsigned index);
	/* Whether an INT3 there is the debugger's. */
	bool (*is_break_point)(void *owner, uint64_t address);
	/* Once: the thread is confined (confine.h) and waits here for the others, or the reason why it ends instead. */
	void (*ready)(void *owner, const struct error *failure);
	void *owner;
};

/* What all vCPUs of a machine obey. */
struct vcpu_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping, paused;
	unsigned parked; /* threads that wait because of `paused` */
};

void vcpu_gate_init(struct vcpu_gate *gate);

struct vcpu {
	unsigned index;
	int fd;
	int statistics_fd;                 /* KVM's own; -EBADF: it has none */
	uint64_t exits[VCPU_EXIT_REASONS]; /* written by this vCPU's thread alone */
	struct kvm_run *run;
	size_t run_bytes;
	const struct vcpu_bus *bus;
	struct vcpu_gate *gate;
	pthread_t thread;
	bool started;
	pid_t thread_id; /* 0: not running; under gate->lock */
	/* Only on a software KVM; else NULL. */
	struct softkvm_cpu *soft;
	bool large_xsave;
	uint64_t tsc_khz;
	struct softkvm_timer timer;
	uint64_t rest_offset; /* where statistics_fd has the time at rest; 0: nowhere */
};

struct vcpu_options {
	struct cpuid_table *cpuid; /* numbered for this vCPU in passing */
	const struct guest_memory *memory;
	const struct softkvm_layout *soft_layout; /* NULL: hardware */
};

/* Makes the vCPU, with CPUID, MSRs and local APIC set; registers are as after reset. Zeroed *vcpu; needs vcpu_destroy()
 * in any case. */
int vcpu_create(struct vcpu *vcpu, const struct kvm_machine *machine, unsigned index,
	const struct vcpu_options *options, struct error *err);
int vcpu_start(struct vcpu *vcpu, const struct vcpu_bus *bus, struct vcpu_gate *gate, struct error *err);
/* Waits for the thread, which ends once gate->stopping is set and the vCPU was kicked. */
void vcpu_join(struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);

/* Makes vCPUs look at their gate, which stays in force until vcpu_release(). Under gate->lock. */
void vcpu_kick(struct vcpu *vcpu);
#define FILTER_ALLOW_VCPU_KICK FILTER_ALLOW(getpid), FILTER_ALLOW_ARGUMENT(tgkill, 2, VCPU_KICK_SIGNAL)
void vcpu_release(struct vcpu *vcpu);

#endif
