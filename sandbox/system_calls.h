/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of a sandbox, as config.json's linux.seccomp: what a compiler, a JVM, a Go, a Node and a Python
 * program live with. A list of what is allowed: what a newer kernel adds is answered ENOSYS, which programs know how to
 * deal with.
 */
#ifndef DUET_SANDBOX_SYSTEM_CALLS_H
#define DUET_SANDBOX_SYSTEM_CALLS_H

#include "oci/json_write.h"

void system_calls_write(struct json_writer *json);

#endif
