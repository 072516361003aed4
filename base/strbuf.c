/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <string.h>

static void strbuf_reserve(struct strbuf *buffer, size_t more)
{
	size_t wanted = buffer->length + more + 1;

	if (wanted <= buffer->capacity)
		return;
	buffer->capacity = wanted < 256 ? 256 : wanted * 2;
	buffer->data = xrealloc(buffer->data, buffer->capacity, 1);
}

void strbuf_append(struct strbuf *buffer, const void *data, size_t length)
{
	strbuf_reserve(buffer, length);
	if (length)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void strbuf_string(struct strbuf *buffer, const char *text)
{
	strbuf_append(buffer, text, strlen(text));
}

void strbuf_printf(struct strbuf *buffer, const char *format, ...)
{
	va_list arguments, again;
	int length;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length > 0) {
		strbuf_reserve(buffer, (size_t)length);
		(void)vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
		buffer->length += (size_t)length;
	}
	va_end(again);
}

size_t strbuf_utf8_length(const char *bytes)
{
	const unsigned char *text = (const unsigned char *)bytes;
	size_t length = text[0] < 0x80                       ? 1
			: text[0] >= 0xc2 && text[0] <= 0xdf ? 2
			: (text[0] & 0xf0) == 0xe0           ? 3
			: text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
							     : 0;

	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

void strbuf_disarm(char *text)
{
	while (*text) {
		unsigned char *c = (unsigned char *)text;
		size_t length = strbuf_utf8_length(text);

		if (length == 0 || c[0] < 0x20 || c[0] == 0x7f)
			*text = '?';
		else if (c[0] == 0xc2 && c[1] < 0xa0)
			c[0] = c[1] = '?';
		text += length ? length : 1;
	}
}

void strbuf_json_string(struct strbuf *buffer, const char *text)
{
	const unsigned char *next = (const unsigned char *)text;

	strbuf_string(buffer, "\"");
	while (*next) {
		size_t length = strbuf_utf8_length((const char *)next);

		if (*next == '"' || *next == '\\')
			strbuf_printf(buffer, "\\%c", *next);
		else if (*next == '\n')
			strbuf_string(buffer, "\\n");
		else if (*next < 0x20 || *next == 0x7f)
			strbuf_printf(buffer, "\\u%04x", *next);
		else if (length)
			strbuf_append(buffer, next, length);
		else
			strbuf_string(buffer, "\\ufffd");
		next += length ? length : 1;
	}
	strbuf_string(buffer, "\"");
}

void strbuf_free(struct strbuf *buffer)
{
	free(buffer->data);
	*buffer = (struct strbuf)STRBUF_INIT;
}
