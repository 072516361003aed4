/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the guest's init do with it again and again. After cmocka.h.
 */
#ifndef DUET_TESTS_GUEST_SESSION_H
#define DUET_TESTS_GUEST_SESSION_H

#include <libgen.h>

#include "guest_host.h"

static inline int set_up(void **state)
{
	char path[512], *top;
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 32);
	struct host *host;

	if (length < 0)
		return -1;
	path[length] = '\0';
	/* BUILD/tests/unit/test_guest_init -> BUILD/guest/init */
	top = dirname(dirname(dirname(path)));
	memmove(path, top, strlen(top) + 1);
	strcat(path, "/guest/init");
	if (getuid() != 0 || access(path, X_OK) < 0 || access("/bin/busybox", X_OK) < 0) {
		*state = NULL;
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	host = host_new(path);
	*state = host;
	return 0;
}

static inline int tear_down(void **state)
{
	if (*state)
		(void)host_free(*state);
	return 0;
}

static inline void expect(struct host *host, enum guest_message type, uint32_t session)
{
	struct host_answer answer = host_hear(host);

	if (answer.type != type)
		print_message("heard %u: %s\n", answer.type, answer.message);
	assert_int_equal(answer.type, type);
	assert_int_equal(answer.session, session);
}

static inline struct host *hello(void **state)
{
	if (!*state)
		skip();
	expect(*state, GUEST_HELLO, GUEST_PROTOCOL_VERSION);
	return *state;
}

/* Creates and starts the container with a shell command. */
static inline void run(struct host *host, const char *command, bool terminal)
{
	struct process_plan process =
		host_process((char *[]){ (char *)"sh", (char *)"-c", (char *)command, NULL }, terminal);

	host_begin(host, 0, &process);
	expect(host, GUEST_CREATED, 0);
	host_say_numbers(host, GUEST_START, 0, 0, 0);
	expect(host, GUEST_STARTED, 0);
}

static inline void exec(struct host *host, uint32_t session, const char *command, bool terminal)
{
	struct process_plan process =
		host_process((char *[]){ (char *)"sh", (char *)"-c", (char *)command, NULL }, terminal);

	host_begin(host, session, &process);
	expect(host, GUEST_STARTED, session);
}

static inline int wait_status(struct host *host, uint32_t session)
{
	struct host_answer answer = host_hear(host);

	assert_int_equal(answer.type, GUEST_EXITED);
	assert_int_equal(answer.session, session);
	return (int)answer.status;
}

static inline void expect_text(int fd, const char *expected)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	host_read(fd, &text, NULL);
	assert_string_equal(text.data ? text.data : "", expected);
}

#endif
