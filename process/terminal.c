/* SPDX-License-Identifier: Apache-2.0 */
#include "process/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

enum { PTMX_MAJOR = 5, PTMX_MINOR = 2 };

static int check_multiplexer(int fd)
{
	struct statfs file_system;
	struct stat status;

	if (fstatfs(fd, &file_system) < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (file_system.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(status.st_mode) ||
		status.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR))
		return -EINVAL;
	return 0;
}

/* Looked at before it is opened: opening a device node of the image's choice may do anything. */
static int open_multiplexer(int root)
{
	const char *const path = "dev/pts/ptmx";
	cleanup_fd int seen = open_in_root(root, path, O_PATH | O_NOFOLLOW, 0, 0);
	cleanup_fd int fd = -EBADF;
	int result = seen < 0 ? seen : check_multiplexer(seen);

	if (result < 0)
		return result;
	fd = open_in_root(root, path, O_RDWR | O_NOCTTY | O_NOFOLLOW, 0, 0);
	if (fd < 0)
		return fd;
	result = check_multiplexer(fd);
	return result < 0 ? result : take_fd(&fd);
}

static int prepare_slave(int fd, const struct process_plan *plan, struct error *err)
{
	const struct winsize size = { .ws_row = (unsigned short)plan->rows, .ws_col = (unsigned short)plan->columns };
	struct stat status;

	if ((plan->rows || plan->columns) && ioctl(fd, TIOCSWINSZ, &size) < 0)
		return error_set(err, errno, "set the size of the terminal");
	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "look at the terminal");
	if (status.st_uid != plan->uid && fchown(fd, plan->uid, (gid_t)-1) < 0)
		return error_set(err, errno, "give the terminal to user %u", plan->uid);
	return 0;
}

int process_make_terminal(int root, const struct process_plan *plan, int *master, int *slave, struct error *err)
{
	cleanup_fd int own_master = open_multiplexer(root), own_slave = -EBADF;
	int unlocked = 0, result;

	if (own_master < 0)
		return error_set(err, -own_master,
			"open a terminal in the container (is a devpts mounted at /dev/pts, with ptmxmode=0666?)");
	if (ioctl(own_master, TIOCSPTLCK, &unlocked) < 0)
		return error_set(err, errno, "unlock the container's terminal");
	own_slave = ioctl(own_master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (own_slave < 0)
		return error_set(err, errno, "open the other side of the container's terminal");
	result = prepare_slave(own_slave, plan, err);
	if (result < 0)
		return result;
	*master = take_fd(&own_master);
	*slave = take_fd(&own_slave);
	return 0;
}

int process_take_terminal(int terminal_fd, struct error *err)
{
	if (setsid() < 0 && getsid(0) != getpid())
		return error_set(err, errno, "begin a session for the terminal");
	if (ioctl(terminal_fd, TIOCSCTTY, 0) < 0)
		return error_set(err, errno, "make the terminal the controlling one");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (dup2(terminal_fd, fd) < 0)
			return error_set(err, errno, "make the terminal standard input, output and error");
	}
	return 0;
}
