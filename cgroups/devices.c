/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules, for both versions: which rules hold, and what v1 can say of them.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

enum { MAJOR_MAX = 0xfff, MINOR_MAX = 0xfffff, RULES_MAX = 4000, ANY = -1 };

/*
 * What every container may use: making any node, and the devices of runtime-spec "Default Devices" (null, zero, full,
 * random, urandom, tty, ptmx and the pseudo terminals, one of which is the console). As in runc since 1.2: no tun.
 */
static const struct oci_device_rule default_rules[] = {
	{ true, 'c', ANY, ANY, OCI_DEVICE_MKNOD },
	{ true, 'b', ANY, ANY, OCI_DEVICE_MKNOD },
	{ true, 'c', 1, 3, OCI_DEVICE_ALL },
	{ true, 'c', 1, 5, OCI_DEVICE_ALL },
	{ true, 'c', 1, 7, OCI_DEVICE_ALL },
	{ true, 'c', 1, 8, OCI_DEVICE_ALL },
	{ true, 'c', 1, 9, OCI_DEVICE_ALL },
	{ true, 'c', 5, 0, OCI_DEVICE_ALL },
	{ true, 'c', 5, 2, OCI_DEVICE_ALL },
	{ true, 'c', 136, ANY, OCI_DEVICE_ALL },
};

static void add_rule(struct cgroup_device_rules *rules, const struct oci_device_rule *rule)
{
	rules->rules = xrealloc(rules->rules, rules->count + 1, sizeof(*rule));
	rules->rules[rules->count++] = *rule;
}

void cgroup_device_rules_free(struct cgroup_device_rules *rules)
{
	free(rules->rules);
	*rules = (struct cgroup_device_rules){ 0 };
}

static bool is_for_everything(const struct oci_device_rule *rule)
{
	return rule->type == 'a' && rule->major == ANY && rule->minor == ANY && rule->access == OCI_DEVICE_ALL;
}

static int add_checked(
	struct cgroup_device_rules *rules, const struct oci_device_rule *rule, size_t index, struct error *err)
{
	if (rule->major > MAJOR_MAX || rule->minor > MINOR_MAX || rule->major < ANY || rule->minor < ANY)
		return error_set(err, -EINVAL, "linux.resources.devices[%zu]: there is no device %lld:%lld", index,
			(long long)rule->major, (long long)rule->minor);
	if (is_for_everything(rule)) {
		rules->count = 0;
		rules->allow = rule->allow;
		return 0;
	}
	if (rule->type == 'a') { /* for both kinds, but not for all of them */
		struct oci_device_rule characters = *rule, blocks = *rule;

		characters.type = 'c';
		blocks.type = 'b';
		add_rule(rules, &characters);
		add_rule(rules, &blocks);
		return 0;
	}
	add_rule(rules, rule);
	return 0;
}

int cgroup_device_rules(const struct oci_resources *resources, struct cgroup_device_rules *rules, struct error *err)
{
	struct cgroup_device_rules all = { .allow = false };
	size_t count = resources ? resources->device_rule_count : 0;
	int result = 0;

	if (count > RULES_MAX)
		return error_set(err, -EINVAL, "linux.resources.devices: more than %d rules", RULES_MAX);
	for (size_t i = 0; i < count && result == 0; i++)
		result = add_checked(&all, &resources->device_rules[i], i, err);
	for (size_t i = 0; i < ARRAY_SIZE(default_rules) && result == 0; i++)
		result = add_checked(&all, &default_rules[i], i, err);
	if (result < 0) {
		cgroup_device_rules_free(&all);
		return result;
	}
	*rules = all;
	return 0;
}

static bool covers(int64_t wide, int64_t narrow)
{
	return wide == ANY || wide == narrow;
}

static bool contains(const struct oci_device_rule *wide, const struct oci_device_rule *narrow)
{
	return wide->type == narrow->type && covers(wide->major, narrow->major) && covers(wide->minor, narrow->minor);
}

static bool overlap(const struct oci_device_rule *a, const struct oci_device_rule *b)
{
	return a->type == b->type && (covers(a->major, b->major) || covers(b->major, a->major)) &&
	       (covers(a->minor, b->minor) || covers(b->minor, a->minor));
}

/* The rule says again what the default says: it takes its devices out of the exceptions, as far as they are named there
 * whole. */
static int take_out(struct cgroup_device_rules *exceptions, const struct oci_device_rule *rule, struct error *err)
{
	for (size_t i = 0; i < exceptions->count; i++) {
		struct oci_device_rule *exception = &exceptions->rules[i];

		if (!overlap(exception, rule) || !(exception->access & rule->access))
			continue;
		if (!contains(rule, exception))
			return error_set(err, -EOPNOTSUPP,
				"linux.resources.devices: cgroup v1 cannot %s \"%c %lld:%lld\" alone, since an earlier "
				"rule for more devices says otherwise",
				rule->allow ? "allow" : "deny", rule->type, (long long)rule->major,
				(long long)rule->minor);
		exception->access &= ~rule->access;
	}
	return 0;
}

static void put_in(struct cgroup_device_rules *exceptions, const struct oci_device_rule *rule)
{
	for (size_t i = 0; i < exceptions->count; i++) {
		struct oci_device_rule *exception = &exceptions->rules[i];

		if (contains(exception, rule) && contains(rule, exception)) {
			exception->access |= rule->access;
			return;
		}
	}
	add_rule(exceptions, rule);
}

int cgroup_device_exceptions(
	const struct cgroup_device_rules *rules, struct cgroup_device_rules *exceptions, struct error *err)
{
	struct cgroup_device_rules built = { .allow = rules->allow };
	size_t kept = 0;

	for (size_t i = 0; i < rules->count; i++) {
		int result = 0;

		if (rules->rules[i].allow == rules->allow)
			result = take_out(&built, &rules->rules[i], err);
		else
			put_in(&built, &rules->rules[i]);
		if (result < 0) {
			cgroup_device_rules_free(&built);
			return result;
		}
	}
	for (size_t i = 0; i < built.count; i++) {
		if (built.rules[i].access)
			built.rules[kept++] = built.rules[i];
	}
	built.count = kept;
	*exceptions = built;
	return 0;
}

int cgroup_devices_apply(const struct cgroup *group, const struct cgroup_request *request, struct error *err)
{
	const struct oci_resources *resources = request->resources;
	cleanup(cgroup_device_rules_free) struct cgroup_device_rules rules = { 0 };
	const struct cgroup_entry *entry = cgroup_find(group, CGROUP_DEVICES);
	int result;

	if (!entry) {
		/* Only where v1 has no devices hierarchy and there is no v2. */
		if (resources && resources->device_rule_count > 0)
			return cgroup_missing(group, CGROUP_DEVICES, "linux.resources.devices", err);
		return 0;
	}
	result = cgroup_device_rules(resources, &rules, err);
	if (result == 0)
		result = entry->unified ? cgroup_devices_v2(entry, &rules, request->prepared, err)
					: cgroup_devices_v1(entry, &rules, err);
	/* In a user namespace no device node can be made, and those bound in obey the host's permissions. */
	if ((result == -EPERM || result == -EACCES) && cgroup_caller_is_rootless()) {
		log_debug("device rules are left to the user namespace: %s", err ? err->message : "no permission");
		return 0;
	}
	return result;
}
