/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_mount DIRECTORY MOUNT-POINT [COMMAND…]: the micro-VM's file server behind this kernel's own FUSE (fuse(4)) in
 * place of a guest's, confined by its filter; for comparing what it does with the directory itself, without a machine.
 * Runs the command, unmounts, and ends with its status; 3: the server was ended by its filter.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "microvm/confine.h"
#include "microvm/devices/fs/server.h"

#define REQUEST_BYTES (FS_WRITE_MAX_BYTES + 65536)
#define REPLY_BYTES   (2U << 20)

static _Noreturn void fail(const struct error *err)
{
	(void)fprintf(stderr, "fs_mount: %s\n", err->message);
	exit(2);
}

static void serve(struct fs_worker *worker, int fuse)
{
	void *request = xcalloc(1, REQUEST_BYTES), *reply = xcalloc(1, REPLY_BYTES);
	ssize_t length;

	while ((length = read(fuse, request, REQUEST_BYTES)) > 0 || errno == EINTR || errno == ENOENT) {
		const struct iovec in = { .iov_base = request, .iov_len = length > 0 ? (size_t)length : 0 },
				   out = { .iov_base = reply, .iov_len = REPLY_BYTES };
		const struct fs_message message = { .request = &in,
			.request_count = 1,
			.request_bytes = in.iov_len,
			.reply = &out,
			.reply_count = 1,
			.reply_bytes = REPLY_BYTES };
		size_t written = length > 0 ? fs_worker_serve(worker, &message) : 0;

		/* Whoever asked may be gone. */
		if (written)
			(void)!write(fuse, reply, written);
	}
}

static _Noreturn void serve_confined(int fuse, const char *directory)
{
	struct fs_options options = { .root_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.capabilities = true };
	struct fs_server *server;
	struct fs_worker *worker;
	struct error err;

	if (options.root_fd < 0)
		(void)error_set(&err, errno, "open %s", directory), fail(&err);
	confine_prepare();
	if (fs_server_create(&server, &options, &err) < 0 || fs_worker_create(&worker, server, &err) < 0 ||
		confine_system_calls(&fs_filter, &err) < 0)
		fail(&err);
	serve(worker, fuse);
	/* The filter allows a thread to end, not a process to. */
	(void)syscall(SYS_exit, 0);
	abort();
}

static int run(char **command)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		(void)execvp(command[0], command);
		_exit(127);
	}
	(void)waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), status, result;
	char options[128];
	pid_t server;

	if (argc < 4)
		return 2;
	(void)snprintf(options, sizeof(options),
		"fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fuse);
	if (fuse < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		mount("duet", argv[2], "fuse", 0, options) < 0) {
		perror("fs_mount: mount");
		return 2;
	}
	server = fork();
	if (server == 0)
		serve_confined(fuse, argv[1]);
	(void)close(fuse);
	result = run(argv + 3);
	(void)umount2(argv[2], MNT_DETACH);
	(void)waitpid(server, &status, 0);
	if (WIFSIGNALED(status)) {
		(void)fprintf(stderr, "fs_mount: the server was ended by signal %d\n", WTERMSIG(status));
		return 3;
	}
	return result;
}
