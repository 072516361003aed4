/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that the monitor finishes for a software-only KVM: decoding, memory, faults, everything but the extended
 * state. */
#include "softkvm_test.h"

#include "microvm/translate.h"

static void popcnt_counts_in_every_operand_size(void **state)
{
	struct fixture *f = *state;

	f->regs.rax = 0xffff0000ffff0003ULL;
	f->regs.rbx = UINT64_MAX;
	run(f, "\xf3\x48\x0f\xb8\xd8"); /* popcnt %rax, %rbx */
	assert_int_equal(f->regs.rbx, 34);
	f->regs.rbx = UINT64_MAX;
	run(f, "\xf3\x0f\xb8\xd8"); /* popcnt %eax, %ebx */
	assert_int_equal(f->regs.rbx, 18);
	f->regs.rbx = UINT64_MAX;
	run(f, "\x66\xf3\x0f\xb8\xd8"); /* popcnt %ax, %bx */
	assert_int_equal(f->regs.rbx, 0xffffffffffff0002ULL);
	f->regs.rflags = 0x8d7;
	run(f, "\xf3\x4c\x0f\xb8\xc0"); /* popcnt %rax, %r8 */
	assert_int_equal(f->regs.r8, 34);
	assert_int_equal(f->regs.rflags, 0x2);
	f->regs.r9 = 0;
	run(f, "\xf3\x4d\x0f\xb8\xd1"); /* popcnt %r9, %r10 */
	assert_int_equal(f->regs.r10, 0);
	assert_int_equal(f->regs.rflags, 0x42);
}

static void memory_operands_are_addressed_in_every_way(void **state)
{
	struct fixture *f = *state;
	const uint64_t value = 0x1f;

	memcpy(f->bytes + DATA + 0x100, &value, sizeof(value));
	f->regs.rbx = DATA;
	run(f, "\xf3\x48\x0f\xb8\x83\x00\x01\x00\x00"); /* 0x100(%rbx) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rbx = DATA + 0xf0;
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x43\x10"); /* 0x10(%rbx) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.r13 = DATA + 0x101;
	f->regs.rax = 0;
	run(f, "\xf3\x49\x0f\xb8\x45\xff"); /* -1(%r13) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.r12 = DATA;
	f->regs.r9 = 0x20;
	f->regs.rax = 0;
	run(f, "\xf3\x4b\x0f\xb8\x04\xcc"); /* (%r12,%r9,8) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rcx = DATA / 4 + 0x40;
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x04\x8d\x00\x00\x00\x00"); /* 0(,%rcx,4) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x04\x25\x00\x01\x02\x00"); /* 0x20100 */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x05\xf7\x00\x01\x00"); /* 0x100f7(%rip), the instruction being 9 bytes long */
	assert_int_equal(f->regs.rax, 5);
	f->sregs.gs.base = DATA;
	f->regs.rsi = 0x100;
	f->regs.rax = 0;
	run(f, "\x65\xf3\x48\x0f\xb8\x06"); /* %gs:(%rsi) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rsp = DATA + 0xf8;
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x44\x24\x08"); /* 8(%rsp) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rbx = 0xffffffff00000000ULL | (DATA + 0x100);
	f->regs.rax = 0;
	run(f, "\x67\xf3\x48\x0f\xb8\x03"); /* (%ebx) */
	assert_int_equal(f->regs.rax, 5);
}

static void operand_across_two_pages_is_one_value(void **state)
{
	struct fixture *f = *state;

	/* Neighbours in virtual memory, far apart in physical memory. */
	*entry(f, TABLE, (DATA >> 12) + 1) = 0x80000 | PRESENT | WRITABLE;
	memset(f->bytes + DATA + 0xffc, 0xff, 4);
	memset(f->bytes + 0x80000, 0x01, 4);
	f->regs.rbx = DATA + 0xffc;
	run(f, "\xf3\x48\x0f\xb8\x03");
	assert_int_equal(f->regs.rax, 36);
}

static void instruction_across_two_pages_is_fetched(void **state)
{
	struct fixture *f = *state;
	struct error err;

	memcpy(f->bytes + CODE + 0xffe, "\xf3\x48\x0f\xb8\xc3", 5);
	f->regs.rip = CODE + 0xffe;
	f->regs.rbx = 7;
	assert_int_equal(softkvm_finish(&f->cpu, &err), 0);
	assert_int_equal(f->regs.rax, 3);
	assert_int_equal(f->regs.rip, CODE + 0x1003);
	/* One that ends where nothing is mapped behind. */
	*entry(f, TABLE, (CODE >> 12) + 1) = 0;
	memcpy(f->bytes + CODE + 0xffb, "\xf3\x48\x0f\xb8\xc3", 5);
	f->regs.rip = CODE + 0xffb;
	f->regs.rax = 0;
	f->sregs.cr2 = 0x1234;
	assert_int_equal(softkvm_finish(&f->cpu, &err), 0);
	assert_false(f->cpu.exception.raised);
	assert_int_equal(f->regs.rax, 3);
	assert_int_equal(f->sregs.cr2, 0x1234);
	/* One that is cut off there has no effect. */
	f->regs.rip = CODE + 0xffd;
	memcpy(f->bytes + CODE + 0xffd, "\xf3\x48\x0f", 3);
	assert_int_equal(softkvm_finish(&f->cpu, &err), -ENOSYS);
	assert_int_equal(f->regs.rip, CODE + 0xffd);
}

static void cmpxchg16b_exchanges_or_loads(void **state)
{
	struct fixture *f = *state;
	uint64_t pair[2] = { 1, 2 }, expected[2] = { 3, 4 };

	memcpy(f->bytes + DATA, pair, sizeof(pair));
	f->regs.rdi = DATA;
	f->regs.rax = 1;
	f->regs.rdx = 2;
	f->regs.rbx = 3;
	f->regs.rcx = 4;
	run(f, "\xf0\x48\x0f\xc7\x0f"); /* lock cmpxchg16b (%rdi) */
	assert_memory_equal(f->bytes + DATA, expected, sizeof(expected));
	assert_int_equal(f->regs.rflags & 0x40, 0x40);
	assert_int_equal(*entry(f, TABLE, DATA >> 12) & (ACCESSED | DIRTY), ACCESSED | DIRTY);
	run(f, "\xf0\x48\x0f\xc7\x0f");
	assert_memory_equal(f->bytes + DATA, expected, sizeof(expected));
	assert_int_equal(f->regs.rax, 3);
	assert_int_equal(f->regs.rdx, 4);
	assert_int_equal(f->regs.rflags & 0x40, 0);
	f->regs.rdi = DATA + 8;
	run_raises(f, "\xf0\x48\x0f\xc7\x0f", 13);
}

static void crc32_is_that_of_the_check_vector(void **state)
{
	struct fixture *f = *state;

	/* CRC-32C of "123456789" is e3069283: eight bytes at once, then one. */
	memcpy(f->bytes + DATA, "123456789", 9);
	f->regs.rax = 0xffffffff;
	f->regs.rsi = DATA;
	run(f, "\xf2\x48\x0f\x38\xf1\x06"); /* crc32q (%rsi), %rax */
	f->regs.rcx = '9';
	run(f, "\xf2\x0f\x38\xf0\xc1"); /* crc32b %cl, %eax */
	assert_int_equal(f->regs.rax ^ 0xffffffff, 0xe3069283);
	f->regs.rax = 0xffffffff;
	run(f, "\xf2\x0f\x38\xf1\x06"); /* crc32l (%rsi), %eax */
	f->regs.rsi = DATA + 4;
	run(f, "\x66\xf2\x0f\x38\xf1\x06"); /* crc32w */
	f->regs.rcx = '7' << 8;
	run(f, "\xf2\x0f\x38\xf0\xc5"); /* crc32b %ch, %eax */
	f->regs.rcx = '8' | '9' << 8;
	run(f, "\x66\xf2\x0f\x38\xf1\xc1"); /* crc32w %cx, %eax */
	assert_int_equal(f->regs.rax ^ 0xffffffff, 0xe3069283);
}

static void small_ones_do_what_the_manual_says(void **state)
{
	struct fixture *f = *state;

	run(f, "\x0f\x01\xcb"); /* stac */
	assert_int_equal(f->regs.rflags, 0x40002);
	run(f, "\x0f\x01\xca"); /* clac */
	assert_int_equal(f->regs.rflags, 0x2);
	run(f, "\x9b");             /* fwait */
	run(f, "\x66\x0f\xae\x30"); /* clwb (%rax) */
	f->regs.rcx = 0;
	run(f, "\x0f\x01\xd0"); /* xgetbv */
	assert_int_equal(f->regs.rax, 0xe7);
	assert_int_equal(f->regs.rdx, 0);
	f->regs.rax = 7;
	run(f, "\x0f\x01\xd1"); /* xsetbv */
	assert_int_equal(f->xcr0, 7);
	f->regs.rax = 6;
	run_raises(f, "\x0f\x01\xd1", 13);
	f->regs.rcx = 1;
	run_raises(f, "\x0f\x01\xd0", 13);
	run(f, "\x0f\x01\xf9"); /* rdtscp */
	assert_int_equal(f->regs.rax, 0x55667788);
	assert_int_equal(f->regs.rdx, 0x11223344);
	assert_int_equal(f->regs.rcx, 0x99);
	f->regs.rax = 0;
	run(f, "\x48\x0f\xc7\xf0"); /* rdrand %rax */
	assert_int_equal(f->regs.rflags & 1, 1);
	assert_true(f->regs.rax != 0);
}

static void verw_looks_at_the_descriptor(void **state)
{
	struct fixture *f = *state;
	const uint64_t table[4] = { 0, 0x00af9b000000ffffULL, 0x00cf93000000ffffULL, 0x00cf91000000ffffULL };

	memcpy(f->bytes + DATA, table, sizeof(table));
	f->sregs.gdt.base = DATA;
	f->sregs.gdt.limit = sizeof(table) - 1;
	f->regs.rax = 0x10;
	run(f, "\x0f\x00\xe8"); /* verw %ax: writable data */
	assert_int_equal(f->regs.rflags & 0x40, 0x40);
	f->regs.rax = 0x8;
	run(f, "\x0f\x00\xe8"); /* code */
	assert_int_equal(f->regs.rflags & 0x40, 0);
	run(f, "\x0f\x00\xe0"); /* verr %ax: readable code */
	assert_int_equal(f->regs.rflags & 0x40, 0x40);
	f->regs.rax = 0x18;
	run(f, "\x0f\x00\xe8"); /* read-only data */
	assert_int_equal(f->regs.rflags & 0x40, 0);
	f->regs.rax = 0x20;
	run(f, "\x0f\x00\xe0"); /* beyond the table */
	assert_int_equal(f->regs.rflags & 0x40, 0);
	f->regs.rax = 0;
	run(f, "\x0f\x00\xe0"); /* null */
	assert_int_equal(f->regs.rflags & 0x40, 0);
}

static void breakpoint_is_a_trap_behind_the_instruction(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(finish_bytes(f, "\xcc", 1), 0);
	assert_true(f->cpu.exception.raised);
	assert_int_equal(f->cpu.exception.vector, 3);
	assert_false(f->cpu.exception.has_code);
	assert_int_equal(f->regs.rip, CODE + 1);
}

static void faults_are_raised_with_address_and_code(void **state)
{
	struct fixture *f = *state;

	f->regs.rdi = MISSING + 0x10;
	run_raises(f, "\xf3\x48\x0f\xb8\x07", 14); /* popcnt (%rdi) */
	assert_int_equal(f->cpu.exception.code, 0);
	assert_int_equal(f->sregs.cr2, MISSING + 0x10);
	run_raises(f, "\xf0\x48\x0f\xc7\x0f", 14);
	assert_int_equal(f->cpu.exception.code, 2);
	f->regs.rdi = READ_ONLY;
	run_raises(f, "\xf0\x48\x0f\xc7\x0f", 14);
	assert_int_equal(f->cpu.exception.code, 3);
	/* Without WP a supervisor may write everywhere. */
	f->sregs.cr0 &= ~0x10000ULL;
	run(f, "\xf0\x48\x0f\xc7\x0f");
	f->regs.rdi = 0x0000900000000000ULL;
	run_raises(f, "\xf3\x48\x0f\xb8\x07", 13);
}

static void what_is_not_known_is_refused_with_its_bytes(void **state)
{
	struct fixture *f = *state;
	struct error err;

	memcpy(f->bytes + CODE, "\xc5\xfc\x77", 3); /* vzeroupper */
	f->regs.rip = CODE;
	assert_int_equal(softkvm_finish(&f->cpu, &err), -ENOSYS);
	assert_non_null(strstr(err.message, "0x10000"));
	assert_non_null(strstr(err.message, "c5 fc 77"));
	assert_int_equal(finish_bytes(f, "\x0f\xc7\x23", 3), -ENOSYS);     /* xsavec */
	assert_int_equal(finish_bytes(f, "\x0f\x01\xc1", 3), -ENOSYS);     /* vmcall */
	assert_int_equal(finish_bytes(f, "\x0f\xb8\xc0", 3), -ENOSYS);     /* popcnt without its prefix */
	assert_int_equal(finish_bytes(f, "\xf3\x0f\xae\xc0", 4), -ENOSYS); /* rdfsbase */
	/* Only the kernel, only in 64-bit mode. */
	f->sregs.cs.dpl = 3;
	assert_int_equal(finish_bytes(f, "\x9b", 1), -ENOSYS);
	f->sregs.cs.dpl = 0;
	f->sregs.cs.l = 0;
	assert_int_equal(finish_bytes(f, "\x9b", 1), -ENOSYS);
	f->sregs.cs.l = 1;
	f->regs.rip = MISSING;
	assert_int_equal(softkvm_finish(&f->cpu, &err), -ENOSYS);
	assert_non_null(strstr(err.message, "unreadable"));
}

static void large_pages_and_five_levels_are_walked(void **state)
{
	struct fixture *f = *state;
	struct translation translation = { .memory = &f->memory, .cr0 = f->sregs.cr0, .cr3 = PML4, .cr4 = 0x20 };
	uint64_t physical;
	struct translation_fault fault;

	*entry(f, DIRECTORY, 1) = 0x600000 | PRESENT | LARGE;
	*entry(f, PDPT, 1) = 0x40000000 | PRESENT | WRITABLE | LARGE;
	assert_int_equal(translate(&translation, 0x212345, false, &physical, &fault), 0);
	assert_int_equal(physical, 0x612345);
	assert_int_equal(translate(&translation, 0x212345, true, &physical, &fault), -EFAULT);
	assert_int_equal(translate(&translation, 0x40000000 + 0x1234567, true, &physical, &fault), 0);
	assert_int_equal(physical, 0x40000000 + 0x1234567);
	assert_int_equal(*entry(f, PDPT, 1) & ACCESSED, 0);
	assert_int_equal(translate(&translation, 0x800000000000ULL, false, &physical, &fault), -EINVAL);
	/* The upper half is sign-extended. */
	*entry(f, PML4, 511) = PDPT | PRESENT;
	assert_int_equal(translate(&translation, 0xffffff8000012345ULL, false, &physical, &fault), 0);
	assert_int_equal(physical, 0x12345);
	*entry(f, 0x5000, 0) = PML4 | PRESENT | WRITABLE;
	translation.cr3 = 0x5000;
	translation.cr4 = 0x1020;
	assert_int_equal(translate(&translation, 0x12345, true, &physical, &fault), 0);
	assert_int_equal(physical, 0x12345);
	/* Tables outside of memory. */
	translation.cr3 = MEMORY;
	assert_int_equal(translate(&translation, 0x12345, true, &physical, &fault), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_cpu(popcnt_counts_in_every_operand_size),
		with_cpu(memory_operands_are_addressed_in_every_way),
		with_cpu(operand_across_two_pages_is_one_value),
		with_cpu(instruction_across_two_pages_is_fetched),
		with_cpu(cmpxchg16b_exchanges_or_loads),
		with_cpu(crc32_is_that_of_the_check_vector),
		with_cpu(small_ones_do_what_the_manual_says),
		with_cpu(verw_looks_at_the_descriptor),
		with_cpu(breakpoint_is_a_trap_behind_the_instruction),
		with_cpu(faults_are_raised_with_address_and_code),
		with_cpu(what_is_not_known_is_refused_with_its_bytes),
		with_cpu(large_pages_and_five_levels_are_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
