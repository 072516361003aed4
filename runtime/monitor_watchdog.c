/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --vm-watchdog: does the guest still answer? Twice in the time that it is given its init is asked for the container's
 * figures. A guest whose kernel loops or halts, or whose processes leave its init no processor, is ended.
 */
#include "microvm/diagnosis.h"
#include "runtime/monitor_internal.h"

/* Longer than any wait of ours takes: then we ourselves stood still (SIGSTOP, a frozen group), and the guest with us.
 */
#define OVERSLEPT_MS 1000

static int ask(struct monitor *monitor)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	struct error err;

	/* A number that no peer waits for: the answer goes nowhere. */
	wire_put_u64(&payload, ++monitor->last_question);
	wire_put_u32(&payload, GUEST_QUESTION_STATISTICS);
	return monitor_tell(monitor, GUEST_ASK, &payload, &err);
}

static int end(struct monitor *monitor, struct error *err)
{
	char text[DIAGNOSIS_TEXT_BYTES];

	vm_diagnose_processors(monitor->vm, text);
	return error_set(err, -ETIMEDOUT, "the guest has not answered for %u s, it halts or loops: %s",
		monitor->launch->vm.watchdog_s, text);
}

void monitor_watchdog_heard(struct monitor *monitor)
{
	monitor->watchdog.asked_ms = 0;
	monitor->watchdog.next_ms = monitor_now_ms() + monitor->launch->vm.watchdog_s * 500.0;
}

int monitor_watchdog_look(struct monitor *monitor, int *timeout_ms, struct error *err)
{
	double now_ms = monitor_now_ms(), given_ms = monitor->launch->vm.watchdog_s * 1000.0;
	double since_ms = now_ms - monitor->watchdog.looked_ms;

	monitor->watchdog.looked_ms = now_ms;
	if (given_ms < 1)
		return 0;
	if (monitor->phase < PHASE_CREATED || monitor->phase == PHASE_EXITED || monitor->paused ||
		gdb_is_attached(monitor->gdb) || since_ms > given_ms / 2 + OVERSLEPT_MS)
		monitor_watchdog_heard(monitor);
	if (monitor->phase < PHASE_CREATED || monitor->phase == PHASE_EXITED)
		return 0;
	if (monitor->watchdog.asked_ms > 0 && now_ms - monitor->watchdog.asked_ms >= given_ms)
		return end(monitor, err);
	/* One that takes nothing in any more is not going to answer either. */
	if (monitor->watchdog.asked_ms < 1 && now_ms >= monitor->watchdog.next_ms) {
		(void)ask(monitor);
		monitor->watchdog.asked_ms = now_ms;
	}
	*timeout_ms = (int)(given_ms / 4) + 1;
	return 0;
}
