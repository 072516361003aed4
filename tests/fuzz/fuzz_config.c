/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people and engines write: config.json, the process file of exec, the resources of update, Landlock policies, and
 * what duet itself wrote: a container's record. The first byte says which; a record is written again as it was read.
 * libFuzzer: -max_len=8192
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "input.h"
#include "oci/landlock.h"
#include "oci/spec.h"
#include "runtime/plan.h"
#include "runtime/record.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Warnings about what is passed over would fill the terminal. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct log_options options = { .path = "/dev/null" };
	struct error err;

	(void)argc;
	(void)argv;
	return log_open(&options, &err);
}

/* A configuration that is accepted has to be one that can be planned, or refused, whatever it says. */
static void try_config(const char *text, size_t length)
{
	cleanup_oci_spec struct oci_spec *spec = NULL;
	struct container_plan container = { 0 };
	struct process_plan process = { 0 };
	struct error err;

	if (oci_spec_parse(&spec, text, length, "config.json", &err) < 0)
		return;
	(void)plan_container(spec, "/bundle", &container, &err);
	(void)plan_process(spec, spec->process, &process, &err);
	container_plan_free(&container);
	process_plan_free(&process);
}

static void try_process(const char *text, size_t length)
{
	cleanup_oci_process struct oci_process *process = NULL;
	struct error err;

	(void)oci_process_parse(&process, text, length, "process", &err);
}

static void try_resources(const char *text, size_t length)
{
	cleanup_oci_resources struct oci_resources *resources = NULL;
	struct error err;

	(void)oci_resources_parse(&resources, text, length, "resources", &err);
}

static void try_landlock(const char *text, size_t length)
{
	cleanup_free char *policy = xstrndup(text, length);
	cleanup_oci_landlock struct oci_landlock *landlock = NULL;
	struct error err;

	(void)oci_landlock_parse(&landlock, policy, &err);
}

static void try_record(const char *text, size_t length)
{
	struct container_record record = { 0 }, again = { 0 };
	cleanup_free char *once = NULL, *twice = NULL;
	struct error err;

	if (record_parse(text, length, &record, &err) < 0)
		return;
	once = record_print(&record);
	CHECK(once && record_parse(once, strlen(once), &again, &err) == 0);
	twice = record_print(&again);
	CHECK(twice && strcmp(once, twice) == 0);
	record_free(&record);
	record_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(
		const char *text, size_t length) = { try_config, try_process, try_resources, try_landlock, try_record };

	if (size < 1)
		return 0;
	tries[data[0] % ARRAY_SIZE(tries)]((const char *)data + 1, size - 1);
	return 0;
}
