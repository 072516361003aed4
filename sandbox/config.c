/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle of a sandbox: config.json on the scratch tmpfs, beside the root file system.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/file.h"
#include "oci/features.h"
#include "oci/json_write.h"
#include "oci/names.h"
#include "sandbox/internal.h"
#include "sandbox/system_calls.h"

#define NOBODY      65534
#define RESOLV_NAME "resolv.conf" /* in the bundle */

static const char *const passed_variables[] = { "TERM", "LANG", "LC_ALL", "TZ", "CI", NULL };

/* What package managers, tar and make install need, inside the user namespace only. */
static const char *const build_capabilities[] = { "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	NULL };

static const char *const masked_paths[] = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore",
	"/proc/keys", "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
	"/sys/firmware", NULL };
static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
	NULL };

static bool is_strict(const struct sandbox *sandbox)
{
	return strcmp(sandbox->settings->policy, "strict") == 0;
}

/* Without capabilities the owner of the work directory is who can work in it. */
void sandbox_user(const struct sandbox *sandbox, uid_t *uid, gid_t *gid)
{
	struct stat status;

	*uid = *gid = is_strict(sandbox) && sandbox->ids > NOBODY ? NOBODY : 0;
	if (!is_strict(sandbox) || stat(sandbox->workdir, &status) < 0 || status.st_uid == 0 ||
		status.st_uid >= sandbox->ids || status.st_gid >= sandbox->ids)
		return;
	*uid = status.st_uid;
	*gid = status.st_gid;
}

static void write_user(struct json_writer *json, const struct sandbox *sandbox)
{
	uid_t uid;
	gid_t gid;

	sandbox_user(sandbox, &uid, &gid);
	json_write_key(json, "user");
	json_write_open(json, '{');
	json_write_key(json, "uid");
	json_write_u64(json, uid);
	json_write_key(json, "gid");
	json_write_u64(json, gid);
	json_write_close(json, '}');
}

/* One value for a name: which of two a program takes is its own affair. */
static void set_variable(char ***list, const char *variable)
{
	size_t length = strcspn(variable, "="), count = 0;

	for (; *list && (*list)[count]; count++) {
		if (strncmp((*list)[count], variable, length) == 0 && (*list)[count][length] == '=') {
			free((*list)[count]);
			(*list)[count] = xstrdup(variable);
			return;
		}
	}
	*list = xrealloc(*list, count + 2, sizeof(**list));
	(*list)[count] = xstrdup(variable);
	(*list)[count + 1] = NULL;
}

static void pass_variables(char ***list, const char *const *names)
{
	for (; names && *names; names++) {
		const char *value = getenv(*names);
		cleanup_free char *variable = value ? xprintf("%s=%s", *names, value) : NULL;

		if (variable)
			set_variable(list, variable);
	}
}

/* From the weakest to the strongest word. */
static void write_environment(struct json_writer *json, const struct sandbox *sandbox)
{
	const struct sandbox_settings *settings = sandbox->settings;
	char **list = NULL;

	set_variable(&list, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set_variable(&list, is_strict(sandbox) ? "HOME=/tmp" : "HOME=/root");
	for (char **variable = sandbox->image.environment; variable && *variable; variable++)
		set_variable(&list, *variable);
	pass_variables(&list, passed_variables);
	pass_variables(&list, (const char *const *)settings->pass_environment);
	for (char **variable = settings->environment; variable && *variable; variable++)
		set_variable(&list, *variable);
	json_write_strings_member(json, "env", (const char *const *)list);
	free_strings(list);
}

static void write_capabilities(struct json_writer *json, const struct sandbox *sandbox)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	json_write_key(json, "capabilities");
	json_write_open(json, '{');
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		json_write_key(json, sets[i]);
		json_write_open(json, '[');
		for (const char *const *name = build_capabilities; *name && !is_strict(sandbox); name++)
			json_write_string(json, *name);
		for (char **name = sandbox->settings->capabilities; name && *name; name++) {
			uint64_t number;

			if (oci_capability_find(*name, &number))
				json_write_string(json, oci_name_of(&oci_capability_names, number));
		}
		json_write_close(json, ']');
	}
	json_write_close(json, '}');
}

/* --pids counts what the command is, not the process above it that reaps (process_plan.init). */
static uint64_t pids_with_init(const struct sandbox_settings *settings)
{
	return settings->pids == SANDBOX_UNLIMITED ? SANDBOX_UNLIMITED : settings->pids + 1;
}

/* Never above what this process has itself: that would need a privilege, and is stricter. */
static void write_rlimit(struct json_writer *json, const char *type, int resource, uint64_t value)
{
	struct rlimit own;

	if (value == SANDBOX_UNLIMITED)
		return;
	if (getrlimit(resource, &own) == 0 && own.rlim_max < value)
		value = own.rlim_max;
	json_write_open(json, '{');
	json_write_string_member(json, "type", type);
	json_write_key(json, "soft");
	json_write_u64(json, value);
	json_write_key(json, "hard");
	json_write_u64(json, value);
	json_write_close(json, '}');
}

static void write_process(struct json_writer *json, const struct sandbox *sandbox)
{
	const struct sandbox_settings *settings = sandbox->settings;

	json_write_key(json, "process");
	json_write_open(json, '{');
	json_write_bool_member(json, "terminal", settings->terminal);
	write_user(json, sandbox);
	json_write_strings_member(json, "args", (const char *const *)sandbox->command);
	write_environment(json, sandbox);
	json_write_string_member(json, "cwd", sandbox->workdir);
	write_capabilities(json, sandbox);
	json_write_key(json, "rlimits");
	json_write_open(json, '[');
	write_rlimit(json, "RLIMIT_FSIZE", RLIMIT_FSIZE, settings->file_size_bytes);
	write_rlimit(json, "RLIMIT_NOFILE", RLIMIT_NOFILE, settings->open_files);
	write_rlimit(json, "RLIMIT_CORE", RLIMIT_CORE, 0);
	if (sandbox->pids_by_rlimit)
		write_rlimit(json, "RLIMIT_NPROC", RLIMIT_NPROC, pids_with_init(settings));
	json_write_close(json, ']');
	json_write_bool_member(json, "noNewPrivileges", true);
	json_write_close(json, '}');
}

static void write_mount(struct json_writer *json, const char *destination, const char *type, const char *const *options)
{
	json_write_open(json, '{');
	json_write_string_member(json, "destination", destination);
	json_write_string_member(json, "type", type);
	json_write_string_member(json, "source", type);
	json_write_strings_member(json, "options", options);
	json_write_close(json, '}');
}

static void write_tmpfs(struct json_writer *json, const char *wish)
{
	cleanup_free char *destination = xstrdup(wish);
	char *size = strchr(destination, ':');
	cleanup_free char *option = NULL;
	uint64_t bytes;

	if (size)
		*size++ = '\0';
	option = size && sandbox_parse_size(size, &bytes) ? xprintf("size=%" PRIu64, bytes) : xstrdup("size=50%");
	write_mount(json, destination, "tmpfs", (const char *const[]){ "nosuid", "nodev", "mode=1777", option, NULL });
}

static void write_bind(struct json_writer *json, const char *source, const char *destination, const char *option)
{
	json_write_open(json, '{');
	json_write_string_member(json, "destination", destination);
	json_write_string_member(json, "type", "bind");
	json_write_string_member(json, "source", source);
	json_write_strings_member(json, "options", (const char *const[]){ "bind", "nosuid", "noexec", option, NULL });
	json_write_close(json, '}');
}

static void write_mounts(struct json_writer *json, const struct sandbox *sandbox)
{
	bool own_network = strcmp(sandbox->settings->network, "host") != 0;

	json_write_key(json, "mounts");
	json_write_open(json, '[');
	write_mount(json, "/proc", "proc", (const char *const[]){ "nosuid", "noexec", "nodev", NULL });
	write_mount(json, "/dev", "tmpfs", (const char *const[]){ "nosuid", "noexec", "mode=755", "size=64k", NULL });
	write_mount(json, "/dev/pts", "devpts",
		(const char *const[]){ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", NULL });
	write_mount(json, "/dev/shm", "tmpfs",
		(const char *const[]){ "nosuid", "noexec", "nodev", "mode=1777", "size=50%", NULL });
	write_mount(json, "/dev/mqueue", "mqueue", (const char *const[]){ "nosuid", "noexec", "nodev", NULL });
	/* sysfs shows the network namespace that it is mounted in, which the user namespace has to own. */
	if (own_network)
		write_mount(json, "/sys", "sysfs", (const char *const[]){ "nosuid", "noexec", "nodev", "ro", NULL });
	for (char **wish = sandbox->settings->tmpfs; wish && *wish; wish++)
		write_tmpfs(json, *wish);
	for (unsigned int i = 0; i < sandbox->device_count; i++)
		write_bind(json, sandbox->devices[i].source, sandbox->devices[i].inside, NULL);
	if (sandbox->network)
		write_bind(json, RESOLV_NAME, "/etc/resolv.conf", "ro");
	json_write_close(json, ']');
}

static void write_id_mapping(struct json_writer *json, const struct id_mapping *mapping)
{
	json_write_open(json, '{');
	json_write_u64_member(json, "containerID", mapping->container_id);
	json_write_u64_member(json, "hostID", mapping->host_id);
	json_write_u64_member(json, "size", mapping->size);
	json_write_close(json, '}');
}

static void write_namespaces(struct json_writer *json, const struct sandbox *sandbox)
{
	static const char *const kinds[] = { "pid", "ipc", "uts", "mount", "cgroup", "network", "user" };
	size_t count = ARRAY_SIZE(kinds) - !sandbox->user_namespace;

	json_write_key(json, "namespaces");
	json_write_open(json, '[');
	for (size_t i = 0; i < count; i++) {
		if (strcmp(kinds[i], "network") == 0 && strcmp(sandbox->settings->network, "host") == 0)
			continue;
		json_write_open(json, '{');
		json_write_string_member(json, "type", kinds[i]);
		if (strcmp(kinds[i], "network") == 0 && network_namespace_path(sandbox->network))
			json_write_string_member(json, "path", network_namespace_path(sandbox->network));
		if (strcmp(kinds[i], "user") == 0 && network_user_namespace_path(sandbox->network))
			json_write_string_member(json, "path", network_user_namespace_path(sandbox->network));
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
	for (size_t i = 0; sandbox->user_namespace && !network_user_namespace_path(sandbox->network) && i < 2; i++) {
		struct id_mapping maps[SANDBOX_ID_MAPS];
		uint32_t map_count = sandbox_id_maps(sandbox, maps);

		json_write_key(json, i ? "gidMappings" : "uidMappings");
		json_write_open(json, '[');
		for (uint32_t j = 0; j < map_count; j++)
			write_id_mapping(json, &maps[j]);
		json_write_close(json, ']');
	}
}

static void write_number_object(struct json_writer *json, const char *object, const char *key, uint64_t value)
{
	if (value == SANDBOX_UNLIMITED)
		return;
	json_write_key(json, object);
	json_write_open(json, '{');
	json_write_key(json, key);
	json_write_u64(json, value);
	json_write_close(json, '}');
}

static void write_memory(struct json_writer *json, const struct sandbox *sandbox)
{
	const struct sandbox_settings *settings = sandbox->settings;

	if (settings->memory_bytes == SANDBOX_UNLIMITED || sandbox->memory_by_machine ||
		(sandbox->result.not_in_force & SANDBOX_LIMIT_MEMORY))
		return;
	json_write_key(json, "memory");
	json_write_open(json, '{');
	json_write_key(json, "limit");
	json_write_u64(json, settings->memory_bytes);
	/* OCI's swap is memory and swap together. */
	if (settings->swap_bytes != SANDBOX_UNLIMITED) {
		json_write_key(json, "swap");
		json_write_u64(json, settings->memory_bytes + settings->swap_bytes);
	}
	json_write_close(json, '}');
}

static void write_device_rules(struct json_writer *json, const struct sandbox *sandbox)
{
	if (!sandbox->device_count)
		return;
	json_write_key(json, "devices");
	json_write_open(json, '[');
	json_write_open(json, '{');
	json_write_bool_member(json, "allow", false);
	json_write_string_member(json, "access", "rwm");
	json_write_close(json, '}');
	for (unsigned int i = 0; i < sandbox->device_count; i++) {
		const struct sandbox_device *device = &sandbox->devices[i];

		json_write_open(json, '{');
		json_write_bool_member(json, "allow", true);
		json_write_string_member(json, "type", device->type == 'b' ? "b" : "c");
		json_write_u64_member(json, "major", major(device->number));
		json_write_u64_member(json, "minor", minor(device->number));
		json_write_string_member(json, "access", "rw");
		json_write_close(json, '}');
	}
	json_write_close(json, ']');
}

static void write_resources(struct json_writer *json, const struct sandbox *sandbox)
{
	const struct sandbox_settings *settings = sandbox->settings;

	json_write_key(json, "resources");
	json_write_open(json, '{');
	write_memory(json, sandbox);
	if (settings->cpus_milli != SANDBOX_UNLIMITED) {
		json_write_key(json, "cpu");
		json_write_open(json, '{');
		json_write_key(json, "period");
		json_write_u64(json, 100000);
		json_write_key(json, "quota");
		json_write_u64(json, settings->cpus_milli * 100);
		json_write_close(json, '}');
	}
	if (!sandbox->pids_by_rlimit && !(sandbox->result.not_in_force & SANDBOX_LIMIT_PIDS))
		write_number_object(json, "pids", "limit", pids_with_init(settings));
	write_number_object(json, "blockIO", "weight", settings->io_weight);
	write_device_rules(json, sandbox);
	json_write_close(json, '}');
}

/* The file's text has been checked to be one JSON value. */
static void write_seccomp(struct json_writer *json, const struct strbuf *file)
{
	if (!file->length) {
		system_calls_write(json);
		return;
	}
	json_write_key(json, "seccomp");
	strbuf_append(json->out, file->data, file->length);
	json->after_key = false;
	json->filled = true;
}

static void write_linux(struct json_writer *json, const struct sandbox *sandbox, const struct strbuf *seccomp)
{
	json_write_key(json, "linux");
	json_write_open(json, '{');
	write_namespaces(json, sandbox);
	write_resources(json, sandbox);
	write_seccomp(json, seccomp);
	json_write_strings_member(json, "maskedPaths", masked_paths);
	json_write_strings_member(json, "readonlyPaths", readonly_paths);
	json_write_close(json, '}');
}

/* The host's own may name servers that only the host can reach. */
static int write_resolv(const struct sandbox *sandbox, struct error *err)
{
	static const char text[] = "nameserver " NETWORK_NAME_SERVER "\n";
	int result = sandbox->network ? file_replace(sandbox->scratch_fd, RESOLV_NAME, text, strlen(text), 0644) : 0;

	return result < 0 ? error_set(err, -result, "write the sandbox's " RESOLV_NAME) : 0;
}

int config_write(const struct sandbox *sandbox, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT, seccomp = STRBUF_INIT;
	struct json_writer json = { .out = &text };
	/* supervise.c makes the container from there: in its own user namespace its process might not pass through the
	 * directories above the state root. */
	const char *root_path = sandbox->user_namespace ? "/proc/self/cwd/rootfs" : "rootfs";
	int result = write_resolv(sandbox, err);

	if (result == 0 && sandbox->settings->seccomp_file)
		result = seccomp_file_read(sandbox->settings->seccomp_file, &seccomp, err);
	if (result < 0)
		return result;

	json_write_open(&json, '{');
	json_write_string_member(&json, "ociVersion", OCI_VERSION_MAX);
	write_process(&json, sandbox);
	json_write_key(&json, "root");
	json_write_open(&json, '{');
	json_write_string_member(&json, "path", root_path);
	json_write_close(&json, '}');
	json_write_string_member(&json, "hostname", "sandbox");
	write_mounts(&json, sandbox);
	write_linux(&json, sandbox, &seccomp);
	json_write_close(&json, '}');
	result = file_replace(sandbox->scratch_fd, "config.json", text.data, text.length, 0600);
	return result < 0 ? error_set(err, -result, "write the sandbox's bundle") : 0;
}
