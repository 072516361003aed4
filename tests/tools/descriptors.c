/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   descriptors [FILE]
 *
 * Prints "N TARGET" for each descriptor that this program was given, to standard output or into a new file.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char lines[65536];
	size_t length = 0;
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	FILE *out = stdout;

	if (!directory)
		return 1;
	while ((entry = readdir(directory)) && length < sizeof(lines) - PATH_MAX - 32) {
		char target[PATH_MAX];
		ssize_t size;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
			continue;
		size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target));
		length += (size_t)sprintf(lines + length, "%s %.*s\n", entry->d_name, size > 0 ? (int)size : 0, target);
	}
	if (argc > 1)
		out = fopen(argv[1], "w");
	if (!out || fwrite(lines, 1, length, out) != length || fclose(out) != 0)
		return 1;
	return 0;
}
