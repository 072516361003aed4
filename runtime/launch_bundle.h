/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to runtime/.
 */
#ifndef DUET_RUNTIME_LAUNCH_BUNDLE_H
#define DUET_RUNTIME_LAUNCH_BUNDLE_H

#include "runtime/launch.h"

/* Reads the bundle and fills in spec, settings, isolation and plans: everything that can be refused before anything is
 * made. *bundle: its absolute path (allocated). */
int launch_load(struct launch *launch, char **bundle, struct error *err);

/* The record as it is before there is a process; takes the bundle's path over. */
void launch_fill_record(struct launch *launch, char *bundle);

/* Hooks at deletion and a later exec need the configuration as it was now. Nobody reads it before there is a record. */
int launch_keep_config(struct launch *launch, struct error *err);

#endif
