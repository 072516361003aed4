// SPDX-License-Identifier: Apache-2.0
/*
 * Do two processes on one processor keep their vector, x87 and MXCSR registers apart?
 *
 *   avx_isolation [ROUNDS]
 *
 * Two processes on the same CPU, each with values of its own in ymm0-15 (xmm0-15 where there is no AVX), in the x87
 * stack, in the x87 control word and in MXCSR, hand a byte back and forth over two pipes. The hand-over is one stretch
 * of assembler, so that nothing but the kernel can touch the registers between loading and storing them. Prints counts;
 * exits with 0 when nothing was ever different, with 1 otherwise, with 2 when the test itself failed.
 */
#include <cpuid.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_DEFAULT 300
#define REGISTERS      16
#define X87_REGISTERS  8

struct registers {
	unsigned char vector[REGISTERS][32]; /* ymm, or xmm in the first half */
	uint64_t x87[X87_REGISTERS];         /* bits of doubles */
	uint32_t mxcsr;
	uint16_t x87_control;
};

struct syscalls {
	long write_fd, read_fd;
	char byte;
	long written, got;
};

static bool avx_usable(void)
{
	unsigned eax, ebx, ecx, edx, xcr0, high;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) || !(ecx & bit_AVX))
		return false;
	__asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
	return (xcr0 & 6) == 6;
}

/* write(2) of one byte to the other process, sched_yield(2), read(2) of its answer; keeps every vector register. */
#define SWITCH                                                                                                      \
	"movl $1, %%eax\n\tmovq 0(%[calls]), %%rdi\n\tleaq 16(%[calls]), %%rsi\n\tmovl $1, %%edx\n\tsyscall\n\t"    \
	"movq %%rax, 24(%[calls])\n\t"                                                                              \
	"movl $24, %%eax\n\tsyscall\n\t"                                                                            \
	"xorl %%eax, %%eax\n\tmovq 8(%[calls]), %%rdi\n\tleaq 16(%[calls]), %%rsi\n\tmovl $1, %%edx\n\tsyscall\n\t" \
	"movq %%rax, 32(%[calls])\n\t"

#define X87_LOAD                                                                                                   \
	"fninit\n\tfldcw %c[control](%[in])\n\tldmxcsr %c[mxcsr](%[in])\n\t"                                       \
	"fldl %c[x87]+56(%[in])\n\tfldl %c[x87]+48(%[in])\n\tfldl %c[x87]+40(%[in])\n\tfldl %c[x87]+32(%[in])\n\t" \
	"fldl %c[x87]+24(%[in])\n\tfldl %c[x87]+16(%[in])\n\tfldl %c[x87]+8(%[in])\n\tfldl %c[x87](%[in])\n\t"
#define X87_STORE                                                                                                      \
	"fnstcw %c[control](%[out])\n\tstmxcsr %c[mxcsr](%[out])\n\t"                                                  \
	"fstpl %c[x87](%[out])\n\tfstpl %c[x87]+8(%[out])\n\tfstpl %c[x87]+16(%[out])\n\tfstpl %c[x87]+24(%[out])\n\t" \
	"fstpl %c[x87]+32(%[out])\n\tfstpl %c[x87]+40(%[out])\n\tfstpl %c[x87]+48(%[out])\n\tfstpl "                   \
	"%c[x87]+56(%[out])\n\t"                                                                                       \
	"fninit\n\t"

#define ALL_16(MOVE) \
	MOVE(0)      \
	MOVE(1)      \
	MOVE(2)      \
	MOVE(3) MOVE(4) MOVE(5) MOVE(6) MOVE(7) MOVE(8) MOVE(9) MOVE(10) MOVE(11) MOVE(12) MOVE(13) MOVE(14) MOVE(15)
#define YMM_LOAD(n)  "vmovdqu 32*" #n "(%[in]), %%ymm" #n "\n\t"
#define YMM_STORE(n) "vmovdqu %%ymm" #n ", 32*" #n "(%[out])\n\t"
#define XMM_LOAD(n)  "movdqu 32*" #n "(%[in]), %%xmm" #n "\n\t"
#define XMM_STORE(n) "movdqu %%xmm" #n ", 32*" #n "(%[out])\n\t"

#define OPERANDS                                                                                                       \
	:                                                                                                              \
	: [in] "r"(in), [out] "r"(out), [calls] "r"(calls), [x87] "i"(offsetof(struct registers, x87)),                \
	  [mxcsr] "i"(offsetof(struct registers, mxcsr)), [control] "i"(offsetof(struct registers, x87_control))       \
	: "rax", "rcx", "rdx", "rsi", "rdi", "r11", "cc", "memory", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", \
	  "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",   \
	  "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static void switch_with_ymm(const struct registers *in, struct registers *out, struct syscalls *calls)
{
	__asm__ volatile(X87_LOAD ALL_16(YMM_LOAD) SWITCH ALL_16(YMM_STORE) X87_STORE "vzeroupper\n\t" OPERANDS);
}

static void switch_with_xmm(const struct registers *in, struct registers *out, struct syscalls *calls)
{
	__asm__ volatile(X87_LOAD ALL_16(XMM_LOAD) SWITCH ALL_16(XMM_STORE) X87_STORE OPERANDS);
}

/* Different in every process, round, register and byte. */
static void fill(struct registers *registers, unsigned process, unsigned round, bool avx)
{
	for (unsigned i = 0; i < REGISTERS; i++) {
		for (unsigned j = 0; j < (avx ? 32u : 16u); j++)
			registers->vector[i][j] = (unsigned char)(process * 131 + round * 31 + i * 17 + j * 7 + 1);
	}
	for (unsigned i = 0; i < X87_REGISTERS; i++) {
		double value = (double)(process + 1) * 1000 + round + i / 8.0;

		memcpy(&registers->x87[i], &value, sizeof(value));
	}
	/* Rounding modes that nobody else uses, all exceptions masked. */
	registers->mxcsr = 0x1f80 | (process ? 0x2000 : 0x4000);
	registers->x87_control = (uint16_t)(0x37f | (process ? 0x400 : 0x800));
}

/* What one process sees: rounds in which a vector register, and in which anything else, was not its own. */
struct result {
	unsigned rounds, vector_wrong, other_wrong;
};

static void play(unsigned process, unsigned rounds, bool avx, int write_fd, int read_fd, struct result *result)
{
	struct registers mine, seen;

	for (unsigned i = 0; i < rounds; i++, result->rounds++) {
		struct syscalls calls = { .write_fd = write_fd, .read_fd = read_fd, .byte = 'x' };

		memset(&mine, 0, sizeof(mine));
		memset(&seen, 0, sizeof(seen));
		fill(&mine, process, i, avx);
		if (avx)
			switch_with_ymm(&mine, &seen, &calls);
		else
			switch_with_xmm(&mine, &seen, &calls);
		if (calls.written != 1 || calls.got != 1)
			return;
		if (memcmp(mine.vector, seen.vector, sizeof(mine.vector)) != 0)
			result->vector_wrong++;
		if (memcmp(mine.x87, seen.x87, sizeof(mine.x87)) != 0 || mine.mxcsr != (seen.mxcsr & 0xffc0) ||
			mine.x87_control != seen.x87_control)
			result->other_wrong++;
	}
}

static int report(const char *name, const struct result *result, unsigned rounds, bool avx)
{
	printf("%s: %u of %u rounds, %u with wrong %s registers, %u with wrong x87 registers or modes\n", name,
		result->rounds, rounds, result->vector_wrong, avx ? "ymm" : "xmm", result->other_wrong);
	if (result->rounds != rounds)
		return 2;
	return result->vector_wrong || result->other_wrong ? 1 : 0;
}

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		perror("sched_setaffinity");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : ROUNDS_DEFAULT;
	bool avx = avx_usable();
	int there[2], back[2], results[2], status, mine, theirs;
	struct result parent = { 0 }, child = { 0 };
	pid_t pid;

	pin();
	if (pipe(there) < 0 || pipe(back) < 0 || pipe(results) < 0 || (pid = fork()) < 0) {
		perror("avx_isolation");
		return 2;
	}
	if (pid == 0) {
		close(there[1]);
		close(back[0]);
		play(1, rounds, avx, back[1], there[0], &child);
		_exit(write(results[1], &child, sizeof(child)) != (ssize_t)sizeof(child));
	}
	close(there[0]);
	close(back[1]);
	play(0, rounds, avx, there[1], back[0], &parent);
	if (read(results[0], &child, sizeof(child)) != (ssize_t)sizeof(child) || waitpid(pid, &status, 0) != pid) {
		perror("avx_isolation");
		return 2;
	}
	printf("registers: %s, x87, modes\n", avx ? "ymm0-15 (AVX)" : "xmm0-15 (no AVX here)");
	mine = report("parent", &parent, rounds, avx);
	theirs = report("child", &child, rounds, avx);
	return mine > theirs ? mine : theirs;
}
