/* SPDX-License-Identifier: Apache-2.0 */
/* The network device between a guest that may do anything and a network program (passt) that may, too. */
#include <signal.h>
#include <sys/socket.h>

#include "guest.h"
#include "microvm/devices/net.h"

/* What the other end of the socket sends: lengths with frames behind them, whole, broken and cut short. */
static void peer(void *context, struct input *in)
{
	unsigned char frame[2048] = { 0 };
	int fd = *(int *)context;
	uint8_t kind = (uint8_t)take(in, 1);
	size_t length = take(in, 2) % (sizeof(frame) - 4);
	uint32_t announced = __builtin_bswap32(kind & 1 ? (uint32_t)take(in, 4) : (uint32_t)length);

	if (kind < 0x40)
		return;
	memcpy(frame, &announced, sizeof(announced));
	if (kind & 2)
		(void)take_bytes(in, frame + 4, 64);
	(void)send(fd, frame, length + 4, MSG_DONTWAIT);
	if (kind & 4)
		(void)recv(fd, frame, sizeof(frame), MSG_DONTWAIT);
	if (kind == 0xff)
		(void)shutdown(fd, SHUT_RDWR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct net_options options = { .kind = NET_STREAM, .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500 };
	struct guest guest;
	struct net *net;
	struct error err;
	int sockets[2];

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	options.fd = sockets[0];
	guest_open(&guest);
	CHECK(net_create(&net, &options, &guest.loop, &err) == 0);
	guest_attach(&guest, net_device(net));
	guest_play(&guest, &in, peer, &sockets[1]);
	net_destroy(net);
	guest_close(&guest);
	close(sockets[1]);
	return 0;
}
