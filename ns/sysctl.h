/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel parameters of the container's own namespaces (config-linux.md "Sysctl", sysctl(8)). For namespaces.c.
 */
#ifndef DUET_NS_SYSCTL_H
#define DUET_NS_SYSCTL_H

#include "ns/container_plan.h"

/* Is every key one of a namespace that the container has, or is the whole kernel its own? The error names the key.
 * Until the namespaces are joined, one that is the caller's own (by its path) does not count. */
int sysctl_check(const struct container_plan *plan, bool whole_kernel_is_ours, bool joined_already, struct error *err);
/* Writes them all. */
int sysctl_apply(const struct container_plan *plan, struct error *err);

/* "net/ipv4/conf/eth0.1/forwarding" or "net.ipv4.conf.eth0/1.forwarding" to the path below /proc/sys: the first
 * separator says which of the two characters stands for the directory. NULL for what is no key ("", "a..b", "../x").
 * The caller's to free. */
char *sysctl_path(const char *key);

#endif
