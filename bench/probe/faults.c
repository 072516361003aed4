/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things that go wrong on purpose, each in processes of its own that are gone afterwards. Every one of them has a bound
 * of its own, far above the limits that it is meant to meet: where there is no limit it stops by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/probe/probe.h"

enum {
	IDLE_MS = 1500,
	BOMB_SECONDS = 2,
	BOMB_PROCESSES_MAX = 300,
	HOG_MIB_MAX = 512,
	DESCRIPTORS_MAX = 100000,
	DESCRIPTOR_PROCESSES = 16,
	DISK_MIB_MAX = 256,
	FAULT_SECONDS = 150,
	MIB = 1 << 20,
};

/* What the processes of a fault have together. */
struct shared {
	unsigned count;  /* processes, MiB, descriptors: what they got */
	unsigned errors; /* how often they were refused */
	int error;       /* with what */
	bool bounded;    /* by this program's own bound: nobody else stopped it */
};

static struct shared *shared;

static void refused(int error)
{
	shared->error = error;
	__atomic_add_fetch(&shared->errors, 1, __ATOMIC_RELAXED);
}

static time_t seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Whoever is made makes more; whoever is refused tries again, as a fork bomb does. */
static void bomb(void)
{
	time_t end = seconds() + BOMB_SECONDS;

	while (seconds() < end) {
		pid_t pid;

		if (__atomic_load_n(&shared->count, __ATOMIC_RELAXED) >= BOMB_PROCESSES_MAX) {
			shared->bounded = true;
			continue;
		}
		pid = fork();
		if (pid < 0)
			refused(errno);
		if (pid == 0)
			__atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
	}
}

static void hog(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* It, and not the probe. */
	(void)!write(fd, "1000", 4);
	(void)close(fd);
	while (shared->count < HOG_MIB_MAX) {
		char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return refused(errno);
		memset(memory, 1, MIB);
		shared->count++;
	}
	shared->bounded = true;
}

static void open_until_refused(void)
{
	while (__atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED) < DESCRIPTORS_MAX) {
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) {
			__atomic_sub_fetch(&shared->count, 1, __ATOMIC_RELAXED);
			return refused(errno);
		}
	}
	shared->bounded = true;
}

/* All at once: the limit of one process is not that of the machine. */
static void exhaust_descriptors(void)
{
	for (unsigned i = 1; i < DESCRIPTOR_PROCESSES; i++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			open_until_refused();
			(void)pause();
		}
	}
	open_until_refused();
	(void)sleep(1);
}

/* On the file system in memory that every bundle has; the image's may be the host's disk, where nothing stops a
 * process. */
static void fill_disk(void)
{
	static char block[MIB];
	int fd = open("/dev/shm/fill", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	memset(block, 1, sizeof(block));
	if (fd < 0)
		return refused(errno);
	(void)unlink("/dev/shm/fill");
	while (shared->count < DISK_MIB_MAX) {
		ssize_t written = write(fd, block, sizeof(block));

		if (written < (ssize_t)sizeof(block))
			return refused(written < 0 ? errno : ENOSPC);
		shared->count++;
	}
	shared->bounded = true;
}

/* In a process group that ends as one. */
static int run_group(void (*fault)(void))
{
	pid_t leader = fork();
	int status = 0;

	if (leader == 0) {
		(void)setpgid(0, 0);
		(void)alarm(FAULT_SECONDS);
		fault();
		_exit(0);
	}
	if (leader < 0)
		return -1;
	(void)setpgid(leader, leader);
	(void)waitpid(leader, &status, 0);
	(void)kill(-leader, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
	}
	return status;
}

static void run_one(const char *name, const char *unit, void (*fault)(void))
{
	time_t begin = seconds();
	int status;

	memset(shared, 0, sizeof(*shared));
	say("fault", name, "begin\t");
	status = run_group(fault);
	if (shared->bounded)
		say("fault", name, "end\tunlimited\t%u %s", shared->count, unit);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		say("fault", name, "end\tkilled\tkilled at %u %s", shared->count, unit);
	else if (shared->error)
		say("fault", name, "end\tlimited\t%u %s, then: %s", shared->count, unit, strerror(shared->error));
	else
		say("fault", name, "end\tslow\t%u %s in %ld s, no limit was met yet", shared->count, unit,
			(long)(seconds() - begin));
}

static void stand_still(void)
{
	const struct timespec pause = { .tv_sec = IDLE_MS / 1000, .tv_nsec = IDLE_MS % 1000 * 1000000L };

	(void)nanosleep(&pause, NULL);
}

/* Whether the kernel could be told to; it is not told. */
static void say_crash_permission(void)
{
	int fd = open("/proc/sys/vm/panic_on_oom", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return say("fault", "crash-permission", "refused\t%s", strerror(errno));
	(void)close(fd);
	say("fault", "crash-permission", "permitted");
}

void probe_faults(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return;
	say("fault", "idle", "begin\t");
	stand_still();
	say("fault", "idle", "end\t\t");
	run_one("fork-bomb", "processes", bomb);
	run_one("memory-hog", "MiB", hog);
	run_one("descriptors", "descriptors", exhaust_descriptors);
	run_one("disk-fill", "MiB", fill_disk);
	say_crash_permission();
}

/* Where the machine is a virtual one and the process may do everything in it: the kernel is told to give up when memory
 * runs out, and then it does. */
void probe_crash(void)
{
	int fd = open("/proc/sys/vm/panic_on_oom", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "2", 1) != 1)
		return say("fault", "crash", "end\trefused\t%s", strerror(errno));
	(void)close(fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return;
	say("fault", "crash", "begin\t");
	(void)run_group(hog);
	say("fault", "crash", "end\tunlimited\tthe kernel goes on");
}
