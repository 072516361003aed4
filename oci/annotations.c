/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/annotations.h"

#include <stddef.h>

const char *const oci_annotations[] = {
	OCI_ANNOTATION_ISOLATION,
	OCI_ANNOTATION_LANDLOCK,
	OCI_ANNOTATION_VM_VCPUS,
	OCI_ANNOTATION_VM_MEMORY,
	OCI_ANNOTATION_VM_HUGE_PAGES,
	NULL,
};
