/* SPDX-License-Identifier: Apache-2.0 */
/* Which machines may go on from which others, and what is said of those that may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wire.h"
#include "microvm/vm_internal.h"

static const struct vm_host host = { .hardware = true, .description = "kvm-amd with nested paging" };

static struct vm_config usual_config(void)
{
	return (struct vm_config){ .host = &host,
		.kernel_fd = STDIN_FILENO,
		.initrd_fd = -1,
		.share_fd = 5,
		.console_fd = -1,
		.vcpus = 1,
		.memory_bytes = 256ULL << 20,
		.cmdline = "quiet" };
}

/* As in a checkpoint: nothing of an owner's, and what the machine is like. */
static int compare_with(const struct strbuf *saved, struct error *err)
{
	const struct vm_config config = usual_config();
	cleanup_strbuf struct strbuf state = STRBUF_INIT;
	struct snapshot snapshot = { 0 };
	struct vm vm = { .vcpus = NULL };
	int result;

	vm_describe(&config, &vm.about);
	wire_put_bytes(&state, "", 0);
	wire_put_bytes(&state, saved->data, saved->length);
	snapshot.state = state.data;
	snapshot.state_bytes = state.length;
	result = vm_compare_state(&vm, &snapshot, err);
	strbuf_free(&vm.about);
	return result;
}

static void assert_config_refused(const struct vm_config *config, const char *words)
{
	cleanup_strbuf struct strbuf saved = STRBUF_INIT;
	struct error err = { 0 };

	vm_describe(config, &saved);
	assert_int_equal(compare_with(&saved, &err), -ESTALE);
	assert_string_equal(err.message, words);
}

static void same_machine_goes_on(void **state)
{
	const struct vm_config config = usual_config();
	cleanup_strbuf struct strbuf saved = STRBUF_INIT;
	struct error err;

	(void)state;
	vm_describe(&config, &saved);
	assert_int_equal(compare_with(&saved, &err), 0);
}

static void other_devices_are_named(void **state)
{
	static const struct vm_host other_host = { .description = "kvm-pvm (software only)" };
	struct vm_config config = usual_config();

	(void)state;
	config.host = &other_host;
	assert_config_refused(
		&config, "it was made with \"kvm-pvm (software only)\", and this is \"kvm-amd with nested paging\"");
	config = usual_config();
	config.memory_bytes = 512ULL << 20;
	assert_config_refused(&config, "its machine has 512 MiB of memory, and this one 256");
	config = usual_config();
	config.vcpus = 3;
	assert_config_refused(&config, "its machine has 3 vCPUs, and this one 1");
	config = usual_config();
	config.share_fd = -1;
	assert_config_refused(&config, "its machine has 0 served directories, and this one 1");
	config = usual_config();
	config.console_fd = 2;
	assert_config_refused(&config, "its machine has 1 serial ports, and this one 0");
	config = usual_config();
	config.net_count = 2;
	assert_config_refused(&config, "its machine has 2 network devices, and this one 0");
}

/* What vm_describe() begins with: duet's version, the processor's name and a digest of its features. */
static void other_processors_and_versions_are_named(void **state)
{
	const struct vm_config config = usual_config();
	cleanup_strbuf struct strbuf own = STRBUF_INIT, saved = STRBUF_INIT;
	struct wire_reader in;
	cleanup_free char *version = NULL, *name = NULL;
	cleanup_free unsigned char *features = NULL;
	struct error err = { 0 };
	size_t length;

	(void)state;
	vm_describe(&config, &own);
	in = (struct wire_reader){ .next = (const unsigned char *)own.data, .left = own.length };
	version = wire_get_string(&in);
	name = wire_get_string(&in);
	features = wire_get_bytes(&in, &length);

	wire_put_string(&saved, "0.0.1");
	strbuf_append(&saved, in.next, in.left);
	assert_int_equal(compare_with(&saved, &err), -ESTALE);
	assert_non_null(strstr(err.message, "it was made by duet \"0.0.1\""));

	saved.length = 0;
	wire_put_string(&saved, version);
	wire_put_string(&saved, "Z80");
	wire_put_bytes(&saved, features, length);
	strbuf_append(&saved, in.next, in.left);
	assert_int_equal(compare_with(&saved, &err), -ESTALE);
	assert_non_null(strstr(err.message, "it was made on the processor \"Z80\""));

	saved.length = 0;
	features[0] ^= 1;
	wire_put_string(&saved, version);
	wire_put_string(&saved, name);
	wire_put_bytes(&saved, features, length);
	strbuf_append(&saved, in.next, in.left);
	assert_int_equal(compare_with(&saved, &err), -ESTALE);
	assert_string_equal(err.message, "it was made on a processor with other features");
}

static void damaged_descriptions_are_refused(void **state)
{
	const struct vm_config config = usual_config();
	cleanup_strbuf struct strbuf saved = STRBUF_INIT;
	struct error err;

	(void)state;
	vm_describe(&config, &saved);
	while (saved.length > 0) {
		saved.length--;
		assert_true(compare_with(&saved, &err) < 0);
	}
}

/* A template has what it must agree in as its name. */
static void each_difference_makes_another_template(void **state)
{
	static const struct net_options nets[] = { { .kind = NET_TAP, .mtu = 1500 }, { .kind = NET_TAP, .mtu = 9000 } };
	static const struct vm_host other_host = { .hardware = true, .description = "kvm-intel with nested paging" };
	struct vm_config configs[9];
	unsigned char keys[ARRAY_SIZE(configs)][VM_KEY_BYTES];
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
		configs[i] = usual_config();
	configs[1].memory_bytes *= 2;
	configs[2].vcpus = 2;
	configs[3].cmdline = "quiet debug";
	configs[4].share_fd = -1;
	configs[5].host = &other_host;
	configs[6].nets = nets;
	configs[6].net_count = 1;
	configs[7].nets = nets + 1;
	configs[7].net_count = 1;
	configs[8].initrd_fd = STDIN_FILENO;
	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		assert_int_equal(vm_snapshot_key(&configs[i], keys[i], &err), 0);
		for (size_t before = 0; before < i; before++)
			assert_memory_not_equal(keys[i], keys[before], VM_KEY_BYTES);
	}
	assert_int_equal(vm_snapshot_key(&configs[0], keys[1], &err), 0);
	assert_memory_equal(keys[0], keys[1], VM_KEY_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_machine_goes_on),
		cmocka_unit_test(other_devices_are_named),
		cmocka_unit_test(other_processors_and_versions_are_named),
		cmocka_unit_test(damaged_descriptions_are_refused),
		cmocka_unit_test(each_difference_makes_another_template),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
