/* Workload files, found by name: a bad one keeps its last good content. */
#include "enforcer/desired/files.h"

#include <ringfence/arena.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct directory {
	size_t file_count;
	char path[]; /* with the slash at its end, or empty */
};

struct file {
	struct content content; /* of the last good reading; of order 0: there was none */
	char *errors;		/* of the last reading, or NULL */
	struct directory *directory;
	uint32_t scan; /* the last that saw it */
	char name[];
};

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);
	if (memory == NULL)
		abort();
	return memory;
}

/* The diagnostics as text, the caller's to free; NULL when there is no error. */
char *errors_text(struct diagnostics *diagnostics)
{
	char *text = NULL;
	size_t size = 0;
	if (diagnostics->errors == 0)
		return NULL;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	diagnostics_sort(diagnostics);
	diagnostics_print(diagnostics, stream, false);
	fclose(stream);
	return text;
}

/* ---- which files there are ---- */

/* The length of the part of `path` that is the directory's. */
static size_t directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

static struct directory *find_directory(const struct files *files, const char *path, size_t length)
{
	for (size_t i = 0; i < files->directory_count; i++)
		if (strlen(files->directories[i]->path) == length &&
		    memcmp(files->directories[i]->path, path, length) == 0)
			return files->directories[i];
	return NULL;
}

static struct directory *add_directory(struct files *files, const char *path, size_t length)
{
	struct directory *directory = allocate(sizeof *directory + length + 1);
	memcpy(directory->path, path, length);
	struct directory **all = realloc(files->directories, (files->directory_count + 1) * sizeof(struct directory *));
	if (all == NULL)
		abort();
	files->directories = all;
	files->directories[files->directory_count++] = directory;
	return directory;
}

static uint32_t hash_name(const struct directory *directory, const char *name)
{
	return table_hash_text(table_hash(0, &directory, sizeof directory), name);
}

static struct file *find_file(const struct files *files, const char *path)
{
	const char *name = path + directory_length(path);
	const struct directory *directory = find_directory(files, path, directory_length(path));
	if (directory == NULL)
		return NULL;
	struct table_slot *slot = table_first(&files->table, hash_name(directory, name));
	for (; slot != NULL; slot = table_next(&files->table, slot)) {
		struct file *file = slot->item;
		if (file->directory == directory && strcmp(file->name, name) == 0)
			return file;
	}
	return NULL;
}

static struct file *add_file(struct files *files, const char *path)
{
	size_t length = directory_length(path), name_size = strlen(path + length) + 1;
	struct directory *directory = find_directory(files, path, length);
	if (directory == NULL)
		directory = add_directory(files, path, length);
	struct file *file = allocate(offsetof(struct file, name) + name_size);
	memcpy(file->name, path + length, name_size);
	file->directory = directory;
	directory->file_count++;
	table_add(&files->table, hash_name(directory, file->name), file, 0);
	return file;
}

static void remove_directory(struct files *files, struct directory *directory)
{
	for (size_t i = 0; i < files->directory_count; i++)
		if (files->directories[i] == directory)
			files->directories[i] = files->directories[--files->directory_count];
	free(directory);
}

/* Takes over `errors`. */
static void set_errors(struct files *files, struct file *file, char *errors)
{
	files->bad_count -= file->errors != NULL;
	files->bad_count += errors != NULL;
	free(file->errors);
	file->errors = errors;
}

static void forget(struct files *files, struct file *file)
{
	struct table_slot *slot = table_first(&files->table, hash_name(file->directory, file->name));
	while (slot->item != file)
		slot = table_next(&files->table, slot);
	table_remove(&files->table, slot);
	live_replace(files->live, &file->content, &(struct inventory){0}, file->content.order);
	if (--file->directory->file_count == 0)
		remove_directory(files, file->directory);
	set_errors(files, file, NULL);
	free(file);
}

void files_forget(struct files *files, const char *path)
{
	struct file *file = find_file(files, path);
	if (file != NULL)
		forget(files, file);
}

/* Forgets the files of `directory` that the scan did not see; NULL: all files. */
static void forget_unseen(struct files *files, const struct directory *directory, uint32_t scan)
{
	size_t count = 0;
	const struct table_slot *slot;
	struct file **gone = allocate((files->table.count + 1) * sizeof(struct file *));
	for (size_t at = 0; (slot = table_each(&files->table, &at)) != NULL;) {
		struct file *file = slot->item;
		if (directory == NULL || (file->directory == directory && file->scan != scan))
			gone[count++] = file;
	}
	for (size_t i = 0; i < count; i++)
		forget(files, gone[i]);
	free(gone);
}

void files_finish(struct files *files)
{
	forget_unseen(files, NULL, 0);
	table_finish(&files->table);
	free(files->directories);
}

/* ---- reading ---- */

/* Takes what a file says now; it is as old as its newest address. */
static void take(struct files *files, struct file *file, const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (inventory->workloads[i]->node == NULL)
			inventory->workloads[i]->node = files->node;
	uint64_t order = file->content.order;
	if (order == 0 || live_gains_address(&file->content, inventory))
		order = ++files->last_order;
	live_replace(files->live, &file->content, inventory, order);
}

static int read_file(struct files *files, struct file *file, const char *path)
{
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend.inventory_only = true;
	frontend_add_path(&frontend, path);
	frontend_finish(&frontend);
	set_errors(files, file, errors_text(&diagnostics));
	if (file->errors == NULL)
		take(files, file, &frontend.inventory);
	arena_free(arena);
	return file->errors == NULL ? 0 : -1;
}

int files_read(struct files *files, const char *path)
{
	struct file *file = find_file(files, path);
	return read_file(files, file != NULL ? file : add_file(files, path), path);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_document(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && frontend_has_document_name(entry->d_name);
}

/* Those in `path` that this scan has not seen. */
static void forget_others(struct files *files, const char *path)
{
	char with_slash[PATH_MAX];
	snprintf(with_slash, sizeof with_slash, "%s/", path);
	const struct directory *directory = find_directory(files, with_slash, strlen(with_slash));
	if (directory != NULL)
		forget_unseen(files, directory, files->scan);
}

int files_scan(struct files *files, const char *path)
{
	struct dirent **entries = NULL;
	char file_path[PATH_MAX];
	int count = scandir(path, &entries, is_document, by_bytes);
	if (count < 0)
		return -errno;
	files->scan++;
	for (int i = 0; i < count; i++) {
		snprintf(file_path, sizeof file_path, "%s/%s", path, entries[i]->d_name);
		free(entries[i]);
		struct file *file = find_file(files, file_path);
		if (file == NULL)
			file = add_file(files, file_path);
		file->scan = files->scan;
		read_file(files, file, file_path);
	}
	free(entries);
	forget_others(files, path);
	return 0;
}

void files_tell(struct files *files, const char *source, const struct told *items, size_t count, bool all)
{
	char path[PATH_MAX];
	files->scan++;
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", source, items[i].name);
		struct file *file = find_file(files, path);
		if (file == NULL && items[i].inventory != NULL)
			file = add_file(files, path);
		if (file == NULL)
			continue;
		if (items[i].inventory == NULL) {
			forget(files, file);
			continue;
		}
		file->scan = files->scan;
		take(files, file, items[i].inventory);
	}
	if (all)
		forget_others(files, source);
}

/* ---- what is wrong with them ---- */

struct problem {
	char *path;
	const char *text;
};

static int compare_problems(const void *left, const void *right)
{
	return strcmp(((const struct problem *)left)->path, ((const struct problem *)right)->path);
}

void files_errors(const struct files *files, void (*call)(void *context, const char *path, const char *text),
		  void *context)
{
	struct arena *arena = arena_create();
	struct problem *problems = NULL;
	size_t count = 0;
	const struct table_slot *slot;
	for (size_t at = 0; count < files->bad_count && (slot = table_each(&files->table, &at)) != NULL;) {
		const struct file *file = slot->item;
		if (file->errors != NULL)
			*arena_push(arena, problems, count) = (struct problem){
			    arena_printf(arena, "%s%s", file->directory->path, file->name), file->errors};
	}
	if (count > 1)
		qsort(problems, count, sizeof *problems, compare_problems);
	for (size_t i = 0; i < count; i++)
		call(context, problems[i].path, problems[i].text);
	arena_free(arena);
}

void files_stale(const struct files *files,
		 void (*call)(void *context, const struct workload *workload, const char *path), void *context)
{
	struct table_slot *slot;
	size_t count = 0;
	for (size_t at = 0; count < files->bad_count && (slot = table_each(&files->table, &at)) != NULL;) {
		const struct file *file = slot->item;
		const struct workload *workload = NULL;
		char *path = NULL;
		if (file->errors == NULL)
			continue;
		count++;
		if (asprintf(&path, "%s%s", file->directory->path, file->name) < 0)
			abort();
		while ((workload = live_next(&file->content, workload)) != NULL)
			call(context, workload, path);
		free(path);
	}
}
