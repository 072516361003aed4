/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk (virtio 1.2, 5.2) over a raw image: a regular file or a block device, never anything that has a format of
 * its own. Read, write, flush, discard, write zeroes, id.
 *
 * Whether the guest may write is decided by the descriptor, not by what anybody says: one that is open for reading only
 * makes a read-only device.
 *
 * Threads: one takes requests from the queue and does at once what does not block (reads that the host has in memory,
 * writes into it); the others do what does, so that several requests are in flight. Requests hold their own copies of
 * all that the guest said. reset() waits until they are finished. What was written is on the disk after a flush.
 */
#ifndef DUET_MICROVM_DEVICES_BLK_H
#define DUET_MICROVM_DEVICES_BLK_H

#include "microvm/devices/virtio.h"

#define BLK_ID_BYTES 20

struct blk;

struct blk_options {
	int fd;         /* the image; the device's own from blk_create() on */
	const char *id; /* what the guest sees as the serial number; at most BLK_ID_BYTES of it */
};

/* Refuses what is neither a file nor a block device, and a size that is not a multiple of 512 bytes; the descriptor is
 * the caller's then. No thread runs yet. */
int blk_create(struct blk **blk, const struct blk_options *options, struct error *err);
/* Starts the threads; returns when each is confined (confine.h). */
int blk_start(struct blk *blk, struct error *err);
struct virtio_device *blk_device(struct blk *blk);
/* Stops the threads when what is in flight is done, and closes everything. */
void blk_destroy(struct blk *blk);

#endif
