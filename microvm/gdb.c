/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/gdb.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/log.h"
#include "microvm/translate.h"
#include "microvm/vm_internal.h"

#define PACKET_BYTES     4096
#define MEMORY_BYTES_MAX ((PACKET_BYTES - 64) / 2)
#define BREAK_POINTS     4
#define INTERRUPT        '\x03'
#define SIGNAL_INTERRUPT 2
#define SIGNAL_TRAP      5

/* As in gdb's packets: 17 registers of 8 bytes, then 7 of 4. */
enum { WIDE_REGISTERS = 17, FLAGS = WIDE_REGISTERS, REGISTERS = 24 };

struct gdb {
	struct vm *vm;
	int listen_fd, debugger_fd;
	unsigned vcpu; /* that the debugger looks at */
	bool running;  /* it waits for the machine to stop */
	bool acknowledges;
	uint64_t break_points[BREAK_POINTS]; /* 0: none */
	char received[PACKET_BYTES];
	size_t received_bytes;
	char answer[PACKET_BYTES];
	size_t answer_bytes;
};

/* ---- the machine ---- */

static void set_debug(struct gdb *gdb, bool enabled, bool steps)
{
	struct kvm_guest_debug debug = { .control = enabled ? KVM_GUESTDBG_ENABLE : 0 };

	for (unsigned i = 0; i < BREAK_POINTS && enabled; i++) {
		if (!gdb->break_points[i])
			continue;
		debug.control |= KVM_GUESTDBG_USE_HW_BP;
		debug.arch.debugreg[i] = gdb->break_points[i];
		debug.arch.debugreg[7] |= 0x600ULL | 2ULL << (2 * i); /* executed, globally */
	}
	for (unsigned i = 0; i < gdb->vm->vcpu_count; i++) {
		struct kvm_guest_debug own = debug;

		if (steps && i == gdb->vcpu)
			own.control |= KVM_GUESTDBG_SINGLESTEP;
		(void)ioctl(gdb->vm->vcpus[i].fd, KVM_SET_GUEST_DEBUG, &own);
	}
}

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

	set_debug(gdb, true, steps);
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

	(void)snprintf(text, sizeof(text), "T%02xthread:%x;", signal, gdb->vcpu + 1);
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

static void access_memory(struct gdb *gdb, const char *next, bool write)
{
	uint64_t address = take_number(&next);
	uint64_t length = take_separator(&next, ',') ? take_number(&next) : 0;
	struct translation translation;
	struct translation_fault fault;
	unsigned char bytes[MEMORY_BYTES_MAX];

	if (length > sizeof(bytes) || !get_translation(gdb, &translation) ||
		(write && (!take_separator(&next, ':') || !take_bytes(&next, bytes, length))) ||
		translate_copy(&translation, address, bytes, length, write, &fault) < 0) {
		put_text(gdb, "E0e");
		return;
	}
	if (write)
		put_text(gdb, "OK");
	else
		put_hex(gdb, bytes, length);
}

static void change_break_point(struct gdb *gdb, const char *next, bool set)
{
	uint64_t kind = take_number(&next), address;
	unsigned place = 0;

	address = take_separator(&next, ',') ? take_number(&next) : 0;
	/* Watching data is not offered. */
	if (kind > 1 || !address)
		return;
	while (place < BREAK_POINTS && gdb->break_points[place] != address)
		place++;
	for (unsigned i = 0; i < BREAK_POINTS && set && place == BREAK_POINTS; i++)
		place = gdb->break_points[i] ? place : i;
	if (place < BREAK_POINTS)
		gdb->break_points[place] = set ? address : 0;
	put_text(gdb, place < BREAK_POINTS || !set ? "OK" : "E1c");
}

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
	memset(gdb->break_points, 0, sizeof(gdb->break_points));
	set_debug(gdb, false, false);
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
	set_debug(gdb, true, false);
}

static void hit(struct gdb *gdb)
{
	uint64_t count;

	(void)!read(gdb->vm->debug_fd, &count, sizeof(count));
	gdb->vcpu = gdb->vm->debugged_vcpu;
	if (gdb->debugger_fd >= 0)
		interrupted(gdb, SIGNAL_TRAP);
}

/* ---- for its owner ---- */

int gdb_create(struct gdb **gdb, struct vm *vm, int listen_fd, struct error *err)
{
	int result = vm_open_debug(vm, err);

	if (result < 0)
		return result;
	*gdb = xcalloc(1, sizeof(**gdb));
	(*gdb)->vm = vm;
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
