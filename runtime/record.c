/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/record.h"

#include <jansson.h>
#include <string.h>

#include "base/file.h"

#define RECORD_VERSION   1
#define RECORD_MAX_BYTES (16U << 20)

static void release_json(json_t **json)
{
	json_decref(*json);
	*json = NULL;
}

char *record_print(const struct container_record *record)
{
	cleanup(release_json) json_t *annotations = json_object();
	cleanup(release_json) json_t *json = NULL;

	for (size_t i = 0; i < record->annotation_count; i++)
		(void)json_object_set_new(
			annotations, record->annotations[i].key, json_string(record->annotations[i].value));
	json = json_pack("{si ss ss ss ss si sI sb sb ss sI sb ss* sO}", "version", RECORD_VERSION, "ociVersion",
		record->oci_version, "bundle", record->bundle, "rootfs", record->rootfs, "isolation", record->isolation,
		"pid", (int)record->pid, "pidStartTicks", (json_int_t)record->pid_start_ticks, "prepared",
		record->prepared, "started", record->started, "created", record->created, "owner",
		(json_int_t)record->owner, "noNewKeyring", record->no_new_keyring, "cgroup", record->cgroup,
		"annotations", annotations);
	return json ? json_dumps(json, JSON_INDENT(1)) : NULL;
}

int record_save(const struct container *container, struct error *err)
{
	cleanup_free char *text = record_print(&container->record);
	int result;

	if (!text)
		return error_set(err, -EINVAL,
			"the state of container \"%s\" cannot be written as JSON (is a path not UTF-8?)",
			container->id);
	result = file_replace(container->directory_fd, CONTAINER_RECORD_FILE, text, strlen(text), 0600);
	if (result < 0)
		return error_set(err, -result, "write %s/" CONTAINER_RECORD_FILE, container->path);
	return 0;
}

static void record_take_annotations(json_t *annotations, struct container_record *record)
{
	const char *key;
	json_t *value;

	record->annotations = xcalloc(json_object_size(annotations), sizeof(*record->annotations));
	json_object_foreach(annotations, key, value)
	{
		struct key_value *annotation = &record->annotations[record->annotation_count];

		if (!json_is_string(value))
			continue;
		annotation->key = xstrdup(key);
		annotation->value = xstrdup(json_string_value(value));
		record->annotation_count++;
	}
}

int record_parse(const char *text, size_t length, struct container_record *ret, struct error *err)
{
	json_error_t where;
	cleanup(release_json) json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	const char *oci_version, *bundle, *rootfs, *isolation, *created, *cgroup = NULL;
	int version, pid, prepared, started, no_new_keyring = 0;
	json_int_t ticks, owner;
	json_t *annotations = NULL;

	if (!json || json_unpack_ex(json, &where, 0, "{si ss ss ss ss si sI sb sb ss sI s?b s?s so}", "version",
			     &version, "ociVersion", &oci_version, "bundle", &bundle, "rootfs", &rootfs, "isolation",
			     &isolation, "pid", &pid, "pidStartTicks", &ticks, "prepared", &prepared, "started",
			     &started, "created", &created, "owner", &owner, "noNewKeyring", &no_new_keyring, "cgroup",
			     &cgroup, "annotations", &annotations) < 0)
		return error_set(err, -EBADMSG, "not a container's record: %s", where.text);
	if (version != RECORD_VERSION)
		return error_set(err, -EBADMSG, "a container's record of version %d, this program writes version %d",
			version, RECORD_VERSION);
	if (pid < 0 || !json_is_object(annotations))
		return error_set(err, -EBADMSG, "not a container's record: impossible values");
	*ret = (struct container_record){
		.oci_version = xstrdup(oci_version),
		.bundle = xstrdup(bundle),
		.rootfs = xstrdup(rootfs),
		.isolation = xstrdup(isolation),
		.pid = pid,
		.pid_start_ticks = (uint64_t)ticks,
		.prepared = prepared,
		.started = started,
		.created = xstrdup(created),
		.owner = (uid_t)owner,
		.no_new_keyring = no_new_keyring,
		.cgroup = cgroup ? xstrdup(cgroup) : NULL,
	};
	record_take_annotations(annotations, ret);
	return 0;
}

int record_load(struct container *container, struct error *err)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	int result = file_read(container->directory_fd, CONTAINER_RECORD_FILE, RECORD_MAX_BYTES, &content);

	if (result < 0)
		return error_set(err, -result, "read %s/" CONTAINER_RECORD_FILE, container->path);
	result = record_parse(content.data, content.length, &container->record, err);
	if (result < 0)
		return error_prefix(err, "%s/" CONTAINER_RECORD_FILE, container->path);
	return 0;
}

void record_free(struct container_record *record)
{
	for (size_t i = 0; i < record->annotation_count; i++) {
		free(record->annotations[i].key);
		free(record->annotations[i].value);
	}
	free(record->annotations);
	free(record->oci_version);
	free(record->bundle);
	free(record->rootfs);
	free(record->isolation);
	free(record->created);
	free(record->cgroup);
	*record = (struct container_record){ 0 };
}
