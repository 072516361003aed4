/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of 64-bit x86 instructions without immediate operands (Intel SDM volume 2, chapter 2): prefixes, opcode,
 * ModR/M operand. VEX and EVEX encodings are not known.
 */
#ifndef DUET_MICROVM_INSTRUCTION_H
#define DUET_MICROVM_INSTRUCTION_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define INSTRUCTION_BYTES_MAX 15

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

/* Opcode maps: one byte, 0F xx, 0F 38 xx. */
enum instruction_map { MAP_ONE, MAP_0F, MAP_0F38 };

struct instruction {
	uint8_t bytes[INSTRUCTION_BYTES_MAX];
	unsigned length;   /* how many bytes there are */
	unsigned position; /* after decoding: how many of them are the instruction */
	bool operand16, address32, repeat_f2, repeat_f3, overrun;
	uint8_t rex;
	enum instruction_map map;
	uint8_t opcode, modrm, mod, reg, rm; /* reg and rm with their REX bits */
	uint64_t address;                    /* linear address of the memory operand, when mod is not 3 */
};

/* Decodes bytes[0..length), standing at regs->rip. 0, or -ENOSYS when they are too few. */
int instruction_decode(struct instruction *in, const struct kvm_regs *regs, const struct kvm_sregs *sregs);

/* Place of a general register by its number in an encoding (0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8
 * r8, …). */
__u64 *instruction_register(struct kvm_regs *regs, unsigned number);

/* Size of an operand that follows the prefixes: 2, 4 or 8 bytes. */
unsigned instruction_operand_bytes(const struct instruction *in);

#endif
