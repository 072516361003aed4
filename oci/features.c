/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/features.h"

#include <seccomp.h>
#include <stdbool.h>

#include "oci/annotations.h"
#include "oci/json_write.h"
#include "oci/spec.h"

#define TEXT_OF(constant)  TEXT_OF_(constant)
#define TEXT_OF_(constant) #constant

static const struct {
	bool cgroup_v1, cgroup_v2, cgroup_systemd, cgroup_systemd_user, cgroup_rdma;
	bool seccomp, seccomp_notify, apparmor, selinux;
	bool intel_rdt, intel_rdt_schemata, intel_rdt_monitoring;
	bool memory_policy, network_devices, idmapped_mounts;
} built = {
	.cgroup_v1 = true,
	.cgroup_v2 = true,
	.cgroup_systemd = true,
	.cgroup_systemd_user = true,
	.cgroup_rdma = true,
	.seccomp = true,
	.seccomp_notify = true,
	.apparmor = true,
	.selinux = true,
	.intel_rdt = true,
	.intel_rdt_schemata = true,
	.intel_rdt_monitoring = true,
	.memory_policy = true,
	.network_devices = true,
	.idmapped_mounts = true,
};

static void write_names(struct json_writer *writer, const char *key, const struct oci_name_table *table)
{
	json_write_key(writer, key);
	json_write_open(writer, '[');
	for (size_t i = 0; table && i < table->count; i++)
		json_write_string(writer, table->entries[i].name);
	json_write_close(writer, ']');
}

static void write_mount_options(struct json_writer *writer)
{
	json_write_key(writer, "mountOptions");
	json_write_open(writer, '[');
	for (size_t i = 0; i < oci_mount_option_count; i++)
		json_write_string(writer, oci_mount_option_table[i].name);
	json_write_close(writer, ']');
}

static void write_namespaces(struct json_writer *writer)
{
	json_write_key(writer, "namespaces");
	json_write_open(writer, '[');
	for (size_t i = 0; i < NAMESPACE_KINDS; i++)
		json_write_string(writer, namespace_table[i].name);
	json_write_close(writer, ']');
}

static void write_enabled(struct json_writer *writer, const char *key, bool enabled)
{
	json_write_key(writer, key);
	json_write_open(writer, '{');
	json_write_bool_member(writer, "enabled", enabled);
	json_write_close(writer, '}');
}

static void write_cgroup(struct json_writer *writer)
{
	json_write_key(writer, "cgroup");
	json_write_open(writer, '{');
	json_write_bool_member(writer, "v1", built.cgroup_v1);
	json_write_bool_member(writer, "v2", built.cgroup_v2);
	json_write_bool_member(writer, "systemd", built.cgroup_systemd);
	json_write_bool_member(writer, "systemdUser", built.cgroup_systemd_user);
	json_write_bool_member(writer, "rdma", built.cgroup_rdma);
	json_write_close(writer, '}');
}

static void write_actions(struct json_writer *writer)
{
	json_write_key(writer, "actions");
	json_write_open(writer, '[');
	for (size_t i = 0; i < oci_seccomp_actions.count; i++) {
		const struct oci_name *action = &oci_seccomp_actions.entries[i];

		if (action->value != OCI_SECCOMP_NOTIFY || built.seccomp_notify)
			json_write_string(writer, action->name);
	}
	json_write_close(writer, ']');
}

static void write_seccomp(struct json_writer *writer)
{
	json_write_key(writer, "seccomp");
	json_write_open(writer, '{');
	json_write_bool_member(writer, "enabled", built.seccomp);
	write_actions(writer);
	write_names(writer, "operators", &oci_seccomp_operators);
	write_names(writer, "archs", &oci_seccomp_architectures);
	/* The flags go to seccomp(2) as they are: what is known is what is supported, as far as the kernel goes. */
	write_names(writer, "knownFlags", &oci_seccomp_flags);
	write_names(writer, "supportedFlags", &oci_seccomp_flags);
	json_write_close(writer, '}');
}

static void write_intel_rdt(struct json_writer *writer)
{
	json_write_key(writer, "intelRdt");
	json_write_open(writer, '{');
	json_write_bool_member(writer, "enabled", built.intel_rdt);
	json_write_bool_member(writer, "schemata", built.intel_rdt_schemata);
	json_write_bool_member(writer, "monitoring", built.intel_rdt_monitoring);
	json_write_close(writer, '}');
}

static void write_linux(struct json_writer *writer)
{
	json_write_key(writer, "linux");
	json_write_open(writer, '{');
	write_namespaces(writer);
	write_names(writer, "capabilities", &oci_capability_names);
	write_cgroup(writer);
	write_seccomp(writer);
	write_enabled(writer, "apparmor", built.apparmor);
	write_enabled(writer, "selinux", built.selinux);
	write_intel_rdt(writer);
	json_write_key(writer, "memoryPolicy");
	json_write_open(writer, '{');
	write_names(writer, "modes", built.memory_policy ? &oci_memory_policy_modes : NULL);
	write_names(writer, "flags", built.memory_policy ? &oci_memory_policy_flags : NULL);
	json_write_close(writer, '}');
	json_write_key(writer, "mountExtensions");
	json_write_open(writer, '{');
	write_enabled(writer, "idmap", built.idmapped_mounts);
	json_write_close(writer, '}');
	write_enabled(writer, "netDevices", built.network_devices);
	json_write_close(writer, '}');
}

static void write_annotations(struct json_writer *writer)
{
	cleanup_strbuf struct strbuf names = STRBUF_INIT;

	for (size_t i = 0; oci_annotations[i]; i++)
		strbuf_printf(&names, "%s%s", i ? "," : "", oci_annotations[i]);
	json_write_string_member(writer, OCI_FEATURE_ANNOTATIONS, names.data);
}

void oci_features_print(struct strbuf *out)
{
	/* Whoever may set these changes what stands between container and host; a final dot makes a prefix of it. */
	static const char *const unsafe[] = { OCI_ANNOTATION_PREFIX, NULL };
	struct json_writer writer = { .out = out, .indent = "    " };

	json_write_open(&writer, '{');
	json_write_string_member(&writer, "ociVersionMin", OCI_VERSION_MIN);
	json_write_string_member(&writer, "ociVersionMax", OCI_VERSION_MAX);
	write_names(&writer, "hooks", &oci_hook_kinds);
	write_mount_options(&writer);
	write_linux(&writer);
	json_write_key(&writer, "annotations");
	json_write_open(&writer, '{');
	json_write_string_member(&writer, "io.github.seccomp.libseccomp.version",
		TEXT_OF(SCMP_VER_MAJOR) "." TEXT_OF(SCMP_VER_MINOR) "." TEXT_OF(SCMP_VER_MICRO));
	json_write_string_member(&writer, OCI_FEATURE_ISOLATION, "container,microvm");
	write_annotations(&writer);
	json_write_string_member(&writer, "run.duet.version", DUET_VERSION);
	json_write_close(&writer, '}');
	json_write_strings_member(&writer, "potentiallyUnsafeConfigAnnotations", unsafe);
	json_write_close(&writer, '}');
	strbuf_string(out, "\n");
}
