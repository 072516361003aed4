/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "oci/json_write.h"
#include "sandbox/internal.h"

#define REPORT_VERSION 1

static const char *const cause_words[] = {
	[SANDBOX_ENDED] = "ended",
	[SANDBOX_TIMED_OUT] = "timed-out",
	[SANDBOX_CPU_TIME] = "cpu-time-exceeded",
	[SANDBOX_OUT_OF_MEMORY] = "out-of-memory",
	[SANDBOX_INTERRUPTED] = "interrupted",
	[SANDBOX_NOT_STARTED] = "not-started",
};

const char *report_status(const struct sandbox_result *result)
{
	return cause_words[result->cause];
}

/* In the order of the bits of enum sandbox_limit. */
static const char *const limit_settings[] = { "timeout", "cpu-time", "memory", "disk", "pids", "output-limit",
	"file-size", NULL };

/* What it ran into beside what ended it. */
static void add_limits(const struct sandbox *sandbox, unsigned int reached, char *text, size_t size)
{
	char limit[32];

	for (unsigned int i = 0; limit_settings[i]; i++) {
		size_t length = strlen(text);

		if (!(reached & 1U << i))
			continue;
		sandbox_setting_print(sandbox->settings, sandbox_setting_find(limit_settings[i]), limit, sizeof(limit));
		(void)snprintf(
			text + length, size - length, "; it reached the limit %s of %s", limit_settings[i], limit);
	}
}

/* 128 + a signal is what a killed command answers, and what others may answer too: nobody can tell from outside. */
static void print_status(int status, char *text, size_t size)
{
	const char *name = status > 128 ? sigabbrev_np(status - 128) : NULL;

	if (name)
		(void)snprintf(text, size, "it ended with status %d, that of SIG%s", status, name);
	else if (status - 128 >= SIGRTMIN && status - 128 <= SIGRTMAX)
		(void)snprintf(
			text, size, "it ended with status %d, that of SIGRTMIN+%d", status, status - 128 - SIGRTMIN);
	else
		(void)snprintf(text, size, "it ended with status %d", status);
}

void report_reason(const struct sandbox *sandbox, char *text, size_t size)
{
	const struct sandbox_result *result = &sandbox->result;
	char limit[32];

	switch (result->cause) {
	case SANDBOX_TIMED_OUT:
		sandbox_setting_print(sandbox->settings, sandbox_setting_find("timeout"), limit, sizeof(limit));
		(void)snprintf(text, size, "it ran longer than the timeout of %s", limit);
		break;
	case SANDBOX_CPU_TIME:
		sandbox_setting_print(sandbox->settings, sandbox_setting_find("cpu-time"), limit, sizeof(limit));
		(void)snprintf(text, size, "it used more than %s of processor time", limit);
		break;
	case SANDBOX_OUT_OF_MEMORY:
		sandbox_setting_print(sandbox->settings, sandbox_setting_find("memory"), limit, sizeof(limit));
		(void)snprintf(text, size, "it was killed at the memory limit of %s", limit);
		break;
	case SANDBOX_INTERRUPTED:
		(void)snprintf(text, size, "duet was interrupted by SIG%s", sigabbrev_np(result->interrupted_by));
		break;
	case SANDBOX_NOT_STARTED:
		(void)snprintf(text, size, "%s", sandbox->failure.message);
		break;
	default:
		print_status(result->wait_status, text, size);
	}
	add_limits(sandbox, result->reached & ~(SANDBOX_LIMIT_TIMEOUT | SANDBOX_LIMIT_CPU_TIME | SANDBOX_LIMIT_MEMORY),
		text, size);
}

/* ---- JSON ---- */

static void put_u64(struct json_writer *json, const char *key, uint64_t value)
{
	/* What is not known is absent, never a guess. */
	if (value == CGROUP_UNKNOWN)
		return;
	json_write_key(json, key);
	json_write_u64(json, value);
}

static void write_usage(struct json_writer *json, const struct sandbox *sandbox)
{
	const struct sandbox_result *result = &sandbox->result;
	const struct cgroup_statistics *usage = &result->usage;
	/* The process above the command's counts for the kernel, but is not the command's. */
	uint64_t init = !sandbox->settings->vm && usage->pids_peak != CGROUP_UNKNOWN && usage->pids_peak > 0;

	json_write_key(json, "usage");
	json_write_open(json, '{');
	put_u64(json, "startMs", result->start_ms);
	put_u64(json, "wallMs", result->wall_ms);
	if (result->statistics_there) {
		put_u64(json, "cgroupCpuNs", usage->cpu_usage_ns);
		put_u64(json, "cgroupUserNs", usage->cpu_user_ns);
		put_u64(json, "cgroupSystemNs", usage->cpu_system_ns);
		put_u64(json, "cgroupMemoryPeakBytes", usage->memory_peak_bytes);
		put_u64(json, "oomKills", usage->oom_kills);
		put_u64(json, "pidsPeak", usage->pids_peak - init);
		put_u64(json, "ioReadBytes", usage->io_read_bytes);
		put_u64(json, "ioWriteBytes", usage->io_write_bytes);
	}
	put_u64(json, "processUserMs", result->user_ms);
	put_u64(json, "processSystemMs", result->system_ms);
	put_u64(json, "processPeakBytes", result->process_peak_bytes);
	put_u64(json, "voluntaryContextSwitches", result->voluntary_switches);
	put_u64(json, "forcedContextSwitches", result->forced_switches);
	put_u64(json, "outputBytes", result->output_bytes);
	put_u64(json, "outputCutBytes", result->cut_bytes);
	json_write_close(json, '}');
}

static void write_changes(struct json_writer *json, const struct sandbox_changes *changes)
{
	if (!changes->counted)
		return;
	json_write_key(json, "filesChanged");
	json_write_open(json, '{');
	put_u64(json, "added", changes->added);
	put_u64(json, "modified", changes->modified);
	put_u64(json, "deleted", changes->deleted);
	json_write_bool_member(json, "incomplete", changes->incomplete);
	json_write_close(json, '}');
}

static void write_reached(struct json_writer *json, unsigned int reached)
{
	json_write_key(json, "limitsReached");
	json_write_open(json, '[');
	for (unsigned int i = 0; limit_settings[i]; i++) {
		if (reached & 1U << i)
			json_write_string(json, limit_settings[i]);
	}
	json_write_close(json, ']');
}

static void write_network(struct json_writer *json, const struct egress_counts *counts)
{
	unsigned int count = counts ? counts->refusal_count : 0;

	if (!counts)
		return;
	json_write_key(json, "network");
	json_write_open(json, '{');
	put_u64(json, "sentBytes", counts->sent_bytes);
	put_u64(json, "receivedBytes", counts->received_bytes);
	put_u64(json, "refusedCount", counts->refused);
	json_write_key(json, "refused");
	json_write_open(json, '[');
	for (unsigned int i = 0; i < count && i < EGRESS_REFUSALS_MAX; i++) {
		json_write_open(json, '{');
		json_write_string_member(json, "what", counts->refusals[i].what);
		put_u64(json, "count", counts->refusals[i].count);
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
	json_write_close(json, '}');
}

/* Where what --disk limits lies: pages of a tmpfs are memory, of who wrote them. */
static void write_disk(struct json_writer *json, const struct sandbox_result *result)
{
	json_write_key(json, "disk");
	json_write_open(json, '{');
	json_write_string_member(json, "kind", result->disk_is_file ? "file" : "tmpfs");
	json_write_bool_member(
		json, "countedInMemory", !result->disk_is_file && !(result->not_in_force & SANDBOX_LIMIT_MEMORY));
	put_u64(json, "usedBytes", result->disk_used_bytes);
	json_write_close(json, '}');
}

/* Of a caller without privilege: defaults that nothing could hold. */
static bool is_out_of_force(const struct sandbox_result *result, const char *name)
{
	if (strcmp(name, "memory") == 0 || strcmp(name, "swap") == 0)
		return result->not_in_force & SANDBOX_LIMIT_MEMORY;
	return strcmp(name, "pids") == 0 && (result->not_in_force & SANDBOX_LIMIT_PIDS);
}

static void write_limits(
	struct json_writer *json, const struct sandbox_settings *settings, const struct sandbox_result *result)
{
	char text[64];

	json_write_key(json, "limits");
	json_write_open(json, '{');
	for (const struct sandbox_setting *setting = sandbox_settings_table; setting->name; setting++) {
		if (!setting->limit || is_out_of_force(result, setting->name))
			continue;
		sandbox_setting_print(settings, setting, text, sizeof(text));
		json_write_string_member(json, setting->name, text);
	}
	json_write_close(json, '}');
	if (!result->not_in_force)
		return;
	json_write_key(json, "limitsNotInForce");
	json_write_open(json, '[');
	for (const struct sandbox_setting *setting = sandbox_settings_table; setting->name; setting++) {
		if (setting->limit && is_out_of_force(result, setting->name))
			json_write_string(json, setting->name);
	}
	json_write_close(json, ']');
}

static void write_run(struct json_writer *json, const struct sandbox *sandbox, bool alone)
{
	const struct sandbox_result *result = &sandbox->result;
	char reason[SANDBOX_REASON_BYTES];

	report_reason(sandbox, reason, sizeof(reason));
	json_write_open(json, '{');
	if (alone)
		json_write_u64_member(json, "reportVersion", REPORT_VERSION);
	if (sandbox->number)
		json_write_u64_member(json, "run", sandbox->number);
	json_write_string_member(json, "id", sandbox->id);
	json_write_strings_member(json, "command", (const char *const *)sandbox->command);
	json_write_string_member(json, "isolation", sandbox->settings->vm ? "microvm" : "container");
	json_write_string_member(json, "status", report_status(result));
	json_write_string_member(json, "reason", reason);
	if (result->cause != SANDBOX_NOT_STARTED) {
		json_write_key(json, "exitCode");
		json_write_i64(json, result->wait_status);
		if (result->wait_status > 128 && sigabbrev_np(result->wait_status - 128))
			json_write_string_member(json, "signal", sigabbrev_np(result->wait_status - 128));
	}
	write_reached(json, result->reached);
	write_usage(json, sandbox);
	write_disk(json, result);
	write_changes(json, &result->changes);
	write_network(json, result->network_there ? &result->network : NULL);
	write_limits(json, sandbox->settings, result);
	json_write_close(json, '}');
}

static void write_json(const struct sandbox *sandboxes, size_t count, struct strbuf *text)
{
	struct json_writer json = { .out = text, .indent = "  " };

	if (count == 1 && !sandboxes->number) {
		write_run(&json, sandboxes, true);
	} else {
		json_write_open(&json, '{');
		json_write_u64_member(&json, "reportVersion", REPORT_VERSION);
		json_write_key(&json, "runs");
		json_write_open(&json, '[');
		for (size_t i = 0; i < count; i++)
			write_run(&json, &sandboxes[i], false);
		json_write_close(&json, ']');
		json_write_close(&json, '}');
	}
	strbuf_string(text, "\n");
}

static int write_file(const char *path, const struct strbuf *text, struct error *err)
{
	int result = file_deliver(path, text->data, text->length, 0644);

	return result < 0 ? error_set(err, -result, "write the report %s", path) : 0;
}

int report_write(const struct sandbox *sandboxes, size_t count, struct error *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT, xml = STRBUF_INIT;
	int result = 0;

	if (count == 0)
		return 0;
	if (sandboxes->settings->report_file) {
		write_json(sandboxes, count, &json);
		result = write_file(sandboxes->settings->report_file, &json, err);
	}
	if (result == 0 && sandboxes->settings->junit_file) {
		junit_write(sandboxes, count, &xml);
		result = write_file(sandboxes->settings->junit_file, &xml, err);
	}
	return result;
}
