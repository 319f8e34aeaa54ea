#include "enforcer/service/outreach.h"

#include "compiler/frontend/configuration.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* A key of a file is read when it is needed, so that it may be another by then. */
static void key_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct key_words *keys = object;
	const char *text = scalar_read(frontend, node, "a key"), *path = NULL, *wrong = NULL;
	struct public_key key;
	if (text == NULL)
		return;
	if (text[0] == '/')
		path_read(frontend, node, &path);
	else
		wrong = public_key_parse(&key, text);
	if (wrong != NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "%s", wrong);
		diagnostics_help(frontend->diagnostics,
				 "`ringfence keygen` makes a pair; the absolute path of the public one does as well");
	} else {
		*arena_push(frontend->arena, keys->items, keys->count) = text;
	}
}

void trusted_keys_read(struct frontend *frontend, const struct yaml_node *node, struct key_words *keys)
{
	one_or_more_read(frontend, node, "`keys`", key_read, keys);
}

void outreach_add_keys(struct arena *arena, const struct key_words *keys, struct outreach *outreach)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->items[i][0] == '/')
			*arena_push(arena, outreach->paths, outreach->path_count) = keys->items[i];
}

void outreach_add_store(struct arena *arena, const struct etcd_settings *settings, struct outreach *outreach)
{
	const char *const files[] = {settings->ca, settings->certificate, settings->key, settings->password_file};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (files[i] != NULL)
			*arena_push(arena, outreach->paths, outreach->path_count) = files[i];
	for (size_t i = 0; i < settings->endpoint_count; i++)
		*arena_push(arena, outreach->ports, outreach->port_count) =
		    (uint16_t)strtoul(strrchr(settings->endpoints[i], ':') + 1, NULL, 10);
}
