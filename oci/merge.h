/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `update` changed, written into the configuration that is kept of a container.
 */
#ifndef DUET_OCI_MERGE_H
#define DUET_OCI_MERGE_H

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

/*
 * Appends config (the text of a config.json) to *merged with the members of resources (the text of a linux.resources
 * object) in place of its own: objects member by member, lists of limits element by element (by device, page size or
 * interface). null is no member; device rules stay as they are. -EINVAL when either is not a JSON object.
 */
int oci_merge_resources(const char *config, size_t config_length, const char *resources, size_t resources_length,
	struct strbuf *merged, struct error *err);

#endif
