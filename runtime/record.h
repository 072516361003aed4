/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's record as JSON: state.json of its state directory. Private to runtime/.
 */
#ifndef DUET_RUNTIME_RECORD_H
#define DUET_RUNTIME_RECORD_H

#include "runtime/container.h"

/* Reads and checks state.json. -ENOENT: none; -EBADMSG: not a record of ours. */
int record_load(struct container *container, struct error *err);
int record_save(const struct container *container, struct error *err);
void record_free(struct container_record *record);

/* The record from and to text, for tests. */
int record_parse(const char *text, size_t length, struct container_record *record, struct error *err);
char *record_print(const struct container_record *record);

#endif
