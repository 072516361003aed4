/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader of the figures has to know of the kernel that the program runs on: its release, and what it does
 * against the processor's flaws (Documentation/ABI/testing/sysfs-devices-system-cpu, "vulnerabilities").
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/measure/measure.h"

#define DIRECTORY "/sys/devices/system/cpu/vulnerabilities"

/* The beginning of a file's one line; empty when it cannot be read. */
static void read_line(int directory, const char *name, char *line, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, line, size - 1);

	line[length > 0 ? length : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
}

/* ", name" for every file whose line begins so. */
static void list_where(DIR *directory, const char *beginning, const char *nothing)
{
	char line[64];
	struct dirent *entry;
	int count = 0;

	rewinddir(directory);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		read_line(dirfd(directory), entry->d_name, line, sizeof(line));
		if (strncmp(line, beginning, strlen(beginning)) == 0)
			printf("%s%s", count++ ? ", " : "", entry->d_name);
	}
	if (!count)
		printf("%s", nothing);
}

void facts_print(void)
{
	DIR *directory = opendir(DIRECTORY);
	struct utsname name;

	if (uname(&name) == 0)
		printf("fact kernel %s\n", name.release);
	if (directory) {
		printf("fact mitigations on for ");
		list_where(directory, "Mitigation", "nothing");
		printf("; vulnerable to ");
		list_where(directory, "Vulnerable", "nothing known");
		printf("\n");
		(void)closedir(directory);
	}
	printf("done 0 0\n");
}
