/* Plans and rulesets as bytes: what goes in comes out, and whatever else comes is refused or harmless. */
#include "enforcer/kernel/encoding.h"

#include "compiler/ruleset/netlink.h"
#include "tests/unit/random_policy.h"
#include "tests/unit/reading.h"

#include <ringfence/reconcile.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { WORLDS = 60, DAMAGES = 400 };
#define SEED 20261127u

/* The ruleset of a random world; only its arena matters afterwards. */
static struct ruleset *random_ruleset(struct arena *arena, uint32_t seed, uint32_t generation)
{
	uint32_t parts[RANDOM_PARTS];
	for (size_t i = 0; i < RANDOM_PARTS; i++)
		parts[i] = random_next(&seed);
	char *text = random_policy(parts);
	struct reading reading;
	struct world world = read_policy(&reading, "random.yaml", text);
	free(text);
	struct ruleset *ruleset = ruleset_lower(arena, &world, NULL, generation, &reading.diagnostics);
	assert_non_null(ruleset);
	arena_pass(reading.arena, arena);
	return ruleset;
}

static struct plan *random_plan(struct arena *arena, uint32_t seed)
{
	return plan_make(arena, random_ruleset(arena, seed, 1), random_ruleset(arena, seed + 1, 2));
}

static void assert_same_bytes(const struct encoded *a, const struct encoded *b)
{
	assert_int_equal(a->length, b->length);
	assert_memory_equal(a->bytes, b->bytes, a->length);
}

static void rulesets_come_back(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WORLDS; i++) {
		struct arena *arena = arena_create();
		struct ruleset *ruleset = random_ruleset(arena, SEED + i, i + 1), *read;
		struct encoded first = {0}, second = {0};
		ruleset_encode(&first, ruleset);
		assert_null(ruleset_decode(arena, first.bytes, first.length, &read));
		ruleset_encode(&second, read);
		assert_same_bytes(&first, &second);
		assert_int_equal(plan_make(arena, ruleset, read)->count, 0);
		assert_int_equal(read->generation, i + 1);
		encoded_finish(&first);
		encoded_finish(&second);
		arena_free(arena);
	}
}

static void plans_come_back(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WORLDS; i++) {
		struct arena *arena = arena_create();
		struct plan *plan = random_plan(arena, SEED + i), *read;
		struct encoded first = {0}, second = {0};
		int64_t at = 0;
		plan_encode(&first, plan, NOW);
		assert_null(plan_decode(arena, first.bytes, first.length, &read, &at));
		assert_int_equal(at, NOW);
		plan_encode(&second, read, at);
		assert_same_bytes(&first, &second);
		assert_int_equal(plan_bytes(read, NOW), plan_bytes(plan, NOW));
		for (size_t j = 0; j < plan->count; j++)
			assert_int_equal(plan->transactions[j].settled, read->transactions[j].settled);
		encoded_finish(&first);
		encoded_finish(&second);
		arena_free(arena);
	}
}

/* A copy in memory of just that size, so that the sanitizer sees every byte too far. */
static const char *decode_copy(const uint8_t *bytes, size_t length)
{
	struct arena *arena = arena_create();
	uint8_t *copy = malloc(length + (length == 0));
	struct plan *plan;
	int64_t at;
	assert_non_null(copy);
	memcpy(copy, bytes, length);
	const char *wrong = plan_decode(arena, copy, length, &plan, &at);
	free(copy);
	if (wrong == NULL)
		plan_bytes(plan, at); /* writing what was taken must be safe, whatever it means */
	arena_free(arena);
	return wrong;
}

static void every_cut_is_refused(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	struct encoded whole = {0};
	plan_encode(&whole, random_plan(arena, SEED), NOW);
	for (size_t length = 0; length < whole.length; length += 1 + length / 200)
		assert_non_null(decode_copy(whole.bytes, length));
	assert_null(decode_copy(whole.bytes, whole.length));
	encoded_finish(&whole);
	arena_free(arena);
}

static void damage_is_harmless(void **state)
{
	(void)state;
	uint32_t seed = SEED;
	size_t refused = 0;
	for (uint32_t i = 0; i < DAMAGES; i++) {
		struct arena *arena = arena_create();
		struct encoded bytes = {0};
		plan_encode(&bytes, random_plan(arena, SEED + i % 8), NOW);
		for (uint32_t j = 0; j <= i % 4; j++)
			bytes.bytes[random_next(&seed) % bytes.length] = (uint8_t)random_next(&seed);
		refused += decode_copy(bytes.bytes, bytes.length) != NULL;
		encoded_finish(&bytes);
		arena_free(arena);
	}
	assert_true(refused > DAMAGES / 20);
}

/* ---- what must not come through ---- */

/* Decodes a plan of one operation, and says what is wrong with it. */
static const char *judge(const struct operation *operation)
{
	struct operation copy = *operation;
	struct plan plan = {.count = 1, .transactions = {{.operations = &copy, .count = 1}}};
	struct encoded bytes = {0};
	plan_encode(&bytes, &plan, NOW);
	const char *wrong = decode_copy(bytes.bytes, bytes.length);
	encoded_finish(&bytes);
	return wrong;
}

static const char *judge_chain(struct chain chain)
{
	return judge(&(struct operation){.kind = OPERATION_ADD_CHAIN, .chain = &chain});
}

static const char *judge_rule(struct statement *statements, size_t count)
{
	struct rule rule = {.statements = statements, .statement_count = count};
	struct chain chain = {.name = "g1_deny", .rules = &rule, .rule_count = 1};
	return judge(&(struct operation){.kind = OPERATION_ADD_RULES, .chain = &chain});
}

static void names_are_of_our_alphabet(void **state)
{
	(void)state;
	assert_null(judge_chain((struct chain){.name = "g1_in_shop-api_0a1b2c"}));
	assert_string_equal(judge_chain((struct chain){.name = ""}), "a name is none of ours");
	assert_string_equal(judge_chain((struct chain){.name = "a b"}), "a name is none of ours");
	assert_string_equal(judge_chain((struct chain){.name = "x\" ; accept"}), "a name is none of ours");
	assert_string_equal(judge_chain((struct chain){.name = "../x"}), "a name is none of ours");
}

static void what_others_made_can_be_deleted(void **state)
{
	(void)state;
	assert_null(judge(&(struct operation){.kind = OPERATION_DELETE_CHAIN, .name = "evil \x01 chain"}));
	assert_string_equal(judge(&(struct operation){.kind = OPERATION_DELETE_SET}), "a name is missing");
}

static void hooks_are_ours(void **state)
{
	(void)state;
	assert_null(judge_chain((struct chain){.name = "input", .base = true, .hook = 1}));
	assert_string_equal(judge_chain((struct chain){.name = "early", .base = true, .hook = 0}),
			    "a hook is none of ours");
	assert_string_equal(judge_chain((struct chain){.name = "early", .base = true, .hook = 4}),
			    "a hook is none of ours");
}

/* Two fields of which no packet has both: what they need to be checked for must come to an end. */
static void contradictions_end(void **state)
{
	static const enum field pairs[][3] = {{FIELD_IP_SADDR, FIELD_IP6_SADDR, FIELD_IP_DADDR},
					      {FIELD_ICMPV6_TYPE, FIELD_TCP_FLAGS, FIELD_ICMPV6_TYPE},
					      {FIELD_IP_SADDR, FIELD_ICMPV6_TYPE, FIELD_TCP_FLAGS}};
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct statement statement = {.kind = STATEMENT_IN, .field_count = 3, .set = "g1_known4"};
		struct rule rule = {.statements = &statement, .statement_count = 1};
		struct expansion expansion = {.rule = &rule};
		size_t count = 0;
		memcpy(statement.fields, pairs[i], sizeof pairs[i]);
		while (expansion_next(&expansion) != NULL)
			assert_true(++count < 10);
		assert_null(judge_rule(&statement, 1));
	}
}

/* Of every kind and field, also where no rule of ours has it: AddressSanitizer sees a byte that is not the statement's.
 */
static void every_statement_can_be_written(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < STATEMENT_KINDS; kind++)
		for (size_t field = 0; field < FIELD_COUNT; field++) {
			struct statement statement = {.kind = (enum statement_kind)kind,
						      .field_count = statement_forms[kind].fields_most,
						      .prefix = 255,
						      .set = "g1_known4",
						      .text = "g1_deny"};
			for (size_t i = 0; i < 3; i++)
				statement.fields[i] = (enum field)field;
			assert_null(judge_rule(&statement, 1));
		}
}

/* What the kernel would make room for at once. */
static void sets_are_no_larger_than_ours(void **state)
{
	(void)state;
	struct set set = {.name = "g1_known4", .key = KEY_ADDRESS4, .size = 1 << 22};
	const struct operation add = {.kind = OPERATION_ADD_SET, .set = &set};
	assert_null(judge(&add));
	set.size = 1 << 30;
	assert_string_equal(judge(&add), "a set has room for more than a ruleset holds");
}

/* Times that cannot be subtracted from another. */
static void time_begins_in_1970(void **state)
{
	(void)state;
	struct set set = {.name = "g1_known4", .key = KEY_ADDRESS4, .timeout = true};
	struct element element = {.expires = INT64_MAX};
	struct operation operation = {
	    .kind = OPERATION_ADD_ELEMENTS, .set = &set, .elements = &element, .element_count = 1};
	struct plan plan = {.count = 1, .transactions = {{.operations = &operation, .count = 1}}};
	static const int64_t moments[] = {0, NOW, INT64_MAX, -1, INT64_MIN};
	for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
		struct encoded bytes = {0};
		plan_encode(&bytes, &plan, moments[i]);
		const char *wrong = decode_copy(bytes.bytes, bytes.length);
		assert_true(moments[i] < 0 ? wrong != NULL : wrong == NULL);
		encoded_finish(&bytes);
	}
}

static void statements_are_known(void **state)
{
	(void)state;
	struct statement many[RULE_STATEMENTS_MOST + 1];
	struct statement accept = {.kind = STATEMENT_ACCEPT};
	struct statement fields = {.kind = STATEMENT_EQUAL, .field_count = 2};
	struct statement jump = {.kind = STATEMENT_JUMP, .text = "a;b"};
	for (size_t i = 0; i <= RULE_STATEMENTS_MOST; i++)
		many[i] = (struct statement){.kind = STATEMENT_LOG, .text = "ringfence deny"};
	assert_null(judge_rule(&accept, 1));
	assert_string_equal(judge_rule(&fields, 1), "a statement has too few or too many fields");
	assert_string_equal(judge_rule(&jump, 1), "a name is none of ours");
	assert_null(judge_rule(many, RULE_STATEMENTS_MOST));
	assert_string_equal(judge_rule(many, RULE_STATEMENTS_MOST + 1), "a rule has too many statements");
}

/* A count that the bytes behind it cannot hold must cost no memory. */
static void counts_are_bounded(void **state)
{
	(void)state;
	uint8_t bytes[64] = {0};
	bytes[8] = 1;		     /* one transaction */
	memset(bytes + 13, 0xff, 4); /* of 4,294,967,295 operations */
	assert_string_equal(decode_copy(bytes, sizeof bytes), "a count is larger than what follows");
	bytes[8] = PLAN_TRANSACTIONS + 1;
	assert_string_equal(decode_copy(bytes, sizeof bytes), "it has too many transactions");
}

static void every_kind_of_statement_has_a_form(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < STATEMENT_KINDS; kind++) {
		const struct statement_form *form = &statement_forms[kind];
		bool bare = kind == STATEMENT_COUNTER || kind == STATEMENT_ACCEPT || kind == STATEMENT_DROP ||
			    kind == STATEMENT_RESET || kind == STATEMENT_REJECT || kind == STATEMENT_RETURN;
		bool says = form->fields_most > 0 || form->value || form->set || form->text || form->name || form->rate;
		assert_int_equal(says, !bare);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rulesets_come_back),
	    cmocka_unit_test(plans_come_back),
	    cmocka_unit_test(every_cut_is_refused),
	    cmocka_unit_test(damage_is_harmless),
	    cmocka_unit_test(names_are_of_our_alphabet),
	    cmocka_unit_test(what_others_made_can_be_deleted),
	    cmocka_unit_test(hooks_are_ours),
	    cmocka_unit_test(statements_are_known),
	    cmocka_unit_test(contradictions_end),
	    cmocka_unit_test(every_statement_can_be_written),
	    cmocka_unit_test(sets_are_no_larger_than_ours),
	    cmocka_unit_test(time_begins_in_1970),
	    cmocka_unit_test(counts_are_bounded),
	    cmocka_unit_test(every_kind_of_statement_has_a_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
