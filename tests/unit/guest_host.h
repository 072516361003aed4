/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of the guest's init, for tests: starts the real init with unix sockets in place of vsock
 * (`--sockets`), in the namespaces of the test's own, with a busybox root file system, and speaks the protocol with it.
 */
#ifndef DUET_TESTS_GUEST_HOST_H
#define DUET_TESTS_GUEST_HOST_H

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cgroups/wire.h"
#include "microvm/guest_protocol.h"
#include "ns/container_plan.h"
#include "ns/network_plan.h"
#include "process/process_plan.h"

#define HOST_PATIENCE_MS 10000

struct host {
	char directory[64];
	pid_t init;
	int control, control_listener;
	struct guest_frame_reader reader;
	uint64_t more_namespaces; /* CLONE_NEW* beside the usual ones */
	int streams[3];           /* of the last session begun: what the guest reads, writes, writes */
};

struct host_answer {
	uint32_t type, session, code, status;
	char message[1000];
};

static inline int host_listen(struct host *host, uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s.%u", host->directory, port);
	(void)unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		abort();
	return fd;
}

static inline int host_accept(int *listener)
{
	struct pollfd ready = { .fd = *listener, .events = POLLIN };
	int fd = poll(&ready, 1, HOST_PATIENCE_MS) == 1 ? accept4(*listener, NULL, NULL, SOCK_CLOEXEC) : -1;

	close_fd(listener);
	return fd;
}

/* A root file system with busybox under some names. */
static inline void host_make_root(struct host *host)
{
	static const char *const names[] = { "sh", "cat", "echo", "sleep", "yes", "ps", "stty", "tty", "true", "head" };
	char path[128];

	for (const char *const *directory = (const char *const[]){ "root", "root/bin", "root/dev", "root/proc", NULL };
		*directory; directory++) {
		(void)snprintf(path, sizeof(path), "%s/%s", host->directory, *directory);
		(void)mkdir(path, 0755);
	}
	(void)snprintf(path, sizeof(path), "cp /bin/busybox %s/root/bin/busybox", host->directory);
	if (system(path))
		abort();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/root/bin/%s", host->directory, names[i]);
		(void)!symlink("busybox", path);
	}
	(void)snprintf(path, sizeof(path), "%s/root/bin/text", host->directory);
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static inline struct host *host_new(const char *init_path)
{
	struct host *host = calloc(1, sizeof(*host));
	char sockets[80];

	strcpy(host->directory, "/tmp/duet-guest-init.XXXXXX");
	if (!mkdtemp(host->directory) || chmod(host->directory, 0755) < 0)
		abort();
	host_make_root(host);
	host->control_listener = host_listen(host, GUEST_PORT_CONTROL);
	host->streams[0] = host->streams[1] = host->streams[2] = -1;
	(void)snprintf(sockets, sizeof(sockets), "%s/s", host->directory);
	host->init = fork();
	if (host->init == 0) {
		execl(init_path, "init", "--sockets", sockets, NULL);
		_exit(99);
	}
	host->control = host_accept(&host->control_listener);
	return host;
}

static inline void host_close_streams(struct host *host)
{
	for (int i = 0; i < 3; i++)
		close_fd(&host->streams[i]);
}

/* Ends the init by closing its control channel; returns its wait status. */
static inline int host_free(struct host *host)
{
	int status = -1;

	host_close_streams(host);
	close_fd(&host->control);
	(void)waitpid(host->init, &status, 0);
	(void)remove_tree(AT_FDCWD, host->directory);
	guest_frame_reader_free(&host->reader);
	free(host);
	return status;
}

/* The next frame from the init; type 0 when none comes in time or the channel has ended. */
static inline struct host_answer host_hear(struct host *host)
{
	struct host_answer answer = { .type = 0 };
	struct pollfd ready = { .fd = host->control, .events = POLLIN };
	struct wire_reader in;
	struct error err;
	char *message;
	int result;

	while ((result = guest_frame_read(&host->reader, host->control, &err)) == 0) {
		if (poll(&ready, 1, HOST_PATIENCE_MS) != 1)
			return answer;
	}
	if (result < 0)
		return answer;
	in = (struct wire_reader){ .next = host->reader.payload, .left = host->reader.length };
	answer.type = host->reader.type;
	answer.session = wire_get_u32(&in);
	if (answer.type == GUEST_FAILED)
		answer.code = wire_get_u32(&in);
	if (answer.type == GUEST_FAILED || answer.type == GUEST_EXITED)
		answer.status = wire_get_u32(&in);
	if (answer.type == GUEST_FAILED) {
		message = wire_get_string(&in);
		(void)snprintf(answer.message, sizeof(answer.message), "%s", message ? message : "");
		free(message);
	}
	if (!wire_reader_ok(&in))
		answer.type = 0;
	return answer;
}

static inline void host_say(struct host *host, enum guest_message type, const struct strbuf *payload)
{
	struct error err;

	if (guest_frame_send(host->control, type, payload, &err))
		abort();
}

static inline void host_say_numbers(
	struct host *host, enum guest_message type, uint32_t session, uint32_t first, int second)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, session);
	if (type != GUEST_START)
		wire_put_u32(&payload, first);
	if (type == GUEST_SIGNAL)
		wire_put_u8(&payload, (uint8_t)second);
	if (type == GUEST_RESIZE)
		wire_put_u32(&payload, (uint32_t)second);
	host_say(host, type, &payload);
}

static inline struct process_plan host_process(char **args, bool terminal)
{
	static char *environment[] = { (char *)"PATH=/bin", NULL };
	/* The host's root may lack some of them: what it has is what the container gets. */
	struct process_capabilities capabilities = { .set = false };

	return (struct process_plan){
		.args = args, .env = environment, .cwd = (char *)"/", .terminal = terminal, .capabilities = capabilities
	};
}

static inline void host_put_create(struct host *host, struct strbuf *payload, const struct process_plan *process)
{
	char root[80];
	struct mount_plan mounts[] = {
		{ .destination = (char *)"/proc", .type = (char *)"proc", .source = (char *)"proc" },
		{ .destination = (char *)"/dev",
			.type = (char *)"tmpfs",
			.source = (char *)"tmpfs",
			.data = (char *)"mode=755" },
		{ .destination = (char *)"/dev/pts",
			.type = (char *)"devpts",
			.source = (char *)"devpts",
			.data = (char *)"newinstance,ptmxmode=0666,mode=0620" },
	};
	char *none[] = { NULL };
	struct id_mapping ids = { .container_id = 0, .host_id = 100000, .size = 65536 };
	struct container_plan plan = {
		.namespaces = { .unshare = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
					   host->more_namespaces,
			.uid_mappings = &ids,
			.gid_mappings = &ids,
			.uid_mapping_count = host->more_namespaces & CLONE_NEWUSER ? 1 : 0,
			.gid_mapping_count = host->more_namespaces & CLONE_NEWUSER ? 1 : 0,
			.time_offsets_set = host->more_namespaces & CLONE_NEWTIME,
			.boottime_seconds = 1000000000 },
		.rootfs = { .root = root,
			.mounts = mounts,
			.mount_count = ARRAY_SIZE(mounts),
			.masked_paths = none,
			.readonly_paths = none,
			.console = process->terminal },
		.hostname = (char *)"guest",
	};

	(void)snprintf(root, sizeof(root), "%s/root", host->directory);
	wire_put_i64(payload, time(NULL));
	wire_put_u32(payload, 0);
	wire_put_bytes(payload, "", 0);
	cgroup_resources_encode(&(struct oci_resources){ .pids_limit = { .set = false } }, payload);
	container_plan_encode(&plan, payload);
	process_plan_encode(process, payload);
	network_plan_encode(&(struct network_plan){ .interfaces = NULL }, payload);
	wire_put_u8(payload, 0);
}

/* Listens for the session's streams, sends the order, accepts them. */
static inline void host_begin(struct host *host, uint32_t session, const struct process_plan *process)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	int listeners[3], count = process->terminal ? 1 : 3;

	for (int i = 0; i < count; i++)
		listeners[i] = host_listen(host, GUEST_PORT_STREAM(session, (unsigned)i));
	if (session == 0) {
		host_put_create(host, &payload, process);
	} else {
		wire_put_u32(&payload, session);
		wire_put_string(&payload, NULL);
		process_plan_encode(process, &payload);
	}
	host_say(host, session == 0 ? GUEST_CREATE : GUEST_EXEC, &payload);
	for (int i = 0; i < count; i++)
		host->streams[i] = host_accept(&listeners[i]);
}

/* Reads a stream to its end, or until it holds `until`. */
static inline void host_read(int fd, struct strbuf *text, const char *until)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char block[65536];
	ssize_t count;

	while (poll(&ready, 1, HOST_PATIENCE_MS) == 1 && (count = read(fd, block, sizeof(block))) > 0) {
		strbuf_append(text, block, (size_t)count);
		if (until && strstr(text->data, until))
			return;
	}
}

#endif
