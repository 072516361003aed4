/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/machine_state.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/alloc.h"

/* Model-specific registers that a guest may have changed. Those that this KVM does not have are left out. The time
 * stamp counter comes before the deadline that counts on it, and kvm-clock's register after both. */
static const uint32_t msrs[] = {
	0x10,  /* TSC */
	0x3b,  /* TSC_ADJUST */
	0x48,  /* SPEC_CTRL */
	0x122, /* TSX_CTRL */
	0x174, /* SYSENTER_CS, _ESP, _EIP */
	0x175,
	0x176,
	0x1a0,      /* MISC_ENABLE */
	0x277,      /* PAT */
	0x2ff,      /* MTRR_DEF_TYPE */
	0xda0,      /* XSS */
	0xc0000081, /* STAR, LSTAR, CSTAR, SYSCALL_MASK */
	0xc0000082,
	0xc0000083,
	0xc0000084,
	0xc0000102, /* KERNEL_GS_BASE */
	0xc0000103, /* TSC_AUX */
	0x6e0,      /* TSC_DEADLINE */
	0x11,       /* kvm-clock, old numbers and new */
	0x12,
	0x4b564d00,
	0x4b564d01,
	0x4b564d02, /* asynchronous page faults, stolen time, end of interrupt */
	0x4b564d03,
	0x4b564d04,
};

/* Laid out like struct kvm_msrs. */
struct one_msr {
	uint32_t count, padding;
	struct kvm_msr_entry entry;
};

static int get(int fd, unsigned long request, const char *name, void *data, size_t length, struct strbuf *out,
	struct error *err)
{
	if (ioctl(fd, request, data) < 0)
		return error_set(err, errno, "save the machine: %s", name);
	wire_put_bytes(out, data, length);
	return 0;
}

static int set(
	int fd, unsigned long request, const char *name, size_t length, struct wire_reader *in, struct error *err)
{
	size_t found;
	cleanup_free void *data = wire_get_bytes(in, &found);

	if (!data || found != length)
		return error_set(err, -EINVAL, "restore the machine: %s: %zu bytes, not %zu", name, found, length);
	if (ioctl(fd, request, data) < 0)
		return error_set(err, errno, "restore the machine: %s", name);
	return 0;
}

static void save_msrs(const struct vcpu *vcpu, struct strbuf *out)
{
	cleanup_strbuf struct strbuf found = STRBUF_INIT;
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		struct one_msr msr = { .count = 1, .entry.index = msrs[i] };

		/* Zero is what a new vCPU has; some KVMs let a register be read that cannot be set. */
		if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) != 1 || msr.entry.data == 0)
			continue;
		wire_put_u32(&found, msrs[i]);
		wire_put_u64(&found, msr.entry.data);
		count++;
	}
	wire_put_u32(out, count);
	strbuf_append(out, found.data, found.length);
}

static int restore_msrs(const struct vcpu *vcpu, struct wire_reader *in, struct error *err)
{
	uint32_t count = wire_get_count(in, 12);

	for (uint32_t i = 0; i < count; i++) {
		struct one_msr msr = { .count = 1 };

		msr.entry.index = wire_get_u32(in);
		msr.entry.data = wire_get_u64(in);
		if (ioctl(vcpu->fd, KVM_SET_MSRS, &msr) != 1)
			return error_set(
				err, -EIO, "restore the machine: model-specific register 0x%x", msr.entry.index);
	}
	return 0;
}

struct piece {
	unsigned long get, set;
	const char *name;
	size_t length;
};

/* In the order in which they are set: the control registers decide what the others mean, and the local APIC's address
 * is in them. */
static const struct piece pieces[] = {
	{ KVM_GET_XCRS, KVM_SET_XCRS, "extended control registers", sizeof(struct kvm_xcrs) },
	{ KVM_GET_SREGS, KVM_SET_SREGS, "system registers", sizeof(struct kvm_sregs) },
	{ KVM_GET_REGS, KVM_SET_REGS, "registers", sizeof(struct kvm_regs) },
	{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, "debug registers", sizeof(struct kvm_debugregs) },
	{ KVM_GET_MP_STATE, KVM_SET_MP_STATE, "processor's state", sizeof(struct kvm_mp_state) },
	{ KVM_GET_LAPIC, KVM_SET_LAPIC, "local APIC", sizeof(struct kvm_lapic_state) },
};

int vcpu_state_save(struct vcpu *vcpu, const struct kvm_machine *machine, struct strbuf *out, struct error *err)
{
	bool large = machine->xsave_bytes > sizeof(struct kvm_xsave);
	cleanup_free void *data = xcalloc(1, machine->xsave_bytes > 8192 ? machine->xsave_bytes : 8192);
	int result = get(vcpu->fd, large ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, "extended state", data, machine->xsave_bytes,
		out, err);

	for (size_t i = 0; i < ARRAY_SIZE(pieces) && result == 0; i++)
		result = get(vcpu->fd, pieces[i].get, pieces[i].name, data, pieces[i].length, out, err);
	if (result < 0)
		return result;
	save_msrs(vcpu, out);
	return get(vcpu->fd, KVM_GET_VCPU_EVENTS, "events", data, sizeof(struct kvm_vcpu_events), out, err);
}

int vcpu_state_restore(struct vcpu *vcpu, const struct kvm_machine *machine, struct wire_reader *in, struct error *err)
{
	struct wire_reader xsave = *in;
	size_t skipped;
	int result = 0;

	/* XSAVE's components are those that the extended control registers, which follow, have enabled. */
	free(wire_get_bytes(in, &skipped));
	for (size_t i = 0; i < ARRAY_SIZE(pieces) && result == 0; i++) {
		result = set(vcpu->fd, pieces[i].set, pieces[i].name, pieces[i].length, in, err);
		if (result == 0 && i == 0)
			result = set(vcpu->fd, KVM_SET_XSAVE, "extended state", machine->xsave_bytes, &xsave, err);
	}
	if (result == 0)
		result = restore_msrs(vcpu, in, err);
	return result < 0 ? result
			  : set(vcpu->fd, KVM_SET_VCPU_EVENTS, "events", sizeof(struct kvm_vcpu_events), in, err);
}

enum { CHIPS = 3 }; /* two 8259 and the I/O APIC */

int machine_state_save(const struct kvm_machine *machine, struct strbuf *out, struct error *err)
{
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	int result = 0;

	for (uint32_t i = 0; i < CHIPS && result == 0; i++) {
		struct kvm_irqchip chip = { .chip_id = i };

		result = get(machine->vm_fd, KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &chip, sizeof(chip), out, err);
	}
	if (result == 0)
		result = get(machine->vm_fd, KVM_GET_PIT2, "KVM_GET_PIT2", &pit, sizeof(pit), out, err);
	if (result < 0)
		return result;
	if (ioctl(machine->vm_fd, KVM_GET_CLOCK, &clock) < 0)
		return error_set(err, errno, "save the machine: KVM_GET_CLOCK");
	wire_put_u64(out, clock.clock);
	return 0;
}

int machine_state_restore(const struct kvm_machine *machine, struct wire_reader *in, struct error *err)
{
	struct kvm_clock_data clock = { 0 };
	int result = 0;

	for (uint32_t i = 0; i < CHIPS && result == 0; i++)
		result = set(machine->vm_fd, KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", sizeof(struct kvm_irqchip), in, err);
	if (result == 0)
		result = set(machine->vm_fd, KVM_SET_PIT2, "KVM_SET_PIT2", sizeof(struct kvm_pit_state2), in, err);
	if (result < 0)
		return result;
	clock.clock = wire_get_u64(in);
	if (ioctl(machine->vm_fd, KVM_SET_CLOCK, &clock) < 0)
		return error_set(err, errno, "restore the machine: KVM_SET_CLOCK");
	return 0;
}
