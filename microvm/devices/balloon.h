/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2, 5.5): memory that the guest gives back to the host. It does so when it is asked to
 * (inflating, which it ends by itself before it would run out of memory), and with what it has free for a while (free
 * page reporting). Statistics of its memory come by the way.
 *
 * All of it is advice: a guest may take pages back at any time, and what it says about itself need not be true. Pages
 * are given back by MADV_DONTNEED of what lies wholly inside guest memory, and nothing else is ever done to them; what
 * the guest finds in them afterwards is zero, or what its snapshot had there.
 *
 * A buffer of statistics stays in its ring until fresh ones are asked for: there is no state beside the rings' and what
 * follows below, so that a guest that has not been asked for anything can be saved by its transport alone.
 */
#ifndef DUET_MICROVM_DEVICES_BALLOON_H
#define DUET_MICROVM_DEVICES_BALLOON_H

#include "microvm/devices/virtio.h"

#define BALLOON_PAGE_BYTES 4096ULL
/* Of one request; what goes beyond is not given back. Linux sends 256. */
#define BALLOON_PAGES_MAX 4096U

struct balloon;

enum balloon_statistic { /* VIRTIO_BALLOON_S_*: 5.5.6.4; memory in bytes */
	BALLOON_SWAPPED_IN,
	BALLOON_SWAPPED_OUT,
	BALLOON_MAJOR_FAULTS,
	BALLOON_MINOR_FAULTS,
	BALLOON_FREE,
	BALLOON_TOTAL,
	BALLOON_AVAILABLE,
	BALLOON_CACHES,
	BALLOON_HUGE_PAGES_ALLOCATED,
	BALLOON_HUGE_PAGES_FAILED,
	BALLOON_STATISTICS,
};

struct balloon_state {
	bool driven;             /* the guest has a driver for it */
	bool awaited;            /* statistics that were asked for have not come yet */
	uint64_t target_bytes;   /* asked for */
	uint64_t actual_bytes;   /* given, as the guest says; at most all of its memory */
	uint64_t reported_bytes; /* given back as free since the beginning, some of it several times */
	uint32_t known;          /* bits of enum balloon_statistic */
	uint64_t statistics[BALLOON_STATISTICS];
};

int balloon_create(
	struct balloon **balloon, const struct guest_memory *memory, struct event_loop *loop, struct error *err);
struct virtio_device *balloon_device(struct balloon *balloon);
/* The following from any thread. */
/* How much the guest is to give back; more than it has means all. It takes its time, and may not get there. */
void balloon_set_target(struct balloon *balloon, uint64_t bytes);
/* Asks for fresh statistics; balloon_read() shows them once they have come. */
void balloon_ask(struct balloon *balloon);
void balloon_read(struct balloon *balloon, struct balloon_state *state);
void balloon_destroy(struct balloon *balloon);

#endif
