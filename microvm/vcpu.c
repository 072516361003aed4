/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/vcpu.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "microvm/confine.h"

#define MSR_TSC               0x10U
#define MSR_MISC_ENABLE       0x1a0U
#define MSR_MTRR_DEFAULT_TYPE 0x2ffU

void vcpu_gate_init(struct vcpu_gate *gate)
{
	*gate = (struct vcpu_gate){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
}

/* Making */

static int set_msrs(struct vcpu *vcpu, struct error *err)
{
	/* Laid out like struct kvm_msrs. */
	struct {
		uint32_t count, padding;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.count = 2,
		.entries = {
			{ .index = MSR_MISC_ENABLE, .data = 1 },                       /* fast string operations */
			{ .index = MSR_MTRR_DEFAULT_TYPE, .data = (1U << 11) | 6U }, /* enabled; write-back unless said otherwise */
		},
	};
	int done = ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);

	if (done < 0)
		return error_set(err, errno, "KVM_SET_MSRS");
	if (done < (int)ARRAY_SIZE(msrs.entries))
		return error_set(
			err, -ENOTSUP, "KVM does not take the model-specific register 0x%x", msrs.entries[done].index);
	return 0;
}

/*
 * Every extended state that the guest may use, as if firmware had enabled it: CPUID then shows the size of all of it
 * from the start. Linux sets the register itself; some emulated processors (QEMU's SVM) do not let KVM see that, and
 * this is all that KVM knows then.
 */
static int enable_extended_state(struct vcpu *vcpu, const struct cpuid_table *cpuid, struct error *err)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

	for (uint32_t i = 0; i < cpuid->count; i++) {
		if (cpuid->entries[i].function == 0xd && cpuid->entries[i].index == 0)
			xcrs.xcrs[0].value = (uint64_t)cpuid->entries[i].edx << 32 | cpuid->entries[i].eax;
	}
	if (xcrs.xcrs[0].value && ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs) < 0)
		return error_set(err, errno, "KVM_SET_XCRS");
	return 0;
}

/* As firmware leaves them: the first local line passes the old interrupt controller's on, the second is the NMI. */
static int set_local_lines(struct vcpu *vcpu, struct error *err)
{
	enum { LVT_LINT0 = 0x350, LVT_LINT1 = 0x360, DELIVERY_NMI = 4 << 8, DELIVERY_EXTINT = 7 << 8 };
	const uint32_t lint0 = DELIVERY_EXTINT, lint1 = DELIVERY_NMI;
	struct kvm_lapic_state apic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &apic) < 0)
		return error_set(err, errno, "KVM_GET_LAPIC");
	memcpy(apic.regs + LVT_LINT0, &lint0, sizeof(lint0));
	memcpy(apic.regs + LVT_LINT1, &lint1, sizeof(lint1));
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &apic) < 0)
		return error_set(err, errno, "KVM_SET_LAPIC");
	return 0;
}

static int get_xsave(void *owner, void *area)
{
	struct vcpu *vcpu = owner;

	return ioctl(vcpu->fd, vcpu->large_xsave ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, area) < 0 ? -errno : 0;
}

static int set_xsave(void *owner, const void *area)
{
	struct vcpu *vcpu = owner;

	return ioctl(vcpu->fd, KVM_SET_XSAVE, area) < 0 ? -errno : 0;
}

static int get_xcr0(void *owner, uint64_t *xcr0)
{
	struct vcpu *vcpu = owner;
	struct kvm_xcrs xcrs;

	if (ioctl(vcpu->fd, KVM_GET_XCRS, &xcrs) < 0)
		return -errno;
	*xcr0 = 1;
	for (unsigned i = 0; i < xcrs.nr_xcrs && i < KVM_MAX_XCRS; i++) {
		if (xcrs.xcrs[i].xcr == 0)
			*xcr0 = xcrs.xcrs[i].value;
	}
	return 0;
}

static int set_xcr0(void *owner, uint64_t xcr0)
{
	struct vcpu *vcpu = owner;
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = xcr0 } } };

	return ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs) < 0 ? -errno : 0;
}

static int get_msr(void *owner, uint32_t index, uint64_t *value)
{
	struct vcpu *vcpu = owner;
	/* Laid out like struct kvm_msrs. */
	struct {
		uint32_t count, padding;
		struct kvm_msr_entry entry;
	} msr = { .count = 1, .entry.index = index };

	if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) != 1)
		return -EIO;
	*value = msr.entry.data;
	return 0;
}

static int set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	/* Laid out like struct kvm_msrs. */
	struct {
		uint32_t count, padding;
		struct kvm_msr_entry entry;
	} msr = { .count = 1, .entry = { .index = index, .data = value } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msr) != 1 ? -EIO : 0;
}

static const struct softkvm_state soft_state = {
	.get_xsave = get_xsave, .set_xsave = set_xsave, .get_xcr0 = get_xcr0, .set_xcr0 = set_xcr0, .get_msr = get_msr
};

static int set_up_soft(
	struct vcpu *vcpu, const struct kvm_machine *machine, const struct vcpu_options *options, struct error *err)
{
	struct softkvm_cpu *soft;
	int result;

	if (!machine->sync_regs)
		return error_set(err, -ENOTSUP, "/dev/kvm lacks KVM_CAP_SYNC_REGS, which a software-only KVM needs");
	soft = xcalloc(1, sizeof(*soft));
	*soft = (struct softkvm_cpu){
		.regs = &vcpu->run->s.regs.regs,
		.sregs = &vcpu->run->s.regs.sregs,
		.memory = options->memory,
		.layout = options->soft_layout,
		.state = &soft_state,
		.owner = vcpu,
		.area = xcalloc(1, machine->xsave_bytes),
		.area_bytes = machine->xsave_bytes,
	};
	vcpu->soft = soft;
	vcpu->rest_offset = vm_counts_offset(vcpu->statistics_fd, "halt_wait_ns");
	result = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	vcpu->tsc_khz = result > 0 ? (uint64_t)result : 0;
	vcpu->large_xsave = machine->xsave_bytes > sizeof(struct kvm_xsave);
	/* Registers then come with each exit, without a system call of their own. */
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	return 0;
}

int vcpu_create(struct vcpu *vcpu, const struct kvm_machine *machine, unsigned index,
	const struct vcpu_options *options, struct error *err)
{
	void *run;
	int result;

	vcpu->index = index;
	vcpu->statistics_fd = -EBADF;
	vcpu->fd = ioctl(machine->vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return error_set(err, errno, "make vCPU %u (KVM_CREATE_VCPU)", index);
	vcpu->statistics_fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	run = mmap(NULL, machine->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return error_set(err, errno, "map the state of vCPU %u", index);
	vcpu->run = run;
	vcpu->run_bytes = machine->run_bytes;
	cpuid_number(options->cpuid, index);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, options->cpuid) < 0)
		return error_set(err, errno, "KVM_SET_CPUID2");
	result = set_msrs(vcpu, err);
	if (!result)
		result = set_local_lines(vcpu, err);
	if (!result && !options->soft_layout)
		result = enable_extended_state(vcpu, options->cpuid, err);
	if (!result && options->soft_layout)
		result = set_up_soft(vcpu, machine, options, err);
	return result;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->soft)
		free(vcpu->soft->area);
	free(vcpu->soft);
	vcpu->soft = NULL;
	if (vcpu->run)
		(void)munmap(vcpu->run, vcpu->run_bytes);
	vcpu->run = NULL;
	close_fd(&vcpu->statistics_fd);
	close_fd(&vcpu->fd);
}

/* Running */

static void crash(struct vcpu *vcpu, const struct error *err)
{
	vcpu->bus->crashed(vcpu->bus->owner, err);
}

static uint64_t instruction_pointer(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	return ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ? 0 : regs.rip;
}

static void handle_port(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	char *data = (char *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		vcpu->bus->port(
			vcpu->bus->owner, run->io.port, data, run->io.size, run->io.direction == KVM_EXIT_IO_OUT);
}

/* The exception is delivered before the next instruction. */
static int inject(struct vcpu *vcpu, struct error *err)
{
	struct softkvm_cpu *soft = vcpu->soft;
	struct kvm_vcpu_events events;

	if (ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
		return error_set(err, errno, "KVM_GET_VCPU_EVENTS");
	events.exception.injected = 1;
	events.exception.pending = 0;
	events.exception.nr = soft->exception.vector;
	events.exception.has_error_code = soft->exception.has_code;
	events.exception.error_code = soft->exception.code;
	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) < 0)
		return error_set(err, errno, "KVM_SET_VCPU_EVENTS");
	return 0;
}

/* Such a KVM leaves INT3 to us, and knows nothing of whom it was put there by. */
static bool stands_at_break_point(struct vcpu *vcpu)
{
	struct softkvm_cpu *soft = vcpu->soft;

	return soft->exception.raised && soft->exception.vector == 3 &&
	       vcpu->bus->is_break_point(vcpu->bus->owner, soft->regs->rip - 1);
}

static void finish_instruction(struct vcpu *vcpu)
{
	struct error err;
	int result = softkvm_finish(vcpu->soft, &err);

	if (!result && stands_at_break_point(vcpu)) {
		vcpu->bus->debugged(vcpu->bus->owner, vcpu->index);
		return;
	}
	if (!result && vcpu->soft->exception.raised) {
		result = inject(vcpu, &err);
		/* CR2 of a page fault. */
		vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	}
	if (result)
		crash(vcpu, &err);
	else
		vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

static void handle_internal_error(struct vcpu *vcpu)
{
	uint32_t suberror = vcpu->run->internal.suberror;
	struct error err;

	if (vcpu->soft && suberror == KVM_INTERNAL_ERROR_EMULATION) {
		finish_instruction(vcpu);
		return;
	}
	(void)error_set(&err, -EIO, "KVM gave up on the guest at 0x%llx (internal error %u)",
		(unsigned long long)instruction_pointer(vcpu), suberror);
	crash(vcpu, &err);
}

/* Only the timer's register comes here, and only on a software KVM. */
static void handle_wrmsr(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct softkvm_progress progress;
	uint64_t now = 0, rested_ns = 0;
	bool known;

	run->msr.error = 1;
	if (!vcpu->soft || run->msr.index != SOFTKVM_TIMER_MSR || get_msr(vcpu, MSR_TSC, &now) != 0)
		return;
	known = vcpu->rest_offset && pread(vcpu->statistics_fd, &rested_ns, sizeof(rested_ns),
					     (off_t)vcpu->rest_offset) == sizeof(rested_ns);
	softkvm_timer_progress(rested_ns, known, &progress);
	run->msr.error =
		set_msr(vcpu, SOFTKVM_TIMER_MSR,
			softkvm_timer_deadline(&vcpu->timer, run->msr.data, now, vcpu->tsc_khz, &progress)) != 0;
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct error err;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_port(vcpu);
		return;
	case KVM_EXIT_MMIO:
		vcpu->bus->mmio(
			vcpu->bus->owner, run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
		return;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return;
	case KVM_EXIT_X86_WRMSR:
		handle_wrmsr(vcpu);
		return;
	case KVM_EXIT_DEBUG:
		vcpu->bus->debugged(vcpu->bus->owner, vcpu->index);
		return;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_internal_error(vcpu);
		return;
	case KVM_EXIT_SHUTDOWN:
		(void)error_set(&err, -EIO, "the guest's processor %u shut down (triple fault) at 0x%llx", vcpu->index,
			(unsigned long long)instruction_pointer(vcpu));
		break;
	case KVM_EXIT_FAIL_ENTRY:
		(void)error_set(&err, -EIO, "the host's processor refused to enter the guest (reason 0x%llx)",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		(void)error_set(&err, -EIO,
			"the guest left KVM for reason %u at 0x%llx, which the monitor does not know", run->exit_reason,
			(unsigned long long)instruction_pointer(vcpu));
		break;
	}
	crash(vcpu, &err);
}

/* Obeys the gate. False: the thread is to end. */
static bool pass_gate(struct vcpu *vcpu)
{
	struct vcpu_gate *gate = vcpu->gate;
	bool go_on;

	pthread_mutex_lock(&gate->lock);
	if (gate->paused && !gate->stopping) {
		gate->parked++;
		pthread_cond_broadcast(&gate->changed);
		while (gate->paused && !gate->stopping)
			pthread_cond_wait(&gate->changed, &gate->lock);
		gate->parked--;
	}
	go_on = !gate->stopping;
	pthread_mutex_unlock(&gate->lock);
	return go_on;
}

/* Without a lock or a locked instruction: nobody else writes. */
static void count_exit(struct vcpu *vcpu, uint32_t reason)
{
	uint64_t *count = &vcpu->exits[reason < VCPU_EXIT_REASONS ? reason : VCPU_EXIT_REASONS - 1];

	__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
}

/* The gate is looked at only after KVM_RUN said EINTR: by then an access that an exit has answered is complete in the
 * vCPU. */
static void run_until_stopped(struct vcpu *vcpu)
{
	struct error err;

	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			count_exit(vcpu, vcpu->run->exit_reason);
			handle_exit(vcpu);
			continue;
		}
		if (errno != EINTR && errno != EAGAIN) {
			(void)error_set(&err, errno, "run vCPU %u at 0x%llx (KVM_RUN)", vcpu->index,
				(unsigned long long)instruction_pointer(vcpu));
			crash(vcpu, &err);
		}
		count_exit(vcpu, KVM_EXIT_INTR);
		if (!pass_gate(vcpu))
			return;
	}
}

static void set_thread_id(struct vcpu *vcpu, pid_t id)
{
	pthread_mutex_lock(&vcpu->gate->lock);
	vcpu->thread_id = id;
	pthread_mutex_unlock(&vcpu->gate->lock);
}

static int confine(const struct vcpu *vcpu, struct error *err)
{
	int result = confine_drop_capabilities(err);

	return result ? result : confine_system_calls(vcpu->soft ? &vcpu_software_filter : &vcpu_filter, err);
}

static void *vcpu_thread(void *argument)
{
	struct vcpu *vcpu = argument;
	struct error err;
	char name[16];
	sigset_t kick;
	int result;

	(void)snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	(void)prctl(PR_SET_NAME, name);
	/* Everything else stays blocked, as it was when the thread was made: signals are the main thread's. */
	(void)sigemptyset(&kick);
	(void)sigaddset(&kick, VCPU_KICK_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	set_thread_id(vcpu, (pid_t)syscall(SYS_gettid));
	result = confine(vcpu, &err);
	vcpu->bus->ready(vcpu->bus->owner, result ? &err : NULL);
	if (!result)
		run_until_stopped(vcpu);
	set_thread_id(vcpu, 0);
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, const struct vcpu_bus *bus, struct vcpu_gate *gate, struct error *err)
{
	int result;

	vcpu->bus = bus;
	vcpu->gate = gate;
	result = confine_start_thread(&vcpu->thread, vcpu_thread, vcpu);
	if (result)
		return error_set(err, result, "start the thread of vCPU %u", vcpu->index);
	vcpu->started = true;
	return 0;
}

void vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->started)
		(void)pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}

/*
 * The flag covers a thread that is about to enter KVM_RUN, the signal one that is inside. tgkill(2) by hand: what the C
 * library knows about the ids of this process may be its parent's, if that made it by a bare clone3(2).
 */
void vcpu_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (vcpu->thread_id)
		(void)syscall(SYS_tgkill, (pid_t)syscall(SYS_getpid), vcpu->thread_id, VCPU_KICK_SIGNAL);
}

void vcpu_release(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}
