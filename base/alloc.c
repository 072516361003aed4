/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdarg.h>
#include <string.h>

static void out_of_memory(void)
{
	static const char text[] = "duet: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	_exit(1);
}

void *xcalloc(size_t count, size_t size_bytes)
{
	void *pointer = calloc(count ? count : 1, size_bytes ? size_bytes : 1);

	if (!pointer)
		out_of_memory();
	return pointer;
}

void *xrealloc(void *pointer, size_t count, size_t size_bytes)
{
	void *grown = reallocarray(pointer, count ? count : 1, size_bytes ? size_bytes : 1);

	if (!grown)
		out_of_memory();
	return grown;
}

char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text) + 1);
}

char *xstrndup(const char *text, size_t length)
{
	size_t real = strnlen(text, length);
	char *copy = xcalloc(real + 1, 1);

	memcpy(copy, text, real);
	return copy;
}

void *xmemdup(const void *data, size_t size_bytes)
{
	void *copy = xcalloc(size_bytes, 1);

	if (size_bytes)
		memcpy(copy, data, size_bytes);
	return copy;
}

char *xprintf(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory();
	return text;
}

void free_strings(char **strings)
{
	if (!strings)
		return;
	for (char **s = strings; *s; s++)
		free(*s);
	free(strings);
}
