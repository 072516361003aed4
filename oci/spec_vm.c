/* SPDX-License-Identifier: Apache-2.0 */
/* config.json "vm" (runtime-spec config-vm.md). */
#include "oci/spec_sections.h"

/* Engines written in Go write every object, with empty paths, whatever was asked for: an empty path means that the
 * object is absent, and so does an empty format. */

static int read_hypervisor(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_vm, hypervisor_path, json_read_absolute),
		JSON_FIELD("parameters", struct oci_vm, hypervisor_parameters),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_kernel(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_vm, kernel_path, json_read_absolute),
		JSON_FIELD("parameters", struct oci_vm, kernel_parameters),
		JSON_FIELD_BY("initrd", struct oci_vm, kernel_initrd, json_read_absolute),
	};

	return json_read_fields(reader, value, fields, target);
}

static int read_image_format(struct json_reader *reader, const json_t *value, void *target)
{
	enum oci_image_format *format = target;
	uint64_t number;
	int result;

	if (json_is_string(value) && json_string_length(value) == 0)
		return 0;
	result = json_read_name(reader, value, &oci_image_formats, &number);
	if (result == 0)
		*format = (enum oci_image_format)number;
	return result;
}

static int read_image(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("path", struct oci_vm, image_path, json_read_absolute),
		JSON_FIELD_BY("format", struct oci_vm, image_format, read_image_format),
	};
	struct oci_vm *vm = target;
	int result = json_read_fields(reader, value, fields, target);
	const char *format = json_string_value(json_object_get(value, "format"));

	/* Guessing the format of a disk from its content is how a guest would choose what the host reads. */
	if (result == 0 && vm->image_path && (!format || !*format))
		return json_fail_field(reader, "format", "is missing");
	return result;
}

static int read_io_memory(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("firstGFN", struct oci_io_memory, first_gfn),
		JSON_REQUIRED("firstMFN", struct oci_io_memory, first_mfn),
		JSON_REQUIRED("nrMFNs", struct oci_io_memory, count),
	};
	struct oci_io_memory *memory = target;
	const json_t *guest = json_object_get(value, "firstGFN");
	int result = json_read_fields(reader, value, fields, target);

	if (result == 0 && (!guest || json_is_null(guest)))
		memory->first_gfn = memory->first_mfn;
	return result;
}

static int read_io_memories(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_vm *vm = target;

	return json_read_array(
		reader, value, sizeof(*vm->io_memories), read_io_memory, &vm->io_memories, &vm->io_memory_count);
}

static int read_irqs(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_vm *vm = target;

	return json_read_array(reader, value, sizeof(*vm->irqs), json_read_u32, &vm->irqs, &vm->irq_count);
}

static int read_vcpus(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_u64 *vcpus = target;
	int result = json_read_unsigned(reader, value, 1, UINT32_MAX, &vcpus->value);

	vcpus->set = result == 0;
	return result;
}

static int read_hardware(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_FIELD("deviceTree", struct oci_vm, device_tree),
		JSON_FIELD_BY("vcpus", struct oci_vm, vcpus, read_vcpus),
		JSON_FIELD("memory", struct oci_vm, memory_bytes),
		JSON_FIELD("dtdevs", struct oci_vm, device_tree_devices),
		JSON_SECTION("iomems", read_io_memories),
		JSON_SECTION("irqs", read_irqs),
	};

	return json_read_fields(reader, value, fields, target);
}

int oci_read_vm(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_SECTION("hypervisor", read_hypervisor),
		JSON_SECTION("kernel", read_kernel),
		JSON_SECTION("image", read_image),
		JSON_SECTION("hwConfig", read_hardware),
		JSON_SECTION("hwconfig", read_hardware),
	};
	struct oci_vm **vm = target;

	*vm = xcalloc(1, sizeof(**vm));
	if (json_is_object(json_object_get(value, "hwConfig")) && json_is_object(json_object_get(value, "hwconfig")))
		return json_fail_field(reader, "hwconfig", "is there beside hwConfig, which is the same object");
	return json_read_fields(reader, value, fields, *vm);
}

void oci_vm_free(struct oci_vm *vm)
{
	if (!vm)
		return;
	free(vm->hypervisor_path);
	free_strings(vm->hypervisor_parameters);
	free(vm->kernel_path);
	free_strings(vm->kernel_parameters);
	free(vm->kernel_initrd);
	free(vm->image_path);
	free(vm->device_tree);
	free_strings(vm->device_tree_devices);
	free(vm->io_memories);
	free(vm->irqs);
	free(vm);
}
