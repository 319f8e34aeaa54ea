/* Plans: what changes in place, what becomes a generation, and that neither touches a base chain. And, in a network
 * namespace of its own, that applying one leaves nothing to do, whatever was damaged before. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/reconcile.h>

#include "tests/unit/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1800000000, ROUNDS = 100, SCRIPT_SIZE = 4096, HANDLES_MOST = 4096 };
#define SEED 20261125u

#define POLICY                                                                                                 \
	"ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\nallow:\n  - {from: web, to: db}\n"
#define MORE_POLICY POLICY "  - {from: db, to: web}\n"
#define RANGE_POLICY POLICY "  - {from: web, to: db, ports: [100-200/tcp]}\n"
/* More than a class may have rules for. */
#define RANGES_POLICY                                                                                          \
	RANGE_POLICY "  - {from: web, to: db, ports: [300-400/tcp, 500-600/tcp, 700-800/tcp, 900-1000/tcp]}\n" \
		     "  - {from: web, to: db, ports: [1100-1200/tcp]}\n"

/* A world of `policy` with `webs` workloads of web and one of db. */
static struct world world_of(struct arena *arena, const char *policy, int webs)
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
	return (struct world){&frontend->policy, &frontend->inventory, NOW};
}

static struct ruleset *plan_to(struct arena *arena, const char *policy, int webs, const struct ruleset *actual,
			       enum change change, struct plan **plan)
{
	struct world world = world_of(arena, policy, webs);
	return reconcile(arena, &world, NULL, actual, change, plan, NULL);
}

/* The plan from one number of workloads of web to another, element by element, or NULL. */
static struct plan *plan_step(struct arena *arena, const char *policy, int before, int after)
{
	struct world from = world_of(arena, policy, before), to = world_of(arena, policy, after);
	struct inventory live = *from.inventory;
	from.inventory = &live;
	struct lowering *lowering = lowering_create(&from, NULL, 1, NULL, NULL);
	struct plan *plan = follow_inventory(lowering, &live, to.inventory, arena);
	lowering_leave_to(lowering, arena);
	return plan;
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

/* The hooks come last, in a transaction of their own. */
static void an_empty_kernel_gets_everything_before_a_packet_meets_it(void **state)
{
	struct arena *arena = *state;
	struct plan *plan;
	struct ruleset *first = plan_to(arena, POLICY, 3, NULL, CHANGE_ANY, &plan);
	size_t hooks = 0, fixed = 0;
	assert_int_equal(plan->count, 2);
	assert_int_equal(first->generation, 1);
	assert_int_equal(count_kind(plan, OPERATION_ADD_CHAIN), first->chain_count);
	for (size_t i = 0; i < plan->transactions[1].count; i++) {
		const struct operation *operation = &plan->transactions[1].operations[i];
		assert_true(operation->kind == OPERATION_ADD_CHAIN || operation->kind == OPERATION_ADD_RULES);
		assert_true(operation->chain->fixed);
		fixed += operation->kind == OPERATION_ADD_CHAIN;
		hooks += operation->kind == OPERATION_ADD_CHAIN && operation->chain->base;
	}
	assert_int_equal(fixed, 4);
	assert_int_equal(hooks, 3);
}

static void the_same_again_is_nothing(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	struct ruleset *second = plan_to(*state, POLICY, 3, first, CHANGE_ANY, &plan);
	assert_int_equal(plan->count, 0);
	assert_int_equal(second->generation, 1);
}

static bool all_elements(const struct plan *plan, enum operation_kind kind)
{
	bool all = true;
	for (size_t i = 0; i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++)
			all = all && plan->transactions[i].operations[j].kind == kind;
	return all;
}

/* Who may be reached, and self, before whose rules hold; the other way round where it goes. */
static void a_workload_of_a_known_class_is_elements(void **state)
{
	struct plan *plan = plan_step(*state, POLICY, 3, 4);
	assert_int_equal(plan->count, 2);
	assert_true(all_elements(plan, OPERATION_ADD_ELEMENTS));
	assert_int_equal(plan->elements_added, 5); /* local, self, egress, ingress, and who may call db */
	plan = plan_step(*state, POLICY, 4, 3);
	assert_int_equal(plan->count, 2);
	assert_true(all_elements(plan, OPERATION_DELETE_ELEMENTS));
	assert_int_equal(plan->elements_deleted, 5);
}

static void a_first_workload_of_a_class_is_built_before_a_packet_meets_it(void **state)
{
	struct plan *plan = plan_step(*state, POLICY, 0, 1);
	assert_int_equal(plan->count, 3);
	for (size_t i = 0; i < plan->transactions[0].count; i++)
		assert_in_range(plan->transactions[0].operations[i].kind, OPERATION_ADD_SET, OPERATION_ADD_ELEMENTS);
	assert_int_equal(count_kind(plan, OPERATION_ADD_CHAIN), 2);
	for (size_t i = 1; i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++)
			assert_int_equal(plan->transactions[i].operations[j].kind, OPERATION_ADD_ELEMENTS);
}

/* The next one then takes elements only. */
static void chains_outlive_their_last_workload_until_the_second_sweep(void **state)
{
	struct world one = world_of(*state, POLICY, 1), none = world_of(*state, POLICY, 0);
	struct inventory live = *one.inventory;
	const struct world from = {one.policy, &live, one.at};
	struct lowering *lowering = lowering_create(&from, NULL, 1, NULL, NULL);
	const struct plan *goes = follow_inventory(lowering, &live, none.inventory, *state);
	assert_true(goes->count > 0 && all_elements(goes, OPERATION_DELETE_ELEMENTS));
	assert_int_equal(lowering_sweep(lowering, *state)->count, 0);
	const struct plan *comes = follow_inventory(lowering, &live, one.inventory, *state);
	assert_true(comes->count > 0 && all_elements(comes, OPERATION_ADD_ELEMENTS));
	assert_int_equal(lowering_sweep(lowering, *state)->count, 0);
	follow_inventory(lowering, &live, none.inventory, *state);
	assert_int_equal(lowering_sweep(lowering, *state)->count, 0);
	assert_int_equal(count_kind(lowering_sweep(lowering, *state), OPERATION_DELETE_CHAIN), 2);
	lowering_destroy(lowering);
}

/* Ranges of ports are elements as well: no network's interval changes. */
static void a_workload_with_a_range_of_ports_is_elements(void **state)
{
	struct plan *plan = plan_step(*state, RANGE_POLICY, 3, 4);
	assert_non_null(plan);
	assert_int_equal(plan->elements_added, 5); /* one set of those who may call db, for its port and the range */
	plan = plan_step(*state, RANGES_POLICY, 3, 4);
	assert_non_null(plan);
	assert_int_equal(plan->elements_added, 8); /* the rest are intervals */
}

/* Where a rule counts on one side, workloads come and go one at a time, or there is another generation. */
static void several_workloads_of_a_network_policy_are_a_generation(void **state)
{
	static const char policy[] =
	    POLICY "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n";
	assert_non_null(plan_step(*state, policy, 3, 4));
	assert_null(plan_step(*state, policy, 3, 5));
	assert_non_null(plan_step(*state, POLICY, 3, 5));
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
	assert_non_null(plan_step(*state, POLICY, 3, 63));
	assert_null(plan_step(*state, POLICY, 3, 64));
	struct plan *plan;
	struct ruleset *small = plan_to(*state, POLICY, 3, NULL, CHANGE_ANY, &plan);
	assert_int_equal(plan_to(*state, POLICY, 63, small, CHANGE_REPAIR, &plan)->generation, 1);
	assert_int_equal(plan_to(*state, POLICY, 64, small, CHANGE_REPAIR, &plan)->generation, 2);
}

static void an_interval_set_is_repaired_with_a_generation(void **state)
{
	struct plan *plan;
	struct ruleset *first = plan_to(*state, RANGES_POLICY, 3, NULL, CHANGE_ANY, &plan);
	assert_int_equal(plan_to(*state, RANGES_POLICY, 4, first, CHANGE_REPAIR, &plan)->generation, 2);
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

/* ---- in the kernel ---- */

/* Every shape of set: keyed, hosts, ranges, nets, and expiring ones. */
#define RICH_POLICY                                                                                        \
	RANGES_POLICY                                                                                      \
	"  - {from: db, to: web, ports: [any]}\n  - {from: web, to: {cidr: 192.0.2.0/24}, ports: [any]}\n" \
	"  - {from: any, to: web, ports: [80-90/tcp], until: 2099-01-01}\n"                                \
	"  - {from: db, to: web, ports: [1/tcp], until: 2098-01-01}\n"

struct machine {
	struct arena *arena;
	struct kernel *kernel;
	uint64_t random_state;
};

static unsigned roll(struct machine *n, size_t sides)
{
	uint64_t z = n->random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)(((z ^ z >> 31) >> 32) % sides);
}

/* Returns NULL where there can be no namespace. */
static struct machine *enter(struct machine *n)
{
	*n = (struct machine){.arena = arena_create(), .random_state = SEED};
	if (unshare(CLONE_NEWNET) == 0 && kernel_open(&n->kernel) == 0)
		return n;
	arena_free(n->arena);
	print_message("skipped: no network namespace can be made: not root\n");
	return NULL;
}

static void leave(struct machine *n)
{
	kernel_close(n->kernel);
	arena_free(n->arena);
}

static struct ruleset *read_back(struct machine *n)
{
	struct ruleset *actual = NULL;
	assert_int_equal(kernel_read(n->kernel, n->arena, NOW, &actual), 0);
	return actual;
}

static void apply(struct machine *n, const struct plan *plan)
{
	struct answer answer = kernel_apply(n->kernel, plan, NOW);
	if (answer.error != 0)
		fail_msg("refused: %s (%d)", answer.object, answer.error);
}

/* From what is there to the world, and nothing is left to do then. */
static struct ruleset *bring_to(struct machine *n, const char *policy, int webs, enum change change)
{
	struct plan *plan, *rest;
	struct ruleset *actual = read_back(n);
	struct ruleset *desired = plan_to(n->arena, policy, webs, actual, change, &plan);
	apply(n, plan);
	actual = read_back(n);
	assert_int_equal(actual->generation, desired->generation);
	assert_int_equal(actual->chain_count, desired->chain_count);
	assert_int_equal(actual->set_count, desired->set_count);
	assert_true(plan_fits_generation(actual, desired));
	assert_int_equal(plan_make(n->arena, actual, desired)->count, 0);
	plan_to(n->arena, policy, webs, actual, change, &rest);
	assert_int_equal(rest->count, 0);
	return desired;
}

static void an_applied_plan_leaves_nothing_to_do(void **state)
{
	static const struct {
		const char *policy;
		int webs;
		enum change change;
		uint32_t generation;
	} steps[] = {
	    {POLICY, 3, CHANGE_ANY, 1},	     {POLICY, 3, CHANGE_ANY, 1},      {POLICY, 4, CHANGE_REPAIR, 1},
	    {POLICY, 2, CHANGE_REPAIR, 1},   {POLICY, 9, CHANGE_ANY, 2},      {MORE_POLICY, 9, CHANGE_ANY, 3},
	    {RICH_POLICY, 9, CHANGE_ANY, 4}, {RICH_POLICY, 8, CHANGE_ANY, 5}, {POLICY, 0, CHANGE_ANY, 6},
	    {POLICY, 1, CHANGE_REPAIR, 6},   {POLICY, 0, CHANGE_REPAIR, 6},   {POLICY, 300, CHANGE_ANY, 7},
	};
	struct machine machine, *n = enter(&machine);
	(void)state;
	if (n == NULL)
		skip();
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		assert_int_equal(bring_to(n, steps[i].policy, steps[i].webs, steps[i].change)->generation,
				 steps[i].generation);
	leave(n);
}

/* Runs a script; returns whether nft took it. */
static bool nft(const char *script)
{
	FILE *stream = popen("nft -f - 2>/dev/null", "w");
	assert_non_null(stream);
	fputs(script, stream);
	return pclose(stream) == 0;
}

static const struct set *any_set(struct machine *n, const struct ruleset *ruleset)
{
	return ruleset->sets[roll(n, ruleset->set_count)];
}

static const struct chain *any_chain(struct machine *n, const struct ruleset *ruleset)
{
	return ruleset->chains[roll(n, ruleset->chain_count)];
}

static void damage_rule(struct machine *n, const struct ruleset *ruleset, FILE *script)
{
	static int handles[HANDLES_MOST];
	char command[200], line[1024];
	const struct chain *chain = any_chain(n, ruleset);
	size_t count = 0;
	snprintf(command, sizeof command, "nft -a list chain inet ringfence %s 2>/dev/null", chain->name);
	FILE *listing = popen(command, "r");
	assert_non_null(listing);
	while (fgets(line, sizeof line, listing) != NULL && count < HANDLES_MOST) {
		const char *handle = strstr(line, "# handle ");
		if (handle != NULL && strncmp(line, "\t\t", 2) == 0)
			handles[count++] = atoi(handle + strlen("# handle "));
	}
	pclose(listing);
	if (count > 0)
		fprintf(script, "delete rule inet ringfence %s handle %d\n", chain->name, handles[roll(n, count)]);
}

static void damage_element(struct machine *n, const struct ruleset *ruleset, FILE *script)
{
	const struct set *set = any_set(n, ruleset);
	if (set->element_count == 0)
		return;
	fprintf(script, "delete element inet ringfence %s { ", set->name);
	element_print(script, set, &set->elements[roll(n, set->element_count)]);
	fputs(" }\n", script);
}

static void damage_whole_chain(struct machine *n, const struct ruleset *ruleset, FILE *script)
{
	fprintf(script, "flush chain inet ringfence %s\n", any_chain(n, ruleset)->name);
}

static void damage_whole_set(struct machine *n, const struct ruleset *ruleset, FILE *script)
{
	const struct set *set = any_set(n, ruleset);
	fprintf(script, "flush %s inet ringfence %s\n", set->map ? "map" : "set", set->name);
}

/* Chains and sets can go only when nothing names them, so all rules and elements go first. */
static void damage_objects(struct machine *n, const struct ruleset *ruleset, FILE *script)
{
	fputs("flush table inet ringfence\n", script);
	for (size_t i = 0; i < ruleset->set_count; i++)
		fprintf(script, "flush %s inet ringfence %s\n", ruleset->sets[i]->map ? "map" : "set",
			ruleset->sets[i]->name);
	for (size_t i = 0; i < ruleset->chain_count; i++)
		if (roll(n, 3) == 0)
			fprintf(script, "delete chain inet ringfence %s\n", ruleset->chains[i]->name);
	for (size_t i = 0; i < ruleset->set_count; i++)
		if (roll(n, 3) == 0)
			fprintf(script, "delete %s inet ringfence %s\n", ruleset->sets[i]->map ? "map" : "set",
				ruleset->sets[i]->name);
}

static void damage_table(struct machine *n, const struct ruleset *ruleset, FILE *script)
{
	(void)n;
	(void)ruleset;
	fputs("delete table inet ringfence\n", script);
}

static void any_damage_is_put_right(void **state)
{
	static void (*const damages[])(struct machine *, const struct ruleset *, FILE *) = {
	    damage_rule,    damage_rule,      damage_rule,	  damage_element, damage_element,
	    damage_element, damage_whole_set, damage_whole_chain, damage_objects, damage_table};
	struct machine machine, *n = enter(&machine);
	unsigned taken = 0;
	(void)state;
	if (n == NULL)
		skip();
	bring_to(n, RICH_POLICY, 5, CHANGE_ANY);
	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct ruleset *before = read_back(n);
		for (unsigned i = 0, count = 1 + roll(n, 3); i < count; i++) {
			char script[SCRIPT_SIZE] = "";
			FILE *out = fmemopen(script, sizeof script, "w");
			assert_non_null(out);
			damages[roll(n, sizeof damages / sizeof *damages)](n, before, out);
			fclose(out);
			taken += script[0] != 0 && nft(script);
		}
		bring_to(n, RICH_POLICY, 5, CHANGE_REPAIR);
		arena_free(n->arena);
		n->arena = arena_create();
	}
	leave(n);
	print_message("# seed %u: %u damages in %d rounds\n", SEED, taken, ROUNDS);
	assert_true(taken > ROUNDS);
}

/* A base chain of ours that is no longer what its name says: whoever can do this can open the node. */
static void a_base_chain_that_was_replaced_is_put_right(void **state)
{
	static const char *const scripts[] = {
	    "chain inet ringfence forward { policy drop; }\n",
	    "flush chain inet ringfence forward\ndelete chain inet ringfence forward\n"
	    "add chain inet ringfence forward\n",
	    "flush chain inet ringfence forward\ndelete chain inet ringfence forward\n"
	    "add chain inet ringfence forward { type filter hook forward priority 10; }\n",
	    "flush chain inet ringfence forward\ndelete chain inet ringfence forward\n"
	    "add chain inet ringfence forward { type filter hook input priority 0; }\n",
	};
	struct machine machine, *n = enter(&machine);
	size_t left = 0;
	(void)state;
	if (n == NULL)
		skip();
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		struct plan *plan, *rest;
		nft("delete table inet ringfence\n");
		bring_to(n, POLICY, 3, CHANGE_ANY);
		assert_true(nft(scripts[i]));
		plan_to(n->arena, POLICY, 3, read_back(n), CHANGE_REPAIR, &plan);
		kernel_apply(n->kernel, plan, NOW);
		plan_to(n->arena, POLICY, 3, read_back(n), CHANGE_REPAIR, &rest);
		if (rest->count > 0)
			print_error("still not right after a repair:\n%s", scripts[i]);
		left += rest->count > 0;
	}
	leave(n);
	assert_int_equal(left, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_kernel_gets_everything_before_a_packet_meets_it),
	    TEST(the_same_again_is_nothing),
	    TEST(a_workload_of_a_known_class_is_elements),
	    TEST(a_first_workload_of_a_class_is_built_before_a_packet_meets_it),
	    TEST(chains_outlive_their_last_workload_until_the_second_sweep),
	    TEST(several_workloads_at_once_are_a_generation),
	    TEST(a_workload_with_a_range_of_ports_is_elements),
	    TEST(several_workloads_of_a_network_policy_are_a_generation),
	    TEST(another_policy_is_a_generation_behind_one_jump),
	    TEST(a_set_that_outgrows_its_size_is_a_generation),
	    TEST(an_interval_set_is_repaired_with_a_generation),
	    TEST(the_numbers_of_generations_begin_again),
	    cmocka_unit_test(an_applied_plan_leaves_nothing_to_do),
	    cmocka_unit_test(any_damage_is_put_right),
	    cmocka_unit_test(a_base_chain_that_was_replaced_is_put_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
