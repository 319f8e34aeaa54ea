/* Writing: a temporary name in the same directory, fsync, rename, fsync of the directory (rename(2), fsync(2)); so a
 * crash at any moment leaves the file as it was, or as it shall be. The daemon may have no right but to this directory:
 * everything goes by its descriptor. */
#include "enforcer/service/state_file.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'R', 'F', 'S', 'T', 'A', 'T', 'E', '\n'};

/* A change of what the payload means is another version: the older daemon and the newer refuse each other's. */
static const struct {
	const char *name;
	uint32_t version;
} kinds[STATE_KINDS] = {
    [STATE_RULESET] = {"ruleset", 2},
    [STATE_POLICY] = {"policy", 1},
    [STATE_INCIDENTS] = {"quarantines", 1},
    [STATE_USAGE] = {"usage", 1},
    [STATE_EVIDENCE] = {"evidence of audit", 1},
    [STATE_BUNDLE] = {"newest bundle", 1},
    [STATE_FLEET] = {"fleet", 1},
    [STATE_SEQUENCE] = {"sequence of the fleet", 1},
};

enum {
	CHECKED = 24, /* bytes of the header that the checksum is of */
	CHECKSUM = 32,
};
#define PAYLOAD_MOST ((size_t)512 << 20) /* 2,000,000 elements take a fifth of it */

struct header {
	char magic[8];
	uint32_t version, kind;
	uint64_t length;
	uint8_t checksum[CHECKSUM];
};
_Static_assert(sizeof(struct header) == STATE_HEADER_SIZE && CHECKED + CHECKSUM == STATE_HEADER_SIZE,
	       "the header has no holes");

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* `name` empty: the directory itself. */
__attribute__((format(printf, 3, 4))) static char *wrong(const struct state_directory *directory, const char *name,
							 const char *format, ...)
{
	char *why, *text;
	va_list args;
	va_start(args, format);
	if (vasprintf(&why, format, args) < 0 ||
	    asprintf(&text, "%s%s%s: %s", directory->path, name[0] != 0 ? "/" : "", name, why) < 0)
		abort();
	va_end(args);
	free(why);
	return text;
}

static void sum(const struct header *header, const void *payload, size_t length, uint8_t checksum[CHECKSUM])
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, CHECKSUM);
	crypto_generichash_update(&state, (const unsigned char *)header, CHECKED);
	crypto_generichash_update(&state, payload, length);
	crypto_generichash_final(&state, checksum, CHECKSUM);
}

/* ---- the directory ---- */

char *state_directory_open(struct state_directory *directory, const char *path, bool make)
{
	struct stat status;
	*directory = (struct state_directory){.fd = -1, .path = path};
	if (sodium_init() < 0)
		return wrong(directory, "", "libsodium cannot be used");
	if (make && mkdirat(AT_FDCWD, path, 0700) != 0 && errno != EEXIST)
		return wrong(directory, "", "%s", strerror(errno));
	directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd < 0 || fstat(directory->fd, &status) != 0) {
		char *error = wrong(directory, "", "%s", strerror(errno));
		state_directory_close(directory);
		return error;
	}
	directory->owner = status.st_uid;
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return NULL;
	state_directory_close(directory);
	return wrong(directory, "", "its group, or others, can write to it; what is kept there could be anybody's");
}

void state_directory_close(struct state_directory *directory)
{
	close_fd(&directory->fd);
	directory->fd = -1;
}

static int starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *state_file_names(const struct state_directory *directory, const char *prefix, char ***names, size_t *count)
{
	*names = NULL;
	*count = 0;
	int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (stream == NULL) {
		char *error = wrong(directory, "", "%s", strerror(errno));
		close_fd(&fd);
		return error;
	}
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (!starts_with(entry->d_name, prefix) || strlen(entry->d_name) > STATE_NAME_MOST)
			continue;
		char **grown = realloc(*names, (*count + 1) * sizeof *grown);
		if (grown == NULL)
			abort();
		*names = grown;
		(*names)[(*count)++] = strdup(entry->d_name);
	}
	closedir(stream);
	if (*count > 0)
		qsort(*names, *count, sizeof **names, by_text);
	return NULL;
}

char *state_file_remove(const struct state_directory *directory, const char *name)
{
	if (unlinkat(directory->fd, name, 0) != 0)
		return errno == ENOENT ? NULL : wrong(directory, name, "%s", strerror(errno));
	return fsync(directory->fd) == 0 ? NULL : wrong(directory, name, "%s", strerror(errno));
}

/* ---- writing ---- */

static bool write_all(int fd, const void *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(fd, (const uint8_t *)bytes + done, length - done);
		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Makes a new file with these bytes, which are on the disk when it returns true; else errno says why not. */
static bool write_new(const struct state_directory *directory, const char *name, const struct header *header,
		      const void *payload, size_t length)
{
	if (unlinkat(directory->fd, name, 0) != 0 && errno != ENOENT) /* what a crash left */
		return false;
	__attribute__((cleanup(close_fd))) int fd =
	    openat(directory->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 && write_all(fd, header, sizeof *header) && write_all(fd, payload, length) && fsync(fd) == 0;
}

char *state_file_write(const struct state_directory *directory, const char *name, enum state_kind kind,
		       const void *payload, size_t length)
{
	char temporary[STATE_NAME_MOST + 8];
	struct header header = {
	    .version = htole32(kinds[kind].version), .kind = htole32(kind), .length = htole64(length)};
	memcpy(header.magic, magic, sizeof magic);
	if (length > PAYLOAD_MOST)
		return wrong(directory, name, "not written: more than 512 MiB");
	sum(&header, payload, length, header.checksum);
	snprintf(temporary, sizeof temporary, ".%.*s.new", STATE_NAME_MOST, name);
	if (write_new(directory, temporary, &header, payload, length) &&
	    renameat(directory->fd, temporary, directory->fd, name) == 0 && fsync(directory->fd) == 0)
		return NULL;
	char *error = wrong(directory, name, "%s", strerror(errno));
	unlinkat(directory->fd, temporary, 0);
	return error;
}

/* ---- reading ---- */

void state_content_finish(struct state_content *content)
{
	free(content->file);
	*content = (struct state_content){0};
}

static const char *check_status(const struct state_directory *directory, const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return "not a regular file";
	if (status->st_uid != 0 && status->st_uid != geteuid() && status->st_uid != directory->owner)
		return "it belongs to another user";
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "its group, or others, can write to it";
	if (status->st_size < STATE_HEADER_SIZE)
		return "damaged: it ends in the middle";
	if ((size_t)status->st_size > STATE_HEADER_SIZE + PAYLOAD_MOST)
		return "larger than 512 MiB";
	return NULL;
}

static char *check_content(const struct state_directory *directory, const char *name, enum state_kind kind,
			   const uint8_t *file, size_t size)
{
	struct header header;
	uint8_t checksum[CHECKSUM];
	memcpy(&header, file, sizeof header);
	if (memcmp(header.magic, magic, sizeof magic) != 0)
		return wrong(directory, name, "damaged, or no file of ringfenced");
	if (le32toh(header.kind) != kind)
		return wrong(directory, name, "damaged, or of another kind");
	if (le32toh(header.version) != kinds[kind].version)
		return wrong(directory, name, "a %s of format %u; this version of ringfenced reads format %u only",
			     kinds[kind].name, le32toh(header.version), kinds[kind].version);
	if (le64toh(header.length) != size - sizeof header)
		return wrong(directory, name, "damaged: its length is not what it says");
	sum(&header, file + sizeof header, size - sizeof header, checksum);
	return memcmp(checksum, header.checksum, sizeof checksum) == 0
		   ? NULL
		   : wrong(directory, name, "damaged: its checksum is another");
}

/* Reads `size` bytes; NULL, with errno, where there are fewer. */
static uint8_t *read_all(int fd, size_t size)
{
	uint8_t *bytes = malloc(size);
	if (bytes == NULL)
		abort();
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, bytes + done, size - done);
		if (n == 0)
			errno = EIO;
		if (n == 0 || (n < 0 && errno != EINTR)) {
			free(bytes);
			return NULL;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return bytes;
}

char *state_file_read(const struct state_directory *directory, const char *name, enum state_kind kind,
		      struct state_content *content)
{
	struct stat status;
	*content = (struct state_content){0};
	__attribute__((cleanup(close_fd))) int fd =
	    openat(directory->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 && errno == ELOOP)
		return wrong(directory, name, "not a regular file");
	if (fd < 0 || fstat(fd, &status) != 0)
		return wrong(directory, name, "%s", strerror(errno));
	const char *why = check_status(directory, &status);
	if (why != NULL)
		return wrong(directory, name, "%s", why);
	size_t size = (size_t)status.st_size;
	uint8_t *file = read_all(fd, size);
	if (file == NULL)
		return wrong(directory, name, "%s", strerror(errno));
	char *error = check_content(directory, name, kind, file, size);
	if (error != NULL) {
		free(file);
		return error;
	}
	*content = (struct state_content){file, file + STATE_HEADER_SIZE, size - STATE_HEADER_SIZE};
	return NULL;
}
