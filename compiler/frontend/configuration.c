/* What configuration files have in common. */
#include "compiler/frontend/configuration.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void path_read(struct frontend *frontend, const struct yaml_node *node, const char **path)
{
	const char *text = scalar_read(frontend, node, "a path");
	if (text != NULL && text[0] != '/')
		diagnostics_error(frontend->diagnostics, node->span,
				  "a path must be absolute: the daemon has no directory of its own");
	else if (text != NULL)
		*path = text;
}

/* Reads the file's text, or returns NULL after adding why not. */
static char *text_read(struct frontend *frontend, const char *path, size_t *length)
{
	struct stat status;
	FILE *stream = fopen(path, "re");
	if (stream == NULL || fstat(fileno(stream), &status) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_size > CONFIGURATION_BYTES_MAX) {
		const char *why = stream == NULL ? strerror(errno) : "not a regular file of at most 1 MiB";
		diagnostics_error(frontend->diagnostics, (struct span){0}, "%s: %s", path, why);
		if (stream != NULL)
			fclose(stream);
		return NULL;
	}
	char *text = arena_alloc(frontend->arena, (size_t)status.st_size + 1);
	*length = fread(text, 1, (size_t)status.st_size, stream);
	fclose(stream);
	return text;
}

const struct yaml_node *configuration_read(struct frontend *frontend, const char *path)
{
	struct diagnostics *diagnostics = frontend->diagnostics;
	size_t length = 0, count = 0;
	char *text = text_read(frontend, path, &length);
	if (text == NULL)
		return NULL;
	struct source *source = arena_alloc(frontend->arena, sizeof *source);
	*source = (struct source){.file = path, .text = text, .length = length};
	diagnostics_add_source(diagnostics, source);
	struct yaml_node **roots = yaml_read(frontend->arena, source, diagnostics, &count);
	if (count != 1 && diagnostics->errors == 0)
		diagnostics_error(diagnostics, (struct span){path, 1, 1, 1, 1}, "expected one document");
	return count == 1 ? roots[0] : NULL;
}
