/* SPDX-License-Identifier: Apache-2.0 */
/* What of a kernel and of devices is within a process's reach. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "bench/probe/probe.h"

enum { WALK_DESCRIPTORS = 16, NAMES_BYTES = 700, EXAMPLES = 5 };

/* While it stands still, somebody outside looks at what stands around it. */
static const struct timespec standing_still = { .tv_nsec = 500000000 };

static void say_capabilities(void)
{
	char text[8192], *line;

	if (read_text("/proc/self/status", text, sizeof(text)) < 0)
		return;
	line = strstr(text, "CapEff:");
	if (line)
		say("surface", "capabilities", "%llx", strtoull(line + 7, NULL, 16));
}

struct names {
	char text[NAMES_BYTES];
	size_t length;
	unsigned count;
};

static void add_name(struct names *names, const char *name)
{
	names->count++;
	if (names->length + strlen(name) + 2 < sizeof(names->text))
		names->length += (size_t)snprintf(names->text + names->length, sizeof(names->text) - names->length,
			"%s%s", names->length ? " " : "", name);
}

static bool can_be_opened(int directory, const char *name)
{
	struct stat status;
	int fd;

	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		(!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)))
		return false;
	fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	(void)close(fd);
	return true;
}

static void say_devices(void)
{
	struct names names = { .length = 0 };
	DIR *directory = opendir("/dev");
	struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory))) {
		if (can_be_opened(dirfd(directory), entry->d_name))
			add_name(&names, entry->d_name);
	}
	(void)closedir(directory);
	say("surface", "devices", "%u\t%s", names.count, names.text);
}

/* nftw(3) takes no context. */
static struct names writable;

static int look_at(const char *path, const struct stat *status, int type, struct FTW *where)
{
	/* Processes' directories: one's own files are not the kernel's settings. */
	if (type == FTW_D && where->level == 1 && strncmp(path, "/proc/", 6) == 0 && strcmp(path, "/proc/sys") != 0)
		return FTW_SKIP_SUBTREE;
	if (type != FTW_F || !S_ISREG(status->st_mode) || !(status->st_mode & 0222) || access(path, W_OK) < 0)
		return FTW_CONTINUE;
	if (writable.count < EXAMPLES)
		add_name(&writable, path);
	else
		writable.count++;
	return FTW_CONTINUE;
}

static void walk(const char *path)
{
	struct statvfs status;

	if (statvfs(path, &status) < 0 || (status.f_flag & ST_RDONLY))
		return;
	(void)nftw(path, look_at, WALK_DESCRIPTORS, FTW_PHYS | FTW_ACTIONRETVAL);
}

static void say_writable_files(void)
{
	walk("/proc");
	walk("/sys");
	say("surface", "writable-files", "%u\t%s", writable.count, writable.text);
}

void probe_surface(void)
{
	say_capabilities();
	say_devices();
	say_writable_files();
	say("surface", "ready", "%s", "");
	(void)nanosleep(&standing_still, NULL);
}
