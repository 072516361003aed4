/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>

#include "base/log.h"
#include "cgroups/wire.h"
#include "runtime/control.h"
#include "runtime/isolation_microvm.h"
#include "runtime/microvm_machine.h"
#include "runtime/microvm_plan.h"

#define BALLOON_LOOK_MS 10
#define BALLOON_LOOKS   20

int microvm_signal(const struct container *container, int signal, bool all, struct error *err)
{
	cleanup_fd int pidfd = container_pidfd(container);
	const uint32_t words[2] = { (uint32_t)signal, all };

	if (pidfd < 0)
		return error_set(err, -ESRCH, "container \"%s\" is not running: container not running", container->id);
	/* Nothing of the guest is needed, or trusted, to end it. */
	if (signal == SIGKILL) {
		if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0)
			return error_set(err, errno, "kill the monitor of container \"%s\"", container->id);
		return 0;
	}
	return control_order(container, LAUNCH_SIGNAL, words, sizeof(words), err);
}

int microvm_pause(const struct container *container, bool paused, struct error *err)
{
	const uint32_t word = paused;

	return control_order(container, CONTROL_PAUSE, &word, sizeof(word), err);
}

int microvm_processes(const struct container *container, struct process_list *list, struct error *err)
{
	cleanup_strbuf struct strbuf answer = STRBUF_INIT;
	struct wire_reader in = { 0 };
	int result = control_ask(container, GUEST_QUESTION_PROCESSES, NULL, &answer, err);

	if (result < 0)
		return result;
	in = (struct wire_reader){ .next = (const unsigned char *)answer.data, .left = answer.length };
	result = process_list_decode(list, &in, err);
	return result < 0 ? error_prefix(err, "the guest's answer") : 0;
}

/* Names come by way of the monitor, which a guest may have broken. */
static char *clean_name(char *name)
{
	for (char *c = name; *c; c++) {
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '_' && *c != '.')
			*c = '?';
	}
	return name;
}

static void decode_balloon(struct wire_reader *in, struct container_statistics *statistics)
{
	struct balloon_state *balloon = &statistics->balloon;

	statistics->has_balloon = wire_get_u8(in);
	if (!statistics->has_balloon)
		return;
	balloon->awaited = wire_get_u8(in);
	balloon->target_bytes = wire_get_u64(in);
	balloon->actual_bytes = wire_get_u64(in);
	balloon->reported_bytes = wire_get_u64(in);
	balloon->known = wire_get_u32(in);
	for (unsigned i = 0; i < BALLOON_STATISTICS; i++)
		balloon->statistics[i] = wire_get_u64(in);
}

static int decode_counts(const struct message *message, struct container_statistics *statistics)
{
	struct wire_reader in = { .next = message->data, .left = message->length };
	uint64_t life_ms = wire_get_u64(&in);
	double seconds = (double)life_ms / 1000;
	uint32_t count = wire_get_count(&in, sizeof(uint8_t) + sizeof(uint64_t));

	statistics->life_ms = life_ms;
	statistics->exits = xcalloc(count, sizeof(*statistics->exits));
	for (uint32_t i = 0; i < count; i++) {
		struct exit_count *exit = &statistics->exits[i];

		exit->reason = wire_get_string(&in);
		exit->count = wire_get_u64(&in);
		if (!exit->reason)
			return -EPROTO;
		statistics->exit_count = i + 1;
		(void)clean_name(exit->reason);
		exit->per_second = seconds > 0 ? (double)exit->count / seconds : 0;
	}
	decode_balloon(&in, statistics);
	return wire_reader_ok(&in) ? 0 : -EPROTO;
}

static void forget_counts(struct container_statistics *statistics)
{
	for (size_t i = 0; i < statistics->exit_count; i++)
		free(statistics->exits[i].reason);
	free_pointer(&statistics->exits);
	statistics->exit_count = 0;
}

static int read_counts(const struct container *container, struct container_statistics *statistics, struct error *err)
{
	cleanup_free struct message *answer = xcalloc(1, sizeof(*answer));
	cleanup_fd int connection = control_connect(container, err);
	int result;

	if (connection < 0)
		return connection;
	result = control_request(connection, CONTROL_COUNTS, NULL, -1, CONTROL_COUNTS, answer, err);
	if (result < 0)
		return result;
	forget_counts(statistics);
	result = decode_counts(answer, statistics);
	return result < 0 ? error_set(err, -EPROTO, "the monitor gave malformed counts") : 0;
}

static int read_guest(const struct container *container, struct container_statistics *statistics, struct error *err)
{
	cleanup_strbuf struct strbuf answer = STRBUF_INIT;
	struct wire_reader in = { 0 };
	int result = control_ask(container, GUEST_QUESTION_STATISTICS, NULL, &answer, err);

	/* A guest's kernel of the user's own may have no cgroups; one that is paused does not answer. */
	if (result == -EOPNOTSUPP || result == -EBUSY)
		return 0;
	if (result < 0)
		return result;
	in = (struct wire_reader){ .next = (const unsigned char *)answer.data, .left = answer.length };
	result = cgroup_statistics_decode(&statistics->guest, &in, err);
	statistics->has_guest = result == 0;
	return result < 0 ? error_prefix(err, "the guest's answer") : 0;
}

/* The guest's driver fills in its statistics soon after it was asked, which reading the guest's group has done. */
static int read_settled_counts(
	const struct container *container, struct container_statistics *statistics, struct error *err)
{
	const struct timespec moment = { .tv_nsec = BALLOON_LOOK_MS * 1000000L };
	int result = read_counts(container, statistics, err);

	for (unsigned i = 0; i < BALLOON_LOOKS && result == 0 && statistics->balloon.awaited; i++) {
		(void)nanosleep(&moment, NULL);
		result = read_counts(container, statistics, err);
	}
	return result;
}

int microvm_statistics(const struct container *container, struct container_statistics *statistics, struct error *err)
{
	int result = container_statistics_read_host(container, statistics, err);

	/* Without a group on the host there still is the guest's. */
	if (result == -EOPNOTSUPP) {
		memset(&statistics->cgroup, 0xff, sizeof(statistics->cgroup)); /* CGROUP_UNKNOWN */
		statistics->cgroup.under_oom = false;
		result = 0;
	}
	if (result == 0)
		result = read_guest(container, statistics, err);
	return result < 0 ? result : read_settled_counts(container, statistics, err);
}

/* ---- update ---- */

/* A machine keeps the memory that it was booted with, and its monitor needs all of it: less is for the guest's kernel
 * to keep to and to give back, and more there is none. *ret_wanted: the size that a machine of that limit has. */
static int fit_memory(struct oci_memory *memory, uint64_t machine_bytes, uint64_t *ret_wanted, struct error *err)
{
	int64_t limit = memory->limit.value, least;
	uint64_t wanted;
	int result;

	*ret_wanted = machine_bytes;
	if (!memory->limit.set || limit == 0)
		return 0;
	result = microvm_memory_size(limit, &wanted, err);
	if (result < 0)
		return error_prefix(err, "linux.resources.memory.limit");
	if (limit < 0 || wanted > machine_bytes)
		return error_set(err, -EINVAL,
			"linux.resources.memory.limit: the micro-VM was booted with %llu MiB of memory, which cannot "
			"grow",
			(unsigned long long)(machine_bytes >> 20));
	*ret_wanted = wanted;
	least = (int64_t)microvm_monitor_memory(machine_bytes);
	if (limit >= least)
		return 0;
	if (memory->swap.set && memory->swap.value > 0)
		memory->swap.value += least - limit;
	memory->limit.value = least;
	return 0;
}

static int update_guest(const struct container *container, const struct oci_resources *resources, struct error *err)
{
	cleanup_strbuf struct strbuf arguments = STRBUF_INIT, answer = STRBUF_INIT;

	if (!resources->pids_limit.set && !resources->memory.limit.set && !resources->memory.reservation.set)
		return 0;
	cgroup_resources_encode(resources, &arguments);
	return control_ask(container, GUEST_QUESTION_UPDATE, &arguments, &answer, err);
}

/* Advice: what the guest does not use under its new limit may come back, and if it does not, the limits hold still. */
static void inflate(const struct container *container, uint64_t bytes)
{
	struct error failure;

	if (control_order(container, CONTROL_BALLOON, &bytes, sizeof(bytes), &failure) < 0)
		log_debug("%s", failure.message);
}

int microvm_update(const struct container *container, const struct oci_resources *resources, struct error *err)
{
	struct oci_resources host = *resources;
	struct control_status status;
	uint64_t wanted = 0;
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result = microvm_check_resources(resources, err);

	if (result == 0 && !control_ask_status(container, &status))
		result = error_set(err, -EIO, "the monitor of container \"%s\" does not answer", container->id);
	if (result == 0)
		result = fit_memory(&host.memory, status.memory_bytes, &wanted, err);
	if (result == 0)
		result = container_load_cgroup(container, &cgroup, err);
	if (result == 0)
		result = update_guest(container, resources, err);
	if (result != 0)
		return result;
	microvm_host_resources(&host);
	result = cgroup_apply(cgroup, &host, err);
	if (result == 0 && resources->memory.limit.set)
		inflate(container, status.memory_bytes - wanted);
	return result;
}
