/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor's main thread asks of the kernel: to wait, to speak to the guest's init and to whoever connects to
 * the control socket, and to end. It opens nothing; descriptors come to it over the socket, and it hands them to the
 * vsock device.
 */
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/prctl.h>

#include "microvm/gdb.h"
#include "microvm/vcpu.h"
#include "runtime/monitor.h"

/* clang-format off */
#define MONITOR_LINES \
	FILTER_ALLOW(poll), \
	/* poll(2) goes on by it after SIGSTOP and SIGCONT, or the freezer. */ \
	FILTER_ALLOW(restart_syscall), \
	FILTER_ALLOW(read), \
	FILTER_ALLOW(recvfrom), \
	FILTER_ALLOW(sendto), \
	FILTER_ALLOW_COMMON, \
	/* Peers at the control socket, with descriptors. */ \
	FILTER_ALLOW(accept4), \
	FILTER_ALLOW(recvmsg), \
	FILTER_ALLOW(sendmsg), \
	FILTER_ALLOW(close), \
	/* Streams for the vsock device. */ \
	FILTER_ALLOW(eventfd2), \
	FILTER_ALLOW(fstat), \
	FILTER_ALLOW_ARGUMENT(fcntl, 1, F_GETFD), \
	FILTER_ALLOW_ARGUMENT(fcntl, 1, F_DUPFD_CLOEXEC), \
	FILTER_ALLOW_IOCTL(TIOCGWINSZ), \
	/* KVM's statistics. */ \
	FILTER_ALLOW(pread64), \
	/* Writing its template, of what it is before it has had any order. */ \
	FILTER_ALLOW(mincore), \
	FILTER_ALLOW(lseek), \
	FILTER_ALLOW(ftruncate), \
	FILTER_ALLOW(pwrite64), \
	FILTER_ALLOW_IOCTL(KVM_GET_XSAVE), \
	FILTER_ALLOW_IOCTL(KVM_GET_XSAVE2), \
	FILTER_ALLOW_IOCTL(KVM_GET_XCRS), \
	FILTER_ALLOW_IOCTL(KVM_GET_SREGS), \
	FILTER_ALLOW_IOCTL(KVM_GET_REGS), \
	FILTER_ALLOW_IOCTL(KVM_GET_DEBUGREGS), \
	FILTER_ALLOW_IOCTL(KVM_GET_MP_STATE), \
	FILTER_ALLOW_IOCTL(KVM_GET_LAPIC), \
	FILTER_ALLOW_IOCTL(KVM_GET_MSRS), \
	FILTER_ALLOW_IOCTL(KVM_GET_VCPU_EVENTS), \
	FILTER_ALLOW_IOCTL(KVM_GET_IRQCHIP), \
	FILTER_ALLOW_IOCTL(KVM_GET_PIT2), \
	FILTER_ALLOW_IOCTL(KVM_GET_CLOCK), \
	/* What the guest begins with. */ \
	FILTER_ALLOW(getrandom), \
	/* Known to the state directory: it may outlive its parent. */ \
	FILTER_ALLOW_BITS2(prctl, 0, ~0U, PR_SET_PDEATHSIG, 1, ~0U, 0), \
	/* Getting vCPUs out of KVM_RUN. */ \
	FILTER_ALLOW_VCPU_KICK, \
	FILTER_ALLOW(exit_group)
/* clang-format on */

static const struct sock_filter instructions[] = {
	FILTER_BEGIN,
	MONITOR_LINES,
	FILTER_END,
};

static const struct sock_filter debug_instructions[] = {
	FILTER_BEGIN,
	MONITOR_LINES,
	FILTER_ALLOW_GDB,
	FILTER_END,
};

const struct thread_filter monitor_filter = {
	.thread = "main",
	.instructions = instructions,
	.count = FILTER_COUNT(instructions),
};

const struct thread_filter monitor_debug_filter = {
	.thread = "main (--vm-debug)",
	.instructions = debug_instructions,
	.count = FILTER_COUNT(debug_instructions),
};
