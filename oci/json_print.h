/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed document, or a part of it, as JSON text again: integers of the whole unsigned 64-bit range keep their value.
 * Private to oci/. */
#ifndef DUET_OCI_JSON_PRINT_H
#define DUET_OCI_JSON_PRINT_H

#include "oci/json_document.h"
#include "oci/json_write.h"

void json_document_print(struct json_writer *writer, const struct json_document *document, const json_t *value);

#endif
