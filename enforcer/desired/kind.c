/* Kinds of workloads, found by their content. */
#include "enforcer/desired/kind.h"

#include <stdlib.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool kind_is(const struct kind *kind, const struct workload *workload)
{
	if (kind->labels.count != workload->labels.count || kind->port_count != workload->port_count ||
	    strcmp(kind->name_space, workload->name_space) != 0 || !same_text(kind->node, workload->node))
		return false;
	for (size_t i = 0; i < kind->labels.count; i++)
		if (strcmp(kind->labels.items[i].key, workload->labels.items[i].key) != 0 ||
		    strcmp(kind->labels.items[i].value, workload->labels.items[i].value) != 0)
			return false;
	for (size_t i = 0; i < kind->port_count; i++)
		if (strcmp(kind->ports[i].name, workload->ports[i].name) != 0 ||
		    memcmp(&kind->ports[i].port, &workload->ports[i].port, sizeof kind->ports[i].port) != 0)
			return false;
	return true;
}

static uint32_t hash_workload(const struct workload *workload)
{
	uint32_t hash = table_hash_text(0, workload->name_space);
	hash = table_hash_text(hash, workload->node != NULL ? workload->node : "");
	for (size_t i = 0; i < workload->labels.count; i++)
		hash = table_hash_text(table_hash_text(hash, workload->labels.items[i].key),
				       workload->labels.items[i].value);
	for (size_t i = 0; i < workload->port_count; i++)
		hash = table_hash(table_hash_text(hash, workload->ports[i].name), &workload->ports[i].port,
				  sizeof workload->ports[i].port);
	return hash;
}

static size_t text_size(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

/* Copies a text to `*at` and moves that behind it. */
static const char *put(char **at, const char *text)
{
	char *begin = *at;
	if (text == NULL)
		return NULL;
	*at = stpcpy(begin, text) + 1;
	return begin;
}

static struct kind *make(const struct workload *workload)
{
	const struct labels *labels = &workload->labels;
	size_t size = text_size(workload->name_space) + text_size(workload->node);
	for (size_t i = 0; i < labels->count; i++)
		size += sizeof(struct label) + text_size(labels->items[i].key) + text_size(labels->items[i].value);
	for (size_t i = 0; i < workload->port_count; i++)
		size += sizeof(struct named_port) + text_size(workload->ports[i].name);
	struct kind *kind = calloc(1, sizeof *kind + size);
	if (kind == NULL)
		abort();
	kind->labels = (struct labels){(struct label *)(kind + 1), labels->count};
	kind->ports = (struct named_port *)(kind->labels.items + labels->count);
	kind->port_count = (uint32_t)workload->port_count;
	char *at = (char *)(kind->ports + workload->port_count);
	for (size_t i = 0; i < labels->count; i++) {
		kind->labels.items[i].key = put(&at, labels->items[i].key);
		kind->labels.items[i].value = put(&at, labels->items[i].value);
	}
	for (size_t i = 0; i < workload->port_count; i++)
		kind->ports[i] = (struct named_port){put(&at, workload->ports[i].name), workload->ports[i].port};
	kind->name_space = put(&at, workload->name_space);
	kind->node = put(&at, workload->node);
	return kind;
}

struct kind *kind_take(struct table *kinds, const struct workload *workload)
{
	uint32_t hash = hash_workload(workload);
	struct table_slot *slot = table_first(kinds, hash);
	while (slot != NULL && !kind_is(slot->item, workload))
		slot = table_next(kinds, slot);
	if (slot == NULL) {
		slot = table_add(kinds, hash, make(workload), 0);
		((struct kind *)slot->item)->hash = hash;
	}
	struct kind *kind = slot->item;
	kind->users++;
	return kind;
}

void kind_drop(struct table *kinds, struct kind *kind)
{
	if (--kind->users > 0)
		return;
	struct table_slot *slot = table_first(kinds, kind->hash);
	while (slot->item != kind)
		slot = table_next(kinds, slot);
	table_remove(kinds, slot);
	free(kind);
}
