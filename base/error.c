/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <string.h>

#undef error_set
#undef error_set_exit
#undef error_prefix

/* Puts ": TEXT" behind the first length bytes, cut where the room ends. */
static void error_append(struct error *err, int length, const char *text)
{
	size_t used = length < 0 ? 0 : (size_t)length, room, wanted = strlen(text);

	if (used + sizeof(": ") >= sizeof(err->message))
		return;
	memcpy(err->message + used, ": ", 2);
	used += 2;
	room = sizeof(err->message) - 1 - used;
	memcpy(err->message + used, text, wanted < room ? wanted : room);
	err->message[used + (wanted < room ? wanted : room)] = '\0';
}

static int error_fill(struct error *err, int exit_status, int code, const char *format, va_list arguments)
{
	int positive = code < 0 ? -code : code;
	int length;

	if (!err)
		return -positive;
	err->code = positive;
	err->exit_status = exit_status;
	length = vsnprintf(err->message, sizeof(err->message), format, arguments);
	if (code > 0)
		error_append(err, length, strerror(code));
	return -positive;
}

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = error_fill(err, 0, code, format, arguments);
	va_end(arguments);
	return result;
}

int error_set_exit(struct error *err, int exit_status, int code, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = error_fill(err, exit_status, code, format, arguments);
	va_end(arguments);
	return result;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char rest[ERROR_MESSAGE_BYTES];
	va_list arguments;
	int length;

	if (!err)
		return -EIO;
	memcpy(rest, err->message, sizeof(rest));
	va_start(arguments, format);
	length = vsnprintf(err->message, sizeof(err->message), format, arguments);
	va_end(arguments);
	error_append(err, length, rest);
	return -err->code;
}
