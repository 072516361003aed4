/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "runtime/control.h"
#include "runtime/isolation_microvm.h"

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

static int decode_counts(const struct message *message, struct container_statistics *statistics)
{
	struct wire_reader in = { .next = message->data, .left = message->length };
	double seconds = (double)wire_get_u64(&in) / 1000;
	uint32_t count = wire_get_count(&in, sizeof(uint8_t) + sizeof(uint64_t));

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
	return wire_reader_ok(&in) ? 0 : -EPROTO;
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
	result = decode_counts(answer, statistics);
	return result < 0 ? error_set(err, -EPROTO, "the monitor gave malformed counts") : 0;
}

int microvm_statistics(const struct container *container, struct container_statistics *statistics, struct error *err)
{
	int result = container_statistics_read_host(container, statistics, err);

	return result < 0 ? result : read_counts(container, statistics, err);
}
