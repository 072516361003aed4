/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules on v1 (Documentation/admin-guide/cgroup-v1/devices.rst): one default, and exceptions from it. The kernel
 * takes a rule that would cut a hole into an exception and does nothing, so the exceptions are worked out before and
 * written as they will stand.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

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
	const char *file = exceptions.allow ? "devices.deny" : "devices.allow";
	cleanup_fd int fd = -EBADF;

	if (result == 0)
		result = cgroup_write(entry, exceptions.allow ? "devices.allow" : "devices.deny", "a", field, err);
	if (result < 0 || exceptions.count == 0)
		return result;
	/* A dozen rules through one descriptor: this is on the way to every start. */
	fd = openat(entry->fd, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "%s: opening %s/%s", field, entry->directory, file);
	for (size_t i = 0; i < exceptions.count; i++) {
		cleanup_free char *text = rule_text(&exceptions.rules[i]);

		result = file_write_fd(fd, text, strlen(text));
		if (result < 0)
			return cgroup_write_failed(entry, file, text, field, result, err);
	}
	return 0;
}
