/* `mode: audit` becomes `mode: enforce`, and no other byte of a file another. */
#include "compiler/cli/promote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char old_word[] = "audit", new_word[] = "enforce";
enum { FILE_MOST = 64 << 20 };

/* ---- a line ---- */

/* The byte at which a column begins, which counts characters; NULL: the line ends before. */
static const char *at_column(const char *line, const char *end, unsigned column)
{
	for (; line < end && column > 1; column--)
		for (line++; line < end && ((unsigned char)*line & 0xc0) == 0x80;)
			line++;
	return line < end ? line : NULL;
}

/* Where the word stands in a text; NULL: it does not, as where the file was changed, or the value is an alias. */
static const char *place_of(const struct mode_edit *edit, const char *text, const char **line, const char **end)
{
	*line = text;
	for (unsigned i = 1; i < edit->line && *line != NULL; i++) {
		*line = strchr(*line, '\n');
		*line = *line != NULL ? *line + 1 : NULL;
	}
	if (*line == NULL)
		return NULL;
	*end = *line + strcspn(*line, "\n");
	const char *word = at_column(*line, *end, edit->column);
	if (word != NULL && (*word == '"' || *word == '\''))
		word++;
	return word != NULL && strncmp(word, old_word, sizeof old_word - 1) == 0 ? word : NULL;
}

/* ---- a file ---- */

static char *read_text(struct arena *arena, const char *path, struct stat *status, size_t *length)
{
	char *text = NULL;
	FILE *stream = fopen(path, "re");
	if (stream == NULL)
		return NULL;
	if (fstat(fileno(stream), status) == 0 && S_ISREG(status->st_mode) && status->st_size <= FILE_MOST) {
		text = arena_alloc(arena, (size_t)status->st_size + 1);
		*length = fread(text, 1, (size_t)status->st_size, stream);
		text[*length] = 0;
		text = strlen(text) == *length ? text : NULL; /* a byte 0 is in no policy */
	}
	fclose(stream);
	return text;
}

const char *mode_edits_find(struct arena *arena, struct mode_edit *edits, size_t count)
{
	struct stat status;
	size_t length;
	for (size_t i = 0; i < count; i++) {
		struct mode_edit *edit = &edits[i];
		const char *line, *end, *text = read_text(arena, edit->file, &status, &length);
		const char *word = text != NULL ? place_of(edit, text, &line, &end) : NULL;
		if (word == NULL)
			return arena_printf(arena, "%s:%u: there is no `mode: audit`, as it would be edited",
					    edit->file, edit->line);
		edit->before = arena_copy(arena, line, (size_t)(end - line));
		edit->after = arena_printf(arena, "%.*s%s%.*s", (int)(word - line), line, new_word,
					   (int)(end - word - (sizeof old_word - 1)), word + sizeof old_word - 1);
	}
	return NULL;
}

/* Beside the file, under a name that no policy is read by, then renamed. */
static int replace(struct arena *arena, const char *path, const struct stat *status, const char *text, size_t length)
{
	const char *slash = strrchr(path, '/');
	const char *name = arena_printf(arena, "%.*s.%s.%d.new", slash != NULL ? (int)(slash + 1 - path) : 0, path,
					slash != NULL ? slash + 1 : path, (int)getpid());
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = 0;
	if (geteuid() == 0 && fchown(fd, status->st_uid, status->st_gid) != 0)
		error = -errno;
	if (error == 0 && fchmod(fd, status->st_mode & 07777) != 0)
		error = -errno;
	for (size_t done = 0; done < length && error == 0;) {
		ssize_t n = write(fd, text + done, length - done);
		error = n < 0 && errno != EINTR ? -errno : 0;
		done += n > 0 ? (size_t)n : 0;
	}
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	close(fd);
	if (error == 0 && rename(name, path) != 0)
		error = -errno;
	if (error != 0)
		unlink(name);
	return error;
}

/* All edits of the file of the first, of which each changes the text behind it by the same length. */
static const char *write_file(struct arena *arena, const struct mode_edit *edits, size_t count)
{
	char real[PATH_MAX];
	struct stat status;
	size_t length;
	const char *line, *end, *file = edits[0].file;
	char *text = realpath(file, real) != NULL ? read_text(arena, real, &status, &length) : NULL;
	if (text == NULL)
		return arena_printf(arena, "%s: %s", file, strerror(errno));
	for (size_t i = count; i-- > 0;) { /* from the end, so that places before it stay where they are */
		const char *word = strcmp(edits[i].file, file) == 0 ? place_of(&edits[i], text, &line, &end) : NULL;
		if (strcmp(edits[i].file, file) != 0)
			continue;
		if (word == NULL || strncmp(line, edits[i].before, (size_t)(word - line)) != 0)
			return arena_printf(arena, "%s:%u: it was changed meanwhile", file, edits[i].line);
		text = arena_printf(arena, "%.*s%s%s", (int)(word - text), text, new_word, word + sizeof old_word - 1);
	}
	int error = replace(arena, real, &status, text, strlen(text));
	return error == 0 ? NULL : arena_printf(arena, "%s: %s", file, strerror(-error));
}

const char *mode_edits_write(struct arena *arena, const struct mode_edit *edits, size_t count)
{
	const char *wrong = NULL;
	for (size_t i = 0; i < count && wrong == NULL; i++)
		if (i == 0 || strcmp(edits[i - 1].file, edits[i].file) != 0)
			wrong = write_file(arena, edits + i, count - i);
	return wrong;
}
