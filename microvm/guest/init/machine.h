/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs to the machine rather than to a container.
 */
#ifndef DUET_MICROVM_GUEST_MACHINE_H
#define DUET_MICROVM_GUEST_MACHINE_H

#include "microvm/guest/init/init.h"

/* Descriptors 0 to 2 exist (the kernel's log where there is no console), so that nothing else gets these numbers. */
void machine_reserve_standard_streams(void);
int machine_mount_proc(struct error *err);
/* Turns off what the kernel does of its own accord now and then. */
void machine_quiet(void);
/* Has the kernel report free memory to the balloon in blocks that suit the machine: by itself it takes 4 MiB, and
 * nothing while less than 32 of them are free, so that a small machine would never give anything back. Without its
 * parameter in sysfs (a software KVM: README.md of the kernel) that is how it stays. */
void machine_report_small_blocks(void);
/* The share of the host at GUEST_SHARE_PATH. */
int machine_mount_share(struct error *err);
/* The first disk at GUEST_IMAGE_PATH: as it is when it can be written to, else under a layer in memory that takes what
 * is written. */
int machine_mount_image(struct error *err);
/* Connects to a port of the host: a blocking stream socket. nonblocking: the connection may still be under way on
 * return. */
int machine_connect(struct init *init, uint32_t port, bool nonblocking, struct error *err);
/* Sets the clock when it is off by more than CLOCK_TOLERANCE_MS: a guest that was restored from a snapshot. */
int machine_set_clock(const struct init *init, int64_t seconds, uint32_t nanoseconds, struct error *err);
/* Credits the entropy and has the kernel reseed, before any user code runs: two guests of one snapshot must not agree.
 */
int machine_add_entropy(const struct init *init, const void *bytes, size_t length, struct error *err);
/* What the container's processes, which have ended, wrote is where it was to go. */
void machine_synchronise(const struct init *init);
/* Does that if asked, and ends the machine. */
_Noreturn void machine_power_off(const struct init *init, bool synchronise);
/* A last word for whoever reads the kernel's log. */
void machine_log(const struct error *error);

#endif
