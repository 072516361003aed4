/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4): keys and checksums of what is cached. Not for secrets: no attempt at constant time is made.
 */
#ifndef DUET_BASE_SHA256_H
#define DUET_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

struct sha256 {
	uint32_t state[8];
	uint64_t length_bytes;
	unsigned char block[64]; /* what has not filled a block yet */
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t length);
void sha256_finish(struct sha256 *hash, unsigned char digest[SHA256_BYTES]);

/* The three in one. */
void sha256(const void *data, size_t length, unsigned char digest[SHA256_BYTES]);

/* A digest as 64 lower-case hexadecimal digits and a NUL. */
struct sha256_text {
	char text[2 * SHA256_BYTES + 1];
};
struct sha256_text sha256_text(const unsigned char digest[SHA256_BYTES]);

#endif
