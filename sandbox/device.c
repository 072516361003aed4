/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --device and --gpu: nodes of the sandbox's own on a small tmpfs, which belong to the sandbox's user whoever may open
 * the host's. A process in a user namespace could not make them.
 */
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "sandbox/internal.h"

#define DEVICE_DIRECTORY "devices"

static const char *const gpu_patterns[] = { "/dev/dri/card*", "/dev/dri/renderD*", "/dev/kfd", "/dev/nvidia[0-9]*",
	"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset", NULL };

static int open_directory(const struct sandbox *sandbox, struct error *err)
{
	cleanup_free char *path = xprintf("%s/" DEVICE_DIRECTORY, sandbox->scratch);
	int fd;

	if (mkdirat(sandbox->scratch_fd, DEVICE_DIRECTORY, 0755) == 0 &&
		mount("devices", path, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k") < 0)
		return error_set(err, errno, "mount a tmpfs for the sandbox's devices");
	fd = openat(sandbox->scratch_fd, DEVICE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open the sandbox's devices") : fd;
}

/* "PATH[:PATH INSIDE]" */
static int add(struct sandbox *sandbox, const char *wish, struct error *err)
{
	cleanup_free char *path = xstrdup(wish);
	cleanup_fd int directory = -EBADF;
	char *inside = strchr(path, ':'), name[16];
	struct stat status;
	uid_t uid;
	gid_t gid;

	if (inside)
		*inside++ = '\0';
	else
		inside = path;
	if (inside[0] != '/')
		return error_set(err, -EINVAL, "--device %s: the place in the sandbox must begin with /", wish);
	if (stat(path, &status) < 0)
		return error_set(err, errno, "--device %s", path);
	if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
		return error_set(err, -ENODEV, "--device %s: this is no device", path);
	if (sandbox->device_count == SANDBOX_DEVICES_MAX)
		return error_set(err, -E2BIG, "--device: more than %d devices", SANDBOX_DEVICES_MAX);
	directory = sandbox->rootless ? -EBADF : open_directory(sandbox, err);
	if (!sandbox->rootless && directory < 0)
		return directory;
	(void)snprintf(name, sizeof(name), "%u", sandbox->device_count);
	sandbox_user(sandbox, &uid, &gid);
	/* Without privilege no node can be made: the host's own, with what the caller may do with it. */
	if (!sandbox->rootless &&
		(mknodat(directory, name, (status.st_mode & S_IFMT) | 0600, status.st_rdev) < 0 ||
			fchownat(directory, name, sandbox_owner(sandbox, uid), sandbox_owner(sandbox, gid), 0) < 0))
		return error_set(err, errno, "--device %s: make it for the sandbox", path);
	sandbox->devices[sandbox->device_count++] = (struct sandbox_device){
		.inside = xstrdup(inside),
		.source = sandbox->rootless ? xstrdup(path)
					    : xprintf("%s/" DEVICE_DIRECTORY "/%s", sandbox->scratch, name),
		.type = S_ISBLK(status.st_mode) ? 'b' : 'c',
		.number = status.st_rdev,
	};
	return 0;
}

static int add_gpu(struct sandbox *sandbox, struct error *err)
{
	int result = 0;
	unsigned int before = sandbox->device_count;

	for (size_t i = 0; gpu_patterns[i] && result == 0; i++) {
		glob_t found;

		if (glob(gpu_patterns[i], 0, NULL, &found) != 0)
			continue;
		for (size_t j = 0; j < found.gl_pathc && result == 0; j++)
			result = add(sandbox, found.gl_pathv[j], err);
		globfree(&found);
	}
	if (result == 0 && sandbox->device_count == before)
		return error_set(err, -ENODEV, "--gpu: this machine has none (no /dev/dri, /dev/kfd, /dev/nvidia*)");
	return result;
}

int devices_make(struct sandbox *sandbox, struct error *err)
{
	int result = 0;

	for (char **wish = sandbox->settings->devices; wish && *wish && result == 0; wish++)
		result = add(sandbox, *wish, err);
	return result == 0 && sandbox->settings->gpu ? add_gpu(sandbox, err) : result;
}

void devices_free(struct sandbox *sandbox)
{
	for (unsigned int i = 0; i < sandbox->device_count; i++) {
		free(sandbox->devices[i].inside);
		free(sandbox->devices[i].source);
	}
	sandbox->device_count = 0;
}
