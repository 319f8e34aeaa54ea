/* The live inventory: one allocation for each workload, in which what replicas share is only pointed to. */
#include "enforcer/desired/live.h"

#include "enforcer/desired/grounds.h"
#include "enforcer/desired/kind.h"

#include <ringfence/arena.h>

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_KEPT = 1024 }; /* of the lists of a transaction, from one to the next */

/* A workload of one source. */
struct entry {
	struct workload workload; /* first, so that a workload of the inventory is an entry */
	struct kind *kind;
	struct entry *next; /* of the source, or of those gone */
	bool placed;	    /* it is in the inventory */
	bool fresh;	    /* it was not before this transaction */
	bool touched;
	char bytes[]; /* its addresses, its name, its interfaces and its cgroup */
};

static void *reallocate(void *memory, size_t count, size_t size)
{
	void *moved = reallocarray(memory, count, size);
	if (moved == NULL)
		abort();
	return moved;
}

/* Makes room for one more behind `count` items. */
static void *grow(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room > 0 ? 2 * *room : 16;
	return reallocate(items, *room, size);
}

/* ---- entries ---- */

static struct entry *entry_create(struct live *live, const struct workload *from)
{
	const char *cgroup = from->cgroup != NULL ? from->cgroup : "";
	size_t addresses = from->address_count * sizeof *from->addresses, name = strlen(from->name) + 1;
	size_t size = offsetof(struct entry, bytes) + addresses + name + strlen(cgroup) + 1;
	size_t interfaces = (size + alignof(const char *) - 1) / alignof(const char *) * alignof(const char *);
	if (from->interface_count > 0)
		size = interfaces + from->interface_count * sizeof(const char *);
	for (size_t i = 0; i < from->interface_count; i++)
		size += strlen(from->interfaces[i]) + 1;
	struct entry *entry = reallocate(NULL, 1, size > sizeof *entry ? size : sizeof *entry);
	struct kind *kind = kind_take(&live->kinds, from);
	*entry = (struct entry){.kind = kind, .fresh = true}; /* before the bytes, which begin in its padding */
	char *name_at = entry->bytes + addresses, *cgroup_at = name_at + name;
	const char **interfaces_at = (const char **)(void *)((char *)entry + interfaces);
	char *text = (char *)(interfaces_at + from->interface_count);
	if (addresses > 0)
		memcpy(entry->bytes, from->addresses, addresses);
	memcpy(name_at, from->name, name);
	strcpy(cgroup_at, cgroup);
	for (size_t i = 0; i < from->interface_count; i++) {
		interfaces_at[i] = text;
		text = stpcpy(text, from->interfaces[i]) + 1;
	}
	entry->workload = (struct workload){.name_space = kind->name_space,
					    .name = name_at,
					    .node = kind->node,
					    .labels = kind->labels,
					    .addresses = (struct address *)(void *)entry->bytes,
					    .address_count = from->address_count,
					    .interfaces = from->interface_count > 0 ? interfaces_at : NULL,
					    .interface_count = from->interface_count,
					    .cgroup = from->cgroup != NULL ? cgroup_at : NULL,
					    .cgroup_id = from->cgroup_id,
					    .ports = kind->ports,
					    .port_count = kind->port_count};
	return entry;
}

static void entry_free(struct live *live, struct entry *entry)
{
	kind_drop(&live->kinds, entry->kind);
	free(entry);
}

/* Whether the entry says of its workload what `workload` does. */
static bool entry_is(const struct entry *entry, const struct workload *workload)
{
	const struct workload *own = &entry->workload;
	bool same = own->address_count == workload->address_count && kind_is(entry->kind, workload) &&
		    own->interface_count == workload->interface_count && own->cgroup_id == workload->cgroup_id &&
		    (own->cgroup == NULL) == (workload->cgroup == NULL) &&
		    (own->cgroup == NULL || strcmp(own->cgroup, workload->cgroup) == 0);
	for (size_t i = 0; same && i < own->address_count; i++)
		same = address_compare(&own->addresses[i], &workload->addresses[i]) == 0;
	for (size_t i = 0; same && i < own->interface_count; i++)
		same = strcmp(own->interfaces[i], workload->interfaces[i]) == 0;
	return same;
}

/* ---- in and out of the inventory ---- */

static void touch(struct live *live, const struct workload *workload)
{
	struct entry *entry = (struct entry *)(void *)workload;
	if (entry == NULL || entry->touched)
		return;
	entry->touched = true;
	live->touched = grow(live->touched, live->touched_count, &live->touched_room, sizeof(struct entry *));
	live->touched[live->touched_count++] = entry;
}

/* Touches whoever is found by the name, or by an address, of `workload`: no one else's conflict can depend on it. */
static void touch_rivals(struct live *live, const struct workload *workload)
{
	touch(live, inventory_workload(&live->inventory, workload->name_space, workload->name));
	for (size_t i = 0; i < workload->address_count; i++)
		touch(live, inventory_claimant(&live->inventory, &workload->addresses[i]));
	touch(live, inventory_at_cgroup(&live->inventory, workload->cgroup_id));
}

static const struct quarantine *quarantine_now(const struct live *live, const struct workload *workload)
{
	return live->quarantine != NULL ? live->quarantine(live->context, workload) : NULL;
}

bool live_is_isolated_otherwise(const struct live *live, const struct workload *workload)
{
	return quarantine_now(live, workload) != workload->quarantine;
}

void live_reconsider(struct live *live, const struct workload *workload)
{
	if (live_is_isolated_otherwise(live, workload))
		touch(live, workload);
}

static uint32_t hash_address(const struct address *address)
{
	return table_hash(0, address, sizeof *address);
}

/* Whether pods tell that a machine has the address. */
static bool host_at(const struct live *live, const struct address *address)
{
	if (live->host_addresses.count == 0)
		return false;
	struct table_slot *slot = table_first(&live->host_addresses, hash_address(address));
	while (slot != NULL && address_compare(&((const struct host *)slot->item)->address, address) != 0)
		slot = table_next(&live->host_addresses, slot);
	return slot != NULL;
}

/* A workload takes an address from a machine that only pods tell of, or gives it back. */
static void look_at_hosts(struct live *live, const struct workload *workload)
{
	for (size_t i = 0; i < workload->address_count && !live->stale; i++)
		live->stale = host_at(live, &workload->addresses[i]);
}

static void place(struct live *live, struct entry *entry, uint64_t order)
{
	entry->workload.order = order;
	if (entry->fresh) /* else it would be a change: judge() looks */
		entry->workload.quarantine = quarantine_now(live, &entry->workload);
	entry->placed = true;
	touch_rivals(live, &entry->workload);
	inventory_add(&live->inventory, &entry->workload);
	touch(live, &entry->workload);
	look_at_hosts(live, &entry->workload);
}

static void displace(struct live *live, struct entry *entry)
{
	entry->placed = false;
	inventory_remove(&live->inventory, &entry->workload);
	touch_rivals(live, &entry->workload);
	look_at_hosts(live, &entry->workload);
}

/* ---- what a source says ---- */

static int compare_names(const struct workload *a, const struct workload *b)
{
	int order = strcmp(a->name_space, b->name_space);
	return order != 0 ? order : strcmp(a->name, b->name);
}

static void note(struct live *live, const struct entry *before, const struct entry *after)
{
	live->items = grow(live->items, live->item_count, &live->item_room, sizeof *live->items);
	live->items[live->item_count++] = (struct workload_change){before != NULL ? &before->workload : NULL,
								   after != NULL ? &after->workload : NULL};
}

/* Takes a workload out for good; it lives on until the next transaction. */
static void retire(struct live *live, struct entry *entry)
{
	displace(live, entry);
	live->conflict_count -= entry->workload.conflict;
	entry->next = live->gone;
	live->gone = entry;
}

/* Whether it is a host workload of which nobody says that it runs: a policy's inventory tells for its checks which
 * there are, and the source that knows the cgroups which run. */
static bool is_told_only(const struct workload *workload)
{
	return workload->cgroup != NULL && workload->cgroup_id == 0;
}

/* Makes the list of entries anew from what was said and what is said now. Those that stay keep their place, unless the
 * age changes; those that are new get theirs when all that go are out. */
static void replace_workloads(struct live *live, struct content *content, const struct inventory *inventory,
			      bool other_age)
{
	struct entry *old = content->workloads, **end = &content->workloads;
	for (size_t i = 0; i < inventory->workload_count || old != NULL;) {
		if (i < inventory->workload_count && is_told_only(inventory->workloads[i])) {
			live->told_only = true;
			i++;
			continue;
		}
		const struct workload *new = i < inventory->workload_count ? inventory->workloads[i] : NULL;
		int order = new == NULL ? -1 : old == NULL ? 1 : compare_names(&old->workload, new);
		struct entry *before = order <= 0 ? old : NULL, *after = NULL;
		if (before != NULL)
			old = old->next;
		i += order >= 0;
		if (order == 0 && entry_is(before, new)) {
			after = before;
			if (other_age)
				displace(live, before);
		} else {
			after = order >= 0 ? entry_create(live, new) : NULL;
			note(live, before, after);
			if (before != NULL)
				retire(live, before);
		}
		if (after != NULL) {
			*end = after;
			end = &after->next;
		}
	}
	*end = NULL;
}

static void replace_grounds(struct live *live, struct content *content, const struct inventory *inventory)
{
	struct grounds *old = content->grounds;
	content->grounds = grounds_create(inventory);
	live->stale = live->stale || old != NULL || content->grounds != NULL;
	if (old == NULL && content->grounds != NULL) {
		live->grounded = reallocate(live->grounded, live->grounded_count + 1, sizeof(struct content *));
		live->grounded[live->grounded_count++] = content;
	}
	for (size_t i = 0; old != NULL && content->grounds == NULL && i < live->grounded_count; i++)
		if (live->grounded[i] == content)
			live->grounded[i] = live->grounded[--live->grounded_count];
	if (old != NULL) {
		old->next = live->grounds_gone;
		live->grounds_gone = old;
	}
}

void live_replace(struct live *live, struct content *content, const struct inventory *inventory, uint64_t order)
{
	bool other_age = content->order != order;
	content->order = order;
	replace_workloads(live, content, inventory, other_age);
	for (struct entry *entry = content->workloads; entry != NULL; entry = entry->next)
		if (!entry->placed)
			place(live, entry, order);
	replace_grounds(live, content, inventory);
	struct hosts *hosts = hosts_take(&live->hosts, inventory, &live->stale);
	hosts_drop(&live->hosts, content->hosts, &live->stale);
	content->hosts = hosts;
}

const struct workload *live_next(const struct content *content, const struct workload *workload)
{
	const struct entry *entry =
	    workload == NULL ? content->workloads : ((const struct entry *)(const void *)workload)->next;
	return entry != NULL ? &entry->workload : NULL;
}

static int compare_addresses(const void *left, const void *right)
{
	return address_compare(left, right);
}

bool live_gains_address(const struct content *content, const struct inventory *inventory)
{
	size_t count = 0;
	for (const struct entry *entry = content->workloads; entry != NULL; entry = entry->next)
		count += entry->workload.address_count;
	struct address *known = reallocate(NULL, count + 1, sizeof *known);
	count = 0;
	for (const struct entry *entry = content->workloads; entry != NULL; entry = entry->next)
		for (size_t i = 0; i < entry->workload.address_count; i++)
			known[count++] = entry->workload.addresses[i];
	if (count > 1)
		qsort(known, count, sizeof *known, compare_addresses);
	bool gains = false;
	for (size_t i = 0; i < inventory->workload_count && !gains; i++)
		for (size_t j = 0; j < inventory->workloads[i]->address_count && !gains; j++)
			gains = bsearch(&inventory->workloads[i]->addresses[j], known, count, sizeof *known,
					compare_addresses) == NULL;
	free(known);
	return gains;
}

/* ---- nodes and namespaces ---- */

static int compare_ages(const void *left, const void *right)
{
	const struct content *a = *(struct content *const *)left, *b = *(struct content *const *)right;
	return (a->order > b->order) - (a->order < b->order);
}

/* Adds the machines that only pods tell of. A workload that has such an address keeps it. */
static void merge_hosts(struct live *live, struct inventory *merged, struct arena *arena)
{
	struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&live->hosts, &at)) != NULL;) {
		const struct hosts *hosts = slot->item;
		for (size_t i = 0; i < hosts->count; i++) {
			struct host *host = arena_push(arena, merged->hosts, merged->host_count);
			*host = hosts->items[i];
			host->node = arena_copy(arena, host->node, strlen(host->node)); /* the hosts may go before */
		}
	}
	for (size_t i = 0; i < merged->host_count; i++) {
		const struct workload *claimant = inventory_claimant(&live->inventory, &merged->hosts[i].address);
		if (claimant != NULL)
			*arena_push(arena, merged->workloads, merged->workload_count) = (struct workload *)claimant;
	}
	inventory_add_hosts(merged, arena);
}

static void touch_claimants(struct live *live, const struct inventory *of_nodes)
{
	for (size_t i = 0; i < of_nodes->node_count; i++)
		for (size_t j = 0; j < of_nodes->nodes[i]->address_count; j++)
			touch(live, inventory_claimant(&live->inventory, &of_nodes->nodes[i]->addresses[j]));
}

/* Makes nodes and namespaces of all sources, the older first. Returns whether they are others than before. */
static bool merge_grounds(struct live *live)
{
	struct arena *arena = arena_create();
	struct inventory merged = {0};
	struct table by_name = {.arena = arena};
	if (live->grounded_count > 1)
		qsort(live->grounded, live->grounded_count, sizeof(struct content *), compare_ages);
	for (size_t i = 0; i < live->grounded_count; i++)
		grounds_merge(live->grounded[i]->grounds, &merged, &by_name, arena);
	merge_hosts(live, &merged, arena);
	bool other = !grounds_are_same(&merged, &live->inventory);
	if (other) {
		touch_claimants(live, &merged);
		touch_claimants(live, &live->inventory);
	}
	live->inventory.nodes = merged.nodes;
	live->inventory.node_count = merged.node_count;
	live->inventory.namespaces = merged.namespaces;
	live->inventory.namespace_count = merged.namespace_count;
	inventory_index_nodes(&live->inventory);
	table_clear(&live->host_addresses);
	for (size_t i = 0; i < merged.host_count; i++)
		if (!host_at(live, &merged.hosts[i].address))
			table_add(&live->host_addresses, hash_address(&merged.hosts[i].address), &merged.hosts[i], 0);
	arena_free(live->arena);
	live->arena = arena;
	live->stale = false;
	return other;
}

/* ---- transactions ---- */

void live_init(struct live *live)
{
	*live = (struct live){0};
	inventory_init(&live->inventory);
}

static void *shrink(void *items, size_t *room)
{
	if (*room <= ROOM_KEPT)
		return items;
	*room = 0;
	free(items);
	return NULL;
}

void live_begin(struct live *live)
{
	for (struct entry *entry = live->gone, *next; entry != NULL; entry = next) {
		next = entry->next;
		entry_free(live, entry);
	}
	for (struct grounds *grounds = live->grounds_gone, *next; grounds != NULL; grounds = next) {
		next = grounds->next;
		grounds_free(grounds);
	}
	free(live->befores);
	live->gone = NULL;
	live->grounds_gone = NULL;
	live->befores = NULL;
	live->items = shrink(live->items, &live->item_room);
	live->touched = shrink(live->touched, &live->touched_room);
	live->item_count = live->touched_count = 0;
}

void live_finish(struct live *live)
{
	live_begin(live);
	free(live->items);
	free(live->touched);
	free(live->grounded);
	table_finish(&live->kinds);
	table_finish(&live->hosts);
	table_finish(&live->host_addresses);
	inventory_finish(&live->inventory);
	arena_free(live->arena);
}

static void set_conflict(struct live *live, struct entry *entry, bool conflict)
{
	live->conflict_count -= entry->workload.conflict;
	live->conflict_count += conflict;
	entry->workload.conflict = conflict;
}

/* Marks the new workloads, and leaves those in `touched` that are in conflict, or were: which of their addresses are
 * theirs may be another matter now. And those that something else isolates now. */
static void judge(struct live *live)
{
	size_t kept = 0;
	for (size_t i = 0; i < live->touched_count; i++) {
		struct entry *entry = live->touched[i];
		entry->touched = false;
		if (!entry->placed)
			continue;
		bool conflict = !inventory_has_its_own(&live->inventory, &entry->workload);
		if (entry->fresh)
			set_conflict(live, entry, conflict);
		else if (entry->workload.conflict || conflict || live_is_isolated_otherwise(live, &entry->workload))
			live->touched[kept++] = entry;
		entry->fresh = false;
	}
	live->touched_count = kept;
}

struct changes live_settle(struct live *live)
{
	bool wide = live->stale && merge_grounds(live);
	judge(live);
	if (live->touched_count > 0)
		live->befores = reallocate(NULL, live->touched_count, sizeof *live->befores);
	for (size_t i = 0; i < live->touched_count; i++) {
		struct entry *entry = live->touched[i];
		live->befores[i] = entry->workload;
		set_conflict(live, entry, !inventory_has_its_own(&live->inventory, &entry->workload));
		entry->workload.quarantine = quarantine_now(live, &entry->workload);
		note(live, entry, entry);
		live->items[live->item_count - 1].before = &live->befores[i];
	}
	return (struct changes){live->items, live->item_count, wide};
}
