/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the host's users.
 */
#ifndef DUET_CLI_USER_NAME_H
#define DUET_CLI_USER_NAME_H

#include <sys/types.h>

/* The user's name in /etc/passwd, to be freed; NULL: it has none there. Other sources of names (nsswitch.conf(5)) would
 * need the C library's shared modules, which a statically linked program does without. */
char *user_name(uid_t uid);

#endif
