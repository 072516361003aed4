/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of egress.
 */
#ifndef DUET_SANDBOX_EGRESS_INTERNAL_H
#define DUET_SANDBOX_EGRESS_INTERNAL_H

#include "sandbox/egress.h"

/* length: 4 or 16. */
struct egress_address egress_address_of(const uint8_t *bytes, size_t length);
bool egress_rule_is_for(const struct egress_rule *rule, const char *name);
bool egress_is_special(const struct egress_address *address);
bool egress_may_reach(const struct egress *egress, const struct egress_address *address, uint16_t port);
/* False: it is special, or there are too many. */
bool egress_allow(struct egress *egress, const struct egress_address *address, uint16_t port);
void egress_note_refusal(struct egress *egress, const char *what);
void egress_print_address(const struct egress_address *address, char *text, size_t size);

static inline uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void put16(uint8_t *bytes, unsigned int value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

#endif
