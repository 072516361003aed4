/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/passt.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"

#define MTU 1500

enum { PREFIX_LENGTH = 24 };

/* Nobody else is on this network. */
static const unsigned char guest_address[4] = { 10, 0, 2, 15 }, gateway_address[4] = { 10, 0, 2, 2 };

/* The guest's end keeps to what it was given: no DHCP, no discovery. As root passt becomes nobody in any case. */
static void execute(int socket, const char *publish)
{
	char number[16];
	const char *arguments[] = { "passt", "--foreground", "--quiet", "--stderr", "--fd", number, "--ipv4-only",
		"--address", "10.0.2.15", "--netmask", "24", "--gateway", "10.0.2.2", "--no-map-gw", "--no-dhcp",
		"--tcp-ports", publish ? publish : "none", "--udp-ports", "none", geteuid() == 0 ? "--runas" : NULL,
		"65534:65534", NULL };

	(void)snprintf(number, sizeof(number), "%d", socket);
	if (fcntl(socket, F_SETFD, 0) == 0)
		(void)execvp(arguments[0], (char **)(uintptr_t)arguments);
}

/* In a process of its own, whose parent is gone: who waits for children here does not find this one. report_fd: closed
 * by execve(2), or the errno comes. */
static void start_detached(int socket, const char *publish, int report_fd)
{
	int keep[] = { socket, report_fd };
	sigset_t none;
	pid_t pid = fork();
	int null, number;

	if (pid != 0)
		_exit(pid < 0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	close_all_but(keep, ARRAY_SIZE(keep));
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
		execute(socket, publish);
	number = errno;
	(void)!write(report_fd, &number, sizeof(number));
	_exit(1);
}

static int check_publish(const char *publish, struct error *err)
{
	for (const char *next = publish; next; next = strchr(next, ',') ? strchr(next, ',') + 1 : NULL) {
		char *end;
		unsigned long host = strtoul(next, &end, 10), guest = 0;

		if (*end == ':')
			guest = strtoul(end + 1, &end, 10);
		if (host < 1 || host > 65535 || guest < 1 || guest > 65535 || (*end && *end != ','))
			return error_set(err, -EINVAL,
				"--vm-publish %s: \"8080:80\" or \"8080:80,8443:443\" is expected", publish);
	}
	return 0;
}

int passt_start(const char *publish, int *fd, struct error *err)
{
	int sockets[2], report[2], number = 0, status = 0;
	int result = check_publish(publish, err);
	pid_t pid;

	if (result < 0)
		return result;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_set(err, errno, "make a socket pair for passt");
	if (pipe2(report, O_CLOEXEC) < 0) {
		result = error_set(err, errno, "make a pipe for passt");
		(void)close(sockets[0]);
		(void)close(sockets[1]);
		return result;
	}
	pid = fork();
	if (pid == 0)
		start_detached(sockets[1], publish, report[1]);
	if (pid < 0)
		result = error_set(err, errno, "fork for passt");
	(void)close(sockets[1]);
	(void)close(report[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (result == 0 && (status != 0 || read(report[0], &number, sizeof(number)) != 0))
		result = error_set(err, number ? number : EAGAIN, "execute passt, for --vm-network=passt");
	(void)close(report[0]);
	if (result < 0)
		(void)close(sockets[0]);
	else
		*fd = sockets[0];
	return result;
}

static struct network_ip address(const unsigned char bytes[4])
{
	struct network_ip ip = { .length = 4 };

	memcpy(ip.bytes, bytes, 4);
	return ip;
}

void passt_plan(struct network_plan *plan)
{
	struct network_interface *interface = xcalloc(1, sizeof(*interface));
	struct network_address *own = xcalloc(1, sizeof(*own));
	struct network_route *route = xcalloc(1, sizeof(*route));

	*interface = (struct network_interface){ .name = "eth0", .mtu = MTU };
	network_device_mac(0, interface->mac);
	*own = (struct network_address){ .local = address(guest_address), .prefix_length = PREFIX_LENGTH };
	*route = (struct network_route){ .family = AF_INET,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_UNIVERSE,
		.protocol = RTPROT_STATIC,
		.gateway = address(gateway_address) };
	*plan = (struct network_plan){ .interfaces = interface,
		.addresses = own,
		.routes = route,
		.interface_count = 1,
		.address_count = 1,
		.route_count = 1 };
}
