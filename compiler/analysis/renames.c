/* Which service or network of one policy is which of another: the one that means the same, whatever it is called. */
#include "compiler/analysis/renames.h"
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

struct rename {
	const char *old, *now;
};

struct named {
	const char *name, *meaning;
};

struct names {
	struct named *items;
	size_t count;
};

static void add_named(struct arena *arena, struct names *names, struct peer peer, const char *name_space,
		      const char *name)
{
	const struct flows flows = {.from = &peer, .from_count = 1};
	struct named *named = arena_push(arena, names->items, names->count);
	named->name = arena_printf(arena, "%s/%s", name_space, name);
	named->meaning = flows_meaning(arena, &flows, 0);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(((const struct named *)left)->name, ((const struct named *)right)->name);
}

static int compare_meanings(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int order = strcmp(a->meaning, b->meaning);
	return order != 0 ? order : strcmp(a->name, b->name);
}

static struct names names_of(struct arena *arena, const struct policy *policy)
{
	struct names names = {0};
	for (size_t i = 0; i < policy->service_count; i++)
		add_named(arena, &names, (struct peer){.kind = PEER_SERVICE, .service = policy->services[i]},
			  policy->services[i]->name_space, policy->services[i]->name);
	for (size_t i = 0; i < policy->network_count; i++)
		add_named(arena, &names, (struct peer){.kind = PEER_NETWORK, .network = policy->networks[i]},
			  policy->networks[i]->name_space, policy->networks[i]->name);
	return names;
}

static void sort(struct names *names, int (*compare)(const void *, const void *))
{
	if (names->count > 1)
		qsort(names->items, names->count, sizeof *names->items, compare);
}

static const struct named *find_name(const struct names *names, const char *name)
{
	const struct named wanted = {.name = name};
	return names->count == 0 ? NULL : bsearch(&wanted, names->items, names->count, sizeof wanted, compare_names);
}

/* The first of those that mean the same; `names` is sorted by meaning. */
static const struct named *find_meaning(const struct names *names, const char *meaning)
{
	size_t low = 0, high = names->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(names->items[middle].meaning, meaning) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < names->count && strcmp(names->items[low].meaning, meaning) == 0 ? &names->items[low] : NULL;
}

static int compare_renames(const void *left, const void *right)
{
	return strcmp(((const struct rename *)left)->old, ((const struct rename *)right)->old);
}

struct renames renames_make(struct arena *arena, const struct policy *before, const struct policy *after)
{
	struct names old = names_of(arena, before), now = names_of(arena, after), by_meaning = names_of(arena, after);
	struct renames renames = {0};
	sort(&now, compare_names);
	sort(&by_meaning, compare_meanings);
	for (size_t i = 0; i < old.count; i++) {
		const struct named *namesake = find_name(&now, old.items[i].name);
		const struct named *same = find_meaning(&by_meaning, old.items[i].meaning);
		bool kept = same == NULL || (namesake != NULL && strcmp(namesake->meaning, old.items[i].meaning) == 0);
		*arena_push(arena, renames.items, renames.count) =
		    (struct rename){old.items[i].name, kept ? old.items[i].name : same->name};
	}
	if (renames.count > 1)
		qsort(renames.items, renames.count, sizeof *renames.items, compare_renames);
	return renames;
}

const char *renames_find(const struct renames *renames, const char *name)
{
	const struct rename wanted = {.old = name};
	const struct rename *found =
	    renames->count == 0 ? NULL
				: bsearch(&wanted, renames->items, renames->count, sizeof wanted, compare_renames);
	return found != NULL ? found->now : name;
}
