/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one task to another and back. An operation is a round trip of one byte, or of one wake-up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure/measure.h"

enum { HERE_READ, HERE_WRITE, THERE_READ, THERE_WRITE };

/* On the nth of the processors that this process may use; -ENODEV: there are fewer. */
static int stay_on(unsigned int nth)
{
	cpu_set_t allowed, one;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || nth-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
	}
	return -ENODEV;
}

static void roam(const cpu_set_t *allowed)
{
	(void)sched_setaffinity(0, sizeof(*allowed), allowed);
}

/* The child sends back what it gets, until the other end is closed. */
static int start_echo(struct measure_state *state)
{
	char byte;
	pid_t pid = fork();

	if (pid < 0)
		return measure_fail(state, "fork");
	if (pid > 0) {
		state->child = pid;
		return 0;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)close(state->fds[HERE_WRITE]);
	if (state->fds[HERE_READ] != state->fds[HERE_WRITE])
		(void)close(state->fds[HERE_READ]);
	while (read(state->fds[THERE_READ], &byte, 1) == 1 && write(state->fds[THERE_WRITE], &byte, 1) == 1)
		;
	_exit(0);
}

static int start_pipes(struct measure_state *state)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC) < 0)
		return measure_fail(state, "pipe");
	state->fds[HERE_WRITE] = there[1];
	state->fds[THERE_READ] = there[0];
	state->fds[HERE_READ] = back[0];
	state->fds[THERE_WRITE] = back[1];
	return start_echo(state);
}

static int run_round_trip(struct measure_state *state, uint64_t operations)
{
	char byte = 0;

	for (uint64_t i = 0; i < operations; i++) {
		if (write(state->fds[HERE_WRITE], &byte, 1) != 1 || read(state->fds[HERE_READ], &byte, 1) != 1)
			return measure_fail(state, "round trip");
	}
	return 0;
}

/* Both on one processor: each round trip is two switches and four system calls. */
static int start_pipes_together(struct measure_state *state)
{
	cpu_set_t allowed;
	int result;

	(void)sched_getaffinity(0, sizeof(allowed), &allowed);
	result = stay_on(0);
	if (result == 0)
		result = start_pipes(state);
	else
		result = measure_fail(state, "stay on one processor");
	if (result < 0)
		roam(&allowed);
	return result;
}

static void stop(struct measure_state *state)
{
	if (state->child)
		(void)kill(state->child, SIGKILL);
	while (state->child && waitpid(state->child, NULL, 0) < 0 && errno == EINTR)
		;
	state->child = 0;
}

static void stop_together(struct measure_state *state)
{
	cpu_set_t all;

	stop(state);
	CPU_ZERO(&all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &all);
	roam(&all);
}

static int start_socketpair(struct measure_state *state)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return measure_fail(state, "socketpair");
	state->fds[HERE_READ] = state->fds[HERE_WRITE] = pair[0];
	state->fds[THERE_READ] = state->fds[THERE_WRITE] = pair[1];
	return start_echo(state);
}

/* Two connected sockets over the loopback interface. */
static int connect_loopback(struct measure_state *state, int listener)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int one = 1, here, there;

	if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&address, &length) < 0)
		return measure_fail(state, "bind to the loopback address");
	here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	state->fds[HERE_READ] = state->fds[HERE_WRITE] = here;
	if (here < 0 || connect(here, (struct sockaddr *)&address, length) < 0)
		return measure_fail(state, "connect over the loopback interface");
	there = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	state->fds[THERE_READ] = state->fds[THERE_WRITE] = there;
	if (there < 0)
		return measure_fail(state, "accept over the loopback interface");
	(void)setsockopt(here, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}

static int start_tcp(struct measure_state *state)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	if (listener < 0)
		return measure_fail(state, "TCP socket");
	result = connect_loopback(state, listener);
	(void)close(listener);
	return result == 0 ? start_echo(state) : result;
}

/* ---- two processors ---- */

static void futex_wait(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
		(void)syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void futex_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	(void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int start_futex(struct measure_state *state)
{
	uint32_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cpu_set_t allowed;
	pid_t pid;

	if (words == MAP_FAILED)
		return measure_fail(state, "mmap");
	state->memory = words;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || CPU_COUNT(&allowed) < 2) {
		errno = 0;
		return measure_fail(state, "there is one processor only");
	}
	pid = fork();
	if (pid < 0)
		return measure_fail(state, "fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)stay_on(1);
		for (uint32_t turn = 0;; turn++) {
			futex_wait(words, turn);
			futex_set(words + 16, turn + 1);
		}
	}
	state->child = pid;
	(void)stay_on(0);
	return 0;
}

static int run_futex(struct measure_state *state, uint64_t operations)
{
	uint32_t *words = state->memory, turn = words[0];

	for (uint64_t i = 0; i < operations; i++, turn++) {
		futex_set(words, turn + 1);
		futex_wait(words + 16, turn);
	}
	return 0;
}

static void stop_futex(struct measure_state *state)
{
	stop_together(state);
	if (state->memory)
		(void)munmap(state->memory, 4096);
}

const struct measure_case measure_talks[] = {
	{ .name = "pipe", .prepare = start_pipes, .run = run_round_trip, .finish = stop },
	{ .name = "context-switch", .prepare = start_pipes_together, .run = run_round_trip, .finish = stop_together },
	{ .name = "futex", .prepare = start_futex, .run = run_futex, .finish = stop_futex },
	{ .name = "socketpair", .prepare = start_socketpair, .run = run_round_trip, .finish = stop },
	{ .name = "tcp", .prepare = start_tcp, .run = run_round_trip, .finish = stop },
	{ 0 },
};
