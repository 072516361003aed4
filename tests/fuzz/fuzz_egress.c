/* SPDX-License-Identifier: Apache-2.0 */
/* What may leave a sandbox: frames of anybody, answers of a name server that lies. */
#include <string.h>

#include "input.h"
#include "sandbox/egress.h"

static struct egress_counts counts;

/* Exactly as large as it says: what is read beyond is found. */
static uint8_t *take_piece(struct input *in, size_t *length)
{
	size_t wanted = (size_t)take(in, 2) % 1600;
	uint8_t *bytes;

	*length = wanted < in->left ? wanted : in->left;
	bytes = malloc(*length ? *length : 1);
	CHECK(bytes);
	memcpy(bytes, in->next, *length);
	in->next += *length;
	in->left -= *length;
	return bytes;
}

static void ask(struct egress *egress, struct input *in, const uint8_t *frame, const uint8_t *message, size_t length)
{
	static uint8_t query[EGRESS_MESSAGE_MAX], answer[EGRESS_MESSAGE_MAX], reply[EGRESS_MESSAGE_MAX + 128];
	size_t answer_length, server_length;
	int asked = egress_question(egress, message, length, 0, query, answer, &answer_length);
	uint8_t *server;

	CHECK(asked <= EGRESS_MESSAGE_MAX && answer_length <= EGRESS_MESSAGE_MAX);
	if (asked == 0)
		CHECK(egress_answer(frame, answer, answer_length, reply, sizeof(reply)) <= sizeof(reply));
	if (asked <= 0)
		return;
	server = take_piece(in, &server_length);
	if (egress_learn(egress, message, length, 0, server, server_length) == 0)
		CHECK(egress_answer(frame, server, server_length, reply, sizeof(reply)) <= sizeof(reply));
	free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct egress egress = { .counts = &counts,
		.name_server = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 0, 3 } } };
	struct egress_reply reply;
	struct error err;

	memset(&counts, 0, sizeof(counts));
	egress.listed = take(&in, 1) & 1;
	CHECK(egress_add_rule(&egress, "a.b:80", &err) == 0 && egress_add_rule(&egress, "*.c", &err) == 0);
	while (in.left > 0) {
		const uint8_t *message = NULL;
		size_t length, message_length = 0;
		uint8_t *frame = take_piece(&in, &length);

		if (egress_look(&egress, frame, length, &message, &message_length, &reply) == EGRESS_ASK)
			ask(&egress, &in, frame, message, message_length);
		CHECK(reply.length <= sizeof(reply.frame));
		free(frame);
	}
	CHECK(counts.refusal_count <= EGRESS_REFUSALS_MAX && egress.address_count <= EGRESS_ADDRESSES_MAX);
	egress_free(&egress);
	return 0;
}
