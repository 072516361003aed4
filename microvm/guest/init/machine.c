/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/machine.h"

#include <fcntl.h>
#include <linux/random.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define IMAGE_DEVICE "/dev/vda"
/* Of an image that cannot be written to: where it is mounted, and what is written beside it. */
#define LOWER_PATH "/lower"
#define LAYER_PATH "/layer"
/* Linux's PAGE_REPORTING_CAPACITY. */
#define REPORT_BLOCKS           32ULL
#define REPORT_PAGE_BYTES       4096ULL
#define REPORT_ORDER_MIN        4U
#define REPORT_ORDER_MAX        9U
#define CLOCK_TOLERANCE_MS      10
#define ENTROPY_MAX             1024
#define CONNECT_TIMEOUT_SECONDS 60

void machine_reserve_standard_streams(void)
{
	int fd;

	if (fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return;
	do {
		fd = open("/dev/kmsg", O_WRONLY);
		if (fd < 0)
			fd = open("/", O_PATH);
	} while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

int machine_mount_proc(struct error *err)
{
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_set(err, errno, "mount proc in the guest");
	return 0;
}

void machine_quiet(void)
{
	/* A kernel that looks for memory to compact twice a second never leaves an idle guest's pages alone. */
	(void)file_write(AT_FDCWD, "/proc/sys/vm/compaction_proactiveness", "0");
}

/* 2^order pages: 32 of them a sixteenth of the memory, from 64 KiB (less costs more than it gives) to 2 MiB. */
static unsigned report_order(uint64_t memory_bytes)
{
	unsigned order = REPORT_ORDER_MAX;

	while (order > REPORT_ORDER_MIN && (REPORT_BLOCKS * REPORT_PAGE_BYTES << order) > memory_bytes / 16)
		order--;
	return order;
}

/* The word of the command line does not last: the balloon's driver sets it anew (Linux 6.1). */
void machine_report_small_blocks(void)
{
	cleanup_fd int context = fsopen("sysfs", FSOPEN_CLOEXEC), root = -EBADF;
	struct sysinfo info;
	char order[16];

	if (sysinfo(&info) < 0 || context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return;
	root = fsmount(context, FSMOUNT_CLOEXEC, 0);
	(void)snprintf(order, sizeof(order), "%u", report_order((uint64_t)info.totalram * info.mem_unit));
	if (root >= 0)
		(void)file_write(root, "module/page_reporting/parameters/page_reporting_order", order);
}

int machine_mount_share(struct error *err)
{
	if (mount(GUEST_SHARE_TAG, GUEST_SHARE_PATH, "virtiofs", 0, NULL) < 0)
		return error_set(err, errno, "mount the shared directory \"%s\" in the guest", GUEST_SHARE_TAG);
	return 0;
}

static int try_image(const char *path, unsigned long flags)
{
	static const char *const types[] = { "ext4", "erofs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (mount(IMAGE_DEVICE, path, types[i], flags, NULL) == 0)
			return 0;
		if (errno != EINVAL)
			break;
	}
	return -errno;
}

/* Made in the initial file system, which is in memory. */
static int make_points(const char *const *paths, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (mkdir(paths[i], 0755) < 0)
			return error_set(err, errno, "make %s in the guest", paths[i]);
	}
	return 0;
}

/* What is written goes to memory, and with the machine. */
static int mount_layer(struct error *err)
{
	static const char *const paths[] = { LAYER_PATH "/upper", LAYER_PATH "/work" };
	int result;

	if (mount("layer", LAYER_PATH, "tmpfs", 0, "mode=755") < 0)
		return error_set(err, errno, "mount a file system in memory in the guest");
	result = make_points(paths, ARRAY_SIZE(paths), err);
	if (result < 0)
		return result;
	if (mount("root", GUEST_IMAGE_PATH, "overlay", 0,
		    "lowerdir=" LOWER_PATH ",upperdir=" LAYER_PATH "/upper,workdir=" LAYER_PATH "/work") < 0)
		return error_set(err, errno, "put a writable layer over the disk image in the guest");
	return 0;
}

int machine_mount_image(struct error *err)
{
	static const char *const paths[] = { GUEST_IMAGE_PATH, LOWER_PATH, LAYER_PATH };
	struct statvfs status;
	int result = make_points(paths, ARRAY_SIZE(paths), err);

	if (result < 0)
		return result;
	if (mount("dev", "/dev", "devtmpfs", MS_NOSUID, NULL) < 0)
		return error_set(err, errno, "mount the device nodes in the guest");
	result = try_image(GUEST_IMAGE_PATH, 0);
	/* A disk that is read-only says EROFS or EACCES; a file system that is, mounts as such. */
	if (result == 0 && statvfs(GUEST_IMAGE_PATH, &status) == 0 && !(status.f_flag & ST_RDONLY))
		return 0;
	if (result == 0 && umount(GUEST_IMAGE_PATH) < 0)
		return error_set(err, errno, "mount the disk image in the guest");
	result = try_image(LOWER_PATH, MS_RDONLY);
	if (result == -EINVAL)
		return error_set(err, -EINVAL,
			"vm.image: the disk has no file system that the guest's kernel knows (ext4, erofs)");
	return result < 0 ? error_set(err, -result, "mount the disk image in the guest") : mount_layer(err);
}

static int connect_unix(const char *path, uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s.%u", path, port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Each port in its turn: one that was closed may be in the way of the next connection for a moment. */
static int bind_own_port(struct init *init, int fd)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };

	for (unsigned tries = 0; tries < GUEST_PORT_OWN_MAX; tries++) {
		init->last_port = init->last_port % GUEST_PORT_OWN_MAX + 1;
		address.svm_port = init->last_port;
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -1;
	}
	return -1;
}

static int connect_vsock(struct init *init, uint32_t port, bool nonblocking)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
	/* The default of two seconds is short for a machine whose host is busy: the host always answers. */
	const struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_SECONDS };
	cleanup_fd int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);

	if (fd < 0 || setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)) < 0 ||
		bind_own_port(init, fd) < 0 ||
		(connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS))
		return -errno;
	return take_fd(&fd);
}

int machine_connect(struct init *init, uint32_t port, bool nonblocking, struct error *err)
{
	int fd = init->socket_path ? connect_unix(init->socket_path, port) : connect_vsock(init, port, nonblocking);

	return fd < 0 ? error_set(err, -fd, "connect to port %u of the host", port) : fd;
}

int machine_set_clock(const struct init *init, int64_t seconds, uint32_t nanoseconds, struct error *err)
{
	struct timespec want = { .tv_sec = seconds, .tv_nsec = nanoseconds }, have;
	int64_t difference_ms;

	if (nanoseconds >= 1000000000U || seconds < 0 || seconds > INT64_MAX / 4000)
		return error_set(err, -EINVAL, "set the guest's clock to %lld.%09u", (long long)seconds, nanoseconds);
	if (init->socket_path)
		return 0;
	(void)clock_gettime(CLOCK_REALTIME, &have);
	difference_ms = (want.tv_sec - have.tv_sec) * 1000 + (want.tv_nsec - have.tv_nsec) / 1000000;
	if (difference_ms > -CLOCK_TOLERANCE_MS && difference_ms < CLOCK_TOLERANCE_MS)
		return 0;
	if (clock_settime(CLOCK_REALTIME, &want) < 0)
		return error_set(err, errno, "set the guest's clock");
	return 0;
}

int machine_add_entropy(const struct init *init, const void *bytes, size_t length, struct error *err)
{
	union {
		struct rand_pool_info info;
		unsigned char space[sizeof(struct rand_pool_info) + ENTROPY_MAX];
	} pool;
	cleanup_fd int fd = -EBADF;
	int result;

	if (!length || init->socket_path)
		return 0;
	if (length > ENTROPY_MAX)
		return error_set(err, -EINVAL, "take %zu bytes of entropy, %d at most", length, ENTROPY_MAX);
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "open the guest's /dev/urandom");
	pool.info.entropy_count = (int)length * 8;
	pool.info.buf_size = (int)length;
	memcpy(pool.info.buf, bytes, length);
	result = ioctl(fd, RNDADDENTROPY, &pool);
	explicit_bzero(&pool, sizeof(pool));
	if (result < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return error_set(err, errno, "add entropy to the guest's kernel");
	return 0;
}

/*
 * Disks want it. What went to the share is with the host already: it is written through, and what was written to a
 * mapping is written back when the mapping or the process goes (the kernel's fs/fuse/file.c, fuse_vma_close()). sync(2)
 * would have the host write out all of its file system, for everybody.
 */
void machine_synchronise(const struct init *init)
{
	cleanup_fd int fd = -EBADF;
	char first;

	if (init->socket_path)
		return;
	fd = open("/proc/diskstats", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &first, 1) == 0)
		return;
	sync();
	/* Nobody writes to it any more: it needs no repair when it is used again. */
	(void)mount(NULL, GUEST_IMAGE_PATH, NULL, MS_REMOUNT | MS_RDONLY, NULL);
}

void machine_power_off(const struct init *init, bool synchronise)
{
	if (init->socket_path)
		_exit(0);
	if (synchronise)
		machine_synchronise(init);
	(void)reboot(RB_AUTOBOOT);
	/* The kernel panics when its first process ends, and starts again too. */
	_exit(1);
}

void machine_log(const struct error *error)
{
	cleanup_fd int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	cleanup_strbuf struct strbuf line = STRBUF_INIT;

	strbuf_printf(&line, "<3>duet: init: %s\n", error->message);
	(void)!write(fd < 0 ? STDERR_FILENO : fd, line.data, line.length);
}
