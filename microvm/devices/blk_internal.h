/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the block device share. Private to them.
 */
#ifndef DUET_MICROVM_DEVICES_BLK_INTERNAL_H
#define DUET_MICROVM_DEVICES_BLK_INTERNAL_H

#include <linux/virtio_blk.h>
#include <semaphore.h>

#include "microvm/devices/blk.h"

#define BLK_QUEUE_SIZE 128
/* A header and a status beside the data. */
#define BLK_SEGMENTS_MAX      (BLK_QUEUE_SIZE - 2)
#define BLK_SECTOR_BYTES      512ULL
#define BLK_REQUEST_BYTES_MAX (64U << 20)
/* That block; one more thread does what does not. */
#define BLK_WORKERS    3
#define BLK_IN_FLIGHT  32
#define BLK_RANGES_MAX 16 /* of a discard or write-zeroes request */
/* 1 GiB: what is larger comes in pieces. */
#define BLK_RANGE_SECTORS_MAX (1U << 21)

struct blk_request {
	struct blk_request *next;
	uint16_t head;
	uint32_t type;
	uint64_t offset;       /* in the image, of reads and writes: checked */
	size_t bytes;          /* of data */
	unsigned char *status; /* where the outcome goes, in guest memory */
	unsigned vector_count;
	struct iovec vectors[BLK_QUEUE_SIZE];
	unsigned range_count;
	struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES_MAX];
	uint32_t written; /* out: bytes that the guest gets, without the status */
};

struct blk {
	struct virtio_device device;
	struct virtio_blk_config config;
	struct event_loop loop;
	int fd;
	bool read_only;
	bool in_memory; /* the image lies in a file system without a disk: nothing waits */
	char id[BLK_ID_BYTES];
	/* Threads: the loop's first. */
	pthread_t threads[1 + BLK_WORKERS];
	unsigned thread_count;
	sem_t reported;
	struct error start_error; /* under device.lock; code 0: none */
	struct event_watch wake;  /* eventfd: a request is free again */
	struct virtqueue_chain chain;
	bool reads_may_wait; /* the file system cannot say whether a read would: the loop's thread alone */
	/* Under device.lock. */
	struct blk_request requests[BLK_IN_FLIGHT];
	struct blk_request *free, *work, *work_last;
	unsigned in_flight;
	bool stalled; /* chains wait for a request to be free */
	bool stopping;
	pthread_cond_t work_added, drained;
};

/* A chain as a request. 0; -EPROTO: it has no place for a status. What is wrong in another way gives *status
 * (VIRTIO_BLK_S_*), else that is VIRTIO_BLK_S_OK. */
int blk_request_read(
	const struct blk *blk, const struct virtqueue_chain *chain, struct blk_request *request, unsigned char *status);
/* Does it, on any thread. no_wait: -EAGAIN when it would block, -EOPNOTSUPP when that cannot be told. Else a
 * VIRTIO_BLK_S_*. */
int blk_request_do(const struct blk *blk, struct blk_request *request, bool no_wait);

#endif
