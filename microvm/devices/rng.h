/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2, 5.4): the host's getrandom(2), at most 64 KiB a request.
 */
#ifndef DUET_MICROVM_DEVICES_RNG_H
#define DUET_MICROVM_DEVICES_RNG_H

#include "microvm/devices/virtio.h"

struct rng;

int rng_create(struct rng **rng, struct event_loop *loop, struct error *err);
struct virtio_device *rng_device(struct rng *rng);
void rng_destroy(struct rng *rng);

#endif
