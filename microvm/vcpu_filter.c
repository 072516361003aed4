/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU's thread asks of the kernel: to run the guest, and what answering its accesses takes. Registers of
 * devices only touch memory and event descriptors; a kick is written, a reset waits for the device's lock. Whichever
 * ends the machine gets the others out of KVM_RUN.
 */
#include <linux/kvm.h>

#include "microvm/confine.h"
#include "microvm/vcpu.h"

#define ALLOW_VCPU                                                                \
	FILTER_ALLOW_IOCTL(KVM_RUN), FILTER_ALLOW_COMMON, FILTER_ALLOW_VCPU_KICK, \
		FILTER_ALLOW_IOCTL(KVM_GET_REGS), /* where it crashed */          \
		FILTER_ALLOW_THREAD_END

static const struct sock_filter hardware[] = {
	FILTER_BEGIN,
	ALLOW_VCPU,
	FILTER_END,
};

/* Extended state is fetched and stored when the guest's kernel switches processes; the timer's register is the
 * monitor's there, which reads of KVM's statistics how much the guest rests. */
static const struct sock_filter software[] = {
	FILTER_BEGIN,
	ALLOW_VCPU,
	FILTER_ALLOW_IOCTL(KVM_GET_XSAVE),
	FILTER_ALLOW_IOCTL(KVM_GET_XSAVE2),
	FILTER_ALLOW_IOCTL(KVM_SET_XSAVE),
	FILTER_ALLOW_IOCTL(KVM_GET_XCRS),
	FILTER_ALLOW_IOCTL(KVM_SET_XCRS),
	FILTER_ALLOW_IOCTL(KVM_GET_MSRS),
	FILTER_ALLOW_IOCTL(KVM_SET_MSRS),
	FILTER_ALLOW_IOCTL(KVM_GET_VCPU_EVENTS),
	FILTER_ALLOW_IOCTL(KVM_SET_VCPU_EVENTS),
	FILTER_ALLOW(pread64),
	FILTER_END,
};

const struct thread_filter vcpu_filter = {
	.thread = "vCPU",
	.instructions = hardware,
	.count = FILTER_COUNT(hardware),
};

const struct thread_filter vcpu_software_filter = {
	.thread = "vCPU (software KVM)",
	.instructions = software,
	.count = FILTER_COUNT(software),
};
