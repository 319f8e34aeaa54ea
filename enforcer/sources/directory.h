/* A directory, or a tree of them, whose files are inputs: what has changed there since the last look. */
#ifndef ENFORCER_SOURCES_DIRECTORY_H
#define ENFORCER_SOURCES_DIRECTORY_H

#include <stdbool.h>

enum directory_event {
	DIRECTORY_CHANGED, /* this file is complete: closed after writing, renamed or linked into place */
	DIRECTORY_REMOVED, /* this file is gone */
	DIRECTORY_RESCAN,  /* anything may have changed; `path` is the directory that was opened */
	DIRECTORY_LOST, /* the directory itself is gone: keep the last state, and try directory_reopen now and then */
};

struct directory;

/* Watches the directory at `path` (copied), with everything below it when `recursive`; hidden and linked directories
 * below are not followed. What is there already gives no event: read it after this call. `*directory` is the caller's
 * to destroy. Returns 0 or a negative errno: -ENOENT when there is none, -ENOSPC when the user has no watches left. */
int directory_create(struct directory **directory, const char *path, bool recursive);

/* The same with those directories below whose names end with `ending`, which must outlive the watch: any that is made
 * or removed in one of these is told of (DIRECTORY_RESCAN), and what is in the others is not looked at. */
int directory_create_within(struct directory **directory, const char *path, const char *ending);

/* The same with the one file at `path`, which is absolute: it is the only input of its directory, and need not be there
 * yet. DIRECTORY_LOST is about the directory. */
int directory_create_file(struct directory **directory, const char *path);

/* Ends the watch. NULL is allowed. */
void directory_destroy(struct directory *directory);

/* The descriptor to poll for reading: the same for the life of the watch, and still the directory's. */
int directory_fd(const struct directory *directory);

/* Watches the directory that is at the path now, after DIRECTORY_LOST or when the path may lead elsewhere (a symlink
 * that was swapped gives no event, so call it at intervals; it is one stat(2) when all is as it was). Returns 1 when
 * another directory is watched from now on (read it whole), 0 when it is the same, or a negative errno. */
int directory_reopen(struct directory *directory);

/* Reads what has happened, without waiting, and calls `event` for each path once, in the order of each path's last
 * event; `path` is borrowed for the call, and `event` must not call the directory. Only names that end in .yaml, .yml
 * or .json, do not start with '.' and do not end in '~' count as files. Returns 0 or a negative errno, in which case a
 * DIRECTORY_RESCAN has been given: some of the tree may not be watched. */
int directory_read(struct directory *directory,
		   void (*event)(void *context, enum directory_event event, const char *path), void *context);

#endif
