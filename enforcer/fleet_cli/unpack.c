/* Writes the files of a bundle: into a directory of another name, which gets its own when it is whole. The paths were
 * checked, and nothing but what is made here is in there. */
#include "enforcer/fleet_cli/fleet_cli.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *error(struct arena *arena, const char *path)
{
	return arena_printf(arena, "%s: %s", path, strerror(errno));
}

/* Makes the directories that `path`, which is ours to write to, leads through behind its first `from` bytes. */
static bool make_directories(char *path, size_t from)
{
	bool made = true;
	for (char *slash = strchr(path + from, '/'); slash != NULL && made; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		made = mkdir(path, 0777) == 0 || errno == EEXIST;
		*slash = '/';
	}
	return made;
}

static bool write_file(const char *path, const struct source *file)
{
	FILE *stream = fopen(path, "wxe");
	if (stream == NULL)
		return false;
	bool written = fwrite(file->text, 1, file->length, stream) == file->length;
	return fclose(stream) == 0 && written;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

const char *bundle_unpack(const struct bundle *bundle, struct arena *arena, const char *directory)
{
	size_t length = strlen(directory);
	while (length > 1 && directory[length - 1] == '/')
		length--;
	const char *wanted = arena_copy(arena, directory, length);
	const char *made = arena_printf(arena, "%s.%d.new", wanted, (int)getpid()), *wrong = NULL;
	if (mkdir(made, 0777) != 0)
		return error(arena, made);
	for (size_t i = 0; i < bundle->texts.count && wrong == NULL; i++) {
		const struct source *file = &bundle->texts.files[i];
		char *path = arena_printf(arena, "%s/%s", made, file->file);
		if (!make_directories(path, strlen(made) + 1) || !write_file(path, file))
			wrong = error(arena, path);
	}
	if (wrong == NULL && renameat2(AT_FDCWD, made, AT_FDCWD, wanted, RENAME_NOREPLACE) != 0)
		wrong = error(arena, wanted);
	if (wrong != NULL)
		nftw(made, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return wrong;
}
