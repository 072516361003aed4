/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs that engines need beyond the runtime specification's: what runs in a container, how much it uses, and how
 * to stop it for a while or to change its limits. For both walls.
 */
#ifndef DUET_RUNTIME_OPERATIONS_H
#define DUET_RUNTIME_OPERATIONS_H

#include "process/process_list.h"
#include "runtime/container.h"
#include "runtime/statistics.h"

/* ps. A container that has ended has those processes that are left in its cgroup. */
int operation_processes(const char *root, const char *id, struct process_list *list, struct error *err);

/* pause and resume: done when it returns. -EINVAL when it is paused, or not paused, already. */
int operation_pause(const char *root, const char *id, bool paused, struct error *err);

/* update: resources is the text of a linux.resources object (config-linux.md), `name` what its errors begin with. The
 * kept configuration remembers what was set. */
int operation_update(
	const char *root, const char *id, const char *resources, size_t length, const char *name, struct error *err);

/* The same for the schemata of the container's resctrl group (NULL: as they are); -EINVAL: it has none. */
int operation_update_schemata(
	const char *root, const char *id, const char *l3_cache, const char *memory_bandwidth, struct error *err);

/* events --stats. */
int operation_statistics(const char *root, const char *id, struct container_statistics *statistics, struct error *err);

/* events: calls `print` with one line of JSON (without its newline) after another: statistics each interval, and
 * {"type":"oom","id":…} when the out-of-memory killer came, until the container ends. Stops with what print returns
 * when that is negative. */
typedef int operation_event_print(const char *line, void *context, struct error *err);
int operation_events(const char *root, const char *id, uint64_t interval_ms, operation_event_print *print,
	void *context, struct error *err);

#endif
