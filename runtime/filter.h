/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's seccomp filter, compiled or taken from the cache under the state root (seccomp/seccomp.h).
 */
#ifndef DUET_RUNTIME_FILTER_H
#define DUET_RUNTIME_FILTER_H

#include "runtime/launch.h"

/* Fills launch->process.seccomp from linux.seccomp; leaves it empty where there is none. */
int filter_compile(struct launch *launch, struct error *err);

#endif
