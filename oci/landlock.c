/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/landlock.h"

#include <string.h>

#include "base/alloc.h"
#include "oci/annotations.h"
#include "oci/json_read.h"

/* Bits as the kernel has them, by number: older headers lack the newer names. */
enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	REMOVE_DIR = 1 << 4,
	REMOVE_FILE = 1 << 5,
	MAKE_CHAR = 1 << 6,
	MAKE_DIR = 1 << 7,
	MAKE_REG = 1 << 8,
	MAKE_SOCK = 1 << 9,
	MAKE_FIFO = 1 << 10,
	MAKE_BLOCK = 1 << 11,
	MAKE_SYM = 1 << 12,
	REFER = 1 << 13,
	TRUNCATE = 1 << 14,
	IOCTL_DEV = 1 << 15,
	/* Not the making of device nodes, nor what is done to them. */
	WRITE = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER |
		TRUNCATE,
};

enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1, ABI_TCP = 4, ABI_SCOPES = 6 };

/* What a version of Landlock knows of files. */
static const uint64_t rights_of_abi[OCI_LANDLOCK_ABI_MAX + 1] = {
	0,
	REFER - 1,
	TRUNCATE - 1,
	IOCTL_DEV - 1,
	IOCTL_DEV - 1,
	(IOCTL_DEV << 1) - 1,
	(IOCTL_DEV << 1) - 1,
	(IOCTL_DEV << 1) - 1,
};

static const struct oci_name right_names[] = {
	{ "execute", EXECUTE },
	{ "write_file", WRITE_FILE },
	{ "read_file", READ_FILE },
	{ "read_dir", READ_DIR },
	{ "remove_dir", REMOVE_DIR },
	{ "remove_file", REMOVE_FILE },
	{ "make_char", MAKE_CHAR },
	{ "make_dir", MAKE_DIR },
	{ "make_reg", MAKE_REG },
	{ "make_sock", MAKE_SOCK },
	{ "make_fifo", MAKE_FIFO },
	{ "make_block", MAKE_BLOCK },
	{ "make_sym", MAKE_SYM },
	{ "refer", REFER },
	{ "truncate", TRUNCATE },
	{ "ioctl_dev", IOCTL_DEV },
	/* For short: as far as the version knows the parts. */
	{ "read", READ_FILE | READ_DIR },
	{ "write", WRITE },
};
static const struct oci_name_table rights_table = { "Landlock right", right_names, ARRAY_SIZE(right_names) };

static const struct oci_name scope_names[] = {
	{ "abstract_unix_socket", SCOPE_ABSTRACT_UNIX_SOCKET },
	{ "signal", SCOPE_SIGNAL },
};
static const struct oci_name_table scopes_table = { "Landlock scope", scope_names, ARRAY_SIZE(scope_names) };

static int read_rights(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_names(reader, value, &rights_table, target);
}

static int read_scopes(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_names(reader, value, &scopes_table, target);
}

static int read_absolute_path(struct json_reader *reader, const json_t *value, void *target)
{
	char **path = target;
	int result = json_read_text(reader, value, target);

	if (result == 0 && (*path)[0] != '/')
		return json_fail(reader, "must be an absolute path, not \"%s\"", *path);
	return result;
}

static int read_path(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_landlock_path, path, read_absolute_path),
		JSON_REQUIRED_BY("rights", struct oci_landlock_path, rights, read_rights),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_paths(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_landlock *landlock = target;

	return json_read_array(
		reader, value, sizeof(*landlock->paths), read_path, &landlock->paths, &landlock->path_count);
}

static int read_ports(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_landlock_ports *ports = target;

	ports->set = true;
	return json_read_array(reader, value, sizeof(*ports->numbers), json_read_u16, &ports->numbers, &ports->count);
}

static int read_abi(struct json_reader *reader, const json_t *value, void *target)
{
	uint32_t *abi = target;
	uint64_t number;
	int result = json_read_unsigned(reader, value, 1, OCI_LANDLOCK_ABI_MAX, &number);

	if (result == 0)
		*abi = (uint32_t)number;
	return result;
}

static int refuse_unknown(struct json_reader *reader, const struct json_field *fields, size_t count)
{
	const char *key;
	json_t *value;

	/* An unknown field of config.json is passed over; of a policy it would be a rule that is not applied. */
	json_object_foreach(reader->document->root, key, value)
	{
		bool known = false;

		for (size_t i = 0; i < count && !known; i++)
			known = strcmp(fields[i].name, key) == 0;
		if (!known)
			return json_fail_field(reader, key, "is not a part of a Landlock policy");
	}
	return 0;
}

/* A word for several rights means those that the version knows; a single one has to be known. */
static int check_rights(struct json_reader *reader, struct oci_landlock *landlock)
{
	uint64_t known = rights_of_abi[landlock->abi];

	landlock->file_rights = known;
	for (size_t i = 0; i < landlock->path_count; i++) {
		uint64_t *rights = &landlock->paths[i].rights;
		uint64_t newer = *rights & ~known;

		if ((*rights & WRITE) == WRITE)
			newer &= ~(uint64_t)WRITE;
		if (newer)
			return json_fail_element(reader, "paths", i, "rights",
				"\"%s\" is newer than version %u of Landlock (\"abi\")",
				oci_name_of(&rights_table, newer & -newer), landlock->abi);
		*rights &= known;
	}
	if ((landlock->bind.set || landlock->connect.set) && landlock->abi < ABI_TCP)
		return json_fail_field(reader, landlock->bind.set ? "bindTcp" : "connectTcp",
			"is newer than version %u of Landlock (\"abi\")", landlock->abi);
	if (landlock->scopes && landlock->abi < ABI_SCOPES)
		return json_fail_field(
			reader, "scopes", "is newer than version %u of Landlock (\"abi\")", landlock->abi);
	return 0;
}

static int read_landlock(struct json_reader *reader, const json_t *value, struct oci_landlock *landlock)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("abi", struct oci_landlock, abi, read_abi),
		JSON_SECTION("paths", read_paths),
		JSON_FIELD_BY("bindTcp", struct oci_landlock, bind, read_ports),
		JSON_FIELD_BY("connectTcp", struct oci_landlock, connect, read_ports),
		JSON_FIELD_BY("scopes", struct oci_landlock, scopes, read_scopes),
	};
	int result = json_read_fields(reader, value, fields, landlock);

	if (result == 0)
		result = refuse_unknown(reader, fields, ARRAY_SIZE(fields));
	return result == 0 ? check_rights(reader, landlock) : result;
}

int oci_landlock_parse(struct oci_landlock **ret, const char *text, struct error *err)
{
	cleanup_oci_landlock struct oci_landlock *landlock = xcalloc(1, sizeof(*landlock));
	struct json_document document = { 0 };
	struct json_reader reader = {
		.document = &document, .name = "annotation " OCI_ANNOTATION_LANDLOCK, .err = err
	};
	int result = json_document_parse(&document, text, strlen(text), reader.name, err);

	if (result < 0)
		return result;
	result = read_landlock(&reader, document.root, landlock);
	json_document_free(&document);
	if (result == 0)
		*ret = take_pointer(&landlock);
	return result;
}

void oci_landlock_free(struct oci_landlock *landlock)
{
	if (!landlock)
		return;
	for (size_t i = 0; i < landlock->path_count; i++)
		free(landlock->paths[i].path);
	free(landlock->paths);
	free(landlock->bind.numbers);
	free(landlock->connect.numbers);
	free(landlock);
}
