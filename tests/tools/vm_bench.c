/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm_bench block DIRECTORY MIB SECONDS: a file of a disk, past the page cache
 * vm_bench tree DIRECTORY FILES:        many small files
 * vm_bench net ADDRESS PORT SECONDS:    a stream each way and round trips, with `vm_bench serve PORT SECONDS` at the
 * other end
 *
 * What a guest's devices do, measured inside: lines of name, value and unit. DIRECTORY is left as it was.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEBIBYTE        (1UL << 20)
#define SMALL           4096UL
#define DEPTH           8 /* processes that read at once */
#define FILES_DIRECTORY 50
#define ROUND_TRIPS_MAX 1000000

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void report(const char *name, double value, const char *unit)
{
	printf("%s\t%.2f\t%s\n", name, value, unit);
	(void)fflush(stdout);
}

/* ---- block ---- */

static void transfer(int fd, void *buffer, size_t length, off_t offset, int writing)
{
	ssize_t done = writing ? pwrite(fd, buffer, length, offset) : pread(fd, buffer, length, offset);

	if (done != (ssize_t)length)
		fail(writing ? "write" : "read");
}

static double sequential(int fd, void *buffer, unsigned mebibytes, int writing)
{
	double begin = now();

	for (unsigned i = 0; i < mebibytes; i++)
		transfer(fd, buffer, MEBIBYTE, (off_t)(i * MEBIBYTE), writing);
	if (writing && fdatasync(fd) < 0)
		fail("fdatasync");
	return mebibytes / (now() - begin);
}

/* Operations a second. */
static double random_access(int fd, void *buffer, unsigned mebibytes, double seconds, int writing, uint32_t seed)
{
	double begin = now(), end = begin + seconds;
	unsigned count = 0;

	while (now() < end) {
		seed = seed * 1664525 + 1013904223;
		transfer(fd, buffer, SMALL, (off_t)((seed >> 4) % (mebibytes * (MEBIBYTE / SMALL)) * SMALL), writing);
		count++;
	}
	return count / (now() - begin);
}

static double random_together(int fd, unsigned mebibytes, double seconds)
{
	double *rates = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), sum = 0;

	for (unsigned i = 0; i < DEPTH; i++) {
		if (fork() == 0) {
			void *buffer = aligned_alloc(SMALL, SMALL);

			rates[i] = random_access(fd, buffer, mebibytes, seconds, 0, i * 7919);
			_exit(0);
		}
	}
	while (wait(NULL) > 0) {
	}
	for (unsigned i = 0; i < DEPTH; i++)
		sum += rates[i];
	return sum;
}

static void block(const char *directory, unsigned mebibytes, double seconds)
{
	void *buffer = aligned_alloc(SMALL, MEBIBYTE);
	int fd;

	if (chdir(directory) < 0)
		fail(directory);
	memset(buffer, 0x5a, MEBIBYTE);
	fd = open("vm_bench.data", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		fail("open vm_bench.data");
	/* Its blocks are there afterwards. */
	(void)sequential(fd, buffer, mebibytes, 1);
	report("block.write", sequential(fd, buffer, mebibytes, 1), "MiB/s");
	report("block.read", sequential(fd, buffer, mebibytes, 0), "MiB/s");
	report("block.random-read-4k", random_access(fd, buffer, mebibytes, seconds, 0, 1), "/s");
	report("block.random-write-4k", random_access(fd, buffer, mebibytes, seconds, 1, 2), "/s");
	report("block.random-read-4k-x8", random_together(fd, mebibytes, seconds), "/s");
	(void)unlink("vm_bench.data");
}

/* ---- tree ---- */

enum pass { PASS_CREATE, PASS_STAT, PASS_READ, PASS_WRITE, PASS_REMOVE, PASSES };

static void visit(enum pass pass, const char *path)
{
	char content[SMALL] = { 'x' };
	struct stat status;
	int fd, flags = pass == PASS_READ ? O_RDONLY
					  : O_WRONLY | O_TRUNC | (pass == PASS_CREATE ? O_CREAT | O_EXCL : 0);

	if (pass == PASS_STAT ? stat(path, &status) < 0 : pass == PASS_REMOVE && unlink(path) < 0)
		fail(path);
	if (pass == PASS_STAT || pass == PASS_REMOVE)
		return;
	fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0 || (pass == PASS_READ ? read(fd, content, SMALL) : write(fd, content, SMALL)) != (ssize_t)SMALL ||
		close(fd) < 0)
		fail(path);
}

static void tree(const char *directory, unsigned files)
{
	static const char *const names[] = { "files.create", "files.stat", "files.read", "files.write",
		"files.remove" };
	char path[64];

	if (chdir(directory) < 0)
		fail(directory);
	for (int pass = PASS_CREATE; pass < PASSES; pass++) {
		double begin = now();

		for (unsigned i = 0; i < files; i++) {
			(void)snprintf(path, sizeof(path), "d%u", i / FILES_DIRECTORY);
			if (pass == PASS_CREATE && i % FILES_DIRECTORY == 0 && mkdir(path, 0755) < 0)
				fail(path);
			(void)snprintf(path, sizeof(path), "d%u/f%u", i / FILES_DIRECTORY, i);
			visit(pass, path);
			(void)snprintf(path, sizeof(path), "d%u", i / FILES_DIRECTORY);
			if (pass == PASS_REMOVE && (i % FILES_DIRECTORY == FILES_DIRECTORY - 1 || i == files - 1))
				(void)rmdir(path);
		}
		report(names[pass], files / (now() - begin), "/s");
	}
}

/* ---- net ---- */

static int make_socket(const char *address, int port, struct sockaddr_in *place)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	*place = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (fd < 0 || inet_pton(AF_INET, address, &place->sin_addr) != 1)
		fail(address);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* A guest that has just begun may need a moment until its neighbours know it. */
static int reach(const char *address, int port, char what)
{
	struct sockaddr_in place;

	for (int i = 0; i < 100; i++) {
		int fd = make_socket(address, port, &place);

		if (connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0) {
			if (write(fd, &what, 1) != 1)
				fail("write");
			return fd;
		}
		(void)close(fd);
		(void)usleep(100000);
	}
	fail("connect");
}

static double pour(int fd, double seconds)
{
	static char buffer[128 << 10];
	double begin = now(), end = begin + seconds;
	uint64_t bytes = 0;
	ssize_t done = 1;

	while (now() < end && done > 0) {
		done = write(fd, buffer, sizeof(buffer));
		bytes += done > 0 ? (uint64_t)done : 0;
	}
	return (double)bytes / (double)MEBIBYTE / (now() - begin);
}

static double drain(int fd)
{
	static char buffer[128 << 10];
	double begin = now();
	uint64_t bytes = 0;
	ssize_t done;

	while ((done = read(fd, buffer, sizeof(buffer))) > 0)
		bytes += (uint64_t)done;
	return (double)bytes / (double)MEBIBYTE / (now() - begin);
}

static double round_trip(int fd, double seconds)
{
	double begin = now(), end = begin + seconds;
	unsigned count = 0;
	char byte = 0;

	while (count < ROUND_TRIPS_MAX && now() < end) {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			fail("round trip");
		count++;
	}
	return (now() - begin) / count * 1e6;
}

static void net(const char *address, int port, double seconds)
{
	int fd = reach(address, port, 's');

	report("net.send", pour(fd, seconds), "MiB/s");
	(void)close(fd);
	fd = reach(address, port, 'r');
	report("net.receive", drain(fd), "MiB/s");
	(void)close(fd);
	fd = reach(address, port, 't');
	report("net.round-trip", round_trip(fd, seconds), "us");
	(void)close(fd);
}

static void serve_one(int fd, double seconds)
{
	char what = 0;

	if (read(fd, &what, 1) != 1)
		return;
	if (what == 's')
		(void)drain(fd);
	else if (what == 'r')
		(void)pour(fd, seconds);
	else
		while (read(fd, &what, 1) == 1 && write(fd, &what, 1) == 1) {
		}
}

static void serve(int port, double seconds)
{
	struct sockaddr_in place;
	int listener = make_socket("0.0.0.0", port, &place), fd, one = 1;

	if (bind(listener, (struct sockaddr *)&place, sizeof(place)) < 0 || listen(listener, 8) < 0)
		fail("listen");
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve_one(fd, seconds);
		(void)close(fd);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "block") == 0 && argc == 5)
		block(argv[2], (unsigned)atoi(argv[3]), atof(argv[4]));
	else if (strcmp(what, "tree") == 0 && argc == 4)
		tree(argv[2], (unsigned)atoi(argv[3]));
	else if (strcmp(what, "net") == 0 && argc == 5)
		net(argv[2], atoi(argv[3]), atof(argv[4]));
	else if (strcmp(what, "serve") == 0 && argc == 4)
		serve(atoi(argv[2]), atof(argv[3]));
	else
		return 2;
	return 0;
}
