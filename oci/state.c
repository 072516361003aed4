/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state.h"

#include "oci/features.h"
#include "oci/json_write.h"

const char *oci_status_name(enum oci_status status)
{
	switch (status) {
	case OCI_STATUS_CREATING:
		return "creating";
	case OCI_STATUS_CREATED:
		return "created";
	case OCI_STATUS_RUNNING:
		return "running";
	case OCI_STATUS_STOPPED:
		return "stopped";
	case OCI_STATUS_PAUSED:
		return "paused";
	}
	return "unknown";
}

static void write_if(struct json_writer *writer, const char *key, const char *text)
{
	if (text)
		json_write_string_member(writer, key, text);
}

static void write_state(struct json_writer *writer, const struct oci_state *state)
{
	json_write_open(writer, '{');
	json_write_string_member(writer, "ociVersion", state->version ? state->version : OCI_VERSION_MAX);
	json_write_string_member(writer, "id", state->id);
	json_write_key(writer, "pid");
	json_write_i64(writer, state->pid);
	json_write_string_member(writer, "status", oci_status_name(state->status));
	json_write_string_member(writer, "bundle", state->bundle);
	write_if(writer, "rootfs", state->rootfs);
	write_if(writer, "created", state->created);
	if (state->annotation_count) {
		json_write_key(writer, "annotations");
		json_write_open(writer, '{');
		for (size_t i = 0; i < state->annotation_count; i++)
			json_write_string_member(writer, state->annotations[i].key, state->annotations[i].value);
		json_write_close(writer, '}');
	}
	write_if(writer, "owner", state->owner);
	json_write_close(writer, '}');
}

void oci_state_print(struct strbuf *out, const struct oci_state *state, bool indented)
{
	struct json_writer writer = { .out = out, .indent = indented ? "  " : NULL };

	write_state(&writer, state);
}

void oci_process_state_print(struct strbuf *out, const struct oci_state *state, pid_t pid, const char *metadata)
{
	static const char *const descriptors[] = { "seccompFd", NULL };
	struct json_writer writer = { .out = out };

	json_write_open(&writer, '{');
	json_write_string_member(&writer, "ociVersion", state->version ? state->version : OCI_VERSION_MAX);
	json_write_strings_member(&writer, "fds", descriptors);
	json_write_key(&writer, "pid");
	json_write_i64(&writer, pid);
	write_if(&writer, "metadata", metadata);
	json_write_key(&writer, "state");
	write_state(&writer, state);
	json_write_close(&writer, '}');
}
