/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/template.h"

#include <string.h>

#include "base/cleanup.h"
#include "oci/features.h"
#include "oci/json_write.h"

#define OPTIONS_MAX 8

struct template_mount {
	const char *destination, *type, *source;
	const char *options[OPTIONS_MAX]; /* NULL-terminated */
};

static const struct template_mount mounts[] = {
	{ "/proc", "proc", "proc", { NULL } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts", "devpts", "devpts",
		{ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

/* Without a network namespace of its own, a user namespace may not mount sysfs (kernel: sysfs belongs to the network
 * namespace). */
static const struct template_mount rootless_sys = { "/sys", "none", "/sys",
	{ "rbind", "nosuid", "noexec", "nodev", "ro" } };

static const char *const args[] = { "sh", NULL };
static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"TERM=xterm", NULL };
static const char *const capabilities[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL };
static const char *const capability_sets[] = { "bounding", "effective", "permitted" };
static const char *const namespaces[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };
static const char *const rootless_namespaces[] = { "pid", "ipc", "uts", "mount", "cgroup", "user" };
static const char *const masked_paths[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
	"/proc/scsi", "/sys/devices/virtual/tpm", NULL };
static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
	NULL };

static void write_process(struct json_writer *writer)
{
	json_write_key(writer, "process");
	json_write_open(writer, '{');
	json_write_bool_member(writer, "terminal", true);
	json_write_key(writer, "user");
	json_write_open(writer, '{');
	json_write_key(writer, "uid");
	json_write_u64(writer, 0);
	json_write_key(writer, "gid");
	json_write_u64(writer, 0);
	json_write_close(writer, '}');
	json_write_strings_member(writer, "args", args);
	json_write_strings_member(writer, "env", environment);
	json_write_string_member(writer, "cwd", "/");
	json_write_key(writer, "capabilities");
	json_write_open(writer, '{');
	for (size_t i = 0; i < ARRAY_SIZE(capability_sets); i++)
		json_write_strings_member(writer, capability_sets[i], capabilities);
	json_write_close(writer, '}');
	json_write_key(writer, "rlimits");
	json_write_open(writer, '[');
	json_write_open(writer, '{');
	json_write_string_member(writer, "type", "RLIMIT_NOFILE");
	json_write_key(writer, "hard");
	json_write_u64(writer, 1024);
	json_write_key(writer, "soft");
	json_write_u64(writer, 1024);
	json_write_close(writer, '}');
	json_write_close(writer, ']');
	json_write_bool_member(writer, "noNewPrivileges", true);
	json_write_close(writer, '}');
}

/* Owners that the one mapping does not have cannot be set. */
static bool names_an_owner(const char *option)
{
	return strncmp(option, "gid=", 4) == 0 || strncmp(option, "uid=", 4) == 0;
}

static void write_mount(struct json_writer *writer, const struct template_mount *mount, bool rootless)
{
	if (rootless && strcmp(mount->destination, rootless_sys.destination) == 0)
		mount = &rootless_sys;
	json_write_open(writer, '{');
	json_write_string_member(writer, "destination", mount->destination);
	json_write_string_member(writer, "type", mount->type);
	json_write_string_member(writer, "source", mount->source);
	if (mount->options[0]) {
		json_write_key(writer, "options");
		json_write_open(writer, '[');
		for (size_t i = 0; mount->options[i]; i++) {
			if (!rootless || !names_an_owner(mount->options[i]))
				json_write_string(writer, mount->options[i]);
		}
		json_write_close(writer, ']');
	}
	json_write_close(writer, '}');
}

static void write_mapping(struct json_writer *writer, const char *key, uint32_t host_id)
{
	json_write_key(writer, key);
	json_write_open(writer, '[');
	json_write_open(writer, '{');
	json_write_key(writer, "containerID");
	json_write_u64(writer, 0);
	json_write_key(writer, "hostID");
	json_write_u64(writer, host_id);
	json_write_key(writer, "size");
	json_write_u64(writer, 1);
	json_write_close(writer, '}');
	json_write_close(writer, ']');
}

/* No device but the standard ones, which every container has. */
static void write_resources(struct json_writer *writer)
{
	json_write_key(writer, "resources");
	json_write_open(writer, '{');
	json_write_key(writer, "devices");
	json_write_open(writer, '[');
	json_write_open(writer, '{');
	json_write_bool_member(writer, "allow", false);
	json_write_string_member(writer, "access", "rwm");
	json_write_close(writer, '}');
	json_write_close(writer, ']');
	json_write_close(writer, '}');
}

static void write_linux(struct json_writer *writer, const struct oci_template *template)
{
	const char *const *kinds = template->rootless ? rootless_namespaces : namespaces;
	size_t count = template->rootless ? ARRAY_SIZE(rootless_namespaces) : ARRAY_SIZE(namespaces);

	json_write_key(writer, "linux");
	json_write_open(writer, '{');
	if (template->rootless) {
		write_mapping(writer, "uidMappings", template->uid);
		write_mapping(writer, "gidMappings", template->gid);
	} else {
		write_resources(writer);
	}
	json_write_key(writer, "namespaces");
	json_write_open(writer, '[');
	for (size_t i = 0; i < count; i++) {
		json_write_open(writer, '{');
		json_write_string_member(writer, "type", kinds[i]);
		json_write_close(writer, '}');
	}
	json_write_close(writer, ']');
	json_write_strings_member(writer, "maskedPaths", masked_paths);
	json_write_strings_member(writer, "readonlyPaths", readonly_paths);
	json_write_close(writer, '}');
}

void oci_template_print(struct strbuf *out, const struct oci_template *template)
{
	struct json_writer writer = { .out = out, .indent = "\t" };

	json_write_open(&writer, '{');
	json_write_string_member(&writer, "ociVersion", OCI_VERSION_MAX);
	write_process(&writer);
	json_write_key(&writer, "root");
	json_write_open(&writer, '{');
	json_write_string_member(&writer, "path", "rootfs");
	json_write_bool_member(&writer, "readonly", true);
	json_write_close(&writer, '}');
	json_write_string_member(&writer, "hostname", "duet");
	json_write_key(&writer, "mounts");
	json_write_open(&writer, '[');
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
		write_mount(&writer, &mounts[i], template->rootless);
	json_write_close(&writer, ']');
	write_linux(&writer, template);
	json_write_close(&writer, '}');
	strbuf_string(out, "\n");
}
