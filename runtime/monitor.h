/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor process of one micro-VM: it starts the machine, passes orders to the guest's init and its words back,
 * forwards signals, answers on the control socket, and ends with the exit status of the workload.
 */
#ifndef DUET_RUNTIME_MONITOR_H
#define DUET_RUNTIME_MONITOR_H

#include "microvm/confine.h"
#include "microvm/vm.h"
#include "runtime/launch.h"

struct monitor;

/* What the monitor's main thread may ask of the kernel from the guest's first instruction on. */
extern const struct thread_filter monitor_filter;
extern const struct thread_filter monitor_debug_filter; /* where it serves a debugger */

/* Descriptors of the workload's streams on the host. Without a terminal: standard input, output, error. With one: the
 * pty's slave in the first. */
struct monitor_streams {
	int fds[3];
	bool terminal;
};

/* Makes the machine; no thread runs yet. Takes the streams' descriptors over. */
int monitor_create(struct monitor **monitor, struct launch *launch, struct vm *vm,
	const struct monitor_streams *streams, struct error *err);

/* Runs it to its end. Does not return: the process ends with the workload's status (128 + N for a signal), or with 1
 * after a failure was reported. Before PREPARED it returns instead, with the error. */
int monitor_run(struct monitor *monitor, struct error *err);

#endif
