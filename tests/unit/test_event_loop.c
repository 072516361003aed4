/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that waits for a device's descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include "microvm/event_loop.h"

struct watcher {
	struct event_watch watch;
	struct event_loop *loop;
	struct watcher *victim;
	unsigned called;
};

static void remove_the_other_and_stop(struct event_watch *watch, uint32_t events)
{
	struct watcher *watcher = (struct watcher *)watch;

	assert_true(events & EPOLLIN);
	watcher->called++;
	event_loop_remove(watcher->loop, &watcher->victim->watch);
	event_loop_stop(watcher->loop);
}

static void watch_that_was_removed_is_never_called(void **state)
{
	struct watcher watchers[2];
	struct event_loop loop;
	struct error err;

	(void)state;
	assert_int_equal(event_loop_init(&loop, &err), 0);
	for (unsigned i = 0; i < 2; i++) {
		watchers[i] = (struct watcher){ .watch = { .fd = eventfd(1, EFD_CLOEXEC),
							.ready = remove_the_other_and_stop },
			.loop = &loop,
			.victim = &watchers[!i] };
		assert_int_equal(event_loop_add(&loop, &watchers[i].watch, EPOLLIN), 0);
	}
	/* Both are ready and reported together; whichever comes first removes the other one. */
	event_loop_run(&loop);
	assert_int_equal(watchers[0].called + watchers[1].called, 1);
	event_loop_close(&loop);
	close(watchers[0].watch.fd);
	close(watchers[1].watch.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watch_that_was_removed_is_never_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
