/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `duet features`: what this build understands and does, whatever the host has.
 *
 * The lists come from the tables that the parser uses (oci/names.h, oci/mount_options.h, ns/container_plan.h); the
 * yes-or-no facts are one struct in features.c, to be changed with the code they speak of.
 *
 * Source: runtime-spec features.md, features-linux.md.
 */
#ifndef DUET_OCI_FEATURES_H
#define DUET_OCI_FEATURES_H

#include "base/strbuf.h"

#define OCI_VERSION_MIN "1.0.0"
#define OCI_VERSION_MAX "1.3.0"

/* Our own annotation of the document: the walls that `--isolation` can choose from, comma-separated. */
#define OCI_FEATURE_ISOLATION "run.duet.isolation"
/* What a bundle's annotations may set (oci/annotations.h), comma-separated. */
#define OCI_FEATURE_ANNOTATIONS "run.duet.annotations"

/* Appends the document, indented, with a newline at its end. */
void oci_features_print(struct strbuf *out);

#endif
