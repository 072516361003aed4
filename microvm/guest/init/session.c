/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/session.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/message.h"
#include "base/sys.h"
#include "microvm/guest/init/child.h"
#include "microvm/guest/init/group.h"
#include "microvm/guest/init/machine.h"
#include "ns/namespaces.h"
#include "ns/rootfs.h"

#define SESSION_CONTAINER 0

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct session *session_find(struct init *init, uint32_t id)
{
	struct session *session = init->sessions;

	/* One that failed is on its way out; its number is free. */
	while (session && (session->id != id || session->state == SESSION_FAILED))
		session = session->next;
	return session;
}

bool sessions_beside(const struct init *init)
{
	return init->sessions && init->sessions->next;
}

/* Nobody outside can see why the kernel killed something. */
static void report_memory(const struct cgroup *group, struct strbuf *payload)
{
	struct cgroup_statistics statistics;

	if (cgroup_statistics(group, &statistics, NULL) < 0 || statistics.oom_kills == 0 ||
		statistics.oom_kills >= CGROUP_UNLIMITED)
		return;
	wire_put_u64(payload, statistics.oom_kills);
	wire_put_u64(payload, statistics.memory_limit_bytes);
}

/* Everything that was waited for has come: the last word about a session. */
static void session_report(struct session *session)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	if (session->state == SESSION_FAILED)
		return;
	/* The host may stop the machine as soon as it hears of the container's end. */
	if (session->id == SESSION_CONTAINER)
		machine_synchronise(session->init);
	wire_put_u32(&payload, session->id);
	wire_put_u32(&payload, (uint32_t)session->wait_status);
	if (session->id != SESSION_CONTAINER)
		streams_close(&session->streams);
	else if (session->wait_status != 0 && session->init->group)
		report_memory(session->init->group, &payload);
	control_send(session->init, GUEST_EXITED, &payload);
}

static void session_fail(struct session *session, const struct error *error)
{
	session->state = SESSION_FAILED;
	control_send_failure(session->init, session->id, error);
}

/* The child is at the point where it waits for START; or, of an exec, about to call execve. */
static void session_prepared(struct session *session, struct message *message)
{
	struct error err;

	if (session->streams.terminal) {
		if (message->fd < 0 || streams_attach_terminal(&session->streams, take_fd(&message->fd), &err) < 0) {
			(void)error_set(&err, -EPROTO, "the process in the guest handed over no terminal");
			(void)kill(session->pid, SIGKILL);
			session_fail(session, &err);
			return;
		}
	}
	if (session->id == SESSION_CONTAINER) {
		session->state = SESSION_CREATED;
		control_send_session(session->init, GUEST_CREATED, session->id);
	} else {
		session->state = SESSION_STARTING;
	}
}

/* The link closes at execve, or with the process. */
static void session_link_closed(struct session *session)
{
	init_close(session->init, &session->link);
	if (session->state == SESSION_STARTING) {
		session->state = SESSION_RUNNING;
		control_send_session(session->init, GUEST_STARTED, session->id);
	}
}

/* One message of the child's, or its end. */
static void session_read_link(struct session *session)
{
	struct message *message = session->init->message;
	struct error err;

	if (message_receive(session->link, message) < 0) {
		session_link_closed(session);
		return;
	}
	if (message->type == CHILD_PREPARED && session->state == SESSION_PREPARING) {
		session_prepared(session, message);
	} else if (message->type == CHILD_FAILED && session->state != SESSION_FAILED) {
		message_to_error(message, &err);
		session_fail(session, &err);
	}
	close_fd(&message->fd);
}

static void link_ready(struct watch *watch, uint32_t events)
{
	struct session *session = (struct session *)((char *)watch - offsetof(struct session, link_watch));

	(void)events;
	if (session->link >= 0)
		session_read_link(session);
}

static void session_died_early(struct session *session)
{
	struct error err;

	(void)error_set(&err, -ECHILD, "the process in the guest died while it was prepared (%s %d)",
		WIFSIGNALED(session->wait_status) ? "signal" : "status",
		WIFSIGNALED(session->wait_status) ? WTERMSIG(session->wait_status) : WEXITSTATUS(session->wait_status));
	session_fail(session, &err);
}

static void exit_ready(struct watch *watch, uint32_t events)
{
	struct session *session = (struct session *)((char *)watch - offsetof(struct session, exit_watch));

	(void)events;
	if (session->exited)
		return;
	/* What it said last is older than its end. */
	while (session->link >= 0)
		session_read_link(session);
	if (waitpid(session->pid, &session->wait_status, 0) < 0)
		return;
	session->exited = true;
	if (session->state == SESSION_PREPARING)
		session_died_early(session);
	streams_process_exited(&session->streams);
	/* The container's pid namespace has died with it, so its output does end; beside it others may keep an exec's
	 * open. */
	if (session->id != SESSION_CONTAINER)
		session->drain_until_ms = now_ms() + GUEST_DRAIN_MS;
}

static void session_discard(struct session *session)
{
	init_close(session->init, &session->link);
	init_close(session->init, &session->pidfd);
	streams_close(&session->streams);
	free(session);
}

/* Time that is left for output which may never end; -1: there is no limit. */
static int64_t session_patience_ms(const struct session *session)
{
	int64_t left_ms;

	if (!session->exited || !session->drain_until_ms)
		return -1;
	left_ms = session->drain_until_ms - now_ms();
	return left_ms > 0 ? left_ms : 0;
}

static bool session_is_over(const struct session *session, int64_t patience_ms)
{
	if (!session->exited)
		return false;
	return session->state == SESSION_FAILED || patience_ms == 0 || streams_output_finished(&session->streams);
}

int sessions_settle(struct init *init)
{
	struct session **place = &init->sessions;
	bool hurry = init->hurry;
	int64_t sleep_ms = -1;

	init->hurry = false;
	while (*place) {
		struct session *session = *place;
		int64_t patience_ms = session_patience_ms(session);

		if (hurry)
			streams_continue(&session->streams);
		if (session_is_over(session, patience_ms)) {
			session_report(session);
			*place = session->next;
			session_discard(session);
			continue;
		}
		if (patience_ms >= 0 && (sleep_ms < 0 || patience_ms < sleep_ms))
			sleep_ms = patience_ms;
		place = &session->next;
	}
	return init->hurry ? 0 : (int)sleep_ms;
}

/* The kernel's clone flags for the session's process; for an exec the namespaces are entered instead. */
static int session_clone(struct session *session, const struct child_orders *orders, struct error *err)
{
	struct init *init = session->init;
	struct clone_args arguments = {
		.flags = CLONE_PIDFD | orders->clone_flags,
		.pidfd = (uintptr_t)&session->pidfd,
		.exit_signal = SIGCHLD,
	};
	cleanup_fd int group = -EBADF;
	bool inside = orders->container_pidfd >= 0 && (init->namespaces & CLONE_NEWPID);

	/* For children only: the process itself stays where it is, and comes back at once. */
	if (inside && setns(orders->container_pidfd, CLONE_NEWPID) < 0)
		return error_set(err, errno, "enter the container's pid namespace");
	if (orders->group_fd >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)orders->group_fd;
	}
	session->pid = sys_clone3(&arguments);
	if (session->pid < 0 && errno == EBUSY && orders->beside) {
		/* A container with an init system that has moved itself to a group below. */
		group = group_open_of(init, orders->beside, err);
		arguments.cgroup = (uint64_t)group;
		session->pid = group < 0 ? -1 : sys_clone3(&arguments);
	}
	if (session->pid == 0)
		child_run(orders);
	if (session->pid < 0)
		(void)error_set(err, errno, "make a process in the guest");
	if (inside)
		(void)setns(init->own_pid_namespace, CLONE_NEWPID);
	return session->pid < 0 ? -err->code : 0;
}

static int session_watch(struct session *session, struct error *err)
{
	struct init *init = session->init;

	session->exit_watch.ready = exit_ready;
	session->link_watch.ready = link_ready;
	if (init_watch(init, session->pidfd, &session->exit_watch, EPOLLIN | EPOLLONESHOT) < 0 ||
		init_watch(init, session->link, &session->link_watch, EPOLLIN) < 0)
		return error_set(err, errno, "wait for a process");
	return 0;
}

enum { CHILD_ENDS = 4 };

static void close_child_ends(int (*ends)[CHILD_ENDS])
{
	for (int i = 0; i < CHILD_ENDS; i++)
		close_fd(&(*ends)[i]);
}

/* Makes the process; it prepares itself and reports over the link. */
static int session_launch(struct session *session, struct child_orders *orders, struct error *err)
{
	/* Its standard streams and its end of the link: not this process's once it is there. */
	cleanup(close_child_ends) int ends[CHILD_ENDS] = { -EBADF, -EBADF, -EBADF, -EBADF };
	int links[2], result;

	result = streams_open(&session->streams, session->init, session->id, orders->process->terminal, ends, err);
	if (result < 0 || message_pair(links, err) < 0)
		return -err->code;
	session->link = links[0];
	ends[3] = links[1];
	orders->link = links[1];
	memcpy(orders->streams, ends, sizeof(orders->streams));
	result = session_clone(session, orders, err);
	if (result < 0)
		return result;
	result = session_watch(session, err);
	if (result < 0)
		(void)kill(session->pid, SIGKILL);
	return result;
}

static int session_begin(
	struct init *init, uint32_t id, struct child_orders *orders, struct session **session, struct error *err)
{
	struct session *made = xcalloc(1, sizeof(*made));
	int result;

	made->init = init;
	made->id = id;
	made->link = made->pidfd = -EBADF;
	result = session_launch(made, orders, err);
	if (result < 0) {
		session_discard(made);
		return result;
	}
	made->next = init->sessions;
	init->sessions = made;
	*session = made;
	return 0;
}

/*
 * What has to be done from outside for a process in a user namespace: its maps (of a new one), limits that it could not
 * raise by itself. What fails is said to the host here.
 */
static void session_admit(struct session *session, const struct namespaces_plan *maps, struct process_plan *process)
{
	struct error err;
	int result = maps ? namespaces_write_id_maps(maps, session->pid, &process->setgroups_denied, &err) : 0;

	if (result == 0)
		result = process_raise_limits(process, session->pid, &err);
	if (result == 0) {
		(void)message_send(session->link, CHILD_GO, NULL, 0, -1);
		return;
	}
	session_fail(session, &err);
	(void)kill(session->pid, SIGKILL);
}

int session_create(
	struct init *init, const struct container_plan *container, struct process_plan *process, struct error *err)
{
	/* A time namespace's offsets must be written from inside, before it is entered; a cgroup namespace begins where
	 * the process is by then. */
	uint64_t namespaces = container->namespaces.unshare | CLONE_NEWPID | CLONE_NEWNS;
	struct child_orders orders = {
		.container = container,
		.process = process,
		.user_namespace = namespaces & CLONE_NEWUSER,
		.clone_flags = namespaces & ~(uint64_t)(CLONE_NEWTIME | CLONE_NEWCGROUP),
		.container_pidfd = -EBADF,
	};
	cleanup_fd int group = -EBADF;
	struct session *session;
	int result;

	if (session_find(init, SESSION_CONTAINER))
		return error_set(err, -EBUSY, "the guest has its container already");
	process->limits_raised = orders.user_namespace;
	result = container->rootfs.bind_devices ? rootfs_make_device_sources(&container->rootfs, err) : 0;
	if (result == 0 && orders.user_namespace)
		result = rootfs_make_sysfs_source(err);
	if (result == 0 && orders.user_namespace)
		result = namespaces_bring_loopback_up(err);
	if (result < 0)
		return result;
	group = group_open(init, NULL, err);
	if (group < 0 && init->group)
		return group;
	orders.group_fd = group;
	result = session_begin(init, SESSION_CONTAINER, &orders, &session, err);
	if (result < 0)
		return result;
	init->namespaces = namespaces;
	if (orders.user_namespace)
		session_admit(session, &container->namespaces, process);
	return 0;
}

/* What the first process that enters the container needs, and what costs too much for a guest that never sees one. */
static int prepare_to_exec(struct init *init, struct error *err)
{
	if (init->own_pid_namespace >= 0)
		return 0;
	init->own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (init->own_pid_namespace < 0)
		return error_set(err, errno, "open the guest's own pid namespace");
	/* Inherited by what enters the container: nothing there may trace it on its way. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

int session_exec(struct init *init, uint32_t id, const char *subgroup, struct process_plan *process, struct error *err)
{
	struct session *container = session_find(init, SESSION_CONTAINER), *session;
	struct child_orders orders = {
		.process = process,
		.user_namespace = init->namespaces & CLONE_NEWUSER,
		.join_flags = init->namespaces & ~(uint64_t)CLONE_NEWPID,
	};
	cleanup_fd int group = -EBADF;
	int result;

	if (!container || container->exited || container->state == SESSION_PREPARING)
		return error_set(err, -ESRCH, "the container is not running");
	if (session_find(init, id))
		return error_set(err, -EEXIST, "session %u exists already", id);
	result = prepare_to_exec(init, err);
	if (result < 0)
		return result;
	group = group_open(init, subgroup, err);
	if (group < 0 && (init->group || subgroup))
		return group;
	orders.group_fd = group;
	orders.beside = subgroup ? 0 : container->pid;
	orders.container_pidfd = container->pidfd;
	process->limits_raised = orders.user_namespace;
	result = session_begin(init, id, &orders, &session, err);
	if (result == 0 && orders.user_namespace)
		session_admit(session, NULL, process);
	return result;
}

/*
 * Kept, so that the kernel does not take the container's mounts apart before it reports the container's end: the
 * machine ends with it, and where its kernel is emulated that takes seconds.
 */
static void hold_mounts(struct init *init, pid_t pid)
{
	cleanup_free char *path = xprintf("/proc/%d/ns/mnt", (int)pid);

	if (init->mount_namespace < 0)
		init->mount_namespace = open(path, O_RDONLY | O_CLOEXEC);
}

int session_start(struct session *session, struct error *err)
{
	int result;

	if (session->state != SESSION_CREATED)
		return error_set(err, -EINVAL, "session %u does not wait to be started", session->id);
	session->state = SESSION_STARTING;
	hold_mounts(session->init, session->pid);
	result = message_send(session->link, CHILD_GO, NULL, 0, -1);
	/* It died meanwhile: its end is reported as such. */
	return result == -EPIPE ? 0 : result;
}

void session_signal(struct session *session, int signal)
{
	if (session->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, session->pidfd, signal, NULL, 0);
}
