/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shared_library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/lib-names.h>
#include <gnu/libc-version.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"

enum { LINKER_BYTES_MAX = 16 << 20 };

static bool is_static(void)
{
	return getauxval(AT_BASE) == 0;
}

/* The dynamic linker says of itself "ld.so (…) stable release version 2.36."; it comes in one package with the C
 * library. */
static bool linker_is_ours(const char *path)
{
	cleanup_free char *words = xprintf("release version %s.", gnu_get_libc_version());
	cleanup_strbuf struct strbuf content = STRBUF_INIT;

	return file_read(AT_FDCWD, path, LINKER_BYTES_MAX, &content) >= 0 &&
	       memmem(content.data, content.length, words, strlen(words));
}

int shared_library_load(const char *name, const char *purpose, void **handle, struct error *err)
{
	void *loaded;

	/* The C library that comes along shares unversioned structures with the one in this program. */
	if (is_static() && !linker_is_ours("/lib64/" LD_SO) && !linker_is_ours("/lib/" LD_SO))
		return error_set(err, -EOPNOTSUPP,
			"%s needs %s, which this program, statically linked with glibc %s, cannot load on a system "
			"with another "
			"glibc: build it here, or with STATIC=no",
			purpose, name, gnu_get_libc_version());
	loaded = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!loaded)
		return error_set(err, -EOPNOTSUPP, "%s needs %s: %s", purpose, name, dlerror());
	*handle = loaded;
	return 0;
}
