/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that are written: features, template and state; and the words they share with the parser. */
#include "oci_test.h"

#include <jansson.h>
#include <sys/mount.h>

#include "oci/features.h"
#include "oci/state.h"
#include "oci/template.h"

static json_t *features(void)
{
	struct strbuf out = STRBUF_INIT;
	json_error_t error;
	json_t *root;

	oci_features_print(&out);
	root = json_loadb(out.data, out.length, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("features: line %d: %s", error.line, error.text);
	strbuf_free(&out);
	return root;
}

static json_t *path(json_t *root, const char *first, const char *second, const char *third)
{
	json_t *value = json_object_get(root, first);

	value = second ? json_object_get(value, second) : value;
	value = third ? json_object_get(value, third) : value;
	assert_non_null(value);
	return value;
}

static void features_name_what_the_parser_takes(void **state)
{
	json_t *root = features();
	json_t *word;
	size_t i;

	(void)state;
	assert_string_equal(json_string_value(path(root, "ociVersionMin", NULL, NULL)), "1.0.0");
	assert_string_equal(json_string_value(path(root, "ociVersionMax", NULL, NULL)), "1.3.0");
	assert_int_equal(json_array_size(path(root, "hooks", NULL, NULL)), OCI_HOOK_KINDS);
	assert_int_equal(json_array_size(path(root, "linux", "namespaces", NULL)), NAMESPACE_KINDS);
	assert_int_equal(json_array_size(path(root, "linux", "capabilities", NULL)), 41);
	assert_true(json_is_true(path(root, "linux", "seccomp", "enabled")));
	json_array_foreach(path(root, "linux", "namespaces", NULL), i, word)
	{
		char *text = xprintf("{'ociVersion':'1.3.0','process':{" PROCESS "},'root':{'path':'r'},'linux':{"
				     "'uidMappings':[{'containerID':0,'hostID':0,'size':1}],"
				     "'gidMappings':[{'containerID':0,'hostID':0,'size':1}],"
				     "'namespaces':[{'type':'%s'}%s]}}",
			json_string_value(word),
			strcmp(json_string_value(word), "user") == 0 ? "" : ",{'type':'user'}");

		oci_spec_free(parse(text));
		free(text);
	}
	json_array_foreach(path(root, "linux", "seccomp", "archs"), i, word)
	{
		char *text =
			xprintf("{'ociVersion':'1.3.0','process':{" PROCESS "},'root':{'path':'r'},'linux':{'seccomp':{"
				"'defaultAction':'SCMP_ACT_ALLOW','architectures':['%s']}}}",
				json_string_value(word));

		oci_spec_free(parse(text));
		free(text);
	}
	json_decref(root);
}

static void features_name_the_isolations(void **state)
{
	json_t *root = features();

	(void)state;
	assert_string_equal(
		json_string_value(path(root, "annotations", "run.duet.isolation", NULL)), "container,microvm");
	assert_string_equal(
		json_string_value(json_array_get(path(root, "potentiallyUnsafeConfigAnnotations", NULL, NULL), 0)),
		"run.duet.");
	json_decref(root);
}

/* Of every option in the list: it is not handed on to the file system. */
static void every_mount_option_of_features_is_understood(void **state)
{
	json_t *root = features();
	json_t *word;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(path(root, "mountOptions", NULL, NULL)), oci_mount_option_count);
	json_array_foreach(path(root, "mountOptions", NULL, NULL), i, word)
	{
		struct oci_mount_options options = { .flags = 0 };

		oci_mount_options_add(&options, json_string_value(word));
		assert_null(options.data);
	}
	json_decref(root);
}

static struct oci_mount_options options_of(const char *words)
{
	struct oci_mount_options options = { .flags = 0 };
	char *copy = xstrdup(words), *rest = copy, *word;

	while ((word = strsep(&rest, " ")))
		oci_mount_options_add(&options, word);
	free(copy);
	return options;
}

static void of_two_mount_options_the_later_holds(void **state)
{
	struct oci_mount_options options = options_of("ro nosuid rw noexec exec nodev");

	(void)state;
	assert_true(options.flags == (MS_NOSUID | MS_NODEV));
	assert_true(options.clear == (MS_RDONLY | MS_NOEXEC));
	options = options_of("rw ro");
	assert_true(options.flags == MS_RDONLY && options.clear == 0);
	options = options_of("noatime strictatime");
	assert_true(options.flags == MS_STRICTATIME);
	options = options_of("rshared private");
	assert_true(options.propagation == MS_PRIVATE);
	options = options_of("rro rrw rsuid rnosuid");
	assert_true(options.recursive_set == MOUNT_ATTR_NOSUID && options.recursive_clear == MOUNT_ATTR_RDONLY);
}

static void a_recursive_atime_clears_the_whole_field(void **state)
{
	struct oci_mount_options options = options_of("rnoatime rstrictatime");

	(void)state;
	assert_true(options.recursive_set == MOUNT_ATTR_STRICTATIME);
	assert_true(options.recursive_clear == MOUNT_ATTR__ATIME);
	options = options_of("rstrictatime rrelatime");
	assert_true(options.recursive_set == 0 && options.recursive_clear == MOUNT_ATTR__ATIME);
	options = options_of("ratime");
	assert_true(options.recursive_set == 0 && options.recursive_clear == MOUNT_ATTR__ATIME);
	options = options_of("rnodiratime");
	assert_true(options.recursive_set == MOUNT_ATTR_NODIRATIME && options.recursive_clear == 0);
}

static void other_mount_options_are_data_in_order(void **state)
{
	struct oci_mount_options options = options_of("mode=755 nosuid size=65536k acl");

	(void)state;
	assert_string_equal(options.data, "mode=755,size=65536k,acl");
	assert_true(options.flags == MS_NOSUID);
	oci_mount_options_free(&options);
	options = options_of("ridmap tmpcopyup");
	assert_true(options.idmap && options.idmap_recursive && options.tmpcopyup);
}

static struct oci_spec *template_spec(const struct oci_template *template)
{
	struct strbuf out = STRBUF_INIT;
	struct oci_spec *spec = NULL;
	struct error err = { .code = 0 };

	oci_template_print(&out, template);
	if (oci_spec_parse(&spec, out.data, out.length, "config.json", &err) < 0)
		fail_msg("%s", err.message);
	strbuf_free(&out);
	return spec;
}

static void the_template_is_accepted_by_the_parser(void **state)
{
	struct oci_spec *spec = template_spec(&(struct oci_template){ .rootless = false });

	(void)state;
	assert_string_equal(spec->process->args[0], "sh");
	assert_true(spec->process->terminal && spec->process->no_new_privileges);
	assert_true(spec->process->capabilities.bounding == (1U << 29 | 1U << 5 | 1U << 10));
	assert_true(spec->process->capabilities.ambient == 0);
	assert_int_equal(spec->process->rlimits[0].hard, 1024);
	assert_true(spec->root.readonly);
	assert_int_equal(spec->mount_count, 7);
	assert_int_equal(spec->namespace_count, 6);
	assert_non_null(oci_namespace_find(spec, NAMESPACE_NETWORK));
	assert_null(oci_namespace_find(spec, NAMESPACE_USER));
	assert_int_equal(spec->resources->device_rule_count, 1);
	assert_string_equal(spec->mounts[2].options.data, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	oci_spec_free(spec);
}

static void the_rootless_template_maps_the_caller(void **state)
{
	struct oci_spec *spec =
		template_spec(&(struct oci_template){ .rootless = true, .uid = 1000, .gid = 4294967294U });

	(void)state;
	assert_non_null(oci_namespace_find(spec, NAMESPACE_USER));
	assert_null(oci_namespace_find(spec, NAMESPACE_NETWORK));
	assert_int_equal(spec->uid_mappings[0].host_id, 1000);
	assert_int_equal(spec->gid_mappings[0].host_id, 4294967294U);
	assert_int_equal(spec->gid_mappings[0].size, 1);
	assert_null(spec->resources);
	assert_string_equal(spec->mounts[2].options.data, "newinstance,ptmxmode=0666,mode=0620");
	assert_string_equal(spec->mounts[5].source, "/sys");
	assert_true(spec->mounts[5].options.flags == (MS_BIND | MS_REC | MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY));
	oci_spec_free(spec);
}

static void the_state_is_the_documented_object(void **state)
{
	struct key_value annotations[] = { { (char *)"my\"key", (char *)"line\nbreak" } };
	struct oci_state container = { .version = "1.0.2",
		.id = "web",
		.status = OCI_STATUS_RUNNING,
		.pid = 4422,
		.bundle = "/containers/web",
		.annotations = annotations,
		.annotation_count = 1 };
	struct strbuf out = STRBUF_INIT;

	(void)state;
	oci_state_print(&out, &container, false);
	assert_string_equal(out.data,
		"{\"ociVersion\":\"1.0.2\",\"id\":\"web\",\"pid\":4422,\"status\":\"running\","
		"\"bundle\":\"/containers/web\",\"annotations\":{\"my\\\"key\":\"line\\nbreak\"}}");
	strbuf_free(&out);
}

static void the_indented_state_reads_as_that_of_runc(void **state)
{
	struct oci_state container = { .id = "web",
		.status = OCI_STATUS_STOPPED,
		.bundle = "/b",
		.rootfs = "/b/rootfs",
		.created = "2026-11-21T10:02:11.51023Z",
		.owner = "" };
	struct strbuf out = STRBUF_INIT;

	(void)state;
	oci_state_print(&out, &container, true);
	assert_string_equal(out.data,
		"{\n  \"ociVersion\": \"1.3.0\",\n  \"id\": \"web\",\n  \"pid\": 0,\n"
		"  \"status\": \"stopped\",\n  \"bundle\": \"/b\",\n  \"rootfs\": \"/b/rootfs\",\n"
		"  \"created\": \"2026-11-21T10:02:11.51023Z\",\n  \"owner\": \"\"\n}");
	strbuf_free(&out);
}

static void every_status_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(oci_status_name(OCI_STATUS_CREATING), "creating");
	assert_string_equal(oci_status_name(OCI_STATUS_CREATED), "created");
	assert_string_equal(oci_status_name(OCI_STATUS_RUNNING), "running");
	assert_string_equal(oci_status_name(OCI_STATUS_STOPPED), "stopped");
	assert_string_equal(oci_status_name(OCI_STATUS_PAUSED), "paused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_name_what_the_parser_takes),
		cmocka_unit_test(features_name_the_isolations),
		cmocka_unit_test(every_mount_option_of_features_is_understood),
		cmocka_unit_test(of_two_mount_options_the_later_holds),
		cmocka_unit_test(a_recursive_atime_clears_the_whole_field),
		cmocka_unit_test(other_mount_options_are_data_in_order),
		cmocka_unit_test(the_template_is_accepted_by_the_parser),
		cmocka_unit_test(the_rootless_template_maps_the_caller),
		cmocka_unit_test(the_state_is_the_documented_object),
		cmocka_unit_test(the_indented_state_reads_as_that_of_runc),
		cmocka_unit_test(every_status_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
