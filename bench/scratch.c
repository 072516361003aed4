/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle that is measured. Its process is the measuring program; everything else is the bundle that was named, or a
 * small root file system made here: the directories that every container has, the host's programs and libraries
 * read-only, and a directory to work in.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "bench/bench_internal.h"
#include "oci/json_write.h"
#include "oci/patch.h"
#include "oci/spec.h"
#include "oci/template.h"
#include "runtime/guest_files.h"

enum { CONFIGURATION_BYTES_MAX = 16 << 20 };

/* What crun 1.8 and runc 1.1 know too. */
#define PEERS_VERSION "1.0.2"

/* Below /dev, which is a file system of the container's own as a rule: nothing is made in somebody's image. */
#define INSIDE_OWN   "/duet-bench"
#define INSIDE_NAMED "/dev/duet-bench"

static const char *const own_directories[] = { "rootfs/dev", "rootfs/proc", "rootfs/sys", "rootfs/etc", "rootfs/tmp",
	"rootfs/etc/alternatives", NULL };

/* Where programs and libraries are; each may be a symbolic link. */
static const char *const program_directories[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/etc/alternatives", NULL };

static int make_directory(const struct bench *bench, const char *name, mode_t mode, struct error *err)
{
	cleanup_free char *path = xprintf("%s/%s", bench->scratch, name);

	/* Whatever the umask: another user's process may have to work there. */
	if ((mkdir(path, mode) < 0 && errno != EEXIST) || chmod(path, mode) < 0)
		return error_set(err, errno, "make %s", path);
	return 0;
}

static int copy_program(const struct bench *bench, struct error *err)
{
	cleanup_free char *name = NULL, *path = xprintf("%s/" MEASURE_FILE, bench->inside);
	cleanup_fd int source = guest_file_open(NULL, MEASURE_FILE, &name, err);
	cleanup_fd int target = -EBADF;
	struct stat status;
	ssize_t copied = 1;

	if (source < 0)
		return source;
	target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (target < 0 || fstat(source, &status) < 0 || fchmod(target, 0755) < 0)
		return error_set(err, errno, "make %s", path);
	for (off_t left = status.st_size; left > 0 && copied > 0; left -= copied)
		copied = sendfile(target, source, NULL, (size_t)left);
	return copied > 0 ? 0 : error_set(err, errno, "copy %s to %s", name, path);
}

/* A link of the host's root is the same link here; a directory becomes a mount, for which a place is made. */
static int make_program_places(const struct bench *bench, struct error *err)
{
	char target[PATH_MAX];

	for (const char *const *directory = program_directories; *directory; directory++) {
		cleanup_free char *place = xprintf("%s/rootfs%s", bench->scratch, *directory);
		ssize_t length = readlink(*directory, target, sizeof(target) - 1);

		if (length > 0) {
			target[length] = '\0';
			if (symlink(target, place) < 0)
				return error_set(err, errno, "make %s", place);
		} else if (access(*directory, F_OK) == 0 && mkdir(place, 0755) < 0 && errno != EEXIST) {
			return error_set(err, errno, "make %s", place);
		}
	}
	return 0;
}

static int make_root(struct bench *bench, struct error *err)
{
	int result = make_directory(bench, "rootfs", 0755, err);

	for (const char *const *directory = own_directories; *directory && result == 0; directory++)
		result = make_directory(bench, *directory, 0755, err);
	return result == 0 ? make_program_places(bench, err) : result;
}

int scratch_make(struct bench *bench, struct error *err)
{
	const char *parent = getenv("TMPDIR"), *inside = bench->options->bundle ? "inside" : "rootfs/duet-bench";
	cleanup_free char *work = xprintf("%s/work", inside);
	cleanup_free char *path = xprintf("%s/duet-bench.XXXXXX", parent && *parent == '/' ? parent : "/var/tmp");
	int result;

	if (!mkdtemp(path))
		return error_set(err, errno, "make a directory to work in, %s", path);
	bench->scratch = take_pointer(&path);
	bench->bundle = xstrdup(bench->scratch);
	bench->state_root = xprintf("%s/state", bench->scratch);
	bench->inside = xprintf("%s/%s", bench->scratch, inside);
	if (chmod(bench->scratch, 0711) < 0)
		return error_set(err, errno, "chmod %s", bench->scratch);
	result = bench->options->bundle ? 0 : make_root(bench, err);
	if (result == 0)
		result = make_directory(bench, inside, 0755, err);
	if (result == 0)
		result = make_directory(bench, work, 0777, err);
	return result == 0 ? copy_program(bench, err) : result;
}

void scratch_remove(struct bench *bench)
{
	int result = bench->scratch ? remove_tree(AT_FDCWD, bench->scratch) : 0;

	if (result < 0)
		log_warning("remove %s: %s", bench->scratch, strerror(-result));
	free(bench->scratch);
	free(bench->bundle);
	free(bench->state_root);
	free(bench->inside);
}

const char *scratch_inside(const struct bench *bench)
{
	return bench->options->bundle ? INSIDE_NAMED : INSIDE_OWN;
}

/* ---- config.json ---- */

static void write_bind(struct json_writer *json, const char *source, const char *destination, bool writable)
{
	json_write_open(json, '{');
	json_write_string_member(json, "destination", destination);
	json_write_string_member(json, "type", "bind");
	json_write_string_member(json, "source", source);
	json_write_strings_member(json, "options",
		writable ? (const char *const[]){ "rbind", "rw", "nosuid", NULL }
			 : (const char *const[]){ "rbind", "ro", "nosuid", "nodev", NULL });
	json_write_close(json, '}');
}

static void write_mounts(struct json_writer *json, const struct bench *bench)
{
	struct stat status;

	json_write_key(json, "mounts");
	json_write_open(json, '[');
	if (bench->options->bundle)
		write_bind(json, bench->inside, INSIDE_NAMED, true);
	for (const char *const *directory = program_directories; *directory && !bench->options->bundle; directory++) {
		if (lstat(*directory, &status) == 0 && S_ISDIR(status.st_mode))
			write_bind(json, *directory, *directory, false);
	}
	json_write_close(json, ']');
}

static void write_root(struct json_writer *json, const char *root)
{
	json_write_key(json, "root");
	json_write_open(json, '{');
	if (root)
		json_write_string_member(json, "path", root);
	else
		json_write_bool_member(json, "readonly", false);
	json_write_close(json, '}');
}

static void write_patch(struct strbuf *patch, const struct bench *bench, const char *root, const char *const *words)
{
	struct json_writer json = { .out = patch };

	json_write_open(&json, '{');
	if (!bench->options->bundle)
		json_write_string_member(&json, "ociVersion", PEERS_VERSION);
	json_write_key(&json, "process");
	json_write_open(&json, '{');
	json_write_bool_member(&json, "terminal", false);
	json_write_string_member(&json, "cwd", "/");
	json_write_strings_member(&json, "args", words);
	/* A hard limit that a peer raises first needs a capability that not every root has. */
	if (!bench->options->bundle) {
		json_write_key(&json, "rlimits");
		json_write_null(&json);
	}
	json_write_close(&json, '}');
	write_root(&json, root);
	write_mounts(&json, bench);
	json_write_close(&json, '}');
}

static int read_base(const struct bench *bench, const char *name, struct strbuf *base, struct error *err)
{
	struct oci_template template = { .rootless = geteuid() != 0, .uid = geteuid(), .gid = getegid() };
	int result;

	if (!bench->options->bundle) {
		oci_template_print(base, &template);
		return 0;
	}
	result = file_read(AT_FDCWD, name, CONFIGURATION_BYTES_MAX, base);
	return result < 0 ? error_set(err, -result, "read %s", name) : 0;
}

/* Where the root of the bundle that was named is, from anywhere; and what is to be said of its filter. */
static int read_named(struct bench *bench, const char *name, const struct strbuf *base, char **root, struct error *err)
{
	cleanup_oci_spec struct oci_spec *spec = NULL;
	cleanup_free char *real = realpath(bench->options->bundle, NULL);
	const char *path;
	int result;

	if (!real)
		return error_set(err, errno, "bundle %s", bench->options->bundle);
	result = oci_spec_parse(&spec, base->data, base->length, name, err);
	if (result < 0)
		return result;
	path = spec->root.path ? spec->root.path : "rootfs";
	*root = path[0] == '/' ? xstrdup(path) : xprintf("%s/%s", real, path);
	bench->filtered = spec->seccomp != NULL;
	return 0;
}

int scratch_check_bundle(struct bench *bench, struct error *err)
{
	cleanup_free char *name = NULL, *root = NULL;
	cleanup_strbuf struct strbuf base = STRBUF_INIT;
	int result;

	if (!bench->options->bundle)
		return 0;
	name = xprintf("%s/config.json", bench->options->bundle);
	result = read_base(bench, name, &base, err);
	return result < 0 ? result : read_named(bench, name, &base, &root, err);
}

int scratch_configure(struct bench *bench, const char *const *words, struct error *err)
{
	cleanup_free char *path = xprintf("%s/config.json", bench->bundle), *root = NULL;
	cleanup_free char *name =
		bench->options->bundle ? xprintf("%s/config.json", bench->options->bundle) : xstrdup("config.json");
	cleanup_strbuf struct strbuf base = STRBUF_INIT, patch = STRBUF_INIT, patched = STRBUF_INIT;
	int result = read_base(bench, name, &base, err);

	if (result == 0 && bench->options->bundle)
		result = read_named(bench, name, &base, &root, err);
	if (result < 0)
		return result;
	write_patch(&patch, bench, root, words);
	result = oci_config_patch(name, base.data, base.length, patch.data, &patched, err);
	if (result < 0)
		return result;
	result = file_replace(AT_FDCWD, path, patched.data, patched.length, 0644);
	return result < 0 ? error_set(err, -result, "write %s", path) : 0;
}
