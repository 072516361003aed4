/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to every device: registers, set-up, rings, resets. */
#include "virtio.h"

static const uint64_t odd_addresses[] = { 0, 1, 8, 0xfffffffffffffff0ULL, 0xffffffffffffffffULL, 0xd0000000ULL,
	0xcfffffffULL, 0x100000000ULL, 0xfffffffff000ULL, 0x8000000000000000ULL, DEVICES, 0xfee00000ULL };

static const uint32_t odd_values[] = { 0, 1, 2, 3, 11, 15, 64, 128, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff };

/* Every register, in every width, at every offset, in every state of the device. */
void attack_registers(struct driver *driver)
{
	static const unsigned widths[] = { 1, 2, 4, 8 };
	uint64_t base = driver->base;

	for (unsigned state = 0; state < 2; state++) {
		if (state)
			set_up(driver, base, true);
		else
			set_status(driver, 0);
		for (uint64_t offset = 0; offset < REGISTERS_END; offset += 1 + state) {
			for (unsigned i = 0; i < ARRAY_SIZE(widths); i++) {
				read_any(base + offset, widths[i]);
				write_any(base + offset, odd_values[(offset + i) % ARRAY_SIZE(odd_values)], widths[i]);
			}
		}
		/* To the end of the window, and across it. */
		for (unsigned i = 0; i < ARRAY_SIZE(widths); i++) {
			read_any(base + DEVICE_BYTES - 1, widths[i]);
			write_any(base + DEVICE_BYTES - 1, ~0ULL, widths[i]);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(odd_values); i++)
		set_status(driver, odd_values[i]);
}

/* Rings where there is no memory, or none of that size. */
void attack_queue_set_up(struct driver *driver)
{
	static const unsigned which[] = { REGISTER_TABLE, REGISTER_AVAILABLE, REGISTER_USED };
	uint64_t base = driver->base;

	for (unsigned i = 0; i < ARRAY_SIZE(odd_addresses) * ARRAY_SIZE(which); i++) {
		set_up(driver, base, true);
		set_status(driver, 0);
		set_status(driver, STATUS_ACKNOWLEDGE);
		set_status(driver, STATUS_DRIVER);
		write32(base + REGISTER_DRIVER_FEATURES_SELECT, 1);
		write32(base + REGISTER_DRIVER_FEATURES, 1);
		set_status(driver, STATUS_FEATURES);
		for (unsigned queue = 0; queue < driver->queues; queue++) {
			write32(base + REGISTER_QUEUE_SELECT, queue);
			write32(base + REGISTER_QUEUE_SIZE, odd_values[i % ARRAY_SIZE(odd_values)]);
			set_queue_address(driver, which[i % 3], odd_addresses[i / 3]);
			write32(base + REGISTER_QUEUE_READY, 1);
		}
		set_status(driver, STATUS_RUNNING);
		notify(driver, i % QUEUES);
		linger(4);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(odd_values); i++) {
		write32(base + REGISTER_QUEUE_SELECT, odd_values[i]);
		write32(base + REGISTER_QUEUE_SIZE, odd_values[i]);
		(void)read32(base + REGISTER_QUEUE_READY);
		write32(base + REGISTER_NOTIFY, odd_values[i]);
	}
}

static void descriptor(struct descriptor *place, const void *address, uint32_t length, uint16_t flags, uint16_t next)
{
	*place = (struct descriptor){ (uint64_t)address, length, flags, next };
}

/* One broken chain: each case on a device that has just been set up. */
static void break_chain(struct driver *driver, unsigned queue, unsigned number)
{
	struct rings *rings = &driver->rings[queue];
	struct descriptor *table = rings->table, *indirect = rings->indirect;

	switch (number) {
	case 0: /* a loop of one, and of two */
		descriptor(&table[0], driver->data, 16, FLAG_NEXT, 0);
		break;
	case 1:
		descriptor(&table[0], driver->data, 16, FLAG_NEXT | FLAG_WRITE, 1);
		descriptor(&table[1], driver->data, 16, FLAG_NEXT | FLAG_WRITE, 0);
		break;
	case 2: /* beyond the table */
		descriptor(&table[0], driver->data, 16, FLAG_NEXT, 0xffff);
		break;
	case 3: /* lengths */
		descriptor(&table[0], driver->data, 0xffffffff, FLAG_WRITE, 0);
		break;
	case 4:
		descriptor(&table[0], driver->data, 0xffffffff, FLAG_NEXT, 1);
		descriptor(&table[1], driver->data, 0xffffffff, FLAG_WRITE, 0);
		break;
	case 5: /* where no memory is */
		descriptor(&table[0], (void *)DEVICES, 64, FLAG_WRITE, 0);
		break;
	case 6:
		descriptor(&table[0], (void *)0xfffffffffffffff8ULL, 64, FLAG_WRITE, 0);
		break;
	case 7: /* readable behind writable */
		descriptor(&table[0], driver->data, 64, FLAG_WRITE | FLAG_NEXT, 1);
		descriptor(&table[1], driver->data, 64, 0, 0);
		break;
	case 8: /* indirect tables: nested, of an odd size, too long, with a successor, nowhere, of length 0 */
		descriptor(&table[0], indirect, sizeof(struct descriptor), FLAG_INDIRECT, 0);
		descriptor(&indirect[0], indirect, sizeof(struct descriptor), FLAG_INDIRECT, 0);
		break;
	case 9:
		descriptor(&table[0], indirect, 17, FLAG_INDIRECT, 0);
		break;
	case 10:
		descriptor(&table[0], indirect, sizeof(rings->indirect), FLAG_INDIRECT, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(rings->indirect); i++)
			descriptor(&indirect[i], driver->data, 1, FLAG_NEXT, (uint16_t)(i + 1));
		break;
	case 11:
		descriptor(&table[0], indirect, 32, FLAG_INDIRECT | FLAG_NEXT, 1);
		break;
	case 12:
		descriptor(&table[0], (void *)0xcffffff8ULL, 32, FLAG_INDIRECT, 0);
		break;
	case 13:
		descriptor(&table[0], indirect, 0, FLAG_INDIRECT, 0);
		break;
	case 14: /* an index far ahead */
		rings->available.index = (uint16_t)(rings->available.index + 1000);
		break;
	case 15: /* a head beyond the table, as the last one of the ring */
		for (unsigned i = 0; i < QUEUE_SIZE; i++)
			rings->available.ring[i] = 0xffff;
		break;
	default: /* nothing in it at all */
		descriptor(&table[0], driver->data, 0, FLAG_WRITE, 0);
		break;
	}
}

#define BROKEN_CHAINS 17

void attack_rings(struct driver *driver)
{
	uint64_t base = driver->base;

	for (unsigned number = 0; number < BROKEN_CHAINS; number++) {
		for (unsigned queue = 0; queue == 0 || queue < driver->queues; queue++) {
			set_up(driver, base, number & 1);
			break_chain(driver, queue, number);
			offer(driver, queue, number == 15 ? 0xffff : 0);
			linger(8);
		}
	}
}

/* Sizes, addresses and readiness are rewritten while the queues run. */
void attack_running_set_up(struct driver *driver)
{
	uint64_t base = driver->base;

	set_up(driver, base, true);
	for (unsigned i = 0; i < 200; i++) {
		unsigned queue = i % QUEUES;
		struct rings *rings = &driver->rings[queue];

		write32(base + REGISTER_QUEUE_SELECT, queue);
		write32(base + REGISTER_QUEUE_SIZE, odd_values[i % ARRAY_SIZE(odd_values)]);
		set_queue_address(driver, REGISTER_USED, odd_addresses[i % ARRAY_SIZE(odd_addresses)]);
		set_queue_address(driver, REGISTER_TABLE, odd_addresses[i % ARRAY_SIZE(odd_addresses)]);
		write32(base + REGISTER_QUEUE_READY, i & 1);
		write32(base + REGISTER_DRIVER_FEATURES, (uint32_t)random64());
		descriptor(&rings->table[i % QUEUE_SIZE], driver->data, 256, i & 2 ? FLAG_WRITE : 0, 0);
		offer(driver, queue, (uint16_t)(i % QUEUE_SIZE));
	}
}

/* Requests in flight while the device is reset and set up again. */
void attack_resets(struct driver *driver)
{
	uint64_t base = driver->base;

	for (unsigned i = 0; i < 100; i++) {
		set_up(driver, base, i & 1);
		for (unsigned queue = 0; queue < driver->queues; queue++) {
			for (uint16_t head = 0; head < QUEUE_SIZE; head++) {
				descriptor(&driver->rings[queue].table[head], driver->data + head * 4096, 4096,
					queue == 0 || (i & 4) ? FLAG_WRITE : 0, 0);
				driver->rings[queue].available.ring[head] = head;
			}
			driver->rings[queue].available.index = QUEUE_SIZE;
			notify(driver, queue);
		}
		if (i & 8)
			linger(i & 7);
		set_status(driver, 0);
	}
}

/* Whatever comes to mind. Rings are the driver's own again and again, so that something is answered too. */
void attack_chaos(struct driver *driver)
{
	uint64_t base = driver->base;

	for (unsigned i = 0; i < 2000; i++) {
		unsigned queue = (unsigned)random_below(QUEUES);
		struct rings *rings = &driver->rings[queue];
		uint16_t index = (uint16_t)random_below(QUEUE_SIZE);

		switch (random_below(8)) {
		case 0:
			if (random_below(10) == 0)
				set_up(driver, base, random_below(2));
			break;
		case 1:
			write32(base + random_below(REGISTERS_END / 4) * 4, (uint32_t)random64());
			break;
		case 2:
			((uint8_t *)rings)[random_below(sizeof(*rings))] = (uint8_t)random64();
			break;
		case 3:
		case 4:
		case 5:
			descriptor(&rings->table[index], driver->data + random_below(32768),
				(uint32_t)random_below(32768), (uint16_t)random_below(8),
				(uint16_t)random_below(QUEUE_SIZE));
			offer(driver, queue, index);
			break;
		case 6:
			driver->data[random_below(sizeof(driver->data))] = (uint8_t)random64();
			break;
		default:
			notify(driver, queue);
			break;
		}
	}
}
