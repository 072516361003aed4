/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/mount_options.h"

#include <string.h>
#include <sys/mount.h>

#include "base/alloc.h"

const struct oci_mount_option oci_mount_option_table[] = {
	{ "async", OCI_MOUNT_CLEAR, MS_SYNCHRONOUS },
	{ "atime", OCI_MOUNT_CLEAR, MS_NOATIME },
	{ "bind", OCI_MOUNT_FLAG, MS_BIND },
	{ "copy-symlink", OCI_MOUNT_COPY_SYMLINK, 0 },
	{ "defaults", OCI_MOUNT_NEUTRAL, 0 },
	{ "dest-nofollow", OCI_MOUNT_DESTINATION_NOFOLLOW, 0 },
	{ "dev", OCI_MOUNT_CLEAR, MS_NODEV },
	{ "diratime", OCI_MOUNT_CLEAR, MS_NODIRATIME },
	{ "dirsync", OCI_MOUNT_FLAG, MS_DIRSYNC },
	{ "exec", OCI_MOUNT_CLEAR, MS_NOEXEC },
	{ "idmap", OCI_MOUNT_IDMAP, 0 },
	{ "iversion", OCI_MOUNT_FLAG, MS_I_VERSION },
	{ "lazytime", OCI_MOUNT_FLAG, MS_LAZYTIME },
	{ "loud", OCI_MOUNT_CLEAR, MS_SILENT },
	{ "mand", OCI_MOUNT_FLAG, MS_MANDLOCK },
	{ "noatime", OCI_MOUNT_FLAG, MS_NOATIME },
	{ "nodev", OCI_MOUNT_FLAG, MS_NODEV },
	{ "nodiratime", OCI_MOUNT_FLAG, MS_NODIRATIME },
	{ "noexec", OCI_MOUNT_FLAG, MS_NOEXEC },
	{ "noiversion", OCI_MOUNT_CLEAR, MS_I_VERSION },
	{ "nolazytime", OCI_MOUNT_CLEAR, MS_LAZYTIME },
	{ "nomand", OCI_MOUNT_CLEAR, MS_MANDLOCK },
	{ "norelatime", OCI_MOUNT_CLEAR, MS_RELATIME },
	{ "nostrictatime", OCI_MOUNT_CLEAR, MS_STRICTATIME },
	{ "nosuid", OCI_MOUNT_FLAG, MS_NOSUID },
	{ "nosymfollow", OCI_MOUNT_FLAG, MS_NOSYMFOLLOW },
	{ "private", OCI_MOUNT_PROPAGATION, MS_PRIVATE },
	{ "ratime", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_NOATIME },
	{ "rbind", OCI_MOUNT_FLAG, MS_BIND | MS_REC },
	{ "rdev", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_NODEV },
	{ "rdiratime", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "relatime", OCI_MOUNT_FLAG, MS_RELATIME },
	{ "remount", OCI_MOUNT_FLAG, MS_REMOUNT },
	{ "rexec", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_NOEXEC },
	{ "ridmap", OCI_MOUNT_IDMAP, 1 },
	{ "rnoatime", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_NOATIME },
	{ "rnodev", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_NODEV },
	{ "rnodiratime", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", OCI_MOUNT_NEUTRAL, 0 }, /* relatime is the kernel's default, as for norelatime in mount(2) */
	{ "rnostrictatime", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_STRICTATIME },
	{ "rnosuid", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", OCI_MOUNT_FLAG, MS_RDONLY },
	{ "rprivate", OCI_MOUNT_PROPAGATION, MS_PRIVATE | MS_REC },
	{ "rrelatime", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_RELATIME },
	{ "rro", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_RDONLY },
	{ "rrw", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_RDONLY },
	{ "rshared", OCI_MOUNT_PROPAGATION, MS_SHARED | MS_REC },
	{ "rslave", OCI_MOUNT_PROPAGATION, MS_SLAVE | MS_REC },
	{ "rstrictatime", OCI_MOUNT_RECURSIVE_SET, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", OCI_MOUNT_RECURSIVE_CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", OCI_MOUNT_PROPAGATION, MS_UNBINDABLE | MS_REC },
	{ "rw", OCI_MOUNT_CLEAR, MS_RDONLY },
	{ "shared", OCI_MOUNT_PROPAGATION, MS_SHARED },
	{ "silent", OCI_MOUNT_FLAG, MS_SILENT },
	{ "slave", OCI_MOUNT_PROPAGATION, MS_SLAVE },
	{ "src-nofollow", OCI_MOUNT_SOURCE_NOFOLLOW, 0 },
	{ "strictatime", OCI_MOUNT_FLAG, MS_STRICTATIME },
	{ "suid", OCI_MOUNT_CLEAR, MS_NOSUID },
	{ "symfollow", OCI_MOUNT_CLEAR, MS_NOSYMFOLLOW },
	{ "sync", OCI_MOUNT_FLAG, MS_SYNCHRONOUS },
	{ "tmpcopyup", OCI_MOUNT_TMPCOPYUP, 0 },
	{ "unbindable", OCI_MOUNT_PROPAGATION, MS_UNBINDABLE },
};
const size_t oci_mount_option_count = sizeof(oci_mount_option_table) / sizeof(oci_mount_option_table[0]);

#define ATIME_FLAGS (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

static const struct oci_mount_option *find(const char *word)
{
	for (size_t i = 0; i < oci_mount_option_count; i++) {
		if (strcmp(oci_mount_option_table[i].name, word) == 0)
			return &oci_mount_option_table[i];
	}
	return NULL;
}

static void set_flags(struct oci_mount_options *options, uint64_t value)
{
	if (value & ATIME_FLAGS)
		options->flags &= ~(uint64_t)ATIME_FLAGS;
	options->flags |= value;
	options->clear &= ~value;
}

/* The atime mode is one value of several bits: mount_setattr(2) wants all of them cleared whenever it is changed. */
static void set_recursive(struct oci_mount_options *options, uint64_t value)
{
	if (value == MOUNT_ATTR_RELATIME || value & MOUNT_ATTR__ATIME) {
		options->recursive_set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		options->recursive_clear |= MOUNT_ATTR__ATIME;
	} else {
		options->recursive_clear &= ~value;
	}
	options->recursive_set |= value;
}

static void clear_recursive(struct oci_mount_options *options, uint64_t value)
{
	options->recursive_set &= ~value;
	options->recursive_clear |= value & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : value;
}

static void add_data(struct oci_mount_options *options, const char *word)
{
	char *joined = options->data ? xprintf("%s,%s", options->data, word) : xstrdup(word);

	free(options->data);
	options->data = joined;
}

void oci_mount_options_add(struct oci_mount_options *options, const char *word)
{
	const struct oci_mount_option *option = find(word);

	if (!option) {
		if (*word)
			add_data(options, word);
		return;
	}
	switch (option->kind) {
	case OCI_MOUNT_FLAG:
		set_flags(options, option->value);
		break;
	case OCI_MOUNT_CLEAR:
		options->flags &= ~option->value;
		options->clear |= option->value;
		break;
	case OCI_MOUNT_NEUTRAL:
		break;
	case OCI_MOUNT_PROPAGATION:
		options->propagation = option->value;
		break;
	case OCI_MOUNT_RECURSIVE_SET:
		set_recursive(options, option->value);
		break;
	case OCI_MOUNT_RECURSIVE_CLEAR:
		clear_recursive(options, option->value);
		break;
	case OCI_MOUNT_TMPCOPYUP:
		options->tmpcopyup = true;
		break;
	case OCI_MOUNT_IDMAP:
		options->idmap = true;
		options->idmap_recursive = option->value != 0;
		break;
	case OCI_MOUNT_DESTINATION_NOFOLLOW:
		options->destination_nofollow = true;
		break;
	case OCI_MOUNT_COPY_SYMLINK:
		options->copy_symlink = true;
		break;
	case OCI_MOUNT_SOURCE_NOFOLLOW:
		options->source_nofollow = true;
		break;
	}
}

void oci_mount_options_free(struct oci_mount_options *options)
{
	free(options->data);
	options->data = NULL;
}
