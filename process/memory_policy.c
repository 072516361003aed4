/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/syscall.h>
#include <unistd.h>

#include "process/process_internal.h"

enum { NODES_MAX = 1024 };

int process_set_memory_policy(const struct process_memory_policy *policy, struct error *err)
{
	unsigned long mask[NODES_MAX / (8 * sizeof(unsigned long))] = { 0 };
	const char *nodes = policy->nodes;

	if (!policy->set)
		return 0;
	if (nodes && !process_parse_number_list(nodes, mask, NODES_MAX))
		return error_set(err, -EINVAL, "set the memory policy: \"%s\" is not a list of nodes", nodes);
	/* One more than the number of bits, as the kernel counts them. */
	if (syscall(SYS_set_mempolicy, (unsigned int)policy->mode | policy->flags, nodes ? mask : NULL,
		    nodes ? NODES_MAX + 1UL : 0UL) == 0)
		return 0;
	return error_set(err, errno, "set the memory policy (mode %d, flags 0x%x, nodes \"%s\")%s", policy->mode,
		policy->flags, nodes ? nodes : "",
		errno == EINVAL ? ": does the mode take these nodes and flags, and are they there for the container?"
				: "");
}
