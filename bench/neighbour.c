/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/neighbour.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/summary.h"

enum { NOTES_MAX = 300000, EVERY_NS = 1000000, TOUCHED_BYTES = 16 * 4096, PAGE_BYTES = 4096 };

struct note {
	uint64_t at_ns, took_ns; /* when it should have begun */
};

struct notes { /* in memory that both processes have */
	uint64_t count;
	struct note entries[NOTES_MAX];
};

struct neighbour {
	pid_t pid;
	struct notes *notes;
};

uint64_t neighbour_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void work(void)
{
	char *memory = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (size_t at = 0; memory != MAP_FAILED && at < TOUCHED_BYTES; at += PAGE_BYTES)
		memory[at] = 1;
	if (memory != MAP_FAILED)
		(void)munmap(memory, TOUCHED_BYTES);
	if (fd >= 0)
		(void)close(fd);
}

static void be_the_neighbour(struct notes *notes)
{
	uint64_t next = neighbour_now_ns();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	close_all_but(NULL, 0);
	while (notes->count < NOTES_MAX) {
		struct timespec wake = { .tv_sec = (time_t)(next / 1000000000), .tv_nsec = (long)(next % 1000000000) };
		uint64_t done;

		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
		work();
		done = neighbour_now_ns();
		notes->entries[notes->count] = (struct note){ .at_ns = next, .took_ns = done - next };
		__atomic_store_n(&notes->count, notes->count + 1, __ATOMIC_RELEASE);
		/* What was missed is one late note and not many. */
		next += EVERY_NS;
		if (next < done)
			next = done;
	}
	_exit(0);
}

int neighbour_begin(struct neighbour **neighbour, struct error *err)
{
	struct notes *notes =
		mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pid_t pid;

	if (notes == MAP_FAILED)
		return error_set(err, errno, "get memory for what a neighbour feels");
	pid = fork();
	if (pid < 0) {
		int error = errno;

		(void)munmap(notes, sizeof(*notes));
		return error_set(err, error, "make the neighbour's process");
	}
	if (pid == 0)
		be_the_neighbour(notes);
	*neighbour = xcalloc(1, sizeof(**neighbour));
	(*neighbour)->pid = pid;
	(*neighbour)->notes = notes;
	return 0;
}

void neighbour_end(struct neighbour **neighbour)
{
	struct neighbour *old = *neighbour;

	*neighbour = NULL;
	if (!old)
		return;
	(void)kill(old->pid, SIGKILL);
	while (waitpid(old->pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)munmap(old->notes, sizeof(*old->notes));
	free(old);
}

struct neighbour_latency neighbour_between(const struct neighbour *neighbour, uint64_t begin_ns, uint64_t end_ns)
{
	uint64_t count = __atomic_load_n(&neighbour->notes->count, __ATOMIC_ACQUIRE);
	cleanup_free double *took = xcalloc(count + 1, sizeof(*took));
	struct results_summary summary;
	size_t taken = 0;
	double maximum = 0;

	for (uint64_t i = 0; i < count; i++) {
		const struct note *note = &neighbour->notes->entries[i];

		if (note->at_ns < begin_ns || note->at_ns > end_ns)
			continue;
		took[taken] = (double)note->took_ns / 1e6;
		maximum = took[taken] > maximum ? took[taken] : maximum;
		taken++;
	}
	if (!taken)
		return (struct neighbour_latency){ 0 };
	summary = summary_of(took, taken);
	return (struct neighbour_latency){
		.there = true, .median_ms = summary.median, .p99_ms = summary.p99, .maximum_ms = maximum
	};
}
