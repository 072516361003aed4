/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include <endian.h>
#include <string.h>

enum { WIRE_STRING_ABSENT = 0, WIRE_STRING_PRESENT = 1 };

void wire_put_u8(struct strbuf *out, uint8_t value)
{
	strbuf_append(out, &value, sizeof(value));
}

void wire_put_u32(struct strbuf *out, uint32_t value)
{
	uint32_t little = htole32(value);

	strbuf_append(out, &little, sizeof(little));
}

void wire_put_u64(struct strbuf *out, uint64_t value)
{
	uint64_t little = htole64(value);

	strbuf_append(out, &little, sizeof(little));
}

void wire_put_i64(struct strbuf *out, int64_t value)
{
	wire_put_u64(out, (uint64_t)value);
}

void wire_put_bytes(struct strbuf *out, const void *data, size_t length)
{
	wire_put_u32(out, (uint32_t)length);
	strbuf_append(out, data, length);
}

void wire_put_string(struct strbuf *out, const char *text)
{
	wire_put_u8(out, text ? WIRE_STRING_PRESENT : WIRE_STRING_ABSENT);
	if (text)
		wire_put_bytes(out, text, strlen(text));
}

void wire_put_strings(struct strbuf *out, char *const *strings)
{
	uint32_t count = 0;

	while (strings && strings[count])
		count++;
	wire_put_u32(out, count);
	for (uint32_t i = 0; i < count; i++)
		wire_put_bytes(out, strings[i], strlen(strings[i]));
}

static void wire_take(struct wire_reader *in, void *value, size_t length)
{
	memset(value, 0, length);
	if (in->failed || in->left < length) {
		in->failed = true;
		return;
	}
	memcpy(value, in->next, length);
	in->next += length;
	in->left -= length;
}

uint8_t wire_get_u8(struct wire_reader *in)
{
	uint8_t value;

	wire_take(in, &value, sizeof(value));
	return value;
}

uint32_t wire_get_u32(struct wire_reader *in)
{
	uint32_t value;

	wire_take(in, &value, sizeof(value));
	return le32toh(value);
}

uint64_t wire_get_u64(struct wire_reader *in)
{
	uint64_t value;

	wire_take(in, &value, sizeof(value));
	return le64toh(value);
}

int64_t wire_get_i64(struct wire_reader *in)
{
	return (int64_t)wire_get_u64(in);
}

void *wire_get_bytes(struct wire_reader *in, size_t *length)
{
	uint32_t announced = wire_get_u32(in);
	char *copy;

	*length = 0;
	if (in->failed || announced > in->left) {
		in->failed = true;
		return NULL;
	}
	copy = xcalloc((size_t)announced + 1, 1);
	memcpy(copy, in->next, announced);
	in->next += announced;
	in->left -= announced;
	*length = announced;
	return copy;
}

static char *wire_get_text(struct wire_reader *in)
{
	size_t length;
	char *text = wire_get_bytes(in, &length);

	/* A NUL inside would make two readers see two different strings. */
	if (text && memchr(text, '\0', length)) {
		in->failed = true;
		free(text);
		return NULL;
	}
	return text;
}

char *wire_get_string(struct wire_reader *in)
{
	uint8_t present = wire_get_u8(in);

	if (present > WIRE_STRING_PRESENT)
		in->failed = true;
	return present == WIRE_STRING_PRESENT ? wire_get_text(in) : NULL;
}

uint32_t wire_get_count(struct wire_reader *in, size_t element_bytes)
{
	uint32_t count = wire_get_u32(in);

	if (in->failed || count > in->left / (element_bytes ? element_bytes : 1)) {
		in->failed = true;
		return 0;
	}
	return count;
}

char **wire_get_strings(struct wire_reader *in)
{
	uint32_t count = wire_get_count(in, sizeof(uint32_t));
	char **strings = xcalloc((size_t)count + 1, sizeof(*strings));

	for (uint32_t i = 0; i < count && !in->failed; i++)
		strings[i] = wire_get_text(in);
	return strings;
}

bool wire_reader_ok(const struct wire_reader *in)
{
	return !in->failed && in->left == 0;
}
