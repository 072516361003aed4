/* SPDX-License-Identifier: Apache-2.0 */
/* The network device in front of a real tap, in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net_driver.h"

static int open_tap(struct ifreq *request)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	*request = (struct ifreq){ .ifr_name = "tap%d", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	if (fd >= 0 && ioctl(fd, TUNSETIFF, request) < 0)
		close_fd(&fd);
	return fd;
}

/* A packet socket on the host's side of the tap: what the host's network stack sees. */
static int open_host_side(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	(void)snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	request.ifr_flags |= IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int set_up_tap(void **state)
{
	struct ifreq request;
	int fd;

	*state = NULL;
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	fd = open_tap(&request);
	if (fd >= 0)
		*state = make(NET_TAP, fd, open_host_side(request.ifr_name));
	return 0;
}

static int tear_down_tap(void **state)
{
	return *state ? tear_down(state) : 0;
}

static void need_tap(const struct fixture *f)
{
	if (!f) {
		print_message("a tap device and a network namespace are needed\n");
		skip();
	}
}

/* Frames of this protocol are ours; the host's stack sends others of its own. */
#define OWN_PROTOCOL 0x88b5

static void make_own_frame(unsigned char *frame, size_t length, unsigned seed)
{
	fill_frame(frame, length, seed);
	memset(frame, 0xff, 6);
	memset(frame + 6, 2, 6);
	frame[12] = OWN_PROTOCOL >> 8;
	frame[13] = OWN_PROTOCOL & 0xff;
}

static bool is_own_frame(const unsigned char *frame, size_t length)
{
	return length >= 14 && frame[12] == OWN_PROTOCOL >> 8 && frame[13] == (OWN_PROTOCOL & 0xff);
}

static void test_frames_cross_a_tap_unchanged(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[1514], got[70000];

	need_tap(f);
	start(f, MERGEABLE | OFFLOADS, 200);
	for (unsigned i = 0; i < 50; i++) {
		size_t length = 60 + i * 29;
		unsigned buffers, tries = 0;
		ssize_t seen;

		make_own_frame(sent, length, i);
		offer_frame(f, &plain, sent, length, i % 2 ? 4096 : 50);
		assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
		do
			seen = recv(f->peer, got, sizeof(got), 0);
		while (seen > 0 && !is_own_frame(got, (size_t)seen));
		assert_int_equal(seen, length);
		assert_memory_equal(sent, got, length);

		make_own_frame(sent, length, i + 100);
		assert_int_equal(send(f->peer, sent, length, 0), length);
		do {
			(void)virtio_driver_run(f->driver, RUN_MS, 1);
			seen = (ssize_t)take_frame(f, got, &buffers);
		} while (!is_own_frame(got, (size_t)seen) && tries++ < 100);
		assert_int_equal(seen, length);
		assert_memory_equal(sent, got, length);
		offer_buffers(f, 1);
	}
	assert_false(f->driver->broken);
}

static void test_segments_are_left_to_the_host(void **state)
{
	struct fixture *f = *state;
	static unsigned char frame[20000], got[70000];
	/* IPv4 and TCP headers; the checksum of the latter is left to the host. */
	static const unsigned char headers[] = { 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x10,
		0, 0x10, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0 };
	const struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 14 + sizeof(headers),
		.gso_size = 1400,
		.csum_start = 34,
		.csum_offset = 16 };
	size_t total = 20 + 20 + 14000;
	ssize_t seen;

	need_tap(f);
	start(f, MERGEABLE | OFFLOADS, 0);
	memset(frame, 0xff, 12);
	frame[12] = 8;
	frame[13] = 0;
	memcpy(frame + 14, headers, sizeof(headers));
	frame[16] = (unsigned char)(total >> 8);
	frame[17] = (unsigned char)total;
	offer_frame(f, &header, frame, 14 + total, 4096);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	do
		seen = recv(f->peer, got, sizeof(got), 0);
	while (seen > 0 && !(got[12] == 8 && got[13] == 0));
	/* One packet of ten segments reaches the host's stack. */
	assert_int_equal(seen, 14 + total);
	/* A header that points behind the frame is not handed on. */
	{
		struct virtio_net_hdr_v1 bad = header;

		bad.csum_start = (uint16_t)(14 + total - 1);
		bad.csum_offset = 0;
		offer_frame(f, &bad, frame, 14 + total, 4096);
		assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
		while ((seen = recv(f->peer, got, sizeof(got), MSG_DONTWAIT)) > 0)
			assert_false(got[12] == 8 && got[13] == 0);
	}
}

static void test_descriptor_that_is_no_tap_is_refused(void **state)
{
	const struct net_options options = { .kind = NET_TAP, .fd = 0, .mtu = 1500 };
	struct virtio_driver *driver = virtio_driver_new();
	struct net *net = NULL;
	struct error err;

	(void)state;
	assert_true(net_create(&net, &options, &driver->loop, &err) < 0);
	assert_null(net);
	virtio_driver_free(driver);
}

#define tap_test(function) cmocka_unit_test_setup_teardown(function, set_up_tap, tear_down_tap)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tap_test(test_frames_cross_a_tap_unchanged),
		tap_test(test_segments_are_left_to_the_host),
		cmocka_unit_test(test_descriptor_that_is_no_tap_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
