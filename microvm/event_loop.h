/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small epoll loop: one per thread of the monitor that waits for descriptors (epoll(7)).
 *
 * A watch is embedded in its owner, which keeps it alive until event_loop_remove() has returned on the loop's own
 * thread, or the loop has stopped. A watch may remove itself or any other one from inside ready().
 */
#ifndef DUET_MICROVM_EVENT_LOOP_H
#define DUET_MICROVM_EVENT_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/error.h"

#define EVENT_LOOP_BATCH 16

struct event_loop {
	int epoll_fd;
	int wake_fd; /* eventfd: makes the loop look at `stopping` */
	bool stopping;
	/* event_loop_hold() */
	bool held, parked; /* written under the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct epoll_event batch[EVENT_LOOP_BATCH]; /* reported, not all served yet; the loop's own thread only */
	int batch_next, batch_count;
};

struct event_watch {
	int fd;
	void (*ready)(struct event_watch *watch, uint32_t events); /* EPOLL* bits */
};

int event_loop_init(struct event_loop *loop, struct error *err);
void event_loop_close(struct event_loop *loop);
/* events: EPOLLIN|EPOLLOUT|… ; 0 is allowed (only errors and hang-up). -EPERM: the descriptor cannot be waited for (a
 * regular file: always ready). */
int event_loop_add(struct event_loop *loop, struct event_watch *watch, uint32_t events);
int event_loop_change(struct event_loop *loop, struct event_watch *watch, uint32_t events);
void event_loop_remove(struct event_loop *loop, struct event_watch *watch);
/* Serves until event_loop_stop(); the body of a thread. */
void event_loop_run(struct event_loop *loop);
/* Keeps a loop that runs from serving anything, from another thread; returns between two of its watches, with what the
 * last one has done complete. */
void event_loop_hold(struct event_loop *loop);
void event_loop_release(struct event_loop *loop);
/* From any thread. */
void event_loop_stop(struct event_loop *loop);

#endif
