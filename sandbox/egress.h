/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may leave a sandbox that has a network: decided frame by frame and question by question outside of it, by names
 * (--allow-host) or, without such a list, by everything but the host's own neighbourhood (loopback, link-local: the
 * metadata services of clouds). No system calls here.
 *
 * Source: RFC 791, 8200 (IP), 9293 (TCP), 768 (UDP), 1035 (DNS), 6890 (special addresses).
 */
#ifndef DUET_SANDBOX_EGRESS_H
#define DUET_SANDBOX_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	EGRESS_FRAME_MAX = 65535 + 14,
	EGRESS_REPLY_MAX = 128,
	EGRESS_ADDRESSES_MAX = 4096,
	EGRESS_REFUSALS_MAX = 32, /* different ones */
	EGRESS_WORDS_MAX = 128,
	EGRESS_NAME_MAX = 256,
	EGRESS_MESSAGE_MAX = 4096, /* of DNS */
};

/* IPv4 as ::ffff:a.b.c.d. */
struct egress_address {
	uint8_t bytes[16];
};

struct egress_rule {
	char name[EGRESS_NAME_MAX]; /* lower case; "*.NAME": everything below it. "": an address */
	struct egress_address address;
	uint16_t port; /* 0: any */
};

struct egress_refusal {
	char what[EGRESS_WORDS_MAX]; /* "tcp 192.0.2.1:443", "dns example.org" */
	uint64_t count;
};

/* What the supervisor reads at the end: in memory that both have. */
struct egress_counts {
	uint64_t sent_bytes, received_bytes;
	uint64_t refused;
	unsigned int refusal_count;
	struct egress_refusal refusals[EGRESS_REFUSALS_MAX];
};

struct egress {
	bool listed; /* by names; else everything but special addresses */
	struct egress_rule *rules;
	size_t rule_count;
	uint16_t *published; /* ports of the sandbox that connections come in for */
	size_t published_count;
	struct egress_address name_server; /* where the sandbox asks */
	struct {
		struct egress_address address;
		uint16_t port;
	} * addresses; /* that answers have named */
	size_t address_count;
	struct egress_counts *counts;
};

/* "NAME[:PORT]", "*.NAME[:PORT]", "ADDRESS[:PORT]", "[ADDRESS]:PORT"; -EINVAL. */
int egress_add_rule(struct egress *egress, const char *text, struct error *err);

enum egress_verdict {
	EGRESS_DROP, /* of no interest to anybody */
	EGRESS_PASS,
	EGRESS_ASK,    /* a question for the name server: *message lies in the frame */
	EGRESS_REFUSE, /* noted; the reply, if there is one, says so to the sandbox */
};

struct egress_reply {
	uint8_t frame[EGRESS_REPLY_MAX];
	size_t length; /* 0: none */
};

/* A frame that the sandbox sends. */
enum egress_verdict egress_look(struct egress *egress, const uint8_t *frame, size_t length, const uint8_t **message,
	size_t *message_length, struct egress_reply *reply);

/* The frame that answers the sandbox's frame with this UDP payload; its length, 0 when it does not fit. */
size_t egress_answer(const uint8_t *question_frame, const uint8_t *payload, size_t length, uint8_t *frame, size_t size);

/*
 * A question of the sandbox, in *query as it is to be asked: for an allowed name and an address, in words of our own,
 * so that nothing but the name leaves, under a number that nobody can guess (RFC 5452). Returns the length; 0 when it
 * is answered at once, by *answer with *answer_length (refused, or nothing there); negative for what is no question.
 */
int egress_question(struct egress *egress, const uint8_t *message, size_t length, uint16_t number,
	uint8_t query[EGRESS_MESSAGE_MAX], uint8_t answer[EGRESS_MESSAGE_MAX], size_t *answer_length);

/* The name server's answer to it: its addresses are allowed from now on, and it is made one to the sandbox's question.
 * Negative when it is not to be believed: the right one may still come. */
int egress_learn(struct egress *egress, const uint8_t *message, size_t message_length, uint16_t number, uint8_t *answer,
	size_t length);

void egress_free(struct egress *egress);

#endif
