/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor does on a software-only KVM for a guest's kernel: instructions, registers and page tables are all
 * the guest's.
 */
#include <stdlib.h>

#include "input.h"
#include "microvm/softkvm.h"

#define MEMORY_BYTES 0x10000U
#define TABLES       0x1000U /* four levels, a page each */
#define CODE         0x8000U
#define AREA_BYTES   4096U
#define PRESENT      7ULL /* present, writable, user */

struct machine {
	struct guest_memory memory;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct softkvm_layout layout;
	unsigned char kept[AREA_BYTES];
	uint64_t xcr0;
};

static int get_xsave(void *owner, void *area)
{
	memcpy(area, ((struct machine *)owner)->kept, AREA_BYTES);
	return 0;
}

static int set_xsave(void *owner, const void *area)
{
	memcpy(((struct machine *)owner)->kept, area, AREA_BYTES);
	return 0;
}

static int get_xcr0(void *owner, uint64_t *xcr0)
{
	*xcr0 = ((struct machine *)owner)->xcr0;
	return 0;
}

static int set_xcr0(void *owner, uint64_t xcr0)
{
	((struct machine *)owner)->xcr0 = xcr0;
	return 0;
}

static int get_msr(void *owner, uint32_t index, uint64_t *value)
{
	(void)owner;
	*value = index;
	return 0;
}

static const struct softkvm_state state = {
	.get_xsave = get_xsave, .set_xsave = set_xsave, .get_xcr0 = get_xcr0, .set_xcr0 = set_xcr0, .get_msr = get_msr
};

/* Memory one to one, unless the input changes it. */
static void map(struct machine *machine)
{
	unsigned char *host = machine->memory.regions[0].host;

	for (unsigned level = 0; level < 4; level++) {
		uint64_t *table = (uint64_t *)(void *)(host + TABLES + level * 0x1000);

		table[0] = TABLES + (level + 1) * 0x1000 + PRESENT;
		for (uint64_t page = 0; level == 3 && page < MEMORY_BYTES >> 12; page++)
			table[page] = page << 12 | PRESENT;
	}
	machine->sregs.cr0 = 0x80010001;
	machine->sregs.cr3 = TABLES;
	machine->sregs.cr4 = 0x20;
	machine->sregs.efer = 0x500;
	machine->sregs.cs.l = 1;
}

static void take_registers(struct machine *machine, struct input *in)
{
	__u64 *const registers[] = { &machine->regs.rax, &machine->regs.rbx, &machine->regs.rcx, &machine->regs.rdx,
		&machine->regs.rsi, &machine->regs.rdi, &machine->regs.rsp, &machine->regs.rbp, &machine->regs.r8 };

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		uint8_t kind = (uint8_t)take(in, 1);

		*registers[i] = kind < 0xc0 ? (uint64_t)kind << 8 : take(in, 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct machine *machine = calloc(1, sizeof(*machine));
	struct softkvm_cpu cpu = { .regs = &machine->regs,
		.sregs = &machine->sregs,
		.memory = &machine->memory,
		.layout = &machine->layout,
		.state = &state,
		.owner = machine,
		.area = calloc(1, AREA_BYTES),
		.area_bytes = AREA_BYTES };
	struct error err;

	machine->memory = (struct guest_memory){ .count = 1,
		.regions = { { .size_bytes = MEMORY_BYTES, .host = aligned_alloc(4096, MEMORY_BYTES) } } };
	memset(machine->memory.regions[0].host, 0, MEMORY_BYTES);
	map(machine);
	machine->xcr0 = 0xe7;
	for (unsigned i = 2; i < 8; i++) {
		machine->layout.components[i].offset = 576 + (i - 2) * 256;
		machine->layout.components[i].size_bytes = 256;
	}
	take_registers(machine, &in);
	machine->regs.rip = CODE + take(&in, 2) % 0x1000;
	if (take(&in, 1) & 1)
		(void)take_bytes(&in, machine->memory.regions[0].host + take(&in, 2) % (MEMORY_BYTES - 256), 256);
	(void)take_bytes(&in, machine->memory.regions[0].host + CODE, 0x2000);
	/* Some in a row: each leaves its registers to the next. */
	for (unsigned i = 0; i < 16 && softkvm_finish(&cpu, &err) == 0 && !cpu.exception.raised; i++)
		;
	free(cpu.area);
	free(machine->memory.regions[0].host);
	free(machine);
	return 0;
}
