/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   swap PATH OTHER SECONDS
 *
 * Exchanges two directory entries as fast as it can, so that whoever looks a path up twice finds two things.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	time_t until;

	if (argc != 4)
		return 2;
	until = time(NULL) + atoi(argv[3]);
	while (time(NULL) < until) {
		for (int i = 0; i < 1000; i++) {
			if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0) {
				perror("renameat2");
				return 1;
			}
		}
	}
	return 0;
}
