/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "runtime/lifecycle.h"
#include "sandbox/internal.h"

/* Below the state root; no container's id begins with a dot. */
#define SCRATCH_DIRECTORY \
	".sandbox" /* a locked file for each sandbox; in its own mount namespace its disk lies there */

/* What the supervisor could not do because it was killed. */
static void scratch_remove_after(const char *state_root, const char *id)
{
	cleanup_free char *lock = xprintf("%s/%s/%s", state_root, SCRATCH_DIRECTORY, id);
	struct error err;

	if (lifecycle_delete(state_root, id, true, &err) < 0)
		log_warning("sandbox %s: %s", id, err.message);
	if (unlink(lock) < 0 && errno != ENOENT)
		log_warning("remove %s: %s", lock, strerror(errno));
}

static void guardian(const struct sandbox *sandbox, int lifeline)
{
	char word = 0;
	sigset_t all;
	ssize_t count;

	/* Whatever ends the supervisor, a terminal's Ctrl-C or its end among them, must not end this. */
	(void)setsid();
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "duet-guardian");
	(void)chdir("/");
	close_all_but((int[]){ lifeline, log_descriptor() }, 2);
	do {
		count = read(lifeline, &word, 1);
	} while (count < 0 && errno == EINTR);
	if (count <= 0)
		scratch_remove_after(sandbox->state_root, sandbox->id);
	_exit(0);
}

static int scratch_guard(struct sandbox *sandbox, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe to the guardian");
	sandbox->guardian = fork();
	if (sandbox->guardian == 0) {
		(void)close(ends[1]);
		guardian(sandbox, ends[0]);
	}
	(void)close(ends[0]);
	sandbox->lifeline_fd = ends[1];
	return sandbox->guardian < 0 ? error_set(err, errno, "make the guardian process") : 0;
}

/* Others find it when it is locked already. */
static int scratch_lock(struct sandbox *sandbox, struct error *err)
{
	bool named;
	int result;

	sandbox->scratch = xprintf("%s/%s", sandbox->state_root, SCRATCH_DIRECTORY);
	result = make_directories(AT_FDCWD, sandbox->scratch, 0711);
	if (result < 0)
		return error_set(err, -result, "make %s", sandbox->scratch);
	sandbox->locks_fd = open(sandbox->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sandbox->locks_fd < 0)
		return error_set(err, errno, "open %s", sandbox->scratch);
	sandbox->lock_fd = openat(sandbox->locks_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	named = sandbox->lock_fd < 0;
	/* Some file systems have no files without a name. */
	if (named)
		sandbox->lock_fd = openat(sandbox->locks_fd, sandbox->id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (sandbox->lock_fd < 0 || flock(sandbox->lock_fd, LOCK_EX | LOCK_NB) < 0 ||
		(!named && linkat(AT_FDCWD, fd_path(sandbox->lock_fd).text, sandbox->locks_fd, sandbox->id,
				   AT_SYMLINK_FOLLOW) < 0))
		return error_set(err, errno, "lock %s/%s", sandbox->scratch, sandbox->id);
	return 0;
}

static int scratch_mount(struct sandbox *sandbox, struct error *err)
{
	int result;

	if (sandbox->rootless) {
		result = rootless_enter(sandbox, err);
		if (result < 0)
			return result;
	} else if (unshare(CLONE_NEWNS) < 0) {
		return error_set(err, errno, "make a mount namespace");
	}
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return error_set(err, errno, "separate the sandbox's mounts from the host's");
	result = disk_mount(sandbox, err);
	if (result < 0)
		return result;
	sandbox->scratch_fd = open(sandbox->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sandbox->scratch_fd < 0 ? error_set(err, errno, "open %s", sandbox->scratch) : 0;
}

int scratch_open(struct sandbox *sandbox, struct error *err)
{
	int result = scratch_lock(sandbox, err);

	if (result == 0)
		result = scratch_guard(sandbox, err);
	/* After the guardian, which has to see the locks. */
	if (result == 0)
		result = scratch_mount(sandbox, err);
	return result;
}

void scratch_close(struct sandbox *sandbox)
{
	/* What is mounted goes with this process, which is the last one in its mount namespace. */
	close_fd(&sandbox->scratch_fd);
	if (sandbox->lock_fd >= 0 && unlinkat(sandbox->locks_fd, sandbox->id, 0) < 0)
		log_warning("remove %s: %s", sandbox->id, strerror(errno));
	close_fd(&sandbox->lock_fd);
	close_fd(&sandbox->locks_fd);
	if (sandbox->lifeline_fd >= 0) {
		(void)write(sandbox->lifeline_fd, "", 1);
		close_fd(&sandbox->lifeline_fd);
		while (waitpid(sandbox->guardian, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(sandbox->scratch);
	sandbox->scratch = NULL;
}

/* The lock is free: its supervisor is gone. */
static bool scratch_is_abandoned(int directory, const char *name)
{
	cleanup_fd int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void sandbox_collect(const char *state_root)
{
	cleanup_free char *path = xprintf("%s/%s", state_root, SCRATCH_DIRECTORY);
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.' && scratch_is_abandoned(dirfd(directory), entry->d_name))
			scratch_remove_after(state_root, entry->d_name);
	}
	if (directory)
		(void)closedir(directory);
}
