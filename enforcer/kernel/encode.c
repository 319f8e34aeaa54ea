/* Plans and rulesets to bytes, see encoding.h. */
#include "enforcer/kernel/encoding.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

const struct statement_form statement_forms[STATEMENT_KINDS] = {
    [STATEMENT_EQUAL] = {1, 1, .value = true},
    [STATEMENT_UNEQUAL] = {1, 1, .value = true},
    [STATEMENT_PREFIX] = {1, 1, .value = true, .prefix = true},
    [STATEMENT_NOT_PREFIX] = {1, 1, .value = true, .prefix = true},
    [STATEMENT_BITS] = {1, 1, .value = true},
    [STATEMENT_NO_BITS] = {1, 1, .value = true},
    [STATEMENT_RANGE] = {1, 1, .value = true, .last = true},
    [STATEMENT_IN] = {1, 3, .set = true},
    [STATEMENT_NOT_IN] = {1, 3, .set = true},
    [STATEMENT_COUNTED] = {1, 3, .set = true},
    [STATEMENT_MAP] = {1, 3, .set = true},
    [STATEMENT_COUNTER] = {0, 0, .set = false},
    [STATEMENT_COUNT] = {0, 0, .name = true},
    [STATEMENT_LIMIT] = {0, 0, .rate = true},
    [STATEMENT_METER] = {1, 3, .set = true, .rate = true},
    [STATEMENT_LOG] = {0, 0, .text = true},
    [STATEMENT_ACCEPT] = {0, 0, .set = false},
    [STATEMENT_DROP] = {0, 0, .set = false},
    [STATEMENT_RESET] = {0, 0, .set = false},
    [STATEMENT_REJECT] = {0, 0, .set = false},
    [STATEMENT_RETURN] = {0, 0, .set = false},
    [STATEMENT_JUMP] = {0, 0, .name = true},
    [STATEMENT_GOTO] = {0, 0, .name = true},
};

void encoded_finish(struct encoded *encoded)
{
	free(encoded->bytes);
	*encoded = (struct encoded){0};
}

static void put(struct encoded *to, const void *bytes, size_t length)
{
	if (to->length + length > to->room) {
		to->room = 2 * (to->length + length) + 256;
		to->bytes = realloc(to->bytes, to->room);
		if (to->bytes == NULL)
			abort();
	}
	memcpy(to->bytes + to->length, bytes, length);
	to->length += length;
}

static void put_u8(struct encoded *to, uint8_t value)
{
	put(to, &value, sizeof value);
}

static void put_u32(struct encoded *to, size_t value)
{
	const uint32_t number = htole32((uint32_t)value);
	put(to, &number, sizeof number);
}

static void put_i64(struct encoded *to, int64_t value)
{
	const uint64_t number = htole64((uint64_t)value);
	put(to, &number, sizeof number);
}

/* What is longer is cut, as netlink.c cuts it. */
static void put_text(struct encoded *to, const char *text)
{
	size_t length = text != NULL ? strnlen(text, TEXT_MOST) : 0;
	put_u8(to, (uint8_t)length);
	put(to, length > 0 ? text : "", length);
}

static void put_set(struct encoded *to, const struct set *set)
{
	put_text(to, set->name);
	put_u8(to, (uint8_t)set->key);
	put_u8(to,
	       (uint8_t)(set->map | set->interval << 1 | set->timeout << 2 | set->dynamic << 3 | set->counted << 4));
	put_u32(to, set->forget_after);
	put_u32(to, set->size);
}

/* An element of a map often leads where the one before it does, and one that is counted counts with it: an empty text
 * says so. One that goes is known by its key, and may lead to what others made. */
static void put_elements(struct encoded *to, const struct set *set, const struct element *elements, size_t count,
			 bool keys_only)
{
	size_t size = key_size(set->key);
	const char *chain = NULL;
	put_u32(to, count);
	for (size_t i = 0; i < count; i++) {
		const struct element *element = &elements[i];
		put(to, element->key, size);
		if (set->interval)
			put(to, element->end, size);
		if (set->timeout && !keys_only)
			put_i64(to, element->expires);
		if ((set->map || set->counted) && !keys_only)
			put_text(to, chain != NULL && strcmp(chain, element->chain) == 0 ? "" : element->chain);
		chain = element->chain;
	}
}

static void put_statement(struct encoded *to, const struct statement *statement)
{
	const struct statement_form *form = &statement_forms[statement->kind];
	put_u8(to, (uint8_t)statement->kind);
	put_u8(to, statement->field_count);
	for (size_t i = 0; i < statement->field_count; i++)
		put_u8(to, (uint8_t)statement->fields[i]);
	if (form->value)
		put(to, statement->value, sizeof statement->value);
	if (form->last)
		put(to, statement->last, sizeof statement->last);
	if (form->prefix)
		put_u8(to, statement->prefix);
	if (form->set)
		put_text(to, statement->set);
	if (form->text || form->name)
		put_text(to, statement->text);
	if (form->rate) {
		put_u32(to, statement->rate);
		put_u32(to, statement->seconds);
		put_u32(to, statement->burst);
	}
}

static void put_rules(struct encoded *to, const struct chain *chain)
{
	put_u32(to, chain->rule_count);
	for (size_t i = 0; i < chain->rule_count; i++) {
		const struct rule *rule = &chain->rules[i];
		put_text(to, rule->comment);
		put_u32(to, rule->statement_count);
		for (size_t j = 0; j < rule->statement_count; j++)
			put_statement(to, &rule->statements[j]);
	}
}

static void put_chain(struct encoded *to, const struct chain *chain)
{
	put_text(to, chain->name);
	put_u8(to, (uint8_t)(chain->base | chain->fixed << 1));
	put_u8(to, (uint8_t)chain->hook);
}

static void put_operation(struct encoded *to, const struct operation *operation)
{
	put_u8(to, (uint8_t)operation->kind);
	switch (operation->kind) {
	case OPERATION_ADD_TABLE:
		break;
	case OPERATION_ADD_SET:
		put_set(to, operation->set);
		break;
	case OPERATION_ADD_CHAIN:
		put_chain(to, operation->chain);
		break;
	case OPERATION_ADD_RULES:
		put_chain(to, operation->chain);
		put_rules(to, operation->chain);
		break;
	case OPERATION_FLUSH_CHAIN:
	case OPERATION_DELETE_CHAIN:
	case OPERATION_DELETE_SET:
	case OPERATION_ADD_COUNTER:
	case OPERATION_DELETE_COUNTER:
		put_text(to, operation->name);
		break;
	case OPERATION_ADD_ELEMENTS:
	case OPERATION_DELETE_ELEMENTS:
		put_set(to, operation->set);
		put_elements(to, operation->set, operation->elements, operation->element_count,
			     operation->kind == OPERATION_DELETE_ELEMENTS);
		break;
	}
}

void plan_encode(struct encoded *to, const struct plan *plan, int64_t at)
{
	put_i64(to, at);
	put_u32(to, plan->count);
	for (size_t i = 0; i < plan->count; i++) {
		const struct transaction *transaction = &plan->transactions[i];
		put_u8(to, transaction->settled);
		put_u32(to, transaction->count);
		for (size_t j = 0; j < transaction->count; j++)
			put_operation(to, &transaction->operations[j]);
	}
}

void ruleset_encode(struct encoded *to, const struct ruleset *ruleset)
{
	put_u32(to, ruleset->generation);
	put_i64(to, ruleset->at);
	put_text(to, ruleset->revision);
	put_u32(to, ruleset->counter_count);
	for (size_t i = 0; i < ruleset->counter_count; i++)
		put_text(to, ruleset->counters[i]);
	put_u32(to, ruleset->set_count);
	for (size_t i = 0; i < ruleset->set_count; i++) {
		put_set(to, ruleset->sets[i]);
		put_elements(to, ruleset->sets[i], ruleset->sets[i]->elements, ruleset->sets[i]->element_count, false);
	}
	put_u32(to, ruleset->chain_count);
	for (size_t i = 0; i < ruleset->chain_count; i++) {
		put_chain(to, ruleset->chains[i]);
		put_rules(to, ruleset->chains[i]);
	}
}
