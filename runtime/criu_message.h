/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of CRIU's service: the part of protocol buffers' wire format that they use (variable-length integers and
 * byte strings), written and read in place. A library with generated code would be larger than what is said.
 *
 * Source: criu images/rpc.proto (the field numbers), protobuf.dev "Encoding".
 */
#ifndef DUET_RUNTIME_CRIU_MESSAGE_H
#define DUET_RUNTIME_CRIU_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

void criu_put_number(struct strbuf *message, unsigned field, int64_t value);
void criu_put_bytes(struct strbuf *message, unsigned field, const void *data, size_t length);
void criu_put_text(struct strbuf *message, unsigned field, const char *text);
/* The whole of `inner` as a field of `message`. */
void criu_put_message(struct strbuf *message, unsigned field, const struct strbuf *inner);

struct criu_field {
	unsigned number;
	bool is_bytes;
	int64_t value;             /* of an integer */
	const unsigned char *data; /* of a byte string, inside the message */
	size_t length;
};

/* Takes the next field off the message. 1: there was one; 0: the end; -EBADMSG: malformed. */
int criu_next_field(const unsigned char **data, size_t *length, struct criu_field *field);
/* A byte string as text (allocated). */
char *criu_text(const struct criu_field *field);

#endif
