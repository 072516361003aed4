/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The annotations of config.json by which a bundle may say something to duet alone. Engines pass annotations on from
 * whoever describes a container (a pod, a compose file), so none of them names a file of the host's.
 */
#ifndef DUET_OCI_ANNOTATIONS_H
#define DUET_OCI_ANNOTATIONS_H

#define OCI_ANNOTATION_PREFIX "run.duet."

#define OCI_ANNOTATION_ISOLATION     "run.duet.isolation"     /* "container" or "microvm" */
#define OCI_ANNOTATION_LANDLOCK      "run.duet.landlock"      /* a policy as JSON: oci/landlock.h */
#define OCI_ANNOTATION_VM_VCPUS      "run.duet.vm.vcpus"      /* "1" to "32" */
#define OCI_ANNOTATION_VM_MEMORY     "run.duet.vm.memory"     /* bytes, or with a unit: "512M" */
#define OCI_ANNOTATION_VM_HUGE_PAGES "run.duet.vm.huge-pages" /* "true" or "false" */

/* All of them; ends with NULL. */
extern const char *const oci_annotations[];

#endif
