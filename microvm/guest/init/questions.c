/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/questions.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/procfs.h"
#include "cgroups/wire.h"
#include "microvm/guest/init/group.h"
#include "process/process_list.h"

enum { STATUS_BYTES_MAX = 64 * 1024 };

struct member {
	pid_t outside, inside; /* in the init's pid namespace, in the container's */
};

struct members {
	struct member *entries;
	pid_t *pids; /* `outside` of each */
	size_t count;
};

static void members_free(struct members *members)
{
	free(members->entries);
	free(members->pids);
}

/* "NSpid:\tOUTERMOST\t…": the process's ids, from the namespace of the procfs inwards. The one at the given depth, 0:
 * there is none. *depth: how many there are. */
static pid_t read_nested_pid(int procfs, const char *pid, unsigned level, unsigned *depth)
{
	cleanup_strbuf struct strbuf status = STRBUF_INIT;
	cleanup_free char *path = xprintf("%s/status", pid);
	pid_t found = 0;
	char *next;

	*depth = 0;
	if (procfs_read(procfs, path, STATUS_BYTES_MAX, &status) < 0)
		return 0;
	next = strstr(status.data, "\nNSpid:");
	next = next ? next + strlen("\nNSpid:") : NULL;
	while (next && *next == '\t') {
		long number = strtol(next + 1, &next, 10);

		if (*depth == level)
			found = (pid_t)number;
		(*depth)++;
	}
	return found;
}

static void add_member(struct members *members, pid_t outside, pid_t inside)
{
	members->entries = xrealloc(members->entries, members->count + 1, sizeof(*members->entries));
	members->pids = xrealloc(members->pids, members->count + 1, sizeof(*members->pids));
	members->entries[members->count] = (struct member){ .outside = outside, .inside = inside };
	members->pids[members->count++] = outside;
}

/* Whoever lives one pid namespace further in than this process, which excludes the kernel's threads. */
static int find_members(int procfs, struct members *members, struct error *err)
{
	int fd = openat(procfs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned own_depth, depth;

	if (!directory) {
		int saved = errno;

		close_fd(&fd);
		return error_set(err, saved, "read the processes of the guest");
	}
	(void)read_nested_pid(procfs, "self", 0, &own_depth);
	while ((entry = readdir(directory))) {
		pid_t outside = (pid_t)strtol(entry->d_name, NULL, 10), inside;

		if (outside <= 0)
			continue;
		inside = read_nested_pid(procfs, entry->d_name, own_depth, &depth);
		if (inside > 0 && members->count < PROCESS_LIST_MAX)
			add_member(members, outside, inside);
	}
	return 0;
}

static int compare_members(const void *left, const void *right)
{
	const struct member *first = left, *second = right;

	return (first->outside > second->outside) - (first->outside < second->outside);
}

static pid_t inside_of(const struct members *members, pid_t outside)
{
	const struct member key = { .outside = outside }, *found;

	/* procfs lists processes in the order of their ids. */
	found = members->count ? bsearch(&key, members->entries, members->count, sizeof(key), compare_members) : NULL;
	return found ? found->inside : 0;
}

/* As the container itself sees them: a parent outside is 0 there. */
static void translate(const struct members *members, struct process_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		list->entries[i].pid = inside_of(members, list->entries[i].pid);
		list->entries[i].parent = inside_of(members, list->entries[i].parent);
	}
}

static int answer_processes(struct strbuf *answer, struct error *err)
{
	cleanup(members_free) struct members members = { 0 };
	cleanup_process_list struct process_list list = { 0 };
	cleanup_fd int procfs = procfs_open(err);
	int result = procfs < 0 ? procfs : find_members(procfs, &members, err);

	if (result == 0)
		result = process_list_read(procfs, members.pids, members.count, &list, err);
	if (result < 0)
		return result;
	translate(&members, &list);
	process_list_encode(&list, answer);
	return 0;
}

static int answer_statistics(const struct init *init, struct strbuf *answer, struct error *err)
{
	struct cgroup_statistics statistics;
	int result = init->group ? cgroup_statistics(init->group, &statistics, err)
				 : error_set(err, -EOPNOTSUPP, "the container has no cgroup in the guest");

	if (result == 0)
		cgroup_statistics_encode(&statistics, answer);
	return result;
}

static int update(struct init *init, struct wire_reader *in, struct error *err)
{
	cleanup_cgroup_resources struct oci_resources resources = { 0 };
	int result = cgroup_resources_decode(&resources, in, err);

	if (result == 0 && !wire_reader_ok(in))
		result = error_set(err, -EPROTO, "the guest's init was sent malformed limits");
	return result < 0 ? result : group_update(init, &resources, err);
}

static int answer(
	struct init *init, struct wire_reader *in, uint32_t question, struct strbuf *payload, struct error *err)
{
	switch (question) {
	case GUEST_QUESTION_PROCESSES:
		return answer_processes(payload, err);
	case GUEST_QUESTION_STATISTICS:
		return answer_statistics(init, payload, err);
	case GUEST_QUESTION_UPDATE:
		return update(init, in, err);
	default:
		return error_set(err, -ENOMSG, "the guest's init does not know question %u", question);
	}
}

int question_answer(struct init *init, struct wire_reader *in, struct error *err)
{
	uint64_t number = wire_get_u64(in);
	uint32_t question = wire_get_u32(in);
	cleanup_strbuf struct strbuf payload = STRBUF_INIT, frame = STRBUF_INIT;
	struct error failure = { 0 };
	int result;

	if (in->failed)
		return error_set(err, -EPROTO, "the guest's init was sent a malformed question");
	result = answer(init, in, question, &payload, &failure);
	if (result == 0 && payload.length > GUEST_FRAME_MAX / 2)
		result = error_set(&failure, -E2BIG, "the guest's answer is too long");
	wire_put_u64(&frame, number);
	wire_put_u32(&frame, (uint32_t)failure.code);
	if (result < 0) {
		wire_put_u32(&frame, (uint32_t)failure.exit_status);
		wire_put_string(&frame, failure.message);
	} else {
		strbuf_append(&frame, payload.data, payload.length);
	}
	control_send(init, GUEST_ANSWER, &frame);
	return 0;
}
