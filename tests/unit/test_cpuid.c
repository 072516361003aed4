/* SPDX-License-Identifier: Apache-2.0 */
/* What a virtual CPU says of itself, and which kind of KVM the host has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "microvm/cpuid.h"
#include "microvm/kvm.h"

static struct kvm_cpuid_entry2 *find(struct cpuid_table *table, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < table->count; i++) {
		if (table->entries[i].function == function && table->entries[i].index == index)
			return &table->entries[i];
	}
	fail_msg("no CPUID leaf 0x%x.%u", function, index);
	return NULL;
}

static struct cpuid_table example_table(void)
{
	struct cpuid_table table = { .count = 8 };

	table.entries[0] =
		(struct kvm_cpuid_entry2){ .function = 0x1, .ebx = 0x07020800, .ecx = 0x8008, .edx = 1U << 28 };
	table.entries[1] = (struct kvm_cpuid_entry2){ .function = 0x4, .index = 3, .eax = 0xfc1fc163 };
	table.entries[2] = (struct kvm_cpuid_entry2){ .function = 0xa, .eax = 0x08300805, .edx = 0x603 };
	table.entries[3] = (struct kvm_cpuid_entry2){ .function = 0xb, .index = 0, .edx = 99 };
	table.entries[4] = (struct kvm_cpuid_entry2){ .function = 0x40000001, .eax = 0x01007efb };
	table.entries[5] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 0x3030, .ecx = 0x7007 };
	table.entries[6] = (struct kvm_cpuid_entry2){ .function = 0x8000001e, .eax = 5, .ebx = 0x102, .ecx = 3 };
	table.entries[7] = (struct kvm_cpuid_entry2){ .function = 0x7, .index = 0, .ecx = 1U << 5 | 1U << 22 };
	return table;
}

static void cpuid_shows_one_package_of_single_threaded_cores(void **state)
{
	const struct cpuid_options options = { .vcpus = 6, .hardware = true, .tsc_deadline = true };
	struct cpuid_table table = example_table();

	(void)state;
	cpuid_adjust(&table, &options);
	cpuid_number(&table, 4);
	assert_int_equal(find(&table, 1, 0)->ebx, 0x04060800);
	assert_int_equal(find(&table, 1, 0)->ecx, 1U << 31 | 1U << 24);
	assert_int_equal(find(&table, 1, 0)->edx, 1U << 28);
	assert_int_equal(find(&table, 4, 3)->eax, 5U << 26 | 5U << 14 | 0x163);
	assert_int_equal(find(&table, 0xa, 0)->eax, 0);
	assert_int_equal(find(&table, 0xb, 0)->ebx, 1);
	assert_int_equal(find(&table, 0xb, 0)->ecx, 0x100);
	assert_int_equal(find(&table, 0xb, 1)->eax, 3);
	assert_int_equal(find(&table, 0xb, 1)->ebx, 6);
	assert_int_equal(find(&table, 0xb, 1)->ecx, 0x201);
	assert_int_equal(find(&table, 0xb, 1)->edx, 4);
	assert_int_equal(find(&table, 0xb, 2)->ecx, 2);
	assert_int_equal(find(&table, 0x80000008, 0)->ecx, 0x3005);
	assert_int_equal(find(&table, 0x8000001e, 0)->eax, 4);
	assert_int_equal(find(&table, 0x8000001e, 0)->ebx, 4);
	assert_int_equal(find(&table, 7, 0)->ecx, 1U << 22);
	assert_int_equal(find(&table, 0x40000001, 0)->eax, 0x01007efb);
	cpuid_number(&table, 0);
	assert_int_equal(find(&table, 1, 0)->ebx, 0x00060800);
}

static void software_kvm_hides_what_needs_hypercalls(void **state)
{
	const struct cpuid_options options = { .vcpus = 1, .hardware = false, .tsc_deadline = false };
	struct cpuid_table table = example_table();

	(void)state;
	cpuid_adjust(&table, &options);
	assert_int_equal(find(&table, 0x40000001, 0)->eax, 0x01000009);
	assert_int_equal(find(&table, 1, 0)->ecx, 1U << 31);
	assert_int_equal(find(&table, 1, 0)->edx, 0);
}

static void hardware_and_software_kvm_are_told_apart(void **state)
{
	static const struct {
		struct kvm_evidence evidence;
		bool hardware;
		const char *description;
	} cases[] = {
		{ { .module_intel = true, .processor_vmx = true, .nested_paging = true }, true,
			"kvm-intel with nested paging" },
		{ { .module_amd = true, .processor_svm = true, .nested_paging = true }, true,
			"kvm-amd with nested paging" },
		{ { .module_amd = true, .processor_svm = true }, true, "kvm-amd without nested paging" },
		{ { .module_software = true }, false, "kvm-pvm (software only)" },
		{ { .module_software = true, .processor_vmx = true }, false, "kvm-pvm (software only)" },
		{ { .processor_svm = true, .nested_paging = true }, true, "kvm-amd with nested paging" },
		{ { .module_intel = true }, false, "kvm (software only)" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vm_host host;

		kvm_classify(&cases[i].evidence, &host);
		assert_string_equal(host.description, cases[i].description);
		assert_int_equal(host.hardware, cases[i].hardware);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpuid_shows_one_package_of_single_threaded_cores),
		cmocka_unit_test(software_kvm_hides_what_needs_hypercalls),
		cmocka_unit_test(hardware_and_software_kvm_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
