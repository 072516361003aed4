/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer, always NUL-terminated behind its length.
 */
#ifndef DUET_BASE_STRBUF_H
#define DUET_BASE_STRBUF_H

#include <stddef.h>

#include "base/alloc.h"

struct strbuf {
	char *data;
	size_t length;   /* bytes in use, without the terminating NUL */
	size_t capacity; /* bytes allocated */
};

#define STRBUF_INIT                                      \
	{                                                \
		.data = NULL, .length = 0, .capacity = 0 \
	}
#define cleanup_strbuf cleanup(strbuf_free)

void strbuf_append(struct strbuf *buffer, const void *data, size_t length);
void strbuf_string(struct strbuf *buffer, const char *text);
void strbuf_printf(struct strbuf *buffer, const char *format, ...) printf_like(2, 3);
/* Length of the well-formed UTF-8 sequence that the text begins with, or 0. */
size_t strbuf_utf8_length(const char *text);
/* What was not chosen by the caller stays on one line and commands no terminal: control characters, those of U+0080 to
 * U+009F and what is no UTF-8 become question marks. */
void strbuf_disarm(char *text);
/* Appends text as a JSON string with its quotes (RFC 8259); bytes that are not UTF-8 become U+FFFD. */
void strbuf_json_string(struct strbuf *buffer, const char *text);
void strbuf_free(struct strbuf *buffer);

#endif
