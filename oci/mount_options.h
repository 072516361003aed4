/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts[].options: words in the manner of fstab(5), split into what mount(2), mount_setattr(2) and duet itself act on.
 *
 * The table is the one list of the words that are understood; a word that is not in it belongs to the file system and
 * is handed on in `data`, in order. Of two words that contradict each other the later one holds.
 *
 * Source: runtime-spec config.md "Linux mount options", mount(8), mount_setattr(2).
 */
#ifndef DUET_OCI_MOUNT_OPTIONS_H
#define DUET_OCI_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_mount_options {
	uint64_t flags;         /* MS_* to set, MS_BIND and MS_REC of bind and rbind among them */
	uint64_t clear;         /* MS_* asked to be cleared ("exec", "suid", …) */
	uint64_t propagation;   /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with MS_REC for the r… forms; 0:
				   leave */
	uint64_t recursive_set; /* MOUNT_ATTR_* for mount_setattr(AT_RECURSIVE) */
	uint64_t recursive_clear; /* the same, to clear; MOUNT_ATTR__ATIME whenever a recursive atime mode is set */
	bool tmpcopyup;           /* fill a tmpfs with what was under its destination */
	bool idmap, idmap_recursive;
	bool destination_nofollow, source_nofollow; /* a last component that is a symbolic link is not followed */
	bool copy_symlink; /* a bind's source that is a symbolic link becomes one in the container, with the same text
			    */
	char *data;        /* for the file system, comma-separated; NULL: none */
};

enum oci_mount_option_kind {
	OCI_MOUNT_FLAG,            /* value: MS_* to set */
	OCI_MOUNT_CLEAR,           /* value: MS_* to clear */
	OCI_MOUNT_NEUTRAL,         /* understood, nothing to do ("defaults") */
	OCI_MOUNT_PROPAGATION,     /* value: MS_*, one at a time */
	OCI_MOUNT_RECURSIVE_SET,   /* value: MOUNT_ATTR_* */
	OCI_MOUNT_RECURSIVE_CLEAR, /* value: MOUNT_ATTR_* */
	OCI_MOUNT_TMPCOPYUP,
	OCI_MOUNT_IDMAP, /* value: 1 when recursive */
	OCI_MOUNT_DESTINATION_NOFOLLOW,
	OCI_MOUNT_SOURCE_NOFOLLOW,
	OCI_MOUNT_COPY_SYMLINK,
};

struct oci_mount_option {
	const char *name;
	enum oci_mount_option_kind kind;
	uint64_t value;
};

extern const struct oci_mount_option oci_mount_option_table[];
extern const size_t oci_mount_option_count;

/* Takes one word into the options. */
void oci_mount_options_add(struct oci_mount_options *options, const char *word);
void oci_mount_options_free(struct oci_mount_options *options);

#endif
