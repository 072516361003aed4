/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual machine monitor: one KVM machine with its memory, vCPUs and virtio-mmio devices. It knows nothing of OCI.
 *
 * Life: vm_create() (memory mapped, kernel loaded, devices made) -> vm_start() (the threads, each confined to what it
 * needs: confine.h) -> vm_event_fd() becomes readable when the machine has stopped -> vm_stop_cause() says why ->
 * vm_destroy(). vm_stop() ends it from outside.
 */
#ifndef DUET_MICROVM_VM_H
#define DUET_MICROVM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "microvm/boot.h"
#include "microvm/counts.h"
#include "microvm/devices/balloon.h"
#include "microvm/devices/blk.h"
#include "microvm/devices/net.h"
#include "microvm/devices/vsock.h"

#define VM_VCPUS_MAX        32
#define VM_NETS_MAX         2
#define VM_DISKS_MAX        2
#define VM_MEMORY_MIN_BYTES (64ULL << 20)

/* What /dev/kvm can do here. */
struct vm_host {
	int api_version;
	bool hardware; /* false: an implementation without VMX or SVM that emulates the guest's kernel (kvm-pvm) */
	char description[64]; /* "kvm-amd with nested paging", "kvm-pvm (software only)" */
};

/* Looks at /sys/module and at the processor; to be called where /sys is the host's own, that is before the monitor goes
 * to its jail. Without /sys, the processor decides. */
int vm_host_probe(int kvm_fd, struct vm_host *host, struct error *err);

#define VM_KEY_BYTES 32

struct vm_config {
	int kvm_fd;                 /* open /dev/kvm */
	const struct vm_host *host; /* what vm_host_probe() found; NULL: vm_create() probes */
	int kernel_fd;              /* ELF vmlinux or bzImage, at offset 0 */
	enum boot_protocol boot_protocol;
	const char *kernel_name; /* for messages */
	int initrd_fd;           /* -1: none */
	const char *cmdline;     /* appended to the monitor's own words; NULL: nothing */
	uint64_t memory_bytes;   /* multiple of 1 MiB, at least VM_MEMORY_MIN_BYTES */
	enum guest_memory_pages memory_pages;
	unsigned vcpus; /* 1 to VM_VCPUS_MAX */
	int share_fd;   /* directory served over virtio-fs under GUEST_SHARE_TAG; -1: none */
	unsigned share_descriptors_max;
	bool share_capabilities;         /* see struct fs_options */
	const struct blk_options *disks; /* /dev/vda, /dev/vdb of the guest */
	unsigned disk_count;             /* at most VM_DISKS_MAX */
	const struct net_options *nets;
	unsigned net_count; /* at most VM_NETS_MAX */
	int snapshot_fd; /* a snapshot to go on from, in place of booting; 0 or less: none. On failure: boot without it
			  */
	const unsigned char *snapshot_key; /* vm_snapshot_key(), or VM_CHECKPOINT_KEY */
	bool snapshot_trusted;             /* its memory was compared with its sum before, and the file is the same */
	bool snapshot_read;                /* its memory is read, in place of being mapped and shared */
	int console_fd;                    /* where the guest kernel's serial console goes; -1: no serial port at all */
};

enum vm_stop_cause {
	VM_RUNNING,
	VM_STOPPED,     /* vm_stop() was called */
	VM_POWERED_OFF, /* the guest reset itself through port 0x64: reboot(2), or a panic with `panic=-1` */
	VM_CRASHED,     /* triple fault, an instruction that KVM cannot execute, …: see the error */
};

struct vm;

/* Refuses with one clear line: a kernel that is not one, too little memory for it, KVM features that are missing. Takes
 * ownership of share_fd and of the nets' and disks' descriptors on success; the others stay the caller's and may be
 * closed afterwards except console_fd. */
int vm_create(struct vm **vm, const struct vm_config *config, struct error *err);
struct vsock *vm_vsock(struct vm *vm);
/* Starts the threads of the file server, the devices and the vCPUs, with every signal blocked but SIGURG, for which it
 * installs a handler that does nothing, and returns when each of them holds no more than its kind needs: the caller
 * must still have the capabilities that the file server keeps (struct fs_options). Nothing is opened by path from here
 * on. A caller that has to give up something itself before the guest's first instruction calls vm_pause() before and
 * after.
 */
int vm_start(struct vm *vm, struct error *err);
/* Eventfd, readable once the machine has stopped by itself or by vm_stop(). */
int vm_event_fd(const struct vm *vm);
/* Why; *err (may be NULL) is filled for VM_CRASHED. */
enum vm_stop_cause vm_stop_cause(struct vm *vm, struct error *err);
/* What has happened so far; from any thread. */
void vm_count(struct vm *vm, struct vm_counts *counts);
/* The balloon, from any thread: how much the guest is to give back (balloon.h); -EOPNOTSUPP: the machine has none. */
int vm_balloon_set_target(struct vm *vm, uint64_t bytes, struct error *err);
/* Asks for fresh statistics, if there is one. */
void vm_balloon_ask(struct vm *vm);
/* False: there is none. */
bool vm_balloon_read(struct vm *vm, struct balloon_state *state);
/* Kicks every vCPU out of KVM_RUN and waits for their threads. The devices go on until vm_destroy(): what the guest had
 * sent is still delivered. */
void vm_stop(struct vm *vm);
/* Holds every vCPU outside of KVM_RUN until resumed; returns when all are there. -ESRCH: the machine has stopped. */
int vm_pause(struct vm *vm, bool paused, struct error *err);
/* What a machine must agree in with one whose snapshot it goes on from: the configuration (devices, not what is behind
 * them), the kernel and initrd files, the processor, the host's kernel and KVM module, duet's version. -ENOTSUP: such a
 * machine cannot go on from a snapshot. */
int vm_snapshot_key(const struct vm_config *config, unsigned char key[VM_KEY_BYTES], struct error *err);
/* Writes a snapshot of a paused machine that vsock_hold() has kept from making any connection. */
int vm_save(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], struct error *err);
/* Notes in it what the machine, which has gone on since, has written to: those that go on from it start faster. */
int vm_save_written(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], struct error *err);

/*
 * Checkpoints: snapshots of machines in the middle of their work. Their key says no more than that; what the machines
 * must agree in is in the state, and compared with a word about each: duet's version, the processor, the KVM, memory,
 * vCPUs, devices. The kernel's files are not needed any more.
 */
extern const unsigned char VM_CHECKPOINT_KEY[VM_KEY_BYTES];
/* Holds vCPUs and devices between two steps, so that all that they have begun is done; and lets them go on. */
int vm_hold(struct vm *vm, struct error *err);
int vm_release(struct vm *vm, struct error *err);
/* Of a held machine. owner: bytes of the caller's own; compress: the memory, by zstd. -ESTALE names an open file that
 * cannot be found again. */
int vm_checkpoint(struct vm *vm, int fd, const struct strbuf *owner, bool compress, struct error *err);
/* The owner's bytes, before a machine is made from the checkpoint. */
int vm_checkpoint_owner(int fd, struct strbuf *owner, struct error *err);
/* Stops whatever runs and releases everything; NULL is fine. */
void vm_destroy(struct vm *vm);

#endif
