/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec's child in front of a micro-VM. Private to runtime/.
 */
#ifndef DUET_RUNTIME_EXEC_MICROVM_H
#define DUET_RUNTIME_EXEC_MICROVM_H

#include "runtime/exec.h"

/* isolation.exec_prepare, isolation.exec_child. The child ends with the process's status (128 + the signal's number).
 */
int exec_microvm_prepare(struct exec *exec, struct error *err);
int exec_microvm_child(struct exec *exec, struct error *err);

#endif
