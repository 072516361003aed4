/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's half of a launch, from clone3 to the isolation's own part. Private to runtime/.
 */
#ifndef DUET_RUNTIME_LAUNCH_CHILD_H
#define DUET_RUNTIME_LAUNCH_CHILD_H

#include "runtime/launch.h"

/* The child's main function. */
void launch_child(struct launch *launch) __attribute__((noreturn));

/* In the runtime: takes the process that LAUNCH_PID names in place of the child that made it, which has ended. */
int launch_adopt(struct launch *launch, struct message *message, struct error *err);

/* In the runtime: linux.netDevices into the child's network namespace. */
int launch_move_network_devices(struct launch *launch, struct error *err);

#endif
