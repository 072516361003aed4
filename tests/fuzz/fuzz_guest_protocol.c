/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target for the control channel's frames, read as either side does: the bytes come in pieces of varying
 * length; every frame that is handed out must lie inside what was sent, and all of it must be readable.
 *
 * libFuzzer: -max_len=100000
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "microvm/guest_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every field that any message has; a reader that fails answers zeros. */
static unsigned read_fields(const struct guest_frame_reader *reader)
{
	struct wire_reader in = { .next = reader->payload, .left = reader->length };
	cleanup_free void *bytes = NULL;
	cleanup_free char *text = NULL;
	char **strings;
	unsigned sum = 0;
	size_t length;

	for (uint32_t i = 0; i < reader->length; i++)
		sum += reader->payload[i];
	sum += wire_get_u32(&in) + wire_get_u8(&in) + (unsigned)wire_get_i64(&in);
	bytes = wire_get_bytes(&in, &length);
	text = wire_get_string(&in);
	strings = wire_get_strings(&in);
	free_strings(strings);
	return sum + wire_reader_ok(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_frame_reader reader = { .buffer = NULL };
	struct error err;
	unsigned sum = 0;
	size_t offset = 0, handed_out = 0;
	int pair[2], result = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	while (offset < size && result >= 0) {
		size_t piece = 1 + (size_t)data[offset] * data[offset];

		if (piece > size - offset)
			piece = size - offset;
		if (write(pair[1], data + offset, piece) != (ssize_t)piece)
			abort();
		offset += piece;
		/* Twice a 0 in a row: nothing more is there. */
		for (int idle = 0; idle < 2 && (result = guest_frame_read(&reader, pair[0], &err)) >= 0;
			idle += !result) {
			if (!result)
				continue;
			handed_out += 8 + (size_t)reader.length;
			if (handed_out > offset)
				abort();
			sum += read_fields(&reader);
		}
	}
	guest_frame_reader_free(&reader);
	close(pair[0]);
	close(pair[1]);
	__asm__ volatile("" ::"r"(sum)); /* the reads above are not to be optimised away */
	return 0;
}
