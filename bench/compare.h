/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duet compare: what a workload sees and can do behind each wall, side by side.
 *
 * A probe (bench/probe/) runs as the process of a bundle in each column; what it says becomes lines: a subject, a cell
 * for each column, and a verdict in words. Nothing is added up to a score.
 *
 *   compare_run.c      a bundle behind one wall with the probe in it, and what it said
 *   compare_kernel.c   lines of the section "kernel", and likewise compare_surface.c, attempts, faults
 *   compare_text.c     the comparison for people, compare_json.c for programs (docs/compare.md,
 * docs/compare.schema.json)
 */
#ifndef DUET_BENCH_COMPARE_H
#define DUET_BENCH_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "bench/neighbour.h"
#include "cgroups/cgroup.h"

#define COMPARE_SCHEMA         "duet-compare"
#define COMPARE_SCHEMA_VERSION 1

enum compare_column {
	COMPARE_HOST,       /* beside every wall: only its facts */
	COMPARE_CONTAINER,  /* the bundle as it is */
	COMPARE_MICROVM,    /* the bundle as it is */
	COMPARE_GUEST_ROOT, /* micro-VM with a process that may do everything in it: only attempts and faults */
	COMPARE_COLUMNS,
};

enum compare_section { COMPARE_KERNEL, COMPARE_SURFACE, COMPARE_ATTEMPTS, COMPARE_FAULTS, COMPARE_SECTIONS };

enum compare_state {
	COMPARE_NOT_MEASURED,
	COMPARE_SEEN,    /* a fact, neither good nor bad */
	COMPARE_SHARED,  /* the host's own */
	COMPARE_OWN,     /* not the host's */
	COMPARE_REFUSED, /* tried, and refused by compare_cell.by */
	COMPARE_DONE,    /* tried, and it worked */
	COMPARE_ABSENT,  /* there is nothing to try it on */
	COMPARE_STATES,
};

/* Who refused. */
enum compare_refuser {
	REFUSED_BY_NOBODY,
	REFUSED_BY_FILTER,
	REFUSED_BY_CAPABILITY,
	REFUSED_BY_NAMESPACE,
	REFUSED_BY_MOUNT,
	REFUSED_BY_DEVICE_RULES,
	REFUSED_BY_LIMIT,
	REFUSED_BY_HOST_KERNEL,
	REFUSED_BY_GUEST_KERNEL,
	REFUSED_BY_VIRTUAL_HARDWARE,
	REFUSERS,
};

/* Their words in JSON, and for people. */
extern const char *const compare_column_names[COMPARE_COLUMNS], *const compare_column_titles[COMPARE_COLUMNS];
extern const char *const compare_section_names[COMPARE_SECTIONS], *const compare_section_titles[COMPARE_SECTIONS];
extern const char *const compare_state_names[COMPARE_STATES];
extern const char *const compare_refuser_names[REFUSERS], *const compare_refuser_titles[REFUSERS];

struct compare_cell {
	enum compare_state state;
	enum compare_refuser by;
	char *text; /* printable ASCII when it comes from a guest; NULL: nothing more to say */
	struct neighbour_latency before, during; /* of a fault: what a neighbour felt */
};

struct compare_line {
	const char *name; /* unique in its section, [a-z0-9-]+ */
	const char *title;
	struct compare_cell cells[COMPARE_COLUMNS];
	char *verdict; /* a sentence */
};

struct compare_lines {
	struct compare_line *entries;
	size_t count;
	char *skipped; /* why the section has no lines; NULL: it was measured, or not asked for */
};

struct comparison {
	char *started;                  /* RFC 3339, UTC */
	char *bundle;                   /* NULL: the built-in one */
	char *kernel;                   /* the host's release */
	bool kvm_hardware;              /* the processor helps */
	char *skipped[COMPARE_COLUMNS]; /* why a column was left out; NULL: it was measured, or not asked for */
	bool columns[COMPARE_COLUMNS];  /* asked for */
	bool interrupted;
	struct compare_lines sections[COMPARE_SECTIONS];
};

struct compare_options { /* strings stay the caller's */
	const char *state_root;
	const char *bundle; /* NULL: one of our own, with what engines give a container by default */
	const char *settings_file;
	enum cgroup_manager cgroup_manager;
	enum cgroup_rootless rootless;
	bool columns[COMPARE_COLUMNS];
	bool sections[COMPARE_SECTIONS];
	/* Told before each piece of work, in a few words; NULL: nobody wants to know. */
	void (*progress)(const char *what);
};

/* -EINTR with *comparison as far as it came: somebody pressed Ctrl-C. A wall that cannot be tried here is no error but
 * a column that says why. */
int compare(const struct compare_options *options, struct comparison **comparison, struct error *err);
void comparison_free(struct comparison **comparison);
#define cleanup_comparison cleanup(comparison_free)

void compare_write_text(const struct comparison *comparison, bool colour, unsigned width, struct strbuf *text);
void compare_write_json(const struct comparison *comparison, struct strbuf *json);

/* Does any cell of this column say something? */
bool compare_column_is_used(const struct compare_lines *lines, enum compare_column column);

#endif
