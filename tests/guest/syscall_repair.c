// SPDX-License-Identifier: Apache-2.0
/*
 * Tries to gain something from the guest kernel's SYSCALL repair (microvm/guest/kernel/patches): jumps to the kernel's
 * system call entry as if SYSCALL had been executed there, with forged RCX (return address) and R11 (flags).
 *
 *   syscall_repair ADDRESS        the address of entry_SYSCALL_64 in hexadecimal, from the kernel's System.map
 *
 * Prints one line for each attempt. Exit status: 0 if no attempt gained anything over executing SYSCALL, 1 if one did,
 * 2 for wrong usage. Where the repair is off, and with a correct one, every line says "refused (SIGSEGV)".
 */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define FLAG_INTERRUPT         (UINT64_C(1) << 9)
#define FLAG_IOPL              (UINT64_C(3) << 12)
#define FLAG_NESTED_TASK       (UINT64_C(1) << 14)
#define FLAG_RESUME            (UINT64_C(1) << 16)
#define FLAG_VIRTUAL_8086      (UINT64_C(1) << 17)
#define FLAG_ALIGNMENT         (UINT64_C(1) << 18)
#define FLAG_VIRTUAL_INTERRUPT (UINT64_C(1) << 19)
#define FLAG_VIRTUAL_PENDING   (UINT64_C(1) << 20)
#define FLAGS_PLAIN            (FLAG_INTERRUPT | 2)
// What no user program may ever have, whatever it executes.
#define FLAGS_FORBIDDEN (FLAG_IOPL | FLAG_VIRTUAL_8086 | FLAG_VIRTUAL_INTERRUPT | FLAG_VIRTUAL_PENDING)

#define RETURN_HERE 0

/*
 * jump_as_syscall(target, rcx, r11): jumps to target with the registers that SYSCALL leaves, for getpid. Comes back
 * only if the kernel took it for a system call and returned to rcx (RETURN_HERE: to the label below). Leaves the flags
 * found then in flags_after, and ordinary ones in their place.
 */
uint64_t jump_as_syscall(uint64_t target, uint64_t rcx, uint64_t r11);
uint64_t flags_after;
__asm__(".text\n"
	".globl jump_as_syscall\n"
	".type jump_as_syscall, @function\n"
	"jump_as_syscall:\n"
	"	movq	%rdi, %r9\n"
	"	leaq	1f(%rip), %rcx\n"
	"	testq	%rsi, %rsi\n"
	"	cmovnzq	%rsi, %rcx\n"
	"	movq	%rdx, %r11\n"
	"	movl	$39, %eax\n" // SYS_getpid
	"	jmpq	*%r9\n"
	"1:	pushfq\n"
	"	popq	flags_after(%rip)\n"
	"	pushq	$0x202\n"
	"	popfq\n"
	"	ret\n"
	".size jump_as_syscall, . - jump_as_syscall\n"
	".section .note.GNU-stack,\"\",@progbits\n"
	".text\n");
_Static_assert(SYS_getpid == 39, "the assembler above calls getpid");

static sigjmp_buf after_fault;
static volatile sig_atomic_t fault_signal;
static volatile uint64_t fault_address;
static volatile uint64_t fault_flags;

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;

	(void)info;
	fault_signal = signal_number;
	fault_address = (uint64_t)user->uc_mcontext.gregs[REG_RIP];
	fault_flags = (uint64_t)user->uc_mcontext.gregs[REG_EFL];
	siglongjmp(after_fault, 1);
}

static void catch_faults(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
	static char stack[64 * 1024];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

static bool may_disable_interrupts(void)
{
	if (sigsetjmp(after_fault, 1) != 0)
		return false;
	__asm__ volatile("cli\n\tsti" ::: "memory", "cc");
	return true;
}

static bool may_read_port(void)
{
	uint8_t value;

	if (sigsetjmp(after_fault, 1) != 0)
		return false;
	// Port 0x80 is the diagnostic port: reading it does nothing.
	__asm__ volatile("inb $0x80, %0" : "=a"(value));
	(void)value;
	return true;
}

static bool flags_are_forbidden(uint64_t flags)
{
	return (flags & FLAGS_FORBIDDEN) != 0 || (flags & FLAG_INTERRUPT) == 0;
}

// The powers that no attempt may leave behind, seen by using them.
static bool report_powers(void)
{
	bool gained = false;

	if (may_disable_interrupts()) {
		printf(", GAINED cli");
		gained = true;
	}
	if (may_read_port()) {
		printf(", GAINED in");
		gained = true;
	}
	return gained;
}

static bool attempt(const char *what, uint64_t target, uint64_t rcx, uint64_t r11)
{
	volatile bool gained = false;
	volatile uint64_t flags = 0;

	printf("%s: ", what);
	fflush(stdout);
	if (sigsetjmp(after_fault, 1) == 0) {
		uint64_t result = jump_as_syscall(target, rcx, r11);

		flags = flags_after;
		printf("taken for a system call, result %s", result == (uint64_t)getpid() ? "right" : "WRONG");
	} else if (fault_address == target) {
		flags = fault_flags;
		printf("refused (%s)", fault_signal == SIGSEGV ? "SIGSEGV" : strsignal(fault_signal));
	} else {
		// No SYSCALL can have left this return address.
		flags = fault_flags;
		gained = true;
		printf("taken for a system call, GAINED return to %#llx", (unsigned long long)fault_address);
	}
	if (flags_are_forbidden(flags)) {
		gained = true;
		printf(", GAINED flags %#llx", (unsigned long long)flags);
	}
	gained |= report_powers();
	putchar('\n');
	return gained;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		uint64_t rcx;
		uint64_t r11;
	} attempts[] = {
		{ "plain flags", RETURN_HERE, FLAGS_PLAIN },
		{ "IOPL 3", RETURN_HERE, FLAGS_PLAIN | FLAG_IOPL },
		{ "interrupts off", RETURN_HERE, 2 },
		{ "IOPL 3, interrupts off", RETURN_HERE, 2 | FLAG_IOPL },
		{ "VM, VIF, VIP, RF", RETURN_HERE,
			FLAGS_PLAIN | FLAG_VIRTUAL_8086 | FLAG_VIRTUAL_INTERRUPT | FLAG_VIRTUAL_PENDING | FLAG_RESUME },
		{ "NT, AC", RETURN_HERE, FLAGS_PLAIN | FLAG_NESTED_TASK | FLAG_ALIGNMENT },
		{ "every flag", RETURN_HERE, UINT64_MAX & ~(UINT64_C(1) << 8) },
		{ "IOPL 3, return to the kernel", UINT64_C(0xffffffff81000000), FLAGS_PLAIN | FLAG_IOPL },
		{ "IOPL 3, return to no address", UINT64_C(0x0000900000000000), FLAGS_PLAIN | FLAG_IOPL },
	};
	bool gained = false;
	char *end;
	uint64_t target;

	if (argc != 2 || (target = strtoull(argv[1], &end, 16)) == 0 || *end != '\0') {
		fprintf(stderr, "usage: syscall_repair ADDRESS\n");
		return 2;
	}
	catch_faults();
	printf("before");
	gained |= report_powers();
	putchar('\n');
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		gained |= attempt(attempts[i].what, target, attempts[i].rcx, attempts[i].r11);
	printf("%s\n", gained ? "GAINED something" : "gained nothing");
	return gained ? 1 : 0;
}
