/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain data to bytes and back: what the runtime sends to the guest's init, and what crosses the control sockets.
 *
 * Little endian, fixed widths; strings and blobs are a u32 length and the bytes. A reader never trusts its input: each
 * get_ answers zero or NULL once anything was short or malformed, and wire_reader_ok() says at the end whether all was
 * well.
 */
#ifndef DUET_BASE_WIRE_H
#define DUET_BASE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

struct wire_reader {
	const unsigned char *next;
	size_t left;
	bool failed;
};

void wire_put_u8(struct strbuf *out, uint8_t value);
void wire_put_u32(struct strbuf *out, uint32_t value);
void wire_put_u64(struct strbuf *out, uint64_t value);
void wire_put_i64(struct strbuf *out, int64_t value);
void wire_put_bytes(struct strbuf *out, const void *data, size_t length);
void wire_put_string(struct strbuf *out, const char *text);      /* NULL is kept apart from "" */
void wire_put_strings(struct strbuf *out, char *const *strings); /* NULL-terminated array; NULL counts as empty */

uint8_t wire_get_u8(struct wire_reader *in);
uint32_t wire_get_u32(struct wire_reader *in);
uint64_t wire_get_u64(struct wire_reader *in);
int64_t wire_get_i64(struct wire_reader *in);
void *wire_get_bytes(struct wire_reader *in, size_t *length); /* allocated copy; NULL with length 0 on failure */
char *wire_get_string(struct wire_reader *in);                /* allocated; NULL for NULL and on failure */
char **wire_get_strings(struct wire_reader *in);              /* allocated, NULL-terminated, never NULL */
/* A count of elements that each take at least element_bytes on the wire: a count that cannot be there fails the reader.
 */
uint32_t wire_get_count(struct wire_reader *in, size_t element_bytes);

/* True when nothing failed and everything was read. */
bool wire_reader_ok(const struct wire_reader *in);

#endif
