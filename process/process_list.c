/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_list.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/procfs.h"

enum {
	STAT_BYTES_MAX = 4096,
	STATM_BYTES_MAX = 512,
	STATUS_BYTES_MAX = 64 * 1024,                        /* its longest line lists supplementary groups */
	COMMAND_BYTES_MAX = 4096,                            /* longer command lines are cut */
	ENTRY_BYTES_MIN = 4 + 4 + 4 + 1 + 8 + 8 + 8 + 4 + 1, /* on the wire, without a command */
};

/* proc(5): /proc/PID/stat, counted from 1. */
enum stat_field {
	STAT_STATE = 3,
	STAT_PARENT = 4,
	STAT_TERMINAL = 7,
	STAT_USER_TICKS = 14,
	STAT_SYSTEM_TICKS = 15,
	STAT_START_TICKS = 22,
};

/* A terminal obeys control characters, in UTF-8 those from U+0080 to U+009F as well. */
static void disarm(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

static int64_t stat_number(const char *after_name, int field)
{
	for (int number = 2; after_name && number < field; number++)
		after_name = strchr(after_name + 1, ' ');
	return after_name ? strtoll(after_name + 1, NULL, 10) : 0;
}

static uint64_t ms_of_ticks(int64_t ticks)
{
	return ticks > 0 ? (uint64_t)ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK) : 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int read_file(int proc_fd, pid_t pid, const char *name, size_t max_bytes, struct strbuf *content)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	return procfs_read(proc_fd, path, max_bytes, content);
}

/* The second field is the name in parentheses and may hold anything, parentheses and spaces too. */
static int read_stat(int proc_fd, struct process_entry *entry, char **name)
{
	cleanup_strbuf struct strbuf stat = STRBUF_INIT;
	int result = read_file(proc_fd, entry->pid, "stat", STAT_BYTES_MAX, &stat);
	const char *begin, *end;
	uint64_t age_ms, now = now_ms();

	if (result < 0)
		return result;
	begin = strchr(stat.data, '(');
	end = strrchr(stat.data, ')');
	if (!begin || !end || end < begin || end[1] != ' ')
		return -EBADMSG;
	entry->state = end[2];
	entry->parent = (pid_t)stat_number(end, STAT_PARENT);
	entry->terminal = (int)stat_number(end, STAT_TERMINAL);
	entry->cpu_ms = ms_of_ticks(stat_number(end, STAT_USER_TICKS) + stat_number(end, STAT_SYSTEM_TICKS));
	age_ms = ms_of_ticks(stat_number(end, STAT_START_TICKS));
	entry->age_ms = now > age_ms ? now - age_ms : 0;
	*name = xstrndup(begin + 1, (size_t)(end - begin - 1));
	return 0;
}

/*
 * "SIZE RESIDENT …" in pages. Not /proc/PID/stat's field: that one is read off a counter which leaves out what each CPU
 * has not handed in yet, and says 0 of a small process.
 */
static int read_resident(int proc_fd, struct process_entry *entry)
{
	cleanup_strbuf struct strbuf statm = STRBUF_INIT;
	int result = read_file(proc_fd, entry->pid, "statm", STATM_BYTES_MAX, &statm);
	const char *resident;

	if (result < 0)
		return result;
	resident = strchr(statm.data, ' ');
	if (!resident)
		return -EBADMSG;
	entry->resident_bytes = strtoull(resident + 1, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* "Uid:\tREAL\tEFFECTIVE\t…": the effective one, as ps(1) says. */
static int read_uid(int proc_fd, struct process_entry *entry)
{
	cleanup_strbuf struct strbuf status = STRBUF_INIT;
	int result = read_file(proc_fd, entry->pid, "status", STATUS_BYTES_MAX, &status);
	const char *line, *effective;

	if (result < 0)
		return result;
	line = strstr(status.data, "\nUid:\t");
	effective = line ? strchr(line + strlen("\nUid:\t"), '\t') : NULL;
	if (!effective)
		return -EBADMSG;
	entry->uid = (uid_t)strtoul(effective + 1, NULL, 10);
	return 0;
}

static int read_command(int proc_fd, struct process_entry *entry, const char *name)
{
	char path[64], text[COMMAND_BYTES_MAX + 1];
	cleanup_fd int fd = -EBADF;
	ssize_t length;

	(void)snprintf(path, sizeof(path), "%d/cmdline", (int)entry->pid);
	fd = procfs_open_file(proc_fd, path, O_RDONLY);
	if (fd < 0)
		return fd;
	length = read(fd, text, COMMAND_BYTES_MAX);
	if (length < 0)
		return -errno;
	while (length > 0 && text[length - 1] == '\0')
		length--;
	for (ssize_t i = 0; i < length; i++) {
		if (text[i] == '\0')
			text[i] = ' ';
	}
	text[length] = '\0';
	entry->command = length > 0 ? xstrdup(text) : xprintf("[%s]", name);
	disarm(entry->command);
	return 0;
}

static int read_entry(int proc_fd, struct process_entry *entry)
{
	cleanup_free char *name = NULL;
	int result = read_stat(proc_fd, entry, &name);

	if (result == 0)
		result = read_resident(proc_fd, entry);
	if (result == 0)
		result = read_uid(proc_fd, entry);
	if (result == 0)
		result = read_command(proc_fd, entry, name);
	return result;
}

int process_list_read(int proc_fd, const pid_t *pids, size_t pid_count, struct process_list *list, struct error *err)
{
	cleanup_process_list struct process_list read = { .entries = xcalloc(pid_count, sizeof(*read.entries)) };

	for (size_t i = 0; i < pid_count; i++) {
		struct process_entry *entry = &read.entries[read.count];
		int result;

		entry->pid = pids[i];
		result = read_entry(proc_fd, entry);
		if (result == 0)
			read.count++;
		else if (result != -ENOENT && result != -ESRCH)
			return error_set(err, -result, "read what process %d is", (int)pids[i]);
	}
	*list = (struct process_list){ .entries = take_pointer(&read.entries), .count = read.count };
	return 0;
}

void process_list_free(struct process_list *list)
{
	for (size_t i = 0; i < list->count && list->entries; i++)
		free(list->entries[i].command);
	free(list->entries);
	*list = (struct process_list){ 0 };
}

void process_list_encode(const struct process_list *list, struct strbuf *out)
{
	wire_put_u32(out, (uint32_t)list->count);
	for (size_t i = 0; i < list->count; i++) {
		const struct process_entry *entry = &list->entries[i];

		wire_put_u32(out, (uint32_t)entry->pid);
		wire_put_u32(out, (uint32_t)entry->parent);
		wire_put_u32(out, entry->uid);
		wire_put_u8(out, (uint8_t)entry->state);
		wire_put_u64(out, entry->cpu_ms);
		wire_put_u64(out, entry->age_ms);
		wire_put_u64(out, entry->resident_bytes);
		wire_put_u32(out, (uint32_t)entry->terminal);
		wire_put_string(out, entry->command);
	}
}

static bool decode_entry(struct process_entry *entry, struct wire_reader *in)
{
	entry->pid = (pid_t)wire_get_u32(in);
	entry->parent = (pid_t)wire_get_u32(in);
	entry->uid = wire_get_u32(in);
	entry->state = (char)wire_get_u8(in);
	entry->cpu_ms = wire_get_u64(in);
	entry->age_ms = wire_get_u64(in);
	entry->resident_bytes = wire_get_u64(in);
	entry->terminal = (int)wire_get_u32(in);
	entry->command = wire_get_string(in);
	if (!entry->command || entry->pid <= 0 || entry->parent < 0 || strlen(entry->command) > COMMAND_BYTES_MAX)
		return false;
	if (!isalpha((unsigned char)entry->state))
		entry->state = '?';
	disarm(entry->command);
	return true;
}

int process_list_decode(struct process_list *list, struct wire_reader *in, struct error *err)
{
	uint32_t count = wire_get_count(in, ENTRY_BYTES_MIN);
	cleanup_process_list struct process_list decoded = { 0 };

	if (in->failed || count > PROCESS_LIST_MAX)
		return error_set(err, -EBADMSG, "the list of processes is malformed");
	decoded.entries = xcalloc(count, sizeof(*decoded.entries));
	for (uint32_t i = 0; i < count; i++) {
		decoded.count = i + 1;
		if (!decode_entry(&decoded.entries[i], in))
			return error_set(err, -EBADMSG, "the list of processes is malformed");
	}
	*list = (struct process_list){ .entries = take_pointer(&decoded.entries), .count = count };
	decoded.count = 0;
	return 0;
}
