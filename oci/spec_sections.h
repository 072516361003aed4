/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of config.json, one file each: readers (see oci/json_read.h) and what frees them. Private to oci/.
 */
#ifndef DUET_OCI_SPEC_SECTIONS_H
#define DUET_OCI_SPEC_SECTIONS_H

#include "oci/json_read.h"

json_read_function oci_read_process;   /* struct oci_process * */
json_read_function oci_read_root;      /* struct oci_root */
json_read_function oci_read_mounts;    /* struct oci_spec: mounts, mount_count */
json_read_function oci_read_hooks;     /* struct oci_spec: hooks */
json_read_function oci_read_linux;     /* struct oci_spec: everything of linux */
json_read_function oci_read_resources; /* struct oci_resources * */
json_read_function oci_read_seccomp;   /* struct oci_seccomp * */
json_read_function oci_read_vm;        /* struct oci_vm * */

/* A list of mappings, non-empty ranges without overflow. */
int oci_read_id_mappings(
	struct json_reader *reader, const json_t *value, struct id_mapping **mappings, uint32_t *count);

/* A list of processors or memory nodes: "0-3,7". Blanks are dropped. */
json_read_function oci_read_number_list; /* char *; NULL for "" */

/* What only the whole can tell: paths are relative to the document's root. */
int oci_check_linux(struct json_reader *reader, const struct oci_spec *spec);

void oci_linux_free(struct oci_spec *spec);
void oci_mounts_free(struct oci_spec *spec);
void oci_hooks_free(struct oci_spec *spec);
void oci_seccomp_free(struct oci_seccomp *seccomp);
void oci_vm_free(struct oci_vm *vm);
void oci_key_values_free(struct key_value *pairs, size_t count);

#endif
