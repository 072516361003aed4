/* SPDX-License-Identifier: Apache-2.0 */
/* The rng device behind a guest that may do anything. */
#include "guest.h"
#include "microvm/devices/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct guest guest;
	struct rng *rng;
	struct error err;

	guest_open(&guest);
	CHECK(rng_create(&rng, &guest.loop, &err) == 0);
	guest_attach(&guest, rng_device(rng));
	guest_play(&guest, &in, NULL, NULL);
	guest_close(&guest);
	rng_destroy(rng);
	return 0;
}
