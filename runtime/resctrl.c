/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/resctrl.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/log.h"

#define RESCTRL_PATH        "/sys/fs/resctrl"
#define SCHEMATA_BYTES_MAX  (1U << 20)
#define LAST_STATUS_FILE    "info/last_cmd_status"
#define LAST_STATUS_MAX     4096
#define MONITORING_FEATURES "info/L3_MON/mon_features"

#ifndef RDTGROUP_SUPER_MAGIC
#define RDTGROUP_SUPER_MAGIC 0x7655821
#endif

int resctrl_open(struct error *err)
{
	cleanup_fd int fd = open(RESCTRL_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs file_system;

	if (fd >= 0 && fstatfs(fd, &file_system) == 0 && file_system.f_type == RDTGROUP_SUPER_MAGIC)
		return take_fd(&fd);
	return error_set(err, -ENOTSUP,
		"linux.intelRdt: there is no resctrl file system at " RESCTRL_PATH
		" (it takes a processor with Intel RDT or AMD QoS, and `mount -t resctrl resctrl " RESCTRL_PATH "`)");
}

/* Names of directories: closID was checked by the parser, the id by the runtime. */
static const char *group_name(const struct oci_intel_rdt *rdt, const char *id)
{
	return rdt->closid ? rdt->closid : id;
}

/* A group of its own needs no second one to be told apart by. */
static bool has_monitoring_group(const struct oci_intel_rdt *rdt)
{
	return rdt->enable_monitoring && rdt->closid;
}

static char *monitoring_path(const struct oci_intel_rdt *rdt, const char *id)
{
	return xprintf("%s/mon_groups/%s", group_name(rdt, id), id);
}

/* What the kernel has against it stands in a file, not in errno. */
static int fail(int resctrl, int code, const char *what, const char *name, struct error *err)
{
	cleanup_strbuf struct strbuf status = STRBUF_INIT;

	if (file_read(resctrl, LAST_STATUS_FILE, LAST_STATUS_MAX, &status) < 0 || strcmp(status.data, "ok\n") == 0)
		return error_set(err, code, "linux.intelRdt: %s \"%s\"", what, name);
	status.data[strcspn(status.data, "\n")] = '\0';
	return error_set(err, -code, "linux.intelRdt: %s \"%s\": %s", what, name, status.data);
}

static bool has_schemata(const struct oci_intel_rdt *rdt)
{
	return rdt->schemata || rdt->l3_cache_schema || rdt->memory_bandwidth_schema;
}

static void append_line(struct strbuf *text, const char *line, size_t length)
{
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	if (length == 0)
		return;
	strbuf_append(text, line, length);
	strbuf_string(text, "\n");
}

/* l3CacheSchema and memBwSchema as lines; the former's own MB: lines give way to the latter. */
static void named_schemata(const struct oci_intel_rdt *rdt, struct strbuf *text)
{
	strbuf_string(text, "");
	for (const char *line = rdt->l3_cache_schema; line && *line;) {
		size_t length = strcspn(line, "\n");

		if (!rdt->memory_bandwidth_schema || strncmp(line + strspn(line, " \t"), "MB:", 3) != 0)
			append_line(text, line, length);
		line += length + (line[length] == '\n');
	}
	if (rdt->memory_bandwidth_schema)
		append_line(text, rdt->memory_bandwidth_schema, strlen(rdt->memory_bandwidth_schema));
}

static int write_schemata(int resctrl, const struct oci_intel_rdt *rdt, const char *name, struct error *err)
{
	cleanup_free char *file = xprintf("%s/schemata", name);
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result;

	named_schemata(rdt, &text);
	for (char **line = rdt->schemata; line && *line; line++)
		append_line(&text, *line, strlen(*line));
	if (!text.length)
		return 0;
	result = file_write(resctrl, file, text.data);
	return result < 0 ? fail(resctrl, -result, "write the schemata of group", name, err) : 0;
}

static bool has_line(const char *text, const char *wanted, size_t length)
{
	while (*text) {
		size_t here = strcspn(text, "\n"), blanks = strspn(text, " \t");

		if (here >= blanks && here - blanks == length && strncmp(text + blanks, wanted, length) == 0)
			return true;
		text += here + (text[here] == '\n');
	}
	return false;
}

/* A group that others may be in already has to be what was asked for. */
static int compare_schemata(int resctrl, const struct oci_intel_rdt *rdt, const char *name, struct error *err)
{
	cleanup_free char *file = xprintf("%s/schemata", name);
	cleanup_strbuf struct strbuf wanted = STRBUF_INIT, present = STRBUF_INIT;
	int result = file_read(resctrl, file, SCHEMATA_BYTES_MAX, &present);

	if (result < 0)
		return fail(resctrl, -result, "read the schemata of group", name, err);
	named_schemata(rdt, &wanted);
	for (char *line = wanted.data; *line; line += strcspn(line, "\n") + 1) {
		size_t length = strcspn(line, "\n");

		if (!has_line(present.data, line, length))
			return error_set(err, -EEXIST,
				"config.json: linux.intelRdt: group \"%s\" is there already, and has not \"%.*s\" in "
				"its "
				"schemata",
				name, (int)length, line);
	}
	return 0;
}

/* *made: it was not there before. */
static int make_group(int resctrl, const struct oci_intel_rdt *rdt, const char *id, bool *made, struct error *err)
{
	const char *name = group_name(rdt, id);
	struct stat status;

	*made = false;
	if (rdt->closid && !has_schemata(rdt)) {
		if (fstatat(resctrl, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set(err, errno, "config.json: linux.intelRdt.closID: group \"%s\"", name);
		return 0;
	}
	*made = mkdirat(resctrl, name, 0755) == 0;
	if (*made)
		return write_schemata(resctrl, rdt, name, err);
	if (errno != EEXIST || !rdt->closid)
		return fail(resctrl, errno, "make the group", name, err);
	if (compare_schemata(resctrl, rdt, name, err) < 0)
		return -err->code;
	return rdt->schemata ? write_schemata(resctrl, rdt, name, err) : 0;
}

int resctrl_make(int resctrl, const struct oci_intel_rdt *rdt, const char *id, struct error *err)
{
	const char *name = group_name(rdt, id);
	bool monitors = rdt->enable_monitoring || rdt->enable_cmt || rdt->enable_mbm, made;
	int result;

	if (monitors && faccessat(resctrl, MONITORING_FEATURES, F_OK, 0) < 0)
		return error_set(err, -ENOTSUP,
			"config.json: linux.intelRdt: this processor has no monitoring (" RESCTRL_PATH
			"/" MONITORING_FEATURES ")");
	result = make_group(resctrl, rdt, id, &made, err);
	if (result == 0 && has_monitoring_group(rdt)) {
		cleanup_free char *path = monitoring_path(rdt, id);

		if (mkdirat(resctrl, path, 0755) < 0)
			result = fail(resctrl, errno, "make the monitoring group", path, err);
	}
	if (result < 0 && made)
		(void)unlinkat(resctrl, name, AT_REMOVEDIR);
	return result;
}

static int add_to(int resctrl, const char *group, pid_t pid, struct error *err)
{
	cleanup_free char *file = xprintf("%s/tasks", group);
	cleanup_free char *text = xprintf("%d", (int)pid);
	int result = file_write(resctrl, file, text);

	return result < 0 ? fail(resctrl, -result, "put the process into group", group, err) : 0;
}

int resctrl_add(int resctrl, const struct oci_intel_rdt *rdt, const char *id, pid_t pid, struct error *err)
{
	cleanup_free char *monitoring = monitoring_path(rdt, id);
	int result = add_to(resctrl, group_name(rdt, id), pid, err);

	return result == 0 && has_monitoring_group(rdt) ? add_to(resctrl, monitoring, pid, err) : result;
}

int resctrl_change(int resctrl, const struct oci_intel_rdt *rdt, const char *id, const char *l3_cache,
	const char *memory_bandwidth, struct error *err)
{
	const struct oci_intel_rdt changed = { .l3_cache_schema = (char *)l3_cache,
		.memory_bandwidth_schema = (char *)memory_bandwidth };

	return write_schemata(resctrl, &changed, group_name(rdt, id), err);
}

static int remove_group(int resctrl, const char *group, struct error *err)
{
	if (unlinkat(resctrl, group, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return error_set(err, errno, "remove the resctrl group \"%s\"", group);
}

int resctrl_remove(int resctrl, const struct oci_intel_rdt *rdt, const char *id, struct error *err)
{
	cleanup_free char *monitoring = monitoring_path(rdt, id);

	if (!rdt->closid)
		return remove_group(resctrl, id, err);
	return has_monitoring_group(rdt) ? remove_group(resctrl, monitoring, err) : 0;
}
