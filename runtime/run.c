/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: create and start, and in the foreground stay until the process has ended.
 */
#include "base/log.h"
#include "base/trace.h"
#include "runtime/foreground.h"
#include "runtime/isolation.h"
#include "runtime/lifecycle.h"
#include "runtime/out_of_memory.h"

static int run_signal(void *context, int signal, struct error *err)
{
	const struct launch *launch = context;

	return launch->isolation->signal(launch->container, signal, false, err);
}

/* A process that was restored runs already. */
static int run_start(struct launch *launch, struct error *err)
{
	return launch->options->bring_up ? 0 : launch_start(launch, err);
}

static int run_foreground(struct launch *launch, struct error *err)
{
	cleanup_foreground struct foreground *foreground = NULL;
	struct foreground_plan plan = {
		.child = &launch->child,
		.terminal_fd = launch->options->console_socket ? -EBADF : launch->terminal_fd,
		.signal = run_signal,
		.context = launch,
	};
	int result = foreground_open(&foreground, &plan, err);

	if (result == 0)
		result = run_start(launch, err);
	if (result < 0)
		return result;
	/* Others may look at it, signal it and even delete it by force meanwhile. */
	container_unlock(launch->container);
	result = foreground_wait(foreground, err);
	if (result > 0)
		out_of_memory_warn(launch->cgroup, 0, launch->options->id, result);
	return result;
}

/* The container's own end: a `delete --force` of somebody else may have come first. */
static void run_delete(struct launch *launch)
{
	trace_scope("delete the container");
	struct error err;

	if (container_lock(launch->container, &err) < 0)
		return;
	if (lifecycle_take_away(launch->container, launch->cgroup, launch->spec, &err) < 0)
		log_warning("%s", err.message);
}

int lifecycle_run(struct launch_options *options, bool keep, struct error *err)
{
	cleanup_launch struct launch *launch = NULL;
	cleanup_fd int signals = -EBADF;
	int result;

	if (options->foreground) {
		signals = foreground_block_signals(err);
		if (signals < 0)
			return signals;
		options->signal_fd = signals;
		options->may_start_early = true;
	}
	result = launch_create(options, &launch, err);
	if (result < 0)
		return result;
	if (options->foreground) {
		result = run_foreground(launch, err);
		if (launch->child.pid > 0)
			launch_abort(launch);
		else if (!keep)
			run_delete(launch);
		return result;
	}
	result = run_start(launch, err);
	if (result < 0)
		launch_abort(launch);
	return result;
}
