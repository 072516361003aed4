/* SPDX-License-Identifier: Apache-2.0 */
/* ps(1) of the host, cut down to some processes. */
#ifndef DUET_CLI_PS_FILTER_H
#define DUET_CLI_PS_FILTER_H

#include "process/process_list.h"

/* Runs ps(1) with the arguments and prints its header and the lines whose column PID names a process of the list. */
int ps_filter(char *const *arguments, const struct process_list *list, struct error *err);

#endif
