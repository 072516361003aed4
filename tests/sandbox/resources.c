/* SPDX-License-Identifier: Apache-2.0 */
/* More of everything than there is for it. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB          (1 << 20)
#define ENOUGH_MIB   4096       /* of memory or disk: far above every limit in the table */
#define ENOUGH_FILES 200000     /* likewise */
#define ENOUGH_BYTES (64 * MIB) /* of output or input */

static char block[MIB];

static int fork_bomb(void)
{
	for (;;) {
		if (fork() < 0)
			usleep(1000);
	}
	return 0;
}

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static int thread_bomb(void)
{
	pthread_attr_t attributes;
	int count = 0;

	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, 64 << 10);
	for (pthread_t thread; count < 1000; count++) {
		errno = pthread_create(&thread, &attributes, sleep_for_ever, NULL);
		if (errno)
			break;
	}
	must_fail("one thousand threads", count < 1000 ? -1 : 0);
	return verdict();
}

static int memory_bomb(void)
{
	for (int i = 0; i < ENOUGH_MIB; i++) {
		char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory != MAP_FAILED)
			memset(memory, 1, MIB);
	}
	must_not("more memory than the limit", true);
	return verdict();
}

/* Memory that no process has mapped. */
static int hidden_memory_bomb(void)
{
	int fd = memfd_create("hidden", 0);

	memset(block, 1, sizeof(block));
	for (int i = 0; i < ENOUGH_MIB; i++) {
		if (write(fd, block, sizeof(block)) < 0)
			i--;
	}
	must_not("more memory than the limit", true);
	return verdict();
}

/* System V segments outlive those who made them. */
static int segment_bomb(void)
{
	for (int i = 0; i < ENOUGH_MIB; i++) {
		int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);
		char *memory = id < 0 ? NULL : shmat(id, NULL, 0);

		if (memory && memory != (void *)-1) {
			memset(memory, 1, MIB);
			(void)shmdt(memory);
		}
	}
	must_not("more memory than the limit", true);
	return verdict();
}

static int disk_filler(void)
{
	int fd = open("filler", O_WRONLY | O_CREAT | O_TRUNC, 0600), mib = 0;
	ssize_t count = 0;

	for (memset(block, 1, sizeof(block)); mib < ENOUGH_MIB && count >= 0; mib++)
		count = write(fd, block, sizeof(block));
	must_fail("fill the disk", count);
	printf("%d MiB\n", mib);
	(void)fflush(stdout);
	return verdict();
}

static int inode_filler(void)
{
	char name[32];
	int fd = 0;

	for (int i = 0; i < ENOUGH_FILES && fd >= 0; i++) {
		(void)snprintf(name, sizeof(name), "empty-%d", i);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd >= 0)
			(void)close(fd);
	}
	must_fail("as many files as one likes", fd);
	return verdict();
}

/* A tree that is too deep for every path. */
static int deep_directories(void)
{
	char name[201];
	int depth = 0;

	memset(name, 'd', 200);
	name[200] = '\0';
	while (depth < 200 && mkdir(name, 0700) == 0 && chdir(name) == 0)
		depth++;
	printf("%d deep\n", depth);
	return 0;
}

static int file_size_bomb(void)
{
	int fd = open("large", O_WRONLY | O_CREAT, 0600);

	while (write(fd, block, sizeof(block)) > 0)
		;
	must_not("ignoring SIGXFSZ", true);
	return verdict();
}

static int output_flood(void)
{
	memset(block, 'x', sizeof(block));
	for (;;)
		(void)write(STDOUT_FILENO, block, sizeof(block));
	return 0;
}

static int input_hog(void)
{
	size_t total = 0;
	ssize_t count = 1;

	while (total < ENOUGH_BYTES && count > 0) {
		count = read(STDIN_FILENO, block, sizeof(block));
		total += count > 0 ? (size_t)count : 0;
	}
	printf("%zu bytes\n", total);
	return 0;
}

static int descriptor_bomb(void)
{
	int count = 0;

	while (count < 100000 && dup(STDIN_FILENO) >= 0)
		count++;
	must_fail("one hundred thousand descriptors", count < 100000 ? -1 : 0);
	printf("%d descriptors\n", count);
	return count < 100 ? verdict() : HOSTILE_BREACH;
}

static int argument_bomb(void)
{
	char **arguments = calloc(40, sizeof(*arguments));
	char *large = malloc(100 << 10);

	memset(large, 'a', (100 << 10) - 1);
	large[(100 << 10) - 1] = '\0';
	for (int i = 0; i < 39; i++)
		arguments[i] = large;
	must_fail("four MiB of arguments", execv("/proc/self/exe", arguments));
	return verdict();
}

static int processor_burner(void)
{
	(void)fork();
	for (volatile uint64_t i = 0;; i++)
		;
	return 0;
}

const struct verb resource_verbs[] = {
	{ "fork-bomb", fork_bomb },
	{ "thread-bomb", thread_bomb },
	{ "memory-bomb", memory_bomb },
	{ "hidden-memory-bomb", hidden_memory_bomb },
	{ "segment-bomb", segment_bomb },
	{ "disk-filler", disk_filler },
	{ "inode-filler", inode_filler },
	{ "deep-directories", deep_directories },
	{ "file-size-bomb", file_size_bomb },
	{ "output-flood", output_flood },
	{ "input-hog", input_hog },
	{ "descriptor-bomb", descriptor_bomb },
	{ "argument-bomb", argument_bomb },
	{ "processor-burner", processor_burner },
	{ NULL, NULL },
};
