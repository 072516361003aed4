/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/softkvm.h"

#include <cpuid.h>
#include <string.h>
#include <sys/random.h>

#include "base/strbuf.h"
#include "microvm/instruction.h"
#include "microvm/translate.h"

enum { VECTOR_BP = 3, VECTOR_GP = 13, VECTOR_PF = 14 };

#define FLAG_CF    (1ULL << 0)
#define FLAG_PF    (1ULL << 2)
#define FLAG_AF    (1ULL << 4)
#define FLAG_ZF    (1ULL << 6)
#define FLAG_SF    (1ULL << 7)
#define FLAG_OF    (1ULL << 11)
#define FLAG_AC    (1ULL << 18)
#define ARITHMETIC (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define MSR_TSC     0x10U
#define MSR_TSC_AUX 0xc0000103U

static int raise_exception(struct softkvm_cpu *cpu, uint8_t vector, bool has_code, uint32_t code)
{
	cpu->exception.raised = true;
	cpu->exception.vector = vector;
	cpu->exception.has_code = has_code;
	cpu->exception.code = code;
	return 0;
}

/* Memory */

static struct translation translation_of(const struct softkvm_cpu *cpu)
{
	return (struct translation){ .memory = cpu->memory,
		.cr0 = cpu->sregs->cr0,
		.cr3 = cpu->sregs->cr3,
		.cr4 = cpu->sregs->cr4,
		.touch = true };
}

/* The exception that a failed access makes. */
static void raise_fault(struct softkvm_cpu *cpu, int result, const struct translation_fault *fault)
{
	if (result == -EFAULT) {
		cpu->sregs->cr2 = fault->address;
		(void)raise_exception(cpu, VECTOR_PF, true, fault->error_code);
	} else {
		(void)raise_exception(cpu, VECTOR_GP, true, 0);
	}
}

/* False: an exception was raised. */
static bool copy(struct softkvm_cpu *cpu, uint64_t linear, void *data, size_t length, bool write)
{
	const struct translation translation = translation_of(cpu);
	struct translation_fault fault;
	int result = translate_copy(&translation, linear, data, length, write, &fault);

	if (result)
		raise_fault(cpu, result, &fault);
	return result == 0;
}

static bool load(struct softkvm_cpu *cpu, uint64_t linear, void *data, size_t length)
{
	return copy(cpu, linear, data, length, false);
}

static bool store(struct softkvm_cpu *cpu, uint64_t linear, const void *data, size_t length)
{
	return copy(cpu, linear, (void *)(uintptr_t)data, length, true);
}

/* Registers */

/* Register or memory operand of `size_bytes`, zero-extended. False: an exception was raised. */
static bool load_operand(struct softkvm_cpu *cpu, const struct instruction *in, unsigned size_bytes, uint64_t *value)
{
	*value = 0;
	if (in->mod != 3)
		return load(cpu, in->address, value, size_bytes);
	*value = *instruction_register(cpu->regs, in->rm);
	if (size_bytes == 1 && !in->rex && in->rm >= 4)
		*value = *instruction_register(cpu->regs, in->rm - 4u) >> 8; /* AH, CH, DH, BH */
	if (size_bytes < 8)
		*value &= (1ULL << (8 * size_bytes)) - 1;
	return true;
}

static void set_register(struct softkvm_cpu *cpu, unsigned number, unsigned size_bytes, uint64_t value)
{
	__u64 *place = instruction_register(cpu->regs, number);

	if (size_bytes == 2)
		*place = (*place & ~0xffffULL) | (value & 0xffff);
	else
		*place = size_bytes == 4 ? (uint32_t)value : value;
}

static void set_flags(struct softkvm_cpu *cpu, uint64_t mask, uint64_t values)
{
	cpu->regs->rflags = (cpu->regs->rflags & ~mask) | values;
}

/* Extended state */

/* The standard form of the XSAVE area (SDM volume 1, 13.4). */
#define XSAVE_FCW      0
#define XSAVE_FSW      2
#define XSAVE_MXCSR    24
#define XSAVE_ST       32
#define XSAVE_XMM      160
#define XSAVE_XMM_END  416
#define XSAVE_STATE_BV 512
#define XSAVE_COMPACT  520
#define XSAVE_EXTENDED 576
#define COMPONENT_X87  (1ULL << 0)
#define COMPONENT_SSE  (1ULL << 1)
#define COMPONENT_AVX  (1ULL << 2)
#define MXCSR_VALID    0xffffU

void softkvm_read_layout(struct softkvm_layout *layout)
{
	*layout = (struct softkvm_layout){ 0 };
	for (unsigned i = 2; i < SOFTKVM_COMPONENTS - 1; i++) {
		unsigned eax, ebx, ecx, edx;

		if (!__get_cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx))
			return;
		/* Bit 0 of ECX: a supervisor component, which has no place in the standard form. */
		if (!(ecx & 1)) {
			layout->components[i].size_bytes = eax;
			layout->components[i].offset = ebx;
		}
	}
}

static uint64_t area_u64(const struct softkvm_cpu *cpu, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)cpu->area + offset, sizeof(value));
	return value;
}

static void set_area_u64(struct softkvm_cpu *cpu, size_t offset, uint64_t value)
{
	memcpy((char *)cpu->area + offset, &value, sizeof(value));
}

/* False: the vCPU's state cannot be had; *result says why. */
static bool fetch_area(struct softkvm_cpu *cpu, int *result)
{
	*result = cpu->state->get_xsave(cpu->owner, cpu->area);
	return *result == 0;
}

/*
 * MXCSR belongs to no component of its own and is taken over only with one that uses it: SSE is always declared
 * present, be it with initial values.
 */
static int commit_area(struct softkvm_cpu *cpu, uint64_t present)
{
	set_area_u64(cpu, XSAVE_STATE_BV, present | COMPONENT_SSE);
	return cpu->state->set_xsave(cpu->owner, cpu->area);
}

struct span {
	uint32_t offset, size_bytes;
};

#define SPANS_MAX (SOFTKVM_COMPONENTS + 2)

/* The parts of the area that the components in `mask` occupy, apart from header and MXCSR. */
static unsigned component_spans(const struct softkvm_cpu *cpu, uint64_t mask, struct span spans[SPANS_MAX])
{
	unsigned count = 0;

	if (mask & COMPONENT_X87) {
		spans[count++] = (struct span){ 0, XSAVE_MXCSR };
		spans[count++] = (struct span){ XSAVE_ST, XSAVE_XMM - XSAVE_ST };
	}
	if (mask & COMPONENT_SSE)
		spans[count++] = (struct span){ XSAVE_XMM, XSAVE_XMM_END - XSAVE_XMM };
	for (unsigned i = 2; i < SOFTKVM_COMPONENTS; i++) {
		uint32_t offset = cpu->layout->components[i].offset, size_bytes = cpu->layout->components[i].size_bytes;

		if ((mask >> i & 1) && size_bytes && offset >= XSAVE_EXTENDED && offset <= cpu->area_bytes &&
			size_bytes <= cpu->area_bytes - offset)
			spans[count++] = (struct span){ offset, size_bytes };
	}
	if (mask & (COMPONENT_SSE | COMPONENT_AVX))
		spans[count++] = (struct span){ XSAVE_MXCSR, XSAVE_ST - XSAVE_MXCSR };
	return count;
}

/* What XSAVE and XRSTOR have in common: the components asked for. False: *result, or an exception was raised. */
static bool requested_components(
	struct softkvm_cpu *cpu, const struct instruction *in, uint64_t *mask, uint64_t *xcr0, int *result)
{
	*result = cpu->state->get_xcr0(cpu->owner, xcr0);
	if (*result)
		return false;
	*mask = *xcr0 & ((cpu->regs->rdx << 32) | (cpu->regs->rax & 0xffffffff));
	if (in->address % 64)
		(void)raise_exception(cpu, VECTOR_GP, true, 0);
	return !cpu->exception.raised;
}

/* XSAVE; also XSAVEOPT, which may save everything that it is asked for. */
static int do_xsave(struct softkvm_cpu *cpu, const struct instruction *in)
{
	struct span spans[SPANS_MAX];
	uint64_t mask, xcr0, present;
	unsigned count;
	int result;

	if (!requested_components(cpu, in, &mask, &xcr0, &result) || !fetch_area(cpu, &result))
		return result;
	if (!load(cpu, in->address + XSAVE_STATE_BV, &present, sizeof(present)))
		return 0;
	count = component_spans(cpu, mask, spans);
	for (unsigned i = 0; i < count; i++) {
		if (!store(cpu, in->address + spans[i].offset, (char *)cpu->area + spans[i].offset,
			    spans[i].size_bytes))
			return 0;
	}
	present = (present & ~mask) | (area_u64(cpu, XSAVE_STATE_BV) & mask);
	(void)store(cpu, in->address + XSAVE_STATE_BV, &present, sizeof(present));
	return 0;
}

static int do_xrstor(struct softkvm_cpu *cpu, const struct instruction *in)
{
	struct span spans[SPANS_MAX];
	uint64_t mask, xcr0, header[3], kept;
	uint32_t mxcsr;
	unsigned count;
	int result;

	if (!requested_components(cpu, in, &mask, &xcr0, &result) ||
		!load(cpu, in->address + XSAVE_STATE_BV, header, sizeof(header)))
		return result;
	if (header[1] >> 63)
		return -ENOTSUP; /* the compact form, which needs XSAVEC to come about */
	if ((header[0] & ~xcr0) || header[1] || header[2])
		return raise_exception(cpu, VECTOR_GP, true, 0);
	/* What the instruction leaves alone must be known; a context switch leaves nothing. */
	if (mask == xcr0 && (mask & COMPONENT_SSE))
		memset(cpu->area, 0, cpu->area_bytes);
	else if (!fetch_area(cpu, &result))
		return result;
	kept = area_u64(cpu, XSAVE_STATE_BV) & ~mask;
	if (mask & COMPONENT_SSE)
		memset((char *)cpu->area + XSAVE_XMM, 0, XSAVE_XMM_END - XSAVE_XMM);
	/* MXCSR is loaded even if neither of the two components is present. */
	count = component_spans(cpu, header[0] & mask, spans);
	if (mask & (COMPONENT_SSE | COMPONENT_AVX) && !(header[0] & mask & (COMPONENT_SSE | COMPONENT_AVX)))
		spans[count++] = (struct span){ XSAVE_MXCSR, XSAVE_ST - XSAVE_MXCSR };
	for (unsigned i = 0; i < count; i++) {
		if (!load(cpu, in->address + spans[i].offset, (char *)cpu->area + spans[i].offset, spans[i].size_bytes))
			return 0;
	}
	memcpy(&mxcsr, (char *)cpu->area + XSAVE_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~MXCSR_VALID)
		return raise_exception(cpu, VECTOR_GP, true, 0);
	return commit_area(cpu, kept | (header[0] & mask));
}

/* Stores `size_bytes` of the area at `offset`, to memory or to AX. */
static int store_control(struct softkvm_cpu *cpu, const struct instruction *in, unsigned offset, unsigned size_bytes)
{
	uint64_t value = 0;
	int result;

	if (!fetch_area(cpu, &result))
		return result;
	memcpy(&value, (char *)cpu->area + offset, size_bytes);
	if (in->mod == 3)
		set_register(cpu, 0, size_bytes, value);
	else
		(void)store(cpu, in->address, &value, size_bytes);
	return 0;
}

static int do_ldmxcsr(struct softkvm_cpu *cpu, const struct instruction *in)
{
	uint32_t mxcsr;
	int result;

	if (!load(cpu, in->address, &mxcsr, sizeof(mxcsr)))
		return 0;
	if (mxcsr & ~MXCSR_VALID)
		return raise_exception(cpu, VECTOR_GP, true, 0);
	if (!fetch_area(cpu, &result))
		return result;
	memcpy((char *)cpu->area + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
	return commit_area(cpu, area_u64(cpu, XSAVE_STATE_BV));
}

static int do_fninit(struct softkvm_cpu *cpu)
{
	int result;

	if (!fetch_area(cpu, &result))
		return result;
	return commit_area(cpu, area_u64(cpu, XSAVE_STATE_BV) & ~COMPONENT_X87);
}

/* The others */

static int do_popcnt(struct softkvm_cpu *cpu, const struct instruction *in)
{
	uint64_t value;

	if (!load_operand(cpu, in, instruction_operand_bytes(in), &value))
		return 0;
	set_register(cpu, in->reg, instruction_operand_bytes(in), (uint64_t)__builtin_popcountll(value));
	set_flags(cpu, ARITHMETIC, value ? 0 : FLAG_ZF);
	return 0;
}

/* CRC-32C, reflected, without inversions. */
static int do_crc32(struct softkvm_cpu *cpu, const struct instruction *in)
{
	unsigned size_bytes = in->opcode == 0xf0 ? 1 : instruction_operand_bytes(in);
	uint32_t crc = (uint32_t)*instruction_register(cpu->regs, in->reg);
	uint64_t value;

	if (!load_operand(cpu, in, size_bytes, &value))
		return 0;
	for (unsigned i = 0; i < size_bytes; i++) {
		crc ^= (uint8_t)(value >> (8 * i));
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	*instruction_register(cpu->regs, in->reg) = crc;
	return 0;
}

/* Other vCPUs may be at the same place: done by the processor's own instruction. */
static int do_cmpxchg16b(struct softkvm_cpu *cpu, const struct instruction *in)
{
	struct kvm_regs *regs = cpu->regs;
	uint64_t low = regs->rax, high = regs->rdx;
	bool equal;
	const struct translation translation = translation_of(cpu);
	struct translation_fault fault;
	size_t part;
	void *host;
	int result;

	if (in->address % 16)
		return raise_exception(cpu, VECTOR_GP, true, 0);
	host = translate_page(&translation, in->address, true, &part, &result, &fault);
	if (!host) {
		raise_fault(cpu, result, &fault);
		return 0;
	}
	__asm__ volatile("lock cmpxchg16b %[memory]"
			 : [memory] "+m"(*(unsigned __int128 *)host), "=@ccz"(equal), "+a"(low), "+d"(high)
			 : "b"(regs->rbx), "c"(regs->rcx)
			 : "memory");
	regs->rax = low;
	regs->rdx = high;
	set_flags(cpu, FLAG_ZF, equal ? FLAG_ZF : 0);
	return 0;
}

static int do_rdtscp(struct softkvm_cpu *cpu)
{
	uint64_t counter, processor;
	int result = cpu->state->get_msr(cpu->owner, MSR_TSC, &counter);

	if (!result)
		result = cpu->state->get_msr(cpu->owner, MSR_TSC_AUX, &processor);
	if (result)
		return result;
	cpu->regs->rax = (uint32_t)counter;
	cpu->regs->rdx = counter >> 32;
	cpu->regs->rcx = (uint32_t)processor;
	return 0;
}

static int do_xgetbv(struct softkvm_cpu *cpu)
{
	uint64_t xcr0;
	int result;

	if ((uint32_t)cpu->regs->rcx != 0)
		return raise_exception(cpu, VECTOR_GP, true, 0);
	result = cpu->state->get_xcr0(cpu->owner, &xcr0);
	if (result)
		return result;
	cpu->regs->rax = (uint32_t)xcr0;
	cpu->regs->rdx = xcr0 >> 32;
	return 0;
}

static int do_xsetbv(struct softkvm_cpu *cpu)
{
	uint64_t xcr0 = (cpu->regs->rdx << 32) | (uint32_t)cpu->regs->rax;

	if ((uint32_t)cpu->regs->rcx != 0 || cpu->state->set_xcr0(cpu->owner, xcr0) != 0)
		return raise_exception(cpu, VECTOR_GP, true, 0);
	return 0;
}

static int do_random(struct softkvm_cpu *cpu, const struct instruction *in)
{
	uint64_t value;

	if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
		return -EIO;
	set_register(cpu, in->rm, instruction_operand_bytes(in), value);
	set_flags(cpu, ARITHMETIC, FLAG_CF);
	return 0;
}

/* VERR and VERW at privilege level 0: is the segment of this selector there, and readable or writable? (Global table
 * only.) */
static int do_verify_segment(struct softkvm_cpu *cpu, const struct instruction *in, bool write)
{
	uint64_t selector, descriptor = 0;
	bool code, right, privileged;

	if (!load_operand(cpu, in, 2, &selector))
		return 0;
	if (!(selector & 4) && (selector & ~3ULL) && (selector | 7) <= cpu->sregs->gdt.limit &&
		!load(cpu, cpu->sregs->gdt.base + (selector & ~7ULL), &descriptor, sizeof(descriptor)))
		return 0;
	code = descriptor >> 43 & 1;
	right = write ? !code && (descriptor >> 41 & 1) : !code || (descriptor >> 41 & 1);
	privileged = (code && (descriptor >> 42 & 1)) || (descriptor >> 45 & 3) >= (selector & 3);
	set_flags(cpu, FLAG_ZF, (descriptor >> 44 & 1) && right && privileged ? FLAG_ZF : 0);
	return 0;
}

/* Dispatch */

static int execute_0f01(struct softkvm_cpu *cpu, const struct instruction *in)
{
	switch (in->modrm) {
	case 0xca: /* CLAC */
	case 0xcb: /* STAC */
		set_flags(cpu, FLAG_AC, in->modrm == 0xcb ? FLAG_AC : 0);
		return 0;
	case 0xd0:
		return do_xgetbv(cpu);
	case 0xd1:
		return do_xsetbv(cpu);
	case 0xf9:
		return do_rdtscp(cpu);
	default:
		return -ENOSYS;
	}
}

static int execute_0fae(struct softkvm_cpu *cpu, const struct instruction *in)
{
	if (in->mod == 3 || in->repeat_f2 || in->repeat_f3)
		return -ENOSYS;
	if (in->operand16)
		return (in->reg & 7) == 6 ? 0 : -ENOSYS; /* CLWB: the monitor's memory is coherent */
	switch (in->reg & 7) {
	case 2:
		return do_ldmxcsr(cpu, in);
	case 3:
		return store_control(cpu, in, XSAVE_MXCSR, 4);
	case 4: /* XSAVE */
	case 6: /* XSAVEOPT */
		return do_xsave(cpu, in);
	case 5:
		return do_xrstor(cpu, in);
	default:
		return -ENOSYS;
	}
}

static int execute_0fc7(struct softkvm_cpu *cpu, const struct instruction *in)
{
	unsigned operation = in->reg & 7;

	if (in->mod == 3 && (operation == 6 || operation == 7) && !in->repeat_f2 && !in->repeat_f3)
		return do_random(cpu, in);
	if (in->mod != 3 && operation == 1 && (in->rex & REX_W))
		return do_cmpxchg16b(cpu, in);
	return -ENOSYS;
}

static int execute_0f(struct softkvm_cpu *cpu, const struct instruction *in)
{
	switch (in->opcode) {
	case 0x00:
		return (in->reg & 7) == 4 || (in->reg & 7) == 5 ? do_verify_segment(cpu, in, (in->reg & 7) == 5)
								: -ENOSYS;
	case 0x01:
		return execute_0f01(cpu, in);
	case 0xae:
		return execute_0fae(cpu, in);
	case 0xb8:
		return in->repeat_f3 ? do_popcnt(cpu, in) : -ENOSYS;
	case 0xc7:
		return execute_0fc7(cpu, in);
	default:
		return -ENOSYS;
	}
}

static int execute_x87(struct softkvm_cpu *cpu, const struct instruction *in)
{
	if (in->opcode == 0xd9 && in->mod != 3 && (in->reg & 7) == 7)
		return store_control(cpu, in, XSAVE_FCW, 2);
	if ((in->opcode == 0xdd && in->mod != 3 && (in->reg & 7) == 7) || (in->opcode == 0xdf && in->modrm == 0xe0))
		return store_control(cpu, in, XSAVE_FSW, 2);
	if (in->opcode == 0xdb && in->modrm == 0xe3)
		return do_fninit(cpu);
	return -ENOSYS;
}

static int execute(struct softkvm_cpu *cpu, const struct instruction *in)
{
	if (in->map == MAP_0F)
		return execute_0f(cpu, in);
	if (in->map == MAP_0F38)
		return in->repeat_f2 && (in->opcode == 0xf0 || in->opcode == 0xf1) ? do_crc32(cpu, in) : -ENOSYS;
	switch (in->opcode) {
	case 0x9b: /* FWAIT: a pending x87 exception shows up at the next x87 instruction of the program that caused it
		    */
		return 0;
	case 0xcc:
		return raise_exception(cpu, VECTOR_BP, false, 0);
	case 0xd9:
	case 0xdb:
	case 0xdd:
	case 0xdf:
		return execute_x87(cpu, in);
	default:
		return -ENOSYS;
	}
}

/* An instruction may end right before a page that is not there: then there are fewer bytes. */
static void fetch(const struct softkvm_cpu *cpu, struct instruction *in)
{
	const struct translation translation = translation_of(cpu);

	while (in->length < INSTRUCTION_BYTES_MAX) {
		struct translation_fault fault;
		size_t part;
		int result;
		void *host = translate_page(&translation, cpu->regs->rip + in->length, false, &part, &result, &fault);

		if (!host)
			return;
		if (part > INSTRUCTION_BYTES_MAX - in->length)
			part = INSTRUCTION_BYTES_MAX - in->length;
		memcpy(in->bytes + in->length, host, part);
		in->length += (unsigned)part;
	}
}

static int refuse(const struct softkvm_cpu *cpu, const struct instruction *in, int code, struct error *err)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;

	for (unsigned i = 0; i < in->length; i++)
		strbuf_printf(&bytes, " %02x", in->bytes[i]);
	return error_set(err, code, "this host's KVM cannot execute the guest kernel's instruction at 0x%llx (bytes%s)",
		(unsigned long long)cpu->regs->rip, in->length ? bytes.data : " unreadable");
}

int softkvm_finish(struct softkvm_cpu *cpu, struct error *err)
{
	const uint64_t long_mode_active = 1ULL << 10;
	struct instruction in = { 0 };
	int result;

	cpu->exception.raised = false;
	fetch(cpu, &in);
	/* At other privilege levels KVM has the guest's processor raise #UD by itself. */
	if (!(cpu->sregs->efer & long_mode_active) || !cpu->sregs->cs.l || cpu->sregs->cs.dpl != 0)
		return refuse(cpu, &in, -ENOSYS, err);
	result = instruction_decode(&in, cpu->regs, cpu->sregs);
	if (!result)
		result = execute(cpu, &in);
	if (result)
		return refuse(cpu, &in, result == -ENOSYS ? -ENOSYS : -result, err);
	/* Faults leave RIP at the instruction, the breakpoint trap behind it. */
	if (!cpu->exception.raised || cpu->exception.vector == VECTOR_BP)
		cpu->regs->rip += in.position;
	return 0;
}
