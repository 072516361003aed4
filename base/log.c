/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/strbuf.h"
#include "base/timestamp.h"

static struct {
	int fd;
	enum log_format format;
	bool debug;
} log_state = { .fd = STDERR_FILENO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

int log_open(const struct log_options *options, struct error *err)
{
	int fd = STDERR_FILENO;

	if (options->path) {
		fd = open(options->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0)
			return error_set(err, errno, "open log file %s", options->path);
	}
	log_state.fd = fd;
	log_state.format = options->format;
	log_state.debug = options->debug;
	return 0;
}

int log_descriptor(void)
{
	return log_state.fd;
}

static void log_line(int fd, enum log_format format, enum log_level level, const char *message)
{
	struct strbuf line = STRBUF_INIT;
	ssize_t ignored;

	if (format == LOG_FORMAT_JSON) {
		strbuf_printf(&line, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		strbuf_json_string(&line, message);
		strbuf_printf(&line, ",\"time\":\"%s\"}\n", timestamp_now(0).text);
	} else {
		strbuf_printf(&line, "duet: %s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", message);
	}
	/* One write per line, so that lines of concurrent commands do not mix in a shared log. */
	ignored = write(fd, line.data, line.length);
	(void)ignored;
	strbuf_free(&line);
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char message[2048];
	va_list arguments;

	if (level > LOG_LEVEL_WARNING && !log_state.debug)
		return;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	log_line(log_state.fd, log_state.format, level, message);
	errno = saved;
}

void log_error(const struct error *err)
{
	int saved = errno;
	const char *message = err->message[0] ? err->message : strerror(err->code);

	log_line(log_state.fd, log_state.format, LOG_LEVEL_ERROR, message);
	if (log_state.fd != STDERR_FILENO)
		log_line(STDERR_FILENO, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, message);
	errno = saved;
}
