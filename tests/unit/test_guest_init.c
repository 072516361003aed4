/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's init with a real container, without a machine: sessions, streams, signals, terminals, bad orders. Needs
 * root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <time.h>

#include "guest_session.h"

static void output_errors_and_status_come_apart(void **state)
{
	struct host *host = hello(state);

	run(host, "echo out; echo err >&2; echo $$; echo again > /dev/stderr; exit 7", false);
	expect_text(host->streams[1], "out\n1\n");
	expect_text(host->streams[2], "err\nagain\n");
	assert_int_equal(wait_status(host, 0), 7 << 8);
}

static void nothing_runs_before_start(void **state)
{
	struct host *host = hello(state);
	struct process_plan process = host_process((char *[]){ (char *)"echo", (char *)"hi", NULL }, false);
	struct pollfd ready;

	host_begin(host, 0, &process);
	expect(host, GUEST_CREATED, 0);
	ready = (struct pollfd){ .fd = host->streams[1], .events = POLLIN };
	assert_int_equal(poll(&ready, 1, 200), 0);
	host_say_numbers(host, GUEST_START, 0, 0, 0);
	expect(host, GUEST_STARTED, 0);
	expect_text(host->streams[1], "hi\n");
	assert_int_equal(wait_status(host, 0), 0);
}

struct bulk {
	int fd;
	size_t bytes;
};

static unsigned char bulk_byte(size_t offset)
{
	return (unsigned char)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

static void *write_bulk(void *argument)
{
	struct bulk *bulk = argument;
	unsigned char block[10007];

	for (size_t offset = 0; offset < bulk->bytes;) {
		size_t part = bulk->bytes - offset < sizeof(block) ? bulk->bytes - offset : sizeof(block);

		for (size_t i = 0; i < part; i++)
			block[i] = bulk_byte(offset + i);
		if (write(bulk->fd, block, part) != (ssize_t)part)
			break;
		offset += part;
	}
	(void)shutdown(bulk->fd, SHUT_WR);
	return NULL;
}

static void bytes_pass_unchanged_to_the_end(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct bulk bulk = { .bytes = (16 << 20) + 1 };
	pthread_t thread;

	run(host, "cat", false);
	bulk.fd = host->streams[0];
	assert_int_equal(pthread_create(&thread, NULL, write_bulk, &bulk), 0);
	host_read(host->streams[1], &text, NULL);
	(void)pthread_join(thread, NULL);
	assert_int_equal(text.length, bulk.bytes);
	for (size_t i = 0; i < text.length; i++) {
		if ((unsigned char)text.data[i] != bulk_byte(i))
			fail_msg("byte %zu differs", i);
	}
	assert_int_equal(wait_status(host, 0), 0);
}

static void reader_that_is_gone_ends_the_writer(void **state)
{
	struct host *host = hello(state);

	run(host, "yes; exit $?", false); /* not as pid 1, whom the signal would not end */
	close_fd(&host->streams[1]);
	assert_int_equal(wait_status(host, 0), (128 + SIGPIPE) << 8);
}

static void input_that_nobody_reads_is_closed(void **state)
{
	struct host *host = hello(state);

	run(host, "exec <&-; sleep 100", false);
	/* Some of it fits into the pipe before the end is there to be seen. */
	(void)alarm(HOST_PATIENCE_MS / 1000);
	while (write(host->streams[0], "x", 1) == 1)
		;
	(void)alarm(0);
	assert_true(errno == EPIPE || errno == ECONNRESET);
}

static void signals_reach_the_process(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	run(host, "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done", false);
	host_read(host->streams[1], &text, "ready\n");
	host_say_numbers(host, GUEST_SIGNAL, 0, SIGTERM, false);
	expect_text(host->streams[1], "caught\n");
	assert_int_equal(wait_status(host, 0), 3 << 8);
}

static void kill_ends_every_process_of_the_container(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	run(host, "sleep 1000 & echo ready; wait", false);
	host_read(host->streams[1], &text, "ready\n");
	host_say_numbers(host, GUEST_SIGNAL, 0, SIGKILL, false);
	expect_text(host->streams[1], "");
	assert_int_equal(wait_status(host, 0), SIGKILL);
}

static void failure_has_a_reason_and_a_status(void **state)
{
	struct host *host = hello(state);
	struct process_plan missing = host_process((char *[]){ (char *)"nothing-like-this", NULL }, false);
	struct process_plan refused = host_process((char *[]){ (char *)"/bin/text", NULL }, false);
	struct host_answer answer;

	host_begin(host, 0, &missing);
	answer = host_hear(host);
	assert_int_equal(answer.type, GUEST_FAILED);
	assert_int_equal(answer.session, 0);
	assert_int_equal(answer.status, 127);
	assert_non_null(strstr(answer.message, "nothing-like-this"));
	/* The guest is as new. */
	host_close_streams(host);
	host_begin(host, 0, &refused);
	answer = host_hear(host);
	assert_int_equal(answer.type, GUEST_FAILED);
	assert_int_equal(answer.status, 126);
}

static void exec_runs_beside_the_container(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int main_streams[3];

	run(host, "cat /proc/sys/kernel/hostname; read line; echo $line; exit 5", false);
	host_read(host->streams[1], &text, "guest\n");
	memcpy(main_streams, host->streams, sizeof(main_streams));
	exec(host, 1, "ps -o pid,args; cat; exit 9", false);
	assert_int_equal(write(host->streams[0], "through\n", 8), 8);
	(void)shutdown(host->streams[0], SHUT_WR);
	strbuf_free(&text);
	host_read(host->streams[1], &text, NULL);
	assert_non_null(strstr(text.data, "    1 sh -c cat /proc"));
	assert_non_null(strstr(text.data, "\nthrough\n"));
	assert_int_equal(wait_status(host, 1), 9 << 8);
	host_close_streams(host);
	memcpy(host->streams, main_streams, sizeof(main_streams));
	assert_int_equal(write(host->streams[0], "bye\n", 4), 4);
	expect_text(host->streams[1], "bye\n");
	assert_int_equal(wait_status(host, 0), 5 << 8);
}

static void user_and_time_namespaces_hold_for_exec_as_well(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int main_streams[3];

	host->more_namespaces = CLONE_NEWUSER | CLONE_NEWTIME;
	run(host, "cat /proc/self/uid_map /proc/uptime; read line", false);
	host_read(host->streams[1], &text, "\n10000");
	assert_non_null(strstr(text.data, "         0     100000      65536\n"));
	assert_non_null(strstr(text.data, "\n100"));
	memcpy(main_streams, host->streams, sizeof(main_streams));
	exec(host, 1, "cat /proc/self/uid_map /proc/uptime", false);
	strbuf_free(&text);
	host_read(host->streams[1], &text, NULL);
	assert_non_null(strstr(text.data, "         0     100000      65536\n"));
	assert_non_null(strstr(text.data, "\n100"));
	assert_int_equal(wait_status(host, 1), 0);
	for (int i = 0; i < 3; i++)
		close(main_streams[i]);
	assert_int_equal(wait_status(host, 0), 1 << 8);
}

static void failed_exec_leaves_the_container(void **state)
{
	struct host *host = hello(state);
	struct process_plan missing = host_process((char *[]){ (char *)"/bin/nothing", NULL }, false);
	struct host_answer answer;
	int main_streams[3];

	run(host, "read line; exit 4", false);
	memcpy(main_streams, host->streams, sizeof(main_streams));
	host_begin(host, 7, &missing);
	answer = host_hear(host);
	assert_int_equal(answer.type, GUEST_FAILED);
	assert_int_equal(answer.session, 7);
	assert_int_equal(answer.status, 127);
	host_close_streams(host);
	close(main_streams[0]);
	assert_int_equal(wait_status(host, 0), 4 << 8);
	close(main_streams[1]);
	close(main_streams[2]);
}

static void exec_whose_output_is_kept_open_ends_in_time(void **state)
{
	struct host *host = hello(state);
	struct timespec before, after;
	int main_streams[3];

	run(host, "read line", false);
	memcpy(main_streams, host->streams, sizeof(main_streams));
	exec(host, 1, "sleep 1000 & echo begun", false);
	(void)clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(wait_status(host, 1), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &after);
	assert_in_range((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 0, 3000);
	expect_text(host->streams[1], "begun\n");
	for (int i = 0; i < 3; i++)
		close(main_streams[i]);
	assert_int_equal(wait_status(host, 0), 1 << 8);
}

static void many_execs_at_once(void **state)
{
	struct host *host = hello(state);
	enum { COUNT = 12 };
	int outputs[COUNT + 1];
	bool seen[COUNT + 1] = { false };
	int main_streams[3];

	run(host, "read line", false);
	memcpy(main_streams, host->streams, sizeof(main_streams));
	for (uint32_t i = 1; i <= COUNT; i++) {
		struct process_plan process = host_process(
			(char *[]){ (char *)"sh", (char *)"-c", (char *)"echo $0; exit $0", (char *)"3", NULL }, false);

		host_begin(host, i, &process);
		close(host->streams[0]);
		close(host->streams[2]);
		outputs[i] = host->streams[1];
	}
	for (unsigned ended = 0; ended < COUNT;) {
		struct host_answer answer = host_hear(host);

		assert_true(answer.type == GUEST_STARTED || answer.type == GUEST_EXITED);
		assert_in_range(answer.session, 1, COUNT);
		if (answer.type == GUEST_STARTED)
			continue;
		assert_int_equal(answer.status, 3 << 8);
		assert_false(seen[answer.session]);
		seen[answer.session] = true;
		ended++;
	}
	for (uint32_t i = 1; i <= COUNT; i++) {
		expect_text(outputs[i], "3\n");
		close(outputs[i]);
	}
	memcpy(host->streams, main_streams, sizeof(main_streams));
}

static void terminal_is_the_guest_s_own(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	run(host, "trap 'exit 42' INT; tty; read line; stty size; echo got $line; while :; do sleep 0.05; done", true);
	host_read(host->streams[0], &text, "/dev/pts/0\r\n");
	host_say_numbers(host, GUEST_RESIZE, 0, 33, 77);
	assert_int_equal(write(host->streams[0], "word\n", 5), 5);
	host_read(host->streams[0], &text, "33 77\r\ngot word\r\n");
	assert_non_null(strstr(text.data, "33 77\r\ngot word\r\n"));
	/* Ctrl-C is the line discipline's business. */
	assert_int_equal(write(host->streams[0], "\003", 1), 1);
	host_read(host->streams[0], &text, NULL);
	assert_int_equal(wait_status(host, 0), 42 << 8);
}

static void terminal_has_the_size_that_was_asked_for_before_it_was_there(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct process_plan process =
		host_process((char *[]){ (char *)"sh", (char *)"-c", (char *)"stty size; exec cat", NULL }, true);

	run(host, "exec sleep 1000", false);
	host_begin(host, 1, &process);
	host_say_numbers(host, GUEST_RESIZE, 1, 33, 77);
	expect(host, GUEST_STARTED, 1);
	host_read(host->streams[0], &text, "33 77\r\n");
	assert_non_null(strstr(text.data, "33 77\r\n"));
}

static void terminal_that_nobody_has_open_for_a_while_goes_on(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	run(host, "exec <&- >&- 2>&-; sleep 0.3; echo back >/dev/console; exit 6", true);
	host_read(host->streams[0], &text, NULL);
	assert_non_null(text.data);
	assert_string_equal(text.data, "back\r\n");
	assert_int_equal(wait_status(host, 0), 6 << 8);
}

static void end_of_input_leaves_a_terminal(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	run(host, "echo here; sleep 0.2; echo still", true);
	(void)shutdown(host->streams[0], SHUT_WR);
	host_read(host->streams[0], &text, NULL);
	assert_string_equal(text.data, "here\r\nstill\r\n");
	assert_int_equal(wait_status(host, 0), 0);
}

static void orders_that_make_no_sense_are_refused(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf garbage = STRBUF_INIT;
	struct host_answer answer;

	for (unsigned type = 0; type < 100; type++) {
		if (type == GUEST_SHUTDOWN || type == GUEST_ASK)
			continue;
		strbuf_append(&garbage, "\377\376\001", 3);
		host_say(host, type, &garbage);
		answer = host_hear(host);
		assert_int_equal(answer.type, GUEST_FAILED);
		assert_int_equal(answer.session, type == GUEST_CREATE ? 0 : GUEST_SESSION_NONE);
	}
	host_say_numbers(host, GUEST_START, 3, 0, 0);
	answer = host_hear(host);
	assert_int_equal(answer.type, GUEST_FAILED);
	assert_int_equal(answer.code, ESRCH);
	run(host, "echo alive", false);
	expect_text(host->streams[1], "alive\n");
	assert_int_equal(wait_status(host, 0), 0);
}

static void second_container_is_refused(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	struct process_plan process = host_process((char *[]){ (char *)"true", NULL }, false);
	struct host_answer answer;

	run(host, "read line", false);
	host_put_create(host, &payload, &process);
	host_say(host, GUEST_CREATE, &payload);
	answer = host_hear(host);
	assert_int_equal(answer.type, GUEST_FAILED);
	assert_int_equal(answer.session, GUEST_SESSION_NONE);
	assert_int_equal(answer.code, EBUSY);
	close_fd(&host->streams[0]);
	assert_int_equal(wait_status(host, 0), 1 << 8);
}

static void loss_of_the_host_ends_the_guest(void **state)
{
	struct host *host = hello(state);

	assert_int_equal(host_free(host), 0);
	*state = NULL;
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(output_errors_and_status_come_apart),
		test(nothing_runs_before_start),
		test(bytes_pass_unchanged_to_the_end),
		test(reader_that_is_gone_ends_the_writer),
		test(input_that_nobody_reads_is_closed),
		test(signals_reach_the_process),
		test(kill_ends_every_process_of_the_container),
		test(failure_has_a_reason_and_a_status),
		test(exec_runs_beside_the_container),
		test(user_and_time_namespaces_hold_for_exec_as_well),
		test(failed_exec_leaves_the_container),
		test(exec_whose_output_is_kept_open_ends_in_time),
		test(many_execs_at_once),
		test(terminal_is_the_guest_s_own),
		test(terminal_has_the_size_that_was_asked_for_before_it_was_there),
		test(terminal_that_nobody_has_open_for_a_while_goes_on),
		test(end_of_input_leaves_a_terminal),
		test(orders_that_make_no_sense_are_refused),
		test(second_container_is_refused),
		test(loss_of_the_host_ends_the_guest),
	};

	return cmocka_run_group_tests_name("guest_init", tests, NULL, NULL);
}
