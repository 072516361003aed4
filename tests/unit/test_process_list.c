/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/procfs.h"
#include "process/process_list.h"

static pid_t sleeper(const char *name, char *const *arguments)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (arguments)
			(void)execv("/bin/sleep", arguments);
		(void)prctl(PR_SET_NAME, name);
		(void)!write(ready[1], "x", 1);
		(void)pause();
		_exit(1);
	}
	assert_true(pid > 0);
	(void)close(ready[1]);
	(void)!read(ready[0], &byte, 1); /* ended by the write, or by execve(2) */
	(void)close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void read_pids(const pid_t *pids, size_t count, struct process_list *list)
{
	struct error err;
	cleanup_fd int proc_fd = procfs_open(&err);

	assert_true(proc_fd >= 0);
	assert_int_equal(process_list_read(proc_fd, pids, count, list, &err), 0);
}

static void a_process_is_described(void **state)
{
	char *const arguments[] = { (char *)"sleep\x1b[31m", (char *)"1000", NULL };
	cleanup_process_list struct process_list list = { 0 };
	pid_t pid = sleeper(NULL, arguments);

	(void)state;
	/* execve(2) closes the pipe before the new program has its arguments and memory: it sleeps when it has both. */
	for (int tries = 0; tries < 10000; tries++) {
		read_pids(&pid, 1, &list);
		if (list.count == 1 && list.entries[0].state == 'S')
			break;
		process_list_free(&list);
		(void)usleep(1000);
	}
	end(pid);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.entries[0].pid, pid);
	assert_int_equal(list.entries[0].parent, getpid());
	assert_int_equal(list.entries[0].uid, geteuid());
	assert_non_null(strchr("SRD", list.entries[0].state));
	assert_true(list.entries[0].age_ms < 60000);
	assert_true(list.entries[0].resident_bytes > 0);
	assert_string_equal(list.entries[0].command, "sleep?[31m 1000");
}

static void a_name_with_parentheses_confuses_nobody(void **state)
{
	cleanup_process_list struct process_list list = { 0 };
	pid_t pid = sleeper("a) Z 1 (b", NULL);
	siginfo_t info;

	(void)state;
	read_pids(&pid, 1, &list);
	assert_int_equal(list.entries[0].parent, getpid());
	assert_int_not_equal(list.entries[0].state, 'Z');
	process_list_free(&list);
	/* A zombie has no arguments any more. */
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	read_pids(&pid, 1, &list);
	end(pid);
	assert_int_equal(list.entries[0].state, 'Z');
	assert_string_equal(list.entries[0].command, "[a) Z 1 (b]");
}

static void who_has_gone_is_left_out(void **state)
{
	cleanup_process_list struct process_list list = { 0 };
	pid_t pids[] = { fork(), getpid() };

	(void)state;
	if (pids[0] == 0)
		_exit(0);
	assert_int_equal(waitpid(pids[0], NULL, 0), pids[0]);
	read_pids(pids, 2, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.entries[0].pid, getpid());
}

static int decode(const struct strbuf *bytes, size_t length, struct process_list *list)
{
	struct wire_reader in = { .next = (const unsigned char *)bytes->data, .left = length };
	struct error err;

	return process_list_decode(list, &in, &err);
}

static void a_list_comes_back_and_nothing_of_it_is_trusted(void **state)
{
	char command[] = "evil\x1b]0;title\a \xc2\x9b\xc3\xa4", name[] = "[name]";
	struct process_entry entries[] = {
		{ .pid = 1, .parent = 0, .state = 'S', .cpu_ms = UINT64_MAX, .terminal = 0x8800, .command = command },
		{ .pid = 7, .parent = 1, .uid = 1000, .state = '\x1b', .age_ms = 5, .command = name },
	};
	struct process_list list = { .entries = entries, .count = 2 };
	cleanup_process_list struct process_list back = { 0 };
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;

	(void)state;
	process_list_encode(&list, &bytes);
	for (size_t length = 0; length < bytes.length; length++)
		assert_int_equal(decode(&bytes, length, &back), -EBADMSG);
	assert_int_equal(decode(&bytes, bytes.length, &back), 0);
	assert_int_equal(back.count, 2);
	assert_true(back.entries[0].cpu_ms == UINT64_MAX);
	assert_int_equal(back.entries[0].terminal, 0x8800);
	assert_string_equal(back.entries[0].command, "evil?]0;title? ??\xc3\xa4");
	assert_int_equal(back.entries[1].uid, 1000);
	assert_int_equal(back.entries[1].age_ms, 5);
	assert_int_equal(back.entries[1].state, '?');
	assert_string_equal(back.entries[1].command, "[name]");
}

static void impossible_lists_are_refused(void **state)
{
	struct process_entry entry = { .pid = -1, .state = 'S', .command = NULL };
	struct process_list list = { .entries = &entry, .count = 1 }, back = { 0 };
	cleanup_strbuf struct strbuf no_pid = STRBUF_INIT, many = STRBUF_INIT;
	char command[] = "x";

	(void)state;
	entry.command = command;
	process_list_encode(&list, &no_pid);
	assert_int_equal(decode(&no_pid, no_pid.length, &back), -EBADMSG);
	wire_put_u32(&many, UINT32_MAX);
	assert_int_equal(decode(&many, many.length, &back), -EBADMSG);
	assert_null(back.entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_described),
		cmocka_unit_test(a_name_with_parentheses_confuses_nobody),
		cmocka_unit_test(who_has_gone_is_left_out),
		cmocka_unit_test(a_list_comes_back_and_nothing_of_it_is_trusted),
		cmocka_unit_test(impossible_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
