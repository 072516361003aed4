/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/message.h"
#include "microvm/guest/init/group.h"
#include "microvm/guest/init/machine.h"
#include "microvm/guest/init/session.h"

#define EVENTS_PER_ROUND 16

static int control_epoll(struct init *init, int operation, int fd, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(init->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int init_watch(struct init *init, int fd, struct watch *watch, uint32_t events)
{
	return control_epoll(init, EPOLL_CTL_ADD, fd, watch, events);
}

int init_rewatch(struct init *init, int fd, struct watch *watch, uint32_t events)
{
	return control_epoll(init, EPOLL_CTL_MOD, fd, watch, events);
}

void init_close(struct init *init, int *fd)
{
	if (*fd >= 0 && sessions_beside(init))
		(void)control_epoll(init, EPOLL_CTL_DEL, *fd, NULL, 0);
	close_fd(fd);
}

static int boot(struct init *init, struct error *err)
{
	int result = init->socket_path ? 0 : machine_mount_proc(err);

	if (result < 0)
		return result;
	machine_reserve_standard_streams();
	if (!init->socket_path) {
		machine_quiet();
		machine_report_small_blocks();
		group_prepare(init);
	}
	/* Here the machine's snapshot is taken: what went before is done once for all that go on from it. */
	init->control_fd = machine_connect(init, GUEST_PORT_CONTROL, false, err);
	if (init->control_fd < 0)
		return -err->code;
	init->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	init->control_watch.ready = control_ready;
	if (init->epoll_fd < 0 || init_watch(init, init->control_fd, &init->control_watch, EPOLLIN) < 0)
		return error_set(err, errno, "wait for the host's orders");
	return 0;
}

/* Says HELLO when all is ready that does not depend on orders. */
static void greet(struct init *init)
{
	struct error err = { 0 };
	int result = init->socket_path ? 0 : machine_mount_share(&err);

	control_send_session(init, GUEST_HELLO, GUEST_PROTOCOL_VERSION);
	if (result < 0)
		control_send_failure(init, 0, &err);
}

_Noreturn static void serve(struct init *init)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int sleep_ms = -1;

	for (;;) {
		int count = epoll_wait(init->epoll_fd, events, EVENTS_PER_ROUND, sleep_ms);

		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;

			watch->ready(watch, events[i].events);
		}
		sleep_ms = sessions_settle(init);
	}
}

/* The kernel gives the words of its command line that it does not know; a test gives the path of its sockets. */
int main(int argc, char **argv)
{
	struct init init = {
		.epoll_fd = -EBADF, .control_fd = -EBADF, .own_pid_namespace = -EBADF, .mount_namespace = -EBADF
	};
	struct error err;

	if (getpid() != 1 || (argc == 3 && strcmp(argv[1], "--sockets") == 0)) {
		if (argc != 3 || strcmp(argv[1], "--sockets") != 0) {
			(void)fprintf(
				stderr, "This is the first process of a duet micro-VM; it is of no use elsewhere.\n");
			return 2;
		}
		init.socket_path = argv[2];
		(void)signal(SIGPIPE, SIG_IGN);
	}
	init.scratch = xcalloc(SCRATCH_BYTES, 1);
	init.message = xcalloc(1, sizeof(*init.message));
	if (boot(&init, &err) < 0) {
		machine_log(&err);
		machine_power_off(&init, false);
	}
	greet(&init);
	serve(&init);
}
