/* What an entry of `workloads` may say follows from its `source`: each has a table of keys, and a place in the
 * configuration that it is taken to when all of it was read well. */
#include "enforcer/service/config_sources.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <string.h>

/* `source` itself, which has been read. */
static void source_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)frontend;
	(void)node;
	(void)object;
}

/* ---- files ---- */

static void directory_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct config *config = object;
	const char *path = NULL;
	path_read(frontend, node, &path);
	if (path != NULL)
		*arena_push(frontend->arena, config->workload_directories, config->workload_directory_count) = path;
}

static const struct key files_keys[] = {
    UNTYPED_KEY("source", true, source_read),
    UNTYPED_KEY("directory", true, directory_read),
};

static void files_read(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	KEYS_READ(frontend, node, files_keys, "the source `files`", config);
}

/* ---- units ---- */

static void unit_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct units *units = object;
	const char *pattern = scalar_read(frontend, node, "a unit");
	size_t length = pattern != NULL ? strlen(pattern) : 0;
	if (pattern == NULL)
		return;
	if (length < 9 || length > 255 || strcmp(pattern + length - 8, ".service") != 0 || strchr(pattern, '/') != NULL)
		diagnostics_error(frontend->diagnostics, node->span,
				  "a unit is the name of a service, such as nginx.service or app-*.service");
	else
		*arena_push(frontend->arena, units->patterns, units->pattern_count) = pattern;
}

static void units_list_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`units`", unit_read, object);
}

static void units_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct units *)object)->name_space = name_read(frontend, node, "a namespace");
}

static void units_root_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct units *)object)->root);
}

static const struct key units_keys[] = {
    UNTYPED_KEY("source", true, source_read),
    UNTYPED_KEY("units", true, units_list_read),
    UNTYPED_KEY("namespace", false, units_namespace_read),
    UNTYPED_KEY("cgroup", false, units_root_read),
};

static void units_source_read(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	struct units units = {.name_space = "systemd", .root = "/sys/fs/cgroup"};
	size_t errors = frontend->diagnostics->errors;
	KEYS_READ(frontend, node, units_keys, "the source `systemd`", &units);
	if (frontend->diagnostics->errors > errors)
		return;
	if (config->units.root != NULL)
		diagnostics_error(frontend->diagnostics, node->span,
				  "the source `systemd` stands twice: put all `units` into one");
	else
		config->units = units;
}

/* ---- the table ---- */

static const struct {
	const char *name;
	void (*read)(struct frontend *frontend, const struct yaml_node *node, struct config *config);
} sources[] = {{"files", files_read}, {"systemd", units_source_read}};

enum { SOURCE_COUNT = sizeof sources / sizeof *sources };

/* Their names, for a message. */
static const char *known_sources(struct arena *arena)
{
	const char *text = "";
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		text = arena_printf(arena, "%s%s`%s`", text,
				    i == 0		   ? ""
				    : i + 1 < SOURCE_COUNT ? ", "
							   : " and ",
				    sources[i].name);
	return text;
}

static void entry_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct yaml_node *value = node->kind == YAML_MAPPING ? yaml_get(node, "source") : NULL;
	if (value == NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "a workload source needs a `source`: one of %s",
				  known_sources(frontend->arena));
		return;
	}
	const char *name = scalar_read(frontend, value, "`source`");
	if (name == NULL)
		return;
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (strcmp(name, sources[i].name) != 0)
			continue;
		sources[i].read(frontend, node, object);
		return;
	}
	diagnostics_error(frontend->diagnostics, value->span, "version " RINGFENCE_VERSION " knows the sources %s",
			  known_sources(frontend->arena));
}

void sources_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	if (node->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, node->span, "`workloads` must be a list of sources");
	else
		one_or_more_read(frontend, node, "`workloads`", entry_read, object);
}
