/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of oci/ share. Run from the top of the tree (tests/data/config/). */
#ifndef DUET_TESTS_OCI_TEST_H
#define DUET_TESTS_OCI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "oci/spec.h"

#define DATA "tests/data/config/"

/* JSON with ' for ", as C strings read better so. */
static inline char *json_text(const char *text)
{
	char *copy = xstrdup(text);

	for (char *c = copy; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	return copy;
}

static inline struct oci_spec *load(const char *path)
{
	struct oci_spec *spec = NULL;
	struct error err = { .code = 0 };

	if (oci_spec_load(&spec, AT_FDCWD, path, &err) < 0)
		fail_msg("%s", err.message);
	return spec;
}

static inline struct oci_spec *parse(const char *text)
{
	char *json = json_text(text);
	struct oci_spec *spec = NULL;
	struct error err = { .code = 0 };

	if (oci_spec_parse(&spec, json, strlen(json), "config.json", &err) < 0)
		fail_msg("%s", err.message);
	free(json);
	return spec;
}

static inline void expect_refused(const char *text, const char *message)
{
	char *json = json_text(text);
	struct oci_spec *untouched = (struct oci_spec *)&json, *spec = untouched;
	struct error err = { .code = 0 };
	int result = oci_spec_parse(&spec, json, strlen(json), "config.json", &err);

	if (result == 0)
		fail_msg("accepted, not refused with \"%s\"", message);
	assert_string_equal(err.message, message);
	assert_int_equal(result, -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_ptr_equal(spec, untouched);
	free(json);
}

#define PROCESS                  "'cwd':'/','args':['sh']"
#define CONFIG_OF(process, rest) "{'ociVersion':'1.2.0','process':{" process "},'root':{'path':'rootfs'}" rest "}"
#define CONFIG(rest)             CONFIG_OF(PROCESS, rest)
#define LINUX(rest)              CONFIG(",'linux':{" rest "}")
#define RESOURCES(rest)          LINUX("'resources':{" rest "}")
#define SECCOMP(rest)            LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ALLOW'" rest "}")

#endif
