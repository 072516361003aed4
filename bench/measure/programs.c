/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole workloads, by the programs that the root file system has, on input that is the same everywhere. An operation is
 * all of it, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure/measure.h"

#define TREE       "tree"
#define LINES      "lines"
#define LINE_COUNT 40000U
#define UNITS      8U
#define FUNCTIONS  12U
#define TREE_FILES 100U

/* Runs a program of PATH with its output in a file; NULL: thrown away. */
static int run_program(struct measure_state *state, char *const *words, const char *output)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return measure_fail(state, "fork");
	if (pid == 0) {
		int fd = open(output ? output : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		int null = open("/dev/null", O_RDWR);

		if (fd < 0 || null < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
			dup2(null, STDIN_FILENO) < 0)
			_exit(126);
		execvp(words[0], words);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	errno = 0;
	(void)snprintf(state->reason, sizeof(state->reason),
		WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "there is no program %s" : "%s failed", words[0]);
	return -ENOENT;
}

static FILE *open_output(struct measure_state *state, const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		(void)measure_fail(state, path);
	return file;
}

static int close_output(struct measure_state *state, FILE *file)
{
	return fclose(file) == 0 ? 0 : measure_fail(state, "write the input of a workload");
}

/* ---- a small tree of C ---- */

static int write_unit(struct measure_state *state, unsigned int unit)
{
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), TREE "/unit%u.c", unit);
	file = open_output(state, path);
	if (!file)
		return -EIO;
	fprintf(file, "#include <stdio.h>\n#include <string.h>\n#include <stdlib.h>\n");
	for (unsigned int i = 0; i < FUNCTIONS; i++)
		fprintf(file,
			"unsigned unit%u_function%u(const char *text, unsigned seed)\n{\n"
			"\tunsigned hash = seed * %uu;\n\tfor (size_t i = 0; i < strlen(text); i++) {\n"
			"\t\tif (text[i] %% %u == 0)\n\t\t\thash ^= (hash << 5) + (unsigned char)text[i];\n"
			"\t\telse\n\t\t\thash = hash * 33u + %uu;\n\t}\n\treturn hash;\n}\n",
			unit, i, 2654435761U + i, i + 2, i * 7 + unit);
	return close_output(state, file);
}

static int write_main(struct measure_state *state)
{
	FILE *file = open_output(state, TREE "/main.c");

	if (!file)
		return -EIO;
	for (unsigned int unit = 0; unit < UNITS; unit++)
		fprintf(file, "unsigned unit%u_function0(const char *text, unsigned seed);\n", unit);
	fprintf(file, "int main(int argc, char **argv)\n{\n\tunsigned hash = (unsigned)argc;\n");
	for (unsigned int unit = 0; unit < UNITS; unit++)
		fprintf(file, "\thash = unit%u_function0(argv[0], hash);\n", unit);
	fprintf(file, "\treturn hash == 42;\n}\n");
	return close_output(state, file);
}

static int write_tree(struct measure_state *state)
{
	int result;

	if (mkdir(TREE, 0700) < 0 && errno != EEXIST)
		return measure_fail(state, "mkdir");
	result = write_main(state);
	for (unsigned int unit = 0; unit < UNITS && result == 0; unit++)
		result = write_unit(state, unit);
	return result;
}

/* As make would: a compiler for each unit, then the linker. */
static int run_build(struct measure_state *state, uint64_t operations)
{
	char source[64], object[64], objects[UNITS + 1][64];
	char *link[UNITS + 5] = { "cc", "-o", TREE "/program", NULL };
	int result = 0;

	(void)operations;
	for (unsigned int unit = 0; unit <= UNITS && result == 0; unit++) {
		char name[32];

		(void)snprintf(name, sizeof(name), unit < UNITS ? "unit%u" : "main", unit);
		(void)snprintf(source, sizeof(source), TREE "/%s.c", name);
		(void)snprintf(object, sizeof(object), TREE "/%s.o", name);
		result = run_program(state, (char *const[]){ "cc", "-O1", "-c", "-o", object, source, NULL }, NULL);
		memcpy(objects[unit], object, sizeof(object));
		link[3 + unit] = objects[unit];
	}
	return result < 0 ? result : run_program(state, link, NULL);
}

static void remove_tree(struct measure_state *state)
{
	(void)run_program(state, (char *const[]){ "rm", "-rf", TREE, NULL }, NULL);
}

/* ---- a tree of small files, a file of lines ---- */

static int write_files(struct measure_state *state)
{
	char path[64];
	int result = 0;

	if (mkdir(TREE, 0700) < 0 && errno != EEXIST)
		return measure_fail(state, "mkdir");
	for (unsigned int i = 0; i < TREE_FILES && result == 0; i++) {
		FILE *file;

		(void)snprintf(path, sizeof(path), TREE "/file%u", i);
		file = open_output(state, path);
		if (!file)
			return -EIO;
		for (unsigned int line = 0; line < 100; line++)
			fprintf(file, "line %u of file %u\n", line, i);
		result = close_output(state, file);
	}
	return result;
}

static int run_tar(struct measure_state *state, uint64_t operations)
{
	(void)operations;
	return run_program(state, (char *const[]){ "tar", "-cf", "tree.tar", TREE, NULL }, NULL);
}

static void remove_tar(struct measure_state *state)
{
	remove_tree(state);
	(void)unlink("tree.tar");
}

static int write_lines(struct measure_state *state)
{
	FILE *file = open_output(state, LINES);
	uint32_t number = 1;

	if (!file)
		return -EIO;
	for (unsigned int i = 0; i < LINE_COUNT; i++) {
		number = number * 1664525U + 1013904223U;
		fprintf(file, "%u the quick brown fox %u\n", number, number >> 16);
	}
	return close_output(state, file);
}

static int run_sort(struct measure_state *state, uint64_t operations)
{
	(void)operations;
	return run_program(state, (char *const[]){ "sort", LINES, NULL }, LINES ".sorted");
}

static int run_gzip(struct measure_state *state, uint64_t operations)
{
	(void)operations;
	return run_program(state, (char *const[]){ "gzip", "-c", LINES, NULL }, LINES ".gz");
}

static void remove_lines(struct measure_state *state)
{
	(void)state;
	(void)unlink(LINES);
	(void)unlink(LINES ".sorted");
	(void)unlink(LINES ".gz");
}

const struct measure_case measure_programs[] = {
	{ .name = "build", .prepare = write_tree, .run = run_build, .finish = remove_tree, .operations_once = 1 },
	{ .name = "tar", .prepare = write_files, .run = run_tar, .finish = remove_tar, .operations_once = 1 },
	{ .name = "sort", .prepare = write_lines, .run = run_sort, .finish = remove_lines, .operations_once = 1 },
	{ .name = "gzip", .prepare = write_lines, .run = run_gzip, .finish = remove_lines, .operations_once = 1 },
	{ 0 },
};
