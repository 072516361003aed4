/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/fs/inodes.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/alloc.h"

#define DEPTH_MAX     128 /* directories to be opened again above one file */
#define BUCKETS_FIRST 1024
#define NO_SLOT       UINT32_MAX

struct fs_inode_key fs_inode_key_of(const struct statx *attributes)
{
	return (struct fs_inode_key){
		.device = makedev(attributes->stx_dev_major, attributes->stx_dev_minor),
		.inode = attributes->stx_ino,
		.mount = attributes->stx_mask & STATX_MNT_ID ? attributes->stx_mnt_id : 0,
		.type = attributes->stx_mode & S_IFMT,
	};
}

static bool same_key(const struct fs_inode_key *a, const struct fs_inode_key *b)
{
	return a->inode == b->inode && a->device == b->device && a->mount == b->mount && a->type == b->type;
}

static uint32_t bucket_of(const struct fs_inodes *inodes, const struct fs_inode_key *key)
{
	uint64_t hash = (key->inode ^ key->device << 40 ^ key->mount << 52) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(hash >> 32) & (inodes->bucket_count - 1);
}

static struct fs_inode *find_key(const struct fs_inodes *inodes, const struct fs_inode_key *key)
{
	struct fs_inode *inode = inodes->buckets[bucket_of(inodes, key)];

	while (inode && !same_key(&inode->key, key))
		inode = inode->bucket_next;
	return inode;
}

static void hash_insert(struct fs_inodes *inodes, struct fs_inode *inode)
{
	struct fs_inode **bucket = &inodes->buckets[bucket_of(inodes, &inode->key)];

	inode->bucket_next = *bucket;
	*bucket = inode;
	inode->hashed = true;
}

static void hash_remove(struct fs_inodes *inodes, struct fs_inode *inode)
{
	struct fs_inode **link = &inodes->buckets[bucket_of(inodes, &inode->key)];

	if (!inode->hashed)
		return;
	while (*link != inode)
		link = &(*link)->bucket_next;
	*link = inode->bucket_next;
	inode->hashed = false;
}

static void hash_grow(struct fs_inodes *inodes)
{
	uint32_t old_count = inodes->bucket_count;
	cleanup_free struct fs_inode **old = inodes->buckets;

	inodes->bucket_count = old_count ? old_count * 2 : BUCKETS_FIRST;
	inodes->buckets = xcalloc(inodes->bucket_count, sizeof(struct fs_inode *));
	for (uint32_t i = 0; i < old_count; i++) {
		for (struct fs_inode *inode = old[i], *next; inode; inode = next) {
			next = inode->bucket_next;
			hash_insert(inodes, inode);
		}
	}
}

/* --- descriptors that may be closed, by last use --- */

static void list_remove(struct fs_inodes *inodes, struct fs_inode *inode)
{
	if (!inode->listed)
		return;
	*(inode->older ? &inode->older->newer : &inodes->oldest) = inode->newer;
	*(inode->newer ? &inode->newer->older : &inodes->newest) = inode->older;
	inode->older = inode->newer = NULL;
	inode->listed = false;
}

/* A descriptor may be closed when a name leads back to the file. What is open for the guest keeps working whatever
 * happens to the name, so it stays. */
static void list_update(struct fs_inodes *inodes, struct fs_inode *inode)
{
	list_remove(inodes, inode);
	if (inode->fd < 0 || !inode->name || inode->handles > 0)
		return;
	inode->older = inodes->newest;
	*(inodes->newest ? &inodes->newest->newer : &inodes->oldest) = inode;
	inodes->newest = inode;
	inode->listed = true;
}

static bool close_oldest(struct fs_inodes *inodes)
{
	for (struct fs_inode *inode = inodes->oldest; inode; inode = inode->newer) {
		if (inode->serial == inodes->serial)
			continue;
		list_remove(inodes, inode);
		close_fd(&inode->fd);
		inodes->budget->held--;
		return true;
	}
	return false;
}

int fs_inodes_make_room(struct fs_inodes *inodes)
{
	while (inodes->budget->held >= inodes->budget->max) {
		if (!close_oldest(inodes))
			return -ENFILE;
	}
	return 0;
}

int fs_inodes_open(struct fs_inodes *inodes, int directory, const char *name, int flags, mode_t mode)
{
	int fd = fs_inodes_make_room(inodes);

	if (fd < 0)
		return fd;
	fd = openat(directory, name, flags | O_CLOEXEC, mode);
	/* Others in this process, or on this host, may have used up what the budget counts on. */
	while (fd < 0 && (errno == EMFILE || errno == ENFILE) && close_oldest(inodes))
		fd = openat(directory, name, flags | O_CLOEXEC, mode);
	if (fd < 0)
		return errno == EMFILE ? -ENFILE : -errno;
	inodes->budget->held++;
	return fd;
}

void fs_inodes_discard(struct fs_inodes *inodes, int *fd)
{
	if (*fd < 0)
		return;
	close_fd(fd);
	inodes->budget->held--;
}

/* --- slots --- */

static struct fs_inode *inode_new(struct fs_inodes *inodes, const struct fs_inode_key *key)
{
	struct fs_inode *inode;
	uint32_t slot = inodes->first_free;

	if (inodes->count >= FS_INODES_MAX)
		return NULL;
	if (inodes->count >= inodes->bucket_count)
		hash_grow(inodes);
	if (slot != NO_SLOT) {
		inodes->first_free = inodes->slots[slot].next_free;
	} else {
		if (inodes->slots_used == inodes->slots_capacity) {
			inodes->slots_capacity = inodes->slots_capacity ? inodes->slots_capacity * 2 : BUCKETS_FIRST;
			inodes->slots = xrealloc(inodes->slots, inodes->slots_capacity, sizeof(*inodes->slots));
		}
		slot = inodes->slots_used++;
		inodes->slots[slot] = (struct fs_inode_slot){ .generation = 0 };
	}
	inode = xcalloc(1, sizeof(*inode));
	inode->id = (uint64_t)inodes->slots[slot].generation << 32 | (slot + 1);
	inode->key = *key;
	inode->fd = -1;
	inodes->slots[slot].inode = inode;
	inodes->count++;
	hash_insert(inodes, inode);
	return inode;
}

static void inode_free(struct fs_inodes *inodes, struct fs_inode *inode)
{
	uint32_t slot = (uint32_t)inode->id - 1;

	list_remove(inodes, inode);
	hash_remove(inodes, inode);
	if (inode->id == FUSE_ROOT_ID)
		close_fd(&inode->fd);
	else
		fs_inodes_discard(inodes, &inode->fd);
	inodes->slots[slot].inode = NULL;
	inodes->slots[slot].generation++;
	inodes->slots[slot].next_free = inodes->first_free;
	inodes->first_free = slot;
	inodes->count--;
	free(inode->name);
	free(inode->former);
	free(inode);
}

struct fs_inode *fs_inodes_find(const struct fs_inodes *inodes, uint64_t id)
{
	uint32_t slot = (uint32_t)id - 1;
	struct fs_inode *inode = slot < inodes->slots_used ? inodes->slots[slot].inode : NULL;

	return inode && inode->id == id ? inode : NULL;
}

static void drop_if_unused(struct fs_inodes *inodes, struct fs_inode *inode)
{
	if (inode->lookups == 0 && inode->handles == 0 && inode->id != FUSE_ROOT_ID)
		inode_free(inodes, inode);
}

void fs_inodes_forget(struct fs_inodes *inodes, uint64_t id, uint64_t lookups)
{
	struct fs_inode *inode = fs_inodes_find(inodes, id);

	if (!inode)
		return;
	/* More than the guest holds counts as all of it. */
	inode->lookups -= lookups < inode->lookups ? lookups : inode->lookups;
	drop_if_unused(inodes, inode);
}

void fs_inode_opened(struct fs_inodes *inodes, struct fs_inode *inode)
{
	inode->handles++;
	list_update(inodes, inode);
}

void fs_inode_released(struct fs_inodes *inodes, struct fs_inode *inode)
{
	inode->handles--;
	list_update(inodes, inode);
	drop_if_unused(inodes, inode);
}

/* --- names --- */

void fs_inode_renamed(struct fs_inodes *inodes, struct fs_inode *inode, uint64_t directory, const char *name)
{
	if (inode->id == FUSE_ROOT_ID)
		return;
	if (inode->parent == directory && inode->name && strcmp(inode->name, name) == 0)
		return;
	free(inode->name);
	inode->name = xstrdup(name);
	inode->parent = directory;
	list_update(inodes, inode);
}

void fs_inode_unnamed(struct fs_inodes *inodes, struct fs_inode *inode, uint64_t directory, const char *name)
{
	if (inode->parent != directory || !inode->name || strcmp(inode->name, name) != 0)
		return;
	free(inode->former);
	inode->former = take_pointer(&inode->name);
	list_update(inodes, inode);
}

int fs_inode_stat_at(int directory, const char *name, struct statx *attributes)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);

	return statx(directory, name, flags, FS_STATX_MASK, attributes) < 0 ? -errno : 0;
}

/* Opens the file of that name if it is still the node's. */
static int open_by_name(struct fs_inodes *inodes, struct fs_inode *inode, int directory, const char *name)
{
	struct statx attributes;
	struct fs_inode_key key;
	int fd = fs_inodes_open(inodes, directory, name, O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
	if (fs_inode_stat_at(fd, "", &attributes) < 0 ||
		(key = fs_inode_key_of(&attributes), !same_key(&key, &inode->key))) {
		fs_inodes_discard(inodes, &fd);
		return -ESTALE;
	}
	inode->fd = fd;
	list_update(inodes, inode);
	return fd;
}

static int descriptor(struct fs_inodes *inodes, struct fs_inode *inode, unsigned depth)
{
	struct fs_inode *parent;
	int directory;

	inode->serial = inodes->serial;
	if (inode->fd >= 0) {
		list_update(inodes, inode);
		return inode->fd;
	}
	parent = inode->name ? fs_inodes_find(inodes, inode->parent) : NULL;
	if (!parent || depth == 0)
		return -ESTALE;
	directory = descriptor(inodes, parent, depth - 1);
	return directory < 0 ? directory : open_by_name(inodes, inode, directory, inode->name);
}

int fs_inode_fd(struct fs_inodes *inodes, struct fs_inode *inode)
{
	return descriptor(inodes, inode, DEPTH_MAX);
}

struct fs_inode *fs_inodes_hold_name(
	struct fs_inodes *inodes, struct fs_inode *directory, int directory_fd, const char *name)
{
	struct statx attributes;
	struct fs_inode_key key;
	struct fs_inode *inode;

	if (fs_inode_stat_at(directory_fd, name, &attributes) < 0)
		return NULL;
	key = fs_inode_key_of(&attributes);
	inode = find_key(inodes, &key);
	if (!inode || inode->parent != directory->id || !inode->name || strcmp(inode->name, name) != 0)
		return inode;
	inode->serial = inodes->serial;
	/* Without a descriptor the host may give the inode number to another file while the guest still holds the node.
	 */
	if (inode->fd < 0 && open_by_name(inodes, inode, directory_fd, name) < 0)
		hash_remove(inodes, inode);
	return inode;
}

int fs_inode_stat(struct fs_inodes *inodes, struct fs_inode *inode, struct statx *attributes)
{
	struct fs_inode *parent = inode->fd < 0 && inode->name ? fs_inodes_find(inodes, inode->parent) : NULL;
	int fd = parent ? fs_inode_fd(inodes, parent) : fs_inode_fd(inodes, inode);
	int result = fd < 0 ? fd : fs_inode_stat_at(fd, parent ? inode->name : "", attributes);
	struct fs_inode_key key;

	if (result < 0)
		return parent && (result == -ENOENT || result == -ENOTDIR) ? -ESTALE : result;
	key = fs_inode_key_of(attributes);
	if (same_key(&key, &inode->key))
		return 0;
	if (parent)
		return -ESTALE;
	/* overlayfs gives a file another number when the first write copies it up (unless xino or one file system for
	 * all layers). */
	if (!find_key(inodes, &key)) {
		hash_remove(inodes, inode);
		inode->key = key;
		hash_insert(inodes, inode);
	}
	return 0;
}

/* --- entering --- */

static bool is_kernel_interface(int fd)
{
	static const unsigned long types[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, SELINUX_MAGIC, SMACK_MAGIC, BPF_FS_MAGIC,
		PSTOREFS_MAGIC, EFIVARFS_MAGIC, DEVPTS_SUPER_MAGIC, BINFMTFS_MAGIC, NSFS_MAGIC, RDTGROUP_SUPER_MAGIC,
		XENFS_SUPER_MAGIC, 0x19800202 /* mqueue */, 0x62656570 /* configfs */, 0x65735543 /* fusectl */ };
	struct statfs file_system;

	/* What cannot be told is treated as one. */
	if (fstatfs(fd, &file_system) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if ((unsigned long)file_system.f_type == types[i])
			return true;
	}
	return false;
}

/* The first look at a node: what kind of file system a mount leads to. */
static int inspect(struct fs_inodes *inodes, struct fs_inode *directory, struct fs_inode *inode)
{
	bool other_mount;
	int fd;

	/* One mount may show several devices (btrfs subvolumes, layers of overlayfs), each with inode numbers of its
	 * own. */
	inode->other_device = directory->key.device != inode->key.device;
	other_mount = inode->key.mount ? directory->key.mount != inode->key.mount : inode->other_device;
	inode->mount_root = other_mount || inode->other_device;
	inode->sealed = directory->sealed;
	if (!other_mount)
		return 0;
	fd = fs_inode_fd(inodes, inode);
	if (fd < 0)
		return fd;
	inode->sealed = is_kernel_interface(fd);
	return 0;
}

int fs_inodes_enter(struct fs_inodes *inodes, struct fs_inode *directory, const char *name,
	const struct statx *attributes, int fd, struct fs_inode **entered)
{
	struct fs_inode_key key = fs_inode_key_of(attributes);
	struct fs_inode *inode = find_key(inodes, &key);
	int result = 0;

	if (!inode) {
		inode = inode_new(inodes, &key);
		if (!inode) {
			fs_inodes_discard(inodes, &fd);
			return -ENFILE;
		}
	}
	if (inode->fd < 0)
		inode->fd = take_fd(&fd);
	else
		fs_inodes_discard(inodes, &fd);
	inode->serial = inodes->serial;
	if (name)
		fs_inode_renamed(inodes, inode, directory->id, name);
	list_update(inodes, inode);
	if (inode->lookups == 0 && inode->handles == 0)
		result = inspect(inodes, directory, inode);
	if (result < 0) {
		drop_if_unused(inodes, inode);
		return result;
	}
	inode->lookups++;
	*entered = inode;
	return 0;
}

int fs_inodes_lookup(struct fs_inodes *inodes, struct fs_inode *directory, const char *name, struct statx *attributes,
	struct fs_inode **found)
{
	int directory_fd = directory->sealed ? -EACCES : fs_inode_fd(inodes, directory);
	int result = directory_fd < 0 ? directory_fd : fs_inode_stat_at(directory_fd, name, attributes);

	return result < 0 ? result : fs_inodes_enter(inodes, directory, name, attributes, -1, found);
}

/* --- the table --- */

int fs_inodes_init(struct fs_inodes *inodes, int root_fd, struct fs_budget *budget, struct error *err)
{
	struct statx attributes;
	struct fs_inode_key key;
	struct fs_inode *root;
	int result = fs_inode_stat_at(root_fd, "", &attributes);

	if (result < 0)
		return error_set(err, -result, "look at the directory to share with the guest");
	if (!S_ISDIR(attributes.stx_mode))
		return error_set(err, ENOTDIR, "share a file with the guest that is not a directory");
	*inodes = (struct fs_inodes){ .budget = budget, .first_free = NO_SLOT };
	hash_grow(inodes);
	key = fs_inode_key_of(&attributes);
	root = inode_new(inodes, &key);
	root->fd = root_fd;
	root->lookups = 1;
	root->sealed = is_kernel_interface(root_fd);
	return 0;
}

void fs_inodes_clear(struct fs_inodes *inodes)
{
	for (uint32_t slot = FUSE_ROOT_ID; slot < inodes->slots_used; slot++) {
		if (inodes->slots[slot].inode)
			inode_free(inodes, inodes->slots[slot].inode);
	}
}

void fs_inodes_close(struct fs_inodes *inodes)
{
	fs_inodes_clear(inodes);
	if (inodes->slots_used > 0 && inodes->slots[0].inode)
		inode_free(inodes, inodes->slots[0].inode);
	free(inodes->slots);
	free(inodes->buckets);
	*inodes = (struct fs_inodes){ .first_free = NO_SLOT };
}

void fs_inodes_begin(struct fs_inodes *inodes)
{
	inodes->serial++;
}

/* --- for snapshots --- */

struct fs_inode *fs_inodes_place(struct fs_inodes *inodes, uint32_t slot, uint32_t generation)
{
	struct fs_inode *inode = xcalloc(1, sizeof(*inode));

	inode->id = (uint64_t)generation << 32 | (slot + 1);
	inode->fd = -1;
	inodes->slots[slot] = (struct fs_inode_slot){ .inode = inode, .generation = generation };
	inodes->count++;
	return inode;
}

bool fs_inodes_hash(struct fs_inodes *inodes, struct fs_inode *inode)
{
	if (find_key(inodes, &inode->key))
		return false;
	hash_insert(inodes, inode);
	return true;
}

void fs_inodes_extend(struct fs_inodes *inodes, uint32_t slots)
{
	inodes->slots_capacity = slots;
	inodes->slots_used = slots;
	inodes->slots = xrealloc(inodes->slots, slots, sizeof(*inodes->slots));
	for (uint32_t slot = 1; slot < slots; slot++)
		inodes->slots[slot] = (struct fs_inode_slot){ .generation = 0 };
	while (inodes->bucket_count < slots)
		hash_grow(inodes);
}

void fs_inodes_free_rest(struct fs_inodes *inodes)
{
	inodes->first_free = NO_SLOT;
	for (uint32_t slot = inodes->slots_used; slot-- > 1;) {
		if (inodes->slots[slot].inode)
			continue;
		inodes->slots[slot].next_free = inodes->first_free;
		inodes->first_free = slot;
	}
}
