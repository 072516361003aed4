/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/user_name.h"

#include <pwd.h>
#include <stdio.h>

#include "base/alloc.h"

char *user_name(uid_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user = NULL;
	char *name = NULL;

	while (file && !name && (user = fgetpwent(file)))
		name = user->pw_uid == uid ? xstrdup(user->pw_name) : NULL;
	if (file)
		(void)fclose(file);
	return name;
}
