/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/bench_internal.h"

enum { PIECE_BYTES = 65536, COMPLAINT_BYTES_MAX = 65536 };

uint64_t bench_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ms(void)
{
	return bench_now_ns() / 1000000;
}

extern char **environ;

struct ends {
	int input[2], output[2];
};

static void close_ends(struct ends *ends)
{
	for (int i = 0; i < 2; i++) {
		close_fd(ends->input + i);
		close_fd(ends->output + i);
	}
}

/* A group of its own: the terminal's interrupt is for the one who measures. */
static int spawn(const char *const *words, const struct ends *ends, int complaints, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int code;

	sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	if (ends->input[0] >= 0)
		(void)posix_spawn_file_actions_adddup2(&actions, ends->input[0], STDIN_FILENO);
	else
		(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, ends->output[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
	code = posix_spawnp(pid, words[0], &actions, &attributes, (char *const *)words, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return -code;
}

int process_start(struct bench *bench, const char *const *words, unsigned int flags, struct command_process *process,
	struct error *err)
{
	cleanup(close_ends) struct ends ends = { { -EBADF, -EBADF }, { -EBADF, -EBADF } };
	cleanup_fd int complaints = memfd_create("complaints", MFD_CLOEXEC);
	struct command_process made = { .input = -EBADF, .output = -EBADF, .complaints = -EBADF, .pidfd = -EBADF };
	int result;

	(void)bench;
	if (complaints < 0 || ((flags & PROCESS_INPUT) && pipe2(ends.input, O_CLOEXEC) < 0) ||
		pipe2(ends.output, O_CLOEXEC) < 0)
		return error_set(err, errno, "make the pipes of %s", words[0]);
	made.begin_ns = bench_now_ns();
	result = spawn(words, &ends, complaints, &made.pid);
	if (result < 0)
		return error_set(err, -result, "execute %s", words[0]);
	made.pidfd = pidfd_open(made.pid, 0);
	made.input = take_fd(ends.input + 1);
	made.output = take_fd(ends.output);
	made.complaints = take_fd(&complaints);
	*process = made;
	if (made.pidfd >= 0)
		return 0;
	result = error_set(err, errno, "open the process of %s", words[0]);
	process_close(process);
	return result;
}

/* Until fd can be read: 1; -EINTR when somebody asks for the end; -ETIMEDOUT. */
static int wait_readable(struct bench *bench, int fd, uint64_t until_ms)
{
	struct pollfd sources[2] = { { .fd = fd, .events = POLLIN }, { .fd = bench->signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	for (;;) {
		uint64_t now = bench_now_ms();
		int ready = poll(sources, 2, now >= until_ms ? 0 : (int)(until_ms - now));

		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0 && sources[1].revents &&
			read(bench->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			bench->interrupted_by = (int)info.ssi_signo;
		if (bench->interrupted_by)
			return -EINTR;
		if (ready > 0 && sources[0].revents)
			return 1;
		if (ready == 0 && bench_now_ms() >= until_ms)
			return -ETIMEDOUT;
	}
}

static bool take_line(struct strbuf *text, char **line)
{
	char *end = text->length ? memchr(text->data, '\n', text->length) : NULL;
	size_t length;

	if (!end)
		return false;
	length = (size_t)(end - text->data);
	*line = xstrndup(text->data, length);
	memmove(text->data, end + 1, text->length - length);
	text->length -= length + 1;
	return true;
}

int process_line(
	struct bench *bench, struct command_process *process, uint64_t timeout_ms, char **line, uint64_t *first_ns)
{
	uint64_t until_ms = bench_now_ms() + timeout_ms;
	cleanup_free char *piece = xcalloc(1, PIECE_BYTES);

	while (!take_line(&process->text, line)) {
		int result = wait_readable(bench, process->output, until_ms);
		ssize_t length;

		if (result < 0)
			return result;
		if (first_ns && !process->text.length)
			*first_ns = bench_now_ns();
		length = read(process->output, piece, PIECE_BYTES);
		if (length < 0 && errno != EINTR)
			return -errno;
		if (length == 0)
			return 0;
		if (length > 0)
			strbuf_append(&process->text, piece, (size_t)length);
	}
	return 1;
}

int process_wait(struct bench *bench, struct command_process *process, uint64_t timeout_ms, uint64_t *end_ns)
{
	int status, result = wait_readable(bench, process->pidfd, bench_now_ms() + timeout_ms);

	if (result < 0)
		return result;
	if (end_ns)
		*end_ns = bench_now_ns();
	if (waitpid(process->pid, &status, 0) != process->pid)
		return -errno;
	process->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char *process_complaint(const struct command_process *process, int status)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *last;

	if (process->complaints >= 0 && lseek(process->complaints, 0, SEEK_SET) == 0)
		(void)file_read_fd(process->complaints, COMPLAINT_BYTES_MAX, &text);
	while (text.length && text.data[text.length - 1] == '\n')
		text.data[--text.length] = '\0';
	if (!text.length)
		return xprintf("it ended with status %d and said nothing", status);
	last = strrchr(text.data, '\n');
	return xstrdup(last ? last + 1 : text.data);
}

void process_close(struct command_process *process)
{
	if (process->pid > 0) {
		(void)kill(process->pid, SIGKILL);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(&process->pidfd);
	close_fd(&process->input);
	close_fd(&process->output);
	close_fd(&process->complaints);
	strbuf_free(&process->text);
	*process = (struct command_process){ .input = -EBADF, .output = -EBADF, .complaints = -EBADF, .pidfd = -EBADF };
}

int process_run(struct bench *bench, const char *const *words, uint64_t timeout_ms, uint64_t *ns, struct error *err)
{
	struct command_process process = { .pidfd = -EBADF };
	uint64_t end_ns = 0;
	int result = process_start(bench, words, 0, &process, err);

	if (result < 0)
		return result;
	result = process_wait(bench, &process, timeout_ms, &end_ns);
	if (result < 0) {
		result = error_set(err, -result, "wait for %s %s", words[0], words[1]);
	} else if (result > 0) {
		cleanup_free char *complaint = process_complaint(&process, result);

		result = error_set(err, -EPROTO, "%s", complaint);
	} else if (ns) {
		*ns = end_ns - process.begin_ns;
	}
	process_close(&process);
	return result;
}
