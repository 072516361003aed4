/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <string.h>

enum { BLOCK_BYTES = 64, LENGTH_OFFSET = 56, ROUNDS = 64 };

static const uint32_t round_constants[ROUNDS] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate_right(uint32_t value, unsigned int bits)
{
	return (value >> bits) | (value << (32 - bits));
}

static uint32_t load_big_endian(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void store_big_endian(unsigned char *bytes, uint32_t value)
{
	bytes[0] = (unsigned char)(value >> 24);
	bytes[1] = (unsigned char)(value >> 16);
	bytes[2] = (unsigned char)(value >> 8);
	bytes[3] = (unsigned char)value;
}

static void expand(uint32_t schedule[ROUNDS], const unsigned char block[BLOCK_BYTES])
{
	for (int i = 0; i < 16; i++)
		schedule[i] = load_big_endian(block + 4 * (size_t)i);
	for (int i = 16; i < ROUNDS; i++) {
		uint32_t a = schedule[i - 15], b = schedule[i - 2];
		uint32_t s0 = rotate_right(a, 7) ^ rotate_right(a, 18) ^ (a >> 3);
		uint32_t s1 = rotate_right(b, 17) ^ rotate_right(b, 19) ^ (b >> 10);

		schedule[i] = schedule[i - 16] + s0 + schedule[i - 7] + s1;
	}
}

static void compress(uint32_t state[8], const unsigned char block[BLOCK_BYTES])
{
	uint32_t w[ROUNDS], v[8];

	expand(w, block);
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t s1 = rotate_right(v[4], 6) ^ rotate_right(v[4], 11) ^ rotate_right(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + choice + round_constants[i] + w[i];
		uint32_t s0 = rotate_right(v[0], 2) ^ rotate_right(v[0], 13) ^ rotate_right(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + s0 + majority;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

void sha256_start(struct sha256 *hash)
{
	static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		0x1f83d9ab, 0x5be0cd19 };

	memcpy(hash->state, initial, sizeof(initial));
	hash->length_bytes = 0;
}

void sha256_add(struct sha256 *hash, const void *data, size_t length)
{
	const unsigned char *next = data;

	while (length > 0) {
		size_t used = (size_t)(hash->length_bytes % BLOCK_BYTES);
		size_t take = BLOCK_BYTES - used < length ? BLOCK_BYTES - used : length;

		memcpy(hash->block + used, next, take);
		hash->length_bytes += take;
		next += take;
		length -= take;
		if (used + take == BLOCK_BYTES)
			compress(hash->state, hash->block);
	}
}

void sha256_finish(struct sha256 *hash, unsigned char digest[SHA256_BYTES])
{
	static const unsigned char padding[BLOCK_BYTES] = { 0x80 };
	uint64_t bits = hash->length_bytes * 8;
	size_t used = (size_t)(hash->length_bytes % BLOCK_BYTES);
	unsigned char length[8];

	store_big_endian(length, (uint32_t)(bits >> 32));
	store_big_endian(length + 4, (uint32_t)bits);
	sha256_add(hash, padding, used < LENGTH_OFFSET ? LENGTH_OFFSET - used : BLOCK_BYTES + LENGTH_OFFSET - used);
	sha256_add(hash, length, sizeof(length));
	for (size_t i = 0; i < 8; i++)
		store_big_endian(digest + 4 * i, hash->state[i]);
}

void sha256(const void *data, size_t length, unsigned char digest[SHA256_BYTES])
{
	struct sha256 hash;

	sha256_start(&hash);
	sha256_add(&hash, data, length);
	sha256_finish(&hash, digest);
}

struct sha256_text sha256_text(const unsigned char digest[SHA256_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	struct sha256_text result;

	for (size_t i = 0; i < SHA256_BYTES; i++) {
		result.text[2 * i] = digits[digest[i] >> 4];
		result.text[2 * i + 1] = digits[digest[i] & 15];
	}
	result.text[sizeof(result.text) - 1] = '\0';
	return result;
}
