/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled filters on disk. An entry is a file named by its key, in hexadecimal:
 *
 *     struct entry_header, then `count` instructions
 *
 * The checksum covers the header before it and the instructions. It finds damage, not malice: whoever can write to the
 * directory is the user himself, which is what the checks of owner and mode are for.
 */
#include "seccomp/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/wire.h"

#define ENTRY_MAGIC "duetBPF"

struct entry_header {
	char magic[8];
	unsigned char key[SHA256_BYTES];
	uint32_t count;
	uint32_t notify;
	unsigned char checksum[SHA256_BYTES];
};

static void put_optional(struct strbuf *out, const struct oci_u64 *number)
{
	wire_put_u8(out, number->set);
	wire_put_u64(out, number->set ? number->value : 0);
}

static void put_rule(struct strbuf *out, const struct oci_seccomp_rule *rule)
{
	wire_put_strings(out, rule->names);
	wire_put_u32(out, rule->action);
	put_optional(out, &rule->errno_ret);
	wire_put_u64(out, rule->argument_count);
	for (size_t i = 0; i < rule->argument_count; i++) {
		wire_put_u32(out, rule->arguments[i].index);
		wire_put_u64(out, rule->arguments[i].value);
		wire_put_u64(out, rule->arguments[i].value_two);
		wire_put_u32(out, rule->arguments[i].operator);
	}
}

/* Everything that shapes the program. Flags and the listener do not: they go beside it. */
static void make_key(const struct oci_seccomp *profile, unsigned char key[SHA256_BYTES])
{
	cleanup_strbuf struct strbuf actions = STRBUF_INIT, text = STRBUF_INIT;
	const struct scmp_version *version = seccomp_version();

	(void)file_read(AT_FDCWD, "/proc/sys/kernel/seccomp/actions_avail", 4096, &actions);
	wire_put_string(&text, "duet " DUET_VERSION);
	wire_put_u32(&text, SECCOMP_FORMAT_VERSION);
	wire_put_u32(&text, seccomp_arch_native());
	wire_put_u32(&text, version->major);
	wire_put_u32(&text, version->minor);
	wire_put_u32(&text, version->micro);
	wire_put_string(&text, actions.data);
	wire_put_u32(&text, profile->default_action);
	put_optional(&text, &profile->default_errno_ret);
	wire_put_u64(&text, profile->architecture_count);
	for (size_t i = 0; i < profile->architecture_count; i++)
		wire_put_u32(&text, profile->architectures[i]);
	wire_put_u64(&text, profile->rule_count);
	for (size_t i = 0; i < profile->rule_count; i++)
		put_rule(&text, &profile->rules[i]);
	sha256(text.data, text.length, key);
}

static void make_checksum(
	const struct entry_header *header, const void *instructions, unsigned char checksum[SHA256_BYTES])
{
	struct sha256 hash;

	sha256_start(&hash);
	sha256_add(&hash, header, offsetof(struct entry_header, checksum));
	sha256_add(&hash, instructions, header->count * sizeof(struct sock_filter));
	sha256_finish(&hash, checksum);
}

static bool private_to_us(int fd, mode_t type)
{
	struct stat status;

	return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == type && status.st_uid == geteuid() &&
	       (status.st_mode & 022) == 0;
}

/* Returns 0, -ENOENT when there is no such entry, or -EBADMSG when there is one that cannot be used. */
static int read_entry(int directory, const unsigned char key[SHA256_BYTES], struct seccomp_program *program)
{
	cleanup_fd int fd =
		openat(directory, sha256_text(key).text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	unsigned char checksum[SHA256_BYTES];
	struct entry_header header;
	const char *instructions;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EBADMSG;
	if (!private_to_us(fd, S_IFREG) ||
		file_read_fd(fd, sizeof(header) + BPF_MAXINSNS * sizeof(struct sock_filter), &content) < 0)
		return -EBADMSG;
	if (content.length < sizeof(header))
		return -EBADMSG;
	memcpy(&header, content.data, sizeof(header));
	instructions = content.data + sizeof(header);
	if (memcmp(header.magic, ENTRY_MAGIC, sizeof(header.magic)) != 0 ||
		memcmp(header.key, key, SHA256_BYTES) != 0 || header.count == 0 || header.count > BPF_MAXINSNS ||
		header.notify > 1 || content.length - sizeof(header) != header.count * sizeof(struct sock_filter))
		return -EBADMSG;
	make_checksum(&header, instructions, checksum);
	if (memcmp(checksum, header.checksum, SHA256_BYTES) != 0)
		return -EBADMSG;
	program->filter = xmemdup(instructions, header.count * sizeof(struct sock_filter));
	program->count = header.count;
	program->notify = header.notify;
	return 0;
}

static void write_entry(int directory, const unsigned char key[SHA256_BYTES], const struct seccomp_program *program)
{
	struct entry_header header = { .magic = ENTRY_MAGIC, .count = program->count, .notify = program->notify };
	cleanup_strbuf struct strbuf entry = STRBUF_INIT;
	int result;

	memcpy(header.key, key, SHA256_BYTES);
	make_checksum(&header, program->filter, header.checksum);
	strbuf_append(&entry, &header, sizeof(header));
	strbuf_append(&entry, program->filter, program->count * sizeof(struct sock_filter));
	result = file_replace(directory, sha256_text(key).text, entry.data, entry.length, 0600);
	if (result < 0)
		log_debug("the seccomp filter was not cached: %s", strerror(-result));
}

int seccomp_compile_cached(int cache_directory, const struct oci_seccomp *profile, struct seccomp_program *program,
	bool *cached, struct error *err)
{
	cleanup_seccomp_program struct seccomp_program found = { 0 };
	unsigned char key[SHA256_BYTES];
	bool usable = cache_directory >= 0 && private_to_us(cache_directory, S_IFDIR), hit = false;
	int result;

	if (cache_directory >= 0 && !usable)
		log_warning("the directory of the seccomp cache is not private to this user: not used");
	if (usable) {
		make_key(profile, key);
		result = read_entry(cache_directory, key, &found);
		hit = result == 0;
		if (result == -EBADMSG)
			log_warning("the seccomp cache's entry %s is damaged: compiling anew", sha256_text(key).text);
	}
	if (hit) {
		result = seccomp_load_flags(profile, found.notify, &found.flags, err);
	} else {
		result = seccomp_compile(profile, &found, err);
		if (result == 0 && usable)
			write_entry(cache_directory, key, &found);
	}
	if (result < 0)
		return result;
	*program = found;
	found = (struct seccomp_program){ 0 };
	if (cached)
		*cached = hit;
	return 0;
}
