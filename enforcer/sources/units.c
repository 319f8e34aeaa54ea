/* Directories of cgroup2 to workloads: system.slice/nginx.service is a running nginx.service. When a unit restarts, its
 * directory is another, with another number.
 *
 * Only slices that belong to who the root belongs to are entered. Below a service or a scope, and in what was given to
 * a user, anyone may make a directory with the name of a service that is allowed more than they are (past failures,
 * 10). A name that is no name of a workload becomes one: a unit that was asked for is never left out. */
#include "enforcer/sources/units.h"

#include <ringfence/arena.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { NAME_MOST = 63 }; /* of a workload, and of a label's value (RFC 1123) */

struct walk {
	struct arena *arena;
	const struct units *units;
	const char *node;
	uid_t owner; /* of the root */
	struct inventory *inventory;
};

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), tail = strlen(end);
	return length > tail && strcmp(name + length - tail, end) == 0;
}

static bool is_wanted(const struct units *units, const char *unit)
{
	for (size_t i = 0; i < units->pattern_count; i++)
		if (fnmatch(units->patterns[i], unit, 0) == 0)
			return true;
	return false;
}

static int hex(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = digit != 0 ? strchr(digits, digit) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

/* A letter of a unit's name without its escapes (systemd.unit(5): \x2d is a dash); moves `*at` behind it. */
static char next_letter(const char **at)
{
	const char *text = *at;
	bool escape = text[0] == '\\' && text[1] == 'x' && hex(text[2]) >= 0 && hex(text[3]) >= 0;
	*at += escape ? 4 : 1;
	return escape ? (char)(hex(text[2]) << 4 | hex(text[3])) : text[0];
}

static bool is_plain(char letter, bool label)
{
	bool small = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
	return small || (label && ((letter >= 'A' && letter <= 'Z') || letter == '.' || letter == '_'));
}

static uint32_t hash_text(const char *text)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (; *text != 0; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619;
	return hash;
}

/* A unit's name as a workload's, or as the value of a label: what may not stand in one is a dash. */
static const char *spell(struct arena *arena, const char *unit, size_t length, bool label)
{
	char name[NAME_MOST + 1];
	size_t count = 0;
	bool plain = true;
	for (const char *at = unit; at < unit + length && plain;) {
		char letter = next_letter(&at);
		plain = count < NAME_MOST;
		if (plain)
			name[count++] = is_plain(letter, label) ? letter : '-';
	}
	plain = plain && count > 0 && is_plain(name[0], false) && is_plain(name[count - 1], label);
	return plain ? arena_copy(arena, name, count) : arena_printf(arena, "unit-%08x", hash_text(unit));
}

static void add_label(struct arena *arena, struct labels *labels, const char *key, const char *value)
{
	*arena_push(arena, labels->items, labels->count) = (struct label){key, value};
}

static void add_unit(struct walk *walk, const char *path, const char *slice, const char *unit, uint64_t id)
{
	struct workload *workload = arena_alloc(walk->arena, sizeof *workload);
	workload->name_space = walk->units->name_space;
	workload->name = spell(walk->arena, unit, strlen(unit) - strlen(".service"), false);
	workload->node = walk->node;
	workload->cgroup = path;
	workload->cgroup_id = id;
	if (slice != NULL)
		add_label(walk->arena, &workload->labels, "slice", spell(walk->arena, slice, strlen(slice), true));
	add_label(walk->arena, &workload->labels, "unit", spell(walk->arena, unit, strlen(unit), true));
	*arena_push(walk->arena, walk->inventory->workloads, walk->inventory->workload_count) = workload;
}

static int walk_slice(struct walk *walk, int fd, const char *path, const char *slice);

/* Takes one entry of a slice; what is gone meanwhile is no error. */
static int take(struct walk *walk, int parent, const char *path, const char *slice, const char *name)
{
	bool unit = ends_with(name, ".service") && is_wanted(walk->units, name), is_slice = ends_with(name, ".slice");
	struct stat status;
	if (!unit && !is_slice)
		return 0;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ENODEV ? 0 : -errno;
	const char *whole =
	    path != NULL ? arena_printf(walk->arena, "%s/%s", path, name) : arena_copy(walk->arena, name, strlen(name));
	int error = fstat(fd, &status) == 0 ? 0 : -errno;
	bool ours = error == 0 && status.st_uid == walk->owner && cgroup_level(whole) > 0;
	if (ours && unit && walk->inventory->workload_count == UNITS_MOST)
		error = -E2BIG;
	else if (ours && unit)
		add_unit(walk, whole, slice, name, status.st_ino);
	else if (ours && cgroup_level(whole) < CGROUP_LEVELS)
		return walk_slice(walk, fd, whole, name); /* which closes it */
	close(fd);
	return error;
}

static int walk_slice(struct walk *walk, int fd, const char *path, const char *slice)
{
	DIR *directory = fdopendir(fd);
	int error = 0;
	if (directory == NULL) {
		close(fd);
		return -ENOMEM;
	}
	for (const struct dirent *entry; error == 0 && (entry = readdir(directory)) != NULL;)
		if (entry->d_name[0] != '.')
			error = take(walk, dirfd(directory), path, slice, entry->d_name);
	closedir(directory);
	return error;
}

static int compare_names(const void *left, const void *right)
{
	const struct workload *a = *(struct workload *const *)left, *b = *(struct workload *const *)right;
	int order = strcmp(a->name, b->name);
	return order != 0 ? order : strcmp(a->cgroup, b->cgroup);
}

/* Of units whose names would be one, the first keeps it. */
static void tell_apart(struct arena *arena, struct inventory *inventory)
{
	bool twice = false;
	for (size_t pass = 0; pass < 2; pass++) {
		if (inventory->workload_count > 1)
			qsort(inventory->workloads, inventory->workload_count, sizeof *inventory->workloads,
			      compare_names);
		const char *name = "";
		for (size_t i = 0; pass == 0 && i < inventory->workload_count; i++) {
			struct workload *workload = inventory->workloads[i];
			if (strcmp(name, workload->name) == 0) {
				twice = true;
				workload->name = arena_printf(arena, "%.50s-%08x", name, hash_text(workload->cgroup));
			} else {
				name = workload->name;
			}
		}
		if (!twice)
			return;
	}
}

static int open_root(const char *root)
{
	struct statfs status;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
		return fd;
	close(fd);
	return -ENODEV;
}

int units_check_root(const char *root)
{
	int fd = open_root(root);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int units_read(struct arena *arena, const struct units *units, const char *node, struct inventory *inventory)
{
	struct stat status;
	int fd = open_root(units->root);
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) != 0) {
		close(fd);
		return -errno;
	}
	struct walk walk = {
	    .arena = arena, .units = units, .node = node, .owner = status.st_uid, .inventory = inventory};
	int error = walk_slice(&walk, fd, NULL, NULL);
	if (error == 0)
		tell_apart(arena, inventory);
	return error;
}
