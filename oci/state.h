/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a container as a JSON document: the answer of `duet state`, and the standard input of every hook.
 *
 * Source: runtime-spec runtime.md "State"; rootfs, created and owner are runc's additions, which engines read.
 */
#ifndef DUET_OCI_STATE_H
#define DUET_OCI_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/strbuf.h"
#include "ns/container_plan.h" /* key_value */

enum oci_status { OCI_STATUS_CREATING, OCI_STATUS_CREATED, OCI_STATUS_RUNNING, OCI_STATUS_STOPPED, OCI_STATUS_PAUSED };

struct oci_state {
	const char *version; /* ociVersion; NULL: the newest known */
	const char *id;
	enum oci_status status;
	pid_t pid;                            /* as the host sees it; 0 when stopped */
	const char *bundle;                   /* absolute */
	const char *rootfs, *created, *owner; /* each left out when NULL; created is RFC 3339, owner a user name */
	const struct key_value *annotations;
	size_t annotation_count;
};

/* "creating", "created", "running", "stopped", "paused" */
const char *oci_status_name(enum oci_status status);

/* Appends what goes along with the descriptor of a seccomp filter's notifications (config-linux.md "The Container
 * Process State"); metadata may be NULL. */
void oci_process_state_print(struct strbuf *out, const struct oci_state *state, pid_t pid, const char *metadata);

/* Appends the document: on one line without a newline (hooks), or indented by two blanks (people). */
void oci_state_print(struct strbuf *out, const struct oci_state *state, bool indented);

#endif
