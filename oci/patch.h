/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config.json with some of its members changed: for whoever runs a bundle's process in another form.
 */
#ifndef DUET_OCI_PATCH_H
#define DUET_OCI_PATCH_H

#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

/*
 * Appends config (the text of a config.json) to *patched with a JSON merge patch (RFC 7396) applied: objects member by
 * member, null removes, everything else takes the old one's place. Of the patch's "mounts" the elements are added to
 * those that are there. -EINVAL when either is not a JSON object; `name` is what errors about config begin with.
 */
int oci_config_patch(const char *name, const char *config, size_t config_length, const char *patch,
	struct strbuf *patched, struct error *err);

#endif
