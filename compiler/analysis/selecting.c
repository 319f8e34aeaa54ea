/* Which isolations select a workload, without asking each: most selectors ask for a value of some label, and are looked
 * up by it. */
#include "compiler/analysis/selecting.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* A value that a selector asks for. */
struct wanted {
	const char *name_space, *key, *value;
	size_t number; /* of the isolation */
};

struct selecting {
	const struct policy *policy;
	struct wanted *wanted; /* sorted */
	size_t wanted_count;
	size_t *others; /* isolations that ask for no value */
	size_t other_count;
};

static int compare_wanted(const void *left, const void *right)
{
	const struct wanted *a = left, *b = right;
	int order = strcmp(a->value, b->value);
	if (order == 0)
		order = strcmp(a->key, b->key);
	return order != 0 ? order : strcmp(a->name_space, b->name_space);
}

struct selecting *selecting_create(struct arena *arena, const struct policy *policy)
{
	struct selecting *selecting = arena_alloc(arena, sizeof *selecting);
	selecting->policy = policy;
	for (size_t i = 0; i < policy->isolation_count; i++) {
		const struct isolation *isolation = policy->isolations[i];
		const struct requirement *item = isolation->workloads.items;
		const struct requirement *end = item + isolation->workloads.count;
		while (item != end && item->kind != REQUIRE_IN)
			item++;
		if (item == end)
			*arena_push(arena, selecting->others, selecting->other_count) = i;
		for (size_t j = 0; item != end && j < item->value_count; j++)
			*arena_push(arena, selecting->wanted, selecting->wanted_count) =
			    (struct wanted){isolation->name_space, item->key, item->values[j], i};
	}
	if (selecting->wanted_count > 1)
		qsort(selecting->wanted, selecting->wanted_count, sizeof *selecting->wanted, compare_wanted);
	return selecting;
}

/* The first of those that want the same, or the end. */
static size_t find_first(const struct selecting *selecting, const struct wanted *wanted)
{
	size_t low = 0, high = selecting->wanted_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_wanted(&selecting->wanted[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct found {
	size_t *items;
	size_t count;
};

static void try_one(const struct selecting *selecting, struct arena *arena, const struct workload *workload,
		    size_t number, struct found *found)
{
	const struct isolation *isolation = selecting->policy->isolations[number];
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i] == number)
			return; /* a value was listed twice */
	if (strcmp(isolation->name_space, workload->name_space) == 0 &&
	    selector_matches(&isolation->workloads, &workload->labels))
		*arena_push(arena, found->items, found->count) = number;
}

static int compare_numbers(const void *left, const void *right)
{
	size_t a = *(const size_t *)left, b = *(const size_t *)right;
	return (a > b) - (a < b);
}

const size_t *selecting_numbers(const struct selecting *selecting, struct arena *arena, const struct workload *workload,
				size_t *count)
{
	struct found found = {0};
	for (size_t i = 0; i < workload->labels.count; i++) {
		const struct wanted wanted = {workload->name_space, workload->labels.items[i].key,
					      workload->labels.items[i].value, 0};
		for (size_t j = find_first(selecting, &wanted);
		     j < selecting->wanted_count && compare_wanted(&selecting->wanted[j], &wanted) == 0; j++)
			try_one(selecting, arena, workload, selecting->wanted[j].number, &found);
	}
	for (size_t i = 0; i < selecting->other_count; i++)
		try_one(selecting, arena, workload, selecting->others[i], &found);
	if (found.count > 1)
		qsort(found.items, found.count, sizeof *found.items, compare_numbers);
	*count = found.count;
	return found.items;
}

struct isolation **selecting_find(const struct selecting *selecting, struct arena *arena,
				  const struct workload *workload, size_t *count)
{
	const size_t *numbers = selecting_numbers(selecting, arena, workload, count);
	struct isolation **isolations = arena_alloc(arena, (*count + 1) * sizeof(struct isolation *));
	for (size_t i = 0; i < *count; i++)
		isolations[i] = selecting->policy->isolations[numbers[i]];
	return isolations;
}
