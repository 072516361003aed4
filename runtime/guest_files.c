/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_files.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sealed_program.h"

static int open_beside_program(const char *file, char **name)
{
	cleanup_free char *program = sealed_program_path();
	cleanup_free char *path = NULL;
	char *slash;
	int fd;

	if (!program)
		return -ENOENT;
	slash = strrchr(program, '/');
	path = xprintf("%.*s/guest/%s", (int)(slash ? slash - program : 0), program, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*name = take_pointer(&path);
	return fd;
}

int guest_file_open(const char *named, const char *file, char **name, struct error *err)
{
	cleanup_free char *path = named ? xstrdup(named) : xprintf("%s/%s", DUET_LIBDIR, file);
	int fd = named ? -ENOENT : open_beside_program(file, name);

	if (fd >= 0)
		return fd;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && named)
		return error_set(err, errno, "open the guest's %s", path);
	if (fd < 0)
		return error_set(
			err, errno, "open the guest's %s (`make guest` builds it, `make install` puts it there)", path);
	*name = take_pointer(&path);
	return fd;
}

int guest_open_kvm(struct error *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EACCES:
	case EPERM:
		return error_set(err, errno, "open /dev/kvm (add the user to the group that owns it, commonly `kvm`)");
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return error_set(err, errno,
			"open /dev/kvm (load kvm_intel or kvm_amd, enable virtualization in the firmware, or nested "
			"virtualization on the machine below)");
	default:
		return error_set(err, errno, "open /dev/kvm");
	}
}
