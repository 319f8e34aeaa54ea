/* Look-ups in an inventory: by name, and by address.
 *
 * A claim is a workload by its name or by one of its addresses. A slot of the table of claims has the only one of its
 * key, or a contest: all of them, the oldest first, who is the one that is found. */
#include <ringfence/arena.h>
#include <ringfence/inventory.h>
#include <ringfence/table.h>

#include <stdlib.h>
#include <string.h>

/* Numbers of claims: the name, the addresses from 1 on, and of a slot whose item is a contest. */
enum { BY_NAME = 0, CONTESTED = UINT32_MAX };

struct claim {
	struct workload *workload;
	uint32_t number;
};

struct contest {
	struct claim *claims; /* by age */
	size_t count;
};

struct inventory_index {
	struct arena *arena; /* NULL: of an inventory that changes */
	struct table claims, spaces, nodes;
	struct table node_addresses, pools;   /* nodes; the number is the index of the address or the pool */
	unsigned char pool_lengths[2][129];   /* by family: whether there is a pool of that length */
	struct place *places;		      /* NULL: not asked for since the last change */
	size_t place_count, room, nodes_room; /* room: of the array of workloads */
};

/* ---- keys ---- */

static uint32_t hash_address(const struct address *address)
{
	return table_hash(address->family, address->bytes, sizeof address->bytes);
}

static uint32_t hash_pool(const struct prefix *pool)
{
	return table_hash(hash_address(&pool->address), &pool->length, sizeof pool->length);
}

static uint32_t hash_claim(struct claim claim)
{
	if (claim.number != BY_NAME)
		return hash_address(&claim.workload->addresses[claim.number - 1]);
	return table_hash_text(table_hash_text(0, claim.workload->name_space), claim.workload->name);
}

static bool same_name(const struct workload *a, const struct workload *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->name_space, b->name_space) == 0;
}

/* Whether two claims are for one name, or one address. */
static bool same_key(struct claim a, struct claim b)
{
	if (a.number == BY_NAME || b.number == BY_NAME)
		return a.number == b.number && same_name(a.workload, b.workload);
	return address_compare(&a.workload->addresses[a.number - 1], &b.workload->addresses[b.number - 1]) == 0;
}

/* ---- claims ---- */

static struct claim slot_claim(const struct table_slot *slot)
{
	if (slot->number == CONTESTED)
		return ((const struct contest *)slot->item)->claims[0];
	return (struct claim){slot->item, slot->number};
}

static struct table_slot *find_slot(const struct inventory *inventory, uint32_t hash, struct claim claim)
{
	const struct table *table = &inventory->index->claims;
	struct table_slot *slot = table_first(table, hash);
	while (slot != NULL && !same_key(slot_claim(slot), claim))
		slot = table_next(table, slot);
	return slot;
}

static void *reallocate(void *memory, size_t count, size_t size)
{
	void *moved = reallocarray(memory, count, size);
	if (moved == NULL)
		abort();
	return moved;
}

/* Where a claim of this age stands in the contest, or would. */
static size_t contest_place(const struct contest *contest, uint64_t order)
{
	size_t low = 0, high = contest->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (contest->claims[middle].workload->order < order)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void contest_join(struct contest *contest, struct claim claim)
{
	size_t at = contest_place(contest, claim.workload->order);
	if ((contest->count & (contest->count - 1)) == 0) /* full: its room is a power of two */
		contest->claims =
		    reallocate(contest->claims, contest->count > 0 ? 2 * contest->count : 1, sizeof claim);
	memmove(&contest->claims[at + 1], &contest->claims[at], (contest->count - at) * sizeof claim);
	contest->claims[at] = claim;
	contest->count++;
}

static void contest_free(struct contest *contest)
{
	free(contest->claims);
	free(contest);
}

static void add_claim(struct inventory *inventory, struct claim claim)
{
	uint32_t hash = hash_claim(claim);
	struct table_slot *slot = find_slot(inventory, hash, claim);
	if (slot == NULL) {
		table_add(&inventory->index->claims, hash, claim.workload, claim.number);
		return;
	}
	struct claim there = slot_claim(slot);
	if (there.workload == claim.workload)
		return; /* one address twice in one workload */
	if (slot->number != CONTESTED) {
		struct contest *contest = calloc(1, sizeof *contest);
		if (contest == NULL)
			abort();
		contest_join(contest, there);
		slot->item = contest;
		slot->number = CONTESTED;
	}
	contest_join(slot->item, claim);
}

static void remove_claim(struct inventory *inventory, struct claim claim)
{
	struct table_slot *slot = find_slot(inventory, hash_claim(claim), claim);
	if (slot == NULL || (slot->number != CONTESTED && slot->item != claim.workload))
		return; /* one address twice in one workload */
	if (slot->number != CONTESTED) {
		table_remove(&inventory->index->claims, slot);
		return;
	}
	struct contest *contest = slot->item;
	size_t at = contest_place(contest, claim.workload->order);
	if (at == contest->count || contest->claims[at].workload != claim.workload)
		return;
	contest->count--;
	memmove(&contest->claims[at], &contest->claims[at + 1], (contest->count - at) * sizeof claim);
	if (contest->count > 1)
		return;
	struct claim last = contest->claims[0];
	contest_free(contest);
	slot->item = last.workload;
	slot->number = last.number;
}

/* ---- an inventory that changes ---- */

void inventory_init(struct inventory *inventory)
{
	*inventory = (struct inventory){.index = calloc(1, sizeof *inventory->index)};
	if (inventory->index == NULL)
		abort();
}

static void forget_places(struct inventory_index *index)
{
	free(index->places);
	index->places = NULL;
}

void inventory_finish(struct inventory *inventory)
{
	struct inventory_index *index = inventory->index;
	struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&index->claims, &at)) != NULL;)
		if (slot->number == CONTESTED)
			contest_free(slot->item);
	struct table *tables[] = {&index->claims, &index->spaces, &index->nodes, &index->node_addresses, &index->pools};
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		table_finish(tables[i]);
	forget_places(index);
	free(inventory->workloads);
	free(index);
	*inventory = (struct inventory){0};
}

void inventory_add(struct inventory *inventory, struct workload *workload)
{
	struct inventory_index *index = inventory->index;
	if (inventory->workload_count == index->room) {
		index->room = index->room > 0 ? 2 * index->room : 16;
		inventory->workloads = reallocate(inventory->workloads, index->room, sizeof workload);
	}
	workload->position = (uint32_t)inventory->workload_count;
	inventory->workloads[inventory->workload_count++] = workload;
	for (uint32_t number = BY_NAME; number <= workload->address_count; number++)
		add_claim(inventory, (struct claim){workload, number});
	forget_places(index);
}

void inventory_remove(struct inventory *inventory, struct workload *workload)
{
	struct workload *last = inventory->workloads[--inventory->workload_count];
	last->position = workload->position;
	inventory->workloads[last->position] = last;
	for (uint32_t number = BY_NAME; number <= workload->address_count; number++)
		remove_claim(inventory, (struct claim){workload, number});
	forget_places(inventory->index);
}

const struct workload *inventory_claimant(const struct inventory *inventory, const struct address *address)
{
	struct address copy = *address;
	struct workload wanted = {.addresses = &copy, .address_count = 1};
	const struct table_slot *slot = find_slot(inventory, hash_address(address), (struct claim){&wanted, 1});
	return slot != NULL ? slot_claim(slot).workload : NULL;
}

const struct workload *inventory_at_cgroup(const struct inventory *inventory, uint64_t id)
{
	const struct workload *oldest = NULL;
	for (size_t i = 0; id != 0 && i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		if (workload->cgroup_id == id && (oldest == NULL || workload->order < oldest->order))
			oldest = workload;
	}
	return oldest;
}

bool workload_is_host(const struct workload *workload)
{
	return workload->cgroup != NULL;
}

unsigned cgroup_level(const char *path)
{
	unsigned level = 0;
	if (strlen(path) > CGROUP_PATH_MOST)
		return 0;
	for (const char *part = path;; part++) {
		size_t length = strcspn(part, "/");
		bool dots = strncmp(part, ".", length) == 0 || strncmp(part, "..", length) == 0;
		for (size_t i = 0; i < length; i++)
			dots = dots || part[i] <= ' ' || part[i] > '~';
		if (length == 0 || length > 255 || dots || ++level > CGROUP_LEVELS)
			return 0;
		part += length;
		if (*part == 0)
			return level;
	}
}

bool inventory_has_its_own(const struct inventory *inventory, const struct workload *workload)
{
	bool own = inventory_workload(inventory, workload->name_space, workload->name) == workload;
	if (own && workload->cgroup_id != 0)
		own = inventory_at_cgroup(inventory, workload->cgroup_id) == workload;
	for (size_t i = 0; i < workload->address_count && own; i++)
		own = inventory_at(inventory, &workload->addresses[i]) == workload;
	return own;
}

/* ---- nodes and namespaces ---- */

/* Of two with one name, or one address, the first is found. */
static void index_node(struct inventory *inventory, struct node *node)
{
	struct inventory_index *index = inventory->index;
	if (inventory_node(inventory, node->name) == NULL)
		table_add(&index->nodes, table_hash_text(0, node->name), node, 0);
	for (size_t i = 0; i < node->address_count; i++)
		if (inventory_node_at(inventory, &node->addresses[i]) == NULL)
			table_add(&index->node_addresses, hash_address(&node->addresses[i]), node, (uint32_t)i);
	for (size_t i = 0; i < node->pool_count; i++) {
		table_add(&index->pools, hash_pool(&node->pools[i]), node, (uint32_t)i);
		index->pool_lengths[node->pools[i].address.family == 6][node->pools[i].length] = 1;
	}
}

static void index_namespace(struct inventory *inventory, struct name_space *space)
{
	if (inventory_namespace(inventory, space->name) == NULL)
		table_add(&inventory->index->spaces, table_hash_text(0, space->name), space, 0);
}

void inventory_index_nodes(struct inventory *inventory)
{
	struct inventory_index *index = inventory->index;
	table_clear(&index->spaces);
	table_clear(&index->nodes);
	table_clear(&index->node_addresses);
	table_clear(&index->pools);
	memset(index->pool_lengths, 0, sizeof index->pool_lengths);
	for (size_t i = 0; i < inventory->namespace_count; i++)
		index_namespace(inventory, inventory->namespaces[i]);
	for (size_t i = 0; i < inventory->node_count; i++)
		index_node(inventory, inventory->nodes[i]);
	forget_places(index);
}

/* How many names and addresses workloads have. */
static size_t claim_count(const struct inventory *inventory)
{
	size_t count = inventory->workload_count;
	for (size_t i = 0; i < inventory->workload_count; i++)
		count += inventory->workloads[i]->address_count;
	return count;
}

/* Adds the claims of a workload that nobody has yet. */
static void add_first_claims(struct inventory *inventory, struct workload *workload)
{
	for (uint32_t number = BY_NAME; number <= workload->address_count; number++) {
		struct claim claim = {workload, number};
		uint32_t hash = hash_claim(claim);
		if (find_slot(inventory, hash, claim) == NULL)
			table_add(&inventory->index->claims, hash, workload, number);
	}
}

void inventory_index(struct inventory *inventory, struct arena *arena)
{
	struct inventory_index *index = arena_alloc(arena, sizeof *index);
	inventory->index = index;
	index->arena = index->claims.arena = index->spaces.arena = index->nodes.arena = arena;
	index->node_addresses.arena = index->pools.arena = arena;
	inventory_index_nodes(inventory);
	table_reserve(&index->claims, claim_count(inventory));
	for (int conflict = 0; conflict < 2; conflict++)
		for (size_t i = 0; i < inventory->workload_count; i++)
			if (inventory->workloads[i]->conflict == conflict)
				add_first_claims(inventory, inventory->workloads[i]);
}

bool inventory_distinct(const struct inventory *inventory)
{
	size_t count = 0;
	for (size_t i = 0; i < inventory->node_count; i++) {
		const struct node *node = inventory->nodes[i];
		for (size_t j = 0; j < node->address_count; j++)
			if (inventory_claimant(inventory, &node->addresses[j]) != NULL)
				return false;
		count += node->address_count;
	}
	return inventory->index->node_addresses.count == count &&
	       inventory->index->claims.count == claim_count(inventory);
}

/* ---- look-ups ---- */

static int compare_places(const void *left, const void *right)
{
	return address_compare(&((const struct place *)left)->address, &((const struct place *)right)->address);
}

static void list_places(const struct inventory *inventory)
{
	struct inventory_index *index = inventory->index;
	size_t count = index->claims.count + 1, size = count * sizeof(struct place);
	index->places =
	    index->arena != NULL ? arena_alloc(index->arena, size) : reallocate(NULL, count, sizeof(struct place));
	index->place_count = 0;
	const struct table_slot *slot;
	for (size_t at = 0; (slot = table_each(&index->claims, &at)) != NULL;) {
		struct claim claim = slot_claim(slot);
		if (claim.number == BY_NAME)
			continue;
		struct address address = claim.workload->addresses[claim.number - 1];
		if (inventory_node_at(inventory, &address) == NULL) /* a node's address stays the node's */
			index->places[index->place_count++] = (struct place){address, claim.workload};
	}
	if (index->place_count > 1)
		qsort(index->places, index->place_count, sizeof *index->places, compare_places);
}

const struct place *inventory_places(const struct inventory *inventory, size_t *count)
{
	if (inventory->index->places == NULL)
		list_places(inventory);
	*count = inventory->index->place_count;
	return inventory->index->places;
}

const struct workload *inventory_workload(const struct inventory *inventory, const char *name_space, const char *name)
{
	struct workload wanted = {.name_space = name_space, .name = name};
	struct claim claim = {&wanted, BY_NAME};
	const struct table_slot *slot = find_slot(inventory, hash_claim(claim), claim);
	return slot != NULL ? slot_claim(slot).workload : NULL;
}

const struct workload *inventory_at(const struct inventory *inventory, const struct address *address)
{
	return inventory_node_at(inventory, address) == NULL ? inventory_claimant(inventory, address) : NULL;
}

const struct node *inventory_node_at(const struct inventory *inventory, const struct address *address)
{
	const struct table *table = &inventory->index->node_addresses;
	struct table_slot *slot = table_first(table, hash_address(address));
	for (; slot != NULL; slot = table_next(table, slot)) {
		const struct node *node = slot->item;
		if (address_compare(&node->addresses[slot->number], address) == 0)
			return node;
	}
	return NULL;
}

const struct name_space *inventory_namespace(const struct inventory *inventory, const char *name)
{
	const struct table *table = &inventory->index->spaces;
	struct table_slot *slot = table_first(table, table_hash_text(0, name));
	while (slot != NULL && strcmp(((const struct name_space *)slot->item)->name, name) != 0)
		slot = table_next(table, slot);
	return slot != NULL ? slot->item : NULL;
}

const struct node *inventory_node(const struct inventory *inventory, const char *name)
{
	const struct table *table = &inventory->index->nodes;
	struct table_slot *slot = table_first(table, table_hash_text(0, name));
	while (slot != NULL && strcmp(((const struct node *)slot->item)->name, name) != 0)
		slot = table_next(table, slot);
	return slot != NULL ? slot->item : NULL;
}

bool node_same_addresses(const struct node *a, const struct node *b)
{
	bool same = a->address_count == b->address_count && a->pool_count == b->pool_count;
	for (size_t i = 0; same && i < a->address_count; i++)
		same = address_compare(&a->addresses[i], &b->addresses[i]) == 0;
	for (size_t i = 0; same && i < a->pool_count; i++)
		same = a->pools[i].length == b->pools[i].length &&
		       address_compare(&a->pools[i].address, &b->pools[i].address) == 0;
	return same;
}

static bool has_pool(const struct table *pools, const struct prefix *pool)
{
	struct table_slot *slot = table_first(pools, hash_pool(pool));
	for (; slot != NULL; slot = table_next(pools, slot)) {
		const struct prefix *there = &((const struct node *)slot->item)->pools[slot->number];
		if (there->length == pool->length && address_compare(&there->address, &pool->address) == 0)
			return true;
	}
	return false;
}

bool inventory_in_pool(const struct inventory *inventory, const struct address *address)
{
	const struct inventory_index *index = inventory->index;
	struct prefix pool = {.address = *address};
	for (int length = 8 * (int)address_size(address->family); length >= 0; length--) {
		if (length < 8 * (int)address_size(address->family))
			pool.address.bytes[length / 8] &= (uint8_t)(0xff << (8 - length % 8));
		pool.length = (uint8_t)length;
		if (index->pool_lengths[address->family == 6][length] && has_pool(&index->pools, &pool))
			return true;
	}
	return false;
}
