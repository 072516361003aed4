/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest kernel without a kernel: entered in 64-bit mode with the first 4 GiB mapped one to one, on one processor,
 * without interrupts, exception handlers or the C library.
 */
#ifndef DUET_TESTS_HOSTILE_MACHINE_H
#define DUET_TESTS_HOSTILE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_PORT   0x3f8
#define KEYBOARD_PORT 0x64
#define RESET_COMMAND 0xfe
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void write8(uint64_t address, uint8_t value)
{
	*(volatile uint8_t *)address = value;
}

static inline void write16(uint64_t address, uint16_t value)
{
	*(volatile uint16_t *)address = value;
}

static inline void write32(uint64_t address, uint32_t value)
{
	*(volatile uint32_t *)address = value;
}

static inline void write64(uint64_t address, uint64_t value)
{
	*(volatile uint64_t *)address = value;
}

static inline uint32_t read32(uint64_t address)
{
	return *(volatile uint32_t *)address;
}

static inline void read_any(uint64_t address, unsigned bytes)
{
	switch (bytes) {
	case 1:
		(void)*(volatile uint8_t *)address;
		break;
	case 2:
		(void)*(volatile uint16_t *)address;
		break;
	case 4:
		(void)*(volatile uint32_t *)address;
		break;
	default:
		(void)*(volatile uint64_t *)address;
		break;
	}
}

static inline void write_any(uint64_t address, uint64_t value, unsigned bytes)
{
	switch (bytes) {
	case 1:
		write8(address, (uint8_t)value);
		break;
	case 2:
		write16(address, (uint16_t)value);
		break;
	case 4:
		write32(address, (uint32_t)value);
		break;
	default:
		write64(address, value);
		break;
	}
}

static inline void say(const char *text)
{
	for (; *text; text++)
		out8(SERIAL_PORT, (uint8_t)*text);
}

static inline void power_off(void)
{
	for (;;)
		out8(KEYBOARD_PORT, RESET_COMMAND);
}

/* xorshift64: the same numbers at every run. */
static inline uint64_t random64(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static inline uint64_t random_below(uint64_t limit)
{
	return (random64() >> 16) % limit;
}

/* What the compiler may call. */
void *memcpy(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);

#endif
