/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader has to know of the machine. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "bench/bench_internal.h"
#include "microvm/vm.h"

enum { FILE_BYTES_MAX = 4 << 20 };

static char *first_line(const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char *end;

	if (file_read(AT_FDCWD, path, FILE_BYTES_MAX, &text) < 0 || !text.length)
		return NULL;
	end = strchr(text.data, '\n');
	return end ? xstrndup(text.data, (size_t)(end - text.data)) : xstrdup(text.data);
}

static char *processor_model(void)
{
	static const char key[] = "model name";
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	const char *at, *colon;

	if (file_read(AT_FDCWD, "/proc/cpuinfo", FILE_BYTES_MAX, &text) < 0 || !text.length)
		return NULL;
	at = strstr(text.data, key);
	colon = at ? strstr(at, ": ") : NULL;
	return colon ? xstrndup(colon + 2, strcspn(colon + 2, "\n")) : NULL;
}

/* "always [madvise] never": the one in brackets. */
static char *chosen_word(const char *path)
{
	cleanup_free char *line = first_line(path);
	const char *begin = line ? strchr(line, '[') : NULL;

	return begin ? xstrndup(begin + 1, strcspn(begin + 1, "]")) : NULL;
}

/* Type of the file system by its device in /proc/self/mountinfo (proc_pid_mountinfo(5)). */
static char *file_system_of(const char *path)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_free char *device = NULL;
	struct stat status;
	const char *line, *dash;

	if (stat(path, &status) < 0 || file_read(AT_FDCWD, "/proc/self/mountinfo", FILE_BYTES_MAX, &text) < 0)
		return NULL;
	device = xprintf(" %u:%u ", major(status.st_dev), minor(status.st_dev));
	line = strstr(text.data, device);
	dash = line ? strstr(line, " - ") : NULL;
	return dash ? xstrndup(dash + 3, strcspn(dash + 3, " \n")) : NULL;
}

/* Of the host, as the measuring program tells it: behind the walls it is asked in the same way. */
static void read_kernel(struct bench *bench)
{
	cleanup_free char *program = xprintf("%s/" MEASURE_FILE, bench->inside);
	struct results_host *host = &bench->results->host;
	struct command_process process = { .pidfd = -EBADF };
	struct error err;

	if (process_start(bench, (const char *const[]){ program, "facts", NULL }, 0, &process, &err) < 0)
		return;
	if (instance_read_facts(bench, &process, &host->kernel, &host->mitigations, &err) < 0)
		log_debug("%s", err.message);
	process_close(&process);
}

static void read_kvm(struct bench *bench)
{
	struct results_host *host = &bench->results->host;
	cleanup_fd int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct vm_host found;
	struct error err;

	if (kvm < 0 || vm_host_probe(kvm, &found, &err) < 0)
		return;
	host->kvm = xstrndup(found.description, strcspn(found.description, " "));
	host->kvm_hardware = found.hardware;
	host->kvm_paging = xstrdup(!strstr(found.description, "with nested") ? "shadow"
				   : strstr(found.description, "intel")      ? "EPT"
									     : "NPT");
	bench->software = !found.hardware;
}

void host_facts_read(struct bench *bench)
{
	struct results_host *host = &bench->results->host;
	long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);

	host->cpu = processor_model();
	host->processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	host->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
	host->governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	host->transparent_pages = chosen_word("/sys/kernel/mm/transparent_hugepage/enabled");
	host->file_system = file_system_of(bench->scratch);
	host->caches = xstrdup(
		"warm, each column was run once before it counted; the case run-cold has files out of the page cache");
	read_kernel(bench);
	read_kvm(bench);
}
