/* Weighted set cover, greedily: a heap of choices by their cost for each element that is not covered yet. That only
 * grows, so what stands at the top is looked at again, and taken when it still is the best. */
#include "compiler/analysis/covering.h"

#include <ringfence/arena.h>

#include <stdlib.h>

struct covered {
	struct choice *choices;
	uint32_t *times; /* by element: how many that are chosen hold it */
	size_t *fresh;	 /* by choice: elements that nothing else covers, when it was last looked at */
	size_t *heap, heap_count;
};

/* Whether a choice is better than another: less for each element, then more of them, then the earlier one. */
static bool is_better(const struct covered *covered, size_t a, size_t b)
{
	uint64_t left = covered->choices[a].cost * covered->fresh[b],
		 right = covered->choices[b].cost * covered->fresh[a];
	if (left != right)
		return left < right;
	if (covered->fresh[a] != covered->fresh[b])
		return covered->fresh[a] > covered->fresh[b];
	return a < b;
}

static void sink(struct covered *covered, size_t at)
{
	for (;;) {
		size_t best = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < covered->heap_count; child++)
			if (is_better(covered, covered->heap[child], covered->heap[best]))
				best = child;
		if (best == at)
			return;
		size_t moved = covered->heap[at];
		covered->heap[at] = covered->heap[best];
		covered->heap[best] = moved;
		at = best;
	}
}

static size_t count_fresh(const struct covered *covered, size_t number)
{
	size_t fresh = 0;
	for (size_t i = 0; i < covered->choices[number].count; i++)
		fresh += covered->times[covered->choices[number].elements[i]] == 0;
	return fresh;
}

static void choose(struct covered *covered, size_t number)
{
	struct choice *choice = &covered->choices[number];
	for (size_t i = 0; i < choice->count && !choice->chosen; i++)
		covered->times[choice->elements[i]]++;
	choice->chosen = true;
}

/* Chooses what is the only one to hold some element. */
static void choose_forced(struct covered *covered, struct arena *scratch, size_t choice_count, size_t element_count)
{
	size_t *holders = arena_alloc(scratch, (element_count + 1) * sizeof *holders);
	for (size_t i = 0; i < choice_count; i++)
		for (size_t j = 0; j < covered->choices[i].count; j++)
			holders[covered->choices[i].elements[j]]++;
	for (size_t i = 0; i < choice_count; i++)
		for (size_t j = 0; j < covered->choices[i].count && !covered->choices[i].chosen; j++)
			if (holders[covered->choices[i].elements[j]] == 1)
				choose(covered, i);
}

static void choose_rest(struct covered *covered, size_t choice_count)
{
	for (size_t i = 0; i < choice_count; i++) {
		covered->fresh[i] = covered->choices[i].chosen ? 0 : count_fresh(covered, i);
		if (covered->fresh[i] > 0)
			covered->heap[covered->heap_count++] = i;
	}
	for (size_t i = covered->heap_count; i > 0; i--)
		sink(covered, i - 1);
	while (covered->heap_count > 0) {
		size_t top = covered->heap[0], fresh = count_fresh(covered, top);
		if (fresh == covered->fresh[top])
			choose(covered, top);
		if (fresh == 0 || fresh == covered->fresh[top])
			covered->heap[0] = covered->heap[--covered->heap_count];
		else
			covered->fresh[top] = fresh;
		sink(covered, 0);
	}
}

/* What costs most is left out first, and the later one where two are equal. */
static int compare_costs(const void *left, const void *right)
{
	const struct choice *a = *(struct choice *const *)left, *b = *(struct choice *const *)right;
	return a->cost != b->cost ? (a->cost < b->cost) - (a->cost > b->cost) : (a < b) - (a > b);
}

static void leave_out(struct covered *covered, struct arena *scratch, size_t choice_count)
{
	struct choice **chosen = arena_alloc(scratch, (choice_count + 1) * sizeof *chosen);
	size_t count = 0;
	for (size_t i = 0; i < choice_count; i++)
		if (covered->choices[i].chosen)
			chosen[count++] = &covered->choices[i];
	if (count > 1)
		qsort(chosen, count, sizeof *chosen, compare_costs);
	for (size_t i = 0; i < count; i++) {
		bool needed = false;
		for (size_t j = 0; j < chosen[i]->count && !needed; j++)
			needed = covered->times[chosen[i]->elements[j]] == 1;
		chosen[i]->chosen = needed;
		for (size_t j = 0; j < chosen[i]->count && !needed; j++)
			covered->times[chosen[i]->elements[j]]--;
	}
}

void choices_cover(struct choice *choices, size_t choice_count, size_t element_count)
{
	struct arena *scratch = arena_create();
	struct covered covered = {choices, arena_alloc(scratch, (element_count + 1) * sizeof(uint32_t)),
				  arena_alloc(scratch, (choice_count + 1) * sizeof(size_t)),
				  arena_alloc(scratch, (choice_count + 1) * sizeof(size_t)), 0};
	choose_forced(&covered, scratch, choice_count, element_count);
	choose_rest(&covered, choice_count);
	leave_out(&covered, scratch, choice_count);
	arena_free(scratch);
}
