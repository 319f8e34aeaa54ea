/* The workload files: which are known, and what each said last. What other sources tell of is kept in the same way, by
 * the name SOURCE/THING, which no file has: theirs begin with a slash. */
#ifndef ENFORCER_DESIRED_FILES_H
#define ENFORCER_DESIRED_FILES_H

#include "enforcer/desired/live.h"

struct files {
	struct live *live;
	const char *node;   /* where workloads run that name no node */
	struct table table; /* by directory and name */
	struct directory **directories;
	size_t directory_count;
	uint64_t last_order;
	uint32_t scan;	  /* counts them */
	size_t bad_count; /* of files with errors */
};

/* Each stands in a transaction of `live`. What they do and return is told in state.h. */
int files_read(struct files *files, const char *path);
void files_forget(struct files *files, const char *path);
int files_scan(struct files *files, const char *path);

void files_tell(struct files *files, const char *source, const struct told *items, size_t count, bool all);

void files_errors(const struct files *files, void (*call)(void *context, const char *path, const char *text),
		  void *context);

void files_stale(const struct files *files,
		 void (*call)(void *context, const struct workload *workload, const char *path), void *context);

/* Forgets all files. */
void files_finish(struct files *files);

/* The diagnostics as text, the caller's to free; NULL when there is no error. */
char *errors_text(struct diagnostics *diagnostics);

#endif
