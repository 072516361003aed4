/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/gdb.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/log.h"
#include "microvm/gdb_breaks.h"
#include "microvm/vm_internal.h"

#define PACKET_BYTES     4096
#define MEMORY_BYTES_MAX ((PACKET_BYTES - 64) / 2)
#define INTERRUPT        '\x03'
#define SIGNAL_INTERRUPT 2
#define SIGNAL_TRAP      5
#define NO_STEP          (-1)
#define VECTOR_BREAK     3

/* As in gdb's packets: 17 registers of 8 bytes, then 7 of 4. */
enum { WIDE_REGISTERS = 17, FLAGS = WIDE_REGISTERS, REGISTERS = 24 };

struct gdb {
	struct vm *vm;
	int listen_fd, debugger_fd;
	unsigned vcpu; /* that the debugger looks at */
	bool at_break; /* which has come upon an INT3 of ours */
	bool running;  /* it waits for the machine to stop */
	bool acknowledges;
	struct gdb_breaks breaks;
	char received[PACKET_BYTES];
	size_t received_bytes;
	char answer[PACKET_BYTES];
	size_t answer_bytes;
};

/* ---- the machine ---- */

static void stop(struct gdb *gdb)
{
	struct error err;

	if (vm_pause(gdb->vm, true, &err) < 0)
		log_debug("gdb: %s", err.message);
	gdb->running = false;
}

static void go(struct gdb *gdb, bool steps)
{
	struct error err;

	gdb_breaks_apply(&gdb->breaks, true, steps ? (int)gdb->vcpu : NO_STEP);
	gdb->running = true;
	if (vm_pause(gdb->vm, false, &err) < 0)
		log_debug("gdb: %s", err.message);
}

static __u64 *wide_register(struct kvm_regs *registers, unsigned number)
{
	__u64 *const table[WIDE_REGISTERS] = { &registers->rax, &registers->rbx, &registers->rcx, &registers->rdx,
		&registers->rsi, &registers->rdi, &registers->rbp, &registers->rsp, &registers->r8, &registers->r9,
		&registers->r10, &registers->r11, &registers->r12, &registers->r13, &registers->r14, &registers->r15,
		&registers->rip };

	return table[number];
}

static bool get_translation(const struct gdb *gdb, struct translation *translation)
{
	struct kvm_sregs system;

	if (ioctl(gdb->vm->vcpus[gdb->vcpu].fd, KVM_GET_SREGS, &system) < 0)
		return false;
	*translation = (struct translation){
		.memory = &gdb->vm->memory, .cr0 = system.cr0, .cr3 = system.cr3, .cr4 = system.cr4
	};
	return true;
}

/* ---- answers ---- */

static void put_text(struct gdb *gdb, const char *text)
{
	size_t length = strlen(text);

	if (length > sizeof(gdb->answer) - gdb->answer_bytes)
		length = sizeof(gdb->answer) - gdb->answer_bytes;
	memcpy(gdb->answer + gdb->answer_bytes, text, length);
	gdb->answer_bytes += length;
}

static void put_hex(struct gdb *gdb, const void *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *next = data;

	while (length-- && sizeof(gdb->answer) - gdb->answer_bytes >= 2) {
		gdb->answer[gdb->answer_bytes++] = digits[*next >> 4];
		gdb->answer[gdb->answer_bytes++] = digits[*next++ & 15];
	}
}

static void say(const struct gdb *gdb, const void *data, size_t length)
{
	/* A debugger that does not read is one that has gone. */
	(void)send(gdb->debugger_fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_answer(struct gdb *gdb)
{
	unsigned char sum = 0;
	char end[4];

	for (size_t i = 0; i < gdb->answer_bytes; i++)
		sum = (unsigned char)(sum + (unsigned char)gdb->answer[i]);
	(void)snprintf(end, sizeof(end), "#%02x", sum);
	say(gdb, "$", 1);
	say(gdb, gdb->answer, gdb->answer_bytes);
	say(gdb, end, 3);
	gdb->answer_bytes = 0;
}

static void put_stop(struct gdb *gdb, unsigned signal)
{
	char text[40];

	(void)snprintf(
		text, sizeof(text), "T%02xthread:%x;%s", signal, gdb->vcpu + 1, gdb->at_break ? "swbreak:;" : "");
	put_text(gdb, text);
}

/* ---- requests ---- */

static int hex_digit(char digit)
{
	const char *digits = "0123456789abcdef", *found = digit ? strchr(digits, digit | 0x20) : NULL;

	return found ? (int)(found - digits) : -1;
}

static uint64_t take_number(const char **next)
{
	uint64_t number = 0;

	for (; hex_digit(**next) >= 0; (*next)++)
		number = number << 4 | (uint64_t)hex_digit(**next);
	return number;
}

static bool take_separator(const char **next, char separator)
{
	if (**next != separator)
		return false;
	(*next)++;
	return true;
}

static bool take_bytes(const char **next, void *data, size_t length)
{
	unsigned char *to = data;

	for (; length--; *next += 2) {
		int high = hex_digit((*next)[0]), low = high < 0 ? -1 : hex_digit((*next)[1]);

		if (low < 0)
			return false;
		*to++ = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void read_registers(struct gdb *gdb)
{
	struct vcpu *vcpu = &gdb->vm->vcpus[gdb->vcpu];
	struct kvm_regs registers;
	struct kvm_sregs system;
	uint32_t narrow[REGISTERS - WIDE_REGISTERS];

	if (ioctl(vcpu->fd, KVM_GET_REGS, &registers) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &system) < 0) {
		put_text(gdb, "E01");
		return;
	}
	for (unsigned i = 0; i < WIDE_REGISTERS; i++)
		put_hex(gdb, wide_register(&registers, i), sizeof(uint64_t));
	narrow[0] = (uint32_t)registers.rflags;
	narrow[1] = system.cs.selector;
	narrow[2] = system.ss.selector;
	narrow[3] = system.ds.selector;
	narrow[4] = system.es.selector;
	narrow[5] = system.fs.selector;
	narrow[6] = system.gs.selector;
	put_hex(gdb, narrow, sizeof(narrow));
}

/* Selectors stay what they are. */
static void write_registers(struct gdb *gdb, const char *next)
{
	struct vcpu *vcpu = &gdb->vm->vcpus[gdb->vcpu];
	struct kvm_regs registers;
	uint32_t flags = 0;
	bool taken = ioctl(vcpu->fd, KVM_GET_REGS, &registers) == 0;

	for (unsigned i = 0; i < WIDE_REGISTERS && taken; i++)
		taken = take_bytes(&next, wide_register(&registers, i), sizeof(uint64_t));
	if (taken && take_bytes(&next, &flags, sizeof(flags)))
		registers.rflags = flags;
	put_text(gdb, taken && ioctl(vcpu->fd, KVM_SET_REGS, &registers) == 0 ? "OK" : "E01");
}

static void write_register(struct gdb *gdb, const char *next)
{
	struct vcpu *vcpu = &gdb->vm->vcpus[gdb->vcpu];
	uint64_t number = take_number(&next), value = 0;
	struct kvm_regs registers;

	if (!take_separator(&next, '=') || number > FLAGS || ioctl(vcpu->fd, KVM_GET_REGS, &registers) < 0 ||
		!take_bytes(&next, &value, number == FLAGS ? sizeof(uint32_t) : sizeof(value))) {
		put_text(gdb, "E01");
		return;
	}
	*(number == FLAGS ? &registers.rflags : wide_register(&registers, (unsigned)number)) = value;
	put_text(gdb, ioctl(vcpu->fd, KVM_SET_REGS, &registers) == 0 ? "OK" : "E01");
}

/* ---- memory and break points ---- */

static void access_memory(struct gdb *gdb, const char *next, bool write)
{
	uint64_t address = take_number(&next);
	uint64_t length = take_separator(&next, ',') ? take_number(&next) : 0;
	struct translation translation;
	struct translation_fault fault;
	unsigned char bytes[MEMORY_BYTES_MAX];
	int result;

	if (length > sizeof(bytes) || !get_translation(gdb, &translation) ||
		(write && (!take_separator(&next, ':') || !take_bytes(&next, bytes, length)))) {
		put_text(gdb, "E0e");
		return;
	}
	gdb_breaks_hide(&gdb->breaks, true);
	result = translate_copy(&translation, address, bytes, length, write, &fault);
	gdb_breaks_hide(&gdb->breaks, false);
	if (result < 0)
		put_text(gdb, "E0e");
	else if (write)
		put_text(gdb, "OK");
	else
		put_hex(gdb, bytes, length);
}

/* Watching data is not offered. */
static void change_break_point(struct gdb *gdb, const char *next, bool set)
{
	uint64_t kind = take_number(&next), address;
	struct translation translation;

	address = take_separator(&next, ',') ? take_number(&next) : 0;
	if (kind > 1 || !address)
		return;
	if (set && get_translation(gdb, &translation) && gdb_breaks_set(&gdb->breaks, &translation, address, kind == 1))
		put_text(gdb, "OK");
	else if (set)
		put_text(gdb, "E1c");
	else {
		gdb_breaks_remove(&gdb->breaks, address, kind == 1);
		put_text(gdb, "OK");
	}
}

/* ---- threads and the rest ---- */

static void choose_thread(struct gdb *gdb, const char *next)
{
	uint64_t number = take_number(&next);

	if (number >= 1 && number <= gdb->vm->vcpu_count)
		gdb->vcpu = (unsigned)number - 1;
	put_text(gdb, "OK");
}

static void list_threads(struct gdb *gdb)
{
	for (unsigned i = 0; i < gdb->vm->vcpu_count; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%c%x", i ? ',' : 'm', i + 1);
		put_text(gdb, text);
	}
}

static void query(struct gdb *gdb, const char *packet)
{
	if (strncmp(packet, "qSupported", 10) == 0)
		put_text(gdb, "PacketSize=1000;qXfer:features:read+;QStartNoAckMode+;hwbreak+;swbreak+");
	else if (strncmp(packet, "qXfer:features:read:target.xml:", 31) == 0)
		put_text(gdb,
			"l<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
			"<architecture>i386:x86-64</architecture></target>");
	else if (strncmp(packet, "qfThreadInfo", 12) == 0)
		list_threads(gdb);
	else if (strncmp(packet, "qsThreadInfo", 12) == 0)
		put_text(gdb, "l");
	else if (strncmp(packet, "qAttached", 9) == 0)
		put_text(gdb, "1");
}

static void leave(struct gdb *gdb)
{
	struct error err;

	close_fd(&gdb->debugger_fd);
	stop(gdb);
	gdb_breaks_clear(&gdb->breaks);
	gdb_breaks_apply(&gdb->breaks, false, NO_STEP);
	gdb->running = false;
	if (vm_pause(gdb->vm, false, &err) < 0)
		log_debug("gdb: %s", err.message);
}

/* What is not known gets the empty answer, as the protocol has it. */
static void serve(struct gdb *gdb, const char *packet)
{
	switch (packet[0]) {
	case '?':
		put_stop(gdb, SIGNAL_TRAP);
		break;
	case 'g':
		read_registers(gdb);
		break;
	case 'G':
		write_registers(gdb, packet + 1);
		break;
	case 'P':
		write_register(gdb, packet + 1);
		break;
	case 'm':
	case 'M':
		access_memory(gdb, packet + 1, packet[0] == 'M');
		break;
	case 'Z':
	case 'z':
		change_break_point(gdb, packet + 1, packet[0] == 'Z');
		break;
	case 'c':
	case 's':
		/* Answered when it stops. */
		go(gdb, packet[0] == 's');
		return;
	case 'H':
		choose_thread(gdb, packet + 2);
		break;
	case 'T':
		put_text(gdb, "OK");
		break;
	case 'q':
		query(gdb, packet);
		break;
	case 'Q':
		put_text(gdb, strcmp(packet, "QStartNoAckMode") == 0 ? "OK" : "");
		break;
	case 'D':
		put_text(gdb, "OK");
		send_answer(gdb);
		leave(gdb);
		return;
	case 'k':
		leave(gdb);
		return;
	default:
		break;
	}
	send_answer(gdb);
	if (strcmp(packet, "QStartNoAckMode") == 0)
		gdb->acknowledges = false;
}

/* ---- packets ---- */

static void interrupted(struct gdb *gdb, unsigned signal)
{
	if (!gdb->running)
		return;
	stop(gdb);
	put_stop(gdb, signal);
	send_answer(gdb);
}

/* Takes one packet from the front of what was received; the bytes that it had. 0: there is no whole one yet. */
static size_t take_packet(struct gdb *gdb)
{
	char packet[PACKET_BYTES];
	const char *end;
	size_t length;

	if (gdb->received[0] == INTERRUPT)
		interrupted(gdb, SIGNAL_INTERRUPT);
	/* Acknowledgements, and what lies between packets. */
	if (gdb->received[0] != '$')
		return 1;
	end = memchr(gdb->received, '#', gdb->received_bytes);
	length = end ? (size_t)(end - gdb->received) : 0;
	if (!end || length + 3 > gdb->received_bytes)
		return 0;
	memcpy(packet, gdb->received + 1, length - 1);
	packet[length - 1] = '\0';
	if (gdb->acknowledges)
		say(gdb, "+", 1);
	/* While it runs only the interrupt means something. */
	if (!gdb->running)
		serve(gdb, packet);
	return length + 3;
}

static void hear(struct gdb *gdb)
{
	ssize_t count = recv(gdb->debugger_fd, gdb->received + gdb->received_bytes,
		sizeof(gdb->received) - gdb->received_bytes, MSG_DONTWAIT);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	gdb->received_bytes += count > 0 ? (size_t)count : 0;
	while (gdb->received_bytes && gdb->debugger_fd >= 0) {
		size_t taken = take_packet(gdb);

		if (!taken)
			break;
		gdb->received_bytes -= taken;
		memmove(gdb->received, gdb->received + taken, gdb->received_bytes);
	}
	/* Gone, or longer than anything that was offered. */
	if (gdb->debugger_fd >= 0 && (count <= 0 || gdb->received_bytes == sizeof(gdb->received)))
		leave(gdb);
}

static void welcome(struct gdb *gdb)
{
	int fd = accept4(gdb->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	gdb->debugger_fd = fd;
	gdb->received_bytes = gdb->answer_bytes = 0;
	gdb->acknowledges = true;
	gdb->vcpu = 0;
	stop(gdb);
	gdb_breaks_apply(&gdb->breaks, true, NO_STEP);
}

/* An INT3 that the guest has for itself: it gets the exception that it would have had. */
static void hand_back(struct gdb *gdb)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP };

	go(gdb, false);
	(void)ioctl(gdb->vm->vcpus[gdb->vcpu].fd, KVM_SET_GUEST_DEBUG, &debug);
}

static void hit(struct gdb *gdb)
{
	struct vcpu *vcpu = &gdb->vm->vcpus[gdb->vm->debugged_vcpu];
	struct kvm_regs registers = { 0 };
	uint64_t count;

	(void)!read(gdb->vm->debug_fd, &count, sizeof(count));
	if (gdb->debugger_fd < 0 || !gdb->running)
		return;
	gdb->vcpu = gdb->vm->debugged_vcpu;
	stop(gdb);
	gdb->at_break = ioctl(vcpu->fd, KVM_GET_REGS, &registers) == 0 && gdb_breaks_at(&gdb->breaks, registers.rip);
	if (!gdb->at_break && vcpu->run->exit_reason == KVM_EXIT_DEBUG &&
		vcpu->run->debug.arch.exception == VECTOR_BREAK) {
		hand_back(gdb);
		return;
	}
	put_stop(gdb, SIGNAL_TRAP);
	send_answer(gdb);
	gdb->at_break = false;
}

/* ---- for its owner ---- */

int gdb_create(struct gdb **gdb, struct vm *vm, int listen_fd, struct error *err)
{
	int result = vm_open_debug(vm, err);

	if (result < 0)
		return result;
	*gdb = xcalloc(1, sizeof(**gdb));
	(*gdb)->vm = (*gdb)->breaks.vm = vm;
	(*gdb)->listen_fd = listen_fd;
	(*gdb)->debugger_fd = -EBADF;
	return 0;
}

void gdb_sources(const struct gdb *gdb, int fds[GDB_SOURCES])
{
	fds[0] = gdb->debugger_fd < 0 ? gdb->listen_fd : -EBADF;
	fds[1] = gdb->debugger_fd;
	fds[2] = gdb->vm->debug_fd;
}

void gdb_ready(struct gdb *gdb, unsigned source)
{
	if (source == 0)
		welcome(gdb);
	else if (source == 1)
		hear(gdb);
	else
		hit(gdb);
}

bool gdb_is_attached(const struct gdb *gdb)
{
	return gdb && gdb->debugger_fd >= 0;
}
