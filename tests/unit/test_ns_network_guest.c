/* SPDX-License-Identifier: Apache-2.0 */
/* A container's network for a micro-VM: reading a namespace, the plan on the wire, giving a guest's interfaces the
 * same, joining an interface to a tap. Everything happens in network namespaces of the tests' own. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "ns/netlink_library.h"
#include "ns/network_guest.h"
/* The guest's side, which is linked with the guest's init alone. */
#include "microvm/guest/init/network.c"

static bool in_namespace;

static int set_up(void **state)
{
	*state = NULL;
	assert_int_equal(netlink_library_load(NULL), 0);
	in_namespace = unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0;
	return 0;
}

static void need_namespace(void)
{
	if (!in_namespace) {
		print_message("a network namespace of one's own and ip(8) are needed\n");
		skip();
	}
}

static void run(const char *commands)
{
	if (system(commands) != 0)
		fail_msg("failed: %s", commands);
}

static struct network_plan read_plan(void)
{
	struct network_plan plan = { 0 };
	struct error err = { 0 };

	if (network_read(&plan, &err) < 0)
		fail_msg("%s", err.message);
	return plan;
}

static void expect_refusal(const char *text)
{
	struct network_plan plan = { 0 };
	struct error err = { 0 };

	assert_true(network_read(&plan, &err) < 0);
	assert_non_null(strstr(err.message, text));
	assert_null(plan.interfaces);
}

/* Whether two plans say the same, but for the indices of interfaces, whatever the order of their lists. */
static void expect_same(const struct network_plan *left, const struct network_plan *right)
{
	cleanup_strbuf struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;

	network_plan_encode(left, &first);
	network_plan_encode(right, &second);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.data, second.data, first.length);
}

static void test_loopback_alone_is_nothing(void **state)
{
	struct network_plan plan;

	(void)state;
	need_namespace();
	plan = read_plan();
	assert_int_equal(plan.interface_count, 0);
	assert_null(plan.interfaces);
	run("ip link add name down type veth peer name below");
	plan = read_plan();
	assert_int_equal(plan.interface_count, 0);
}

#define NETWORK                                                                                                   \
	"ip link add eth0 address 02:00:00:00:00:01 mtu 1400 type veth peer name far0;"                           \
	"ip link add net1 address 02:00:00:00:00:02 mtu 9000 type veth peer name far1;"                           \
	"ip link add bridge type bridge; ip link set far0 master bridge; ip link set far1 master bridge;"         \
	"ip link set eth0 addrgenmode none; ip link set net1 addrgenmode none;"                                   \
	"ip addr add 10.1.0.2/24 brd 10.1.0.255 dev eth0; ip addr add 10.1.0.3/24 dev eth0;"                      \
	"ip addr add 10.2.0.2 peer 10.2.0.1/32 dev net1;"                                                         \
	"ip -6 addr add fd00:1::2/64 dev eth0 nodad; ip -6 addr add fe80::12/64 dev eth0 nodad;"                  \
	"ip link set eth0 up; ip link set net1 up;"                                                               \
	"ip route add default via 10.1.0.1; ip route add 10.3.0.0/16 via 10.1.0.9 metric 7 mtu 1300 advmss 1000;" \
	"ip route add 10.4.0.0/16 dev net1 src 10.2.0.2; ip route add 10.5.0.0/16 via 192.0.2.1 dev net1 onlink;" \
	"ip route add unreachable 10.6.0.0/16; ip route add 10.7.0.0/16 via inet6 fd00:1::9 dev eth0;"            \
	"ip -6 route add default via fd00:1::1; ip -6 route add fd00:3::/48 via fe80::1 dev eth0 metric 3;"       \
	"ip neigh add 10.1.0.1 lladdr 02:00:00:00:00:aa dev eth0 nud permanent;"                                  \
	"ip -6 neigh add fd00:1::1 lladdr 02:00:00:00:00:ab dev eth0 nud permanent router"

static void test_namespace_is_read_completely(void **state)
{
	struct network_plan plan;

	(void)state;
	need_namespace();
	run(NETWORK);
	plan = read_plan();
	/* Ports of a bridge, and a bridge that is down, are not the container's. */
	assert_int_equal(plan.interface_count, 2);
	assert_int_equal(plan.interfaces[0].index, if_nametoindex(plan.interfaces[0].name));
	assert_int_equal(plan.address_count, 5);
	assert_int_equal(plan.route_count, 8);
	assert_int_equal(plan.neighbour_count, 2);
	for (uint32_t i = 0; i < plan.interface_count; i++) {
		bool first = strcmp(plan.interfaces[i].name, "eth0") == 0;

		assert_int_equal(plan.interfaces[i].mtu, first ? 1400 : 9000);
		assert_int_equal(plan.interfaces[i].mac[5], first ? 1 : 2);
		assert_false(plan.interfaces[i].own_link_local);
	}
	network_plan_free(&plan);
}

static void test_plan_survives_the_wire_and_refuses_what_is_cut(void **state)
{
	cleanup_strbuf struct strbuf wire = STRBUF_INIT;
	struct network_plan plan, copy = { 0 };
	struct wire_reader in;
	struct error err;

	(void)state;
	need_namespace();
	run(NETWORK);
	plan = read_plan();
	network_plan_encode(&plan, &wire);
	in = (struct wire_reader){ .next = (unsigned char *)wire.data, .left = wire.length };
	assert_int_equal(network_plan_decode(&copy, &in, &err), 0);
	assert_true(wire_reader_ok(&in));
	expect_same(&plan, &copy);
	network_plan_free(&copy);
	for (size_t length = 0; length < wire.length; length++) {
		in = (struct wire_reader){ .next = (unsigned char *)wire.data, .left = length };
		assert_int_equal(network_plan_decode(&copy, &in, &err), -EBADMSG);
	}
	/* An address of an interface that is not there. */
	plan.addresses[0].interface = 2;
	strbuf_free(&wire);
	network_plan_encode(&plan, &wire);
	in = (struct wire_reader){ .next = (unsigned char *)wire.data, .left = wire.length };
	assert_int_equal(network_plan_decode(&copy, &in, &err), -EBADMSG);
	network_plan_free(&plan);
}

/* The other namespace plays the guest, where the kernel has named the interfaces otherwise. */
static void test_guest_gets_what_the_host_has(void **state)
{
	struct network_plan host, guest;
	struct error err = { 0 };

	(void)state;
	need_namespace();
	run(NETWORK);
	host = read_plan();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	/* The devices' own addresses, network_device_mac(). */
	run("ip link set lo up; ip link add name eth0 address 02:64:75:65:74:01 type veth peer name far1;"
	    "ip link add name eth1 address 02:64:75:65:74:00 type veth peer name far0;"
	    "ip link add bridge type bridge; ip link set far0 master bridge; ip link set far1 master bridge;"
	    "ip link set far0 up; ip link set far1 up");
	if (network_apply(&host, &err) < 0)
		fail_msg("%s", err.message);
	/* The kernel lists interfaces by their numbers. */
	guest = read_plan();
	assert_int_equal(guest.interface_count, 2);
	assert_string_equal(guest.interfaces[0].name, "net1");
	assert_string_equal(guest.interfaces[1].name, "eth0");
	network_plan_free(&guest);
	run("ip -o link show eth0 | grep -q 'mtu 1400.*02:00:00:00:00:01' && ip -o link show net1 | grep -q 'mtu "
	    "9000'");
	run("test \"$(ip -6 addr show dev eth0 scope link | grep -c fe80::12)\" = 1");
	run("! ip -6 addr show dev eth0 | grep -q tentative && ! ip -6 addr show dev net1 | grep -q inet6");
	run("ip addr show dev net1 | grep -q '10.2.0.2 peer 10.2.0.1/32'");
	run("ip route | grep -q 'default via 10.1.0.1 dev eth0'");
	run("ip route | grep -q '10.3.0.0/16 via 10.1.0.9 dev eth0 metric 7 mtu 1300 advmss 1000'");
	run("ip route | grep -q '10.4.0.0/16 dev net1 scope link src 10.2.0.2'");
	run("ip route | grep -q '10.5.0.0/16 via 192.0.2.1 dev net1 onlink' && ip route | grep -q 'unreachable "
	    "10.6.0.0/16'");
	run("ip route | grep -q '10.7.0.0/16 via inet6 fd00:1::9 dev eth0'");
	run("ip -6 route | grep -q 'default via fd00:1::1 dev eth0' && ip -6 route | grep -q 'fd00:3::/48 via "
	    "fe80::1'");
	run("ip neigh | grep -q '10.1.0.1 dev eth0 lladdr 02:00:00:00:00:aa PERMANENT'");
	run("ip -6 neigh | grep -q 'fd00:1::1 dev eth0 lladdr 02:00:00:00:00:ab router PERMANENT'");
	network_plan_free(&host);
}

static void test_failure_in_the_guest_names_its_cause(void **state)
{
	struct network_plan plan;
	struct error err = { 0 };

	(void)state;
	need_namespace();
	run("ip link add eth0 address 02:00:00:00:00:01 type veth peer name far0; ip addr add 10.1.0.2/24 dev eth0;"
	    "ip link add bridge type bridge; ip link set far0 master bridge; ip link set far0 up;"
	    "ip link set eth0 up; ip route add default via 10.1.0.1");
	plan = read_plan();
	assert_true(plan.interfaces[0].own_link_local);
	assert_int_equal(plan.route_count, 1);
	plan.routes[0].gateway.bytes[1] = 99;
	run("ip route flush dev eth0; ip addr flush dev eth0; ip link set eth0 down; ip link set eth0 address "
	    "02:64:75:65:74:00");
	assert_true(network_apply(&plan, &err) < 0);
	if (!strstr(err.message, "add the route default/0 in the guest: "))
		fail_msg("%s", err.message);
	run("ip link set eth0 down; ip link set eth0 address 02:64:75:65:74:07");
	assert_true(network_apply(&plan, &err) < 0);
	assert_non_null(strstr(err.message, "eth0 is none of the container's"));
	network_plan_free(&plan);
}

static void test_what_a_guest_cannot_have_is_refused(void **state)
{
	(void)state;
	need_namespace();
	run("ip link add eth0 type veth peer name far0; ip addr add 10.1.0.2/24 dev eth0; ip link set eth0 up;"
	    "ip link set far0 up");
	run("ip rule add from 10.9.0.0/16 table 77 priority 99");
	expect_refusal("rules for routes");
	run("ip rule del priority 99; ip route add 10.8.0.0/16 nexthop via 10.1.0.7 nexthop via 10.1.0.8");
	expect_refusal("route over several paths");
	run("ip route del 10.8.0.0/16; ip tuntap add mode tun name wire; ip link set wire up");
	expect_refusal("the interface wire of the container's network namespace is no Ethernet interface");
}

#define OWN_PROTOCOL 0x88b5

static int open_packets(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(OWN_PROTOCOL), .sll_ifindex = (int)if_nametoindex(name)
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };

	return poll(&wanted, 1, timeout_ms) == 1;
}

static void make_frame(unsigned char frame[64], unsigned seed)
{
	memset(frame, (int)seed, 64);
	memset(frame, 0xff, 6);
	frame[6] = 2;
	frame[12] = OWN_PROTOCOL >> 8;
	frame[13] = OWN_PROTOCOL & 0xff;
}

static bool tap_has(int tap, const unsigned char frame[64])
{
	unsigned char got[2048];
	ssize_t length;

	while (readable(tap, 500)) {
		length = read(tap, got, sizeof(got));
		if (length == 10 + 64 && memcmp(got + 10, frame, 64) == 0)
			return true;
	}
	return false;
}

static void test_interface_and_tap_are_one_wire(void **state)
{
	unsigned char frame[64], headed[10 + 64] = { 0 }, got[2048];
	struct network_plan plan;
	struct error err = { 0 };
	int tap, far;

	(void)state;
	need_namespace();
	run("ip link add eth0 mtu 1400 type veth peer name far0; ip link set eth0 up; ip link set far0 up");
	run("ip link set far0 addrgenmode none");
	plan = read_plan();
	/* far0 is up too and would be the container's; here it plays the engine's end. */
	assert_int_equal(plan.interface_count, 2);
	if (strcmp(plan.interfaces[0].name, "eth0") != 0)
		plan.interfaces[0] = plan.interfaces[1];
	tap = network_open_tun(0, &err);
	assert_true(tap >= 0);
	if (network_join_tap(&plan.interfaces[0], tap, &err) < 0)
		fail_msg("%s", err.message);
	run("ip -o link show " NETWORK_TAP_PREFIX "0 | grep -q 'mtu 1400.*state U'");
	far = open_packets("far0");
	make_frame(frame, 1);
	assert_int_equal(send(far, frame, sizeof(frame), 0), sizeof(frame));
	assert_true(tap_has(tap, frame));
	make_frame(frame, 2);
	memcpy(headed + 10, frame, sizeof(frame));
	assert_int_equal(write(tap, headed, sizeof(headed)), sizeof(headed));
	assert_true(readable(far, 2000));
	assert_int_equal(recv(far, got, sizeof(got), 0), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	expect_refusal("in use by another micro-VM");
	/* It ends: the tap goes by itself, the redirection is taken out, and another one can begin. */
	(void)close(tap);
	run("tc filter show dev eth0 ingress | grep -q mirred");
	assert_int_equal(network_release("/proc/self/ns/net", &err), 0);
	run("! tc filter show dev eth0 ingress | grep -q mirred");
	assert_int_equal(network_release("/proc/self/ns/net", &err), 0);
	assert_int_equal(network_release("/proc/self/ns/no-such-namespace", &err), 0);
	tap = network_open_tun(getpid(), &err);
	assert_int_equal(network_join_tap(&plan.interfaces[0], tap, &err), 0);
	(void)close(tap);
	/* Without the farewell, too. */
	tap = network_open_tun(0, &err);
	assert_int_equal(network_join_tap(&plan.interfaces[0], tap, &err), 0);
	make_frame(frame, 3);
	assert_int_equal(send(far, frame, sizeof(frame), 0), sizeof(frame));
	assert_true(tap_has(tap, frame));
	(void)close(tap);
	(void)close(far);
	network_plan_free(&plan);
}

#define network_test(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		network_test(test_loopback_alone_is_nothing),
		network_test(test_namespace_is_read_completely),
		network_test(test_plan_survives_the_wire_and_refuses_what_is_cut),
		network_test(test_guest_gets_what_the_host_has),
		network_test(test_failure_in_the_guest_names_its_cause),
		network_test(test_what_a_guest_cannot_have_is_refused),
		network_test(test_interface_and_tap_are_one_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
