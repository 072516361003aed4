/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/control.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"

/* A guest on a busy host may take its time; one that is broken does not answer at all. */
#define ANSWER_TIMEOUT_S 60
/* The monitor itself is never busy for long. */
#define STATUS_TIMEOUT_S 2

static int limit_wait(int connection, unsigned seconds)
{
	const struct timeval patience = { .tv_sec = seconds };

	return setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ? -errno : 0;
}

int control_connect(const struct container *container, struct error *err)
{
	cleanup_fd int connection = message_connect(container->directory_fd, CONTAINER_CONTROL_FILE);

	if (connection == -ENOENT || connection == -ECONNREFUSED)
		return error_set(err, -ESRCH, "container \"%s\" is not running: container not running", container->id);
	if (connection < 0)
		return error_set(err, -connection, "speak to the monitor of container \"%s\"", container->id);
	if (limit_wait(connection, ANSWER_TIMEOUT_S) < 0)
		return error_set(err, errno, "limit the wait for the monitor of container \"%s\"", container->id);
	return take_fd(&connection);
}

static int receive_answer(int connection, uint32_t answer_type, struct message *answer, struct error *err)
{
	int result = message_receive(connection, answer);

	if (result == -EAGAIN)
		return error_set(err, -ETIMEDOUT, "the micro-VM did not answer within %d s", ANSWER_TIMEOUT_S);
	if (result == -EPIPE)
		return error_set(err, -ESRCH, "the micro-VM's monitor has ended: container not running");
	if (result < 0)
		return error_set(err, -result, "hear from the monitor");
	close_fd(&answer->fd);
	if (answer->type == LAUNCH_FAILED)
		return message_to_error(answer, err);
	if (answer->type != answer_type)
		return error_set(err, -EPROTO, "the monitor said something unexpected (%u)", answer->type);
	return 0;
}

int control_request(int connection, uint32_t type, const struct strbuf *request, int fd, uint32_t answer_type,
	struct message *answer, struct error *err)
{
	int result = message_send(connection, type, request ? request->data : NULL, request ? request->length : 0, fd);

	/* What it said last is the better error. */
	if (result < 0 && result != -EPIPE)
		return error_set(err, -result, "speak to the monitor");
	return receive_answer(connection, answer_type, answer, err);
}

int control_order(const struct container *container, uint32_t type, const void *data, size_t length, struct error *err)
{
	cleanup_free struct message *answer = message_new();
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	cleanup_fd int connection = control_connect(container, err);

	if (connection < 0)
		return connection;
	strbuf_append(&request, data, length);
	return control_request(connection, type, &request, -1, LAUNCH_DONE, answer, err);
}

bool control_ask_status(const struct container *container, struct control_status *status)
{
	cleanup_free struct message *answer = message_new();
	cleanup_fd int connection = message_connect(container->directory_fd, CONTAINER_CONTROL_FILE);
	struct error err;

	if (connection < 0 || limit_wait(connection, STATUS_TIMEOUT_S) < 0 ||
		control_request(connection, CONTROL_STATUS, NULL, -1, CONTROL_STATUS, answer, &err) < 0 ||
		answer->length != sizeof(*status))
		return false;
	memcpy(status, answer->data, sizeof(*status));
	return true;
}

int control_file(const struct strbuf *content, struct error *err)
{
	cleanup_fd int fd = memfd_create("duet", MFD_CLOEXEC);
	int result;

	if (fd < 0)
		return error_set(err, errno, "make a file in memory");
	result = content && content->length ? file_write_fd(fd, content->data, content->length) : 0;
	if (result < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, result < 0 ? -result : errno, "write a file in memory");
	return take_fd(&fd);
}

/* The file is the asker's own, but the monitor, which a guest may have broken, has written it. */
static int take_answer(int fd, const struct message *message, struct strbuf *answer, struct error *err)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	uint64_t length;
	int result;

	if (message->length != sizeof(length) || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, -EPROTO, "the monitor gave a malformed answer");
	memcpy(&length, message->data, sizeof(length));
	result = file_read_fd(fd, CONTROL_FILE_MAX, &content);
	if (result < 0 || content.length != length)
		return error_set(err, -EPROTO, "the monitor gave a malformed answer");
	strbuf_append(answer, content.data, content.length);
	return 0;
}

int control_ask(const struct container *container, enum guest_question question, const struct strbuf *arguments,
	struct strbuf *answer, struct error *err)
{
	cleanup_free struct message *message = message_new();
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	cleanup_fd int connection = control_connect(container, err), file = -EBADF;
	int result;

	if (connection < 0)
		return connection;
	file = control_file(NULL, err);
	if (file < 0)
		return file;
	wire_put_u32(&request, question);
	if (arguments)
		strbuf_append(&request, arguments->data, arguments->length);
	result = control_request(connection, CONTROL_ASK, &request, file, CONTROL_ANSWER, message, err);
	return result < 0 ? result : take_answer(file, message, answer, err);
}
