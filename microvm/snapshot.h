/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stopped machine in a file: a page of header, its state as bytes, then its memory at the same distances as in the
 * guest, with holes where it is zero, so that it can be mapped in place of being read.
 *
 *   0                     struct snapshot_header
 *   SNAPSHOT_STATE        state, below SNAPSHOT_MEMORY where there is room for it, else behind the memory
 *   SNAPSHOT_MEMORY       guest memory from address 0 on, the regions one after the other; or, by the header, its
 *                         pages that are not zero in one zstd frame
 *
 * With the state goes a list of the pages to which a machine writes soon after it goes on: they are copied at once, in
 * place of by two faults each, of which every one leaves the guest.
 *
 * The header is written last: a file without one is not finished. State and header carry SHA-256 sums. The memory's sum
 * is a fast one and finds damage, not malice: whoever may write the file may do worse, so it has to be its reader's
 * own.
 */
#ifndef DUET_MICROVM_SNAPSHOT_H
#define DUET_MICROVM_SNAPSHOT_H

#include <stdbool.h>

#include "base/sha256.h"
#include "base/strbuf.h"
#include "base/wire.h"
#include "microvm/memory.h"

#define SNAPSHOT_STATE  4096ULL
#define SNAPSHOT_MEMORY (2ULL << 20)

/* Pages that are not all zero: `count` of them from page `first` of the file's memory on. */
struct snapshot_run {
	uint64_t first, count;
};

struct snapshot {
	int fd; /* stays the caller's */
	void *state;
	size_t state_bytes;
	struct snapshot_run *runs;
	size_t run_count;
	struct snapshot_run *written; /* soon, by a machine that goes on */
	size_t written_count;
	uint64_t memory_sum;
	uint64_t frame_bytes; /* of a compressed memory; 0: it is not */
	bool trusted; /* of its caller: the memory's sum was right when it was last compared, and the file is the same
		       */
};

enum snapshot_pages {
	SNAPSHOT_TOUCHED, /* of a machine that was never swapped out or mapped from another snapshot: quick */
	SNAPSHOT_ALL,
};

struct snapshot_options {
	enum snapshot_pages pages;
	bool compress; /* the memory into one zstd frame: smaller, and read in place of being mapped */
};

/* key: what the machine that continues must agree in; compared as bytes. */
int snapshot_write(int fd, const unsigned char key[SHA256_BYTES], const struct strbuf *state,
	const struct guest_memory *memory, const struct snapshot_options *options, struct error *err);

/* Compares the memory of the machine that was saved, which has gone on since, with the finished file, and notes the
 * pages that have changed. Not of a compressed one. The machine may be running: it is a matter of speed only. */
int snapshot_note_written(
	int fd, const unsigned char key[SHA256_BYTES], const struct guest_memory *memory, struct error *err);

/* Reads and checks header and state. -EINVAL: not a snapshot, damaged, cut short, of another version; -ESTALE: of
 * another key. */
int snapshot_open(int fd, const unsigned char key[SHA256_BYTES], struct snapshot *snapshot, struct error *err);
/* Maps the saved pages privately over the guest's memory, or reads compressed ones, and compares their sum (which reads
 * all of them) unless it is trusted. */
int snapshot_map(const struct snapshot *snapshot, struct guest_memory *memory, struct error *err);
/* The same by reading them: the file may change or go afterwards. */
int snapshot_read(const struct snapshot *snapshot, struct guest_memory *memory, struct error *err);
void snapshot_close(struct snapshot *snapshot);
#define cleanup_snapshot cleanup(snapshot_close)

#endif
