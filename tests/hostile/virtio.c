/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

uint64_t find_device(uint32_t id)
{
	for (uint64_t slot = 0; slot < DEVICE_SLOTS; slot++) {
		uint64_t base = DEVICES + slot * DEVICE_BYTES;

		if (read32(base + REGISTER_ID) == id)
			return base;
	}
	return UINT64_MAX;
}

void set_status(const struct driver *driver, uint32_t status)
{
	write32(driver->base + REGISTER_STATUS, status);
}

uint32_t status_of(const struct driver *driver)
{
	return read32(driver->base + REGISTER_STATUS);
}

void set_queue_address(const struct driver *driver, unsigned which, uint64_t address)
{
	write32(driver->base + which, (uint32_t)address);
	write32(driver->base + which + 4, (uint32_t)(address >> 32));
}

static void agree_features(const struct driver *driver, bool all)
{
	for (uint32_t half = 0; half < 2; half++) {
		uint32_t offered;

		write32(driver->base + REGISTER_DEVICE_FEATURES_SELECT, half);
		write32(driver->base + REGISTER_DRIVER_FEATURES_SELECT, half);
		offered = read32(driver->base + REGISTER_DEVICE_FEATURES);
		/* VERSION_1 is bit 32. */
		write32(driver->base + REGISTER_DRIVER_FEATURES, all ? offered : half);
	}
}

void set_up(struct driver *driver, uint64_t base, bool all)
{
	driver->base = base;
	driver->id = read32(base + REGISTER_ID);
	driver->queues = 0;
	memset(driver->rings, 0, sizeof(driver->rings));
	set_status(driver, 0);
	set_status(driver, STATUS_ACKNOWLEDGE);
	set_status(driver, STATUS_DRIVER);
	agree_features(driver, all);
	set_status(driver, STATUS_FEATURES);
	for (unsigned i = 0; i < QUEUES; i++) {
		write32(base + REGISTER_QUEUE_SELECT, i);
		if (!read32(base + REGISTER_QUEUE_SIZE_MAX))
			break;
		write32(base + REGISTER_QUEUE_SIZE, QUEUE_SIZE);
		set_queue_address(driver, REGISTER_TABLE, (uint64_t)driver->rings[i].table);
		set_queue_address(driver, REGISTER_AVAILABLE, (uint64_t)&driver->rings[i].available);
		set_queue_address(driver, REGISTER_USED, (uint64_t)&driver->rings[i].used);
		write32(base + REGISTER_QUEUE_READY, 1);
		driver->queues++;
	}
	set_status(driver, STATUS_RUNNING);
}

void notify(const struct driver *driver, unsigned queue)
{
	write32(driver->base + REGISTER_NOTIFY, queue);
}

void offer(struct driver *driver, unsigned queue, uint16_t head)
{
	struct available *available = &driver->rings[queue].available;

	available->ring[available->index % QUEUE_SIZE] = head;
	__atomic_store_n(&available->index, (uint16_t)(available->index + 1), __ATOMIC_SEQ_CST);
	notify(driver, queue);
}

void linger(unsigned rounds)
{
	/* An access that leaves the guest takes the host some time. */
	for (unsigned i = 0; i < rounds; i++)
		(void)in8(0x80);
}

bool wait_used(struct driver *driver, unsigned queue, uint16_t before)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (__atomic_load_n(&driver->rings[queue].used.index, __ATOMIC_SEQ_CST) != before)
			return true;
		linger(1);
	}
	return false;
}
