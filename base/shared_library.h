/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that few commands need, loaded by those alone: the dynamic linker would take a quarter of the time of a
 * start (dlopen(3)). To be called before the process is in a container's file system, whose libraries are not ours.
 */
#ifndef DUET_BASE_SHARED_LIBRARY_H
#define DUET_BASE_SHARED_LIBRARY_H

#include "base/error.h"

/*
 * Loads a library by its file name ("libmnl.so.0") for good and sets *handle, for dlsym(3). purpose begins the error's
 * sentence ("moving network devices"). A statically linked program takes libraries only where the system's C library
 * is the release that the program was linked with: -EOPNOTSUPP else, and where the library is missing.
 */
int shared_library_load(const char *name, const char *purpose, void **handle, struct error *err);

#endif
