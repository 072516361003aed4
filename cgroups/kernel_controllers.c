/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/kernel_controllers.h"

#include <libcgroup.h>
#include <string.h>

enum kernel_controller kernel_controller_state(const char *name)
{
	enum kernel_controller state = KERNEL_CONTROLLER_UNKNOWN;
	struct controller_data controller;
	void *handle = NULL;
	int result;

	for (result = cgroup_get_all_controller_begin(&handle, &controller); result == 0;
		result = cgroup_get_all_controller_next(&handle, &controller)) {
		if (strcmp(controller.name, name) != 0)
			continue;
		if (!controller.enabled)
			state = KERNEL_CONTROLLER_DISABLED;
		else
			state = controller.hierarchy ? KERNEL_CONTROLLER_ON_V1 : KERNEL_CONTROLLER_FREE;
	}
	(void)cgroup_get_all_controller_end(&handle);
	return state;
}
