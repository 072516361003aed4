/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "base/file.h"
#include "sandbox/image.h"

enum { TRIES = 16 };

/* Another process may take the free device first. */
static int take_device(int image, bool writable, struct error *err)
{
	const struct loop_config config = { .fd = (unsigned int)image,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR | (writable ? 0U : LO_FLAGS_READ_ONLY) } };
	cleanup_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return error_set(err, errno, "open /dev/loop-control, for a file system in a file");
	for (int i = 0; i < TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		cleanup_fd int device = -EBADF;
		char path[32];

		if (number < 0)
			return error_set(err, errno, "find a free loop device");
		(void)snprintf(path, sizeof(path), "/dev/loop%d", number);
		device = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (device < 0)
			return error_set(err, errno, "open %s", path);
		if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&device);
		if (errno != EBUSY)
			return error_set(err, errno, "put a file on %s", path);
	}
	return error_set(err, EBUSY, "find a free loop device");
}

int loop_mount_image(int image, const char *file_system, const char *path, struct error *err)
{
	/* Of a file system that was not unmounted the journal would be played back, into a device that cannot be
	 * written. */
	const char *options = strcmp(file_system, "ext4") == 0 ? "noload" : NULL;
	cleanup_fd int device = take_device(image, false, err);

	if (device < 0)
		return device;
	if (mount(fd_path(device).text, path, file_system, MS_RDONLY | MS_NODEV | MS_NOSUID, options) < 0)
		return error_set(err, errno, "mount the disk image as %s", file_system);
	return 0;
}

int loop_mount_disk(int file, const char *path, struct error *err)
{
	cleanup_fd int device = take_device(file, true, err);

	if (device < 0)
		return device;
	if (mount(fd_path(device).text, path, "ext4", MS_NODEV, NULL) < 0)
		return error_set(err, errno, "mount the sandbox's disk");
	return 0;
}
