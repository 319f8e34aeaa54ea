/* Files that outlive the daemon, in one directory: each is written whole or not at all, and read only when it is as it
 * was written.
 *
 *     magic 8 | version 4 | kind 4 | length 8 | BLAKE2b of these 24 bytes and of the payload 32 | payload
 *
 * Numbers are little-endian. A file that is damaged, of another version, or not ours is an error with its path and the
 * reason; it is never taken for one that is not there. */
#ifndef ENFORCER_SERVICE_STATE_FILE_H
#define ENFORCER_SERVICE_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each has its name and its version in state_file.c. */
enum state_kind {
	STATE_RULESET,
	STATE_POLICY,
	STATE_INCIDENTS,
	STATE_USAGE,
	STATE_EVIDENCE,
	STATE_BUNDLE,
	STATE_FLEET,
	STATE_SEQUENCE,
	STATE_KINDS
};

enum { STATE_NAME_MOST = 63, STATE_HEADER_SIZE = 56 };

/* Opened once; `path` is borrowed. */
struct state_directory {
	int fd;
	uid_t owner;
	const char *path;
};

/* Opens the directory, and makes it (mode 0700) when it is missing and `make`; its parent must be there. Others must
 * not be able to write to it. Every text that a function here returns is an error, the caller's to free; NULL: none. */
char *state_directory_open(struct state_directory *directory, const char *path, bool make);
void state_directory_close(struct state_directory *directory);

/* Writes a file, durably: under another name, then renamed. On an error the file is as it was before. */
char *state_file_write(const struct state_directory *directory, const char *name, enum state_kind kind,
		       const void *payload, size_t length);

/* What was read. Zeroed: nothing. */
struct state_content {
	uint8_t *file;
	const uint8_t *payload;
	size_t length;
};
void state_content_finish(struct state_content *content);

/* Reads a file: a regular one of root, of ourselves or of the directory's owner, that nobody else can write. `content`
 * is the caller's to finish; its `file` stays NULL, without an error, where there is no such file. */
char *state_file_read(const struct state_directory *directory, const char *name, enum state_kind kind,
		      struct state_content *content);

/* Removes a file, durably; one that is not there is none to remove. */
char *state_file_remove(const struct state_directory *directory, const char *name);

/* The names that start with `prefix`, sorted; the caller frees each and the list. */
char *state_file_names(const struct state_directory *directory, const char *prefix, char ***names, size_t *count);

#endif
