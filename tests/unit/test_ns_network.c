/* SPDX-License-Identifier: Apache-2.0 */
/* Moving a network device into another namespace; everything happens in namespaces of the test's own. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "ns/netlink_library.h"
#include "ns/network.h"

static int talk(struct nlmsghdr *message)
{
	char buffer[32768];
	struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
	ssize_t got;
	int result;

	message->nlmsg_seq = 7;
	assert_non_null(socket);
	assert_int_equal(mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID), 0);
	assert_true(mnl_socket_sendto(socket, message, message->nlmsg_len) > 0);
	got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	assert_true(got > 0);
	result = mnl_cb_run(buffer, (size_t)got, 7, mnl_socket_get_portid(socket), NULL, NULL);
	(void)mnl_socket_close(socket);
	return result;
}

static void make_veth(const char *name, const char *peer_name)
{
	char buffer[1024];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nlattr *info, *data, *peer;
	struct ifinfomsg *header;

	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	(void)mnl_nlmsg_put_extra_header(message, sizeof(*header));
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MTU, 1400);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(message, sizeof(*header));
	mnl_attr_put_strz(message, IFLA_IFNAME, peer_name);
	mnl_attr_nest_end(message, peer);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	assert_int_equal(talk(message), MNL_CB_STOP);
}

static void add_address(const char *interface, int family, const char *text, unsigned char prefix, unsigned char scope,
	uint32_t lifetime)
{
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifa_cacheinfo times = { .ifa_prefered = lifetime, .ifa_valid = lifetime };
	unsigned char address[16];
	struct ifaddrmsg *header;
	size_t length = family == AF_INET ? 4 : 16;

	assert_int_equal(inet_pton(family, text, address), 1);
	message->nlmsg_type = RTM_NEWADDR;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifa_family = (unsigned char)family;
	header->ifa_prefixlen = prefix;
	header->ifa_scope = scope;
	header->ifa_index = if_nametoindex(interface);
	mnl_attr_put(message, IFA_LOCAL, length, address);
	mnl_attr_put(message, IFA_ADDRESS, length, address);
	mnl_attr_put(message, IFA_CACHEINFO, sizeof(times), &times);
	mnl_attr_put_u32(message, IFA_FLAGS, family == AF_INET6 ? IFA_F_NODAD : 0);
	assert_int_equal(talk(message), MNL_CB_STOP);
}

/* Has the interface, in the current namespace, this address? */
static bool has_address(const char *interface, const char *wanted)
{
	struct ifaddrs *list, *entry;
	bool found = false;

	assert_int_equal(getifaddrs(&list), 0);
	for (entry = list; entry; entry = entry->ifa_next) {
		char text[INET6_ADDRSTRLEN] = "";
		int family = entry->ifa_addr ? entry->ifa_addr->sa_family : AF_UNSPEC;

		if (family == AF_INET)
			(void)inet_ntop(
				family, &((struct sockaddr_in *)(void *)entry->ifa_addr)->sin_addr, text, sizeof(text));
		else if (family == AF_INET6)
			(void)inet_ntop(family, &((struct sockaddr_in6 *)(void *)entry->ifa_addr)->sin6_addr, text,
				sizeof(text));
		found = found || (strcmp(entry->ifa_name, interface) == 0 && strcmp(text, wanted) == 0);
	}
	freeifaddrs(list);
	return found;
}

static bool is_up(const char *interface)
{
	struct ifaddrs *list, *entry;
	bool up = false;

	assert_int_equal(getifaddrs(&list), 0);
	for (entry = list; entry; entry = entry->ifa_next)
		up = up || (strcmp(entry->ifa_name, interface) == 0 && (entry->ifa_flags & IFF_UP));
	freeifaddrs(list);
	return up;
}

static pid_t make_container(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void enter(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	(void)close(fd);
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static int host = -1;

static int setup(void **state)
{
	(void)state;
	if (netlink_library_load(NULL) < 0 || geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 1;
	/* The namespace, and with it the other end of the pair, is to outlive our leaving it. */
	if (host >= 0)
		(void)close(host);
	host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	make_veth("one", "two");
	return 0;
}

static void test_a_device_arrives_with_its_addresses(void **state)
{
	bool ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0; /* not every kernel has it */
	pid_t pid = make_container();
	struct error err = { 0 };

	(void)state;
	add_address("one", AF_INET, "192.0.2.7", 24, RT_SCOPE_UNIVERSE, UINT32_MAX);
	add_address("one", AF_INET, "198.51.100.8", 24, RT_SCOPE_LINK, UINT32_MAX);
	if (ipv6) {
		add_address("one", AF_INET6, "2001:db8::7", 64, RT_SCOPE_UNIVERSE, UINT32_MAX);
		add_address("one", AF_INET6, "2001:db8::8", 64, RT_SCOPE_UNIVERSE, 1000);
	}
	if (network_move_device("one", "eth0", pid, &err) != 0)
		assert_string_equal(err.message, "");
	assert_int_equal(if_nametoindex("one"), 0);
	assert_int_equal(if_nametoindex("eth0"), 0);
	assert_true(if_nametoindex("two") > 0);
	enter(pid);
	assert_true(if_nametoindex("eth0") > 0);
	assert_true(is_up("eth0"));
	assert_true(has_address("eth0", "192.0.2.7"));
	assert_int_equal(has_address("eth0", "2001:db8::7"), ipv6);
	/* Neither of link scope nor of a limited life. */
	assert_false(has_address("eth0", "198.51.100.8"));
	assert_false(has_address("eth0", "2001:db8::8"));
	end(pid);
}

static void test_a_name_that_is_taken_is_an_error(void **state)
{
	pid_t pid = make_container();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(network_move_device("one", "lo", pid, &err), -EEXIST);
	assert_string_equal(err.message, "move the network device \"one\" into the container as \"lo\": File exists");
	assert_true(if_nametoindex("one") > 0);
	end(pid);
}

static void test_a_template_gets_a_number(void **state)
{
	pid_t pid = make_container();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(network_move_device("one", "net%d", pid, &err), 0);
	assert_int_equal(network_move_device("two", "net%d", pid, &err), 0);
	enter(pid);
	assert_true(if_nametoindex("net0") > 0 && if_nametoindex("net1") > 0);
	assert_true(is_up("net0") && is_up("net1"));
	end(pid);
}

static void test_what_cannot_be_moved_is_named(void **state)
{
	pid_t pid = make_container();
	struct error err = { 0 };

	(void)state;
	assert_int_equal(network_move_device("none", "eth0", pid, &err), -ENODEV);
	assert_string_equal(err.message, "find the network device \"none\": No such device");
	assert_int_equal(network_move_device("one", "eth0", getpid(), &err), -EINVAL);
	assert_int_equal(network_move_device("one", "a-name-that-is-too-long", pid, &err), -EINVAL);
	assert_int_equal(network_move_device("lo", "eth0", pid, &err), -EINVAL);
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_device_arrives_with_its_addresses, setup),
		cmocka_unit_test_setup(test_a_name_that_is_taken_is_an_error, setup),
		cmocka_unit_test_setup(test_a_template_gets_a_number, setup),
		cmocka_unit_test_setup(test_what_cannot_be_moved_is_named, setup),
	};

	if (geteuid() != 0) {
		print_message("needs root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
