/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/terminal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

struct terminal {
	int master;
	bool raw; /* standard input was a terminal and has to be restored */
	struct termios saved;
};

int terminal_check(const struct launch *launch, struct error *err)
{
	bool terminal = launch->process.terminal;
	const struct launch_options *options = launch->options;

	if (terminal && !options->foreground && !options->console_socket)
		return error_set(err, -EINVAL,
			"config.json: process.terminal is true: a container that is not waited for needs "
			"--console-socket");
	if (!terminal && options->console_socket)
		return error_set(
			err, -EINVAL, "--console-socket was given, but process.terminal in config.json is not true");
	return 0;
}

int terminal_send(const char *path, int master, struct error *err)
{
	static const char name[] = "/dev/ptmx";
	cleanup_fd int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec payload = { (void *)name, sizeof(name) - 1 };
	struct msghdr message = { .msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };

	if (socket_fd < 0)
		return error_set(err, errno, "make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "console socket %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	memcpy(CMSG_DATA(&control.header), &master, sizeof(master));
	if (connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "connect to console socket %s", path);
	if (sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0)
		return error_set(err, errno, "send the terminal to console socket %s", path);
	return 0;
}

int terminal_make(uint32_t rows, uint32_t columns, int *ret_master, int *ret_slave, struct error *err)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
	cleanup_fd int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	cleanup_fd int slave = -EBADF;
	struct termios raw;
	int unlock = 0;

	if (master < 0)
		return error_set(err, errno, "open /dev/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return error_set(err, errno, "unlock the terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw) < 0)
		return error_set(err, errno, "open the other side of the terminal");
	cfmakeraw(&raw);
	if (tcsetattr(slave, TCSANOW, &raw) < 0 || (rows && ioctl(slave, TIOCSWINSZ, &size) < 0))
		return error_set(err, errno, "set the terminal up");
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return error_set(err, errno, "take the terminal");
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return 0;
}

int terminal_open(struct terminal **ret, int master, struct error *err)
{
	struct terminal *terminal = xcalloc(1, sizeof(*terminal));
	struct termios raw;

	terminal->master = master;
	if (tcgetattr(STDIN_FILENO, &terminal->saved) == 0) {
		raw = terminal->saved;
		cfmakeraw(&raw);
		if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0) {
			free(terminal);
			return error_set(err, errno, "make the terminal raw");
		}
		terminal->raw = true;
	}
	terminal_resize(terminal);
	*ret = terminal;
	return 0;
}

void terminal_resize(const struct terminal *terminal)
{
	struct winsize size;

	if (terminal && terminal->raw && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(terminal->master, TIOCSWINSZ, &size);
}

void terminal_close(struct terminal **location)
{
	struct terminal *terminal = *location;

	if (!terminal)
		return;
	if (terminal->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->saved);
	free(terminal);
	*location = NULL;
}
