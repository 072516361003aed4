/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The section "surface": how much of the host's kernel and devices is within reach. Filters are counted by evaluating
 * them for every system call that there is; capabilities and descriptors of a monitor are read from its /proc.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/compare_internal.h"
#include "oci/names.h"
#include "runtime/container.h"
#include "runtime/monitor.h"
#include "seccomp/evaluate.h"

enum { CAPABILITIES = 64, KINDS_MAX = 24, STATUS_BYTES_MAX = 65536 };

struct reach {
	unsigned always, sometimes, calls;
};

static struct reach reach_of(const struct thread_filter *const *filters, size_t count)
{
	struct reach reach = { 0 };

	for (uint32_t number = 0; number < SECCOMP_NUMBERS; number++) {
		enum seccomp_reach most = SECCOMP_REACH_NEVER;

		if (!seccomp_number_exists(number))
			continue;
		reach.calls++;
		for (size_t i = 0; i < count; i++) {
			enum seccomp_reach one = seccomp_reach(filters[i]->instructions, filters[i]->count, number);

			most = one > most ? one : most;
		}
		reach.always += most == SECCOMP_REACH_ALWAYS;
		reach.sometimes += most == SECCOMP_REACH_SOMETIMES;
	}
	return reach;
}

static void set_reach(
	struct compare_line *line, enum compare_column column, const struct reach *reach, const char *whose)
{
	cleanup_free char *some =
		reach->sometimes ? xprintf(", %u of them with some arguments only", reach->sometimes) : xstrdup("");

	compare_set(line, column, COMPARE_SEEN, REFUSED_BY_NOBODY, "%u of %u%s%s", reach->always + reach->sometimes,
		reach->calls, some, whose);
}

static void add_system_calls(struct comparison *comparison, const struct compare_session *session)
{
	/* The one for software KVM allows more. */
	const struct thread_filter *const monitor[] = { &monitor_filter, &devices_filter, &fs_filter,
		comparison->kvm_hardware ? &vcpu_filter : &vcpu_software_filter };
	static const char *const threads[] = { "main", "devices", "files", "vCPU" };
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct thread_filter bundle = {
		.instructions = session->filter.count ? session->filter.filter : &allow,
		.count = session->filter.count ? (unsigned short)session->filter.count : 1,
	};
	struct compare_lines *lines = &comparison->sections[COMPARE_SURFACE];
	struct compare_line *line =
		compare_add_line(lines, "system-calls", "system calls that reach the host's kernel");
	struct reach container = reach_of((const struct thread_filter *const[]){ &bundle }, 1);
	struct reach monitors = reach_of(monitor, ARRAY_SIZE(monitor));
	cleanup_strbuf struct strbuf each = STRBUF_INIT;

	if (comparison->columns[COMPARE_CONTAINER])
		set_reach(line, COMPARE_CONTAINER, &container, session->filter.count ? "" : ": there is no filter");
	if (comparison->columns[COMPARE_MICROVM])
		set_reach(line, COMPARE_MICROVM, &monitors, ", and only by a monitor that the guest has broken");
	line->verdict =
		xstrdup("The container's process calls the host's kernel directly, through its filter. The guest's "
			"processes call the guest's kernel; the host's hears from the monitor alone.");
	if (!comparison->columns[COMPARE_MICROVM])
		return;
	line = compare_add_line(lines, "system-calls-by-thread", "the same by the monitor's threads");
	for (size_t i = 0; i < ARRAY_SIZE(monitor); i++) {
		struct reach one = reach_of(&monitor[i], 1);

		strbuf_printf(&each, "%s%s %u", i ? ", " : "", threads[i], one.always + one.sometimes);
	}
	compare_set(line, COMPARE_MICROVM, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s", each.data);
	line->verdict = xstrdup("What runs the guest has the fewest; only the file server may open files.");
}

static void trace_names(struct strbuf *text, const struct trace *trace)
{
	unsigned distinct = 0;

	for (uint32_t number = 0; number < SECCOMP_NUMBERS; number++)
		distinct += trace->used[number];
	strbuf_printf(text, "%u", distinct);
	for (uint32_t number = 0, listed = 0; number < SECCOMP_NUMBERS; number++) {
		cleanup_free char *name = trace->used[number] ? seccomp_number_name(number) : NULL;

		if (name)
			strbuf_printf(text, "%s%s", listed++ ? " " : ": ", name);
	}
}

static void add_traces(struct comparison *comparison, const struct compare_traces *traces)
{
	struct compare_line *line = compare_add_line(
		&comparison->sections[COMPARE_SURFACE], "system-calls-used", "those that a short look around makes");

	for (enum compare_column column = COMPARE_CONTAINER; column <= COMPARE_MICROVM; column++) {
		cleanup_strbuf struct strbuf text = STRBUF_INIT;

		if (traces->columns[column] && traces->columns[column]->count) {
			trace_names(&text, traces->columns[column]);
			compare_set(line, column, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s", text.data);
		} else if (traces->refused[column]) {
			compare_set(line, column, COMPARE_ABSENT, REFUSED_BY_NOBODY, "it could not be traced: %s",
				traces->refused[column]);
		}
	}
	line->verdict =
		xstrdup("Traced on the host: what the container's process asks for itself, and what the monitor asks "
			"on behalf of its guest once it is confined.");
}

static void capability_names(struct strbuf *text, uint64_t capabilities)
{
	unsigned count = 0;

	for (unsigned number = 0; number < CAPABILITIES; number++)
		count += capabilities >> number & 1;
	strbuf_printf(text, "%u", count);
	for (unsigned number = 0, listed = 0; number < CAPABILITIES; number++) {
		const char *name = oci_name_of(&oci_capability_names, number);

		if ((capabilities >> number & 1) && name)
			strbuf_printf(text, "%s%s", listed++ ? " " : ": ", name + strlen("CAP_"));
	}
}

static void add_capabilities(struct comparison *comparison, const struct probe_output outputs[COMPARE_COLUMNS])
{
	struct compare_line *line =
		compare_add_line(&comparison->sections[COMPARE_SURFACE], "capabilities", "capabilities of the process");

	for (enum compare_column column = COMPARE_CONTAINER; column <= COMPARE_MICROVM; column++) {
		const struct probe_line *said = probe_find(&outputs[column], "surface", "capabilities");
		cleanup_strbuf struct strbuf text = STRBUF_INIT;

		if (!said)
			continue;
		capability_names(&text, strtoull(probe_field(said, 2), NULL, 16));
		compare_set(line, column, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s", text.data);
	}
	line->verdict = xstrdup(
		"They are the same numbers with another weight: in the container the host's kernel honours them, "
		"within the container's namespaces; in the micro-VM the guest's kernel does.");
}

static void add_list(struct comparison *comparison, const struct probe_output outputs[COMPARE_COLUMNS],
	const char *name, const char *title, const char *verdict)
{
	struct compare_line *line = compare_add_line(&comparison->sections[COMPARE_SURFACE], name, title);

	for (enum compare_column column = COMPARE_CONTAINER; column <= COMPARE_MICROVM; column++) {
		const struct probe_line *said = probe_find(&outputs[column], "surface", name);
		const char *names = probe_field(said, 3);

		if (said)
			compare_set(line, column, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s%s%s", probe_field(said, 2),
				*names ? ": " : "", names);
	}
	line->verdict = xstrdup(verdict);
}

static void add_monitor(struct comparison *comparison, const struct compare_monitor *monitor)
{
	struct compare_lines *lines = &comparison->sections[COMPARE_SURFACE];
	struct compare_line *line;

	if (comparison->columns[COMPARE_MICROVM] && !comparison->skipped[COMPARE_MICROVM]) {
		line = compare_add_line(
			lines, "monitor-capabilities", "capabilities of the monitor's threads on the host");
		if (monitor->capabilities.data)
			compare_set(line, COMPARE_MICROVM, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s",
				monitor->capabilities.data);
		line->verdict = xstrdup("Only the file server has any, those that making files for other users takes.");
		line = compare_add_line(lines, "monitor-descriptors", "what the monitor has open on the host");
		if (monitor->descriptors.data)
			compare_set(line, COMPARE_MICROVM, COMPARE_SEEN, REFUSED_BY_NOBODY, "%s",
				monitor->descriptors.data);
		line->verdict =
			xstrdup("A guest that breaks the monitor finds these, in an empty root, and nothing else.");
	}
}

void compare_surface(struct comparison *comparison, const struct compare_session *session,
	const struct probe_output outputs[COMPARE_COLUMNS], const struct compare_monitor *monitor,
	const struct compare_traces *traces)
{
	add_system_calls(comparison, session);
	add_traces(comparison, traces);
	add_capabilities(comparison, outputs);
	add_list(comparison, outputs, "devices", "devices that can be opened",
		"The container's are the host's own, served by the host's drivers; the micro-VM's are the guest's.");
	add_list(comparison, outputs, "writable-files", "writable files of the kernel",
		"What can be written below /proc and /sys changes the host in the container, and the guest in the "
		"micro-VM.");
	add_monitor(comparison, monitor);
}

/* ---- a look at a monitor that runs ---- */

struct kinds {
	struct {
		char *name;
		unsigned count;
	} entries[KINDS_MAX];
	size_t count;
};

static void add_kind(struct kinds *kinds, const char *name)
{
	size_t at = 0;

	while (at < kinds->count && strcmp(kinds->entries[at].name, name) != 0)
		at++;
	if (at == KINDS_MAX)
		return;
	if (at == kinds->count) {
		kinds->entries[at].name = xstrdup(name);
		kinds->count++;
	}
	kinds->entries[at].count++;
}

static void kinds_print(struct kinds *kinds, struct strbuf *text)
{
	for (size_t i = 0; i < kinds->count; i++) {
		strbuf_printf(text, "%s%s", i ? ", " : "", kinds->entries[i].name);
		if (kinds->entries[i].count > 1)
			strbuf_printf(text, " (%u)", kinds->entries[i].count);
		free(kinds->entries[i].name);
	}
}

/* "socket:[123]", "anon_inode:[eventfd]", "/dev/kvm", "/": one word each. */
static void add_descriptor(struct kinds *kinds, const char *target)
{
	char word[64];

	if (strncmp(target, "anon_inode:", 11) == 0)
		(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(target + 11 + (target[11] == '['), "]:"),
			target + 11 + (target[11] == '['));
	else if (strncmp(target, "/dev/", 5) == 0 || strncmp(target, "/proc", 5) == 0)
		(void)snprintf(word, sizeof(word), "%.60s", target);
	else if (target[0] == '/')
		(void)snprintf(word, sizeof(word), "file or directory");
	else
		(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(target, ":"), target);
	add_kind(kinds, word);
}

static void look_at_descriptors(int process, struct strbuf *text)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct kinds kinds = { .count = 0 };
	struct dirent *entry;
	unsigned count = 0;

	while (directory && (entry = readdir(directory))) {
		char target[256];
		ssize_t length = readlinkat(fd, entry->d_name, target, sizeof(target) - 1);

		if (length < 0)
			continue;
		target[length] = '\0';
		add_descriptor(&kinds, target);
		count++;
	}
	if (count)
		strbuf_printf(text, "%u: ", count);
	kinds_print(&kinds, text);
}

static void look_at_threads(int process, struct strbuf *text)
{
	int fd = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct kinds kinds = { .count = 0 };
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		cleanup_free char *path = xprintf("%s/status", entry->d_name);
		cleanup_strbuf struct strbuf status = STRBUF_INIT;
		cleanup_strbuf struct strbuf words = STRBUF_INIT;
		const char *line;

		if (entry->d_name[0] == '.' || file_read(fd, path, STATUS_BYTES_MAX, &status) < 0)
			continue;
		line = strstr(status.data, "CapEff:");
		if (strncmp(status.data, "Name:\t", 6) != 0 || !line)
			continue;
		strbuf_printf(&words, "%.*s ", (int)strcspn(status.data + 6, "\n"), status.data + 6);
		capability_names(&words, strtoull(line + 7, NULL, 16));
		add_kind(&kinds, words.data);
	}
	kinds_print(&kinds, text);
}

void compare_look_at_monitor(void *context, const char *text, size_t length)
{
	struct compare_monitor *monitor = context;
	cleanup_container struct container *container = NULL;
	cleanup_fd int process = -EBADF;
	char path[32];

	if (monitor->looked || !length || !memmem(text, length, "surface\tready", 13))
		return;
	monitor->looked = true;
	if (container_peek(monitor->state_root, monitor->id, &container, NULL) < 0 || container->record.pid <= 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)container->record.pid);
	process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process < 0)
		return;
	look_at_descriptors(process, &monitor->descriptors);
	look_at_threads(process, &monitor->capabilities);
}
