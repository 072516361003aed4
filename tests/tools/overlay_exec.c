/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay_exec SCRATCH [LOWER…] -- COMMAND…: in a mount namespace of its own, mounts a tmpfs on SCRATCH and on it an
 * overlay over each LOWER, at SCRATCH/0, SCRATCH/1, …; then executes the command. What `bwrap --tmp-overlay` (0.9) does
 * by itself.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int overlay(const char *scratch, const char *lower, int number)
{
	char at[4200], up[4300], work[4300], options[16384];

	(void)snprintf(at, sizeof(at), "%s/%d", scratch, number);
	(void)snprintf(up, sizeof(up), "%s/up%d", scratch, number);
	(void)snprintf(work, sizeof(work), "%s/work%d", scratch, number);
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, up, work);
	if (mkdir(at, 0755) < 0 || mkdir(up, 0755) < 0 || mkdir(work, 0755) < 0)
		return -1;
	return mount("overlay", at, "overlay", MS_NODEV, options);
}

int main(int argc, char **argv)
{
	int next = 2, number = 0;

	if (argc < 4)
		return 2;
	if (strcmp(argv[next], "--") != 0 &&
		(unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
			mount("scratch", argv[1], "tmpfs", MS_NODEV, "mode=0755") < 0)) {
		perror("overlay_exec: scratch");
		return 1;
	}
	for (; next < argc && strcmp(argv[next], "--") != 0; next++) {
		if (overlay(argv[1], argv[next], number++) < 0) {
			perror(argv[next]);
			return 1;
		}
	}
	execvp(argv[next + 1], argv + next + 1);
	perror(argv[next + 1]);
	return 127;
}
