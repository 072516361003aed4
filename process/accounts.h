/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a name is: the text of passwd(5) and group(5) files of a container. The files belong to the image, so nothing in
 * them is trusted: lines that are malformed are passed over, and the first that fits counts.
 */
#ifndef DUET_PROCESS_ACCOUNTS_H
#define DUET_PROCESS_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A whole decimal number from 0 to 4294967294 and nothing else: no sign, no blank (4294967295 is no id, but the -1 that
 * leaves an id as it is in setresuid(2)). */
bool account_parse_id(const char *text, size_t length, id_t *id);

/* The home directory of uid; NULL: none. The caller's to free. */
char *account_home(const char *passwd, uid_t uid);
bool account_find_user(const char *passwd, const char *name, uid_t *uid, gid_t *gid);
bool account_find_group(const char *group, const char *name, gid_t *gid);
/* Appends the groups that list the user to an array that xrealloc() made, each once and at most so many in all. */
void account_groups_of(const char *group, const char *name, size_t count_max, gid_t **gids, size_t *count);

#endif
