/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the new process is to be: the options over the process file over what the container was created with.
 */
#ifndef DUET_RUNTIME_EXEC_PLAN_H
#define DUET_RUNTIME_EXEC_PLAN_H

#include "runtime/exec.h"

/* Fills exec->process from exec->options, exec->spec and the container's record; all but the seccomp filter. -EINVAL
 * for what cannot be. */
int exec_plan(struct exec *exec, struct error *err);

#endif
