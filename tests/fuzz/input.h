/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share: the input as a stream of small numbers, zeros when it is used up; and a check that holds
 * without any sanitizer.
 */
#ifndef DUET_TESTS_FUZZ_INPUT_H
#define DUET_TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                  \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

struct input {
	const uint8_t *next;
	size_t left;
};

/* Up to 8 bytes, little endian. */
static inline uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->left; i++, in->left--)
		value |= (uint64_t)*in->next++ << (8 * i);
	return value;
}

static inline size_t take_bytes(struct input *in, void *data, size_t length)
{
	if (length > in->left)
		length = in->left;
	memcpy(data, in->next, length);
	in->next += length;
	in->left -= length;
	return length;
}

#endif
