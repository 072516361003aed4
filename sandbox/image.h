/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root file systems that are no directory: archives, OCI layouts and disk images.
 *
 * Source: OCI image-spec 1.1 (image-layout.md, manifest.md, config.md); loop(4).
 */
#ifndef DUET_SANDBOX_IMAGE_H
#define DUET_SANDBOX_IMAGE_H

#include <stdint.h>

#include "base/error.h"

struct sandbox;

enum image_kind {
	IMAGE_DIRECTORY,
	IMAGE_LAYOUT, /* an OCI layout: DIR or DIR:TAG */
	IMAGE_ARCHIVE,
	IMAGE_FILE_SYSTEM, /* erofs, ext4 or squashfs */
};

enum { IMAGE_LAYERS_MAX = 256 };

#define IMAGE_PLACE "image" /* on the scratch tmpfs */

struct image {
	enum image_kind kind;
	const char *file_system;   /* its name for mount(2) */
	int fds[IMAGE_LAYERS_MAX]; /* the archive, the layers from the lowest on, or the disk image */
	unsigned int count;
	char **environment; /* of the image's configuration; NULL: none */
};

/* Looks at what the path names, opens it, and checks the digests of a layout. */
int image_open(const char *path, struct image *image, struct error *err);
void image_close(struct image *image);

/* Makes SCRATCH/image of it: unpacked by a process that is root in a user namespace with the sandbox's ids and in no
 * other, with SCRATCH/image as its root directory; or mounted read-only. */
int image_place(struct sandbox *sandbox, const struct image *image, struct error *err);

/* oci_layout.c. tag may be NULL. */
int layout_open(int directory, const char *tag, struct image *image, struct error *err);

/* loop.c: mounts a disk image read-only on a path, by a loop device that goes with the mount; and a file of our own
 * with ext4 in it, writable. */
int loop_mount_image(int image, const char *file_system, const char *path, struct error *err);
int loop_mount_disk(int file, const char *path, struct error *err);

#endif
