/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gdb_client SOCKET PACKET...: speaks gdb's remote serial protocol. Sends one packet after the other and prints each
 * answer on a line; "wait" sends nothing and prints the next word of the other side. Ends without a word of leaving.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void print_answer(FILE *stream)
{
	int byte;

	do
		byte = fgetc(stream);
	while (byte != '$' && byte != EOF);
	while ((byte = fgetc(stream)) != '#' && byte != EOF)
		(void)putchar(byte);
	(void)fgetc(stream);
	(void)fgetc(stream);
	(void)putchar('\n');
	(void)fflush(stdout);
	if (byte == EOF)
		exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *stream = fdopen(fd, "r+");

	if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	if (!stream || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(argv[1]);
	for (int i = 2; i < argc; i++) {
		unsigned char sum = 0;
		char text[4096];

		for (const char *next = argv[i]; *next; next++)
			sum = (unsigned char)(sum + (unsigned char)*next);
		(void)snprintf(text, sizeof(text), "$%s#%02x", argv[i], sum);
		if (strcmp(argv[i], "wait") != 0 && write(fd, text, strlen(text)) < 0)
			die("write");
		if (strcmp(argv[i], "c") != 0)
			print_answer(stream);
	}
	return 0;
}
