/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules on v1 (Documentation/admin-guide/cgroup-v1/devices.rst): one default, and exceptions from it. The kernel takes a rule that would
 * cut a hole into an exception and does nothing, so the exceptions are worked out before and written as they will stand.
 */
#include "cgroups/internal.h"

#include <stdio.h>

static char *rule_text(const struct oci_device_rule *rule)
{
	char major[24] = "*", minor[24] = "*";

	if (rule->major >= 0)
		(void)snprintf(major, sizeof(major), "%lld", (long long)rule->major);
	if (rule->minor >= 0)
		(void)snprintf(minor, sizeof(minor), "%lld", (long long)rule->minor);
	return xprintf("%c %s:%s %s%s%s", rule->type, major, minor, rule->access & OCI_DEVICE_READ ? "r" : "",
		rule->access & OCI_DEVICE_WRITE ? "w" : "", rule->access & OCI_DEVICE_MKNOD ? "m" : "");
}

int cgroup_devices_v1(const struct cgroup_entry *entry, const struct cgroup_device_rules *rules, struct error *err)
{
	cleanup(cgroup_device_rules_free) struct cgroup_device_rules exceptions = { 0 };
	const char *field = "linux.resources.devices";
	int result = cgroup_device_exceptions(rules, &exceptions, err);

	if (result == 0)
		result = cgroup_write(entry, exceptions.allow ? "devices.allow" : "devices.deny", "a", field, err);
	for (size_t i = 0; i < exceptions.count && result == 0; i++) {
		cleanup_free char *text = rule_text(&exceptions.rules[i]);

		result = cgroup_write(entry, exceptions.allow ? "devices.deny" : "devices.allow", text, field, err);
	}
	return result;
}
