/* SPDX-License-Identifier: Apache-2.0 */
/* map_write FILE PAGES: writes to the file through a shared mapping and dies, without a word to the file's system. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? (size_t)atoi(argv[2]) * PAGE_BYTES : 0;
	int fd = bytes ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644) : -1;
	char *map;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return 2;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return 2;
	memset(map, 'x', bytes);
	(void)kill(getpid(), SIGKILL);
	return 2;
}
