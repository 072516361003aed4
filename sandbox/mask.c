/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox must not see of the host: whiteouts in a layer of their own between the host's file system and what
 * the sandbox writes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "sandbox/internal.h"

/* Of the host's root only: another root file system has none of the host's secrets. What ends in a slash and a star is
 * there, and empty. */
static const char *const secrets[] = { "/root/*", "/home/*", "/run/*", "/tmp/*", "/var/tmp/*", "/etc/shadow*",
	"/etc/gshadow*", "/etc/ssh/ssh_host_*_key", "/etc/ssl/private", "/etc/sudoers*", "/etc/krb5.keytab",
	"/etc/wireguard", "/etc/NetworkManager/system-connections", "/etc/ppp/*-secrets", "/etc/docker",
	"/etc/kubernetes", "/etc/rancher", "/etc/machine-id", "/var/lib/cloud", "/var/lib/kubelet", "/var/lib/docker",
	"/var/lib/containerd", "/var/lib/containers", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed",
	"/var/log/*", "/var/mail/*", "/var/spool/*", "/var/backups/*", NULL };

bool path_is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return true;
	return strncmp(path, directory, length) == 0 && (path[length] == '/' || !path[length]);
}

uid_t sandbox_owner(const struct sandbox *sandbox, uid_t host)
{
	/* It is one of the sandbox's own already. */
	if (host >= sandbox->first_id && host - sandbox->first_id < sandbox->ids)
		return host;
	return host < sandbox->ids ? sandbox->first_id + host : sandbox->first_id;
}

/* Directories of an upper layer hide the attributes of those below: they have to have the same. */
static int copy_attributes(const struct sandbox *sandbox, const char *source, int directory, const char *name)
{
	struct stat status;

	if (stat(source, &status) < 0)
		return -errno;
	if (fchownat(directory, name, sandbox_owner(sandbox, status.st_uid), sandbox_owner(sandbox, status.st_gid), 0) <
			0 ||
		fchmodat(directory, name, status.st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

/* The directories above a path, in a layer, like the host's. */
static int make_parents(const struct sandbox *sandbox, int layer, const char *host_path, const char *path)
{
	cleanup_free char *copy = xstrdup(path);

	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		cleanup_free char *source = NULL;
		int result;

		*slash = '\0';
		source = xprintf("%s/%s", host_path, copy);
		if (mkdirat(layer, copy, 0755) == 0)
			result = copy_attributes(sandbox, source, layer, copy);
		else
			result = errno == EEXIST ? 0 : -errno;
		if (result < 0)
			return result;
		*slash = '/';
	}
	return 0;
}

struct layers {
	int mask, up;
	const char *host_path; /* what they lie over */
};

/* The whiteout ends the look into the layers below. What is to be there, empty, is there above it: so nothing that the
 * host adds later is seen either. */
static int mask_path(const struct sandbox *sandbox, const struct layers *layers, const char *path, bool empty)
{
	cleanup_free char *source = xprintf("%s/%s", layers->host_path, path);
	int result = make_parents(sandbox, layers->mask, layers->host_path, path);

	if (result == 0 && mknodat(layers->mask, path, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST)
		result = -errno;
	if (result < 0 || !empty)
		return result;
	result = make_parents(sandbox, layers->up, layers->host_path, path);
	if (result == 0 && mkdirat(layers->up, path, 0755) < 0 && errno != EEXIST)
		result = -errno;
	return result < 0 ? result : copy_attributes(sandbox, source, layers->up, path);
}

static int mask_found(
	const struct sandbox *sandbox, const struct layers *layers, const char *path, bool empty, struct error *err)
{
	size_t skip = strcmp(layers->host_path, "/") == 0 ? 1 : strlen(layers->host_path) + 1;
	struct stat status;
	int result;

	if (!path_is_below(path, layers->host_path) || strlen(path) <= skip || lstat(path, &status) < 0)
		return 0;
	result = mask_path(sandbox, layers, path + skip, empty);
	return result < 0 ? error_set(err, -result, "hide %s", path) : 0;
}

/* The directory of a pattern, whose last component alone has stars. */
static char *directory_of(const char *pattern)
{
	return xstrndup(pattern, (size_t)(strrchr(pattern, '/') - pattern));
}

static bool is_pattern_in(const char *secret, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(secret, directory, length) == 0 && secret[length] == '/' && strchr(secret + length, '*') &&
	       !strchr(secret + length + 1, '/') && strcmp(secret + length, "/*") != 0;
}

/* All patterns of a directory at once: it is read once. */
static int mask_in_directory(
	const struct sandbox *sandbox, const struct layers *layers, const char *directory, struct error *err)
{
	cleanup_directory DIR *entries = opendir(directory);
	const struct dirent *entry;
	int result = 0;

	while (entries && result == 0 && (entry = readdir(entries))) {
		cleanup_free char *path = xprintf("%s/%s", directory, entry->d_name);
		bool secret = false;

		for (size_t i = 0; secrets[i] && !secret; i++)
			secret = is_pattern_in(secrets[i], directory) && fnmatch(secrets[i], path, FNM_PATHNAME) == 0;
		if (secret)
			result = mask_found(sandbox, layers, path, false, err);
	}
	return result;
}

static int mask_secret(const struct sandbox *sandbox, const struct layers *layers, size_t index, struct error *err)
{
	const char *secret = secrets[index];
	bool empty = strcmp(secret + strlen(secret) - 2, "/*") == 0;
	cleanup_free char *path = xstrndup(secret, strlen(secret) - (empty ? 2 : 0));
	cleanup_free char *directory = NULL;

	if (!strchr(path, '*'))
		return mask_found(sandbox, layers, path, empty, err);
	directory = directory_of(path);
	if (!path_is_below(directory, layers->host_path))
		return 0;
	for (size_t i = 0; i < index; i++) {
		if (is_pattern_in(secrets[i], directory))
			return 0;
	}
	return mask_in_directory(sandbox, layers, directory, err);
}

static int open_layer(const struct sandbox *sandbox, const char *layer, const char *host_path, struct error *err)
{
	int fd = openat(sandbox->scratch_fd, layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || copy_attributes(sandbox, host_path, fd, ".") < 0)
		return error_set(err, errno, "make the layer %s", layer);
	return fd;
}

int mask_layers(const struct sandbox *sandbox, const char *host_path, bool of_the_host, const char *mask,
	const char *up, struct error *err)
{
	cleanup_fd int mask_fd = open_layer(sandbox, mask, host_path, err);
	cleanup_fd int up_fd = mask_fd < 0 ? -EBADF : open_layer(sandbox, up, host_path, err);
	struct layers layers = { .mask = mask_fd, .up = up_fd, .host_path = host_path };
	int result = 0;

	if (up_fd < 0)
		return -err->code;
	for (size_t i = 0; of_the_host && secrets[i] && result == 0; i++)
		result = mask_secret(sandbox, &layers, i, err);
	return result;
}
