/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon behind a guest that may do anything, while the host asks now and then. */
#include "guest.h"
#include "microvm/devices/balloon.h"

static void beside(void *context, struct input *in)
{
	struct balloon_state state;
	uint8_t what = (uint8_t)take(in, 1);

	if (what & 1)
		balloon_ask(context);
	if (what & 2)
		balloon_set_target(context, take(in, 4));
	balloon_read(context, &state);
	CHECK(state.actual_bytes <= GUEST_LOW_BYTES + GUEST_HIGH_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct balloon *balloon;
	struct guest guest;
	struct error err;

	guest_open(&guest);
	CHECK(balloon_create(&balloon, &guest.memory, &guest.loop, &err) == 0);
	guest_attach(&guest, balloon_device(balloon));
	guest_play(&guest, &in, beside, balloon);
	guest_close(&guest);
	balloon_destroy(balloon);
	return 0;
}
