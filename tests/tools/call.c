/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   call NUMBER…
 *
 * Makes system calls by number, with no sensible arguments, and prints the name of what each answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		long result = syscall(atol(argv[i]), -1L, -1L, -1L, -1L, -1L, -1L);

		puts(result < 0 ? strerrorname_np(errno) : "0");
	}
	return 0;
}
