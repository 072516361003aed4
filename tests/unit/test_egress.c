/* SPDX-License-Identifier: Apache-2.0 */
/* What may leave a sandbox that has a network. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "sandbox/egress_internal.h"

static struct egress_counts counts;

static struct egress begin(const char *const *rules)
{
	struct egress egress = { .counts = &counts,
		.listed = rules,
		.name_server = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 0, 3 } } };
	struct error err;

	memset(&counts, 0, sizeof(counts));
	for (; rules && *rules; rules++)
		assert_int_equal(egress_add_rule(&egress, *rules, &err), 0);
	return egress;
}

/* A frame of IPv4 with TCP's SYN or UDP to a.b.c.d:port. */
static size_t make_frame(uint8_t *frame, uint8_t protocol, const uint8_t *to, uint16_t port)
{
	memset(frame, 0, 128);
	memcpy(frame, "\2\2\2\2\2\2\4\4\4\4\4\4\x08", 13);
	frame[14] = 0x45;
	frame[17] = protocol == 6 ? 40 : 28;
	frame[23] = protocol;
	memcpy(frame + 26, "\xc0\0\0\2", 4);
	memcpy(frame + 30, to, 4);
	frame[34] = 0x80;
	frame[36] = (uint8_t)(port >> 8);
	frame[37] = (uint8_t)port;
	frame[46] = 0x50;
	frame[47] = 0x02;
	return 14U + frame[17];
}

static enum egress_verdict look(struct egress *egress, const uint8_t *frame, size_t length, struct egress_reply *reply)
{
	const uint8_t *message;
	size_t message_length;

	return egress_look(egress, frame, length, &message, &message_length, reply);
}

/* A question for a name in the form "\3www\7example\0". */
static size_t make_question(uint8_t *message, const char *name, size_t length, uint8_t type)
{
	memset(message, 0, 12);
	memcpy(message, "\x12\x34\x01", 3);
	message[5] = 1;
	memcpy(message + 12, name, length);
	memcpy(message + 12 + length, (const uint8_t[]){ 0, type, 0, 1 }, 4);
	return 16 + length;
}

static const uint8_t somewhere[4] = { 198, 51, 100, 7 }, metadata[4] = { 169, 254, 169, 254 };

static void without_a_list_all_but_special_addresses_pass(void **state)
{
	struct egress egress = begin(NULL);
	struct egress_reply reply;
	uint8_t frame[128];

	(void)state;
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, somewhere, 443), &reply), EGRESS_PASS);
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, metadata, 80), &reply), EGRESS_REFUSE);
	assert_string_equal(counts.refusals[0].what, "tcp 169.254.169.254:80");
	assert_int_equal(reply.length, 54);
	assert_int_equal(reply.frame[47], 0x14); /* RST, ACK */
	assert_int_equal(look(&egress, frame, make_frame(frame, 17, (const uint8_t[]){ 127, 0, 0, 1 }, 53), &reply),
		EGRESS_REFUSE);
	assert_int_equal(reply.frame[34], 3);
	assert_int_equal(counts.refused, 2);
}

static void damaged_frames_and_fragments_go_nowhere(void **state)
{
	struct egress egress = begin(NULL);
	struct egress_reply reply;
	uint8_t frame[128];
	size_t length = make_frame(frame, 6, somewhere, 443);

	(void)state;
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(look(&egress, frame, cut, &reply), EGRESS_DROP);
	frame[20] = 0x20; /* more fragments */
	assert_int_equal(look(&egress, frame, length, &reply), EGRESS_DROP);
	length = make_frame(frame, 6, somewhere, 443);
	frame[14] = 0x4f; /* a header longer than the packet */
	assert_int_equal(look(&egress, frame, length, &reply), EGRESS_DROP);
}

static void services_of_clouds_are_not_reached(void **state)
{
	static const char *const special[] = { "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
		"fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1" };
	static const char *const ordinary[] = { "168.63.129.17", "100.100.100.201", "192.0.0.193", "fd20:cf::1" };
	uint8_t bytes[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(special) + ARRAY_SIZE(ordinary); i++) {
		bool expected = i < ARRAY_SIZE(special);
		const char *text = expected ? special[i] : ordinary[i - ARRAY_SIZE(special)];
		bool old = inet_pton(AF_INET, text, bytes) == 1;
		struct egress_address address;

		assert_true(old || inet_pton(AF_INET6, text, bytes) == 1);
		address = egress_address_of(bytes, old ? 4 : 16);
		if (egress_is_special(&address) != expected)
			fail_msg("%s", text);
	}
}

static void a_list_lets_names_be_asked_and_their_addresses_be_reached(void **state)
{
	struct egress egress = begin((const char *const[]){ "www.example:443", "*.org", "192.0.2.9:80", NULL });
	uint8_t frame[128], message[64], query[EGRESS_MESSAGE_MAX], answer[EGRESS_MESSAGE_MAX];
	size_t length = make_question(message, "\3WwW\7example", 13, 1), answer_length;
	struct egress_reply reply;

	(void)state;
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, somewhere, 443), &reply), EGRESS_REFUSE);
	assert_int_equal(egress_question(&egress, message, length, 0x789a, query, answer, &answer_length), length);
	assert_memory_equal(query, "\x78\x9a", 2);
	assert_memory_equal(query + 12, "\3www\7example", 13);
	memcpy(answer, query, length);
	answer[2] = 0x81;
	answer[7] = 1;
	memcpy(answer + length, "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc6\x33\x64\x07", 16);
	/* From somebody who guesses. */
	answer[1] ^= 1;
	assert_true(egress_learn(&egress, message, length, 0x789a, answer, length + 16) < 0);
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, somewhere, 443), &reply), EGRESS_REFUSE);
	answer[1] ^= 1;
	assert_int_equal(egress_learn(&egress, message, length, 0x789a, answer, length + 16), 0);
	assert_memory_equal(answer, "\x12\x34", 2);
	assert_memory_equal(answer + 12, "\3WwW", 4);
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, somewhere, 443), &reply), EGRESS_PASS);
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, somewhere, 80), &reply), EGRESS_REFUSE);
	assert_int_equal(
		look(&egress, frame, make_frame(frame, 6, (const uint8_t[]){ 192, 0, 2, 9 }, 80), &reply), EGRESS_PASS);
	egress_free(&egress);
}

static void other_questions_do_not_leave(void **state)
{
	struct egress egress = begin((const char *const[]){ "www.example", "*.org", NULL });
	uint8_t message[64], query[EGRESS_MESSAGE_MAX], answer[EGRESS_MESSAGE_MAX];
	size_t length = make_question(message, "\6secret\4evil", 13, 1), answer_length;

	(void)state;
	message[24] = 0;
	assert_int_equal(egress_question(&egress, message, length, 0x789a, query, answer, &answer_length), 0);
	assert_int_equal(answer[3] & 15, 5);
	assert_string_equal(counts.refusals[0].what, "dns secret.evil");
	/* An allowed name, but a record that could carry something; and a name that only ends like one. */
	length = make_question(message, "\3www\7example", 13, 16);
	assert_int_equal(egress_question(&egress, message, length, 0x789a, query, answer, &answer_length), 0);
	assert_int_equal(answer[3] & 15, 0);
	length = make_question(message, "\6badorg", 8, 1);
	assert_int_equal(egress_question(&egress, message, length, 0x789a, query, answer, &answer_length), 0);
	length = make_question(message, "\1a\3org", 7, 28);
	assert_int_equal(egress_question(&egress, message, length, 0x789a, query, answer, &answer_length), length);
	for (size_t cut = 0; cut < length; cut++)
		assert_true(egress_question(&egress, message, cut, 0x789a, query, answer, &answer_length) < 0);
	egress_free(&egress);
}

static void an_answer_that_names_the_host_itself_opens_nothing(void **state)
{
	struct egress egress = begin((const char *const[]){ "www.example", NULL });
	uint8_t frame[128], message[64], query[EGRESS_MESSAGE_MAX], answer[EGRESS_MESSAGE_MAX];
	size_t length = make_question(message, "\3www\7example", 13, 1), answer_length;
	struct egress_reply reply;

	(void)state;
	assert_int_equal(egress_question(&egress, message, length, 0x789a, query, answer, &answer_length), length);
	memcpy(answer, query, length);
	answer[2] = 0x81;
	answer[7] = 1;
	memcpy(answer + length, "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xa9\xfe\xa9\xfe", 16);
	assert_int_equal(egress_learn(&egress, message, length, 0x789a, answer, length + 16), 0);
	assert_string_equal(counts.refusals[0].what, "dns www.example is 169.254.169.254");
	assert_int_equal(look(&egress, frame, make_frame(frame, 6, metadata, 80), &reply), EGRESS_REFUSE);
	/* An answer whose records reach beyond its end is not believed. */
	answer[7] = 2;
	memcpy(answer, query, 2);
	assert_true(egress_learn(&egress, message, length, 0x789a, answer, length + 16) < 0);
	egress_free(&egress);
}

static void rules_are_names_or_addresses(void **state)
{
	static const char *const good[] = { "a", "a.b:1", "*.a", "1.2.3.4", "1.2.3.4:5", "::1", "[fd00::1]:80", NULL };
	static const char *const bad[] = { "", ":80", "a:", "a:0", "a:65536", "a b", "*", "*.", "a*", "[::1", "[x]:1",
		"a..b", NULL };
	struct egress egress = begin(good);
	struct error err;

	(void)state;
	for (size_t i = 0; bad[i]; i++)
		assert_int_equal(egress_add_rule(&egress, bad[i], &err), -EINVAL);
	egress_free(&egress);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_list_all_but_special_addresses_pass),
		cmocka_unit_test(services_of_clouds_are_not_reached),
		cmocka_unit_test(damaged_frames_and_fragments_go_nowhere),
		cmocka_unit_test(a_list_lets_names_be_asked_and_their_addresses_be_reached),
		cmocka_unit_test(other_questions_do_not_leave),
		cmocka_unit_test(an_answer_that_names_the_host_itself_opens_nothing),
		cmocka_unit_test(rules_are_names_or_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
