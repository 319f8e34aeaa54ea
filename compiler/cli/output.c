/* Writes what -o names. */
#include "compiler/cli/cli.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes beside the file and renames, so that a reader never sees half of it. What is there already and no plain file,
 * such as /dev/stdout or a pipe, is written to in place: a rename would remove it. */
const char *output_write(struct arena *arena, const char *path, void (*print)(FILE *stream, const void *object),
			 const void *object)
{
	struct stat there;
	bool replace = lstat(path, &there) != 0 || S_ISREG(there.st_mode);
	const char *name = replace ? arena_printf(arena, "%s.%d.new", path, (int)getpid()) : path;
	FILE *stream = fopen(name, replace ? "wxe" : "we");
	if (stream == NULL)
		return arena_printf(arena, "%s: %s", path, strerror(errno));
	print(stream, object);
	bool failed = ferror(stream) != 0;
	if (fclose(stream) != 0 || failed || (replace && rename(name, path) != 0)) {
		int error = errno;
		if (replace)
			unlink(name);
		return arena_printf(arena, "%s: %s", path, strerror(error));
	}
	return NULL;
}
