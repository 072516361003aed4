/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that misbehaves on purpose, in place of a kernel (`duet run --vm-kernel`). The word `hostile=NAME` of its
 * command line says how; it tells its progress on the serial port and switches the machine off in the end:
 *
 *   devices  everything that can be done wrong with a virtio device, to each that there is
 *   ports    every port, in every width; and every kind of address where nothing is
 *   control  garbage on the control channel
 *   itself   a device is made to write over this program
 *   stack    an exception without anybody to handle it
 *   halt     nothing any more
 *   spin     nothing any more, in a loop
 */
#include "virtio.h"

#define BOOT_PARAMS_CMDLINE 0x228

void start(const uint8_t *boot_params);

/* By string instructions, of which an emulated kernel's processor does many at a time. */
void *memcpy(void *to, const void *from, size_t length)
{
	void *place = to;

	__asm__ volatile("rep movsb" : "+D"(place), "+S"(from), "+c"(length)::"memory");
	return to;
}

void *memset(void *to, int value, size_t length)
{
	uint64_t word = (uint8_t)value * 0x0101010101010101ULL;
	size_t words = length / sizeof(word), rest = length % sizeof(word);
	void *place = to;

	__asm__ volatile("rep stosq" : "+D"(place), "+c"(words) : "a"(word) : "memory");
	__asm__ volatile("rep stosb" : "+D"(place), "+c"(rest) : "a"(word) : "memory");
	return to;
}

static struct driver driver;

static void report(const char *what)
{
	say("hostile: survived ");
	say(what);
	say("\n");
}

static void attack_devices(void)
{
	static const struct {
		void (*attack)(struct driver *driver);
		const char *name;
	} attacks[] = {
		{ attack_registers, "registers" },
		{ attack_queue_set_up, "queue set-up" },
		{ attack_rings, "rings" },
		{ attack_running_set_up, "set-up of running queues" },
		{ attack_resets, "resets" },
		{ attack_chaos, "chaos" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(attacks); i++) {
		for (uint64_t slot = 0; slot < DEVICE_SLOTS; slot++) {
			driver.base = DEVICES + slot * DEVICE_BYTES;
			attacks[i].attack(&driver);
		}
		report(attacks[i].name);
	}
	driver.base = find_device(ID_RNG);
	attack_rng(&driver);
	report("rng");
	driver.base = find_device(ID_VSOCK);
	attack_vsock(&driver);
	report("vsock");
	driver.base = find_device(ID_FS);
	attack_fs(&driver);
	report("fs");
	driver.base = find_device(ID_BALLOON);
	attack_balloon(&driver);
	report("balloon");
}

static void attack_ports(void)
{
	static uint8_t bytes[4096];

	for (uint32_t port = 0; port < 0x10000; port += port < 0x500 ? 1 : 0x101) {
		bool ends_machine = port >= KEYBOARD_PORT - 3 && port <= KEYBOARD_PORT;
		bool is_serial = port >= SERIAL_PORT - 3 && port < SERIAL_PORT + 8;

		(void)in8((uint16_t)port);
		(void)in16((uint16_t)port);
		(void)in32((uint16_t)port);
		if (ends_machine || is_serial)
			continue;
		out8((uint16_t)port, 0xff);
		out16((uint16_t)port, 0xffff);
		out32((uint16_t)port, 0xffffffff);
	}
	out16(KEYBOARD_PORT, 0);
	out8(KEYBOARD_PORT, 0);
	/* Strings: many accesses in one exit. */
	__asm__ volatile("rep insb" ::"D"(bytes), "c"(sizeof(bytes)), "d"(KEYBOARD_PORT) : "memory");
	__asm__ volatile("rep insl" ::"D"(bytes), "c"(sizeof(bytes) / 4), "d"(0x1234) : "memory");
	__asm__ volatile("rep outsw" ::"S"(bytes), "c"(sizeof(bytes) / 2), "d"(0x1234) : "memory");
	report("ports");
	for (uint64_t address = DEVICES; address < 0x100000000ULL; address += 0x1fff000) {
		for (unsigned bytes_wide = 1; bytes_wide <= 8; bytes_wide *= 2) {
			read_any(address + 0xff9, bytes_wide);
			/* The interrupt controllers' pages are KVM's own, and the last pages too. */
			if (address < 0xfe000000ULL)
				write_any(address + 0xff9, ~0ULL, bytes_wide);
		}
	}
	report("addresses of nothing");
}

/* The random bytes go over the instructions that wait for them. */
static void attack_itself(void)
{
	driver.base = find_device(ID_RNG);
	set_up(&driver, driver.base, true);
	driver.rings[0].table[0] = (struct descriptor){ (uint64_t)start & ~0xfffULL, 65536, FLAG_WRITE, 0 };
	say("hostile: survived so far\n");
	offer(&driver, 0, 0);
	(void)wait_used(&driver, 0, 0);
	linger(100000);
}

static bool asked(const char *cmdline, const char *name)
{
	static const char option[] = "hostile=";

	for (; *cmdline; cmdline++) {
		const char *at = cmdline, *o = option, *n = name;

		while (*o && *at == *o)
			at++, o++;
		while (!*o && *n && *at == *n)
			at++, n++;
		if (!*o && !*n && (*at == ' ' || *at == '\0'))
			return true;
	}
	return false;
}

static void run(const char *cmdline)
{
	if (asked(cmdline, "devices"))
		attack_devices();
	else if (asked(cmdline, "ports"))
		attack_ports();
	else if (asked(cmdline, "itself"))
		attack_itself();
	else if (asked(cmdline, "stack"))
		__asm__ volatile("xorl %esp, %esp\n int3");
	else if (asked(cmdline, "halt"))
		__asm__ volatile("cli\n 0: hlt\n jmp 0b");
	else if (asked(cmdline, "spin"))
		__asm__ volatile("0: pause\n jmp 0b");
	else if (asked(cmdline, "control")) {
		driver.base = find_device(ID_VSOCK);
		attack_control(&driver);
		linger(100000);
	} else {
		say("hostile: what is asked?\n");
	}
}

__attribute__((section(".text.start"), used)) void start(const uint8_t *boot_params)
{
	uint32_t cmdline;

	memcpy(&cmdline, boot_params + BOOT_PARAMS_CMDLINE, sizeof(cmdline));
	run((const char *)(uint64_t)cmdline);
	say("hostile: done\n");
	power_off();
}

/* RSI holds the zero page; the monitor's stack is small. */
__asm__(".pushsection .text.start\n.globl _start\n_start:\n leaq hostile_stack_end(%rip), %rsp\n movq %rsi, %rdi\n"
	" call start\n ud2\n.popsection\n.pushsection .bss\n.balign 16\n.skip "
	"65536\nhostile_stack_end:\n.popsection\n");
