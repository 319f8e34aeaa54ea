/* The counters of allows, which the kernel keeps through changes, generations and restarts of whoever reads them: they
 * belong to the table and are called after what the allow says.
 *
 * What a class lets pass is counted where it finds it, and costs no look-up of its own. A set that comes from one allow
 * has one counter, which its rules name. In one of several allows each element names the counter of its allow; of those
 * that open the same, the first in the order of their keys. So each packet counts for one allow that lets it pass, and
 * whoever deletes allows that do not count closes nothing that was used.
 *
 * What is denied has counters in the same way, which are always there: whoever has rules can be asked of it. */
#include "compiler/ruleset/lowering.h"

#include <stdio.h>
#include <string.h>

const char *const denial_counters[DENIAL_COUNTS] = {
    [DENIAL_DENIED] = "denied", [DENIAL_LOGGED] = "logged", [DENIAL_AUDITED] = "audited"};

void counter_name(char name[COUNTER_NAME_SIZE], const struct allow *allow)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */
	for (const char *at = allow->key; *at != 0; at++)
		hash = (hash ^ (unsigned char)*at) * 1099511628211U;
	snprintf(name, COUNTER_NAME_SIZE, "a%012llx", (unsigned long long)((hash ^ hash >> 48) & 0xffffffffffffU));
}

void counters_prepare(struct lowering *l)
{
	l->counters_of = arena_alloc(l->arena, (l->world.policy->allow_count + 1) * sizeof *l->counters_of);
}

struct counter *counter_of(struct lowering *l, uint32_t allow)
{
	static const struct allow own_node = {.key = OWN_NODE_KEY};
	const struct policy *policy = l->world.policy;
	size_t place = allow < policy->allow_count ? allow : policy->allow_count;
	struct counter *counter = l->counters_of[place];
	char name[COUNTER_NAME_SIZE];
	if (counter != NULL)
		return counter;
	counter_name(name, place < policy->allow_count ? policy->allows[place] : &own_node);
	HASH_FIND_STR(l->counters, name, counter);
	if (counter == NULL) {
		counter = arena_alloc(l->arena, sizeof *counter);
		memcpy(counter->name, name, sizeof name);
		HASH_ADD_STR(l->counters, name, counter);
	}
	return l->counters_of[place] = counter;
}

/* Calls for the allow of each entry, once where it stands side by side. */
static void for_each_counter(struct lowering *l, const struct class *class,
			     void (*call)(void *context, struct counter *counter), void *context)
{
	for (size_t i = 0; i < class->entry_count; i++)
		if (i == 0 || class->entries[i].allow != class->entries[i - 1].allow)
			call(context, counter_of(l, class->entries[i].allow->place));
}

static void take(void *context, struct counter *counter)
{
	(void)context;
	counter->classes++;
}

void counters_take(struct lowering *l, const struct class *class)
{
	for_each_counter(l, class, take, NULL);
}

static void leave(void *context, struct counter *counter)
{
	(void)context;
	counter->classes--;
}

void counters_leave(struct lowering *l, const struct class *class)
{
	for_each_counter(l, class, leave, NULL);
}

/* A change, and the transaction in which counters come. */
struct counting_change {
	struct lowering *l;
	struct transaction *transaction;
};

static void add(void *context, struct counter *counter)
{
	const struct counting_change *change = context;
	counter->there = true;
	operation_add(change->l, change->transaction, OPERATION_ADD_COUNTER, counter->name);
}

void counters_add(struct lowering *l, const struct class *class, struct transaction *transaction)
{
	struct counting_change change = {l, transaction};
	for_each_counter(l, class, add, &change);
}

void counters_begin(struct lowering *l)
{
	for (struct counter *counter = l->counters; counter != NULL; counter = counter->hh.next)
		counter->there = counter->classes > 0;
}

void counters_sweep(struct lowering *l, struct transaction *transaction)
{
	for (struct counter *counter = l->counters; counter != NULL; counter = counter->hh.next) {
		if (counter->classes > 0 || !counter->there)
			continue;
		counter->there = false;
		operation_add(l, transaction, OPERATION_DELETE_COUNTER, counter->name);
	}
}

void counters_list(const struct lowering *l, struct arena *arena, struct ruleset *ruleset)
{
	for (size_t i = 0; i < DENIAL_COUNTS; i++)
		*arena_push(arena, ruleset->counters, ruleset->counter_count) = denial_counters[i];
	for (struct counter *counter = l->counters; counter != NULL; counter = counter->hh.next)
		if (counter->there)
			*arena_push(arena, ruleset->counters, ruleset->counter_count) = counter->name;
	ruleset_sort_counters(ruleset);
}
