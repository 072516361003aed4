/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text to a jansson tree, with integers of the whole unsigned 64-bit range. Private to oci/.
 *
 * jansson refuses integers above 2^63-1, which real configurations carry (18446744073709551615: an unlimited rlimit).
 * Such a literal is replaced, before jansson sees it and without a change of length, by a string that begins with a NUL
 * character, which no string of the document may hold; its exact value is kept beside the tree. Read it with
 * json_document_wide().
 */
#ifndef DUET_OCI_JSON_DOCUMENT_H
#define DUET_OCI_JSON_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* To be called once, before any JSON: seeds jansson's hash tables with what the kernel gave this process for such uses
 * (getauxval(3), AT_RANDOM); by itself jansson would read /dev/urandom. */
void json_document_seed(void);

struct json_wide_integer {
	bool fits;      /* in 64 unsigned bits */
	uint64_t value; /* above INT64_MAX; 0 when it does not fit */
};

struct json_document {
	json_t *root;
	struct json_wide_integer *wide;
	size_t wide_count;
};

/*
 * Parses an object or array. Returns 0, or -EINVAL with `NAME: line L, column C: …` (columns count characters from 1).
 * Refused besides what is not JSON (RFC 8259): an object with the same key twice, and the character U+0000.
 */
int json_document_parse(
	struct json_document *document, const char *text, size_t length, const char *name, struct error *err);
void json_document_free(struct json_document *document);

/* The integer that this value stands for when it is one of the replaced literals, else NULL. */
const struct json_wide_integer *json_document_wide(const struct json_document *document, const json_t *value);

#endif
