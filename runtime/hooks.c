/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/descriptors.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"

extern char **environ;

/* A memory file and not a pipe: a hook that does not read its input must not be able to block the runtime. */
static int hook_input(const struct strbuf *state, struct error *err)
{
	cleanup_fd int fd = memfd_create("hook-state", MFD_CLOEXEC);
	int result;

	if (fd < 0)
		return error_set(err, errno, "make the input of a hook");
	result = file_write_fd(fd, state->data, state->length);
	if (result < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, EIO, "write the input of a hook");
	return take_fd(&fd);
}

/* `failure`: where the errno of execve(2) goes, closed by its success. */
static void hook_execute(const struct oci_hook *hook, int input, int failure)
{
	char *path_alone[] = { hook->path, NULL };
	char *empty[] = { NULL };
	sigset_t none;
	int reason;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (hook->timeout_s > 0)
		(void)setpgid(0, 0);
	/* Nothing that the runtime or its caller has open is a hook's business, least of all one inside the container.
	 */
	if (dup2(input, STDIN_FILENO) < 0 || descriptors_close_but(STDERR_FILENO + 1, &failure, 1) < 0)
		_exit(126);
	(void)execve(hook->path, hook->args && hook->args[0] ? hook->args : path_alone, hook->env ? hook->env : empty);
	reason = errno;
	(void)file_write_fd(failure, &reason, sizeof(reason));
	_exit(126);
}

static int hook_wait(pid_t pid, const struct oci_hook *hook, struct error *err)
{
	cleanup_fd int pidfd = pidfd_open(pid, 0);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	bool expired = false;
	int status = 0;

	if (hook->timeout_s > 0 && pidfd >= 0) {
		int timeout_ms = hook->timeout_s > 2000000 ? -1 : (int)hook->timeout_s * 1000;
		int ready;

		do {
			ready = poll(&ended, 1, timeout_ms);
		} while (ready < 0 && errno == EINTR);
		if (ready == 0) {
			expired = true;
			(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
			/* The group's name is taken until the hook itself is waited for. */
			(void)kill(-pid, SIGKILL);
		}
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for hook %s", hook->path);
	}
	if (expired)
		return error_set(err, -ETIMEDOUT, "hook %s did not end within %u s", hook->path, hook->timeout_s);
	if (WIFSIGNALED(status))
		return error_set(err, -EIO, "hook %s was killed by signal %d", hook->path, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return error_set(err, -EIO, "hook %s failed with exit status %d", hook->path, WEXITSTATUS(status));
	return 0;
}

static int hook_run(const struct oci_hook *hook, const struct oci_state *state, struct error *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	cleanup_fd int input = -EBADF, heard = -EBADF, failure = -EBADF;
	int ends[2], reason, result;
	pid_t pid;

	oci_state_print(&json, state, false);
	input = hook_input(&json, err);
	if (input < 0)
		return input;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe for hook %s", hook->path);
	heard = ends[0];
	failure = ends[1];
	pid = fork();
	if (pid < 0)
		return error_set(err, errno, "fork for hook %s", hook->path);
	if (pid == 0)
		hook_execute(hook, input, failure);
	close_fd(&failure);
	/* What a hook has started ends with it when its time is up. One without a limit stays in the caller's group, so
	 * that the terminal's interrupt reaches it. Both sides set it: whoever comes first. */
	if (hook->timeout_s > 0)
		(void)setpgid(pid, pid);
	/* Says nothing at all when the hook runs, so it is no wait for it. */
	result = file_read_exactly(heard, &reason, sizeof(reason)) == 0
			 ? error_set(err, reason, "execute hook %s", hook->path)
			 : 0;
	if (result == 0)
		return hook_wait(pid, hook, err);
	(void)waitpid(pid, NULL, 0);
	return result;
}

int hooks_run(const struct oci_spec *spec, enum oci_hook_kind kind, const struct oci_state *state, struct error *err)
{
	const struct oci_hooks *hooks = &spec->hooks[kind];

	for (size_t i = 0; i < hooks->count; i++) {
		int result = hook_run(&hooks->entries[i], state, err);

		if (result < 0)
			return error_prefix(err, "hooks.%s[%zu]", oci_name_of(&oci_hook_kinds, kind), i);
	}
	return 0;
}

void hooks_run_all(const struct oci_spec *spec, enum oci_hook_kind kind, const struct oci_state *state)
{
	const struct oci_hooks *hooks = &spec->hooks[kind];

	for (size_t i = 0; i < hooks->count; i++) {
		struct error err;

		if (hook_run(&hooks->entries[i], state, &err) < 0)
			log_warning("hooks.%s[%zu]: %s", oci_name_of(&oci_hook_kinds, kind), i, err.message);
	}
}
