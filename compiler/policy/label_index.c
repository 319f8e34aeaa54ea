/* A hash table from a label in a namespace to those who ask for it. Each asks under one label only: under every value
 * of that one of its requirements which has the fewest. Who asks for none stands under the namespace, or under none. */
#include "compiler/policy/label_index.h"

#include <ringfence/table.h>

#include <stdlib.h>
#include <string.h>

struct asked {
	uint64_t key;
	const void **users;
	size_t count, room;
};

struct label_index {
	struct table table;
};

struct label_index *label_index_create(void)
{
	struct label_index *index = calloc(1, sizeof *index);
	if (index == NULL)
		abort();
	return index;
}

static void asked_free(struct asked *asked)
{
	free(asked->users);
	free(asked);
}

void label_index_destroy(struct label_index *index)
{
	const struct table_slot *slot;
	if (index == NULL)
		return;
	for (size_t at = 0; (slot = table_each(&index->table, &at)) != NULL;)
		asked_free(slot->item);
	table_finish(&index->table);
	free(index);
}

/* FNV-1a of the texts, each with its NUL; a missing one counts as a byte that no text has. Two keys of one hash cost a
 * comparison and no more. */
static uint64_t hash_key(const char *name_space, const char *key, const char *value)
{
	const char *const parts[] = {name_space, key, value};
	uint64_t hash = 0xcbf29ce484222325;
	for (size_t i = 0; i < 3; i++) {
		const char *at = parts[i] != NULL ? parts[i] : "\xff";
		do
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
		while (*at++ != 0);
	}
	return hash;
}

static struct table_slot *find_slot(const struct label_index *index, uint64_t key)
{
	struct table_slot *slot = table_first(&index->table, table_hash(0, &key, sizeof key));
	while (slot != NULL && ((const struct asked *)slot->item)->key != key)
		slot = table_next(&index->table, slot);
	return slot;
}

static struct asked *find(const struct label_index *index, uint64_t key)
{
	const struct table_slot *slot = find_slot(index, key);
	return slot != NULL ? slot->item : NULL;
}

static void add(struct label_index *index, uint64_t key, const void *user)
{
	struct asked *asked = find(index, key);
	if (asked == NULL) {
		asked = calloc(1, sizeof *asked);
		if (asked == NULL)
			abort();
		asked->key = key;
		table_add(&index->table, table_hash(0, &key, sizeof key), asked, 0);
	}
	if (asked->count == asked->room) {
		asked->room = asked->room * 2 + 1;
		asked->users = reallocarray(asked->users, asked->room, sizeof *asked->users);
		if (asked->users == NULL)
			abort();
	}
	asked->users[asked->count++] = user;
}

/* Takes it out once for each time that it was added. */
static void drop(struct label_index *index, uint64_t key, const void *user)
{
	struct table_slot *slot = find_slot(index, key);
	struct asked *asked = slot != NULL ? slot->item : NULL;
	for (size_t i = 0; asked != NULL && i < asked->count; i++) {
		if (asked->users[i] != user)
			continue;
		asked->users[i] = asked->users[--asked->count];
		if (asked->count == 0) {
			table_remove(&index->table, slot);
			asked_free(asked);
		}
		return;
	}
}

static void each_value(struct label_index *index, const char *name_space, const struct selector *selector,
		       const void *user, void (*call)(struct label_index *, uint64_t, const void *))
{
	const struct requirement *rarest = NULL;
	for (size_t i = 0; selector != NULL && i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		if (item->kind == REQUIRE_IN && (rarest == NULL || item->value_count < rarest->value_count))
			rarest = item;
	}
	if (rarest == NULL)
		call(index, hash_key(name_space, NULL, NULL), user);
	for (size_t i = 0; rarest != NULL && i < rarest->value_count; i++)
		call(index, hash_key(name_space, rarest->key, rarest->values[i]), user);
}

static void each_key(struct label_index *index, const struct peer *peer, const void *user,
		     void (*call)(struct label_index *, uint64_t, const void *))
{
	const struct service *service = peer->kind == PEER_SERVICE ? peer->service : NULL;
	const struct selector *labels = peer->kind == PEER_LABELS ? &peer->labels : NULL;
	if (service != NULL)
		each_value(index, service->name_space, &service->workloads, user, call);
	else if (labels == NULL || peer->scope != NAMESPACES_LISTED)
		each_value(index, NULL, labels, user, call);
	for (size_t i = 0; labels != NULL && peer->scope == NAMESPACES_LISTED && i < peer->namespace_count; i++)
		each_value(index, peer->namespaces[i], labels, user, call);
}

void label_index_add(struct label_index *index, const struct peer *peer, const void *user)
{
	each_key(index, peer, user, add);
}

void label_index_remove(struct label_index *index, const struct peer *peer, const void *user)
{
	each_key(index, peer, user, drop);
}

void label_index_add_selector(struct label_index *index, const char *name_space, const struct selector *selector,
			      const void *user)
{
	each_value(index, name_space, selector, user, add);
}

void label_index_find(const struct label_index *index, const struct workload *workload,
		      void (*call)(void *context, const void *user), void *context)
{
	const char *const spaces[] = {NULL, workload->name_space};
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j <= workload->labels.count; j++) {
			const struct label *label = j < workload->labels.count ? &workload->labels.items[j] : NULL;
			const struct asked *asked = find(index, hash_key(spaces[i], label != NULL ? label->key : NULL,
									 label != NULL ? label->value : NULL));
			for (size_t k = 0; asked != NULL && k < asked->count; k++)
				call(context, asked->users[k]);
		}
}

/* Under its namespace, and each label in that and in any. */
static void each_own_key(struct label_index *index, const struct workload *workload,
			 bool (*asked)(const void *context, const char *key), const void *context, const void *user,
			 void (*call)(struct label_index *, uint64_t, const void *))
{
	call(index, hash_key(workload->name_space, NULL, NULL), user);
	for (size_t i = 0; i < workload->labels.count; i++) {
		const struct label *label = &workload->labels.items[i];
		if (!asked(context, label->key))
			continue;
		call(index, hash_key(NULL, label->key, label->value), user);
		call(index, hash_key(workload->name_space, label->key, label->value), user);
	}
}

void label_index_add_workload(struct label_index *index, const struct workload *workload,
			      bool (*asked)(const void *context, const char *key), const void *context,
			      const void *user)
{
	each_own_key(index, workload, asked, context, user, add);
}

void label_index_remove_workload(struct label_index *index, const struct workload *workload,
				 bool (*asked)(const void *context, const char *key), const void *context,
				 const void *user)
{
	each_own_key(index, workload, asked, context, user, drop);
}

struct meant {
	const struct label_index *index;
	void (*call)(void *context, const void *user);
	void *context;
	bool anyone;
};

static void call_for(struct label_index *index, uint64_t key, const void *user)
{
	struct meant *meant = (struct meant *)user;
	(void)index;
	if (key == hash_key(NULL, NULL, NULL)) {
		meant->anyone = true;
		return;
	}
	const struct asked *asked = find(meant->index, key);
	for (size_t i = 0; asked != NULL && i < asked->count; i++)
		meant->call(meant->context, asked->users[i]);
}

bool label_index_find_peer(const struct label_index *index, const struct peer *peer,
			   void (*call)(void *context, const void *user), void *context)
{
	struct meant meant = {index, call, context, false};
	each_key((struct label_index *)index, peer, &meant, call_for);
	return !meant.anyone;
}
