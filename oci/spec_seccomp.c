/* SPDX-License-Identifier: Apache-2.0 */
/* config.json "linux.seccomp". What libseccomp and the kernel make of it is the business of seccomp/. */
#include "oci/spec_sections.h"

static int read_action(struct json_reader *reader, const json_t *value, void *target)
{
	enum oci_seccomp_action *action = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_seccomp_actions, &number);

	if (result == 0)
		*action = (enum oci_seccomp_action)number;
	return result;
}

static int read_operator(struct json_reader *reader, const json_t *value, void *target)
{
	enum oci_seccomp_operator *comparison = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_seccomp_operators, &number);

	if (result == 0)
		*comparison = (enum oci_seccomp_operator)number;
	return result;
}

/* SECCOMP_RET_DATA has 16 bits. */
static int read_errno(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_u64 *number = target;
	int result = json_read_unsigned(reader, value, 0, UINT16_MAX, &number->value);

	number->set = result == 0;
	return result;
}

static bool carries_errno(enum oci_seccomp_action action)
{
	return action == OCI_SECCOMP_ERRNO || action == OCI_SECCOMP_TRACE;
}

static int read_index(struct json_reader *reader, const json_t *value, void *target)
{
	unsigned int *index = target;
	uint64_t number;
	int result = json_read_unsigned(reader, value, 0, 5, &number);

	if (result == 0)
		*index = (unsigned int)number;
	return result;
}

static int read_argument(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("index", struct oci_seccomp_argument, index, read_index),
		JSON_REQUIRED("value", struct oci_seccomp_argument, value),
		JSON_FIELD("valueTwo", struct oci_seccomp_argument, value_two),
		JSON_REQUIRED_BY("op", struct oci_seccomp_argument, operator, read_operator),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_arguments(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_seccomp_rule *rule = target;

	return json_read_array(
		reader, value, sizeof(*rule->arguments), read_argument, &rule->arguments, &rule->argument_count);
}

static int read_names(struct json_reader *reader, const json_t *value, void *target)
{
	char ***names = target;
	int result = json_read_strings(reader, value, names);

	if (result == 0 && !(*names)[0])
		return json_fail(reader, "is empty");
	return result;
}

static int read_rule(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("names", struct oci_seccomp_rule, names, read_names),
		JSON_REQUIRED_BY("action", struct oci_seccomp_rule, action, read_action),
		JSON_FIELD_BY("errnoRet", struct oci_seccomp_rule, errno_ret, read_errno),
		JSON_SECTION("args", read_arguments),
	};
	struct oci_seccomp_rule *rule = target;
	int result = json_read_fields(reader, value, fields, target);

	if (result == 0 && rule->errno_ret.set && !carries_errno(rule->action))
		return json_fail_field(reader, "errnoRet", "is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only");
	return result;
}

static int read_rules(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_seccomp *seccomp = target;

	return json_read_array(
		reader, value, sizeof(*seccomp->rules), read_rule, &seccomp->rules, &seccomp->rule_count);
}

static int read_architecture(struct json_reader *reader, const json_t *value, void *target)
{
	uint32_t *architecture = target;
	uint64_t number;
	int result = json_read_name(reader, value, &oci_seccomp_architectures, &number);

	if (result == 0)
		*architecture = (uint32_t)number;
	return result;
}

static int read_architectures(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_seccomp *seccomp = target;

	return json_read_array(reader, value, sizeof(*seccomp->architectures), read_architecture,
		&seccomp->architectures, &seccomp->architecture_count);
}

static int read_flags(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_seccomp *seccomp = target;
	uint64_t bits;
	int result = json_read_names(reader, value, &oci_seccomp_flags, &bits);

	if (result < 0)
		return result;
	seccomp->flags_set = true;
	seccomp->flags = (uint32_t)bits;
	return 0;
}

static int check_notify(struct json_reader *reader, const struct oci_seccomp *seccomp)
{
	bool notify = seccomp->default_action == OCI_SECCOMP_NOTIFY;

	for (size_t i = 0; i < seccomp->rule_count; i++)
		notify = notify || seccomp->rules[i].action == OCI_SECCOMP_NOTIFY;
	if (notify && !seccomp->listener_path)
		return json_fail_field(reader, "listenerPath", "is missing (SCMP_ACT_NOTIFY needs it)");
	if (seccomp->listener_metadata && !seccomp->listener_path)
		return json_fail_field(reader, "listenerPath", "is missing (listenerMetadata is there)");
	return 0;
}

int oci_read_seccomp(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("defaultAction", struct oci_seccomp, default_action, read_action),
		JSON_FIELD_BY("defaultErrnoRet", struct oci_seccomp, default_errno_ret, read_errno),
		JSON_SECTION("architectures", read_architectures),
		JSON_SECTION("flags", read_flags),
		JSON_FIELD_BY("listenerPath", struct oci_seccomp, listener_path, json_read_absolute),
		JSON_FIELD("listenerMetadata", struct oci_seccomp, listener_metadata),
		JSON_SECTION("syscalls", read_rules),
	};
	struct oci_seccomp **location = target;
	struct oci_seccomp *seccomp = xcalloc(1, sizeof(*seccomp));
	int result;

	*location = seccomp;
	result = json_read_fields(reader, value, fields, seccomp);
	if (result < 0)
		return result;
	if (seccomp->default_errno_ret.set && !carries_errno(seccomp->default_action))
		return json_fail_field(reader, "defaultErrnoRet", "is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only");
	return check_notify(reader, seccomp);
}

void oci_seccomp_free(struct oci_seccomp *seccomp)
{
	if (!seccomp)
		return;
	for (size_t i = 0; i < seccomp->rule_count; i++) {
		free_strings(seccomp->rules[i].names);
		free(seccomp->rules[i].arguments);
	}
	free(seccomp->rules);
	free(seccomp->architectures);
	free(seccomp->listener_path);
	free(seccomp->listener_metadata);
	free(seccomp);
}
