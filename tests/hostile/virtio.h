/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver for one virtio-mmio device at a time, which keeps to the rules as far as each attack wants it to.
 */
#ifndef DUET_TESTS_HOSTILE_VIRTIO_H
#define DUET_TESTS_HOSTILE_VIRTIO_H

#include "machine.h"

#define DEVICES      0xd0000000ULL
#define DEVICE_BYTES 0x1000ULL
#define DEVICE_SLOTS 8
#define QUEUES       4
#define QUEUE_SIZE   16

/* Registers (virtio 1.2, 4.2.2). */
enum {
	REGISTER_ID = 0x8,
	REGISTER_DEVICE_FEATURES = 0x10,
	REGISTER_DEVICE_FEATURES_SELECT = 0x14,
	REGISTER_DRIVER_FEATURES = 0x20,
	REGISTER_DRIVER_FEATURES_SELECT = 0x24,
	REGISTER_QUEUE_SELECT = 0x30,
	REGISTER_QUEUE_SIZE_MAX = 0x34,
	REGISTER_QUEUE_SIZE = 0x38,
	REGISTER_QUEUE_READY = 0x44,
	REGISTER_NOTIFY = 0x50,
	REGISTER_STATUS = 0x70,
	REGISTER_TABLE = 0x80,
	REGISTER_AVAILABLE = 0x90,
	REGISTER_USED = 0xa0,
	REGISTER_CONFIG = 0x100,
	REGISTERS_END = 0x200,
};

enum { ID_NET = 1, ID_RNG = 4, ID_BALLOON = 5, ID_VSOCK = 19, ID_FS = 26 };
enum { STATUS_ACKNOWLEDGE = 1, STATUS_DRIVER = 3, STATUS_FEATURES = 11, STATUS_RUNNING = 15, STATUS_BROKEN = 64 };
enum { FLAG_NEXT = 1, FLAG_WRITE = 2, FLAG_INDIRECT = 4 };

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

struct available {
	uint16_t flags, index, ring[QUEUE_SIZE], event;
};

struct used {
	uint16_t flags, index;
	struct {
		uint32_t id, length;
	} ring[QUEUE_SIZE];
	uint16_t event;
};

struct rings {
	struct descriptor table[QUEUE_SIZE] __attribute__((aligned(16)));
	struct available available;
	struct used used __attribute__((aligned(4)));
	struct descriptor indirect[QUEUE_SIZE * 2] __attribute__((aligned(16)));
};

struct driver {
	uint64_t base; /* of the registers */
	uint32_t id;
	unsigned queues;
	struct rings rings[QUEUES];
	uint8_t data[65536];
};

/* The device's slot, 0xffffffff… when there is none of that kind. */
uint64_t find_device(uint32_t id);
/* Reset, features (all that are offered when `all`, else the least), queues as they should be, DRIVER_OK. */
void set_up(struct driver *driver, uint64_t base, bool all);
void set_queue_address(const struct driver *driver, unsigned which, uint64_t address);
void set_status(const struct driver *driver, uint32_t status);
uint32_t status_of(const struct driver *driver);
/* Makes the chain that begins at `head` available and kicks. */
void offer(struct driver *driver, unsigned queue, uint16_t head);
void notify(const struct driver *driver, unsigned queue);
/* Waits for a while until the device has used something. */
bool wait_used(struct driver *driver, unsigned queue, uint16_t before);
/* Gives the devices' thread time. */
void linger(unsigned rounds);

/* attacks.c, protocols.c: the device is there; what is left of it does not matter. */
void attack_registers(struct driver *driver);
void attack_queue_set_up(struct driver *driver);
void attack_rings(struct driver *driver);
void attack_running_set_up(struct driver *driver);
void attack_resets(struct driver *driver);
void attack_chaos(struct driver *driver);
void attack_rng(struct driver *driver);
void attack_vsock(struct driver *driver);
void attack_fs(struct driver *driver);
void attack_balloon(struct driver *driver);
void attack_control(struct driver *driver);

#endif
