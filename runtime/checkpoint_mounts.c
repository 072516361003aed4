/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a container's mounts comes from outside: criu leaves it out and is told at the restore where it is then.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "runtime/checkpoint.h"
#include "runtime/criu.h"

enum { TABLE_BYTES_MAX = 16 << 20 };

/* A device of the host's that is bound into the container goes by this name and its own. */
#define HOST_DEVICE "host:/dev/"

static const char *const standard_devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

struct mount_line {
	int id;
	unsigned major, minor;
	char root[4096], point[4096];
};

/* proc(5) writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; out++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*out = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 4;
		} else {
			*out = *text++;
		}
	}
	*out = '\0';
}

/* Takes the next line of mountinfo; false: the end. */
static bool next_mount(const char **mountinfo, struct mount_line *line)
{
	while (**mountinfo) {
		int found = sscanf(*mountinfo, "%d %*d %u:%u %4095s %4095s", &line->id, &line->major, &line->minor,
			line->root, line->point);
		const char *end = strchr(*mountinfo, '\n');

		*mountinfo = end ? end + 1 : *mountinfo + strlen(*mountinfo);
		if (found != 5)
			continue;
		unescape(line->root);
		unescape(line->point);
		return true;
	}
	return false;
}

int checkpoint_read_mountinfo(pid_t pid, struct strbuf *mountinfo, struct error *err)
{
	cleanup_free char *path = xprintf("/proc/%d/mountinfo", (int)pid);
	int result = file_read(AT_FDCWD, path, TABLE_BYTES_MAX, mountinfo);

	return result < 0 ? error_set(err, -result, "read %s", path) : 0;
}

int checkpoint_mount_id(const char *fdinfo)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *line;

	if (file_read(AT_FDCWD, fdinfo, 65536, &text) < 0)
		return -1;
	line = strstr(text.data, "mnt_id:");
	return line ? atoi(line + strlen("mnt_id:")) : -1;
}

char *checkpoint_mount_point(const char *mountinfo, int id)
{
	cleanup_free struct mount_line *line = xcalloc(1, sizeof(*line));

	while (next_mount(&mountinfo, line)) {
		if (line->id == id)
			return xstrdup(line->point);
	}
	return NULL;
}

bool checkpoint_is_volume(const struct oci_mount *mount)
{
	return (mount->options.flags & MS_BIND) || (mount->type && strcmp(mount->type, "bind") == 0);
}

/* The mount point is told as the container has it now, links resolved, under config.json's name for it. */
static int put_volume(struct strbuf *request, const struct oci_mount *mount, int root, const char *mountinfo, int *id,
	struct error *err)
{
	cleanup_fd int fd = open_in_root(root, mount->destination, O_PATH, 0, 0);
	cleanup_free char *info = NULL, *point = NULL;

	if (fd < 0)
		return error_set(err, -fd, "open \"%s\" in the container", mount->destination);
	info = xprintf("/proc/self/fdinfo/%d", fd);
	*id = checkpoint_mount_id(info);
	point = checkpoint_mount_point(mountinfo, *id);
	if (point)
		criu_put_pair(request, CRIU_EXTERNAL_MOUNT, point, mount->destination);
	return 0;
}

/* Devices that could not be made (user namespace), and what is masked by one of them. */
static int put_host_devices(
	struct strbuf *request, const char *mountinfo, const int *volume_ids, size_t volume_count, struct error *err)
{
	cleanup_free struct mount_line *line = xcalloc(1, sizeof(*line));
	struct stat host;

	if (stat("/dev", &host) < 0)
		return error_set(err, errno, "look at /dev");
	while (next_mount(&mountinfo, line)) {
		cleanup_free char *name = NULL;
		bool known = line->major != major(host.st_dev) || line->minor != minor(host.st_dev) || !line->root[1];

		for (size_t i = 0; i < volume_count && !known; i++)
			known = volume_ids[i] == line->id;
		if (known)
			continue;
		name = xprintf(HOST_DEVICE "%s", line->root + 1);
		criu_put_pair(request, CRIU_EXTERNAL_MOUNT, line->point, name);
	}
	return 0;
}

int checkpoint_put_mounts(
	struct strbuf *request, const struct oci_spec *spec, pid_t pid, const char *mountinfo, struct error *err)
{
	cleanup_free char *root_path = xprintf("/proc/%d/root", (int)pid);
	cleanup_fd int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free int *ids = xcalloc(spec->mount_count + 1, sizeof(*ids));
	size_t count = 0;

	if (root < 0)
		return error_set(err, errno, "open %s", root_path);
	for (size_t i = 0; i < spec->mount_count; i++) {
		int result = checkpoint_is_volume(&spec->mounts[i])
				     ? put_volume(request, &spec->mounts[i], root, mountinfo, &ids[count++], err)
				     : 0;

		if (result < 0)
			return result;
	}
	/* The container's mounts are slaves of the host's. */
	criu_put_number(request, CRIU_EXTERNAL_MASTERS, 1);
	return put_host_devices(request, mountinfo, ids, count, err);
}

void checkpoint_put_sources(struct strbuf *request, const struct oci_spec *spec, const struct rootfs_plan *plan)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		if (checkpoint_is_volume(&spec->mounts[i]) && plan->mounts[i].source)
			criu_put_pair(
				request, CRIU_EXTERNAL_MOUNT, spec->mounts[i].destination, plan->mounts[i].source);
	}
	for (size_t i = 0; i < ARRAY_SIZE(standard_devices); i++) {
		cleanup_free char *name = xprintf(HOST_DEVICE "%s", standard_devices[i]);

		criu_put_pair(request, CRIU_EXTERNAL_MOUNT, name, name + strlen("host:"));
	}
	for (size_t i = 0; i < spec->device_count; i++) {
		cleanup_free char *name = xprintf("host:%s", spec->devices[i].path);

		criu_put_pair(request, CRIU_EXTERNAL_MOUNT, name, spec->devices[i].path);
	}
	criu_put_number(request, CRIU_EXTERNAL_MASTERS, 1);
}
