/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system: one overlay for every file system of the host, with three layers:
 *
 *   up/N      what the sandbox writes, on the scratch tmpfs
 *   mask/N    whiteouts of what the sandbox must not see: secrets are not covered by a mount that somebody could take
 *             away again, they are not there
 *   lower/N   the host's file system, read-only, with its owners mapped into the sandbox's user namespace
 *
 * Source: Linux Documentation/filesystems/overlayfs.rst.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "ns/namespaces.h"
#include "sandbox/internal.h"

#define MOUNTINFO_BYTES_MAX (16U << 20)

/* Empty directories of the container's own, or mounts of the bundle's, lie there. */
static const char *const not_of_the_host[] = { "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/root", "/home",
	NULL };

static const char *const file_systems[] = { "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs",
	"overlay", "erofs", "squashfs", "virtiofs", "9p", "nfs", "nfs4", NULL };

struct root {
	struct sandbox *sandbox;
	int maps; /* user namespace for idmapped mounts; -EBADF: none */
	/* Binds of the base and of the work directory, made to see whether their owners can be mapped, and to be used.
	 */
	struct probe {
		const char *source;
		int tree;
	} probes[2];
	bool base_owned; /* the base was unpacked for this sandbox, and belongs to its ids already */
};

static bool is_below_any(const char *path, const char *const *directories)
{
	for (; *directories; directories++) {
		if (path_is_below(path, *directories))
			return true;
	}
	return false;
}

/* ---- mounts ---- */

/* A bind of the source, as a detached mount, read-only or not, with its owners mapped. Recursive: with the mounts below
 * it. */
static int detached_bind(const struct root *root, const char *source, bool read_only, bool recursive, struct error *err)
{
	unsigned int depth = recursive ? AT_RECURSIVE : 0;
	cleanup_fd int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth);
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0U) };
	struct mount_attr maps = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)root->maps };

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH | depth, &attributes, sizeof(attributes)) < 0)
		return error_set(err, errno, "bind %s", source);
	if (root->maps >= 0 && !(root->base_owned && source == root->sandbox->base) &&
		mount_setattr(tree, "", AT_EMPTY_PATH, &maps, sizeof(maps)) < 0)
		return error_set(err, errno, "map the owners of %s into the sandbox", source);
	return take_fd(&tree);
}

static int attach(int tree, int target, const char *name, struct error *err)
{
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_set(err, errno, "mount %s in the sandbox", name);
	return 0;
}

static int overlay_pieces(struct root *root, const char *host_path, const char *inside, struct error *err);

static int make_layer(const struct root *root, const char *kind, char *name, size_t size, struct error *err)
{
	(void)snprintf(name, size, "%s/%u", kind, root->sandbox->layer_count);
	if ((mkdirat(root->sandbox->scratch_fd, kind, 0755) < 0 && errno != EEXIST) ||
		mkdirat(root->sandbox->scratch_fd, name, 0755) < 0)
		return error_set(err, errno, "make %s on the sandbox's tmpfs", name);
	return 0;
}

/* With relative names of the layers: no character of the scratch directory's own can be taken for a separator. */
static int mount_overlay(int scratch, int target, const char *options)
{
	cleanup_fd int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (here < 0 || fchdir(scratch) < 0)
		return -1;
	result = mount("overlay", fd_path(target).text, "overlay", MS_NODEV, options);
	return fchdir(here) < 0 ? -1 : result;
}

/*
 * Without privilege a file system that others lie in cannot be shown without them (mount_namespaces(7)): of such a
 * directory the lower layer is made here, of its links and of mount points for what is in it.
 */
static int make_skeleton(const char *host_path, int below, struct error *err)
{
	cleanup_directory DIR *entries = opendir(host_path);
	const struct dirent *entry;

	if (!entries)
		return error_set(err, errno, "read %s", host_path);
	while ((entry = readdir(entries))) {
		char target[4096];
		struct stat status;
		ssize_t length;
		int result = 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(status.st_mode)) {
			result = mkdirat(below, entry->d_name, 0755);
		} else if (S_ISREG(status.st_mode)) {
			result = mknodat(below, entry->d_name, S_IFREG | 0444, 0);
		} else if (S_ISLNK(status.st_mode)) {
			length = readlinkat(dirfd(entries), entry->d_name, target, sizeof(target) - 1);
			target[length < 0 ? 0 : length] = '\0';
			result = length < 0 ? -1 : symlinkat(target, below, entry->d_name);
		}
		if (result < 0)
			return error_set(err, errno, "make %s/%s in the sandbox's root", host_path, entry->d_name);
	}
	return 0;
}

/* The bind of a probe is used once: to take one away costs more than to make it. */
static int take_probe(struct root *root, const char *source)
{
	for (size_t i = 0; i < ARRAY_SIZE(root->probes); i++) {
		if (root->probes[i].tree >= 0 && strcmp(root->probes[i].source, source) == 0)
			return take_fd(&root->probes[i].tree);
	}
	return -EBADF;
}

/* The lower layer. *in_pieces: it is a skeleton. */
static int place_lower(struct root *root, const char *host_path, const char *lower, bool *in_pieces, struct error *err)
{
	cleanup_fd int probed = take_probe(root, host_path);
	cleanup_fd int tree = probed >= 0 ? take_fd(&probed) : detached_bind(root, host_path, true, false, err);
	cleanup_fd int below = openat(root->sandbox->scratch_fd, lower, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (below < 0)
		return error_set(err, errno, "open %s", lower);
	*in_pieces = tree == -EINVAL && root->sandbox->rootless;
	if (*in_pieces)
		return make_skeleton(host_path, below, err);
	return tree < 0 ? tree : attach(tree, below, host_path, err);
}

/* An overlay over the host's directory, on target (O_PATH), which is `inside` in the sandbox. */
static int overlay(struct root *root, const char *host_path, const char *inside, int target, struct error *err)
{
	char lower[32], mask[32], up[32], work[32];
	cleanup_free char *options = NULL;
	bool in_pieces = false;
	int result = make_layer(root, "lower", lower, sizeof(lower), err);

	if (result == 0)
		result = make_layer(root, "mask", mask, sizeof(mask), err);
	if (result == 0)
		result = make_layer(root, "up", up, sizeof(up), err);
	if (result == 0)
		result = make_layer(root, "work", work, sizeof(work), err);
	if (result == 0)
		result = mask_layers(root->sandbox, host_path, strcmp(root->sandbox->base, "/") == 0, mask, up, err);
	if (result == 0)
		result = place_lower(root, host_path, lower, &in_pieces, err);
	if (result < 0)
		return result;
	options = xprintf("lowerdir=%s:%s,upperdir=%s,workdir=%s,%s", mask, lower, up, work,
		root->sandbox->rootless ? "userxattr" : "redirect_dir=off,metacopy=off");
	if (mount_overlay(root->sandbox->scratch_fd, target, options) < 0)
		return error_set(err, errno, "mount an overlay over %s", host_path);
	root->sandbox->layers[root->sandbox->layer_count++] = xstrdup(inside);
	if (root->sandbox->rootfs_fd < 0)
		root->sandbox->rootfs_fd =
			openat(root->sandbox->scratch_fd, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root->sandbox->rootfs_fd < 0)
		return error_set(err, errno, "open the sandbox's root");
	return in_pieces ? overlay_pieces(root, host_path, inside, err) : 0;
}

/* ---- mount points ---- */

/* Makes one missing name of a path inside, owned by the sandbox's root. */
static int make_one(const struct sandbox *sandbox, const char *path, bool directory)
{
	const char *name = strrchr(path, '/') + 1;
	cleanup_free char *above = xstrndup(path, (size_t)(name - path));
	cleanup_fd int parent = open_in_root(sandbox->rootfs_fd, above, O_PATH | O_DIRECTORY, 0, 0);
	uid_t owner = sandbox->first_id;
	int result;

	if (parent < 0)
		return parent;
	result = directory ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0);
	if (result < 0 || fchownat(parent, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int root_make_path(const struct sandbox *sandbox, const char *path, bool directory, struct error *err)
{
	size_t length = 0, whole = strlen(path);
	int found = -ENOENT;

	while (length < whole) {
		cleanup_free char *part = NULL;
		int result = 0;

		length += 1 + strcspn(path + length + 1, "/");
		part = xstrndup(path, length);
		close_fd(&found);
		found = open_in_root(sandbox->rootfs_fd, part, O_PATH, 0, 0);
		if (found == -ENOENT) {
			result = make_one(sandbox, part, directory || length < whole);
			found = result < 0 ? result : open_in_root(sandbox->rootfs_fd, part, O_PATH, 0, 0);
		}
		if (found < 0)
			return error_set(err, -found, "make %s in the sandbox's root", part);
	}
	return found;
}

static int bind_at(struct root *root, const char *source, const char *destination, bool read_only, struct error *err)
{
	cleanup_fd int tree = -EBADF, target = -EBADF;
	struct stat status;

	if (stat(source, &status) < 0)
		return error_set(err, errno, "%s", source);
	/* Without privilege a mount cannot be taken without those on it. */
	tree = detached_bind(root, source, read_only, root->sandbox->rootless, err);
	if (tree < 0)
		return tree;
	target = root_make_path(root->sandbox, destination, S_ISDIR(status.st_mode), err);
	return target < 0 ? target : attach(tree, target, destination, err);
}

/* ---- the pieces ---- */

struct host_mount {
	char point[4096], type[64];
};

static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool parse_mountinfo(const char *line, struct host_mount *mount)
{
	const char *dash = strstr(line, " - ");

	if (!dash || sscanf(line, "%*s %*s %*s %*s %4095s", mount->point) != 1 ||
		sscanf(dash, " - %63s", mount->type) != 1)
		return false;
	unescape(mount->point);
	return true;
}

static bool is_wanted(const struct root *root, const struct host_mount *mount)
{
	bool known = false;

	for (size_t i = 0; file_systems[i]; i++)
		known = known || strcmp(mount->type, file_systems[i]) == 0;
	return known && strcmp(mount->point, "/") != 0 && !is_below_any(mount->point, not_of_the_host) &&
	       !path_is_below(mount->point, root->sandbox->state_root);
}

/* The host's other file systems, each at its place. */
static int overlay_mounts(struct root *root, struct error *err)
{
	cleanup_strbuf struct strbuf mountinfo = STRBUF_INIT;
	struct host_mount *mount = NULL;
	int result = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_BYTES_MAX, &mountinfo);
	char *rest = mountinfo.data;

	if (result < 0)
		return error_set(err, -result, "read /proc/self/mountinfo");
	mount = xcalloc(1, sizeof(*mount));
	for (char *line = strsep(&rest, "\n"); line && result >= 0; line = strsep(&rest, "\n")) {
		cleanup_fd int target = -EBADF;
		struct stat status;

		if (!parse_mountinfo(line, mount) || !is_wanted(root, mount) || stat(mount->point, &status) < 0)
			continue;
		if (root->sandbox->layer_count == SANDBOX_LAYERS_MAX) {
			result = error_set(err, -E2BIG, "this host has more than %d file systems; use --rootfs",
				SANDBOX_LAYERS_MAX);
			break;
		}
		if (!S_ISDIR(status.st_mode)) {
			result = bind_at(root, mount->point, mount->point, true, err);
			continue;
		}
		target = root_make_path(root->sandbox, mount->point, true, err);
		result = target < 0 ? target : overlay(root, mount->point, mount->point, target, err);
	}
	free(mount);
	return result < 0 ? result : 0;
}

/* Shows what is in a directory that is a skeleton, but for other file systems: those have their turn. A file by itself
 * can only be read. */
static int overlay_piece(struct root *root, const char *path, const char *inside, mode_t type, struct error *err)
{
	cleanup_fd int target = -EBADF;

	if (S_ISREG(type))
		return bind_at(root, path, inside, true, err);
	target = root_make_path(root->sandbox, inside, true, err);
	return target < 0 ? target : overlay(root, path, inside, target, err);
}

static int overlay_pieces(struct root *root, const char *host_path, const char *inside, struct error *err)
{
	/* A work directory in a place where nothing else is shown of the host is shown. */
	bool wanted = is_below_any(host_path, not_of_the_host);
	cleanup_directory DIR *entries = opendir(host_path);
	const struct dirent *entry;
	int result = 0;

	if (!entries)
		return error_set(err, errno, "read %s", host_path);
	while (result == 0 && (entry = readdir(entries))) {
		cleanup_free char *path = xprintf("%s/%s", strcmp(host_path, "/") == 0 ? "" : host_path, entry->d_name);
		cleanup_free char *place = xprintf("%s/%s", strcmp(inside, "/") == 0 ? "" : inside, entry->d_name);
		struct statx status;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			statx(dirfd(entries), entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) < 0 ||
			(!S_ISDIR(status.stx_mode) && !S_ISREG(status.stx_mode)) ||
			(status.stx_attributes & STATX_ATTR_MOUNT_ROOT) ||
			(!wanted && is_below_any(path, not_of_the_host)) ||
			path_is_below(path, root->sandbox->state_root) ||
			(S_ISREG(status.stx_mode) && access(path, R_OK) < 0))
			continue;
		result = overlay_piece(root, path, place, status.stx_mode, err);
	}
	return result;
}

static int place_workdir(struct root *root, struct error *err)
{
	const char *path = root->sandbox->workdir, *mode = root->sandbox->settings->workdir_mode;
	cleanup_fd int target = -EBADF;

	if (strcmp(mode, "overlay") != 0)
		return bind_at(root, path, path, strcmp(mode, "ro") == 0, err);
	target = root_make_path(root->sandbox, path, true, err);
	return target < 0 ? target : overlay(root, path, path, target, err);
}

/* "SRC[:DST]" */
static int place_binds(struct root *root, char *const *binds, bool read_only, struct error *err)
{
	const char *option = read_only ? "ro-bind" : "bind";
	int result = 0;

	for (; binds && *binds && result == 0; binds++) {
		cleanup_free char *source = xstrdup(*binds);
		cleanup_free char *real = NULL;
		char *destination = strchr(source, ':');

		if (destination)
			*destination++ = '\0';
		real = realpath(source, NULL);
		if (!real)
			return error_set(err, errno, "--%s %s", option, source);
		if (destination && destination[0] != '/')
			return error_set(
				err, -EINVAL, "--%s %s: the place in the sandbox must begin with /", option, *binds);
		result = bind_at(root, real, destination ? destination : real, read_only, err);
	}
	return result;
}

static int open_maps(struct root *root, struct error *err)
{
	if (!root->sandbox->user_namespace || root->sandbox->rootless)
		return 0;
	root->maps = sandbox_make_user_namespace(root->sandbox, err);
	return root->maps < 0 ? root->maps : 0;
}

static bool can_map(struct root *root, struct probe *probe, const char *path)
{
	struct error err;

	probe->source = path;
	probe->tree = detached_bind(root, path, true, false, &err);
	return probe->tree >= 0;
}

static void drop_probes(struct root *root)
{
	for (size_t i = 0; i < ARRAY_SIZE(root->probes); i++)
		close_fd(&root->probes[i].tree);
}

/*
 * Ids of the sandbox's own, where the file systems can map their owners to them. Where one cannot (tmpfs before
 * Linux 6.3, an overlay of a container that this runs in), the ids are the host's: inside a user namespace they give no
 * capability over anything outside, but files that the host's root owns are then root's inside.
 */
static int choose_ids(struct root *root, struct error *err)
{
	int result = open_maps(root, err);

	if (result < 0 || root->maps < 0 ||
		((root->base_owned || can_map(root, &root->probes[0], root->sandbox->base)) &&
			can_map(root, &root->probes[1], root->sandbox->workdir)))
		return result;
	drop_probes(root);
	log_debug("the file systems cannot map owners: the sandbox has the host's ids");
	close_fd(&root->maps);
	root->sandbox->first_id = 0;
	return 0;
}

static int make_rootfs(struct root *root, struct error *err)
{
	cleanup_fd int target = -EBADF;

	if (mkdirat(root->sandbox->scratch_fd, "rootfs", 0755) < 0)
		return error_set(err, errno, "make the sandbox's root");
	target = openat(root->sandbox->scratch_fd, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return error_set(err, errno, "open the sandbox's root");
	return overlay(root, root->sandbox->base, "/", target, err);
}

/* The image where it needs no ids yet, the ids, then what is unpacked for them. */
static int make_base(struct root *root, struct error *err)
{
	struct sandbox *sandbox = root->sandbox;
	bool mounted = sandbox->image.kind == IMAGE_FILE_SYSTEM;
	int result = 0;

	root->base_owned = sandbox->image.kind == IMAGE_ARCHIVE || sandbox->image.kind == IMAGE_LAYOUT;
	if (mounted)
		result = image_place(sandbox, &sandbox->image, err);
	if (mounted || root->base_owned)
		sandbox->base = xprintf("%s/" IMAGE_PLACE, sandbox->scratch);
	if (result == 0)
		result = choose_ids(root, err);
	if (result == 0 && root->base_owned)
		result = image_place(sandbox, &sandbox->image, err);
	return result;
}

int root_make(struct sandbox *sandbox, struct error *err)
{
	struct root root = { .sandbox = sandbox, .maps = -EBADF, .probes = { { .tree = -EBADF }, { .tree = -EBADF } } };
	int result = make_base(&root, err);

	if (result == 0)
		result = make_rootfs(&root, err);
	if (result == 0 && strcmp(sandbox->base, "/") == 0)
		result = overlay_mounts(&root, err);
	if (result == 0)
		result = place_workdir(&root, err);
	if (result == 0)
		result = place_binds(&root, sandbox->settings->read_only_binds, true, err);
	if (result == 0)
		result = place_binds(&root, sandbox->settings->binds, false, err);
	drop_probes(&root);
	close_fd(&root.maps);
	return result;
}
