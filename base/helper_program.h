/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another program that does a small part of the work, as newuidmap(1) and mkfs.ext4(8) do.
 */
#ifndef DUET_BASE_HELPER_PROGRAM_H
#define DUET_BASE_HELPER_PROGRAM_H

#include <stddef.h>

/*
 * Runs the program arguments[0], which is looked up in PATH, and waits for it. input: what it has as its standard
 * input; negative: this process's. The first line of what it says on standard error comes into complaint, of size
 * bytes, which is never left without its end. Returns 0; -EPERM where it has failed; another negative errno where it
 * could not be run (posix_spawn(3)), -ENOENT without it.
 */
int helper_program_run(char *const arguments[], int input, char *complaint, size_t size);

#endif
