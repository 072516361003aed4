/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/template.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"

_Static_assert(VM_KEY_BYTES == SHA256_BYTES, "a key is a digest");

static char *directory_path(const char *asked)
{
	const char *own = secure_getenv("DUET_CACHE_DIR"), *cache = secure_getenv("XDG_CACHE_HOME");
	const char *home = secure_getenv("HOME");

	if (asked)
		return xstrdup(asked);
	if (own && own[0] == '/')
		return xprintf("%s/templates", own);
	if (geteuid() == 0)
		return xstrdup("/var/cache/duet/templates");
	if (cache && cache[0] == '/')
		return xprintf("%s/duet/templates", cache);
	return home && home[0] == '/' ? xprintf("%s/.cache/duet/templates", home) : NULL;
}

/* Whoever may write here decides what a guest's kernel does: it must be nobody else. */
static int open_directory(const char *asked, bool make, struct error *err)
{
	cleanup_free char *path = directory_path(asked);
	cleanup_fd int fd = -EBADF;
	struct stat status;
	int result = 0;

	if (!path)
		return error_set(err, -ENOENT, "templates: HOME is not set");
	if (make)
		result = make_directories(AT_FDCWD, path, 0700);
	if (result == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (result < 0 || fd < 0 || fstat(fd, &status) < 0)
		return error_set(err, result < 0 ? -result : errno, "templates: open %s", path);
	if (status.st_uid != geteuid() || (status.st_mode & 022))
		return error_set(err, -EPERM, "templates: %s is not this user's alone", path);
	return take_fd(&fd);
}

static int open_template(int directory, const char *name)
{
	cleanup_fd int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077))
		return -EPERM;
	/* For the order in which they are removed. */
	(void)futimens(fd, (const struct timespec[]){ { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } });
	return take_fd(&fd);
}

/* ---- what was looked through ---- */

#define WHOLE_ATTRIBUTE "user.duet.whole"

struct whole_note {
	char text[96];
};

/* The start of the host, so that what a crash left half written is looked at again, and the last change. */
static int make_note(int fd, struct whole_note *note)
{
	cleanup_strbuf struct strbuf boot_id = STRBUF_INIT;
	struct stat status;

	if (fstat(fd, &status) < 0 || file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot_id) < 0)
		return -EIO;
	(void)snprintf(note->text, sizeof(note->text), "%.36s %lld.%09ld", boot_id.data,
		(long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
	return 0;
}

/* A file system without such attributes has every start look through the file. */
static void note_whole(int fd)
{
	struct whole_note note;

	if (fd >= 0 && make_note(fd, &note) == 0)
		(void)fsetxattr(fd, WHOLE_ATTRIBUTE, note.text, strlen(note.text), 0);
}

static bool is_noted_whole(int fd)
{
	struct whole_note note, found = { .text = "" };

	return make_note(fd, &note) == 0 && fgetxattr(fd, WHOLE_ATTRIBUTE, found.text, sizeof(found.text) - 1) > 0 &&
	       strcmp(note.text, found.text) == 0;
}

static int answer(const struct launch *launch, uint32_t use, int fd, struct error *err)
{
	int result = message_send(launch->child.socket, LAUNCH_TEMPLATE, &use, sizeof(use), fd);

	return result < 0 ? error_set(err, -result, "hand the template to the monitor") : 0;
}

/* Without a place for templates a guest boots, as it would without them: no reason to fail. */
static int give(struct launch *launch, const struct message *message, struct error *err)
{
	struct launch_template *template = &launch->vm.template;
	cleanup_fd int fd = -EBADF;
	struct error reason;

	if (message->length != VM_KEY_BYTES)
		return error_set(
			err, -EPROTO, "the monitor asked for a template with a key of %zu bytes", message->length);
	/* It asks before its guest's first instruction. Whoever broke it asks for another guest's. */
	if (template->name[0])
		return error_set(err, -EPROTO, "the monitor asked for a second template");
	(void)snprintf(template->name, sizeof(template->name), "%s", sha256_text(message->data).text);
	close_fd(&template->directory_fd);
	template->directory_fd = launch->options->no_template
					 ? -EBADF
					 : open_directory(launch->options->template_directory, true, &reason);
	if (template->directory_fd < 0) {
		if (!launch->options->no_template)
			log_debug("%s", reason.message);
		return answer(launch, TEMPLATE_NONE, -1, err);
	}
	fd = open_template(template->directory_fd, template->name);
	if (fd >= 0 && is_noted_whole(fd))
		return answer(launch, TEMPLATE_READ_TRUSTED, fd, err);
	if (fd >= 0) {
		close_fd(&template->read_fd);
		template->read_fd = take_fd(&fd);
		return answer(launch, TEMPLATE_READ, template->read_fd, err);
	}
	if (fd == -ENOENT)
		template->fd = openat(template->directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (template->fd < 0)
		return answer(launch, TEMPLATE_NONE, -1, err);
	return answer(launch, TEMPLATE_SAVE, template->fd, err);
}

static void keep(const struct launch *launch, struct launch_template *template)
{
	cleanup_free char *temporary = xprintf(".%s.%d", template->name, (int)getpid());
	struct error err;

	if (template->fd < 0)
		return;
	note_whole(template->fd);
	/* By a name of its own and a rename: somebody else may have been as fast. */
	if (linkat(AT_FDCWD, fd_path(template->fd).text, template->directory_fd, temporary, AT_SYMLINK_FOLLOW) < 0 ||
		renameat(template->directory_fd, temporary, template->directory_fd, template->name) < 0)
		log_debug("keep the template %s: %s", template->name, strerror(errno));
	close_fd(&template->fd);
	if (template_prune(launch->options->template_directory, TEMPLATES_MAX_BYTES, &err) < 0)
		log_debug("%s", err.message);
}

int template_answer(struct launch *launch, const struct message *message, struct error *err)
{
	struct launch_template *template = &launch->vm.template;

	switch (message->type) {
	case LAUNCH_TEMPLATE:
		return give(launch, message, err);
	case LAUNCH_TEMPLATE_SAVED:
		keep(launch, template);
		return 0;
	case LAUNCH_TEMPLATE_WHOLE:
		note_whole(template->read_fd);
		close_fd(&template->read_fd);
		return 0;
	default:
		log_warning("the template %s cannot be used and is removed: the guest boots", template->name);
		if (template->directory_fd >= 0)
			(void)unlinkat(template->directory_fd, template->name, 0);
		return 0;
	}
}

int template_ask(struct launch *launch, const unsigned char key[VM_KEY_BYTES], int *fd, enum template_use *use,
	struct error *err)
{
	cleanup_free struct message *message = xcalloc(1, sizeof(*message));
	int result = message_send(launch->child.socket, LAUNCH_TEMPLATE, key, VM_KEY_BYTES, -1);
	uint32_t word;

	if (result == 0)
		result = message_receive(launch->child.socket, message);
	if (result < 0)
		return error_set(err, -result, "ask the runtime for a template");
	if (message->type != LAUNCH_TEMPLATE || message->length != sizeof(word)) {
		close_fd(&message->fd);
		return error_set(err, -EPROTO, "the runtime said something unexpected (%u)", message->type);
	}
	memcpy(&word, message->data, sizeof(word));
	*fd = take_fd(&message->fd);
	*use = *fd < 0 ? TEMPLATE_NONE : (enum template_use)word;
	return 0;
}

/* ---- all of them ---- */

static bool is_name(const char *name)
{
	return strlen(name) == (size_t)2 * VM_KEY_BYTES && strspn(name, "0123456789abcdef") == (size_t)2 * VM_KEY_BYTES;
}

static int used_later(const void *left, const void *right)
{
	const struct template_entry *a = left, *b = right;

	return a->used_seconds < b->used_seconds   ? 1
	       : a->used_seconds > b->used_seconds ? -1
						   : strcmp(a->name, b->name);
}

static size_t read_entries(int directory, struct template_entry **entries)
{
	cleanup_fd int copy = fcntl(directory, F_DUPFD_CLOEXEC, 3);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	size_t count = 0;

	if (!stream)
		return 0;
	(void)take_fd(&copy); /* the stream's now */
	rewinddir(stream);
	while ((entry = readdir(stream))) {
		struct stat status;

		if (!is_name(entry->d_name) || fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		*entries = xrealloc(*entries, count + 1, sizeof(**entries));
		(*entries)[count] = (struct template_entry){ .disk_bytes = (uint64_t)status.st_blocks * 512,
			.used_seconds = status.st_atim.tv_sec };
		memcpy((*entries)[count].name, entry->d_name, sizeof((*entries)[count].name));
		count++;
	}
	(void)closedir(stream);
	if (count)
		qsort(*entries, count, sizeof(**entries), used_later);
	return count;
}

int template_list(const char *path, struct template_entry **entries, size_t *count, struct error *err)
{
	cleanup_fd int directory = open_directory(path, false, err);

	*entries = NULL;
	*count = 0;
	if (directory < 0)
		return directory == -ENOENT ? 0 : directory;
	*count = read_entries(directory, entries);
	return 0;
}

int template_prune(const char *path, uint64_t max_bytes, struct error *err)
{
	cleanup_fd int directory = open_directory(path, false, err);
	cleanup_free struct template_entry *entries = NULL;
	uint64_t bytes = 0;
	size_t count;
	int removed = 0;

	if (directory < 0)
		return directory == -ENOENT ? 0 : directory;
	count = read_entries(directory, &entries);
	for (size_t i = 0; i < count; i++) {
		bytes += entries[i].disk_bytes;
		if (bytes <= max_bytes)
			continue;
		if (unlinkat(directory, entries[i].name, 0) < 0 && errno != ENOENT)
			return error_set(err, errno, "remove the template %s", entries[i].name);
		removed++;
	}
	return removed;
}

/* Its first process is prepared and never started. */
int template_create(const struct launch_options *options, struct error *err)
{
	cleanup_free char *id = xprintf("template-%d", (int)getpid());
	cleanup_launch struct launch *launch = NULL;
	struct launch_options own = *options;
	int result;

	own.id = id;
	own.isolation = "microvm";
	result = launch_create(&own, &launch, err);
	if (result < 0)
		return result;
	launch_abort(launch);
	return 0;
}
