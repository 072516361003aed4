/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_plan.h"

#include <stdlib.h>

/* Smallest encodings of one element, for wire_get_count(). */
enum { RLIMIT_WIRE_BYTES = 20, FILTER_WIRE_BYTES = 8 };

void process_plan_free(struct process_plan *plan)
{
	free_strings(plan->args);
	free_strings(plan->env);
	free(plan->cwd);
	free(plan->additional_gids);
	free(plan->rlimits);
	free(plan->user_name);
	free(plan->group_name);
	free(plan->memory_policy.nodes);
	free(plan->cpu_affinity_initial);
	free(plan->cpu_affinity_final);
	free(plan->apparmor_profile);
	free(plan->selinux_label);
	free(plan->keyring_name);
	free(plan->seccomp.filter);
	for (uint32_t i = 0; i < plan->landlock.rule_count; i++)
		free(plan->landlock.rules[i].path);
	free(plan->landlock.rules);
	*plan = (struct process_plan){ 0 };
}

static void encode_user(const struct process_plan *plan, struct strbuf *out)
{
	wire_put_u32(out, plan->uid);
	wire_put_u32(out, plan->gid);
	wire_put_u32(out, plan->additional_gid_count);
	for (uint32_t i = 0; i < plan->additional_gid_count; i++)
		wire_put_u32(out, plan->additional_gids[i]);
	wire_put_string(out, plan->user_name);
	wire_put_string(out, plan->group_name);
	wire_put_u8(out, plan->user_groups);
	wire_put_u8(out, plan->setgroups_denied);
	wire_put_u8(out, plan->umask_set);
	wire_put_u32(out, plan->umask);
}

static void encode_capabilities(const struct process_capabilities *capabilities, struct strbuf *out)
{
	wire_put_u8(out, capabilities->set);
	wire_put_u64(out, capabilities->bounding);
	wire_put_u64(out, capabilities->effective);
	wire_put_u64(out, capabilities->inheritable);
	wire_put_u64(out, capabilities->permitted);
	wire_put_u64(out, capabilities->ambient);
}

static void encode_scheduling(const struct process_plan *plan, struct strbuf *out)
{
	wire_put_u8(out, plan->oom_score_set);
	wire_put_i64(out, plan->oom_score_adjust);
	wire_put_u8(out, plan->scheduler.set);
	wire_put_i64(out, plan->scheduler.policy);
	wire_put_i64(out, plan->scheduler.nice);
	wire_put_i64(out, plan->scheduler.priority);
	wire_put_u64(out, plan->scheduler.flags);
	wire_put_u64(out, plan->scheduler.runtime_ns);
	wire_put_u64(out, plan->scheduler.deadline_ns);
	wire_put_u64(out, plan->scheduler.period_ns);
	wire_put_u8(out, plan->io_priority.set);
	wire_put_i64(out, plan->io_priority.class);
	wire_put_i64(out, plan->io_priority.priority);
	wire_put_u8(out, plan->personality_set);
	wire_put_u64(out, plan->personality);
	wire_put_string(out, plan->cpu_affinity_initial);
	wire_put_string(out, plan->cpu_affinity_final);
}

static void encode_seccomp(const struct process_seccomp *seccomp, struct strbuf *out)
{
	wire_put_u8(out, seccomp->filter != NULL);
	wire_put_u32(out, seccomp->filter ? seccomp->filter_count : 0);
	for (uint32_t i = 0; seccomp->filter && i < seccomp->filter_count; i++) {
		const struct sock_filter *instruction = &seccomp->filter[i];

		wire_put_u32(
			out, instruction->code | (uint32_t)instruction->jt << 16 | (uint32_t)instruction->jf << 24);
		wire_put_u32(out, instruction->k);
	}
	wire_put_u32(out, seccomp->flags);
	wire_put_u8(out, seccomp->notify);
}

void process_plan_encode(const struct process_plan *plan, struct strbuf *out)
{
	wire_put_strings(out, plan->args);
	wire_put_strings(out, plan->env);
	wire_put_string(out, plan->cwd);
	wire_put_u8(out, plan->terminal);
	wire_put_u32(out, plan->rows);
	wire_put_u32(out, plan->columns);
	encode_user(plan, out);
	encode_capabilities(&plan->capabilities, out);
	wire_put_u32(out, plan->rlimit_count);
	for (uint32_t i = 0; i < plan->rlimit_count; i++) {
		wire_put_u32(out, (uint32_t)plan->rlimits[i].resource);
		wire_put_u64(out, plan->rlimits[i].soft);
		wire_put_u64(out, plan->rlimits[i].hard);
	}
	wire_put_u8(out, plan->no_new_privileges);
	encode_scheduling(plan, out);
	wire_put_string(out, plan->apparmor_profile);
	wire_put_string(out, plan->selinux_label);
	wire_put_u8(out, plan->new_keyring);
	wire_put_u8(out, plan->init);
	wire_put_string(out, plan->keyring_name);
	encode_seccomp(&plan->seccomp, out);
	wire_put_u32(out, plan->preserve_fds);
}

static void decode_user(struct process_plan *plan, struct wire_reader *in)
{
	plan->uid = wire_get_u32(in);
	plan->gid = wire_get_u32(in);
	plan->additional_gid_count = wire_get_count(in, sizeof(uint32_t));
	plan->additional_gids = xcalloc(plan->additional_gid_count, sizeof(*plan->additional_gids));
	for (uint32_t i = 0; i < plan->additional_gid_count; i++)
		plan->additional_gids[i] = wire_get_u32(in);
	plan->user_name = wire_get_string(in);
	plan->group_name = wire_get_string(in);
	plan->user_groups = wire_get_u8(in) != 0;
	plan->setgroups_denied = wire_get_u8(in) != 0;
	plan->umask_set = wire_get_u8(in) != 0;
	plan->umask = wire_get_u32(in) & 07777;
}

static void decode_capabilities(struct process_capabilities *capabilities, struct wire_reader *in)
{
	capabilities->set = wire_get_u8(in) != 0;
	capabilities->bounding = wire_get_u64(in);
	capabilities->effective = wire_get_u64(in);
	capabilities->inheritable = wire_get_u64(in);
	capabilities->permitted = wire_get_u64(in);
	capabilities->ambient = wire_get_u64(in);
}

static void decode_scheduling(struct process_plan *plan, struct wire_reader *in)
{
	plan->oom_score_set = wire_get_u8(in) != 0;
	plan->oom_score_adjust = (int)wire_get_i64(in);
	plan->scheduler.set = wire_get_u8(in) != 0;
	plan->scheduler.policy = (int)wire_get_i64(in);
	plan->scheduler.nice = (int)wire_get_i64(in);
	plan->scheduler.priority = (int)wire_get_i64(in);
	plan->scheduler.flags = wire_get_u64(in);
	plan->scheduler.runtime_ns = wire_get_u64(in);
	plan->scheduler.deadline_ns = wire_get_u64(in);
	plan->scheduler.period_ns = wire_get_u64(in);
	plan->io_priority.set = wire_get_u8(in) != 0;
	plan->io_priority.class = (int)wire_get_i64(in);
	plan->io_priority.priority = (int)wire_get_i64(in);
	plan->personality_set = wire_get_u8(in) != 0;
	plan->personality = wire_get_u64(in);
	plan->cpu_affinity_initial = wire_get_string(in);
	plan->cpu_affinity_final = wire_get_string(in);
}

static void decode_seccomp(struct process_seccomp *seccomp, struct wire_reader *in)
{
	bool present = wire_get_u8(in) != 0;

	seccomp->filter_count = wire_get_count(in, FILTER_WIRE_BYTES);
	if (present)
		seccomp->filter = xcalloc(seccomp->filter_count, sizeof(*seccomp->filter));
	else if (seccomp->filter_count)
		in->failed = true;
	for (uint32_t i = 0; present && i < seccomp->filter_count; i++) {
		uint32_t operation = wire_get_u32(in);

		seccomp->filter[i] = (struct sock_filter){
			.code = (uint16_t)operation,
			.jt = (uint8_t)(operation >> 16),
			.jf = (uint8_t)(operation >> 24),
			.k = wire_get_u32(in),
		};
	}
	seccomp->flags = wire_get_u32(in);
	seccomp->notify = wire_get_u8(in) != 0;
}

static void decode_plan(struct process_plan *plan, struct wire_reader *in)
{
	plan->args = wire_get_strings(in);
	plan->env = wire_get_strings(in);
	plan->cwd = wire_get_string(in);
	plan->terminal = wire_get_u8(in) != 0;
	plan->rows = wire_get_u32(in);
	plan->columns = wire_get_u32(in);
	decode_user(plan, in);
	decode_capabilities(&plan->capabilities, in);
	plan->rlimit_count = wire_get_count(in, RLIMIT_WIRE_BYTES);
	plan->rlimits = xcalloc(plan->rlimit_count, sizeof(*plan->rlimits));
	for (uint32_t i = 0; i < plan->rlimit_count; i++) {
		plan->rlimits[i].resource = (int)wire_get_u32(in);
		plan->rlimits[i].soft = wire_get_u64(in);
		plan->rlimits[i].hard = wire_get_u64(in);
	}
	plan->no_new_privileges = wire_get_u8(in) != 0;
	decode_scheduling(plan, in);
	plan->apparmor_profile = wire_get_string(in);
	plan->selinux_label = wire_get_string(in);
	plan->new_keyring = wire_get_u8(in) != 0;
	plan->init = wire_get_u8(in) != 0;
	plan->keyring_name = wire_get_string(in);
	decode_seccomp(&plan->seccomp, in);
	plan->preserve_fds = wire_get_u32(in);
}

int process_plan_decode(struct process_plan *plan, struct wire_reader *in, struct error *err)
{
	struct process_plan decoded = { 0 };
	const char *wrong = NULL;

	decode_plan(&decoded, in);
	if (in->failed)
		wrong = "it is short or malformed";
	else if (!decoded.args[0])
		wrong = "it has no arguments";
	else if (!decoded.cwd || decoded.cwd[0] != '/')
		wrong = "its working directory is not an absolute path";
	if (wrong) {
		process_plan_free(&decoded);
		return error_set(err, -EBADMSG, "decode the plan of a process: %s", wrong);
	}
	*plan = decoded;
	return 0;
}
