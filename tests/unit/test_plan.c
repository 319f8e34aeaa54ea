/* Plans: what changes in place, what becomes a generation, and that neither touches a base chain. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/reconcile.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY                                                                                                 \
	"ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\nallow:\n  - {from: web, to: db}\n"
#define MORE_POLICY POLICY "  - {from: db, to: web}\n"
#define RANGE_POLICY POLICY "  - {from: web, to: db, ports: [100-200/tcp]}\n"

/* A world of `policy` with `webs` workloads of web and one of db. */
static struct ruleset *plan_to(struct arena *arena, const char *policy, int webs, const struct ruleset *actual,
			       enum change change, struct plan **plan)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	fprintf(out,
		"%s---\nringfence: v1\nworkloads:\n  - {name: db-1, namespace: shop, labels: {app: db}, addresses: "
		"[10.0.0.1]}\n",
		policy);
	for (int i = 0; i < webs; i++)
		fprintf(out, "  - {name: web-%d, namespace: shop, labels: {app: web}, addresses: [10.1.%d.%d]}\n", i,
			i / 250, i % 250 + 1);
	fclose(out);
	struct diagnostics *diagnostics = arena_alloc(arena, sizeof *diagnostics);
	struct frontend *frontend = arena_alloc(arena, sizeof *frontend);
	diagnostics_init(diagnostics, arena);
	frontend_init(frontend, arena, diagnostics);
	frontend_add_text(frontend, "plan.yaml", arena_copy(arena, text, size), size);
	frontend_finish(frontend);
	free(text);
	assert_int_equal(diagnostics->errors, 0);
	struct world world = {&frontend->policy, &frontend->inventory, 1800000000};
	return reconcile(arena, &world, NULL, actual, change, plan);
}

static size_t count_kind(const struct plan *plan, enum operation_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++)
			count += plan->transactions[i].operations[j].kind == kind;
	return count;
}

static bool deletes(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++)
			if (plan->transactions[i].operations[j].kind == OPERATION_DELETE_CHAIN &&
			    strcmp(plan->transactions[i].operations[j].name, name) == 0)
				return true;
	return false;
}

static void an_empty_kernel_gets_everything_in_one_transaction(void **state)
{
	struct arena *arena = *state;
	struct plan *plan;
	struct ruleset *first = plan_to(arena, POLICY, 3, NULL, CHANGE_ANY, &plan);
	assert_int_equal(plan->count, 1);
	assert_int_equal(first->generation, 1);
	assert_int_equal(count_kind(plan, OPERATION_ADD_CHAIN), first->chain_count);
}

static void the_same_again_is_nothing(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	struct ruleset *second = plan_to(*state, POLICY, 3, first, CHANGE_ANY, &plan);
	assert_int_equal(plan->count, 0);
	assert_int_equal(second->generation, 1);
}

static void a_workload_of_a_known_class_is_elements_in_one_transaction(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	struct ruleset *second = plan_to(*state, POLICY, 4, first, CHANGE_ONE_WORKLOAD, &plan);
	assert_int_equal(plan->count, 1);
	assert_int_equal(second->generation, 1);
	for (size_t i = 0; i < plan->transactions[0].count; i++)
		assert_int_equal(plan->transactions[0].operations[i].kind, OPERATION_ADD_ELEMENTS);
	assert_int_equal(plan->elements_added, 5); /* local, self, egress, ingress, and who may call db */
	plan_to(*state, POLICY, 3, second, CHANGE_ONE_WORKLOAD, &plan);
	assert_int_equal(plan->count, 1);
	assert_int_equal(plan->elements_deleted, 5);
}

static void a_first_workload_of_a_class_is_built_before_a_packet_meets_it(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, POLICY, 0, NULL, CHANGE_ANY, &plan);
	plan_to(*state, POLICY, 1, first, CHANGE_ONE_WORKLOAD, &plan);
	assert_int_equal(plan->count, 2);
	assert_int_equal(plan->transactions[0].operations[0].kind, OPERATION_ADD_SET);
	for (size_t i = 0; i < plan->transactions[1].count; i++)
		assert_int_equal(plan->transactions[1].operations[i].kind, OPERATION_ADD_ELEMENTS);
}

static void several_workloads_at_once_are_a_generation(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	assert_int_equal(plan_to(*state, POLICY, 5, first, CHANGE_ANY, &plan)->generation, 2);
}

static void another_policy_is_a_generation_behind_one_jump(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	struct ruleset *second = plan_to(*state, MORE_POLICY, 3, first, CHANGE_ANY, &plan);
	static const char *const fixed[] = {"forward", "input", "output", "dispatch"};
	assert_int_equal(second->generation, 2);
	assert_int_equal(plan->count, 3);
	assert_int_equal(plan->transactions[1].count, 2);
	assert_int_equal(plan->transactions[1].operations[0].kind, OPERATION_FLUSH_CHAIN);
	assert_int_equal(plan->transactions[1].operations[1].kind, OPERATION_ADD_RULES);
	assert_string_equal(plan->transactions[1].operations[1].name, "dispatch");
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		assert_false(deletes(plan, fixed[i]));
	assert_true(deletes(plan, "g1"));
}

static void a_set_that_outgrows_its_size_is_a_generation(void **state)
{
	struct plan *plan;
	struct ruleset *small = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	struct ruleset *full = plan_to(*state, POLICY, 63, small, CHANGE_ONE_WORKLOAD, &plan);
	assert_int_equal(full->generation, 1);
	assert_int_equal(plan_to(*state, POLICY, 64, full, CHANGE_ONE_WORKLOAD, &plan)->generation, 2);
}

static void an_interval_set_changes_only_with_a_generation(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, RANGE_POLICY, 3, NULL, CHANGE_ANY, &plan);
	assert_int_equal(plan_to(*state, RANGE_POLICY, 4, first, CHANGE_ONE_WORKLOAD, &plan)->generation, 2);
}

static void the_numbers_of_generations_begin_again(void **state)
{
	(void)state;
	assert_int_equal(generation_next(1), 2);
	assert_int_equal(generation_next(GENERATIONS - 2), GENERATIONS - 1);
	assert_int_equal(generation_next(GENERATIONS - 1), 1);
}

static int setup(void **state)
{
	*state = arena_create();
	return 0;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_kernel_gets_everything_in_one_transaction),
	    TEST(the_same_again_is_nothing),
	    TEST(a_workload_of_a_known_class_is_elements_in_one_transaction),
	    TEST(a_first_workload_of_a_class_is_built_before_a_packet_meets_it),
	    TEST(several_workloads_at_once_are_a_generation),
	    TEST(another_policy_is_a_generation_behind_one_jump),
	    TEST(a_set_that_outgrows_its_size_is_a_generation),
	    TEST(an_interval_set_changes_only_with_a_generation),
	    TEST(the_numbers_of_generations_begin_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
