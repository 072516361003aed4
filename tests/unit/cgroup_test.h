/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups named duet-test-PID-N on the host's own hierarchies, whatever their layout, made and removed around each test.
 */
#ifndef DUET_TESTS_UNIT_CGROUP_TEST_H
#define DUET_TESTS_UNIT_CGROUP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "cgroups/internal.h"

enum { DELETE_TIMEOUT_MS = 5000, FREEZE_TIMEOUT_MS = 2000 };

struct fixture {
	struct cgroup_host *host;
	char path[64]; /* an absolute cgroupsPath that is free */
};

static inline int set_up(void **state)
{
	static int number;
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	struct error err = { 0 };

	if (cgroup_host_open(&fixture->host, &err) < 0)
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "/duet-test-%d-%d", getpid(), number++);
	*state = fixture;
	return 0;
}

/* Kills and removes what a failed test left, in one hierarchy. */
static inline void sweep(const struct cgroup_hierarchy *hierarchy, const char *path)
{
	cleanup_free char *text = xprintf(
		"cgroupfs\n1\t%s\t%x\t%s\t%s\n", hierarchy->name, hierarchy->controllers, hierarchy->mount_point, path);
	cleanup_cgroup struct cgroup *group = NULL;
	struct error err = { 0 };

	if (cgroup_load(text, &group, &err) == 0) {
		(void)cgroup_kill_all(group, SIGKILL, &err);
		(void)cgroup_delete(group, DELETE_TIMEOUT_MS, &err);
	}
}

/* Nothing of the test may be left in any hierarchy. */
static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;
	int left = 0;

	for (size_t i = 0; i < fixture->host->count; i++) {
		cleanup_free char *directory =
			xprintf("%s%s", fixture->host->hierarchies[i].mount_point, fixture->path);

		if (access(directory, F_OK) == 0) {
			print_error("left behind: %s\n", directory);
			sweep(&fixture->host->hierarchies[i], fixture->path);
			left++;
		}
	}
	cgroup_host_close(&fixture->host);
	free(fixture);
	return left;
}

/* Skips the test where groups cannot be made at all. */
static inline void need_groups(const struct fixture *fixture)
{
	const char *missing = NULL;

	if (fixture->host->count == 0)
		missing = "this host has no cgroups";
	else if (geteuid() != 0)
		missing = "only root can make cgroups here";
	else if (access(fixture->host->hierarchies[0].mount_point, W_OK) < 0)
		missing = "the host's cgroups are read-only";
	if (missing) {
		print_message("%s\n", missing);
		skip();
	}
}

static inline void need_controller(const struct fixture *fixture, enum cgroup_controller controller)
{
	need_groups(fixture);
	if (!cgroup_host_has(fixture->host, controller)) {
		print_message("this host has no %s controller\n", cgroup_controller_table[controller].name_v1);
		skip();
	}
}

static inline struct cgroup *make(const struct fixture *fixture, const struct oci_resources *resources)
{
	const struct cgroup_request request = { .path = fixture->path, .id = "x", .resources = resources };
	struct cgroup *group = NULL;
	struct error err = { 0 };
	int result = cgroup_create(fixture->host, &request, &group, &err);

	if (result < 0)
		print_error("%s\n", err.message);
	assert_int_equal(result, 0);
	return group;
}

static inline void expect_create_fails(
	const struct cgroup_host *host, const struct cgroup_request *request, int code, const char *words)
{
	struct cgroup *group = NULL;
	struct error err = { 0 };

	assert_int_equal(cgroup_create(host, request, &group, &err), -code);
	assert_null(group);
	if (!strstr(err.message, words))
		print_error("\"%s\" lacks \"%s\"\n", err.message, words);
	assert_non_null(strstr(err.message, words));
}

static inline void delete_group(struct cgroup **group)
{
	struct error err = { 0 };
	int result = cgroup_delete(*group, DELETE_TIMEOUT_MS, &err);

	if (result < 0)
		print_error("%s\n", err.message);
	cgroup_close(group);
	assert_int_equal(result, 0);
}

static inline void plain_signals(void)
{
	for (int number = 1; number < 32; number++)
		(void)signal(number, SIG_DFL);
}

/* Starts work(context) in the group as a runtime does: CLONE_INTO_CGROUP and "0" to the `tasks` files. Returns once it
 * is in. Its result is the exit status; 99: it could not join. */
static inline pid_t start_in(
	const struct cgroup *group, const char *subgroup, bool clone_into, int (*work)(void *), void *context)
{
	struct cgroup_join join = { 0 };
	struct error err = { 0 };
	struct clone_args arguments = { .exit_signal = SIGCHLD };
	int joined[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe2(joined, O_CLOEXEC), 0);
	assert_int_equal(cgroup_join_open(group, subgroup, clone_into, &join, &err), 0);
	if (join.clone_into_fd >= 0) {
		arguments.flags = CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)join.clone_into_fd;
	}
	child = sys_clone3(&arguments);
	if (child == 0) {
		plain_signals();
		if (cgroup_join_self(&join, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			_exit(99);
		}
		close(joined[0]);
		close(joined[1]);
		_exit(work(context));
	}
	assert_true(child > 0);
	close(joined[1]);
	assert_int_equal(read(joined[0], &byte, 1), 0); /* closed on the other side */
	close(joined[0]);
	cgroup_join_close(&join);
	return child;
}

static inline int status_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline int run_in(const struct cgroup *group, int (*work)(void *), void *context)
{
	return status_of(start_in(group, NULL, true, work, context));
}

static inline int sleep_forever(void *context)
{
	(void)context;
	for (;;)
		pause();
	return 0;
}

static inline void expect_content(const struct cgroup_entry *entry, const char *file, const char *expected)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;

	assert_non_null(entry);
	assert_int_equal(cgroup_read(entry, file, &content), 0);
	content.data[strcspn(content.data, "\n")] = '\0';
	if (strcmp(content.data, expected) != 0)
		print_error("%s/%s\n", entry->directory, file);
	assert_string_equal(content.data, expected);
}

#endif
