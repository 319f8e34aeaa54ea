/* How large a ruleset is, and which statements make it so: sets are counted for the statements that the comment of a
 * rule names that looks into them. */
#include <ringfence/arena.h>
#include <ringfence/budget.h>
#include <ringfence/plan.h>

#include <stdlib.h>
#include <string.h>

/* Amounts by name, in no order and with names that stand twice until they are ranked. */
struct amounts {
	struct contributor *items;
	size_t count;
};

static int compare_names(const void *left, const void *right)
{
	return strcmp(((const struct contributor *)left)->name, ((const struct contributor *)right)->name);
}

static int compare_amounts(const void *left, const void *right)
{
	const struct contributor *a = left, *b = right;
	return a->amount != b->amount ? (a->amount < b->amount) - (a->amount > b->amount) : strcmp(a->name, b->name);
}

/* Adds up those of one name, and copies the largest to `most`. */
static void rank(struct amounts *amounts, struct contributor *most)
{
	size_t kept = 0;
	if (amounts->count > 1)
		qsort(amounts->items, amounts->count, sizeof *amounts->items, compare_names);
	for (size_t i = 0; i < amounts->count; i++) {
		if (kept > 0 && strcmp(amounts->items[kept - 1].name, amounts->items[i].name) == 0)
			amounts->items[kept - 1].amount += amounts->items[i].amount;
		else
			amounts->items[kept++] = amounts->items[i];
	}
	if (kept > 1)
		qsort(amounts->items, kept, sizeof *amounts->items, compare_amounts);
	for (size_t i = 0; i < kept && i < CONTRIBUTORS_MOST; i++)
		most[i] = amounts->items[i];
}

/* A use of a set by a rule that comes from a statement. */
struct use {
	const char *set, *comment;
};

static int compare_uses(const void *left, const void *right)
{
	return strcmp(((const struct use *)left)->set, ((const struct use *)right)->set);
}

static struct use *find_uses(struct arena *arena, const struct ruleset *ruleset, struct amounts *rules, size_t *count)
{
	struct use *uses = NULL;
	for (size_t i = 0; i < ruleset->chain_count; i++)
		for (size_t j = 0; j < ruleset->chains[i]->rule_count; j++) {
			const struct rule *rule = &ruleset->chains[i]->rules[j];
			const char *comment = rule->comment != NULL ? rule->comment : ruleset->chains[i]->name;
			*arena_push(arena, rules->items, rules->count) = (struct contributor){comment, 1};
			for (size_t k = 0; strchr(comment, ':') != NULL && k < rule->statement_count; k++)
				if (rule->statements[k].kind == STATEMENT_IN ||
				    rule->statements[k].kind == STATEMENT_COUNTED)
					*arena_push(arena, uses, *count) =
					    (struct use){rule->statements[k].set, comment};
		}
	if (*count > 1)
		qsort(uses, *count, sizeof *uses, compare_uses);
	return uses;
}

struct ruleset_size ruleset_measure(struct arena *arena, const struct ruleset *ruleset)
{
	struct ruleset_size size = {0};
	struct amounts elements = {0}, rules = {0};
	size_t use_count = 0;
	const struct use *uses = find_uses(arena, ruleset, &rules, &use_count);
	for (size_t i = 0; i < ruleset->set_count; i++) {
		const struct set *set = ruleset->sets[i];
		const struct use wanted = {set->name, NULL};
		const struct use *use =
		    use_count > 0 ? bsearch(&wanted, uses, use_count, sizeof *uses, compare_uses) : NULL;
		size.amounts[MEASURE_ELEMENTS] += set->element_count;
		if (set->element_count > 0)
			*arena_push(arena, elements.items, elements.count) =
			    (struct contributor){use != NULL ? use->comment : set->name, set->element_count};
	}
	for (size_t i = 0; i < ruleset->chain_count; i++)
		size.amounts[MEASURE_RULES] += ruleset->chains[i]->rule_count;
	size.amounts[MEASURE_BYTES] = plan_bytes(plan_make(arena, NULL, ruleset), ruleset->at);
	rank(&elements, size.by[MEASURE_ELEMENTS]);
	rank(&rules, size.by[MEASURE_RULES]);
	memcpy(size.by[MEASURE_BYTES], size.by[MEASURE_ELEMENTS], sizeof size.by[MEASURE_BYTES]);
	return size;
}
