/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/strbuf.h"
#include "base/timestamp.h"

static struct {
	int fd;
	enum log_format format;
	enum log_target target;
	const char *identifier; /* of a service */
	bool debug;
} log_state = { .fd = STDERR_FILENO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

/* What a path may begin with, as crun has it. */
static const struct {
	const char *prefix;
	enum log_target target;
	const char *socket;
} targets[] = {
	{ "file:", LOG_TARGET_FILE, NULL },
	{ "journald:", LOG_TARGET_JOURNAL, "/run/systemd/journal/socket" },
	{ "syslog:", LOG_TARGET_SYSLOG, "/dev/log" },
};

static int connect_service(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "connect to the log's socket %s", path);
	return take_fd(&fd);
}

int log_open(const struct log_options *options, struct error *err)
{
	const char *path = options->path, *service = NULL;
	enum log_target target = LOG_TARGET_FILE;
	int fd = STDERR_FILENO;

	for (size_t i = 0; path && i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (strncmp(path, targets[i].prefix, strlen(targets[i].prefix)) != 0)
			continue;
		path += strlen(targets[i].prefix);
		target = targets[i].target;
		service = targets[i].socket;
		break;
	}
	if (service) {
		fd = connect_service(service, err);
		if (fd < 0)
			return fd;
	} else if (path) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0)
			return error_set(err, errno, "open log file %s", path);
	}
	log_state.fd = fd;
	log_state.target = target;
	log_state.identifier = path && path[0] ? path : "duet";
	log_state.format = options->format;
	log_state.debug = options->debug;
	return 0;
}

int log_descriptor(void)
{
	return log_state.fd;
}

/* One datagram (systemd.journal-fields(7), "Native Journal Protocol"; RFC 3164 with the facility "user"). */
static void put_record(struct strbuf *line, enum log_target target, enum log_level level, const char *message)
{
	static const int priorities[] = { 3, 4, 6, 7 };
	enum { FACILITY_USER = 1 << 3 };

	if (target == LOG_TARGET_JOURNAL)
		strbuf_printf(line, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n", priorities[level],
			log_state.identifier, message);
	else
		strbuf_printf(line, "<%d>%s[%d]: %s", FACILITY_USER | priorities[level], log_state.identifier,
			(int)getpid(), message);
}

static void log_line(int fd, enum log_target target, enum log_format format, enum log_level level, const char *message)
{
	struct strbuf line = STRBUF_INIT;
	char clean[2048];
	ssize_t ignored;

	(void)snprintf(clean, sizeof(clean), "%s", message);
	/* Names that a container, a guest or an archive has chosen stand in messages too. */
	strbuf_disarm(clean);
	if (target != LOG_TARGET_FILE) {
		put_record(&line, target, level, clean);
	} else if (format == LOG_FORMAT_JSON) {
		strbuf_printf(&line, "{\"level\":\"%s\",\"msg\":", level_names[level]);
		strbuf_json_string(&line, message);
		strbuf_printf(&line, ",\"time\":\"%s\"}\n", timestamp_now(0).text);
	} else {
		strbuf_printf(&line, "duet: %s%s\n", level == LOG_LEVEL_WARNING ? "warning: " : "", clean);
	}
	/* One write per line, so that lines of concurrent commands do not mix in a shared log. */
	ignored = write(fd, line.data, line.length);
	(void)ignored;
	strbuf_free(&line);
}

bool log_shows(enum log_level level)
{
	return level <= LOG_LEVEL_WARNING || log_state.debug;
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char message[2048];
	va_list arguments;

	if (!log_shows(level))
		return;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	log_line(log_state.fd, log_state.target, log_state.format, level, message);
	errno = saved;
}

void log_error(const struct error *err)
{
	int saved = errno;
	const char *message = err->message[0] ? err->message : strerror(err->code);

	log_line(log_state.fd, log_state.target, log_state.format, LOG_LEVEL_ERROR, message);
	if (log_state.fd != STDERR_FILENO)
		log_line(STDERR_FILENO, LOG_TARGET_FILE, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, message);
	errno = saved;
}
