/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checkpoint of a micro-VM: one file in a directory (microvm/snapshot.h), with memory (and holes where it is zero),
 * processors, devices, what the guest knows of the served files, its connections. What has to be the same where it goes
 * on is refused by name where it is not: duet's version, the processor, the KVM, memory and vCPUs, devices, terminal,
 * the interfaces of the network namespace, the files that the guest has open.
 */
#ifndef DUET_RUNTIME_MICROVM_CHECKPOINT_H
#define DUET_RUNTIME_MICROVM_CHECKPOINT_H

#include "base/strbuf.h"
#include "runtime/checkpoint.h"

#define MICROVM_CHECKPOINT_FILE "machine"

int microvm_checkpoint(const struct container *container, const struct checkpoint_options *options, struct error *err);
/* The directory that is meant, and whether it holds a micro-VM's checkpoint. */
const char *microvm_checkpoint_path(const struct checkpoint_options *options);
bool microvm_checkpoint_is_there(const struct checkpoint_options *options);
/* The machine's file in the directory. A descriptor or a negative errno. */
int microvm_checkpoint_open(const char *image_path, struct error *err);
/* What a monitor saves with its machine, and what another one must agree in to go on: -ESTALE names it. */
void microvm_checkpoint_put_owner(const struct launch *launch, struct strbuf *owner);
int microvm_checkpoint_check_owner(const struct launch *launch, const struct strbuf *owner, struct error *err);

#endif
