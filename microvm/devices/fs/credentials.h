/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under whose name the serving thread makes files.
 *
 * Everything here acts on the calling thread alone, by raw system calls: glibc's setuid() and friends would change
 * every thread of the monitor (nptl(7)). Only the file-system ids are changed (setfsuid(2)); the guest's kernel has
 * checked permissions already, with the caller's supplementary groups, which the host does not know, so
 * CAP_DAC_OVERRIDE stays effective under every id.
 */
#ifndef DUET_MICROVM_DEVICES_FS_CREDENTIALS_H
#define DUET_MICROVM_DEVICES_FS_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct fs_credentials {
	bool capable;       /* the thread holds capabilities and changes its ids */
	bool ids_keep_caps; /* SECBIT_NO_SETUID_FIXUP is set: a change of ids leaves the effective set alone */
	uint64_t permitted; /* capability set, bit N is capability N */
	uint64_t effective;
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/* Reduces the calling thread to the capabilities that serving files needs (all of CAP_CHOWN, CAP_DAC_OVERRIDE,
 * CAP_FOWNER, CAP_FSETID, CAP_SETUID, CAP_SETGID; CAP_MKNOD and CAP_SETFCAP when it has them) or to none, and gives it
 * a working directory and umask of its own. Returns 0 or a negative errno. */
int fs_credentials_enter(struct fs_credentials *credentials, bool capabilities, struct error *err);

/* Files made from now on belong to this user and group. 0, or -EOVERFLOW when the id is not mapped here. */
int fs_credentials_act_as(struct fs_credentials *credentials, uid_t uid, gid_t gid);

void fs_credentials_umask(struct fs_credentials *credentials, mode_t mask);

/* Whether writing to a file, truncating it or changing its mode leaves its set-user-ID and set-group-ID bits alone
 * (CAP_FSETID). */
int fs_credentials_keep_setid(struct fs_credentials *credentials, bool keep);

#endif
