/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-mmio transport (virtio 1.2, 4.2), version 2: one window of 4 KiB per device.
 *
 * The state machine is strict: the status goes the one legal way (3.1.1), queue fields can be written between
 * FEATURES_OK and DRIVER_OK alone and while the queue is not ready, every selector is checked, VERSION_1 must be
 * accepted. What is not allowed is ignored, as for a register that does not exist.
 */
#ifndef DUET_MICROVM_DEVICES_MMIO_H
#define DUET_MICROVM_DEVICES_MMIO_H

#include "base/wire.h"
#include "microvm/devices/virtio.h"

struct mmio;

/* Puts a device behind a window: makes its eventfds and has device->loop serve the kicks. Returns 0 or a negative
 * errno. */
int mmio_create(struct mmio **mmio, struct virtio_device *device, const struct guest_memory *memory, struct error *err);
/* After the device's loop has stopped for good; the device itself may be gone already. */
void mmio_destroy(struct mmio *mmio);

/* While a device is held nothing is done for its driver, by any thread. */
void mmio_hold(struct mmio *mmio, bool held);
/* The transport's and the queues' state as bytes, of a device that is held; and back into a new
 * one that has not been used. A device that was running is activated, and every queue is looked at. -EINVAL: not a
 * state that a driver could have reached. */
void mmio_save(struct mmio *mmio, struct strbuf *out);
int mmio_restore(struct mmio *mmio, struct wire_reader *in, struct error *err);

/* Eventfd that is written when the driver is to be interrupted. */
int mmio_interrupt_fd(const struct mmio *mmio);
/* Eventfd that a write of `queue` to the QueueNotify register stands for. */
int mmio_kick_fd(const struct mmio *mmio, unsigned queue);
/* Offset of that register in the window. */
#define MMIO_QUEUE_NOTIFY 0x50

/* A load or store of 1, 2, 4 or 8 bytes at an offset below 4096, from any thread. */
void mmio_read(struct mmio *mmio, uint64_t offset, void *data, unsigned length);
void mmio_write(struct mmio *mmio, uint64_t offset, const void *data, unsigned length);

#endif
