/* What the kernel walks before it takes a change of a verdict map: from each base chain along every jump, every goto
 * and every element of a map, in its lock (nft_chain_validate and nft_setelem_validate in
 * net/netfilter/nf_tables_api.c). Kernels of 2025 and before do not know a chain again that they have been in, so what
 * counts is how many ways there are: with the map of destinations behind each class of sources it would be one for each
 * pair of local workloads. */
#include "tests/unit/reading.h"

#include <ringfence/ruleset.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 50, MANY = 200, MAP_WAYS_MOST = 2 };

/* Each workload is a service of its own, which two others may call; their addresses are in pools. */
static struct ruleset *lower(struct reading *reading, unsigned workloads, const char *mode)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fprintf(out, "ringfence: v1\nnamespace: shop\nsettings: {mode: %s}\nservices:\n", mode);
	for (unsigned i = 0; i < workloads; i++)
		fprintf(out, "  s%u: {workloads: {app: s%u}, ports: {t: 80/tcp, u: 53/udp}}\n", i, i);
	fputs("allow:\n", out);
	for (unsigned i = 0; i < workloads; i++)
		fprintf(out,
			"  - {from: [s%u, s%u], to: s%u}\n  - {from: s%u, to: world, ports: [443/tcp], rate: 5/second "
			"per source}\n",
			(i + 1) % workloads, (i + 2) % workloads, i, i);
	fputs("---\nringfence: v1\nnodes:\n  n0:\n    addresses: [192.0.2.1]\n    workload_networks: [10.0.0.0/24, "
	      "10.1.0.0/24, 10.2.0.0/24, 10.3.0.0/24, \"fd00::/64\", \"fd01::/64\"]\nworkloads:\n",
	      out);
	for (unsigned i = 0; i < workloads; i++)
		fprintf(out,
			"  - {name: w%u, namespace: shop, labels: {app: s%u}, node: n0, addresses: [10.0.0.%u, "
			"\"fd00::%x\"]}\n",
			i, i, i + 1, i + 1);
	fclose(out);
	const struct world world = read_policy(reading, "many.yaml", text);
	struct ruleset *ruleset = ruleset_lower(reading->arena, &world, "n0", 1, &reading->diagnostics);
	assert_non_null(ruleset);
	free(text);
	return ruleset;
}

struct walk {
	const struct ruleset *ruleset;
	const struct set *map; /* the one whose look-ups are counted; NULL: rules and elements are */
	uint64_t *known; /* by chain: what was counted in it, plus 1. The walk is longer than this counting of it. */
};

static uint64_t count_chain(const struct walk *walk, const char *name);

static uint64_t count_statement(const struct walk *walk, const struct statement *statement)
{
	if (statement->kind == STATEMENT_JUMP || statement->kind == STATEMENT_GOTO)
		return count_chain(walk, statement->text);
	if (statement->kind != STATEMENT_MAP)
		return 0;
	const struct set *map = ruleset_set(walk->ruleset, statement->set);
	uint64_t sum = walk->map == NULL ? map->element_count : walk->map == map;
	for (size_t i = 0; i < map->element_count; i++)
		sum += count_chain(walk, map->elements[i].chain);
	return sum;
}

static uint64_t count_chain(const struct walk *walk, const char *name)
{
	size_t number = 0;
	while (strcmp(walk->ruleset->chains[number]->name, name) != 0)
		assert_true(++number < walk->ruleset->chain_count);
	const struct chain *chain = walk->ruleset->chains[number];
	uint64_t sum = walk->map == NULL ? chain->rule_count : 0;
	if (walk->known[number] > 0)
		return walk->known[number] - 1;
	for (size_t i = 0; i < chain->rule_count; i++)
		for (size_t j = 0; j < chain->rules[i].statement_count; j++)
			sum += count_statement(walk, &chain->rules[i].statements[j]);
	walk->known[number] = sum + 1;
	return sum;
}

static uint64_t count_from(const struct ruleset *ruleset, const char *base, const struct set *map)
{
	struct walk walk = {ruleset, map, calloc(ruleset->chain_count, sizeof *walk.known)};
	assert_non_null(walk.known);
	uint64_t sum = count_chain(&walk, base);
	free(walk.known);
	return sum;
}

static void check_growth(const char *mode)
{
	struct reading few_reading, many_reading;
	const struct ruleset *few = lower(&few_reading, FEW, mode), *many = lower(&many_reading, MANY, mode);
	for (size_t i = 0; i < many->chain_count; i++) {
		const struct chain *chain = many->chains[i];
		if (!chain->base)
			continue;
		uint64_t least = count_from(few, chain->name, NULL), most = count_from(many, chain->name, NULL);
		print_message("%s, %s: %lu steps with %d workloads, %lu with %d\n", mode, chain->name,
			      (unsigned long)least, FEW, (unsigned long)most, MANY);
		assert_true(most * FEW * 10 <= least * MANY * 11);
	}
	arena_free(few_reading.arena);
	arena_free(many_reading.arena);
}

static void it_grows_with_the_local_workloads(void **state)
{
	(void)state;
	check_growth("enforce");
	check_growth("audit");
}

static void each_map_is_reached_twice(void **state)
{
	struct reading reading;
	const struct ruleset *ruleset = lower(&reading, FEW, "enforce");
	(void)state;
	for (size_t i = 0; i < ruleset->chain_count; i++)
		for (size_t j = 0; ruleset->chains[i]->base && j < ruleset->set_count; j++)
			if (ruleset->sets[j]->map)
				assert_int_equal(count_from(ruleset, ruleset->chains[i]->name, ruleset->sets[j]),
						 MAP_WAYS_MOST);
	arena_free(reading.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_grows_with_the_local_workloads),
	    cmocka_unit_test(each_map_is_reached_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
