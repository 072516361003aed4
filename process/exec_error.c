/* SPDX-License-Identifier: Apache-2.0 */
#include "process/exec_error.h"

#include <ctype.h>
#include <elf.h>
#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/binfmts.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"

enum { STATUS_NOT_FOUND = 127, STATUS_NOT_EXECUTABLE = 126, INTERPRETER_DEPTH_MAX = 4, PROGRAM_HEADERS_MAX = 256 };

/* What is known of a file that would not execute. */
struct program {
	const char *path;
	int fd;
	unsigned char head[BINPRM_BUF_SIZE];
	size_t head_length;
	char interpreter[PATH_MAX]; /* of a #! line or PT_INTERP; "" when there is none */
	bool script, carriage_return;
	bool elf;
	bool big_endian, bits64;
	unsigned int machine;
};

static const struct {
	unsigned int machine;
	const char *name, *uname;
} machine_names[] = {
	{ EM_X86_64, "x86-64", "x86_64" }, { EM_386, "i386", "i686" }, { EM_AARCH64, "aarch64", "aarch64" },
	{ EM_ARM, "arm", "armv7l" }, { EM_RISCV, "riscv", "riscv64" }, { EM_PPC64, "powerpc64", "ppc64le" },
	{ EM_PPC, "powerpc", "ppc" }, { EM_S390, "s390", "s390x" }, { EM_MIPS, "mips", "mips64" },
	{ EM_SPARCV9, "sparc64", "sparc64" }, { EM_ALPHA, "alpha", "alpha" }, { EM_IA_64, "ia64", "ia64" },
	{ 258, "loongarch", "loongarch64" }, /* EM_LOONGARCH, younger than the header */
};

int exec_error_not_in_path(const char *name, struct error *err)
{
	return error_set_exit(err, STATUS_NOT_FOUND, -ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

/* Clients parse the messages in lower case, as Go writes them: "Exec format error" -> "exec format error". */
static const char *reason(int code, char text[128])
{
	(void)snprintf(text, 128, "%s", strerror(code));
	if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

static unsigned int read_u16(const struct program *program, size_t offset)
{
	uint16_t value;

	memcpy(&value, program->head + offset, sizeof(value));
	return program->big_endian ? be16toh(value) : le16toh(value);
}

static uint64_t read_word(const struct program *program, const unsigned char *at, bool wide)
{
	uint64_t value64;
	uint32_t value32;

	if (wide) {
		memcpy(&value64, at, sizeof(value64));
		return program->big_endian ? be64toh(value64) : le64toh(value64);
	}
	memcpy(&value32, at, sizeof(value32));
	return program->big_endian ? be32toh(value32) : le32toh(value32);
}

/* "#! /path argument": what the kernel would take for the interpreter, a carriage return at its end included. */
static void read_script(struct program *program)
{
	const char *line = (const char *)program->head + 2;
	size_t left = program->head_length - 2, length = 0;

	program->script = true;
	while (left > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		left--;
	}
	while (length < left && !strchr(" \t\n", line[length]))
		length++;
	memcpy(program->interpreter, line, length);
	program->interpreter[length] = '\0';
	if (length > 0 && program->interpreter[length - 1] == '\r') {
		program->interpreter[length - 1] = '\0';
		program->carriage_return = true;
	}
}

static void read_interpreter(struct program *program, const unsigned char *header)
{
	bool wide = program->bits64;
	uint64_t offset = read_word(program, header + (wide ? 8 : 4), wide);
	uint64_t size = read_word(program, header + (wide ? 32 : 16), wide);
	ssize_t got;

	if (size == 0 || size >= sizeof(program->interpreter) || offset > INT64_MAX)
		return;
	got = pread(program->fd, program->interpreter, size, (off_t)offset);
	program->interpreter[got > 0 ? (size_t)got : 0] = '\0';
}

static void read_elf(struct program *program)
{
	bool wide = program->head[EI_CLASS] == ELFCLASS64;
	size_t header_bytes = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	unsigned char header[sizeof(Elf64_Phdr)];
	uint64_t table;
	unsigned int count;

	program->elf = true;
	program->bits64 = wide;
	program->big_endian = program->head[EI_DATA] == ELFDATA2MSB;
	program->machine = read_u16(program, offsetof(Elf64_Ehdr, e_machine));
	table = read_word(
		program, program->head + (wide ? offsetof(Elf64_Ehdr, e_phoff) : offsetof(Elf32_Ehdr, e_phoff)), wide);
	count = read_u16(program, wide ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum));
	for (unsigned int i = 0; i < count && i < PROGRAM_HEADERS_MAX && table < INT64_MAX / 2; i++) {
		if (pread(program->fd, header, header_bytes, (off_t)(table + i * header_bytes)) !=
			(ssize_t)header_bytes)
			return;
		if (read_word(program, header, false) == PT_INTERP) {
			read_interpreter(program, header);
			return;
		}
	}
}

/* Reads the file as the kernel would; a file that cannot be read stays all zero. */
static int read_program(struct program *program)
{
	ssize_t got;

	program->fd = open(program->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (program->fd < 0)
		return -errno;
	got = pread(program->fd, program->head, sizeof(program->head), 0);
	program->head_length = got > 0 ? (size_t)got : 0;
	if (program->head_length > 2 && memcmp(program->head, "#!", 2) == 0)
		read_script(program);
	else if (program->head_length >= sizeof(Elf64_Ehdr) && memcmp(program->head, ELFMAG, SELFMAG) == 0)
		read_elf(program);
	return 0;
}

static int diagnose(const char *path, int code, unsigned int depth, struct error *err);

static int diagnose_not_found(const struct program *program, unsigned int depth, struct error *err)
{
	const char *what = program->script ? "interpreter" : "ELF loader";

	if (!program->interpreter[0])
		return error_set_exit(
			err, STATUS_NOT_FOUND, -ENOENT, "exec: \"%s\": no such file or directory", program->path);
	if (program->carriage_return)
		return error_set_exit(err, STATUS_NOT_FOUND, -ENOENT,
			"exec \"%s\": interpreter \"%s\\r\" not found: no such file or directory "
			"(the #! line ends in CR LF: convert the file to Unix line ends)",
			program->path, program->interpreter);
	if (access(program->interpreter, F_OK) == 0 && depth < INTERPRETER_DEPTH_MAX) {
		/* It is there, so one that it needs itself is not. */
		int result = diagnose(program->interpreter, ENOENT, depth + 1, err);

		(void)error_prefix(err, "exec \"%s\"", program->path);
		return result;
	}
	return error_set_exit(err, STATUS_NOT_FOUND, -ENOENT,
		"exec \"%s\": %s \"%s\" not found: no such file or directory", program->path, what,
		program->interpreter);
}

/* Why access is refused, " (…)", or "". */
static const char *why_denied(const struct program *program, char text[PATH_MAX + 128])
{
	struct statvfs file_system;
	struct stat status;

	if (stat(program->path, &status) < 0)
		return " (a directory on the way to it may not be searched)";
	if (S_ISDIR(status.st_mode))
		return " (it is a directory)";
	if (!S_ISREG(status.st_mode))
		return " (it is not a regular file)";
	if (statvfs(program->path, &file_system) == 0 && (file_system.f_flag & ST_NOEXEC))
		return " (its file system is mounted noexec)";
	if (!(status.st_mode & 0111))
		return " (it has no execute permission)";
	if (faccessat(AT_FDCWD, program->path, X_OK, AT_EACCESS) < 0)
		return " (it has no execute permission for this user)";
	if (program->interpreter[0] && faccessat(AT_FDCWD, program->interpreter, X_OK, AT_EACCESS) < 0) {
		(void)snprintf(
			text, PATH_MAX + 128, " (its interpreter \"%s\" may not be executed)", program->interpreter);
		return text;
	}
	return "";
}

static const char *machine_name(const struct program *program, char text[32])
{
	for (size_t i = 0; i < ARRAY_SIZE(machine_names); i++) {
		if (machine_names[i].machine == program->machine)
			return machine_names[i].name;
	}
	(void)snprintf(text, 32, "machine number %u", program->machine);
	return text;
}

static const char *this_machine(struct utsname *names)
{
	if (uname(names) < 0)
		return "another";
	for (size_t i = 0; i < ARRAY_SIZE(machine_names); i++) {
		if (strcmp(machine_names[i].uname, names->machine) == 0)
			return machine_names[i].name;
	}
	return names->machine;
}

static int diagnose_format(const struct program *program, struct error *err)
{
	struct utsname names;
	char number[32];
	const char *built, *here;

	if (program->fd >= 0 && program->head_length == 0)
		return error_set_exit(err, STATUS_NOT_EXECUTABLE, -ENOEXEC,
			"exec: \"%s\": exec format error (the file is empty)", program->path);
	if (!program->elf)
		return error_set_exit(err, STATUS_NOT_EXECUTABLE, -ENOEXEC,
			"exec: \"%s\": exec format error (neither a program nor a script that begins with #!)",
			program->path);
	built = machine_name(program, number);
	here = this_machine(&names);
	if (strcmp(built, here) == 0)
		return error_set_exit(err, STATUS_NOT_EXECUTABLE, -ENOEXEC,
			"exec: \"%s\": exec format error (a damaged program)", program->path);
	return error_set_exit(err, STATUS_NOT_EXECUTABLE, -ENOEXEC,
		"exec: \"%s\": exec format error (built for %s, this machine is %s)", program->path, built, here);
}

static int diagnose(const char *path, int code, unsigned int depth, struct error *err)
{
	struct program program = { .path = path, .fd = -EBADF };
	char text[PATH_MAX + 128];
	int result;

	(void)read_program(&program);
	if (code == ENOENT)
		result = diagnose_not_found(&program, depth, err);
	else if (code == ENOEXEC || code == ELIBBAD)
		result = diagnose_format(&program, err);
	else if (code == EACCES)
		result = error_set_exit(err, STATUS_NOT_EXECUTABLE, -EACCES, "exec: \"%s\": permission denied%s", path,
			why_denied(&program, text));
	else if (code == ETXTBSY)
		result = error_set_exit(err, STATUS_NOT_EXECUTABLE, -ETXTBSY,
			"exec: \"%s\": text file busy (it is open for writing)", path);
	else
		result =
			error_set_exit(err, STATUS_NOT_EXECUTABLE, -code, "exec: \"%s\": %s", path, reason(code, text));
	close_fd(&program.fd);
	return result;
}

int exec_error_diagnose(const char *path, int code, struct error *err)
{
	return diagnose(path, code, 0, err);
}
