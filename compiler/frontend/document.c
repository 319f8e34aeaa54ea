/* Files to documents: finds the files, reads them, and gives each document to its reader.
 *
 * No text of a document ever becomes a path; symbolic links are followed, since Kubernetes mounts configuration that
 * way. */
#include "compiler/frontend/kubernetes.h"
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/yaml.h>

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void frontend_init(struct frontend *frontend, struct arena *arena, struct diagnostics *diagnostics)
{
	*frontend = (struct frontend){.arena = arena, .diagnostics = diagnostics, .hash = 0xcbf29ce484222325};
}

/* FNV-1a, but eight bytes at a time, and with the high half brought down, since a product moves bits up only. */
static void hash_bytes(struct frontend *frontend, const void *bytes, size_t count)
{
	const unsigned char *at = bytes;
	for (uint64_t word = 0; count > 0; word = 0) {
		size_t taken = count < sizeof word ? count : sizeof word;
		memcpy(&word, at, taken);
		frontend->hash = (frontend->hash ^ le64toh(word)) * 0x100000001b3;
		frontend->hash ^= frontend->hash >> 32;
		at += taken;
		count -= taken;
	}
}

static void add_document(struct frontend *frontend, const struct yaml_node *root)
{
	if (root->kind != YAML_MAPPING) {
		diagnostics_error(frontend->diagnostics, root->span,
				  "a document must be a mapping that starts with `ringfence: v1`");
		return;
	}
	const struct yaml_node *version = yaml_get(root, "ringfence");
	if (yaml_get(root, BUDGET_KEY) != NULL)
		return; /* it may stand beside the policy; budget.c reads it when it is asked for */
	if (kubernetes_is_object(root)) {
		kubernetes_read(frontend, root);
		return;
	}
	if (version == NULL) {
		diagnostics_error(frontend->diagnostics, root->span, "a native document starts with `ringfence: v1`");
		return;
	}
	if (version->kind != YAML_SCALAR || strcmp(version->text, "v1") != 0) {
		diagnostics_error(frontend->diagnostics, version->span, "only version v1 is known");
		return;
	}
	frontend->document_count++;
	native_read(frontend, root);
}

/* Makes a text known to the diagnostics, without a byte order mark. */
static struct source *add_source(struct frontend *frontend, const char *name, const char *text, size_t length)
{
	static const char byte_order_mark[] = {'\xef', '\xbb', '\xbf'};
	if (length >= sizeof byte_order_mark && memcmp(text, byte_order_mark, sizeof byte_order_mark) == 0) {
		text += sizeof byte_order_mark; /* no column of the first line */
		length -= sizeof byte_order_mark;
	}
	struct source *source = arena_alloc(frontend->arena, sizeof *source);
	*source = (struct source){name, text, length,
				  name + (strlen(name) > frontend->root_length ? frontend->root_length : 0)};
	diagnostics_add_source(frontend->diagnostics, source);
	frontend->file_count++;
	return source;
}

static void add_documents(struct frontend *frontend, const struct source *source)
{
	/* The name below the given path counts, since reports name it; lengths, so that no byte moves from one to the
	 * next. */
	hash_bytes(frontend, source->below, strlen(source->below) + 1);
	hash_bytes(frontend, &source->length, sizeof source->length);
	hash_bytes(frontend, source->text, source->length);
	size_t count = 0;
	if (frontend->nodes == NULL)
		frontend->nodes = arena_create();
	struct yaml_node **roots = yaml_read(frontend->nodes, source, frontend->diagnostics, &count);
	for (size_t i = 0; i < count; i++)
		add_document(frontend, roots[i]);
	arena_clear(frontend->nodes);
}

void frontend_add_text(struct frontend *frontend, const char *name, const char *text, size_t length)
{
	add_documents(frontend, add_source(frontend, name, text, length));
}

/* An error that concerns a file and no place in it. */
static void path_error(struct frontend *frontend, const char *path, const char *problem)
{
	diagnostics_error(frontend->diagnostics, (struct span){0}, "%s: %s", path, problem);
	diagnostics_rule(frontend->diagnostics, DIAGNOSTIC_FILE);
}

const struct source *file_read(struct frontend *frontend, const char *path)
{
	struct source *source = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		path_error(frontend, path, strerror(errno));
		return NULL;
	}
	struct stat status;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		path_error(frontend, path, "not a regular file");
	} else if (status.st_size > YAML_BYTES_MAX) {
		path_error(frontend, path, "larger than 64 MiB");
	} else {
		/* A file that grows meanwhile is read up to the size it had; the watcher sees the rest. */
		size_t size = (size_t)status.st_size, length = 0;
		char *text = arena_alloc(frontend->arena, size + 1);
		ssize_t got = 0;
		while (length < size &&
		       ((got = read(fd, text + length, size - length)) > 0 || (got < 0 && errno == EINTR)))
			length += got > 0 ? (size_t)got : 0;
		if (got < 0)
			path_error(frontend, path, strerror(errno));
		else
			source = add_source(frontend, arena_copy(frontend->arena, path, strlen(path)), text, length);
	}
	close(fd);
	return source;
}

static void add_file(struct frontend *frontend, const char *path)
{
	const struct source *source = file_read(frontend, path);
	if (source != NULL)
		add_documents(frontend, source);
}

bool frontend_has_document_name(const char *name)
{
	static const char *const endings[] = {".yaml", ".yml", ".json"};
	size_t length = strlen(name);
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		size_t end = strlen(endings[i]);
		if (length > end && strcmp(name + length - end, endings[i]) == 0)
			return true;
	}
	return false;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_directory(struct frontend *frontend, const char *path, unsigned depth)
{
	if (depth > DIRECTORY_DEPTH_MAX) {
		path_error(frontend, path, "directories nested too deep; does a symbolic link point to a parent?");
		return;
	}
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, visible, by_bytes);
	if (count < 0)
		path_error(frontend, path, strerror(errno));
	for (int i = 0; i < count; i++) {
		bool slash = path[0] != 0 && path[strlen(path) - 1] == '/';
		char *child = arena_printf(frontend->arena, "%s%s%s", path, slash ? "" : "/", entries[i]->d_name);
		struct stat status;
		if (frontend->file_count >= FILES_MAX)
			path_error(frontend, path, "more than 100000 files");
		else if (stat(child, &status) != 0)
			path_error(frontend, child, strerror(errno));
		else if (S_ISDIR(status.st_mode))
			add_directory(frontend, child, depth + 1);
		else if (frontend_has_document_name(entries[i]->d_name))
			add_file(frontend, child);
		free(entries[i]);
	}
	free(entries);
}

void frontend_add_path(struct frontend *frontend, const char *path)
{
	struct stat status;
	const char *slash = strrchr(path, '/'), *last = slash != NULL ? slash + 1 : path;
	bool is_dots = strcmp(last, ".") == 0 || strcmp(last, "..") == 0; /* these name nothing */
	frontend->root_length = is_dots ? strlen(path) + 1 : (size_t)(last - path);
	if (stat(path, &status) != 0)
		path_error(frontend, path, strerror(errno));
	else if (S_ISDIR(status.st_mode))
		add_directory(frontend, path, 0);
	else
		add_file(frontend, path);
}

void frontend_finish(struct frontend *frontend)
{
	arena_free(frontend->nodes);
	frontend->nodes = NULL;
	native_check_definitions(frontend);
	kubernetes_finish(frontend);
	inventory_index(&frontend->inventory, frontend->arena); /* before it is sorted: as it lies in memory */
	inventory_check(frontend);
	native_resolve_statements(frontend);
	arena_free(frontend->waiting);
	frontend->waiting = NULL;
	snprintf(frontend->revision, sizeof frontend->revision, "%016" PRIx64, frontend->hash);
	frontend->policy.revision = arena_copy(frontend->arena, frontend->revision, strlen(frontend->revision));
}

bool frontend_has_input(const struct frontend *frontend)
{
	return frontend->document_count + frontend->manifest_count + frontend->list_count > 0;
}
