/* See kernel_model.h. */
#include "tests/unit/kernel_model.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <string.h>

struct model {
	struct arena *arena;
	struct ruleset *ruleset; /* a copy of its own arrays, sets and chains */
	const char *refused;	 /* why, or NULL */
	char object[RULESET_NAME_SIZE];
};

struct ruleset *model_copy(struct arena *arena, const struct ruleset *from)
{
	struct ruleset *to = arena_alloc(arena, sizeof *to);
	*to = (struct ruleset){.generation = from->generation, .at = from->at};
	for (size_t i = 0; i < from->set_count; i++) {
		struct set *set = arena_alloc(arena, sizeof *set);
		*set = *from->sets[i];
		set->elements = NULL;
		set->element_count = 0;
		for (size_t j = 0; j < from->sets[i]->element_count; j++)
			*arena_push(arena, set->elements, set->element_count) = from->sets[i]->elements[j];
		*arena_push(arena, to->sets, to->set_count) = set;
	}
	for (size_t i = 0; i < from->chain_count; i++) {
		struct chain *chain = arena_alloc(arena, sizeof *chain);
		*chain = *from->chains[i];
		*arena_push(arena, to->chains, to->chain_count) = chain;
	}
	for (size_t i = 0; i < from->counter_count; i++)
		*arena_push(arena, to->counters, to->counter_count) =
		    arena_copy(arena, from->counters[i], strlen(from->counters[i]));
	return to;
}

static void refuse(struct model *model, const char *why, const char *name)
{
	if (model->refused != NULL)
		return;
	model->refused = why;
	memcpy(model->object, name, strnlen(name, sizeof model->object - 1));
}

static struct element *same_key(const struct set *set, const struct element *element)
{
	for (size_t i = 0; i < set->element_count; i++)
		if (element_compare(&set->elements[i], element, ELEMENT_KEY_MAX) == 0)
			return &set->elements[i];
	return NULL;
}

/* Whether two elements of an interval set have a key in common. */
static bool overlap(enum key_type key, const struct element *a, const struct element *b)
{
	const struct key_form *form = &key_forms[key];
	bool common = true;
	size_t at = 0;
	for (size_t part = 0; part < form->parts && common; part++) {
		common = memcmp(a->key + at, b->end + at, form->sizes[part]) <= 0 &&
			 memcmp(b->key + at, a->end + at, form->sizes[part]) <= 0;
		at += (form->sizes[part] + 3U) / 4 * 4;
	}
	return common;
}

static bool has_counter(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->counter_count; i++)
		if (strcmp(ruleset->counters[i], name) == 0)
			return true;
	return false;
}

static bool is_counter_named(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->set_count; i++)
		for (size_t j = 0; ruleset->sets[i]->counted && j < ruleset->sets[i]->element_count; j++)
			if (strcmp(ruleset->sets[i]->elements[j].chain, name) == 0)
				return true;
	for (size_t i = 0; i < ruleset->chain_count; i++)
		for (size_t j = 0; j < ruleset->chains[i]->rule_count; j++)
			for (size_t k = 0; k < ruleset->chains[i]->rules[j].statement_count; k++) {
				const struct statement *s = &ruleset->chains[i]->rules[j].statements[k];
				if (s->kind == STATEMENT_COUNT && strcmp(s->text, name) == 0)
					return true;
			}
	return false;
}

static void delete_counter(struct model *model, const char *name)
{
	struct ruleset *ruleset = model->ruleset;
	if (!has_counter(ruleset, name))
		refuse(model, "a counter to delete is not there", name);
	if (is_counter_named(ruleset, name))
		refuse(model, "a counter to delete is in use", name);
	for (size_t i = 0; i < ruleset->counter_count; i++)
		if (strcmp(ruleset->counters[i], name) == 0)
			ruleset->counters[i] = ruleset->counters[--ruleset->counter_count];
}

static void add_elements(struct model *model, struct set *set, const struct operation *operation)
{
	for (size_t i = 0; i < operation->element_count; i++) {
		const struct element *element = &operation->elements[i];
		for (size_t j = 0; j < set->element_count; j++)
			if (overlap(set->key, &set->elements[j], element))
				refuse(model, "an element is there", set->name);
		if ((set->map || set->counted) != (element->chain != NULL) || set->timeout != (element->expires != 0))
			refuse(model, "an element has not the form of its set", set->name);
		if (set->map && ruleset_chain(model->ruleset, element->chain) == NULL)
			refuse(model, "a map names a chain that is not there", element->chain);
		if (set->counted && !has_counter(model->ruleset, element->chain))
			refuse(model, "an element names a counter that is not there", set->name);
		if (set->size != 0 && set->element_count == set->size)
			refuse(model, "a set is full", set->name);
		*arena_push(model->arena, set->elements, set->element_count) = *element;
	}
}

static void delete_elements(struct model *model, struct set *set, const struct operation *operation)
{
	for (size_t i = 0; i < operation->element_count; i++) {
		struct element *there = same_key(set, &operation->elements[i]);
		if (there == NULL)
			refuse(model, "an element to delete is not there", set->name);
		else
			*there = set->elements[--set->element_count];
	}
}

static void add_rules(struct model *model, struct chain *chain, const struct operation *operation)
{
	if (chain->rule_count > 0)
		refuse(model, "a chain has rules already", chain->name);
	for (size_t i = 0; i < operation->chain->rule_count; i++)
		for (size_t j = 0; j < operation->chain->rules[i].statement_count; j++) {
			const struct statement *s = &operation->chain->rules[i].statements[j];
			if (s->set[0] != 0 && ruleset_set(model->ruleset, s->set) == NULL)
				refuse(model, "a rule names a set that is not there", s->set);
			if ((s->kind == STATEMENT_JUMP || s->kind == STATEMENT_GOTO) &&
			    ruleset_chain(model->ruleset, s->text) == NULL)
				refuse(model, "a rule names a chain that is not there", s->text);
			if (s->kind == STATEMENT_COUNT && !has_counter(model->ruleset, s->text))
				refuse(model, "a rule names a counter that is not there", s->text);
		}
	chain->rules = operation->chain->rules;
	chain->rule_count = operation->chain->rule_count;
}

static bool is_set_named(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->chain_count; i++)
		for (size_t j = 0; j < ruleset->chains[i]->rule_count; j++)
			for (size_t k = 0; k < ruleset->chains[i]->rules[j].statement_count; k++)
				if (strcmp(ruleset->chains[i]->rules[j].statements[k].set, name) == 0)
					return true;
	return false;
}

static bool is_chain_named(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->set_count; i++)
		for (size_t j = 0; j < ruleset->sets[i]->element_count; j++)
			if (ruleset->sets[i]->map && strcmp(ruleset->sets[i]->elements[j].chain, name) == 0)
				return true;
	for (size_t i = 0; i < ruleset->chain_count; i++)
		for (size_t j = 0; j < ruleset->chains[i]->rule_count; j++) {
			const struct rule *rule = &ruleset->chains[i]->rules[j];
			for (size_t k = 0; k < rule->statement_count; k++)
				if ((rule->statements[k].kind == STATEMENT_JUMP ||
				     rule->statements[k].kind == STATEMENT_GOTO) &&
				    strcmp(rule->statements[k].text, name) == 0)
					return true;
		}
	return false;
}

static void delete_set(struct model *model, const char *name)
{
	struct ruleset *ruleset = model->ruleset;
	if (is_set_named(ruleset, name))
		refuse(model, "a rule names a set to delete", name);
	for (size_t i = 0; i < ruleset->set_count; i++)
		if (strcmp(ruleset->sets[i]->name, name) == 0)
			ruleset->sets[i] = ruleset->sets[--ruleset->set_count];
}

static void delete_chain(struct model *model, const char *name)
{
	struct ruleset *ruleset = model->ruleset;
	if (ruleset_chain(ruleset, name)->rule_count > 0 || is_chain_named(ruleset, name))
		refuse(model, "a chain to delete is in use", name);
	for (size_t i = 0; i < ruleset->chain_count; i++)
		if (strcmp(ruleset->chains[i]->name, name) == 0)
			ruleset->chains[i] = ruleset->chains[--ruleset->chain_count];
}

static void apply_operation(struct model *model, const struct operation *operation)
{
	struct ruleset *ruleset = model->ruleset;
	struct set *set = ruleset_set(ruleset, operation->name);
	struct chain *chain = ruleset_chain(ruleset, operation->name);
	bool on_set = operation->kind == OPERATION_ADD_ELEMENTS || operation->kind == OPERATION_DELETE_ELEMENTS ||
		      operation->kind == OPERATION_DELETE_SET;
	bool on_chain = operation->kind == OPERATION_ADD_RULES || operation->kind == OPERATION_FLUSH_CHAIN ||
			operation->kind == OPERATION_DELETE_CHAIN;
	if ((on_set && set == NULL) || (on_chain && chain == NULL)) {
		refuse(model, "what an operation is about is not there", operation->name);
		return;
	}
	switch (operation->kind) {
	case OPERATION_ADD_TABLE:
		refuse(model, "the table is there", operation->name);
		break;
	case OPERATION_ADD_SET:
		if (set != NULL)
			refuse(model, "a set is there", operation->name);
		set = *arena_push(model->arena, ruleset->sets, ruleset->set_count) =
		    arena_alloc(model->arena, sizeof *set);
		*set = *operation->set;
		set->elements = NULL;
		set->element_count = 0;
		break;
	case OPERATION_ADD_CHAIN:
		if (chain != NULL)
			refuse(model, "a chain is there", operation->name);
		chain = *arena_push(model->arena, ruleset->chains, ruleset->chain_count) =
		    arena_alloc(model->arena, sizeof *chain);
		*chain = *operation->chain;
		chain->rules = NULL;
		chain->rule_count = 0;
		break;
	case OPERATION_ADD_RULES:
		add_rules(model, chain, operation);
		break;
	case OPERATION_FLUSH_CHAIN:
		chain->rules = NULL;
		chain->rule_count = 0;
		break;
	case OPERATION_DELETE_CHAIN:
		delete_chain(model, operation->name);
		break;
	case OPERATION_DELETE_SET:
		delete_set(model, operation->name);
		break;
	case OPERATION_ADD_COUNTER:
		if (!has_counter(ruleset, operation->name))
			*arena_push(model->arena, ruleset->counters, ruleset->counter_count) = operation->name;
		break;
	case OPERATION_DELETE_COUNTER:
		delete_counter(model, operation->name);
		break;
	case OPERATION_ADD_ELEMENTS:
		add_elements(model, set, operation);
		break;
	case OPERATION_DELETE_ELEMENTS:
		delete_elements(model, set, operation);
		break;
	}
}

size_t model_apply(struct arena *arena, const struct ruleset *from, const struct plan *plan,
		   const struct ruleset **states, const char **refused)
{
	states[0] = from;
	for (size_t i = 0; i < plan->count; i++) {
		struct model model = {.arena = arena, .ruleset = model_copy(arena, states[i])};
		for (size_t j = 0; j < plan->transactions[i].count && model.refused == NULL; j++)
			apply_operation(&model, &plan->transactions[i].operations[j]);
		if (model.refused != NULL) {
			*refused = arena_printf(arena, "transaction %zu: %s: %s", i, model.refused, model.object);
			return 0;
		}
		ruleset_sort_counters(model.ruleset);
		states[i + 1] = model.ruleset;
	}
	return plan->count + 1;
}

/* ---- whether two rulesets are the same ---- */

static bool same_chain(const struct chain *a, const struct chain *b)
{
	bool same = a->rule_count == b->rule_count && a->base == b->base && a->fixed == b->fixed;
	for (size_t i = 0; i < a->rule_count && same; i++)
		same = rule_equal(&a->rules[i], &b->rules[i]);
	return same;
}

static bool same_set(const struct set *a, const struct set *b)
{
	bool same = a->key == b->key && a->map == b->map && a->counted == b->counted && a->interval == b->interval &&
		    a->timeout == b->timeout && a->dynamic == b->dynamic && a->forget_after == b->forget_after &&
		    (a->size == 0) == (b->size == 0) && a->element_count == b->element_count;
	for (size_t i = 0; i < a->element_count && same; i++) {
		const struct element *there = same_key(b, &a->elements[i]);
		same = there != NULL && there->expires == a->elements[i].expires &&
		       (there->chain == NULL) == (a->elements[i].chain == NULL) &&
		       (there->chain == NULL || strcmp(there->chain, a->elements[i].chain) == 0);
	}
	return same;
}

void model_print_set(const char *what, const struct set *set)
{
	fprintf(stderr, "%s:", what);
	for (size_t i = 0; set != NULL && i < set->element_count; i++) {
		fputs(i == 0 ? " " : ", ", stderr);
		element_print(stderr, set, &set->elements[i]);
	}
	fputs("\n", stderr);
}

void model_print_plan(const struct plan *plan)
{
	static const char *const words[] = {"add table",      "add set",      "add chain",  "add rules",
					    "flush chain",    "delete chain", "delete set", "add counter",
					    "delete counter", "add to",	      "delete from"};
	for (size_t i = 0; plan != NULL && i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++) {
			const struct operation *operation = &plan->transactions[i].operations[j];
			fprintf(stderr, "  %zu: %s %s", i, words[operation->kind], operation->name);
			for (size_t k = 0; k < operation->element_count; k++) {
				fputs(k == 0 ? " " : ", ", stderr);
				element_print(stderr, operation->set, &operation->elements[k]);
			}
			fputs("\n", stderr);
		}
}

const char *model_lacks(const struct ruleset *b, const struct ruleset *a)
{
	for (size_t i = 0; i < a->set_count; i++) {
		const struct set *there = ruleset_set(b, a->sets[i]->name);
		if (there == NULL || !same_set(a->sets[i], there))
			return a->sets[i]->name;
	}
	for (size_t i = 0; i < a->chain_count; i++) {
		const struct chain *there = ruleset_chain(b, a->chains[i]->name);
		if (there == NULL || !same_chain(a->chains[i], there))
			return a->chains[i]->name;
	}
	for (size_t i = 0; i < a->counter_count; i++)
		if (!has_counter(b, a->counters[i]))
			return a->counters[i];
	return NULL;
}

const char *model_difference(const struct ruleset *a, const struct ruleset *b)
{
	const char *lacks = model_lacks(b, a);
	return lacks != NULL ? lacks : model_lacks(a, b);
}
