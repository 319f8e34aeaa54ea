/* The elements of one workload: what it is to the node if it is local, and where it stands as a peer of others. */
#include "compiler/ruleset/lowering.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store *store_create(struct arena *arena, const char *name, enum key_type key, enum role role)
{
	struct store *store = arena_alloc(arena, sizeof *store);
	snprintf(store->form.name, sizeof store->form.name, "%s", name);
	store->form.key = key;
	store->role = role;
	return store;
}

struct element *store_push(struct arena *arena, struct store *store)
{
	store->count++;
	return arena_push(arena, store->form.elements, store->form.element_count);
}

/* ---- keys ---- */

size_t put_part(uint8_t *key, size_t at, const void *bytes, size_t size)
{
	memcpy(key + at, bytes, size);
	return at + (size + 3) / 4 * 4;
}

static void put_port(uint8_t *key, size_t at, uint16_t protocol, uint16_t port)
{
	uint8_t number = (uint8_t)protocol;
	uint16_t network_port = htons(port);
	at = put_part(key, at, &number, sizeof number);
	put_part(key, at, &network_port, sizeof network_port);
}

void put_address(struct element *element, const struct address *address, const char *chain)
{
	put_part(element->key, 0, address->bytes, address_size(address->family));
	memcpy(element->end, element->key, sizeof element->end);
	element->chain = chain;
}

static void put_pair(struct element *element, const void *first, size_t size, const struct address *second)
{
	size_t at = put_part(element->key, 0, first, size);
	put_part(element->key, at, second->bytes, address_size(second->family));
	memcpy(element->end, element->key, sizeof element->end);
}

void put_box(struct element *element, const struct box *box, bool ports, int64_t until, const char *counter)
{
	size_t size = address_size(box->addresses.first.family);
	size_t at = put_part(element->key, 0, box->addresses.first.bytes, size);
	put_part(element->end, 0, box->addresses.last.bytes, size);
	if (ports) {
		put_port(element->key, at, box->ports.protocol, box->ports.first);
		put_port(element->end, at, box->ports.protocol, box->ports.last);
	}
	element->expires = until;
	element->chain = counter;
}

/* ---- as a peer ---- */

/* Who asks for elements. */
struct asking {
	struct lowering *l;
	const struct identity *identity;
	const struct workload *workload;
	const struct address *address;
	void (*call)(void *context, struct store *store, const struct element *element);
	void *context;
};

static void give(const struct asking *a, struct store *store, const struct element *element)
{
	a->call(a->context, store, element);
}

static bool slot_holds(const struct slot *slot, const struct address *address)
{
	return slot->network == NULL || network_contains(slot->network, address);
}

/* What counts an element of a store for the allow at a place; NULL: its rules say it. */
static const char *element_counter(const struct asking *a, const struct store *store, uint32_t allow)
{
	return store->form.counted ? counter_of(a->l, allow)->name : NULL;
}

/* The ranges of ports that an address has in one set, made disjoint: the kernel refuses an element that overlaps
 * another. `first` is the first slot of that set. */
static void give_spans(const struct asking *a, const struct slots *slots, size_t first)
{
	const struct slot *slot = &slots->items[first];
	struct arena *arena = arena_create();
	struct opening *openings = NULL;
	size_t count = 0;
	for (size_t i = first; i < slots->count && slots->items[i].owner == slot->owner; i++)
		if (slots->items[i].store == slot->store && slot_holds(&slots->items[i], a->address))
			*arena_push(arena, openings, count) = (struct opening){
			    slots->items[i].ports, slot->store->form.counted ? slots->items[i].allow : 0};
	struct opening *disjoint = arena_alloc(arena, (2 * count + 1) * sizeof *disjoint);
	count = openings_disjoint(openings, count, disjoint);
	for (size_t i = 0; i < count; i++) {
		const struct box box = {{*a->address, *a->address}, disjoint[i].ports, disjoint[i].allow};
		struct element element = {0};
		put_box(&element, &box, true, slot->store->until, element_counter(a, slot->store, disjoint[i].allow));
		give(a, slot->store, &element);
	}
	arena_free(arena);
}

/* Whether an earlier slot of the class has the set of this one. */
static bool is_repeated(const struct slots *slots, size_t place)
{
	const struct slot *slot = &slots->items[place];
	for (size_t i = place; i > 0 && slots->items[i - 1].owner == slot->owner; i--)
		if (slots->items[i - 1].store == slot->store)
			return true;
	return false;
}

/* Whether another slot gives the same element for an allow before this one's. That takes two networks, or one and a
 * peer that is none: else they were the same slot. `begin`: of the class's slots, which end with `end`. */
static bool is_behind_another(const struct slots *slots, size_t begin, size_t end, size_t place,
			      const struct address *address)
{
	const struct slot *slot = &slots->items[place];
	for (size_t i = begin; i < end; i++) {
		const struct slot *other = &slots->items[i];
		bool before = other->allow != slot->allow ? other->allow < slot->allow : i < place;
		if (before && other->store == slot->store && slot_holds(other, address) &&
		    memcmp(&other->ports, &slot->ports, sizeof slot->ports) == 0)
			return true;
	}
	return false;
}

static void give_slots(const struct asking *a)
{
	const struct slots *slots = &a->identity->slots[a->address->family == 6];
	size_t begin = 0, end = 0; /* of the slots of one class, some for a network */
	bool networks = false;
	for (size_t i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->items[i];
		if (i == end) {
			networks = false;
			for (begin = i; end < slots->count && slots->items[end].owner == slot->owner; end++)
				networks = networks || slots->items[end].network != NULL;
		}
		if (slot->shape == SHAPE_SPANS) {
			if (!is_repeated(slots, i))
				give_spans(a, slots, i);
			continue;
		}
		if (!slot_holds(slot, a->address) || (networks && is_behind_another(slots, begin, end, i, a->address)))
			continue;
		struct element element = {0};
		put_box(&element, &(struct box){.addresses = {*a->address, *a->address}, .ports = slot->ports},
			slot->shape == SHAPE_KEYED, slot->store->until, element_counter(a, slot->store, slot->allow));
		give(a, slot->store, &element);
	}
}

/* ---- as a workload of this node ---- */

static void give_address(const struct asking *a, struct store *store, const char *chain)
{
	struct element element = {0};
	put_address(&element, a->address, chain);
	give(a, store, &element);
}

static struct claim *find_claim(const struct lowering *l, const struct workload *workload)
{
	struct claim *claim = NULL;
	HASH_FIND_PTR(l->claims, &workload->name, claim);
	return claim;
}

bool has_place(const struct lowering *l, const struct workload *workload, size_t i)
{
	const struct claim *claim = workload->conflict ? find_claim(l, workload) : NULL;
	return !workload->conflict || (claim != NULL && claim->own[i]);
}

void claim_enter(struct lowering *l, const struct workload *workload)
{
	if (!workload->conflict)
		return;
	struct claim *claim = calloc(1, sizeof *claim + (workload->address_count + 1) * sizeof *claim->own);
	if (claim == NULL)
		abort();
	claim->name = workload->name;
	for (size_t i = 0; i < workload->address_count; i++)
		claim->own[i] = inventory_at(l->world.inventory, &workload->addresses[i]) == workload;
	claim->own[workload->address_count] = inventory_at_cgroup(l->world.inventory, workload->cgroup_id) == workload;
	HASH_ADD_PTR(l->claims, name, claim);
}

void claim_leave(struct lowering *l, const struct workload *workload)
{
	struct claim *claim = workload->conflict ? find_claim(l, workload) : NULL;
	if (claim == NULL)
		return;
	HASH_DEL(l->claims, claim);
	free(claim);
}

void claims_free(struct lowering *l)
{
	struct claim *claim, *next;
	HASH_ITER(hh, l->claims, claim, next)
	{
		HASH_DEL(l->claims, claim);
		free(claim);
	}
}

static void give_pairs(const struct asking *a)
{
	const struct workload *workload = a->workload;
	size_t family = a->address->family == 6;
	for (size_t i = 0; i < workload->address_count; i++) {
		if (workload->addresses[i].family != a->address->family || !has_place(a->l, workload, i))
			continue;
		struct element element = {0};
		put_pair(&element, a->address->bytes, address_size(a->address->family), &workload->addresses[i]);
		give(a, a->l->self[family], &element);
	}
	for (size_t i = 0; i < workload->interface_count; i++) {
		struct element element = {0};
		char name[16] = "";
		memcpy(name, workload->interfaces[i], strnlen(workload->interfaces[i], 15));
		put_pair(&element, name, sizeof name, a->address);
		give(a, a->l->guard[family], &element);
	}
}

static void give_local(const struct asking *a)
{
	struct lowering *l = a->l;
	size_t family = a->address->family == 6;
	const struct class *out = class_find(l, a->identity, a->workload, a->address, EGRESS),
			   *in = class_find(l, a->identity, a->workload, a->address, INGRESS);
	if (out != NULL || in != NULL)
		give_address(a, l->local[family], NULL);
	if (out != NULL)
		give_address(a, l->egress[family], out->chain->name);
	if (in != NULL)
		give_address(a, l->ingress[family], in->chain->name);
	if (in != NULL && !in->one_sided && l->judged[family] != NULL)
		give_address(a, l->judged[family], NULL);
	give_pairs(a);
}

static void give_cgroup(const struct asking *a, struct store *store, const char *chain)
{
	struct element element = {.chain = chain};
	put_part(element.key, 0, &a->workload->cgroup_id, sizeof a->workload->cgroup_id);
	memcpy(element.end, element.key, sizeof element.end);
	give(a, store, &element);
}

/* A host workload that does not run has no number, and nothing to judge. */
static void give_host(const struct asking *a)
{
	const struct workload *workload = a->workload;
	const struct cgroup_level *level = host_level(a->l, workload);
	if (level == NULL || workload->cgroup_id == 0 || !has_place(a->l, workload, workload->address_count))
		return;
	const struct class *out = class_find(a->l, a->identity, workload, NULL, EGRESS),
			   *in = class_find(a->l, a->identity, workload, NULL, INGRESS);
	if (out != NULL || in != NULL)
		give_cgroup(a, level->local, NULL);
	if (out != NULL)
		give_cgroup(a, level->egress, out->chain->name);
	if (in != NULL)
		give_cgroup(a, level->ingress, in->chain->name);
}

bool in_pools(const struct lowering *l, const struct address *address)
{
	const struct ranges *pools = &l->pools[address->family == 6];
	for (size_t i = 0; i < pools->count; i++)
		if (address_compare(&pools->items[i].first, address) <= 0 &&
		    address_compare(address, &pools->items[i].last) <= 0)
			return true;
	return false;
}

void members_of(struct lowering *l, const struct identity *identity, const struct workload *workload,
		void (*call)(void *context, struct store *store, const struct element *element), void *context)
{
	struct asking a = {l, identity, workload, NULL, call, context};
	bool local = is_local(l, workload);
	if (local && workload_is_host(workload))
		give_host(&a);
	for (size_t i = 0; i < workload->address_count; i++) {
		a.address = &workload->addresses[i];
		size_t family = a.address->family == 6;
		if (!has_place(l, workload, i))
			continue;
		if (local)
			give_local(&a);
		if (l->known[family] != NULL && in_pools(l, a.address))
			give_address(&a, l->known[family], NULL);
		if (l->inside[family] != NULL)
			give_address(&a, l->inside[family], NULL);
		give_slots(&a);
	}
}
