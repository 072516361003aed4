/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/sha256.h"

static void expect(const void *data, size_t length, const char *expected)
{
	unsigned char digest[SHA256_BYTES];

	sha256(data, length, digest);
	assert_string_equal(sha256_text(digest).text, expected);
}

/* The vectors of FIPS 180-4 and of NIST's SHAVS short messages. */
static void known_messages_have_their_known_digests(void **state)
{
	(void)state;
	expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	expect("\xbd", 1, "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
}

static void a_million_letters_have_their_known_digest(void **state)
{
	cleanup_free char *letters = xcalloc(1000000, 1);

	(void)state;
	memset(letters, 'a', 1000000);
	expect(letters, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* 55, 56, 63, 64 and 65 bytes are where the padding changes shape. */
static void pieces_give_the_digest_of_the_whole(void **state)
{
	unsigned char text[200], whole[SHA256_BYTES], pieces[SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * 7);
	for (size_t length = 0; length <= sizeof(text); length++) {
		struct sha256 hash;

		sha256(text, length, whole);
		sha256_start(&hash);
		for (size_t i = 0; i < length; i += 3)
			sha256_add(&hash, text + i, length - i < 3 ? length - i : 3);
		sha256_finish(&hash, pieces);
		assert_memory_equal(whole, pieces, SHA256_BYTES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_messages_have_their_known_digests),
		cmocka_unit_test(a_million_letters_have_their_known_digest),
		cmocka_unit_test(pieces_give_the_digest_of_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
