/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing a descriptor of the host without ever waiting and without touching its flags: O_NONBLOCK belongs
 * to the open file, which the caller's shell may share.
 *
 * Sockets have MSG_DONTWAIT; pipes have RWF_NOWAIT (preadv2(2)) on recent kernels, else poll(2) and at most PIPE_BUF
 * bytes; a terminal is opened once more with O_NONBLOCK, which makes an open file of our own; regular files are always
 * ready.
 */
#ifndef DUET_MICROVM_DEVICES_VSOCK_DESCRIPTOR_H
#define DUET_MICROVM_DEVICES_VSOCK_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/uio.h>

enum vsock_descriptor_kind {
	VSOCK_DESCRIPTOR_SOCKET,
	VSOCK_DESCRIPTOR_FILE,   /* regular file or block device: never waits for a peer */
	VSOCK_DESCRIPTOR_STREAM, /* pipe, terminal, other character device */
};

struct vsock_descriptor {
	int fd; /* -EBADF: none */
	enum vsock_descriptor_kind kind;
	bool shared; /* the other direction has a descriptor of the same open file: closing this one must shut it down
		      */
	bool nowait; /* RWF_NOWAIT has not been refused yet */
};

/* Takes over *fd (negative: none), which is left as -EBADF. flags: O_RDONLY or O_WRONLY, the direction that it is used
 * in, to open a terminal once more; -1: as it is. */
void vsock_descriptor_open(struct vsock_descriptor *descriptor, int *fd, int flags);
/* > 0 bytes; 0: end of file; -EAGAIN: nothing there now; other negative errno. */
ssize_t vsock_descriptor_read(struct vsock_descriptor *descriptor, const struct iovec *parts, unsigned count);
/* > 0 bytes; -EAGAIN: no room now; other negative errno (-EPIPE: no reader). May write less than asked although more
 * fits. The calling thread has SIGPIPE blocked or ignored. */
ssize_t vsock_descriptor_write(struct vsock_descriptor *descriptor, const struct iovec *parts, unsigned count);
/* direction: SHUT_RD or SHUT_WR, what this descriptor was used for. */
void vsock_descriptor_close(struct vsock_descriptor *descriptor, int direction);

#endif
