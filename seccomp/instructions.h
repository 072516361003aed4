/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing classic BPF (<linux/filter.h>, seccomp(2)) into a buffer of struct sock_filter.
 */
#ifndef DUET_SECCOMP_INSTRUCTIONS_H
#define DUET_SECCOMP_INSTRUCTIONS_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

enum { BPF_SHORT_JUMP_MAX = 255 };

static inline size_t bpf_count(const struct strbuf *out)
{
	return out->length / sizeof(struct sock_filter);
}

static inline struct sock_filter *bpf_at(struct strbuf *out, size_t index)
{
	return (struct sock_filter *)(void *)out->data + index;
}

/* Returns the place of the new instruction. */
static inline size_t bpf_emit(struct strbuf *out, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
	struct sock_filter instruction = { .code = code, .jt = if_true, .jf = if_false, .k = value };

	strbuf_append(out, &instruction, sizeof(instruction));
	return bpf_count(out) - 1;
}

/* A word of struct seccomp_data into the accumulator. */
static inline void bpf_load(struct strbuf *out, size_t offset)
{
	(void)bpf_emit(out, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static inline void bpf_return(struct strbuf *out, uint32_t value)
{
	(void)bpf_emit(out, BPF_RET | BPF_K, value, 0, 0);
}

static inline size_t bpf_test(
	struct strbuf *out, uint16_t comparison, uint32_t value, uint8_t if_true, uint8_t if_false)
{
	return bpf_emit(out, BPF_JMP | comparison | BPF_K, value, if_true, if_false);
}

/* An unconditional jump whose distance bpf_land() fills in. */
static inline size_t bpf_jump(struct strbuf *out)
{
	return bpf_emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* Makes the jump at `place` go to what comes next. */
static inline void bpf_land(struct strbuf *out, size_t place)
{
	bpf_at(out, place)->k = (uint32_t)(bpf_count(out) - place - 1);
}

#endif
