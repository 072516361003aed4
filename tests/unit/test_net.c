/* SPDX-License-Identifier: Apache-2.0 */
/* The network device on plain buffers: in front of a stream socket whose other end is the test, and of a real tap in a
 * network namespace of the test's own. */
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
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "microvm/devices/net.h"
#include "virtio_driver.h"

#define RECEIVE       0
#define TRANSMIT      1
#define HEADER        sizeof(struct virtio_net_hdr_v1)
#define BUFFER_BYTES  2048U
#define RECEIVE_AT(i) (VIRTIO_DRIVER_DATA + (i) * (uint64_t)BUFFER_BYTES)
#define TRANSMIT_AT   (VIRTIO_DRIVER_DATA + 0x100000ULL)
#define RUN_MS        20
#define ROUNDS        1000
#define FRAME_MAX     (65535 + 18)
#define MERGEABLE     (1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define OFFLOADS                                                                                        \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_CSUM | \
		1ULL << VIRTIO_NET_F_GUEST_TSO4)

struct fixture {
	struct virtio_driver *driver;
	struct net *net;
	int peer; /* the other end of the stream socket */
};

static struct fixture *make(enum net_kind kind, int fd, int peer)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct net_options options = { .kind = kind, .fd = fd, .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500 };
	struct error err;

	f->driver = virtio_driver_new();
	f->peer = peer;
	assert_int_equal(net_create(&f->net, &options, &f->driver->loop, &err), 0);
	virtio_driver_attach(f->driver, net_device(f->net));
	return f;
}

static int set_up(void **state)
{
	int sockets[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	(void)signal(SIGPIPE, SIG_IGN);
	*state = make(NET_STREAM, sockets[0], sockets[1]);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	net_destroy(f->net);
	virtio_driver_free(f->driver);
	close_fd(&f->peer);
	free(f);
	return 0;
}

static void offer_buffers(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct virtio_piece piece = { RECEIVE_AT(i), BUFFER_BYTES, true };

		(void)virtio_driver_offer(f->driver, RECEIVE, &piece, 1);
	}
}

/* The driver is up, as the transport tells it: a kick of each queue. */
static void start(struct fixture *f, uint64_t features, unsigned buffers)
{
	assert_int_equal(virtio_driver_activate(f->driver, features), 0);
	offer_buffers(f, buffers);
	assert_int_equal(virtio_driver_kick(f->driver, RECEIVE), 0);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
}

static void fill_frame(unsigned char *frame, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		frame[i] = (unsigned char)(i * 7 + seed);
}

static void peer_send(struct fixture *f, const void *frame, size_t length)
{
	uint32_t prefix = htonl((uint32_t)length);

	assert_int_equal(send(f->peer, &prefix, sizeof(prefix), 0), sizeof(prefix));
	assert_int_equal(send(f->peer, frame, length, 0), length);
}

static size_t peer_receive(struct fixture *f, unsigned char *frame, size_t room)
{
	uint32_t prefix;

	if (recv(f->peer, &prefix, sizeof(prefix), MSG_WAITALL | MSG_DONTWAIT) != sizeof(prefix))
		return 0;
	prefix = ntohl(prefix);
	assert_true(prefix <= room);
	assert_int_equal(recv(f->peer, frame, prefix, MSG_WAITALL), prefix);
	return prefix;
}

/* Takes a frame as a driver does: the header says how many buffers it lies in. Returns its length. */
static size_t take_frame(struct fixture *f, unsigned char *frame, unsigned *buffers)
{
	struct virtio_net_hdr_v1 header;
	uint32_t written;
	size_t length = 0;
	uint16_t head;

	if (!virtio_driver_take(f->driver, RECEIVE, &head, &written))
		return 0;
	memcpy(&header, f->driver->bytes + f->driver->descriptors[RECEIVE][head].addr, sizeof(header));
	*buffers = header.num_buffers;
	for (unsigned i = 0;; i++) {
		const unsigned char *data = f->driver->bytes + f->driver->descriptors[RECEIVE][head].addr;
		size_t skip = i == 0 ? sizeof(header) : 0;

		memcpy(frame + length, data + skip, written - skip);
		length += written - skip;
		if (i + 1 == header.num_buffers)
			return length;
		assert_true(virtio_driver_take(f->driver, RECEIVE, &head, &written));
	}
}

/* Offers a frame for transmission, header and data in pieces of `piece` bytes. */
static void offer_frame(struct fixture *f, const struct virtio_net_hdr_v1 *header, const unsigned char *frame,
	size_t length, size_t piece)
{
	struct virtio_piece pieces[VIRTIO_DRIVER_QUEUE];
	size_t total = sizeof(*header) + length, offset = 0;
	unsigned count = 0;

	memcpy(f->driver->bytes + TRANSMIT_AT, header, sizeof(*header));
	memcpy(f->driver->bytes + TRANSMIT_AT + sizeof(*header), frame, length);
	while (offset < total) {
		size_t part = total - offset < piece ? total - offset : piece;

		pieces[count++] = (struct virtio_piece){ TRANSMIT_AT + offset, (uint32_t)part, false };
		offset += part;
	}
	(void)virtio_driver_offer(f->driver, TRANSMIT, pieces, count);
}

static const struct virtio_net_hdr_v1 plain;

static void test_config(void **state)
{
	struct fixture *f = *state;
	const struct virtio_net_config *config = f->driver->device->config;

	assert_int_equal(config->mac[5], 1);
	assert_int_equal(config->mtu, 1500);
	assert_true(f->driver->device->features_offered & MERGEABLE);
	/* A stream socket has no place for the header by which offloads are asked for. */
	assert_false(f->driver->device->features_offered & OFFLOADS);
}

static void test_frames_cross_a_stream_unchanged(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[1514], got[2048];

	start(f, MERGEABLE, 64);
	for (unsigned i = 0; i < 200; i++) {
		size_t length = 14 + i * 7;
		unsigned buffers;

		fill_frame(sent, length, i);
		offer_frame(f, &plain, sent, length, i % 3 ? 4096 : 7 + i);
		assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
		assert_int_equal(peer_receive(f, got, sizeof(got)), length);
		assert_memory_equal(sent, got, length);

		peer_send(f, sent, length);
		assert_int_not_equal(virtio_driver_run(f->driver, RUN_MS, 1), 0);
		assert_int_equal(take_frame(f, got, &buffers), length);
		assert_int_equal(buffers, 1);
		assert_memory_equal(sent, got, length);
		offer_buffers(f, 1);
	}
	assert_false(f->driver->broken);
}

static void test_large_frame_lies_in_several_buffers(void **state)
{
	struct fixture *f = *state;
	static unsigned char sent[FRAME_MAX], got[FRAME_MAX];
	unsigned buffers;

	start(f, MERGEABLE, 64);
	fill_frame(sent, 1518, 3);
	peer_send(f, sent, 1518);
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_int_equal(take_frame(f, got, &buffers), 1518);
	assert_int_equal(buffers, 1);
	/* Longer than the MTU: what the peer should not send arrives if the driver happens to have given enough. */
	fill_frame(sent, 1518 + 12, 4);
	peer_send(f, sent, 1518 + 12);
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_int_equal(take_frame(f, got, &buffers), 1518 + 12);
	assert_memory_equal(sent, got, 1518 + 12);
}

static void test_small_buffers_are_merged(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[1500], got[4096];
	unsigned buffers;

	start(f, MERGEABLE, 0);
	for (unsigned i = 0; i < 100; i++) {
		const struct virtio_piece pieces[] = { { RECEIVE_AT(i), 5, true }, { RECEIVE_AT(i) + 5, 95, true } };

		(void)virtio_driver_offer(f->driver, RECEIVE, pieces, 1 + i % 2);
	}
	/* Every other one is too small for the header. */
	fill_frame(sent, sizeof(sent), 9);
	peer_send(f, sent, sizeof(sent));
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_true(f->driver->broken);

	virtio_driver_reset(f->driver);
	start(f, MERGEABLE, 0);
	for (unsigned i = 0; i < 100; i++) {
		const struct virtio_piece pieces[] = { { RECEIVE_AT(i), 5, true }, { RECEIVE_AT(i) + 5, 95, true } };

		(void)virtio_driver_offer(f->driver, RECEIVE, pieces, 2);
	}
	assert_int_equal(virtio_driver_kick(f->driver, RECEIVE), 0);
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	{
		uint16_t head;
		uint32_t written, total = 0, count = 0;

		memset(got, 0, sizeof(got));
		while (virtio_driver_take(f->driver, RECEIVE, &head, &written)) {
			memcpy(got + total, f->driver->bytes + f->driver->descriptors[RECEIVE][head].addr, written);
			total += written;
			count++;
		}
		buffers = got[10] | (unsigned)got[11] << 8;
		assert_int_equal(count, 16);
		assert_int_equal(buffers, count);
		assert_int_equal(total, sizeof(sent) + HEADER);
		assert_memory_equal(got + HEADER, sent, sizeof(sent));
	}
}

static void test_without_mergeable_buffers_one_holds_all(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[3000], got[4096];
	unsigned buffers;

	start(f, 0, 8);
	fill_frame(sent, sizeof(sent), 1);
	peer_send(f, sent, 1514);
	peer_send(f, sent, sizeof(sent)); /* does not fit, is lost */
	peer_send(f, sent, 60);
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(take_frame(f, got, &buffers), 1514);
	assert_int_equal(buffers, 1);
	assert_int_equal(take_frame(f, got, &buffers), 60);
	assert_int_equal(take_frame(f, got, &buffers), 0);
}

static void test_no_buffers_no_spinning(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[100], got[2048];
	unsigned buffers;

	start(f, MERGEABLE, 0);
	fill_frame(frame, sizeof(frame), 5);
	peer_send(f, frame, sizeof(frame));
	/* Once, to find out that there are none. */
	assert_int_equal(virtio_driver_run(f->driver, RUN_MS, ROUNDS), 1);
	offer_buffers(f, 2);
	assert_int_equal(virtio_driver_kick(f->driver, RECEIVE), 0);
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(take_frame(f, got, &buffers), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void test_many_frames_in_one_read_need_no_further_wake_up(void **state)
{
	struct fixture *f = *state;
	unsigned char all[200][4 + 64], frame[64], got[2048];
	unsigned buffers, frames = 0;

	start(f, MERGEABLE, 250);
	for (unsigned i = 0; i < 200; i++) {
		memcpy(all[i], &(uint32_t){ htonl(sizeof(frame)) }, 4);
		fill_frame(all[i] + 4, sizeof(frame), i);
	}
	assert_int_equal(send(f->peer, all, sizeof(all), 0), sizeof(all));
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	while (take_frame(f, got, &buffers)) {
		fill_frame(frame, sizeof(frame), frames++);
		assert_memory_equal(got, frame, sizeof(frame));
	}
	assert_int_equal(frames, 200);
}

static void test_full_socket_blocks_and_resumes_without_loss(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[1514], got[2048];
	unsigned sent = 0, seen = 0;

	start(f, MERGEABLE, 0);
	for (unsigned i = 0; i < VIRTIO_DRIVER_QUEUE - 1; i++) {
		const struct virtio_piece pieces[] = { { TRANSMIT_AT, HEADER + sizeof(frame), false } };

		(void)virtio_driver_offer(f->driver, TRANSMIT, pieces, 1);
		sent++;
	}
	fill_frame(frame, sizeof(frame), 77);
	memset(f->driver->bytes + TRANSMIT_AT, 0, HEADER);
	memcpy(f->driver->bytes + TRANSMIT_AT + HEADER, frame, sizeof(frame));
	while (virtio_driver_kick(f->driver, TRANSMIT) > 0)
		;
	assert_true(f->driver->used[TRANSMIT]->idx < sent);
	while (seen < sent) {
		size_t length;

		while ((length = peer_receive(f, got, sizeof(got))) > 0) {
			assert_int_equal(length, sizeof(frame));
			assert_memory_equal(got, frame, sizeof(frame));
			seen++;
		}
		if (seen < sent)
			assert_int_not_equal(virtio_driver_run(f->driver, RUN_MS, 1), 0);
	}
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(f->driver->used[TRANSMIT]->idx, sent);
}

static void test_malformed_frames_are_dropped(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[2000], got[4096];
	const struct virtio_net_hdr_v1 headers[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14, .csum_offset = 6 }, /* not agreed */
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 },
		{ .gso_type = 0x55 },
	};
	const struct virtio_piece tiny = { TRANSMIT_AT, HEADER - 1, false };
	const struct virtio_piece no_frame = { TRANSMIT_AT, HEADER + 13, false };
	const struct virtio_piece huge = { TRANSMIT_AT, HEADER + FRAME_MAX + 1, false };
	uint16_t expected = 0;

	start(f, MERGEABLE, 0);
	fill_frame(frame, sizeof(frame), 1);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++, expected++) {
		offer_frame(f, &headers[i], frame, 100, 4096);
		assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	}
	(void)virtio_driver_offer(f->driver, TRANSMIT, &tiny, 1);
	(void)virtio_driver_offer(f->driver, TRANSMIT, &no_frame, 1);
	(void)virtio_driver_offer(f->driver, TRANSMIT, &huge, 1);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	assert_int_equal(f->driver->used[TRANSMIT]->idx, expected + 3);
	assert_int_equal(peer_receive(f, got, sizeof(got)), 0);
	/* And the next good one goes. */
	offer_frame(f, &plain, frame, 60, 4096);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	assert_int_equal(peer_receive(f, got, sizeof(got)), 60);
}

static void test_hostile_peer_loses_the_network_not_the_guest(void **state)
{
	struct fixture *f = *state;
	uint32_t length = htonl(0x7fffffff);
	unsigned char frame[100] = { 0 };

	start(f, MERGEABLE, 8);
	assert_int_equal(send(f->peer, &length, sizeof(length), 0), sizeof(length));
	assert_int_equal(virtio_driver_run(f->driver, RUN_MS, ROUNDS), 1);
	assert_false(f->driver->broken);
	offer_frame(f, &plain, frame, sizeof(frame), 4096);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	assert_int_equal(f->driver->used[TRANSMIT]->idx, 1);
}

static void test_peer_that_goes_is_no_busy_loop(void **state)
{
	struct fixture *f = *state;

	start(f, MERGEABLE, 8);
	close_fd(&f->peer);
	assert_int_equal(virtio_driver_run(f->driver, RUN_MS, ROUNDS), 1);
}

static void test_reset_forgets_buffers(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[100], got[2048];
	unsigned buffers;

	start(f, MERGEABLE, 64);
	virtio_driver_reset(f->driver);
	fill_frame(frame, sizeof(frame), 2);
	peer_send(f, frame, sizeof(frame));
	/* Once, to find out that nobody wants it; it waits in the socket. */
	assert_true(virtio_driver_run(f->driver, RUN_MS, ROUNDS) <= 1);
	start(f, MERGEABLE, 4);
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(take_frame(f, got, &buffers), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void test_readable_receive_buffers_break_the_device(void **state)
{
	struct fixture *f = *state;
	const struct virtio_piece readable = { RECEIVE_AT(0), BUFFER_BYTES, false };

	start(f, MERGEABLE, 0);
	(void)virtio_driver_offer(f->driver, RECEIVE, &readable, 1);
	peer_send(f, &readable, sizeof(readable));
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_true(f->driver->broken);
}

/* ---- a real tap ---- */

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

#define stream_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define tap_test(function)    cmocka_unit_test_setup_teardown(function, set_up_tap, tear_down_tap)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stream_test(test_config),
		stream_test(test_frames_cross_a_stream_unchanged),
		stream_test(test_large_frame_lies_in_several_buffers),
		stream_test(test_small_buffers_are_merged),
		stream_test(test_without_mergeable_buffers_one_holds_all),
		stream_test(test_no_buffers_no_spinning),
		stream_test(test_many_frames_in_one_read_need_no_further_wake_up),
		stream_test(test_full_socket_blocks_and_resumes_without_loss),
		stream_test(test_malformed_frames_are_dropped),
		stream_test(test_hostile_peer_loses_the_network_not_the_guest),
		stream_test(test_peer_that_goes_is_no_busy_loop),
		stream_test(test_reset_forgets_buffers),
		stream_test(test_readable_receive_buffers_break_the_device),
		tap_test(test_frames_cross_a_tap_unchanged),
		tap_test(test_segments_are_left_to_the_host),
		cmocka_unit_test(test_descriptor_that_is_no_tap_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
