/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The annotation run.duet.landlock: what a container's processes may do with which paths and ports, by Landlock. Its
 * value is JSON; docs/landlock.md is its description.
 *
 *   {"abi": 4, "paths": [{"path": "/usr", "rights": ["read", "execute"]}], "connectTcp": [443], "scopes": ["signal"]}
 *
 * Source: the kernel's Documentation/userspace-api/landlock.rst.
 */
#ifndef DUET_OCI_LANDLOCK_H
#define DUET_OCI_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OCI_LANDLOCK_ABI_MAX 7

struct oci_landlock_path {
	char *path;      /* absolute, in the container */
	uint64_t rights; /* LANDLOCK_ACCESS_FS_* */
};

struct oci_landlock_ports {
	bool set; /* an empty list forbids every port */
	uint32_t *numbers;
	size_t count;
};

struct oci_landlock {
	uint32_t abi;         /* 1 … OCI_LANDLOCK_ABI_MAX */
	uint64_t file_rights; /* all that this version knows: what no path allows is denied */
	struct oci_landlock_path *paths;
	size_t path_count;
	struct oci_landlock_ports bind, connect; /* of TCP */
	uint64_t scopes;                         /* LANDLOCK_SCOPE_* */
};

/* Reads the annotation's value. Errors, -EINVAL, begin with the annotation's name and the path in its JSON. */
int oci_landlock_parse(struct oci_landlock **landlock, const char *text, struct error *err);
void oci_landlock_free(struct oci_landlock *landlock); /* NULL is fine */

static inline void oci_landlock_release(struct oci_landlock **landlock)
{
	oci_landlock_free(*landlock);
	*landlock = NULL;
}

#define cleanup_oci_landlock cleanup(oci_landlock_release)

#endif
