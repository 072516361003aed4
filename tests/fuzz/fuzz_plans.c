/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest's init is sent, and what it answers: descriptions of processes, containers and networks, and lists of
 * processes. What was read must be written as it was, and survive that twice.
 */
#include "input.h"
#include "ns/container_plan.h"
#include "ns/network_plan.h"
#include "process/process_list.h"
#include "process/process_plan.h"

/* An encoding of what was decoded is decoded to the same encoding. */
#define ROUND_TRIP(type, in)                                                                            \
	do {                                                                                            \
		struct type first = { 0 }, second = { 0 };                                              \
		cleanup_strbuf struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;                   \
		struct error err;                                                                       \
                                                                                                        \
		if (type##_decode(&first, in, &err) < 0)                                                \
			break;                                                                          \
		type##_encode(&first, &once);                                                           \
		struct wire_reader again = { .next = (unsigned char *)once.data, .left = once.length }; \
		CHECK(type##_decode(&second, &again, &err) == 0 && again.left == 0);                    \
		type##_encode(&second, &twice);                                                         \
		CHECK(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);  \
		type##_free(&first);                                                                    \
		type##_free(&second);                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader in = { .next = data + 1, .left = size - 1 };

	if (size < 1)
		return 0;
	switch (data[0] % 4) {
	case 0:
		ROUND_TRIP(process_plan, &in);
		break;
	case 1:
		ROUND_TRIP(container_plan, &in);
		break;
	case 2:
		ROUND_TRIP(network_plan, &in);
		break;
	default:
		ROUND_TRIP(process_list, &in);
		break;
	}
	return 0;
}
