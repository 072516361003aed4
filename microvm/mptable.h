/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table by which a guest without ACPI finds its processors, its IO-APIC and the interrupt lines (Intel
 * MultiProcessor Specification 1.4, chapter 4).
 */
#ifndef DUET_MICROVM_MPTABLE_H
#define DUET_MICROVM_MPTABLE_H

#include "base/error.h"
#include "microvm/memory.h"

/* Writes it at LAYOUT_MP_TABLE for processors with the local APIC ids 0 to vcpus-1; lines are those that layout.h gives
 * away. */
int mptable_write(const struct guest_memory *memory, unsigned vcpus, struct error *err);

#endif
