/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `duet spec`: a configuration to begin with, the one that `runc spec` writes: a shell in ./rootfs behind all usual
 * walls.
 */
#ifndef DUET_OCI_TEMPLATE_H
#define DUET_OCI_TEMPLATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/strbuf.h"

struct oci_template {
	bool rootless; /* a user namespace with one mapping, the host's network, no cgroup settings */
	uid_t uid;     /* who becomes root inside; only when rootless */
	gid_t gid;
};

/* Appends the document, indented with tabs, with a newline at its end. */
void oci_template_print(struct strbuf *out, const struct oci_template *template);

#endif
