/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's own data, for the files that make it up: vm.c (its life), vm_devices.c, vm_snapshot.c.
 */
#ifndef DUET_MICROVM_VM_INTERNAL_H
#define DUET_MICROVM_VM_INTERNAL_H

#include "microvm/devices/balloon.h"
#include "microvm/devices/fs/fs.h"
#include "microvm/devices/mmio.h"
#include "microvm/devices/net.h"
#include "microvm/devices/rng.h"
#include "microvm/devices/serial.h"
#include "microvm/kvm.h"
#include "microvm/layout.h"
#include "microvm/snapshot.h"
#include "microvm/vcpu.h"
#include "microvm/vm.h"

#define VM_BREAK_POINTS 64

struct vm {
	struct vm_host host;
	struct kvm_machine machine;
	struct guest_memory memory;
	struct softkvm_layout soft_layout;

	struct event_loop loop; /* of the vsock, rng, net and balloon devices */
	bool loop_made, io_started, started;
	pthread_t io_thread;

	/* Of vm_start(), under gate.lock. */
	unsigned threads_ready;
	struct error start_error; /* code 0: none */

	struct vsock *vsock;
	struct rng *rng;
	struct net *nets[VM_NETS_MAX];
	struct blk *disks[VM_DISKS_MAX];
	struct fs *fs;
	struct balloon *balloon;                /* NULL: none */
	struct mmio *slots[LAYOUT_SLOTS];       /* NULL: no device there */
	int debug_fd;                           /* eventfd: a vCPU has come upon a break point; -EBADF: nobody debugs */
	unsigned debugged_vcpu;                 /* which */
	uint64_t break_points[VM_BREAK_POINTS]; /* where INT3 stands for the debugger; 0: none. Changed while all stand
						   still */
	struct strbuf about; /* vm_snapshot.c: what a machine that goes on from this one must be like */
	bool serial_made;
	struct serial serial;

	struct vcpu *vcpus;
	unsigned vcpu_count;
	struct vcpu_bus bus;
	struct vcpu_gate gate;
	pthread_mutex_t ring_lock; /* whoever takes stores out of KVM's ring */

	/* Under gate.lock. */
	enum vm_stop_cause cause;
	struct error error;
	int event_fd;
};

/* vm.c: from then on break points stop the machine, and debug_fd says so. */
int vm_open_debug(struct vm *vm, struct error *err);

/* vm_devices.c: each into its slot, connected to KVM. */
int vm_add_devices(struct vm *vm, const struct vm_config *config, struct error *err);
/* Starts the threads that devices have of their own. */
int vm_start_devices(struct vm *vm, struct error *err);
/* When nothing runs any more. */
void vm_destroy_devices(struct vm *vm);

/* vm_snapshot.c: says what the machine is like, for the snapshots of it. */
void vm_describe(const struct vm_config *config, struct strbuf *about);

/* vm_snapshot.c: refuses a snapshot of another kind of machine, by name. */
int vm_compare_state(const struct vm *vm, const struct snapshot *snapshot, struct error *err);
/* vm_snapshot.c: everything but the memory, into a machine that has its devices and vCPUs. */
int vm_restore_state(struct vm *vm, const struct snapshot *snapshot, struct error *err);

#endif
