/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers of DNS (RFC 1035), as far as addresses of names go. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/egress_internal.h"

enum {
	HEADER_BYTES = 12,
	LABEL_MAX = 63,
	NAME_BYTES_MAX = 255,
	TYPE_A = 1,
	TYPE_AAAA = 28,
	CLASS_IN = 1,
	FLAG_RESPONSE = 0x8000,
	FLAG_OPERATION = 0x7800,
	FLAG_TRUNCATED = 0x0200,
	FLAG_RECURSION = 0x0100,
	FLAG_RECURSION_THERE = 0x0080,
	CODE_REFUSED = 5,
	CODE_MASK = 0x000f,
};

struct question {
	char name[EGRESS_NAME_MAX]; /* lower case, without the last dot */
	uint16_t type, class;
	size_t length; /* of the question in the message */
};

/* Without compression, which has no place in a first name. False: not a question that anybody would ask honestly. */
static bool read_name(const uint8_t *message, size_t length, size_t *at, char *name)
{
	size_t used = 0;

	for (;;) {
		size_t label;

		if (*at >= length)
			return false;
		label = message[(*at)++];
		if (label == 0)
			break;
		if (label > LABEL_MAX || label > length - *at || used + label + 1 > NAME_BYTES_MAX)
			return false;
		if (used)
			name[used++] = '.';
		for (size_t i = 0; i < label; i++) {
			unsigned char c = message[(*at)++];

			if (!isalnum(c) && c != '-' && c != '_')
				return false;
			name[used++] = (char)tolower(c);
		}
	}
	name[used] = '\0';
	return true;
}

static bool read_question(const uint8_t *message, size_t length, struct question *question)
{
	size_t at = HEADER_BYTES;

	if (length < HEADER_BYTES || length > EGRESS_MESSAGE_MAX || (get16(message + 2) & FLAG_OPERATION) ||
		get16(message + 4) != 1 || !read_name(message, length, &at, question->name) || length - at < 4)
		return false;
	question->type = get16(message + at);
	question->class = get16(message + at + 2);
	question->length = at + 4 - HEADER_BYTES;
	return true;
}

/* The question again, with an answer's header. */
static size_t answer_with(const uint8_t *message, const struct question *question, unsigned int code, uint8_t *answer)
{
	memcpy(answer, message, HEADER_BYTES + question->length);
	put16(answer + 2, FLAG_RESPONSE | FLAG_RECURSION_THERE | (get16(message + 2) & FLAG_RECURSION) | code);
	memset(answer + 6, 0, 6);
	return HEADER_BYTES + question->length;
}

static bool is_allowed(const struct egress *egress, const char *name)
{
	for (size_t i = 0; i < egress->rule_count; i++) {
		if (egress_rule_is_for(&egress->rules[i], name))
			return true;
	}
	return false;
}

int egress_question(struct egress *egress, const uint8_t *message, size_t length, uint16_t number,
	uint8_t query[EGRESS_MESSAGE_MAX], uint8_t answer[EGRESS_MESSAGE_MAX], size_t *answer_length)
{
	char what[EGRESS_NAME_MAX + 8];
	struct question question;

	*answer_length = 0;
	if (!egress->listed) {
		if (length < HEADER_BYTES || length > EGRESS_MESSAGE_MAX || (get16(message + 2) & FLAG_RESPONSE))
			return -EBADMSG;
		memcpy(query, message, length);
		put16(query, number);
		return (int)length;
	}
	if (!read_question(message, length, &question) || (get16(message + 2) & FLAG_RESPONSE)) {
		egress_note_refusal(egress, "dns: a message that is no plain question");
		return -EBADMSG;
	}
	if (question.class != CLASS_IN || !is_allowed(egress, question.name)) {
		(void)snprintf(what, sizeof(what), "dns %s", question.name);
		egress_note_refusal(egress, what);
		*answer_length = answer_with(message, &question, CODE_REFUSED, answer);
		return 0;
	}
	/* Of an allowed name there is nothing to know but its addresses. */
	if (question.type != TYPE_A && question.type != TYPE_AAAA) {
		*answer_length = answer_with(message, &question, 0, answer);
		return 0;
	}
	memset(query, 0, HEADER_BYTES);
	put16(query, number);
	put16(query + 2, FLAG_RECURSION);
	put16(query + 4, 1);
	for (size_t i = HEADER_BYTES; i < HEADER_BYTES + question.length; i++)
		query[i] = (uint8_t)(i < HEADER_BYTES + question.length - 4 ? tolower(message[i]) : message[i]);
	return (int)(HEADER_BYTES + question.length);
}

/* ---- answers ---- */

static bool skip_name(const uint8_t *message, size_t length, size_t *at)
{
	while (*at < length) {
		uint8_t label = message[(*at)++];

		if (label == 0)
			return true;
		if ((label & 0xc0) == 0xc0) {
			(*at)++;
			return *at <= length;
		}
		if (label > LABEL_MAX || label > length - *at)
			return false;
		*at += label;
	}
	return false;
}

static void allow(struct egress *egress, const char *name, const struct egress_address *address)
{
	char text[64], what[EGRESS_NAME_MAX + 96];

	for (size_t i = 0; i < egress->rule_count; i++) {
		const struct egress_rule *rule = &egress->rules[i];

		if (!egress_rule_is_for(rule, name) || egress_allow(egress, address, rule->port))
			continue;
		egress_print_address(address, text, sizeof(text));
		(void)snprintf(what, sizeof(what), "dns %s is %s", name, text);
		egress_note_refusal(egress, what);
	}
}

/* Whatever the names in it are: it is the trusted server's answer to a question for an allowed name, and aliases lead
 * to others. */
static bool learn_records(
	struct egress *egress, const char *name, const uint8_t *answer, size_t length, size_t at, unsigned int count)
{
	for (; count > 0; count--) {
		uint16_t type, size;

		if (!skip_name(answer, length, &at) || length - at < 10)
			return false;
		type = get16(answer + at);
		size = get16(answer + at + 8);
		at += 10;
		if (size > length - at)
			return false;
		if ((type == TYPE_A && size == 4) || (type == TYPE_AAAA && size == 16)) {
			struct egress_address address = egress_address_of(answer + at, size);

			allow(egress, name, &address);
		}
		at += size;
	}
	return true;
}

int egress_learn(struct egress *egress, const uint8_t *message, size_t message_length, uint16_t number, uint8_t *answer,
	size_t length)
{
	struct question asked, answered;

	if (length < HEADER_BYTES || !(get16(answer + 2) & FLAG_RESPONSE) || get16(answer) != number)
		return -EBADMSG;
	memcpy(answer, message, 2);
	if (!egress->listed)
		return 0;
	if (!read_question(message, message_length, &asked) || !read_question(answer, length, &answered) ||
		strcmp(asked.name, answered.name) != 0 || asked.type != answered.type || asked.class != answered.class)
		return -EBADMSG;
	/* In the sandbox's own spelling: names that differ in the case of letters are one. */
	memcpy(answer + HEADER_BYTES, message + HEADER_BYTES, asked.length);
	if ((get16(answer + 2) & (FLAG_TRUNCATED | CODE_MASK)) != 0)
		return 0;
	return learn_records(egress, asked.name, answer, length, HEADER_BYTES + answered.length, get16(answer + 6))
		       ? 0
		       : -EBADMSG;
}
