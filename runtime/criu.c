/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/criu.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/log.h"
#include "base/message.h"
#include "base/sys.h"

#define PROGRAM "criu"

enum { REPORT_SOCKET = 1, REPORT_FAILED };
enum { ANSWER_BYTES_MAX = 65536, LOG_BYTES_MAX = 64 << 20, NOTIFY = 6, LINUX_SIGNALS_MAX = 64 };

/* Of criu_req and criu_resp. */
enum { REQUEST_TYPE = 1, REQUEST_OPTIONS = 2, REQUEST_NOTIFY_SUCCESS = 3 };
enum {
	ANSWER_TYPE = 1,
	ANSWER_SUCCESS = 2,
	ANSWER_RESTORE = 4,
	ANSWER_NOTIFY = 5,
	ANSWER_ERRNO = 7,
	ANSWER_MESSAGE = 9
};

struct answer {
	int64_t type, success, error_code;
	pid_t pid;    /* of a notification, or the restored one */
	char *script; /* of a notification */
	char *message;
	int fd;
};

void criu_put_pair(struct strbuf *options, enum criu_option option, const char *key, const char *value)
{
	cleanup_strbuf struct strbuf pair = STRBUF_INIT;

	if (key)
		criu_put_text(&pair, 1, key);
	criu_put_text(&pair, 2, value);
	criu_put_message(options, option, &pair);
}

void criu_put_inherited(struct strbuf *options, const char *key, int fd)
{
	cleanup_strbuf struct strbuf pair = STRBUF_INIT;

	criu_put_text(&pair, 1, key);
	criu_put_number(&pair, 2, fd);
	criu_put_message(options, CRIU_INHERIT_FD, &pair);
}

static void answer_free(struct answer *answer)
{
	free(answer->script);
	free(answer->message);
	close_fd(&answer->fd);
}

/* criu_notify {script, pid} and criu_restore_resp {pid}. */
static int parse_inner(const struct criu_field *outer, struct answer *answer)
{
	const unsigned char *data = outer->data;
	size_t length = outer->length;
	struct criu_field field;
	int result;

	while ((result = criu_next_field(&data, &length, &field)) > 0) {
		if (outer->number == ANSWER_NOTIFY && field.number == 1 && field.is_bytes && !answer->script)
			answer->script = criu_text(&field);
		else if (!field.is_bytes && field.number == (outer->number == ANSWER_NOTIFY ? 2U : 1U))
			answer->pid = (pid_t)field.value;
	}
	return result;
}

static int parse_answer(const unsigned char *data, size_t length, struct answer *answer)
{
	struct criu_field field;
	int result;

	while ((result = criu_next_field(&data, &length, &field)) > 0) {
		if (field.number == ANSWER_TYPE)
			answer->type = field.value;
		else if (field.number == ANSWER_SUCCESS)
			answer->success = field.value;
		else if (field.number == ANSWER_ERRNO)
			answer->error_code = field.value;
		else if (field.number == ANSWER_MESSAGE && field.is_bytes && !answer->message)
			answer->message = criu_text(&field);
		else if ((field.number == ANSWER_NOTIFY || field.number == ANSWER_RESTORE) && field.is_bytes &&
			 parse_inner(&field, answer) < 0)
			return -EBADMSG;
	}
	return result;
}

/* One answer, with the descriptor that may come along. 1; 0: criu has closed; negative errno. */
static int receive_answer(int socket, struct answer *answer)
{
	cleanup_free unsigned char *data = xcalloc(ANSWER_BYTES_MAX, 1);
	struct iovec part = { .iov_base = data, .iov_len = ANSWER_BYTES_MAX };
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header;
	ssize_t length;

	*answer = (struct answer){ .fd = -EBADF };
	do {
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return errno == ECONNRESET ? 0 : -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&answer->fd, CMSG_DATA(header), sizeof(int));
	if (length == 0)
		return 0;
	return message.msg_flags & MSG_TRUNC                    ? -EMSGSIZE
	       : parse_answer(data, (size_t)length, answer) < 0 ? -EBADMSG
								: 1;
}

static int send_all(int socket, const struct strbuf *message)
{
	ssize_t sent;

	do {
		sent = send(socket, message->data, message->length, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* ---- the process ---- */

/* In the child. criu restores below a mount point, which the bundle's root need not be; where it is one the mounts of
 * this namespace go with it. */
static int prepare_root(const char *root)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	return 0;
}

static int keep_open(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

static int hand_over(const struct criu_job *job, const struct criu_inherited *inherited)
{
	cleanup_fd int again = -EBADF;

	if (!job->root || !inherited->path)
		return keep_open(inherited->fd);
	again = open(inherited->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return again < 0 || dup2(again, inherited->fd) < 0 ? -errno : 0;
}

/* Everything was blocked for a signalfd of the runtime's; that must not go into the restored processes. */
static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number <= LINUX_SIGNALS_MAX; number++)
		(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* criu looks descriptors up in the process that made the socket pair, by SO_PEERCRED: that has to be its own, since the
 * directories were opened anew there. */
static int make_socket(int report)
{
	int sockets[2], result;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	result = message_send(report, REPORT_SOCKET, NULL, 0, sockets[0]);
	(void)close(sockets[0]);
	return result < 0 ? result : sockets[1];
}

static int prepare(const struct criu_job *job, int report, int *socket, struct error *err)
{
	int result = job->join ? cgroup_join_self(job->join, err) : 0;

	if (result < 0)
		return result;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	reset_signals();
	if (job->root)
		result = prepare_root(job->root);
	for (size_t i = 0; i < job->inherited_count && result == 0; i++)
		result = hand_over(job, &job->inherited[i]);
	if (result == 0)
		result = make_socket(report);
	if (result < 0)
		return error_set(err, -result, "prepare for `" PROGRAM "`");
	*socket = result;
	return keep_open(result);
}

static int refuse_missing(struct error *err)
{
	return error_set(err, -ENOENT,
		"the program `" PROGRAM "` (Debian package criu), which checkpoint and restore need, is not installed");
}

int criu_check(struct error *err)
{
	const char *path = getenv("PATH");
	cleanup_free char *directories = xstrdup(path ? path : "/bin:/usr/bin"); /* execvp(3) */
	char *rest = directories, *directory;

	while ((directory = strsep(&rest, ":"))) {
		cleanup_free char *file = xprintf("%s/" PROGRAM, *directory ? directory : ".");

		if (access(file, X_OK) == 0)
			return 0;
	}
	return refuse_missing(err);
}

static void run_child(const struct criu_job *job, int report)
{
	char program[] = PROGRAM, mode[] = "swrk", number[16];
	char *arguments[] = { program, mode, number, NULL };
	struct error err = { 0 };
	int socket = -EBADF;

	if (prepare(job, report, &socket, &err) == 0) {
		(void)snprintf(number, sizeof(number), "%d", socket);
		(void)execvp(PROGRAM, arguments);
		if (errno == ENOENT)
			(void)refuse_missing(&err);
		else
			(void)error_set(&err, errno, "start the program `" PROGRAM "`");
	}
	(void)message_send_error(report, REPORT_FAILED, &err);
	_exit(1);
}

/* What the child says until criu runs: its socket, and then nothing more, or why not. */
static int hear_child(int report, int *socket, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result;

	while ((result = message_receive(report, message)) == 0) {
		if (message->type == REPORT_FAILED)
			return message_to_error(message, err);
		close_fd(socket);
		*socket = take_fd(&message->fd);
	}
	if (result != -EPIPE || *socket < 0)
		return error_set(err, -EIO, "the program `" PROGRAM "` ended while it was being started");
	return 0;
}

/* Starts criu and waits until it runs. Returns the socket to speak over. */
static int start(const struct criu_job *job, pid_t *pid, struct error *err)
{
	struct clone_args arguments = { .exit_signal = SIGCHLD };
	cleanup_fd int ours = -EBADF, theirs = -EBADF, socket = -EBADF;
	int pair[2], result = message_pair(pair, err);

	if (result < 0)
		return result;
	ours = pair[0];
	theirs = pair[1];
	if (job->join && job->join->clone_into_fd >= 0) {
		arguments.flags = CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)job->join->clone_into_fd;
	}
	*pid = sys_clone3(&arguments);
	if (*pid == 0)
		run_child(job, theirs);
	if (*pid < 0)
		return error_set(err, errno, "start the program `" PROGRAM "`");
	close_fd(&theirs);
	result = hear_child(ours, &socket, err);
	if (result == 0)
		return take_fd(&socket);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
	return result;
}

/* ---- the conversation ---- */

static int send_request(int socket, const struct criu_job *job)
{
	cleanup_strbuf struct strbuf request = STRBUF_INIT;

	criu_put_number(&request, REQUEST_TYPE, job->type);
	criu_put_message(&request, REQUEST_OPTIONS, job->options);
	return send_all(socket, &request);
}

static int acknowledge(int socket, bool success)
{
	cleanup_strbuf struct strbuf request = STRBUF_INIT;

	criu_put_number(&request, REQUEST_TYPE, NOTIFY);
	criu_put_number(&request, REQUEST_NOTIFY_SUCCESS, success);
	return send_all(socket, &request);
}

/* The first line of its log that says "Error" (allocated); NULL: none. Later ones are mostly consequences. */
static char *first_error(const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *line;

	if (file_read(AT_FDCWD, path, LOG_BYTES_MAX, &text) < 0)
		return NULL;
	line = strstr(text.data, "Error (");
	if (!line)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return xstrdup(line);
}

static int explain_refusal(const struct criu_job *job, const struct answer *answer, struct error *err)
{
	cleanup_free char *reason = first_error(job->log_path);
	const char *what = job->type == CRIU_RESTORE ? "restore" : "checkpoint";

	if (!reason && answer && answer->message)
		reason = xstrdup(answer->message);
	if (!reason && answer && answer->error_code)
		reason = xstrdup(strerror((int)answer->error_code));
	return error_set(err, -EIO, "criu could not %s the container: %s (its log: %s)", what,
		reason ? reason : "it ended without a word", job->log_path);
}

static int converse(int socket, const struct criu_job *job, pid_t *restored_pid, struct error *err)
{
	struct error failure = { 0 };
	int result = send_request(socket, job);

	for (;;) {
		cleanup(answer_free) struct answer answer = { .fd = -EBADF };

		/* It has ended: what there is of its words comes next. */
		if (result < 0 && result != -EPIPE)
			return error_set(err, -result, "speak to criu");
		result = receive_answer(socket, &answer);
		if (result < 0)
			return error_set(err, -result, "hear from criu");
		if (result == 0 || (answer.type != NOTIFY && !answer.success)) {
			if (failure.code && err)
				*err = failure;
			return failure.code ? -failure.code : explain_refusal(job, result ? &answer : NULL, err);
		}
		if (answer.type != NOTIFY) {
			*restored_pid = answer.pid;
			return 0;
		}
		result = 0;
		log_debug("criu: %s", answer.script ? answer.script : "?");
		if (job->notify && answer.script)
			result = job->notify(job->context, answer.script, answer.pid, take_fd(&answer.fd), &failure);
		result = acknowledge(socket, result == 0);
	}
}

int criu_run(const struct criu_job *job, pid_t *restored_pid, struct error *err)
{
	cleanup_fd int socket = -EBADF;
	pid_t pid = 0;
	int result;

	socket = start(job, &pid, err);
	if (socket < 0)
		return socket;
	result = converse(socket, job, restored_pid, err);
	/* After a pre-dump it waits for more, and complains when nothing comes. Closed altogether it would complain of
	 * not being heard. */
	if (result == 0 && job->type == CRIU_PRE_DUMP)
		(void)kill(pid, SIGKILL);
	(void)shutdown(socket, result == 0 ? SHUT_WR : SHUT_RDWR);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}
