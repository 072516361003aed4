/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, PROBE_SECONDS = 900 };

static size_t escape(char *line, size_t at, const char *text)
{
	for (; *text && at < LINE_MAX_BYTES - 8; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte < 0x20 || byte == 0x7f || byte == '\\')
			at += (size_t)snprintf(line + at, 5, "\\x%02x", byte);
		else
			line[at++] = (char)byte;
	}
	return at;
}

/* In one write(2), so that lines of several processes do not mix. The formatted text's tabs stay: they part fields. */
void say(const char *kind, const char *name, const char *format, ...)
{
	char text[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
	char *field = text, *next;
	va_list arguments;
	size_t at;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	at = (size_t)snprintf(line, sizeof(line), "%s\t%s", kind, name);
	do {
		next = strchr(field, '\t');
		if (next)
			*next++ = '\0';
		line[at++] = '\t';
		at = escape(line, at, field);
		field = next;
	} while (field && at < LINE_MAX_BYTES - 16);
	line[at++] = '\n';
	(void)!write(STDOUT_FILENO, line, at);
}

int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t count = 1;
	int error;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	while (count > 0 && length < size - 1) {
		count = read(fd, text + length, size - 1 - length);
		if (count > 0)
			length += (size_t)count;
	}
	error = errno;
	(void)close(fd);
	if (count < 0)
		return -error;
	if (length && text[length - 1] == '\n')
		length--;
	text[length] = '\0';
	return (int)length;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{ "facts", probe_facts },
		{ "surface", probe_surface },
		{ "attempts", probe_attempts },
		{ "faults", probe_faults },
		{ "crash", probe_crash },
	};

	/* Whatever hangs ends by itself. */
	(void)alarm(PROBE_SECONDS);
	for (int i = 1; i < argc; i++) {
		size_t part = 0;

		while (part < sizeof(parts) / sizeof(parts[0]) && strcmp(parts[part].name, argv[i]) != 0)
			part++;
		if (part == sizeof(parts) / sizeof(parts[0]))
			return 2;
		parts[part].run();
	}
	say("fact", "end", "%s", "");
	return 0;
}
