/* Written with jansson, and read by the frontend, so that nothing can be told here that a file could not. */
#include "enforcer/fleet/record.h"

#include <ringfence/arena.h>
#include <ringfence/frontend.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

char *record_write(const struct workload *workload)
{
	char text[64];
	json_t *labels = json_object(), *addresses = json_array(), *ports = json_object();
	for (size_t i = 0; i < workload->labels.count; i++)
		json_object_set_new(labels, workload->labels.items[i].key,
				    json_string(workload->labels.items[i].value));
	for (size_t i = 0; i < workload->address_count; i++)
		json_array_append_new(addresses, json_string(address_format(&workload->addresses[i], text)));
	for (size_t i = 0; i < workload->port_count; i++)
		json_object_set_new(ports, workload->ports[i].name,
				    json_string(port_range_format(&workload->ports[i].port, text)));
	json_t *entry = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", workload->name, "namespace",
				  workload->name_space, "node", workload->node, "labels", labels, "ports", ports);
	if (workload->cgroup != NULL)
		json_object_set_new(entry, "cgroup", json_string(workload->cgroup));
	else
		json_object_set(entry, "addresses", addresses);
	json_decref(addresses);
	json_t *document = json_pack("{s:s, s:[o]}", "ringfence", "v1", "workloads", entry);
	char *written = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	if (written == NULL)
		abort();
	return written;
}

/* The part of a key up to the next slash; NULL: it is none that could stand there. */
static const char *take_part(char part[256], const char *text)
{
	size_t length = strcspn(text, "/");
	if (length == 0 || length > 255 || memchr(text, ':', length) != NULL)
		return NULL;
	memcpy(part, text, length);
	part[length] = 0;
	return text + length;
}

bool record_key_parse(struct record_key *key, const char *text)
{
	*key = (struct record_key){0};
	if ((text = take_part(key->node, text)) == NULL || text[0] == 0)
		return text != NULL;
	if ((text = take_part(key->name_space, text + 1)) == NULL)
		return false;
	if (text[0] == 0)
		return strcmp(key->name_space, FLEET_ENROLMENT) == 0;
	text = take_part(key->name, text + 1);
	return text != NULL && text[0] == 0;
}

static const char *first_error(struct arena *arena, const struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++)
		if (diagnostics->items[i].severity == SEVERITY_ERROR)
			return arena_copy(arena, diagnostics->items[i].message, strlen(diagnostics->items[i].message));
	return "it cannot be read";
}

/* What is read takes its time for each part: a record is one line of JSON, and has few. */
static bool is_short(const char *text, size_t length)
{
	size_t parts = 0;
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ')
			return false;
		parts += strchr(",[{", text[i]) != NULL;
	}
	return length <= RECORD_MOST && parts <= RECORD_PARTS_MOST;
}

const char *record_read(struct arena *arena, const struct record_key *key, const char *text, size_t length,
			struct inventory *inventory)
{
	struct diagnostics *diagnostics = arena_alloc(arena, sizeof *diagnostics);
	struct frontend *frontend = arena_alloc(arena, sizeof *frontend);
	if (!is_short(text, length))
		return "it is longer than a record can be";
	diagnostics_init(diagnostics, arena);
	frontend_init(frontend, arena, diagnostics);
	frontend->inventory_only = true;
	frontend_add_text(frontend, "record", arena_copy(arena, text, length), length);
	frontend_finish(frontend);
	if (diagnostics->errors > 0)
		return first_error(arena, diagnostics);
	*inventory = frontend->inventory;
	if (inventory->workload_count != 1 ||
	    inventory->node_count + inventory->namespace_count + inventory->host_count > 0)
		return "it tells of something else than one workload";
	const struct workload *workload = inventory->workloads[0];
	if (workload->node == NULL || strcmp(workload->node, key->node) != 0 ||
	    strcmp(workload->name_space, key->name_space) != 0 || strcmp(workload->name, key->name) != 0)
		return "it tells of another workload than its key does";
	return NULL;
}
