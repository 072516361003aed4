/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/message.h"
#include "base/parse.h"
#include "ns/namespaces.h"
#include "ns/netlink_library.h"
#include "ns/network_tap.h"
#include "sandbox/internal.h"

#define PASST           "passt"
#define NOBODY          65534
#define READY_MS        5000
#define LAST_WORD_BYTES 4096

/* Of RFC 7335's block, which is nobody's network: the sandbox, its gateway, its name server; and a unique local one. */
#define OWN_ADDRESS      "192.0.0.2"
#define GATEWAY_ADDRESS  "192.0.0.1"
#define OWN_ADDRESS6     "fd64:7565:7400::2"
#define GATEWAY_ADDRESS6 "fd64:7565:7400::1"
#define PREFIX           29
#define PREFIX6          64

/* The namespace's own stack reads what comes at once; a guest's takes frames of the size that every driver knows. */
#define MTU_CONTAINER 65520
#define MTU_MICROVM   1500

enum { FIXED_ARGUMENTS = 32 };

struct sandbox_network {
	struct network_pump plan;
	/* Made before the container is: of a micro-VM; of a caller without privilege, in a user namespace made for it.
	 */
	int namespace_fd, user_fd;
	int words_fd; /* what passt says */
	char path[32], user_path[32];
	pid_t passt, pump;
};

/* ---- what is asked for ---- */

/* "[ADDRESS:]HOST:GUEST" as passt's "ADDRESS/HOST:GUEST". */
static int parse_publish(const char *text, char **spec, uint16_t *port, struct error *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *guest = strrchr(copy, ':'), *host, *address = NULL;
	uint64_t from = 0, to = 0;
	uint8_t bytes[16];

	if (guest)
		*guest++ = '\0';
	host = guest ? strrchr(copy, ':') : NULL;
	if (host) {
		*host++ = '\0';
		address = copy;
	} else {
		host = copy;
	}
	if (!guest || parse_u64(host, &from) < 0 || parse_u64(guest, &to) < 0 || from == 0 || from > UINT16_MAX ||
		to == 0 || to > UINT16_MAX || (address && inet_pton(AF_INET, address, bytes) != 1))
		return error_set(err, -EINVAL, "--publish %s: [ADDRESS:]HOST:GUEST is expected, two ports", text);
	if (spec)
		*spec = xprintf("%s/%u:%u", address ? address : "127.0.0.1", (unsigned)from, (unsigned)to);
	if (port)
		*port = (uint16_t)to;
	return 0;
}

static int parse_rules(const struct sandbox_settings *settings, struct egress *egress, struct error *err)
{
	int result = 0;

	egress->listed = settings->allow_hosts;
	for (char **rule = settings->allow_hosts; rule && *rule && result == 0; rule++)
		result = egress_add_rule(egress, *rule, err);
	for (char **port = settings->publish; port && *port && result == 0; port++) {
		egress->published =
			xrealloc(egress->published, egress->published_count + 1, sizeof(*egress->published));
		result = parse_publish(*port, NULL, &egress->published[egress->published_count], err);
		egress->published_count += result == 0;
	}
	return result;
}

static bool is_wanted(const struct sandbox *sandbox)
{
	return strcmp(sandbox->settings->network, "user") == 0;
}

int network_check(const struct sandbox *sandbox, struct error *err)
{
	struct egress egress = { .rule_count = 0 };
	int result;

	if (!is_wanted(sandbox) && (sandbox->settings->allow_hosts || sandbox->settings->publish))
		return error_set(err, -EINVAL, "--%s: only with --net=user",
			sandbox->settings->allow_hosts ? "allow-host" : "publish");
	result = parse_rules(sandbox->settings, &egress, err);
	egress_free(&egress);
	return result;
}

/* ---- passt ---- */

static void run_passt(const struct sandbox_network *network, int socket, char *const *arguments)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)dup2(network->words_fd, STDOUT_FILENO);
	(void)dup2(network->words_fd, STDERR_FILENO);
	(void)fcntl(socket, F_SETFD, 0);
	execvp(PASST, arguments);
	_exit(errno == ENOENT ? 127 : 126);
}

static int start_passt(struct sandbox *sandbox, struct sandbox_network *network, struct error *err)
{
	/* clang-format off */
	char *arguments[FIXED_ARGUMENTS + 1] = { PASST, "-f", "-q", "-e", "-a", OWN_ADDRESS, "-n", "29", "-g",
		GATEWAY_ADDRESS, "-a", OWN_ADDRESS6, "-g", GATEWAY_ADDRESS6, "-M", NETWORK_GATEWAY_MAC_TEXT, "--no-map-gw",
		"--no-dhcp", "--no-dhcpv6", "--no-ra", "-F" };
	/* clang-format on */
	cleanup_free char *ports = NULL;
	char number[16];
	size_t count = 0;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(err, errno, "make a socket for %s", PASST);
	(void)snprintf(number, sizeof(number), "%d", ends[1]);
	while (arguments[count])
		count++;
	arguments[count++] = number;
	for (char **wish = sandbox->settings->publish; wish && *wish; wish++) {
		cleanup_free char *spec = NULL, *before = ports;

		/* It was read before. */
		if (parse_publish(*wish, &spec, NULL, err) == 0)
			ports = before ? xprintf("%s,%s", before, spec) : xstrdup(spec);
	}
	if (ports) {
		arguments[count++] = "-t";
		arguments[count++] = ports;
	}
	network->passt = fork();
	if (network->passt == 0)
		run_passt(network, ends[1], arguments);
	(void)close(ends[1]);
	network->plan.passt = ends[0];
	return network->passt < 0 ? error_set(err, errno, "make a process for %s", PASST) : 0;
}

/* Its last line. */
static int passt_failed(struct sandbox_network *network, int status, struct error *err)
{
	char words[LAST_WORD_BYTES] = "", *line;
	ssize_t length = pread(network->words_fd, words, sizeof(words) - 1, 0);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error_set(err, -ENOENT, "--net=user needs the program %s (of the package of that name)", PASST);
	while (length > 0 && words[length - 1] == '\n')
		words[--length] = '\0';
	line = strrchr(words, '\n');
	if (WIFSIGNALED(status))
		return error_set(err, -EIO, "--net=user: %s was killed by signal %d", PASST, WTERMSIG(status));
	return error_set(err, -EIO, "--net=user: %s ended with status %d: %s", PASST, WEXITSTATUS(status),
		line ? line + 1 : words);
}

/* Whole, in however many pieces it comes: what follows is the pump's. */
static bool take_frame(int socket)
{
	uint8_t frame[1600];
	uint32_t length;

	return recv(socket, &length, sizeof(length), MSG_WAITALL) == (ssize_t)sizeof(length) &&
	       ntohl(length) <= sizeof(frame) &&
	       recv(socket, frame, ntohl(length), MSG_WAITALL) == (ssize_t)ntohl(length);
}

/* It is asked where the gateway is (ARP, RFC 826), and by that told where the sandbox is. A host without IPv4 has no
 * answer: then that it lives is enough. */
static int wait_until_ready(struct sandbox_network *network, struct error *err)
{
	static const uint8_t question[4 + 42] = { 0, 0, 0, 42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, NETWORK_MAC, 8, 6, 0,
		1, 8, 0, 6, 4, 0, 1, NETWORK_MAC, 192, 0, 0, 2, 0, 0, 0, 0, 0, 0, 192, 0, 0, 1 };
	struct pollfd source = { .fd = network->plan.passt, .events = POLLIN };
	int status;

	if (send(network->plan.passt, question, sizeof(question), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return error_set(err, errno, "speak to %s", PASST);
	if (poll(&source, 1, READY_MS) > 0 && take_frame(network->plan.passt))
		return 0;
	if (waitpid(network->passt, &status, source.revents ? 0 : WNOHANG) != network->passt)
		return 0;
	network->passt = 0;
	return passt_failed(network, status, err);
}

/* ---- the device and its process ---- */

static struct network_ip ip_of(int family, const char *text)
{
	struct network_ip ip = { .length = family == AF_INET ? 4 : 16 };

	(void)inet_pton(family, text, ip.bytes);
	return ip;
}

static int make_tap(const struct sandbox *sandbox, int network_namespace, struct error *err)
{
	const struct network_tap tap = {
		.name = "eth0",
		.mac = { NETWORK_MAC },
		.gateway_mac = { NETWORK_GATEWAY_MAC },
		.mtu = sandbox->settings->vm ? MTU_MICROVM : MTU_CONTAINER,
		.sides = { { ip_of(AF_INET, OWN_ADDRESS), ip_of(AF_INET, GATEWAY_ADDRESS), PREFIX },
			{ ip_of(AF_INET6, OWN_ADDRESS6), ip_of(AF_INET6, GATEWAY_ADDRESS6), PREFIX6 } },
		.neighbour = ip_of(AF_INET, NETWORK_NAME_SERVER),
	};

	return network_make_tap(network_namespace, &tap, err);
}

static int become_nobody(void)
{
	return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0
		       ? -1
		       : 0;
}

/* Of a user namespace with perhaps one id: those over it. */
static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int result = none ? cap_set_proc(none) : -1;

	(void)cap_free(none);
	return result;
}

/* Hostile frames are read with no right to anything but sockets. */
static void become_pump(struct sandbox_network *network, bool rootless)
{
	int keep[2] = { network->plan.tap, network->plan.passt };

	(void)prctl(PR_SET_NAME, "duet-network");
	close_all_but(keep, 2);
	if (chdir("/") < 0 || (rootless ? drop_capabilities() : become_nobody()) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(1);
	/* After the change of ids, which takes it away. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	network_pump(&network->plan);
}

static int start_pump(const struct sandbox *sandbox, struct error *err)
{
	struct sandbox_network *network = sandbox->network;
	int flags = fcntl(network->plan.passt, F_GETFL);

	if (flags < 0 || fcntl(network->plan.passt, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set(err, errno, "set up the socket to %s", PASST);
	network->pump = fork();
	if (network->pump == 0)
		become_pump(network, sandbox->rootless);
	/* The device is there as long as that process is. */
	close_fd(&network->plan.tap);
	close_fd(&network->plan.passt);
	return network->pump < 0 ? error_set(err, errno, "make the process that moves frames") : 0;
}

static void send_namespace(void *context, int socket)
{
	const struct sandbox_network *network = context;
	int own = -EBADF;

	if ((network->user_fd < 0 || setns(network->user_fd, CLONE_NEWUSER) == 0) && unshare(CLONE_NEWNET) == 0)
		own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own >= 0)
		(void)message_send(socket, 0, NULL, 0, own);
}

static int make_namespace(struct sandbox_network *network, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = message_from_child(send_namespace, network, "to make a network namespace", message, err);

	if (result < 0)
		return result;
	network->namespace_fd = take_fd(&message->fd);
	if (network->namespace_fd < 0)
		return error_set(err, EIO, "make a network namespace");
	(void)snprintf(network->path, sizeof(network->path), "/proc/self/fd/%d", network->namespace_fd);
	return 0;
}

/* The container's own, which has to own the network namespace: root makes devices in those of others. */
static int make_user_namespace(const struct sandbox *sandbox, struct error *err)
{
	struct sandbox_network *network = sandbox->network;

	network->user_fd = sandbox_make_user_namespace(sandbox, err);
	if (network->user_fd < 0)
		return network->user_fd;
	(void)snprintf(network->user_path, sizeof(network->user_path), "/proc/self/fd/%d", network->user_fd);
	return 0;
}

static int connect_to(struct sandbox *sandbox, int network_namespace, struct error *err)
{
	struct sandbox_network *network = sandbox->network;
	int result = make_tap(sandbox, network_namespace, err);

	if (result < 0)
		return result;
	network->plan.tap = result;
	result = wait_until_ready(network, err);
	return result < 0 ? result : start_pump(sandbox, err);
}

int network_open(struct sandbox *sandbox, struct error *err)
{
	struct sandbox_network *network;
	void *counts;
	int result;

	if (!is_wanted(sandbox))
		return 0;
	result = netlink_library_load(err);
	if (result < 0)
		return result;
	network = sandbox->network = xcalloc(1, sizeof(*network));
	network->plan.tap = network->plan.passt = network->words_fd = -EBADF;
	network->namespace_fd = network->user_fd = -EBADF;
	counts = mmap(NULL, sizeof(struct egress_counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return error_set(err, errno, "share memory with the process that moves frames");
	network->plan.egress.counts = counts;
	network->plan.egress.name_server =
		(struct egress_address){ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 0, 3 } };
	network->words_fd = memfd_create("passt", MFD_CLOEXEC);
	if (network->words_fd < 0)
		return error_set(err, errno, "make a file for the words of %s", PASST);
	result = parse_rules(sandbox->settings, &network->plan.egress, err);
	if (result == 0)
		result = start_passt(sandbox, network, err);
	if (result == 0 && sandbox->rootless && !sandbox->settings->vm)
		result = make_user_namespace(sandbox, err);
	if (result == 0 && (sandbox->rootless || sandbox->settings->vm))
		result = make_namespace(network, err);
	if (result == 0 && network->namespace_fd >= 0)
		result = connect_to(sandbox, network->namespace_fd, err);
	return result;
}

const char *network_namespace_path(const struct sandbox_network *network)
{
	return network && network->namespace_fd >= 0 ? network->path : NULL;
}

const char *network_user_namespace_path(const struct sandbox_network *network)
{
	return network && network->user_fd >= 0 ? network->user_path : NULL;
}

int network_attach(struct sandbox *sandbox, pid_t pid, struct error *err)
{
	cleanup_free char *path = xprintf("/proc/%d/ns/net", (int)pid);
	cleanup_fd int namespace = -EBADF;

	if (!sandbox->network || sandbox->network->namespace_fd >= 0)
		return 0;
	namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return error_set(err, errno, "open the sandbox's network namespace");
	return connect_to(sandbox, namespace, err);
}

static void end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	(void)kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/* Nothing came or went any more after that: the command may have failed for it. */
static void look_after_passt(struct sandbox_network *network)
{
	struct error err;
	int status;

	if (network->passt <= 0 || waitpid(network->passt, &status, WNOHANG) != network->passt)
		return;
	network->passt = 0;
	(void)passt_failed(network, status, &err);
	log_warning("%s", err.message);
}

void network_close(struct sandbox *sandbox)
{
	struct sandbox_network *network = sandbox->network;

	if (!network)
		return;
	look_after_passt(network);
	end(&network->pump);
	end(&network->passt);
	if (network->plan.egress.counts) {
		sandbox->result.network = *network->plan.egress.counts;
		/* Written by who reads hostile frames. */
		for (size_t i = 0; i < EGRESS_REFUSALS_MAX; i++)
			sandbox->result.network.refusals[i].what[EGRESS_WORDS_MAX - 1] = '\0';
		sandbox->result.network_there = true;
		(void)munmap(network->plan.egress.counts, sizeof(struct egress_counts));
	}
	close_fd(&network->plan.tap);
	close_fd(&network->plan.passt);
	close_fd(&network->namespace_fd);
	close_fd(&network->user_fd);
	close_fd(&network->words_fd);
	egress_free(&network->plan.egress);
	free(network);
	sandbox->network = NULL;
}
