/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine as a whole with bare-metal guests of a few instructions, on this host's /dev/kvm. Without one (or without
 * access to it) every test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "microvm/layout.h"
#include "microvm/vm.h"

#define LOAD_ADDRESS 0x100000

/* Guests: each is entered in 64-bit mode with memory mapped one to one, and no interrupt table. */
#define GUEST(name, code)                                                                                \
	__asm__(".pushsection .rodata\n.globl " name "\n" name ":\n" code "\n.globl " name "_end\n" name \
		"_end:\n.popsection\n")

#define POWER_OFF "movb $0xfe, %al\n outb %al, $0x64\n 0: hlt\n jmp 0b\n"

GUEST("guest_power_off", POWER_OFF);
GUEST("guest_triple_fault", "ud2\n");
GUEST("guest_loop", "0: pause\n jmp 0b\n");
/* Writes "hi", and the state of the keyboard controller. */
GUEST("guest_serial", "movw $0x3f8, %dx\n movb $'h', %al\n outb %al, %dx\n movb $'i', %al\n outb %al, %dx\n"
		      "inb $0x64, %al\n outb %al, %dx\n inb $0x80, %al\n outb %al, %dx\n" POWER_OFF);
/* The magic number of the first device, what lies in an empty slot and behind the slots. */
GUEST("guest_mmio", "movw $0x3f8, %dx\n movl $0xd0000000, %ebx\n movl (%rbx), %eax\n"
		    "outb %al, %dx\n shrl $8, %eax\n outb %al, %dx\n shrl $8, %eax\n outb %al, %dx\n shrl $8, %eax\n "
		    "outb %al, %dx\n"
		    "movl 0x6000(%rbx), %eax\n outb %al, %dx\n movl 0x100000(%rbx), %eax\n outb %al, %dx\n"
		    "movl $0, 0x6000(%rbx)\n movb $1, 0x70(%rbx)\n movl 0x70(%rbx), %eax\n outb %al, %dx\n" POWER_OFF);
/* Writes dots for ever. */
GUEST("guest_ticker", "movw $0x3f8, %dx\n 0: movb $'.', %al\n outb %al, %dx\n jmp 0b\n");

struct guest {
	const unsigned char *start, *end;
};

extern const unsigned char guest_power_off[], guest_power_off_end[];
extern const unsigned char guest_triple_fault[], guest_triple_fault_end[];
extern const unsigned char guest_loop[], guest_loop_end[];
extern const unsigned char guest_serial[], guest_serial_end[];
extern const unsigned char guest_mmio[], guest_mmio_end[];
extern const unsigned char guest_ticker[], guest_ticker_end[];

static const struct guest power_off = { guest_power_off, guest_power_off_end };
static const struct guest triple_fault = { guest_triple_fault, guest_triple_fault_end };
static const struct guest loop = { guest_loop, guest_loop_end };
static const struct guest serial = { guest_serial, guest_serial_end };
static const struct guest mmio = { guest_mmio, guest_mmio_end };
static const struct guest ticker = { guest_ticker, guest_ticker_end };

static int kvm_fd = -1;

static int set_up(void **state)
{
	(void)state;
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return 0;
}

static void need_kvm(void)
{
	if (kvm_fd < 0)
		skip();
}

/* An ELF file with one segment at 1 MiB. */
static int make_kernel(const struct guest *guest)
{
	const size_t length = (size_t)(guest->end - guest->start);
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	const Elf64_Phdr segment = { .p_type = PT_LOAD,
		.p_offset = 4096,
		.p_paddr = LOAD_ADDRESS,
		.p_filesz = length,
		.p_memsz = length + 4096 };
	Elf64_Ehdr header = { .e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = LOAD_ADDRESS,
		.e_phoff = sizeof(header),
		.e_phentsize = sizeof(segment),
		.e_phnum = 1 };

	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(pwrite(fd, &segment, sizeof(segment), sizeof(header)), sizeof(segment));
	assert_int_equal(pwrite(fd, guest->start, length, 4096), length);
	return fd;
}

static struct vm *make(const struct guest *guest, int console_fd, unsigned vcpus)
{
	cleanup_fd int kernel_fd = make_kernel(guest);
	const struct vm_config config = { .kvm_fd = kvm_fd,
		.kernel_fd = kernel_fd,
		.kernel_name = "test",
		.initrd_fd = -1,
		.memory_bytes = VM_MEMORY_MIN_BYTES,
		.vcpus = vcpus,
		.share_fd = -1,
		.console_fd = console_fd };
	struct vm *vm = NULL;
	struct error err = { 0 };

	if (vm_create(&vm, &config, &err) != 0)
		fail_msg("%s", err.message);
	return vm;
}

static int wait_readable(int fd, int timeout_ms)
{
	struct pollfd descriptor = { .fd = fd, .events = POLLIN };

	return poll(&descriptor, 1, timeout_ms);
}

static enum vm_stop_cause run_to_end(struct vm *vm, struct error *err)
{
	assert_int_equal(vm_start(vm, err), 0);
	assert_int_equal(wait_readable(vm_event_fd(vm), 10000), 1);
	return vm_stop_cause(vm, err);
}

static void reset_by_the_keyboard_controller_is_power_off(void **state)
{
	struct error err;
	struct vm *vm;

	(void)state;
	need_kvm();
	vm = make(&power_off, -1, 1);
	assert_int_equal(vm_stop_cause(vm, NULL), VM_RUNNING);
	assert_int_equal(run_to_end(vm, &err), VM_POWERED_OFF);
	vm_stop(vm);
	assert_int_equal(vm_stop_cause(vm, NULL), VM_POWERED_OFF);
	vm_destroy(vm);
}

static void triple_fault_is_a_crash_with_its_place(void **state)
{
	struct error err = { 0 };
	struct vm *vm;

	(void)state;
	need_kvm();
	vm = make(&triple_fault, -1, 1);
	assert_int_equal(run_to_end(vm, &err), VM_CRASHED);
	assert_non_null(strstr(err.message, "triple fault"));
	vm_destroy(vm);
}

static void serial_port_and_keyboard_controller_answer(void **state)
{
	unsigned char text[8] = { 0 };
	struct error err;
	struct vm *vm;
	int ends[2];

	(void)state;
	need_kvm();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	vm = make(&serial, ends[1], 1);
	assert_int_equal(run_to_end(vm, &err), VM_POWERED_OFF);
	vm_destroy(vm);
	close(ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "hi\xfd\xff", 4);
	close(ends[0]);
}

static void device_windows_answer_and_the_rest_reads_ones(void **state)
{
	unsigned char text[8] = { 0 };
	struct error err;
	struct vm *vm;
	int ends[2];

	(void)state;
	need_kvm();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	vm = make(&mmio, ends[1], 1);
	assert_int_equal(run_to_end(vm, &err), VM_POWERED_OFF);
	vm_destroy(vm);
	close(ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 7);
	/* A store of one byte to the status register is ignored. */
	assert_memory_equal(text, "virt\xff\xff\x00", 7);
	close(ends[0]);
}

static void guest_that_loops_is_stopped_from_outside(void **state)
{
	struct timespec before, after;
	struct error err;
	struct vm *vm;

	(void)state;
	need_kvm();
	vm = make(&loop, -1, 2);
	assert_int_equal(vm_start(vm, &err), 0);
	assert_int_equal(wait_readable(vm_event_fd(vm), 50), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	vm_stop(vm);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 5);
	assert_int_equal(wait_readable(vm_event_fd(vm), 0), 1);
	assert_int_equal(vm_stop_cause(vm, NULL), VM_STOPPED);
	vm_destroy(vm);
}

static size_t drain(int fd)
{
	char bytes[4096];
	size_t count = 0;
	ssize_t got;

	while (wait_readable(fd, 100) > 0 && (got = read(fd, bytes, sizeof(bytes))) > 0) {
		count += (size_t)got;
		if (count > 100000)
			break;
	}
	return count;
}

static void paused_guest_does_nothing_until_resumed(void **state)
{
	struct error err;
	struct vm *vm;
	int ends[2];

	(void)state;
	need_kvm();
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	vm = make(&ticker, ends[1], 2);
	/* A machine that does not run yet is paused as well as any. */
	assert_int_equal(vm_pause(vm, true, &err), 0);
	assert_int_equal(vm_start(vm, &err), 0);
	assert_int_equal(wait_readable(ends[0], 200), 0);
	assert_int_equal(vm_pause(vm, false, &err), 0);
	assert_int_equal(wait_readable(ends[0], 10000), 1);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(vm_pause(vm, true, &err), 0);
		(void)drain(ends[0]);
		assert_int_equal(wait_readable(ends[0], 20), 0);
		assert_int_equal(vm_pause(vm, false, &err), 0);
		assert_int_equal(wait_readable(ends[0], 10000), 1);
	}
	assert_int_equal(vm_pause(vm, true, &err), 0);
	vm_stop(vm);
	assert_int_equal(vm_pause(vm, false, &err), -ESRCH);
	vm_destroy(vm);
	close(ends[0]);
	close(ends[1]);
}

static void machine_that_was_never_started_goes_away(void **state)
{
	struct vm *vm;

	(void)state;
	need_kvm();
	vm = make(&loop, -1, 4);
	vm_destroy(vm);
	vm_destroy(NULL);
}

static void expect_refusal(const struct vm_config *config, const char *words)
{
	struct vm *vm = NULL;
	struct error err = { 0 };

	assert_true(vm_create(&vm, config, &err) < 0);
	assert_null(vm);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" lacks \"%s\"", err.message, words);
}

static void what_cannot_run_is_refused_in_one_sentence(void **state)
{
	cleanup_fd int kernel_fd = make_kernel(&loop);
	cleanup_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct vm_config config = { .kvm_fd = kvm_fd,
		.kernel_fd = kernel_fd,
		.kernel_name = "some-kernel",
		.initrd_fd = -1,
		.memory_bytes = VM_MEMORY_MIN_BYTES,
		.vcpus = 1,
		.share_fd = -1,
		.console_fd = -1 };
	struct vm_config bad = config;

	(void)state;
	need_kvm();
	bad.vcpus = 0;
	expect_refusal(&bad, "vCPUs");
	bad.vcpus = VM_VCPUS_MAX + 1;
	expect_refusal(&bad, "1 to 32 vCPUs, not 33");
	bad = config;
	bad.memory_bytes = 8 << 20;
	expect_refusal(&bad, "64 MiB of memory at least, not 8 MiB");
	bad.memory_bytes = VM_MEMORY_MIN_BYTES + 4096;
	expect_refusal(&bad, "multiple of 1 MiB");
	bad = config;
	bad.kernel_fd = null_fd;
	expect_refusal(&bad, "some-kernel: not a file");
	bad = config;
	bad.initrd_fd = null_fd;
	expect_refusal(&bad, "initrd");
	bad = config;
	bad.kvm_fd = null_fd;
	expect_refusal(&bad, "/dev/kvm");
}

static unsigned count_descriptors(void)
{
	cleanup_directory DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(directory))
		count++;
	return count;
}

static void no_descriptor_is_left_behind(void **state)
{
	unsigned before = count_descriptors();
	struct error err;
	struct vm *vm;

	(void)state;
	need_kvm();
	for (unsigned i = 0; i < 5; i++) {
		vm = make(&power_off, -1, 2);
		assert_int_equal(run_to_end(vm, &err), VM_POWERED_OFF);
		vm_destroy(vm);
	}
	assert_int_equal(count_descriptors(), before);
}

/* The C library does not know of such a process: what it remembers of thread ids is the parent's. */
static void machine_runs_in_a_process_made_by_bare_clone3(void **state)
{
	struct clone_args arguments = { .exit_signal = SIGCHLD };
	int status = -1;
	pid_t pid;

	(void)state;
	need_kvm();
	pid = sys_clone3(&arguments);
	assert_true(pid >= 0);
	if (pid == 0) {
		struct vm *vm = make(&ticker, open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
		struct error err;
		bool good = vm_start(vm, &err) == 0;

		for (unsigned i = 0; i < 10; i++)
			good = good && vm_pause(vm, true, &err) == 0 && vm_pause(vm, false, &err) == 0;
		vm_stop(vm);
		good = good && vm_stop_cause(vm, NULL) == VM_STOPPED;
		vm_destroy(vm);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_by_the_keyboard_controller_is_power_off),
		cmocka_unit_test(triple_fault_is_a_crash_with_its_place),
		cmocka_unit_test(serial_port_and_keyboard_controller_answer),
		cmocka_unit_test(device_windows_answer_and_the_rest_reads_ones),
		cmocka_unit_test(guest_that_loops_is_stopped_from_outside),
		cmocka_unit_test(paused_guest_does_nothing_until_resumed),
		cmocka_unit_test(machine_that_was_never_started_goes_away),
		cmocka_unit_test(what_cannot_run_is_refused_in_one_sentence),
		cmocka_unit_test(no_descriptor_is_left_behind),
		cmocka_unit_test(machine_runs_in_a_process_made_by_bare_clone3),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
