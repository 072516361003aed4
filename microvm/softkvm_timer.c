/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/softkvm_timer.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <time.h>

/* Processor time between two interrupts of a busy vCPU, and how much it may be stretched where processors are scarce.
 */
#define UNDISTURBED_NS 50000000ULL
#define STRETCH_MAX    4

int softkvm_timer_intercept(int vm_fd, struct error *err)
{
	uint8_t denied = 0;
	struct kvm_enable_cap exits = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { KVM_MSR_EXIT_REASON_FILTER } };
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = { { .flags = KVM_MSR_FILTER_WRITE,
			.base = SOFTKVM_TIMER_MSR,
			.nmsrs = 1,
			.bitmap = &denied } },
	};

	if (ioctl(vm_fd, KVM_ENABLE_CAP, &exits) < 0)
		return error_set(err, errno, "KVM_CAP_X86_USER_SPACE_MSR");
	if (ioctl(vm_fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return error_set(err, errno, "KVM_X86_SET_MSR_FILTER");
	return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void softkvm_timer_progress(uint64_t rested_ns, bool rests_known, struct softkvm_progress *progress)
{
	progress->processor_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	progress->wall_ns = clock_ns(CLOCK_MONOTONIC);
	/* Without KVM's word, the time without a processor is taken for rest. */
	progress->rested_ns = rests_known ? rested_ns : progress->wall_ns - progress->processor_ns;
}

/* More at work than at rest, of late. */
static bool is_busy(struct softkvm_timer *timer, uint64_t processor_ns, uint64_t rested_ns)
{
	timer->worked_ns += processor_ns;
	timer->rested_ns += rested_ns;
	while (timer->worked_ns + timer->rested_ns > 4 * UNDISTURBED_NS) {
		timer->worked_ns /= 2;
		timer->rested_ns /= 2;
	}
	return timer->worked_ns >= UNDISTURBED_NS && timer->worked_ns > timer->rested_ns;
}

uint64_t softkvm_timer_deadline(struct softkvm_timer *timer, uint64_t wanted, uint64_t now, uint64_t tsc_khz,
	const struct softkvm_progress *progress)
{
	uint64_t processor_ns = progress->processor_ns - timer->last.processor_ns;
	uint64_t wall_ns = progress->wall_ns - timer->last.wall_ns;
	uint64_t distance_ns = UNDISTURBED_NS, earliest;
	bool busy = is_busy(timer, processor_ns, progress->rested_ns - timer->last.rested_ns);
	bool went_off = timer->deadline && now >= timer->deadline;

	timer->last = *progress;
	timer->deadline = wanted;
	/* What is set while another one is pending is what somebody sleeps for. */
	if (!wanted || !busy || !went_off)
		return wanted;
	/* The same share of a processor as of late. */
	if (processor_ns < wall_ns / STRETCH_MAX)
		distance_ns *= STRETCH_MAX;
	else if (processor_ns < wall_ns)
		distance_ns = distance_ns * wall_ns / processor_ns;
	earliest = now + distance_ns / 1000 * tsc_khz / 1000;
	if (wanted < earliest)
		timer->deadline = earliest;
	return timer->deadline;
}
