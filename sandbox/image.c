/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/image.h"

#include <fcntl.h>
#include <grp.h>
#include <locale.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "ns/namespaces.h"
#include "sandbox/internal.h"
#include "sandbox/unpack.h"

/* ---- what it is ---- */

static const struct {
	const char *name;
	off_t offset;
	size_t length;
	const char *magic;
} file_systems[] = {
	{ "erofs", 1024, 4, "\xe2\xe1\xf5\xe0" },
	{ "ext4", 1080, 2, "\x53\xef" },
	{ "squashfs", 0, 4, "hsqs" },
};

static int look_at_file(int file, struct image *image)
{
	image->kind = IMAGE_ARCHIVE;
	for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++) {
		char bytes[4];

		if (pread(file, bytes, file_systems[i].length, file_systems[i].offset) ==
				(ssize_t)file_systems[i].length &&
			memcmp(bytes, file_systems[i].magic, file_systems[i].length) == 0) {
			image->kind = IMAGE_FILE_SYSTEM;
			image->file_system = file_systems[i].name;
		}
	}
	image->fds[image->count++] = file;
	return 0;
}

static int look_at(int *fd, const char *tag, struct image *image, struct error *err)
{
	struct stat status;

	if (fstat(*fd, &status) < 0)
		return error_set(err, errno, "look at it");
	if (S_ISREG(status.st_mode))
		return look_at_file(take_fd(fd), image);
	if (!S_ISDIR(status.st_mode))
		return error_set(err, -EINVAL, "neither a directory nor a file");
	if (faccessat(*fd, "oci-layout", F_OK, 0) == 0 && faccessat(*fd, "index.json", F_OK, 0) == 0) {
		image->kind = IMAGE_LAYOUT;
		return layout_open(*fd, tag, image, err);
	}
	return 0;
}

int image_open(const char *path, struct image *image, struct error *err)
{
	cleanup_free char *name = xstrdup(path);
	cleanup_fd int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char *tag = strrchr(name, ':');
	int result;

	*image = (struct image){ .kind = IMAGE_DIRECTORY };
	if (fd < 0 && errno == ENOENT && tag) {
		*tag++ = '\0';
		fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		tag = NULL;
	}
	if (fd < 0)
		return error_set(err, errno, "--rootfs %s", path);
	result = look_at(&fd, tag, image, err);
	if (result == 0 && tag && image->kind != IMAGE_LAYOUT)
		result = error_set(err, ENOENT, "open it");
	if (result < 0)
		image_close(image);
	return result < 0 ? error_prefix(err, "--rootfs %s", path) : 0;
}

void image_close(struct image *image)
{
	for (unsigned int i = 0; i < image->count; i++)
		close_fd(&image->fds[i]);
	image->count = 0;
	free_strings(image->environment);
	image->environment = NULL;
}

/* ---- unpacking ---- */

struct unpack_answer {
	struct error error; /* code 0: done */
	struct unpack_counts counts;
};

/* Of what root may do in its user namespace, what unpacking needs. */
static int drop_capabilities(void)
{
	static const cap_value_t kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP };
	cap_t caps = cap_init();
	int result = caps && cap_set_flag(caps, CAP_PERMITTED, ARRAY_SIZE(kept), kept, CAP_SET) == 0 &&
				     cap_set_flag(caps, CAP_EFFECTIVE, ARRAY_SIZE(kept), kept, CAP_SET) == 0 &&
				     cap_set_proc(caps) == 0
			     ? 0
			     : -errno;

	(void)cap_free(caps);
	return result;
}

/* Whoever breaks the reader of archives finds an empty directory, and no right over anything outside. */
static int confine(int user, int root, struct error *err)
{
	if (setns(user, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return error_set(err, errno, "enter namespaces to unpack in");
	if (namespaces_become_root(err) < 0)
		return -err->code;
	if (fchdir(root) < 0 || chroot(".") < 0)
		return error_set(err, errno, "make the sandbox's root the only one");
	if (drop_capabilities() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "drop privileges");
	return 0;
}

static void unpacker(const struct image *image, int user, int root, int answer_fd)
{
	struct unpack_answer answer = { .error = { .code = 0 } };
	int keep[IMAGE_LAYERS_MAX + 3] = { user, root, answer_fd };
	sigset_t none;
	int result;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	memcpy(keep + 3, image->fds, image->count * sizeof(*keep));
	close_all_but(keep, image->count + 3);
	/* libarchive asks the locale what names are written in. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)umask(0);
	result = confine(user, root, &answer.error);
	/* A change of ids takes it away. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int i = 0; i < image->count && result == 0; i++)
		result =
			unpack_archive(root, image->fds[i], image->kind == IMAGE_LAYOUT, &answer.counts, &answer.error);
	_exit(file_write_fd(answer_fd, &answer, sizeof(answer)) < 0);
}

/* The wall time holds for what comes before the command too: archives can be made to take for ever. */
static int wait_for_answer(const struct sandbox *sandbox, int fd, struct unpack_answer *answer, struct error *err)
{
	uint64_t limit_ms = sandbox->settings->timeout_ms;
	struct pollfd source = { .fd = fd, .events = POLLIN };
	int ready = poll(&source, 1, limit_ms > INT32_MAX ? -1 : (int)limit_ms);

	if (ready == 0)
		return error_set(err, -ETIMEDOUT, "unpack the root file system: it takes longer than the timeout");
	if (ready < 0 || file_read_exactly(fd, answer, sizeof(*answer)) < 0)
		return error_set(err, -EIO, "unpack the root file system: the process that does it died");
	/* By who reads hostile archives. */
	answer->error.message[sizeof(answer->error.message) - 1] = '\0';
	if (answer->error.code < 0)
		answer->error.code = EIO;
	if (answer->error.code == ENOSPC)
		return error_set(err, -ENOSPC, "unpack the root file system: it is larger than --disk (%s)",
			answer->error.message);
	if (answer->error.code) {
		*err = answer->error;
		return error_prefix(err, "unpack the root file system");
	}
	return 0;
}

static int unpack(const struct sandbox *sandbox, const struct image *image, int root, struct error *err)
{
	cleanup_free struct unpack_answer *answer = xcalloc(1, sizeof(*answer));
	cleanup_fd int user = sandbox_make_user_namespace(sandbox, err), reader = -EBADF;
	int ends[2], result;
	pid_t pid;

	if (user < 0)
		return user;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe");
	pid = fork();
	if (pid == 0)
		unpacker(image, user, root, ends[1]);
	(void)close(ends[1]);
	reader = ends[0];
	if (pid < 0)
		return error_set(err, errno, "make a process to unpack with");
	result = wait_for_answer(sandbox, reader, answer, err);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (result == 0)
		log_debug("root file system unpacked: %llu devices, %llu owners and %llu attributes left out",
			(unsigned long long)answer->counts.devices_left_out,
			(unsigned long long)answer->counts.owners_left_out,
			(unsigned long long)answer->counts.attributes_left_out);
	return result;
}

int image_place(struct sandbox *sandbox, const struct image *image, struct error *err)
{
	cleanup_free char *path = xprintf("%s/" IMAGE_PLACE, sandbox->scratch);
	cleanup_fd int root = -EBADF;

	if (mkdirat(sandbox->scratch_fd, IMAGE_PLACE, 0755) < 0)
		return error_set(err, errno, "make the directory of the root file system");
	if (image->kind == IMAGE_FILE_SYSTEM)
		return loop_mount_image(image->fds[0], image->file_system, path, err);
	root = openat(sandbox->scratch_fd, IMAGE_PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fchown(root, sandbox->first_id, sandbox->first_id) < 0)
		return error_set(err, errno, "make the directory of the root file system");
	return unpack(sandbox, image, root, err);
}
