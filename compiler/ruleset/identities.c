/* Pass "identities": workloads that no statement can tell apart are one, and are matched against statements once.
 *
 * What counts of a workload: its namespace, labels and ports of which the policy speaks, whether it is closed, and of a
 * local one its node. */
#include "compiler/ruleset/lowering.h"

#include <stdlib.h>
#include <string.h>

static void note_name(struct name **table, const char *text)
{
	struct name *name = NULL;
	size_t length = strlen(text);
	HASH_FIND(hh, *table, text, length, name);
	if (name != NULL)
		return;
	name = calloc(1, sizeof *name + length + 1);
	if (name == NULL)
		abort();
	memcpy(name->text, text, length + 1);
	HASH_ADD_KEYPTR(hh, *table, name->text, length, name);
}

static bool is_noted(const struct name *table, const char *text)
{
	const struct name *name = NULL;
	HASH_FIND(hh, table, text, strlen(text), name);
	return name != NULL;
}

static void note_selector(struct lowering *l, const struct selector *selector)
{
	for (size_t i = 0; i < selector->count; i++)
		note_name(&l->keys, selector->items[i].key);
}

static void note_peer(struct lowering *l, const struct peer *peer)
{
	if (peer->kind == PEER_LABELS)
		note_selector(l, &peer->labels);
}

void identities_prepare(struct lowering *l)
{
	const struct policy *policy = l->world.policy;
	table_reserve(&l->members, l->world.inventory->workload_count);
	for (size_t i = 0; i < policy->isolation_count; i++)
		note_selector(l, &policy->isolations[i]->workloads);
	for (size_t i = 0; i < policy->service_count; i++)
		note_selector(l, &policy->services[i]->workloads);
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			note_peer(l, &flows->from[j]);
		for (size_t j = 0; j < flows->to_count; j++) {
			note_peer(l, &flows->to[j].peer);
			for (size_t k = 0; k < flows->to[j].container_port_count; k++)
				note_name(&l->ports, flows->to[j].container_ports[k].name);
		}
	}
}

bool is_local(const struct lowering *l, const struct workload *workload)
{
	return l->node == NULL || (workload->node != NULL && strcmp(workload->node, l->node) == 0);
}

/* Whether some statement asks for a label with this key. */
static bool is_asked(const void *context, const char *key)
{
	const struct lowering *l = context;
	return is_noted(l->keys, key);
}

/* ---- keys ---- */

/* Bytes on the stack while they are enough. */
struct key {
	char *bytes, *heap;
	size_t length, room;
	char near[512];
};

static void append(struct key *key, const void *bytes, size_t size)
{
	if (key->length + size > key->room) {
		key->room = 2 * (key->length + size);
		char *grown = realloc(key->heap, key->room);
		if (grown == NULL)
			abort();
		if (key->heap == NULL)
			memcpy(grown, key->near, key->length);
		key->bytes = key->heap = grown;
	}
	memcpy(key->bytes + key->length, bytes, size);
	key->length += size;
}

static void append_text(struct key *key, const char *text)
{
	append(key, text, strlen(text) + 1);
}

static void key_of(const struct lowering *l, const struct workload *workload, struct key *key)
{
	const struct quarantine *quarantine = workload->conflict ? NULL : quarantine_of(&l->world, workload);
	const char *closed = workload->conflict			     ? "!"
			     : quarantine == NULL		     ? ""
			     : quarantine_is_of_operator(quarantine) ? "*"
								     : quarantine->name;
	key->bytes = key->near;
	key->room = sizeof key->near;
	append_text(key, workload->name_space);
	append(key, is_local(l, workload) ? "l" : "r", 1);
	append(key, workload_is_host(workload) ? "h" : "a", 1);
	append_text(key, is_local(l, workload) && workload->node != NULL ? workload->node : "");
	append_text(key, closed);
	for (size_t i = 0; i < workload->labels.count; i++) {
		const struct label *label = &workload->labels.items[i];
		if (!is_noted(l->keys, label->key))
			continue;
		append_text(key, label->key);
		append_text(key, label->value);
	}
	append(key, "", 1);
	for (size_t i = 0; i < workload->port_count; i++) {
		const struct named_port *port = &workload->ports[i];
		const uint16_t numbers[] = {port->port.protocol, port->port.first, port->port.last};
		if (!is_noted(l->ports, port->name))
			continue;
		append_text(key, port->name);
		append(key, numbers, sizeof numbers);
	}
}

struct identity *identity_find(struct lowering *l, const struct workload *workload)
{
	struct identity *identity = NULL;
	struct key key = {0};
	key_of(l, workload, &key);
	HASH_FIND(hh, l->identities, key.bytes, key.length, identity);
	free(key.heap);
	return identity;
}

static uint32_t hash_member(const struct workload *workload)
{
	return table_hash(0, &workload->name, sizeof workload->name);
}

/* Where a workload stands in its identity; it is known by the text of its name, since the rest may be a copy. */
static struct table_slot *find_member(const struct lowering *l, const struct workload *workload)
{
	struct table_slot *slot = table_first(&l->members, hash_member(workload));
	while (slot != NULL && ((const struct workload *)slot->item)->name != workload->name)
		slot = table_next(&l->members, slot);
	return slot;
}

struct identity *identity_enter(struct lowering *l, const struct workload *workload)
{
	struct identity *identity = NULL;
	struct key key = {0};
	key_of(l, workload, &key);
	HASH_FIND(hh, l->identities, key.bytes, key.length, identity);
	if (identity == NULL) {
		identity = calloc(1, sizeof *identity + key.length);
		if (identity == NULL)
			abort();
		identity->key_length = key.length;
		memcpy(identity->key, key.bytes, key.length);
		HASH_ADD_KEYPTR(hh, l->identities, identity->key, key.length, identity);
		label_index_add_workload(l->labelled, workload, is_asked, l, identity);
	}
	free(key.heap);
	if (identity->member_count == identity->member_room) {
		identity->member_room = identity->member_room * 2 + 1;
		identity->members = reallocarray(identity->members, identity->member_room, sizeof(struct workload *));
		if (identity->members == NULL)
			abort();
	}
	table_add(&l->members, hash_member(workload), (struct workload *)workload, (uint32_t)identity->member_count);
	identity->members[identity->member_count++] = workload;
	return identity;
}

void identity_free(struct lowering *l, struct identity *identity)
{
	HASH_DEL(l->identities, identity);
	for (size_t family = 0; family < 2; family++)
		free(identity->slots[family].items);
	free(identity->members);
	free(identity);
}

void identity_leave(struct lowering *l, struct identity *identity, const struct workload *workload)
{
	const struct workload *last = identity->members[--identity->member_count];
	struct table_slot *slot = find_member(l, workload);
	identity->members[slot->number] = last;
	find_member(l, last)->number = slot->number;
	table_remove(&l->members, slot);
	if (identity->member_count > 0)
		return;
	label_index_remove_workload(l->labelled, workload, is_asked, l, identity);
	identity_free(l, identity);
}
