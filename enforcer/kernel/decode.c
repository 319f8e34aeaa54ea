/* Bytes to plans and rulesets, see encoding.h. This stands between whoever took over the process that reads files and
 * sockets, and the packet filter: each number is bounded before it is used, and each name is of our alphabet.
 *
 * Once something is wrong, `wrong` says what, every further reading gives zeros, and every count is 0. */
#include "enforcer/kernel/encoding.h"

#include <ringfence/arena.h>

#include <endian.h>
#include <string.h>

#include <linux/netfilter.h>

/* Bytes that an object takes at least, so that a count is never larger than what follows can hold. */
enum {
	OPERATION_LEAST = 1,
	COUNTER_LEAST = 2,
	SET_LEAST = 15,
	CHAIN_LEAST = 3,
	RULE_LEAST = 5,
	STATEMENT_LEAST = 2,
	ELEMENT_LEAST = 4
};

enum { SET_SIZE_MOST = 4 * RULESET_ELEMENTS_MAX }; /* one of ours has room for twice its elements, to a power of two */

struct reader {
	struct arena *arena;
	const uint8_t *bytes;
	size_t left;
	size_t objects; /* read so far: of a plan, all are held at once */
	const char *wrong;
};

static void fail(struct reader *r, const char *what)
{
	if (r->wrong == NULL)
		r->wrong = what;
	r->left = 0;
}

static void get(struct reader *r, void *to, size_t length)
{
	if (length > r->left) {
		fail(r, "it ends in the middle");
		memset(to, 0, length);
		return;
	}
	memcpy(to, r->bytes, length);
	r->bytes += length;
	r->left -= length;
}

static uint8_t get_u8(struct reader *r)
{
	uint8_t value;
	get(r, &value, sizeof value);
	return value;
}

static uint32_t get_u32(struct reader *r)
{
	uint32_t value;
	get(r, &value, sizeof value);
	return le32toh(value);
}

static int64_t get_i64(struct reader *r)
{
	uint64_t value;
	get(r, &value, sizeof value);
	return (int64_t)le64toh(value);
}

/* A number of things, each of `least` bytes or more. */
static size_t get_count(struct reader *r, size_t least)
{
	size_t count = get_u32(r);
	if (count > r->left / least)
		fail(r, "a count is larger than what follows");
	r->objects += count;
	if (r->objects > PLAN_OPERATIONS_MAX)
		fail(r, "it has too many objects");
	return r->wrong == NULL ? count : 0;
}

/* A value below `limit`. */
static unsigned get_choice(struct reader *r, unsigned limit, const char *what)
{
	unsigned value = get_u8(r);
	if (value >= limit)
		fail(r, what);
	return value < limit ? value : 0;
}

/* A text of at most `most` bytes, to `to`, which has one more. */
static size_t get_text(struct reader *r, char *to, size_t most)
{
	size_t length = get_u8(r);
	if (length > most) {
		fail(r, "a text is too long");
		length = 0;
	}
	get(r, to, length);
	to[length] = 0;
	if (memchr(to, 0, length) != NULL)
		fail(r, "a text has a zero in it");
	return length;
}

static bool is_ours(const char *name)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	return name[0] != 0 && name[0] != '-' && name[0] != '.' && name[strspn(name, alphabet)] == 0;
}

static void get_name(struct reader *r, char *name)
{
	get_text(r, name, RULESET_NAME_SIZE - 1);
	if (r->wrong == NULL && !is_ours(name))
		fail(r, "a name is none of ours");
}

/* Of what is deleted: others may have made it in our table, and called it as they like. */
static void get_foreign_name(struct reader *r, char *name)
{
	if (get_text(r, name, RULESET_NAME_SIZE - 1) == 0)
		fail(r, "a name is missing");
}

static void get_flags(struct reader *r, unsigned known, uint8_t *flags)
{
	*flags = get_u8(r);
	if ((*flags & ~known) != 0)
		fail(r, "a flag is not known");
}

static struct set *get_set(struct reader *r)
{
	struct set *set = arena_alloc(r->arena, sizeof *set);
	uint8_t flags;
	get_name(r, set->name);
	set->key = (enum key_type)get_choice(r, KEY_TYPE_COUNT, "a type of key is not known");
	get_flags(r, 31, &flags);
	set->map = (flags & 1) != 0;
	set->interval = (flags & 2) != 0;
	set->timeout = (flags & 4) != 0;
	set->dynamic = (flags & 8) != 0;
	set->counted = (flags & 16) != 0;
	if (set->map && set->counted)
		fail(r, "a set is a map and counted");
	set->forget_after = get_u32(r);
	set->size = get_u32(r);
	return set;
}

/* `chain`: where the one before it leads, or what it counts with. */
static void get_element(struct reader *r, const struct set *set, struct element *element, const char *chain,
			bool key_only)
{
	char name[RULESET_NAME_SIZE];
	get(r, element->key, key_size(set->key));
	memcpy(element->end, element->key, sizeof element->end);
	if (set->interval)
		get(r, element->end, key_size(set->key));
	if (set->timeout && !key_only)
		element->expires = get_i64(r);
	if (element->expires < 0)
		fail(r, "an element ends before time began");
	if ((!set->map && !set->counted) || key_only)
		return;
	if (get_text(r, name, sizeof name - 1) == 0)
		element->chain = chain;
	else if (is_ours(name))
		element->chain = arena_copy(r->arena, name, strlen(name));
	if (element->chain == NULL)
		fail(r, "an element of a map leads nowhere, or one that is counted has no counter");
}

static struct element *get_elements(struct reader *r, const struct set *set, size_t *count, bool keys_only)
{
	*count = get_count(r, ELEMENT_LEAST);
	struct element *elements = arena_alloc(r->arena, (*count + 1) * sizeof *elements);
	for (size_t i = 0; i < *count && r->wrong == NULL; i++)
		get_element(r, set, &elements[i], i > 0 ? elements[i - 1].chain : NULL, keys_only);
	return elements;
}

static const char *get_statement_text(struct reader *r)
{
	char text[TEXT_MOST + 1];
	size_t length = get_text(r, text, TEXT_MOST);
	return arena_copy(r->arena, text, length);
}

static const char *get_kept_name(struct reader *r)
{
	char name[RULESET_NAME_SIZE];
	get_name(r, name);
	return arena_copy(r->arena, name, strlen(name));
}

static void get_statement(struct reader *r, struct statement *statement)
{
	statement->kind = (enum statement_kind)get_choice(r, STATEMENT_KINDS, "a kind of statement is not known");
	const struct statement_form *form = &statement_forms[statement->kind];
	statement->field_count = get_u8(r);
	if (statement->field_count < form->fields_least || statement->field_count > form->fields_most)
		fail(r, "a statement has too few or too many fields");
	for (size_t i = 0; r->wrong == NULL && i < statement->field_count; i++)
		statement->fields[i] = (enum field)get_choice(r, FIELD_COUNT, "a field is not known");
	if (form->value)
		get(r, statement->value, sizeof statement->value);
	if (form->last)
		get(r, statement->last, sizeof statement->last);
	if (form->prefix)
		statement->prefix = get_u8(r);
	if (form->set)
		get_name(r, statement->set);
	if (form->text)
		statement->text = get_statement_text(r);
	if (form->name)
		statement->text = get_kept_name(r);
	if (form->rate) {
		statement->rate = get_u32(r);
		statement->seconds = get_u32(r);
		statement->burst = get_u32(r);
	}
}

static void get_rule(struct reader *r, struct rule *rule)
{
	char comment[TEXT_MOST + 1];
	size_t length = get_text(r, comment, TEXT_MOST);
	rule->comment = length > 0 ? arena_copy(r->arena, comment, length) : NULL;
	rule->statement_count = get_count(r, STATEMENT_LEAST);
	if (rule->statement_count > RULE_STATEMENTS_MOST) {
		fail(r, "a rule has too many statements");
		rule->statement_count = 0;
	}
	rule->statements = arena_alloc(r->arena, (rule->statement_count + 1) * sizeof *rule->statements);
	for (size_t i = 0; i < rule->statement_count; i++)
		get_statement(r, &rule->statements[i]);
}

static void get_rules(struct reader *r, struct chain *chain)
{
	chain->rule_count = get_count(r, RULE_LEAST);
	chain->rules = arena_alloc(r->arena, (chain->rule_count + 1) * sizeof *chain->rules);
	for (size_t i = 0; i < chain->rule_count; i++)
		get_rule(r, &chain->rules[i]);
}

static struct chain *get_chain(struct reader *r)
{
	struct chain *chain = arena_alloc(r->arena, sizeof *chain);
	uint8_t flags;
	get_name(r, chain->name);
	get_flags(r, 3, &flags);
	chain->base = (flags & 1) != 0;
	chain->fixed = (flags & 2) != 0;
	chain->hook = get_u8(r);
	bool known =
	    chain->hook == NF_INET_LOCAL_IN || chain->hook == NF_INET_FORWARD || chain->hook == NF_INET_LOCAL_OUT;
	if (chain->base && !known)
		fail(r, "a hook is none of ours");
	return chain;
}

static void name_operation(struct operation *operation, const char *name)
{
	memcpy(operation->name, name, strnlen(name, sizeof operation->name - 1));
}

static void get_operation(struct reader *r, struct operation *operation)
{
	struct chain *chain;
	operation->kind =
	    (enum operation_kind)get_choice(r, OPERATION_DELETE_ELEMENTS + 1, "a kind of operation is not known");
	switch (operation->kind) {
	case OPERATION_ADD_TABLE:
		name_operation(operation, RULESET_TABLE);
		break;
	case OPERATION_ADD_SET:
		operation->set = get_set(r);
		if (operation->set->size > SET_SIZE_MOST) /* the kernel makes room for all of it at once */
			fail(r, "a set has room for more than a ruleset holds");
		name_operation(operation, operation->set->name);
		break;
	case OPERATION_ADD_CHAIN:
		operation->chain = get_chain(r);
		name_operation(operation, operation->chain->name);
		break;
	case OPERATION_ADD_RULES:
		operation->chain = chain = get_chain(r);
		get_rules(r, chain);
		name_operation(operation, chain->name);
		break;
	case OPERATION_FLUSH_CHAIN:
	case OPERATION_DELETE_CHAIN:
	case OPERATION_DELETE_SET:
		get_foreign_name(r, operation->name);
		break;
	case OPERATION_ADD_COUNTER:
		get_name(r, operation->name);
		break;
	case OPERATION_DELETE_COUNTER:
		get_foreign_name(r, operation->name);
		break;
	case OPERATION_ADD_ELEMENTS:
	case OPERATION_DELETE_ELEMENTS:
		operation->set = get_set(r);
		operation->elements = get_elements(r, operation->set, &operation->element_count,
						   operation->kind == OPERATION_DELETE_ELEMENTS);
		name_operation(operation, operation->set->name);
		break;
	}
}

static const char *verdict(struct reader *r)
{
	if (r->wrong == NULL && r->left > 0)
		return "more follows behind its end";
	return r->wrong;
}

const char *plan_decode(struct arena *arena, const uint8_t *bytes, size_t length, struct plan **plan, int64_t *at)
{
	struct reader reader = {.arena = arena, .bytes = bytes, .left = length}, *r = &reader;
	struct plan *read = *plan = arena_alloc(arena, sizeof *read);
	*at = get_i64(r);
	if (*at < 0)
		fail(r, "it was made before time began");
	read->count = get_u32(r);
	if (read->count > PLAN_TRANSACTIONS) {
		fail(r, "it has too many transactions");
		read->count = 0;
	}
	for (size_t i = 0; i < read->count; i++) {
		struct transaction *transaction = &read->transactions[i];
		transaction->settled = get_choice(r, 2, "a flag is not known") != 0;
		transaction->count = get_count(r, OPERATION_LEAST);
		transaction->operations =
		    arena_alloc(arena, (transaction->count + 1) * sizeof *transaction->operations);
		for (size_t j = 0; j < transaction->count && r->wrong == NULL; j++)
			get_operation(r, &transaction->operations[j]);
	}
	return verdict(r);
}

const char *ruleset_decode(struct arena *arena, const uint8_t *bytes, size_t length, struct ruleset **ruleset)
{
	struct reader reader = {.arena = arena, .bytes = bytes, .left = length}, *r = &reader;
	struct ruleset *read = *ruleset = arena_alloc(arena, sizeof *read);
	read->generation = get_u32(r);
	if (read->generation >= GENERATIONS)
		fail(r, "a generation has no such number");
	read->at = get_i64(r);
	get_text(r, read->revision, sizeof read->revision - 1);
	read->counter_count = get_count(r, COUNTER_LEAST);
	read->counters = arena_alloc(arena, (read->counter_count + 1) * sizeof *read->counters);
	for (size_t i = 0; i < read->counter_count; i++)
		read->counters[i] = get_kept_name(r);
	read->set_count = get_count(r, SET_LEAST);
	read->sets = arena_alloc(arena, (read->set_count + 1) * sizeof *read->sets);
	for (size_t i = 0; i < read->set_count; i++) {
		struct set *set = read->sets[i] = get_set(r);
		set->elements = get_elements(r, set, &set->element_count, false);
	}
	read->chain_count = get_count(r, CHAIN_LEAST);
	read->chains = arena_alloc(arena, (read->chain_count + 1) * sizeof *read->chains);
	for (size_t i = 0; i < read->chain_count; i++) {
		read->chains[i] = get_chain(r);
		get_rules(r, read->chains[i]);
	}
	return verdict(r);
}
