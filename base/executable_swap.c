/* SPDX-License-Identifier: Apache-2.0 */
#include "base/executable_swap.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/prctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/file.h"

enum { MAPS_BYTES_MAX = 4 << 20, MAPPINGS_MAX = 16, STAT_BYTES_MAX = 4096 };

struct mapping {
	uintptr_t begin, end;
	uint64_t offset; /* in the file */
	int protection;
};

/* By the linker: the program's own header, which is mapped with its first segment. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* Whether the program may have written there: into a segment that is writable, or was until it was relocated. */
static bool is_written(const struct mapping *mapping)
{
	const ElfW(Ehdr) *header = (const void *)__ehdr_start;
	const ElfW(Phdr) *headers = (const void *)(__ehdr_start + header->e_phoff);
	uintptr_t base = header->e_type == ET_DYN ? (uintptr_t)__ehdr_start : 0;

	for (unsigned i = 0; i < header->e_phnum; i++) {
		uintptr_t begin = base + headers[i].p_vaddr;

		if (headers[i].p_type == PT_LOAD && (headers[i].p_flags & PF_W) && mapping->end > begin &&
			mapping->begin < begin + headers[i].p_memsz)
			return true;
	}
	return false;
}

/* One line of /proc/PID/maps: is it of the file? */
static bool parse_mapping(const char *line, const char *path, struct mapping *mapping)
{
	unsigned long begin, end;
	unsigned long long offset;
	char permissions[5];
	int length = 0;

	if (sscanf(line, "%lx-%lx %4s %llx %*s %*s %n", &begin, &end, permissions, &offset, &length) < 4 ||
		length == 0 || strcmp(line + length, path) != 0)
		return false;
	*mapping = (struct mapping){ begin, end, offset, 0 };
	mapping->protection = (permissions[0] == 'r' ? PROT_READ : 0) | (permissions[1] == 'w' ? PROT_WRITE : 0) |
			      (permissions[2] == 'x' ? PROT_EXEC : 0);
	return true;
}

static int find_mappings(struct mapping *mappings, size_t *count)
{
	cleanup_strbuf struct strbuf maps = STRBUF_INIT;
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	int result = file_read(AT_FDCWD, "/proc/self/maps", MAPS_BYTES_MAX, &maps);
	char *rest = maps.data;

	if (length < 0 || result < 0)
		return length < 0 ? -errno : result;
	path[length] = '\0';
	*count = 0;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		if (*count == MAPPINGS_MAX)
			return -E2BIG;
		*count += parse_mapping(line, path, &mappings[*count]);
	}
	return *count ? 0 : -ENOENT;
}

/* By words that no compiler makes a memcpy(3) of: AddressSanitizer keeps that from what lies between variables. */
__attribute__((no_sanitize("address"))) static void copy_words(
	uint64_t *to, const volatile uint64_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] = from[i];
}

/* Nothing may write there between the copy and the exchange: this calls no function that keeps state. */
static int copy_to_memory(const struct mapping *mapping)
{
	void *place = (void *)mapping->begin; /* NOLINT(performance-no-int-to-ptr) */
	size_t length = mapping->end - mapping->begin;
	void *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (copy == MAP_FAILED) /* NOLINT(performance-no-int-to-ptr) */
		return -errno;
	copy_words(copy, place, length);
	if (mprotect(copy, length, mapping->protection) == 0 &&
		mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place)
		return 0;
	(void)munmap(copy, length);
	return -EAGAIN;
}

static int map_again(const struct mapping *mapping, int fd)
{
	void *place = (void *)mapping->begin; /* NOLINT(performance-no-int-to-ptr) */

	return mmap(place, mapping->end - mapping->begin, mapping->protection, MAP_PRIVATE | MAP_FIXED, fd,
		       (off_t)mapping->offset) == place
		       ? 0
		       : -errno;
}

/* What PR_SET_MM_MAP wants to be told again, from proc_pid_stat(5). */
static int read_layout(struct prctl_mm_map *map)
{
	__u64 *const fields[52] = { [26] = &map->start_code,
		[27] = &map->end_code,
		[28] = &map->start_stack,
		[45] = &map->start_data,
		[46] = &map->end_data,
		[47] = &map->start_brk,
		[48] = &map->arg_start,
		[49] = &map->arg_end,
		[50] = &map->env_start,
		[51] = &map->env_end };
	cleanup_strbuf struct strbuf stat = STRBUF_INIT;
	int result = file_read(AT_FDCWD, "/proc/self/stat", STAT_BYTES_MAX, &stat);
	char *rest = result < 0 ? NULL : strrchr(stat.data, ')'); /* the name may hold anything */
	size_t number = 2;

	if (!rest)
		return result < 0 ? result : -EBADMSG;
	for (rest += 2; rest && ++number < ARRAY_SIZE(fields);) {
		const char *word = strsep(&rest, " ");

		if (fields[number])
			*fields[number] = strtoull(word, NULL, 10);
	}
	map->brk = (__u64)syscall(SYS_brk, 0);
	return number < ARRAY_SIZE(fields) ? -EBADMSG : 0;
}

/* Another program's code in place of what runs would not even crash cleanly. */
static int check_same_file(int fd)
{
	struct stat present, wanted;

	if (stat("/proc/self/exe", &present) < 0 || fstat(fd, &wanted) < 0)
		return -errno;
	return present.st_dev == wanted.st_dev && present.st_ino == wanted.st_ino ? 0 : -EXDEV;
}

int executable_swap(int fd)
{
	struct prctl_mm_map map = { .exe_fd = (uint32_t)fd };
	struct mapping mappings[MAPPINGS_MAX];
	size_t count = 0;
	int result = check_same_file(fd);

	if (result == 0)
		result = find_mappings(mappings, &count);
	if (result == 0)
		result = read_layout(&map);
	for (size_t i = 0; result == 0 && i < count; i++)
		result = is_written(&mappings[i]) ? copy_to_memory(&mappings[i]) : map_again(&mappings[i], fd);
	if (result == 0 && prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
		result = -errno;
	return result;
}
