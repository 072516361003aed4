/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks the guest's init about its container. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest_session.h"
#include "process/process_list.h"

/* Asks, and leaves the reader behind the answer's errno. */
static uint32_t ask(struct host *host, uint64_t number, uint32_t question, struct wire_reader *in)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	struct pollfd ready = { .fd = host->control, .events = POLLIN };
	struct error err;

	wire_put_u64(&payload, number);
	wire_put_u32(&payload, question);
	host_say(host, GUEST_ASK, &payload);
	while (guest_frame_read(&host->reader, host->control, &err) == 0)
		assert_int_equal(poll(&ready, 1, HOST_PATIENCE_MS), 1);
	assert_int_equal(host->reader.type, GUEST_ANSWER);
	*in = (struct wire_reader){ .next = host->reader.payload, .left = host->reader.length };
	assert_int_equal(wire_get_u64(in), number);
	return wire_get_u32(in);
}

static const struct process_entry *find(const struct process_list *list, const char *command)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->entries[i].command, command) == 0)
			return &list->entries[i];
	}
	return NULL;
}

static void processes_have_the_ids_that_the_container_sees(void **state)
{
	struct host *host = hello(state);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_process_list struct process_list list = { 0 };
	const struct process_entry *first, *child = NULL, *beside = NULL;
	struct wire_reader in;
	struct error err;

	run(host, "sleep 71717 & echo $!; wait", false);
	host_read(host->streams[1], &text, "\n");
	exec(host, 1, "exec sleep 81818", false);
	/* A process that was made a moment ago may still have its shell's name. */
	for (int tries = 0; tries < 1000; tries++) {
		process_list_free(&list);
		assert_int_equal(ask(host, 99, GUEST_QUESTION_PROCESSES, &in), 0);
		assert_int_equal(process_list_decode(&list, &in, &err), 0);
		assert_true(wire_reader_ok(&in));
		child = find(&list, "sleep 71717");
		beside = find(&list, "sleep 81818");
		if (child && beside)
			break;
		(void)usleep(10000);
	}
	first = find(&list, "sh -c sleep 71717 & echo $!; wait");
	assert_non_null(first);
	assert_int_equal(first->pid, 1);
	assert_int_equal(first->parent, 0);
	assert_non_null(child);
	assert_int_equal(child->pid, atoi(text.data));
	assert_int_equal(child->parent, 1);
	assert_non_null(beside);
	assert_int_equal(beside->parent, 0);
	/* In a real guest they end with the machine. */
	(void)!system("pkill -KILL -f 'sleep 71717|sleep 81818'");
}

static void unknown_question_is_answered_by_an_error(void **state)
{
	struct host *host = hello(state);
	struct wire_reader in;

	assert_int_equal(ask(host, 7, 1000, &in), ENOMSG);
	(void)wire_get_u32(&in);
	free(wire_get_string(&in));
	assert_true(wire_reader_ok(&in));
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(processes_have_the_ids_that_the_container_sees),
		test(unknown_question_is_answered_by_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
