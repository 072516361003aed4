/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/instruction.h"

#include <errno.h>

__u64 *instruction_register(struct kvm_regs *regs, unsigned number)
{
	__u64 *const places[16] = { &regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi,
		&regs->rdi, &regs->r8, &regs->r9, &regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14,
		&regs->r15 };

	return places[number & 15];
}

static uint64_t register_value(const struct kvm_regs *regs, unsigned number)
{
	return *instruction_register((struct kvm_regs *)(uintptr_t)regs, number);
}

unsigned instruction_operand_bytes(const struct instruction *in)
{
	return in->rex & REX_W ? 8 : in->operand16 ? 2 : 4;
}

static uint8_t next_byte(struct instruction *in)
{
	if (in->position >= in->length) {
		in->overrun = true;
		return 0;
	}
	return in->bytes[in->position++];
}

static uint64_t next_displacement(struct instruction *in, unsigned size_bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < size_bytes; i++)
		value |= (uint32_t)next_byte(in) << (8 * i);
	return (uint64_t)(int64_t)(size_bytes == 1 ? (int8_t)value : (int32_t)value);
}

/* Answers the base of the segment of the memory operand: only FS and GS have one in 64-bit mode. */
static uint64_t decode_prefixes(struct instruction *in, const struct kvm_sregs *sregs)
{
	uint64_t base = 0;

	for (; in->position < in->length; in->position++) {
		switch (in->bytes[in->position]) {
		case 0x66:
			in->operand16 = true;
			break;
		case 0x67:
			in->address32 = true;
			break;
		case 0xf2:
			in->repeat_f2 = true;
			break;
		case 0xf3:
			in->repeat_f3 = true;
			break;
		case 0x64:
			base = sregs->fs.base;
			break;
		case 0x65:
			base = sregs->gs.base;
			break;
		case 0xf0:
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			break;
		default:
			if ((in->bytes[in->position] & 0xf0) == 0x40)
				in->rex = next_byte(in);
			return base;
		}
	}
	return base;
}

static void decode_opcode(struct instruction *in)
{
	in->opcode = next_byte(in);
	if (in->opcode != 0x0f)
		return;
	in->map = MAP_0F;
	in->opcode = next_byte(in);
	if (in->opcode == 0x38) {
		in->map = MAP_0F38;
		in->opcode = next_byte(in);
	}
}

static uint64_t decode_sib(struct instruction *in, const struct kvm_regs *regs)
{
	uint8_t sib = next_byte(in);
	unsigned index = ((sib >> 3) & 7u) | (in->rex & REX_X ? 8u : 0), base = sib & 7;
	uint64_t address = 0;

	if (index != 4)
		address = register_value(regs, index) << (sib >> 6);
	if (base == 5 && in->mod == 0)
		return address + next_displacement(in, 4);
	return address + register_value(regs, base | (in->rex & REX_B ? 8u : 0));
}

static void decode_operand(struct instruction *in, const struct kvm_regs *regs, uint64_t segment_base)
{
	uint64_t address;

	in->modrm = next_byte(in);
	in->mod = in->modrm >> 6;
	in->reg = (uint8_t)(((in->modrm >> 3) & 7) | (in->rex & REX_R ? 8 : 0));
	in->rm = (uint8_t)((in->modrm & 7) | (in->rex & REX_B ? 8 : 0));
	if (in->mod == 3)
		return;
	if ((in->modrm & 7) == 4)
		address = decode_sib(in, regs);
	else if ((in->modrm & 7) == 5 && in->mod == 0) {
		/* Relative to the end of the instruction, which is here: no immediate follows. */
		address = next_displacement(in, 4);
		address += regs->rip + in->position;
	} else
		address = register_value(regs, in->rm);
	if (in->mod != 0)
		address += next_displacement(in, in->mod == 1 ? 1 : 4);
	if (in->address32)
		address &= 0xffffffff;
	in->address = address + segment_base;
}

/* Of the instructions that callers know, FWAIT and INT3 have no ModR/M byte. */
static bool has_operand(const struct instruction *in)
{
	return in->map != MAP_ONE || (in->opcode != 0x9b && in->opcode != 0xcc);
}

int instruction_decode(struct instruction *in, const struct kvm_regs *regs, const struct kvm_sregs *sregs)
{
	uint64_t segment_base = decode_prefixes(in, sregs);

	decode_opcode(in);
	if (has_operand(in))
		decode_operand(in, regs, segment_base);
	return in->overrun ? -ENOSYS : 0;
}
