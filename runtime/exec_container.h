/* SPDX-License-Identifier: Apache-2.0 */
/* exec behind the first wall: see isolation.h for what the two mean. */
#ifndef DUET_RUNTIME_EXEC_CONTAINER_H
#define DUET_RUNTIME_EXEC_CONTAINER_H

#include "runtime/exec.h"

int exec_container_prepare(struct exec *exec, struct error *err);
int exec_container_child(struct exec *exec, struct error *err);

#endif
