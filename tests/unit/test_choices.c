/* Each pass of the lowering chooses by size: what it chose is seen in the ruleset, and told with its reason. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/lowering.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICES                                                                                               \
	"ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n  log: {workloads: {app: log}, ports: {l: 514/udp}}\n"

struct fixture {
	struct reading reading;
	struct lowering *lowering;
	struct ruleset *ruleset;
	const struct choice *choices;
	size_t count;
};

/* Lowers `policy` for node n0, where a db and a log run, with `webs` workloads of web on n1 and a stranger's on n2. */
static void lower(struct fixture *f, const char *policy, unsigned webs)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fprintf(out,
		"%s---\nringfence: v1\nworkloads:\n"
		"  - {name: db-1, namespace: shop, labels: {app: db, pod: x}, node: n0, addresses: [10.0.0.1]}\n"
		"  - {name: db-2, namespace: shop, labels: {app: db, pod: y}, node: n0, addresses: [10.0.0.2]}\n"
		"  - {name: log-1, namespace: shop, labels: {app: log}, node: n0, addresses: [10.0.0.3]}\n"
		"  - {name: far, namespace: away, labels: {app: far}, node: n2, addresses: [10.0.0.4]}\n",
		policy);
	for (unsigned i = 0; i < webs; i++)
		fprintf(out,
			"  - {name: web-%u, namespace: shop, labels: {app: web, pod: \"%u\"}, node: n1, addresses: "
			"[10.1.%u.%u]}\n",
			i, i, i / 250, i % 250 + 1);
	fclose(out);
	const struct world world = read_policy(&f->reading, "choices.yaml", text);
	f->lowering = lowering_create(&world, "n0", 1, NULL, &f->reading.diagnostics);
	assert_non_null(f->lowering);
	f->ruleset = lowering_ruleset(f->lowering, f->reading.arena, true);
	f->choices = lowering_choices(f->lowering, f->reading.arena, &f->count);
	free(text);
}

static void finish(struct fixture *f)
{
	lowering_destroy(f->lowering);
	arena_free(f->reading.arena);
}

/* What a pass chose for a subject that begins so; NULL: nothing. */
static const char *chosen(const struct fixture *f, const char *pass, const char *subject)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->choices[i].pass, pass) == 0 &&
		    strncmp(f->choices[i].subject, subject, strlen(subject)) == 0)
			return f->choices[i].chosen;
	return NULL;
}

/* The elements of the sets whose names have this in them, and how many such sets there are. */
static size_t elements_of(const struct fixture *f, const char *part, size_t *sets)
{
	size_t sum = 0;
	*sets = 0;
	for (size_t i = 0; i < f->ruleset->set_count; i++) {
		if (strstr(f->ruleset->sets[i]->name, part) == NULL)
			continue;
		sum += f->ruleset->sets[i]->element_count;
		++*sets;
	}
	return sum;
}

#define KEYED SERVICES "allow:\n  - {from: web, to: db}\n  - {from: web, to: log}\n"

static void labels_that_no_statement_asks_for_tell_nobody_apart(void **state)
{
	struct fixture f;
	(void)state;
	lower(&f, KEYED, 5);
	assert_string_equal(chosen(&f, "identities", "workloads"), "4 for 9 workloads");
	finish(&f);
}

static void workloads_of_the_same_statements_share_a_chain(void **state)
{
	struct fixture f;
	(void)state;
	lower(&f, KEYED, 5);
	assert_string_equal(chosen(&f, "classes", "g1_in_db"), "one chain for 2 addresses");
	assert_string_equal(chosen(&f, "classes", "g1_in_log"), "one chain for 1 addresses");
	assert_null(chosen(&f, "classes", "g1_in_web")); /* it runs elsewhere */
	finish(&f);
}

static void a_node_has_what_its_workloads_can_meet(void **state)
{
	struct fixture f;
	size_t sets;
	(void)state;
	lower(&f, KEYED, 5);
	assert_string_equal(chosen(&f, "node", "n0"), "3 workloads run here, 5 others are their peers");
	finish(&f);
	lower(&f, SERVICES "allow:\n  - {from: db, to: log}\n", 5);
	assert_string_equal(chosen(&f, "node", "n0"), "3 workloads run here, 0 others are their peers");
	assert_int_equal(elements_of(&f, "egress4", &sets), 3);
	finish(&f);
}

static void a_peer_is_shared_where_that_saves_enough(void **state)
{
	struct fixture f;
	size_t sets;
	(void)state;
	lower(&f, KEYED, 500);
	assert_null(chosen(&f, "sharing", ""));
	assert_int_equal(elements_of(&f, ".k4", &sets), 1000); /* each of 500 for each of two */
	finish(&f);
	lower(&f, KEYED, 1100);
	assert_non_null(strstr(chosen(&f, "sharing", ""), "one set for 4 rules"));
	assert_int_equal(elements_of(&f, "_peers_", &sets), 1100);
	assert_int_equal(sets, 2);
	assert_int_equal(elements_of(&f, ".k4", &sets), 0);
	finish(&f);
}

static void a_range_of_ports_is_a_rule(void **state)
{
	struct fixture f;
	size_t sets;
	(void)state;
	lower(&f, SERVICES "allow:\n  - {from: web, to: db, ports: [100-200/tcp]}\n", 5);
	assert_int_equal(elements_of(&f, "_peers_", &sets), 5);
	assert_int_equal(elements_of(&f, ".s4", &sets), 0);
	finish(&f);
}

static void many_ranges_of_ports_are_intervals(void **state)
{
	struct fixture f;
	size_t sets;
	(void)state;
	lower(&f,
	      SERVICES "allow:\n  - {from: web, to: db, ports: [1-2/tcp, 4-5/tcp, 7-8/tcp, 10-11/tcp, 13-14/tcp, "
		       "16-17/tcp]}\n",
	      5);
	assert_int_equal(elements_of(&f, "_peers_", &sets), 5); /* four of them */
	assert_int_equal(elements_of(&f, ".s4", &sets), 10);	/* two */
	assert_string_equal(chosen(&f, "shapes", "g1_peers"), "hash of addresses, shared");
	assert_string_equal(chosen(&f, "shapes", "g1_in_db"), "intervals of ports for each address");
	finish(&f);
}

static void networks_are_intervals(void **state)
{
	struct fixture f;
	size_t sets;
	(void)state;
	lower(&f, SERVICES "allow:\n  - {from: {cidr: 192.0.2.0/24}, to: db}\n", 5);
	assert_int_equal(elements_of(&f, ".r4", &sets), 1);
	assert_string_equal(chosen(&f, "shapes", "g1_in_db"), "intervals of addresses and ports");
	finish(&f);
}

static void a_set_has_room_for_twice_what_is_there(void **state)
{
	struct fixture f;
	(void)state;
	lower(&f, KEYED, 100);
	for (size_t i = 0; i < f.ruleset->set_count; i++) {
		const struct set *set = f.ruleset->sets[i];
		assert_true(set->interval || (set->size >= 64 && set->size >= 2 * set->element_count));
	}
	assert_string_equal(chosen(&f, "sizes", "g1_egress4"), "64");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(labels_that_no_statement_asks_for_tell_nobody_apart),
	    cmocka_unit_test(workloads_of_the_same_statements_share_a_chain),
	    cmocka_unit_test(a_node_has_what_its_workloads_can_meet),
	    cmocka_unit_test(a_peer_is_shared_where_that_saves_enough),
	    cmocka_unit_test(a_range_of_ports_is_a_rule),
	    cmocka_unit_test(many_ranges_of_ports_are_intervals),
	    cmocka_unit_test(networks_are_intervals),
	    cmocka_unit_test(a_set_has_room_for_twice_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
