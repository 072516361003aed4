/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the OCI runtime specification (runtime.md "Operations"), for both walls.
 */
#ifndef DUET_RUNTIME_LIFECYCLE_H
#define DUET_RUNTIME_LIFECYCLE_H

#include "runtime/launch.h"

/* create: returns once the container waits for `start`. */
int lifecycle_create(const struct launch_options *options, struct error *err);

/* run: create, start and, in the foreground, wait: signals are forwarded, the terminal is joined, everything is deleted
 * at the end. The result is the exit status for the command (the process's own, or 128 + its signal), or a negative
 * errno. keep: the container is not deleted. */
int lifecycle_run(struct launch_options *options, bool keep, struct error *err);

int lifecycle_start(const char *root, const char *id, struct error *err);
int lifecycle_kill(const char *root, const char *id, int signal, bool all, struct error *err);

/* force: a running container is killed first, a damaged one removed; an absent one is no error. */
int lifecycle_delete(const char *root, const char *id, bool force, struct error *err);

/* Takes the container's cgroup, hooks and state directory away; its process has ended. */
int lifecycle_cleanup(struct container *container, struct error *err);
/* The same for who has all this at hand. spec NULL: unknown. */
int lifecycle_take_away(
	struct container *container, const struct cgroup *cgroup, const struct oci_spec *spec, struct error *err);

/* A signal by name ("TERM", "SIGTERM", "rtmin+1") or number; -EINVAL for what is none. */
int signal_parse(const char *text, struct error *err);

#endif
