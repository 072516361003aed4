/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/criu_message.h"

#include <errno.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5, VARINT_BYTES_MAX = 10 };

static void put_varint(struct strbuf *message, uint64_t value)
{
	do {
		unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

		strbuf_append(message, &byte, 1);
		value >>= 7;
	} while (value);
}

void criu_put_number(struct strbuf *message, unsigned field, int64_t value)
{
	put_varint(message, (uint64_t)field << 3 | WIRE_VARINT);
	put_varint(message, (uint64_t)value);
}

void criu_put_bytes(struct strbuf *message, unsigned field, const void *data, size_t length)
{
	put_varint(message, (uint64_t)field << 3 | WIRE_BYTES);
	put_varint(message, length);
	strbuf_append(message, data, length);
}

void criu_put_text(struct strbuf *message, unsigned field, const char *text)
{
	criu_put_bytes(message, field, text, strlen(text));
}

void criu_put_message(struct strbuf *message, unsigned field, const struct strbuf *inner)
{
	criu_put_bytes(message, field, inner->data ? inner->data : "", inner->length);
}

static bool take_varint(const unsigned char **data, size_t *length, uint64_t *value)
{
	*value = 0;
	for (unsigned i = 0; i<VARINT_BYTES_MAX && * length> 0; i++) {
		unsigned char byte = *(*data)++;

		(*length)--;
		*value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

int criu_next_field(const unsigned char **data, size_t *length, struct criu_field *field)
{
	uint64_t key, value = 0;
	size_t size;

	if (*length == 0)
		return 0;
	if (!take_varint(data, length, &key))
		return -EBADMSG;
	*field = (struct criu_field){ .number = (unsigned)(key >> 3), .is_bytes = (key & 7) == WIRE_BYTES };
	switch (key & 7) {
	case WIRE_VARINT:
		if (!take_varint(data, length, &value))
			return -EBADMSG;
		field->value = (int64_t)value;
		return 1;
	case WIRE_BYTES:
		if (!take_varint(data, length, &value))
			return -EBADMSG;
		size = value > *length ? SIZE_MAX : (size_t)value;
		break;
	default:
		size = (key & 7) == WIRE_FIXED64 ? 8 : (key & 7) == WIRE_FIXED32 ? 4 : SIZE_MAX;
	}
	if (size > *length)
		return -EBADMSG;
	field->data = *data;
	field->length = size;
	*data += size;
	*length -= size;
	return 1;
}

char *criu_text(const struct criu_field *field)
{
	return xstrndup((const char *)field->data, field->length);
}
