/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of a v1 controller, by libcgroup. A header of its own, since libcgroup has a `struct
 * cgroup_controller` where we have an enum.
 */
#ifndef DUET_CGROUPS_KERNEL_CONTROLLERS_H
#define DUET_CGROUPS_KERNEL_CONTROLLERS_H

enum kernel_controller {
	KERNEL_CONTROLLER_UNKNOWN,  /* not built in */
	KERNEL_CONTROLLER_DISABLED, /* cgroup_disable= on the kernel's command line */
	KERNEL_CONTROLLER_FREE,     /* on no v1 hierarchy */
	KERNEL_CONTROLLER_ON_V1,
};

enum kernel_controller kernel_controller_state(const char *name);

#endif
