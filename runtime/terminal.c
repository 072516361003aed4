/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
	int master;
	bool present; /* standard input is a terminal */
	bool raw;     /* and has to be restored */
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

/* A job in the background leaves the terminal to whoever has it now. Without job control it is ours. */
static bool may_be_changed(const struct terminal *terminal)
{
	pid_t group = terminal->present ? tcgetpgrp(STDIN_FILENO) : 0;

	return terminal->present && (group < 0 || group == getpgrp());
}

int terminal_claim(struct terminal *terminal, bool again)
{
	struct termios raw;

	if ((terminal->raw && !again) || !may_be_changed(terminal))
		return 0;
	if (!terminal->raw && tcgetattr(STDIN_FILENO, &terminal->saved) < 0)
		return -errno;
	raw = terminal->saved;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	terminal->raw = true;
	return 0;
}

int terminal_open(struct terminal **ret, int master, struct error *err)
{
	struct terminal *terminal = xcalloc(1, sizeof(*terminal));
	int result;

	terminal->master = master;
	terminal->present = isatty(STDIN_FILENO);
	result = terminal_claim(terminal, false);
	if (result < 0) {
		free(terminal);
		return error_set(err, -result, "make the terminal raw");
	}
	terminal_resize(terminal);
	*ret = terminal;
	return 0;
}

void terminal_resize(const struct terminal *terminal)
{
	struct winsize size;

	if (terminal && terminal->present && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		(void)ioctl(terminal->master, TIOCSWINSZ, &size);
}

void terminal_close(struct terminal **location)
{
	struct terminal *terminal = *location;

	if (!terminal)
		return;
	/* Without waiting for output that a stopped terminal may never take. */
	if (terminal->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal->saved);
	free(terminal);
	*location = NULL;
}
