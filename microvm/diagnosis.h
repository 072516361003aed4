/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said about a machine that does not do what it should: the last words of its kernel, found in its memory,
 * and where its processors are. All of it is the guest's own account: text for people, decided upon by nobody.
 */
#ifndef DUET_MICROVM_DIAGNOSIS_H
#define DUET_MICROVM_DIAGNOSIS_H

#include "microvm/memory.h"
#include "microvm/vm.h"

#define DIAGNOSIS_TEXT_BYTES 256

/* The message of a Linux kernel that has panicked, from its log: printable ASCII, cut to what there is room for. False:
 * there is none. Looks at memory that the guest has touched, and takes about as long as reading it. */
bool diagnose_panic(const struct guest_memory *memory, char text[DIAGNOSIS_TEXT_BYTES]);

/* "halted for good at 0x…", "running at 0x…", for every vCPU, as one text. The machine is paused for it and stays
 * paused. */
void vm_diagnose_processors(struct vm *vm, char text[DIAGNOSIS_TEXT_BYTES]);
/* diagnose_panic() of a machine. */
bool vm_diagnose_panic(struct vm *vm, char text[DIAGNOSIS_TEXT_BYTES]);

#endif
