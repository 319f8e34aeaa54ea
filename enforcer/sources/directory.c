/* Turns inotify events into "this file changed", "this one is gone" or "read everything again".
 *
 * A file counts when it is complete: IN_CLOSE_WRITE, a rename, a link; IN_MODIFY is not even asked for. Where events
 * cannot tell the whole truth (overflow, a directory that was filled before it was watched, the swapped `..data` link
 * of a Kubernetes ConfigMap) the answer is DIRECTORY_RESCAN and never a guess. */
#include "enforcer/sources/directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS                                                                                                  \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_MOVE_SELF | IN_DELETE_SELF | \
	 IN_ONLYDIR)
#define DEPTH_MAX 32 /* of directories below the root */
#define READS_MAX 64 /* of READ_SIZE bytes in one call */
#define READ_SIZE 65536

struct watch {
	int wd;
	char *path;
};

/* An event that waits to be given; its place in the array is its order. */
struct pending {
	enum directory_event event;
	bool repeated; /* a later one has the same path */
	char *path;
};

struct directory {
	char *path;
	const char *ending; /* of the names of directories that are watched below; NULL: of all */
	char *file;	    /* the one name that is an input; NULL: all that end like documents */
	bool recursive, lost;
	int fd;
	dev_t dev;
	ino_t ino;
	struct watch *watches; /* watches[0] is the root, unless lost */
	size_t watch_count;
	struct pending *pending;
	size_t pending_count;
	union {
		char bytes[READ_SIZE];
		struct inotify_event aligned;
	} buffer;
};

static void free_text(char **text)
{
	free(*text);
}

static void close_dir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

/* Returns `items` with room for one more; it doubles at each power of two. NULL when there is no memory. */
static void *grow(void *items, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return items;
	return reallocarray(items, count == 0 ? 1 : count * 2, size);
}

static char *join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static bool is_input(const struct directory *directory, const char *name)
{
	static const char *const endings[] = {".yaml", ".yml", ".json"};
	size_t length = strlen(name);

	if (directory->file != NULL)
		return strcmp(directory->file, name) == 0;

	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		size_t ending = strlen(endings[i]);

		if (name[0] != '.' && length > ending && strcmp(name + length - ending, endings[i]) == 0)
			return true; /* and so it does not end in '~' */
	}
	return false;
}

static int push(struct directory *directory, enum directory_event event, const char *path)
{
	struct pending *grown = grow(directory->pending, directory->pending_count, sizeof *grown);
	char *copy = strdup(path);

	if (grown != NULL)
		directory->pending = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		return -ENOMEM;
	}
	directory->pending[directory->pending_count++] = (struct pending){.event = event, .path = copy};
	return 0;
}

static int rescan(struct directory *directory)
{
	return push(directory, DIRECTORY_RESCAN, directory->path);
}

static void forget_watch(struct directory *directory, size_t i)
{
	free(directory->watches[i].path);
	directory->watch_count--;
	memmove(&directory->watches[i], &directory->watches[i + 1],
		(directory->watch_count - i) * sizeof directory->watches[0]);
}

static struct watch *find_watch(const struct directory *directory, int wd)
{
	for (size_t i = 0; i < directory->watch_count; i++)
		if (directory->watches[i].wd == wd)
			return &directory->watches[i];
	return NULL;
}

/* Ends the watches of `path` and of what is below it. Events that have come already no longer find their watch. */
static void unwatch(struct directory *directory, const char *path)
{
	size_t length = strlen(path);

	for (size_t i = directory->watch_count; i-- > 0;) {
		const char *watched = directory->watches[i].path;

		if (strncmp(watched, path, length) != 0 || (watched[length] != '\0' && watched[length] != '/'))
			continue;
		inotify_rm_watch(directory->fd, directory->watches[i].wd);
		forget_watch(directory, i);
	}
}

/* Watches one directory under `path`; one that is watched already only gets its new path. */
static int watch_one(struct directory *directory, const char *path, uint32_t flags)
{
	struct watch *watch, *grown;
	char *copy;
	int wd = inotify_add_watch(directory->fd, path, EVENTS | flags);

	if (wd < 0)
		return -errno;
	copy = strdup(path);
	if (copy == NULL)
		return -ENOMEM;
	watch = find_watch(directory, wd);
	if (watch != NULL) {
		free(watch->path);
		watch->path = copy;
		return 0;
	}
	grown = grow(directory->watches, directory->watch_count, sizeof *grown);
	if (grown == NULL) {
		free(copy);
		return -ENOMEM;
	}
	directory->watches = grown;
	directory->watches[directory->watch_count++] = (struct watch){.wd = wd, .path = copy};
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Whether a directory of this name below is watched as well. */
static bool is_followed(const struct directory *directory, const char *name)
{
	size_t length = strlen(name), ending = directory->ending != NULL ? strlen(directory->ending) : 0;

	return name[0] != '.' && length > ending &&
	       strcmp(name + length - ending, ending > 0 ? directory->ending : "") == 0;
}

/* Watches a tree. The watch comes before the listing, so that a directory made in between gives an event. What vanishes
 * meanwhile is no error. */
static int watch_tree(struct directory *directory, const char *path, unsigned depth)
{
	__attribute__((cleanup(close_dir))) DIR *dir = NULL;
	const struct dirent *entry;
	int error = watch_one(directory, path, depth > 0 ? IN_DONT_FOLLOW : 0);

	if (error != 0)
		return depth > 0 && (error == -ENOENT || error == -ENOTDIR) ? 0 : error;
	if (!directory->recursive)
		return 0;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	dir = opendir(path);
	if (dir == NULL)
		return depth > 0 && errno == ENOENT ? 0 : -errno;
	while (error == 0 && (entry = readdir(dir)) != NULL) {
		__attribute__((cleanup(free_text))) char *child = NULL;

		if (!is_followed(directory, entry->d_name) || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		child = join(path, entry->d_name);
		if (child == NULL)
			return -ENOMEM;
		if (is_directory(child))
			error = watch_tree(directory, child, depth + 1);
	}
	return error;
}

/* Starts anew with what is at the path now. Only a root that is watched counts as found. */
static int watch_all(struct directory *directory)
{
	struct stat status;
	int error;

	unwatch(directory, directory->path);
	directory->lost = true;
	if (stat(directory->path, &status) != 0)
		return -errno;
	error = watch_tree(directory, directory->path, 0);
	if (directory->watch_count == 0)
		return error;
	directory->lost = false;
	directory->dev = status.st_dev;
	directory->ino = status.st_ino;
	return error;
}

static bool root_is_the_same(const struct directory *directory)
{
	struct stat status;

	return !directory->lost && stat(directory->path, &status) == 0 && status.st_dev == directory->dev &&
	       status.st_ino == directory->ino;
}

static int lose(struct directory *directory)
{
	if (directory->lost)
		return 0;
	unwatch(directory, directory->path);
	directory->lost = true;
	return push(directory, DIRECTORY_LOST, directory->path);
}

/* A watched directory was moved, deleted or unmounted. */
static int on_self(struct directory *directory, const struct watch *watch)
{
	if (watch == &directory->watches[0])
		return root_is_the_same(directory) ? rescan(directory) : lose(directory);
	return rescan(directory);
}

/* Something that is a directory came to be, came, went or was removed at `path`. */
static int on_subdirectory(struct directory *directory, uint32_t mask, const char *name, const char *path)
{
	unsigned depth = 1;
	int error;

	if (!directory->recursive || name[0] == '.')
		return 0;
	unwatch(directory, path);
	error = rescan(directory);
	if (error != 0 || !is_followed(directory, name) || (mask & (IN_CREATE | IN_MOVED_TO)) == 0)
		return error;
	for (const char *c = path + strlen(directory->path) + 1; *c != '\0'; c++)
		depth += *c == '/';
	return watch_tree(directory, path, depth);
}

/* A link that is no input itself may stand between inputs and their content. Its own end cannot be seen any more, so
 * there the name decides: `..data` and its like are those of a ConfigMap. */
static bool is_detour(uint32_t mask, const char *name, const char *path)
{
	struct stat status;

	if (strncmp(name, "..", 2) == 0 && (mask & (IN_MOVED_FROM | IN_DELETE)) != 0)
		return true;
	return (mask & (IN_MOVED_TO | IN_CREATE)) != 0 && (name[0] != '.' || name[1] == '.') &&
	       lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* A name made by link(2) or symlink(2) is complete, and no IN_CLOSE_WRITE follows; one made by open(2) is not. */
static bool is_made_whole(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 &&
	       (S_ISLNK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink > 1));
}

static int on_entry(struct directory *directory, uint32_t mask, const char *name, const char *path)
{
	if ((mask & IN_ISDIR) != 0)
		return on_subdirectory(directory, mask, name, path);
	if (!is_input(directory, name))
		return is_detour(mask, name, path) ? rescan(directory) : 0;
	if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		return push(directory, DIRECTORY_REMOVED, path);
	if ((mask & IN_CREATE) != 0 && !is_made_whole(path))
		return 0;
	return push(directory, DIRECTORY_CHANGED, path);
}

static int on_overflow(struct directory *directory)
{
	int error = directory->lost ? 0 : watch_all(directory);

	if (directory->lost)
		return push(directory, DIRECTORY_LOST, directory->path);
	return error != 0 ? error : rescan(directory);
}

static int take(struct directory *directory, const struct inotify_event *event)
{
	__attribute__((cleanup(free_text))) char *path = NULL;
	struct watch *watch;

	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return on_overflow(directory);
	watch = find_watch(directory, event->wd);
	if (watch == NULL)
		return 0;
	if ((event->mask & IN_IGNORED) != 0) { /* the kernel has ended this watch */
		if (watch == &directory->watches[0])
			return lose(directory);
		forget_watch(directory, (size_t)(watch - directory->watches));
		return 0;
	}
	if (event->len == 0 || (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT)) != 0)
		return on_self(directory, watch);
	path = join(watch->path, event->name);
	return path == NULL ? -ENOMEM : on_entry(directory, event->mask, event->name, path);
}

/* Reads what has come, up to a bound. Returns the first error, after taking the rest. */
static int gather(struct directory *directory)
{
	int first = 0;

	for (unsigned i = 0; i < READS_MAX; i++) {
		ssize_t length = read(directory->fd, directory->buffer.bytes, sizeof directory->buffer.bytes);
		const char *at = directory->buffer.bytes;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN ? first : -errno;
		while (at < directory->buffer.bytes + length) {
			const struct inotify_event *event = (const void *)at;
			int error = take(directory, event);

			if (first == 0)
				first = error;
			at += sizeof *event + event->len;
		}
	}
	return first;
}

static int compare_pending(const void *left, const void *right)
{
	const struct pending *a = *(struct pending *const *)left, *b = *(struct pending *const *)right;
	int order = strcmp(a->path, b->path);

	return order != 0 ? order : (a > b) - (a < b);
}

/* Marks all but the last event of each path. Without the memory for it, events are given more than once. */
static void mark_repeated(struct directory *directory)
{
	size_t count = directory->pending_count;
	struct pending **sorted = count > 1 ? calloc(count, sizeof(struct pending *)) : NULL;

	if (sorted == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &directory->pending[i];
	qsort(sorted, count, sizeof(struct pending *), compare_pending);
	for (size_t i = 0; i + 1 < count; i++)
		sorted[i]->repeated = strcmp(sorted[i]->path, sorted[i + 1]->path) == 0;
	free(sorted);
}

int directory_read(struct directory *directory,
		   void (*event)(void *context, enum directory_event event, const char *path), void *context)
{
	int error = gather(directory);

	mark_repeated(directory);
	for (size_t i = 0; i < directory->pending_count; i++) {
		if (!directory->pending[i].repeated)
			event(context, directory->pending[i].event, directory->pending[i].path);
		free(directory->pending[i].path);
	}
	free(directory->pending);
	directory->pending = NULL;
	directory->pending_count = 0;
	if (error != 0)
		event(context, DIRECTORY_RESCAN, directory->path);
	return error;
}

int directory_fd(const struct directory *directory)
{
	return directory->fd;
}

int directory_reopen(struct directory *directory)
{
	int error;

	if (root_is_the_same(directory))
		return 0;
	error = watch_all(directory);
	return error != 0 ? error : 1;
}

/* `file` NULL: every document is an input. */
static int create(struct directory **directory, const char *path, size_t length, bool recursive, const char *ending,
		  const char *file)
{
	struct directory *made = calloc(1, sizeof *made);
	int error;

	*directory = NULL;
	if (made == NULL)
		return -ENOMEM;
	while (length > 1 && path[length - 1] == '/')
		length--;
	made->recursive = recursive;
	made->ending = ending;
	made->path = strndup(path, length);
	made->file = file != NULL ? strdup(file) : NULL;
	made->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	error = made->fd < 0						     ? -errno
		: made->path == NULL || (file != NULL && made->file == NULL) ? -ENOMEM
									     : watch_all(made);
	if (error != 0) {
		directory_destroy(made);
		return error;
	}
	*directory = made;
	return 0;
}

int directory_create(struct directory **directory, const char *path, bool recursive)
{
	return create(directory, path, strlen(path), recursive, NULL, NULL);
}

int directory_create_within(struct directory **directory, const char *path, const char *ending)
{
	return create(directory, path, strlen(path), true, ending, NULL);
}

int directory_create_file(struct directory **directory, const char *path)
{
	const char *slash = strrchr(path, '/');

	*directory = NULL;
	if (slash == NULL || slash[1] == '\0')
		return -EINVAL;
	return create(directory, path, slash > path ? (size_t)(slash - path) : 1, false, NULL, slash + 1);
}

void directory_destroy(struct directory *directory)
{
	if (directory == NULL)
		return;
	while (directory->watch_count > 0)
		forget_watch(directory, directory->watch_count - 1);
	free(directory->watches);
	free(directory->pending);
	free(directory->path);
	free(directory->file);
	if (directory->fd >= 0)
		close(directory->fd);
	free(directory);
}
