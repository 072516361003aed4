/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file server under libFuzzer: a guest that says anything.
 *
 * The input is a program: each instruction is one request. Most are put together from a small stock of names and from
 * the nodes and handles of earlier answers, so that they get past the first checks; some are the input's own bytes.
 * After each, the answer is checked for what holds for all of them, and at the end that nothing outside the shared
 * directory has changed.
 *
 * With the right to mount, everything happens on a small tmpfs in a mount namespace of its own; TMPDIR says where
 * otherwise.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "input.h"
#include "microvm/devices/fs/server.h"

#define REPLY_BYTES    (256U << 10)
#define REQUEST_BYTES  (FS_ARGUMENTS_MAX + 4096)
#define KNOWN_MAX      16
#define FILE_BYTES_MAX (1U << 20)
#define PROGRAM_MAX    400

int LLVMFuzzerInitialize(int *argc, char ***argv);

struct known {
	uint64_t values[KNOWN_MAX];
	unsigned count;
};

static struct {
	char path[128];
	int scratch_fd, root_fd, working_directory;
	struct fs_server *server;
	struct fs_worker *worker;
	struct stat outside;
	unsigned char *request, *reply;
	size_t request_bytes;
	struct known nodes, handles;
} fuzz;

static const char *const names[] = { "a", "b", "c", "directory", "link", "link2", "proc", "tmpfs", "..", ".", "", "a/b",
	"/", "../outside", "pipe", "user.x", "security.capability", "system.posix_acl_access", "trusted.x",
	"../../../../etc/passwd" };

static void remember(struct known *known, uint64_t value)
{
	known->values[known->count++ % KNOWN_MAX] = value;
}

static uint64_t recall(const struct known *known, struct input *input)
{
	uint8_t choice = (uint8_t)take(input, 1);
	unsigned count = known->count < KNOWN_MAX ? known->count : KNOWN_MAX;

	if (choice >= 0xf8)
		return take(input, 8);
	return choice < 0x20 || count == 0 ? FUSE_ROOT_ID : known->values[choice % count];
}

static void put(const void *data, size_t length)
{
	CHECK(fuzz.request_bytes + length <= REQUEST_BYTES);
	memcpy(fuzz.request + fuzz.request_bytes, data, length);
	fuzz.request_bytes += length;
}

static void put_number(uint64_t value, size_t bytes)
{
	put(&value, bytes);
}

static void put_name(struct input *input)
{
	uint8_t choice = (uint8_t)take(input, 1);

	if (choice < 0xf0) {
		const char *name = names[choice % ARRAY_SIZE(names)];

		put(name, strlen(name) + 1);
	} else {
		size_t length = take(input, 1);

		for (size_t i = 0; i < length; i++)
			put_number(take(input, 1), 1);
	}
}

static void put_bytes(struct input *input, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		put_number(take(input, 1), 1);
}

static void put_data(struct input *input)
{
	size_t length = take(input, 2) % 5000;

	memset(fuzz.request + fuzz.request_bytes, 'd', length);
	fuzz.request_bytes += length;
}

/* Operations that name one thing in a directory, or an attribute. */
static bool put_named(struct input *input, uint32_t opcode)
{
	static const struct {
		uint8_t opcode, fixed_bytes, names;
		bool has_node;
	} shapes[] = {
		{ FUSE_LOOKUP, 0, 1, false },
		{ FUSE_UNLINK, 0, 1, false },
		{ FUSE_RMDIR, 0, 1, false },
		{ FUSE_REMOVEXATTR, 0, 1, false },
		{ FUSE_SYMLINK, 0, 2, false },
		{ FUSE_RENAME, 0, 2, true },
		{ FUSE_LINK, 0, 1, true },
		{ FUSE_MKDIR, sizeof(struct fuse_mkdir_in), 1, false },
		{ FUSE_MKNOD, sizeof(struct fuse_mknod_in), 1, false },
		{ FUSE_CREATE, sizeof(struct fuse_create_in), 1, false },
		{ FUSE_TMPFILE, sizeof(struct fuse_create_in), 1, false },
		{ FUSE_GETXATTR, sizeof(struct fuse_getxattr_in), 1, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (shapes[i].opcode != opcode)
			continue;
		if (shapes[i].has_node)
			put_number(recall(&fuzz.nodes, input), 8);
		put_bytes(input, shapes[i].fixed_bytes);
		for (unsigned name = 0; name < shapes[i].names; name++)
			put_name(input);
		return true;
	}
	return false;
}

/* The fixed part with handles and nodes where they belong, the rest from the input. */
static void put_arguments(struct input *input, uint32_t opcode)
{
	switch (opcode) {
	case FUSE_RENAME2:
		put_number(recall(&fuzz.nodes, input), 8);
		put_number(take(input, 1) & 7, 8);
		put_name(input);
		put_name(input);
		break;
	case FUSE_SETXATTR:
		put_number(take(input, 2), 4);
		put_number(take(input, 4), 4);
		put_number(take(input, 1), 8);
		put_name(input);
		put_data(input);
		break;
	case FUSE_BATCH_FORGET:
		put_number(take(input, 4), 8);
		put_number(recall(&fuzz.nodes, input), 8);
		put_number(1, 8);
		break;
	case FUSE_WRITE:
		put_number(recall(&fuzz.handles, input), 8);
		put_number(take(input, 3), 8);
		put_number(take(input, 2), 4);
		put_bytes(input, 4 + 8 + 8);
		put_data(input);
		break;
	case FUSE_SETATTR:
		put_number(take(input, 2), 8);
		put_number(recall(&fuzz.handles, input), 8);
		put_number(take(input, 3), 8);
		put_bytes(input, sizeof(struct fuse_setattr_in) - 24);
		break;
	case FUSE_COPY_FILE_RANGE:
		put_number(recall(&fuzz.handles, input), 8);
		put_number(take(input, 2), 8);
		put_number(recall(&fuzz.nodes, input), 8);
		put_number(recall(&fuzz.handles, input), 8);
		put_bytes(input, 3 * 8);
		break;
	default:
		/* Operations on handles; a few bytes more than any of them has. */
		put_number(recall(&fuzz.handles, input), 8);
		put_bytes(input, take(input, 1) % 64);
		break;
	}
}

static void remember_answer(uint32_t opcode, const unsigned char *body, size_t bytes)
{
	struct fuse_entry_out entry;
	struct fuse_open_out opened;
	bool makes_entry = opcode == FUSE_LOOKUP || opcode == FUSE_CREATE || opcode == FUSE_MKDIR ||
			   opcode == FUSE_MKNOD || opcode == FUSE_SYMLINK || opcode == FUSE_LINK ||
			   opcode == FUSE_TMPFILE || opcode == FUSE_READDIRPLUS;
	bool makes_handle =
		opcode == FUSE_OPEN || opcode == FUSE_OPENDIR || opcode == FUSE_CREATE || opcode == FUSE_TMPFILE;
	size_t offset = makes_entry ? sizeof(entry) : 0;

	if (makes_entry && bytes >= sizeof(entry)) {
		memcpy(&entry, body, sizeof(entry));
		if (entry.nodeid)
			remember(&fuzz.nodes, entry.nodeid);
	}
	if (makes_handle && bytes >= offset + sizeof(opened)) {
		memcpy(&opened, body + offset, sizeof(opened));
		remember(&fuzz.handles, opened.fh);
	}
}

static void serve(size_t first_piece, size_t reply_bytes, uint32_t opcode, uint64_t unique)
{
	size_t split = first_piece < fuzz.request_bytes ? first_piece : fuzz.request_bytes;
	struct iovec request[2] = { { fuzz.request, split }, { fuzz.request + split, fuzz.request_bytes - split } };
	struct iovec reply[2] = { { fuzz.reply, reply_bytes / 3 },
		{ fuzz.reply + reply_bytes / 3, reply_bytes - reply_bytes / 3 } };
	const struct fs_message message = { .request = request,
		.request_count = 2,
		.request_bytes = fuzz.request_bytes,
		.reply = reply,
		.reply_count = 2,
		.reply_bytes = reply_bytes };
	size_t written = fs_worker_serve(fuzz.worker, &message);
	struct fuse_out_header out;

	if (written == 0)
		return;
	memcpy(&out, fuzz.reply, sizeof(out));
	CHECK(written <= reply_bytes && out.len == written && out.error <= 0 && out.error > -512 &&
		out.unique == unique);
	CHECK(out.error == 0 || written == sizeof(out));
	if (out.error == 0)
		remember_answer(opcode, fuzz.reply + sizeof(out), written - sizeof(out));
}

static void one_request(struct input *input)
{
	uint32_t opcode = (uint32_t)(take(input, 1) % 56);
	uint8_t shape = (uint8_t)take(input, 1);
	struct fuse_in_header header = {
		.opcode = opcode, .unique = take(input, 1), .nodeid = recall(&fuzz.nodes, input)
	};

	/* Either would take the disk's time. */
	if (opcode == FUSE_SYNCFS || (opcode == FUSE_DESTROY && shape != 0))
		return;
	header.uid = shape & 1 ? 1000 : 0;
	header.gid = shape & 2 ? 1000 : 0;
	fuzz.request_bytes = 0;
	put(&header, sizeof(header));
	if (opcode == FUSE_INIT)
		put(&(struct fuse_init_in){ .major = 7, .minor = 38, .flags = (uint32_t)take(input, 4) },
			sizeof(struct fuse_init_in));
	else if (shape >= 0xf0)
		put_bytes(input, take(input, 1));
	else if (!put_named(input, opcode))
		put_arguments(input, opcode);
	header.len = shape == 0xff ? (uint32_t)take(input, 4) : (uint32_t)fuzz.request_bytes;
	memcpy(fuzz.request, &header, sizeof(header));
	serve(shape % 64, shape == 0xfe ? take(input, 1) : REPLY_BYTES, opcode, header.unique);
}

static void start_session(void)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = UINT32_MAX };
	struct fuse_in_header header = { .len = sizeof(header) + sizeof(in), .opcode = FUSE_INIT };

	fuzz.request_bytes = 0;
	put(&header, sizeof(header));
	put(&in, sizeof(in));
	serve(0, REPLY_BYTES, FUSE_INIT, 0);
}

/* The shared directory as each input finds it. */
static void fill_root(void)
{
	(void)mkdirat(fuzz.root_fd, "directory", 0755);
	(void)symlinkat("../outside", fuzz.root_fd, "link");
	(void)symlinkat("/proc/self/root", fuzz.root_fd, "link2");
	(void)mknodat(fuzz.root_fd, "pipe", S_IFIFO | 0644, 0);
	close(openat(fuzz.root_fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void empty_root(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool is_mount = strcmp(names[i], "tmpfs") == 0 || strcmp(names[i], "proc") == 0;

		if (*names[i] && names[i][0] != '.' && !strchr(names[i], '/') && !is_mount)
			(void)remove_tree(fuzz.root_fd, names[i]);
	}
}

static void check_outside(void)
{
	struct stat now;

	CHECK(fstatat(fuzz.scratch_fd, "outside", &now, 0) == 0);
	CHECK(now.st_mode == fuzz.outside.st_mode && now.st_uid == fuzz.outside.st_uid &&
		now.st_size == fuzz.outside.st_size && now.st_ctim.tv_sec == fuzz.outside.st_ctim.tv_sec &&
		now.st_ctim.tv_nsec == fuzz.outside.st_ctim.tv_nsec);
	CHECK(fuzz.server->budget.held <= fuzz.server->budget.max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { .next = data, .left = size };

	/* The worker's thread is the fuzzer's, which has files of its own to find. */
	CHECK(fchdir(fuzz.server->proc_self_fd) == 0);
	fs_server_reset(fuzz.server);
	CHECK(fuzz.server->budget.held == 0 && fuzz.server->inodes.count == 1);
	fuzz.nodes.count = fuzz.handles.count = 0;
	fill_root();
	start_session();
	for (int i = 0; i < PROGRAM_MAX && input.left > 0; i++)
		one_request(&input);
	check_outside();
	empty_root();
	CHECK(fchdir(fuzz.working_directory) == 0);
	return 0;
}

static void leave(void)
{
	(void)remove_tree(fuzz.scratch_fd, "root");
	(void)unlinkat(fuzz.scratch_fd, "outside", 0);
	(void)rmdir(fuzz.path);
}

/* In a mount namespace of its own any directory will do, and the host's stays as it is. */
static bool mount_scratch(void)
{
	(void)snprintf(fuzz.path, sizeof(fuzz.path), "/mnt");
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", fuzz.path, "tmpfs", 0, "size=64m,mode=755") == 0;
}

static void make_scratch(void)
{
	const char *base = getenv("TMPDIR");

	if (!mount_scratch()) {
		(void)snprintf(fuzz.path, sizeof(fuzz.path), "%s/duet-fuzz-fs-XXXXXX",
			base && strlen(base) < 90 ? base : "/tmp");
		CHECK(mkdtemp(fuzz.path));
	}
	fuzz.scratch_fd = open(fuzz.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fuzz.scratch_fd >= 0 && mkdirat(fuzz.scratch_fd, "root", 0755) == 0);
	close(openat(fuzz.scratch_fd, "outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	CHECK(fstatat(fuzz.scratch_fd, "outside", &fuzz.outside, 0) == 0);
	fuzz.root_fd = openat(fuzz.scratch_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/root/%s", fuzz.path, i ? "proc" : "tmpfs");
		(void)mkdir(path, 0755);
		(void)mount("none", path, i ? "proc" : "tmpfs", 0, i ? NULL : "size=4m");
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct rlimit limit = { .rlim_cur = FILE_BYTES_MAX, .rlim_max = FILE_BYTES_MAX };
	struct fs_options options = { .tag = "fuzz", .descriptors_max = 64 };
	struct error err = { 0 };
	sigset_t too_large;

	(void)argc;
	(void)argv;
	fuzz.working_directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	make_scratch();
	fuzz.request = xcalloc(1, REQUEST_BYTES);
	fuzz.reply = xcalloc(1, REPLY_BYTES);
	options.capabilities = geteuid() == 0;
	options.root_fd = fcntl(fuzz.root_fd, F_DUPFD_CLOEXEC, 3);
	if (fs_server_create(&fuzz.server, &options, &err) < 0 ||
		fs_worker_create(&fuzz.worker, fuzz.server, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	(void)fchdir(fuzz.working_directory);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	/* As the serving thread has it. */
	(void)sigemptyset(&too_large);
	(void)sigaddset(&too_large, SIGXFSZ);
	(void)pthread_sigmask(SIG_BLOCK, &too_large, NULL);
	(void)atexit(leave);
	return 0;
}
