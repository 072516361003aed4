/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must not be the same in two machines, one line each: a name and a value. TCP's initial sequence numbers come
 * without their clock (RFC 6528, 3: a keyed hash of the addresses and ports, plus a clock, which Linux counts in units
 * of 64 ns), so that what is left is the same in two machines of one key, but for the moment between two lines here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 3

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "identity: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void print(const char *name, const void *bytes, size_t length)
{
	const unsigned char *next = bytes;

	(void)printf("%s ", name);
	while (length--)
		(void)printf("%02x", *next++);
	(void)printf("\n");
}

static void print_random(void)
{
	unsigned char bytes[16];
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		die("getrandom");
	print("getrandom", bytes, sizeof(bytes));
	if (fd < 0 || read(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		die("/dev/urandom");
	print("urandom", bytes, sizeof(bytes));
	(void)close(fd);
}

static void print_file(const char *name, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[128];

	if (!file || !fgets(line, sizeof(line), file))
		die(path);
	(void)printf("%s %s", name, line);
	(void)fclose(file);
}

/* Where the kernel has put the parts of this process, and what it gave to its C library. */
static void print_process(void)
{
	const void *stack = __builtin_frame_address(0), *heap = sbrk(0);
	const void *mapping = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);

	print("stack", &stack, sizeof(stack));
	print("heap", &heap, sizeof(heap));
	print("mapping", &mapping, sizeof(mapping));
	print("vdso", &vdso, sizeof(vdso));
	print("at_random", (const void *)getauxval(AT_RANDOM), 16);
}

static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		die("lo");
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		die("lo");
	(void)close(fd);
}

/* Of the SYN that goes from a fixed port to a port where nobody is; the answer to it comes by, too. */
static uint32_t read_sequence(int raw, uint16_t from, uint16_t to)
{
	for (;;) {
		unsigned char packet[2048];
		ssize_t length = recv(raw, packet, sizeof(packet), 0);
		size_t header = (size_t)(packet[0] & 15) * 4;
		struct tcphdr tcp;

		if (length < 0)
			die("read a packet");
		if ((size_t)length < header + sizeof(tcp))
			continue;
		memcpy(&tcp, packet + header, sizeof(tcp));
		if (tcp.syn && !tcp.ack && ntohs(tcp.source) == from && ntohs(tcp.dest) == to)
			return ntohl(tcp.seq);
	}
}

static void print_sequences(void)
{
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	if (raw < 0)
		die("make a raw socket");
	(void)printf("sequence");
	for (uint16_t i = 0; i < CONNECTIONS; i++) {
		struct sockaddr_in from = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons((uint16_t)(40000 + i)) };
		struct sockaddr_in to = from;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct timespec now;
		uint64_t clock_ns;

		to.sin_port = htons((uint16_t)(50000 + i));
		if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			die("bind");
		(void)clock_gettime(CLOCK_REALTIME, &now);
		clock_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno != ECONNREFUSED)
			die("connect");
		(void)printf(" %u",
			read_sequence(raw, ntohs(from.sin_port), ntohs(to.sin_port)) - (uint32_t)(clock_ns >> 6));
		(void)close(fd);
	}
	(void)printf("\n");
}

int main(void)
{
	char name[65];

	print_random();
	print_file("boot_id", "/proc/sys/kernel/random/boot_id");
	print_process();
	if (gethostname(name, sizeof(name)) < 0)
		die("gethostname");
	(void)printf("hostname %s\n", name);
	bring_up_loopback();
	print_sequences();
	return 0;
}
