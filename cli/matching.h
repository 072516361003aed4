/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that take a regular expression in the place of an id. */
#ifndef DUET_CLI_MATCHING_H
#define DUET_CLI_MATCHING_H

#include "base/error.h"

/*
 * Calls act() for the id of every container under the root that the POSIX extended regular expression matches somewhere
 * (^ and $ tie it to the ends). One that fails does not keep the others from being tried: its words are a warning, and
 * the last failure is the result. None that matches is no error. -EINVAL: not a regular expression.
 */
int for_each_matching(const char *root, const char *expression,
	int (*act)(const char *root, const char *id, void *context, struct error *err), void *context,
	struct error *err);

#endif
