/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of config.json (runtime-spec config.md "POSIX-platform Hooks"): each is run in the caller's namespaces with the
 * container's state on its standard input; its standard output and error are the caller's.
 */
#ifndef DUET_RUNTIME_HOOKS_H
#define DUET_RUNTIME_HOOKS_H

#include "oci/spec.h"
#include "oci/state.h"

/* Runs the hooks of a kind in order and stops at the first that fails (exit status, signal, timeout: killed). The error
 * names kind, index and path. */
int hooks_run(const struct oci_spec *spec, enum oci_hook_kind kind, const struct oci_state *state, struct error *err);

/* The same, but every failure is logged as a warning and the next one runs: for poststop. */
void hooks_run_all(const struct oci_spec *spec, enum oci_hook_kind kind, const struct oci_state *state);

#endif
