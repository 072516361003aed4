/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's configuration file: what holds where neither the command line nor the bundle says anything, and what a
 * bundle's annotations may say.
 *
 * Lines of `key = value`; `#` begins a comment line. The parser is strict: an unknown key, a key that is there twice, a
 * value that cannot be read and a file that others than root or the caller can write are refused, with file and line.
 *
 *   isolation = container | microvm
 *   annotations = NAME NAME …          those of oci/annotations.h that bundles may set (all of them); `none`
 *   vcpus = 1 to 32                    of a guest
 *   memory = 512M                      of a guest whose container has no memory limit
 *   kernel = /PATH, initrd = /PATH     the guest's
 *   kernel-parameters = WORD WORD …    for the guest's kernel, behind the monitor's own
 *   boot = auto | linux | pvh          how the kernel is entered (microvm/boot.h)
 *   huge-pages = yes | no              guest memory of explicit huge pages
 */
#ifndef DUET_RUNTIME_SETTINGS_H
#define DUET_RUNTIME_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "microvm/boot.h"
#include "oci/spec.h"

#define SETTINGS_FILE "/etc/duet/duet.conf"

struct settings {
	char *file;      /* for messages */
	char *isolation; /* NULL: not said, as below */
	char *annotations;
	unsigned annotations_line;
	unsigned vcpus;        /* 0: not said */
	uint64_t memory_bytes; /* 0: not said; a multiple of 1 MiB */
	char *kernel, *initrd, *kernel_parameters;
	enum boot_protocol boot;
	bool huge_pages;
};

/* file NULL: SETTINGS_FILE, which need not be there. */
int settings_load(const char *file, struct settings *settings, struct error *err);
void settings_free(struct settings *settings);
#define cleanup_settings cleanup(settings_free)

/* Refuses annotations of ours that are not known, or not allowed here. */
int settings_check_annotations(const struct settings *settings, const struct oci_spec *spec, struct error *err);

#endif
