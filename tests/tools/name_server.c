/* SPDX-License-Identifier: Apache-2.0 */
/* A name server for tests: name_server ADDRESS NAME=IP...; NXDOMAIN for all else. Prints every name that it is asked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEADER_BYTES = 12, TYPE_A = 1, TYPE_AAAA = 28 };

/* The length of the question; its name with dots. */
static size_t read_name(const uint8_t *message, size_t length, char *name, size_t size)
{
	size_t at = HEADER_BYTES, used = 0;

	while (at < length && message[at]) {
		size_t label = message[at++];

		if (label > 63 || label > length - at || used + label + 2 > size)
			return 0;
		if (used)
			name[used++] = '.';
		memcpy(name + used, message + at, label);
		used += label;
		at += label;
	}
	name[used] = '\0';
	return at + 5 <= length ? at + 5 - HEADER_BYTES : 0;
}

static size_t answer(uint8_t *message, size_t length, char **pairs)
{
	static const uint8_t record[] = { 0xc0, 0x0c, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0 };
	size_t question, at;
	char name[256];
	int known = 0;
	uint8_t type;

	if (length < HEADER_BYTES || (question = read_name(message, length, name, sizeof(name))) == 0)
		return 0;
	at = HEADER_BYTES + question;
	type = message[at - 3];
	printf("%s\n", name);
	message[2] |= 0x80;
	memset(message + 6, 0, 6);
	for (; *pairs; pairs++) {
		size_t name_length = strcspn(*pairs, "=");
		int family = strchr(*pairs, ':') ? AF_INET6 : AF_INET;
		size_t size = family == AF_INET ? 4 : 16;

		if (strlen(name) != name_length || strncasecmp(*pairs, name, name_length) != 0)
			continue;
		known = 1;
		if (type != (family == AF_INET ? TYPE_A : TYPE_AAAA))
			continue;
		memcpy(message + at, record, sizeof(record));
		message[at + 3] = type;
		message[at + 11] = (uint8_t)size;
		if (inet_pton(family, *pairs + name_length + 1, message + at + sizeof(record)) != 1)
			return 0;
		at += sizeof(record) + size;
		message[7]++;
	}
	message[3] = known ? 0x80 : 0x83;
	return at;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t message[4096];

	if (argc < 2 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: name_server ADDRESS NAME=IP...\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("name_server");
		return 1;
	}
	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(fd, message, 1024, 0, (struct sockaddr *)&from, &size);

		if (length < 0 && errno != EINTR)
			return 1;
		length = length < 0 ? 0 : (ssize_t)answer(message, (size_t)length, argv + 2);
		if (length > 0)
			(void)sendto(fd, message, (size_t)length, 0, (struct sockaddr *)&from, size);
	}
}
