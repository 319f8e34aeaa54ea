/* What a commit costs, and whether it stalls packets: one element among few and among a million, in one transaction and
 * in three, a generation of one rule, and the deletion of a million elements, alone and with their set. With and
 * without a sender at full load; the numbers behind how the enforcer plans. Prints a table; `commits ELEMENTS` for
 * fewer. */
#include "tests/lab/load.h"

#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <errno.h>
#include <linux/netfilter.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMMITS = 2000, AFTER = 20, MARK = 1 };

struct bench {
	struct lab *lab;
	struct kernel *kernel;
	struct arena *arena;
	struct load_flow flow;
	struct load *load;
};

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "commits: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Microseconds that it took. */
static double apply(struct bench *bench, const struct plan *plan)
{
	double start = now_us();
	struct answer answer = kernel_apply(bench->kernel, plan, 0);
	double took = now_us() - start;
	errno = -answer.error;
	if (answer.error != 0)
		give_up(answer.object);
	return took;
}

static double apply_one(struct bench *bench, struct operation *operations, size_t count)
{
	const struct plan plan = {.transactions = {{.operations = operations, .count = count}}, .count = 1};
	return apply(bench, &plan);
}

/* ---- objects ---- */

static struct operation named(enum operation_kind kind, const char *name)
{
	struct operation operation = {.kind = kind};
	snprintf(operation.name, sizeof operation.name, "%s", name);
	return operation;
}

static struct operation elements_of(enum operation_kind kind, const struct set *set, const struct element *elements,
				    size_t count)
{
	struct operation operation = named(kind, set->name);
	operation.set = set;
	operation.elements = elements;
	operation.element_count = count;
	return operation;
}

/* Addresses from 11.0.0.0 on, every second one: intervals stay apart. */
static struct set *make_set(struct arena *arena, const char *name, size_t count, bool interval)
{
	struct set *set = arena_alloc(arena, sizeof *set);
	*set = (struct set){.key = KEY_ADDRESS4, .interval = interval};
	snprintf(set->name, sizeof set->name, "%s", name);
	for (set->size = interval ? 0 : 64; !interval && set->size < 2 * count;)
		set->size *= 2;
	set->elements = arena_alloc(arena, (count + 1) * sizeof *set->elements);
	set->element_count = count;
	for (size_t i = 0; i <= count; i++) {
		uint32_t address = 11U << 24 | (uint32_t)i << 1;
		for (size_t j = 0; j < 4; j++)
			set->elements[i].key[j] = set->elements[i].end[j] = (uint8_t)(address >> (24 - 8 * j));
	}
	return set;
}

static struct chain *make_chain(struct arena *arena, const char *name, bool base, const char *text, const char *set)
{
	struct chain *chain = arena_alloc(arena, sizeof *chain);
	*chain = (struct chain){.base = base, .hook = NF_INET_FORWARD};
	snprintf(chain->name, sizeof chain->name, "%s", name);
	struct rule *rule = arena_push(arena, chain->rules, chain->rule_count);
	if (set != NULL) {
		struct statement *look = arena_push(arena, rule->statements, rule->statement_count);
		*look = (struct statement){.kind = STATEMENT_IN, .fields = {FIELD_IP_SADDR}, .field_count = 1};
		snprintf(look->set, sizeof look->set, "%s", set);
	}
	*arena_push(arena, rule->statements, rule->statement_count) =
	    (struct statement){.kind = text != NULL ? STATEMENT_JUMP : STATEMENT_DROP, .text = text};
	return chain;
}

static struct operation chain_of(enum operation_kind kind, const struct chain *chain)
{
	struct operation operation = named(kind, chain->name);
	operation.chain = chain;
	return operation;
}

/* ---- the load ---- */

/* The sender has the first processor, this thread what is left. */
static void start_load(struct bench *bench)
{
	bench->load = load_start(bench->lab, &bench->flow, 1, 1, MARK);
	if (bench->load == NULL)
		give_up("load");
	for (size_t i = 0; i < 20; i++)
		load_wait(bench->load);
	load_restart_longest(bench->load);
}

static double longest_ms(struct bench *bench)
{
	double longest = (double)load_counts(bench->load).longest / 1e6;
	load_restart_longest(bench->load);
	return longest;
}

static void stop_load(struct bench *bench)
{
	struct load_counts counts = load_stop(bench->load);
	if (counts.lost + counts.marks_lost > 0)
		printf("%llu packets were lost\n", (unsigned long long)(counts.lost + counts.marks_lost));
	bench->load = NULL;
}

/* ---- measurements ---- */

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void print_times(const char *what, double *times, size_t count)
{
	qsort(times, count, sizeof *times, by_value);
	printf("  %-52s %9.1f %9.1f %9.1f\n", what, times[0], times[count / 2], times[count * 99 / 100]);
	fflush(stdout);
}

/* One element that comes and goes: in a transaction each, and three transactions a change. */
static void measure_elements(struct bench *bench, const struct set *set)
{
	static double one[COMMITS], three[COMMITS];
	const struct element *extra = &set->elements[set->element_count];
	for (size_t i = 0; i < COMMITS; i++) {
		struct operation add = elements_of(OPERATION_ADD_ELEMENTS, set, extra, 1);
		struct operation delete = elements_of(OPERATION_DELETE_ELEMENTS, set, extra, 1);
		const struct plan plan = {.transactions = {{.operations = &add, .count = 1},
							   {.operations = &delete, .count = 1},
							   {.operations = &add, .count = 1}},
					  .count = 3};
		one[i] = apply_one(bench, &add, 1);
		apply_one(bench, &delete, 1);
		three[i] = apply(bench, &plan);
		apply_one(bench, &delete, 1);
	}
	print_times("one element, one transaction", one, COMMITS);
	print_times("the same, three transactions", three, COMMITS);
}

/* A new chain and set beside the old, the flip of a jump, the deletion of the old. */
static void measure_generation(struct bench *bench)
{
	static double times[COMMITS];
	struct arena *arena = arena_create();
	for (size_t i = 0; i < COMMITS / 10; i++) {
		char old_chain[32], old_set[32], new_chain[32], new_set[32];
		snprintf(old_chain, sizeof old_chain, "chain_%zu", i);
		snprintf(old_set, sizeof old_set, "set_%zu", i);
		snprintf(new_chain, sizeof new_chain, "chain_%zu", i + 1);
		snprintf(new_set, sizeof new_set, "set_%zu", i + 1);
		struct set *set = make_set(arena, new_set, 10, false);
		struct chain *chain = make_chain(arena, new_chain, false, NULL, new_set);
		struct chain *flip = make_chain(arena, "dispatch", false, new_chain, NULL);
		struct operation build[] = {named(OPERATION_ADD_SET, new_set), chain_of(OPERATION_ADD_CHAIN, chain),
					    elements_of(OPERATION_ADD_ELEMENTS, set, set->elements, 10),
					    chain_of(OPERATION_ADD_RULES, chain)};
		build[0].set = set;
		struct operation change[] = {named(OPERATION_FLUSH_CHAIN, "dispatch"),
					     chain_of(OPERATION_ADD_RULES, flip)};
		struct operation delete[] = {named(OPERATION_FLUSH_CHAIN, old_chain),
					     named(OPERATION_DELETE_SET, old_set),
					     named(OPERATION_DELETE_CHAIN, old_chain)};
		struct plan plan = {.transactions = {{.operations = build, .count = 4},
						     {.operations = change, .count = 2},
						     {.operations = delete, .count = i > 0 ? 3 : 0}},
				    .count = i > 0 ? 3 : 2};
		times[i] = apply(bench, &plan);
	}
	print_times("a generation of a chain and a set of 10", times, COMMITS / 10);
	arena_free(arena);
}

/* How long this took, how long the slowest of the commits behind it, and the longest gap in the load over both. */
static void print_large(struct bench *bench, const char *what, double took, const struct set *small)
{
	double slowest = 0, first = 0;
	const struct element *extra = &small->elements[small->element_count];
	for (size_t i = 0; i < AFTER; i++) {
		struct operation add = elements_of(OPERATION_ADD_ELEMENTS, small, extra, 1);
		struct operation delete = elements_of(OPERATION_DELETE_ELEMENTS, small, extra, 1);
		double next = apply_one(bench, &add, 1);
		apply_one(bench, &delete, 1);
		first = i == 0 ? next : first;
		slowest = next > slowest ? next : slowest;
	}
	if (bench->load != NULL)
		load_wait(bench->load);
	printf("  %-52s %9.1f %9.2f %9.2f %9.2f\n", what, took / 1e3, first / 1e3, slowest / 1e3,
	       bench->load != NULL ? longest_ms(bench) : 0.0);
	fflush(stdout);
}

/* Makes a set and fills it, so many elements a transaction. */
static double add_set(struct bench *bench, struct set *set, size_t at_once)
{
	struct operation create = named(OPERATION_ADD_SET, set->name);
	create.set = set;
	double took = apply_one(bench, &create, 1);
	for (size_t i = 0; i < set->element_count; i += at_once) {
		size_t count = set->element_count - i < at_once ? set->element_count - i : at_once;
		struct operation fill = elements_of(OPERATION_ADD_ELEMENTS, set, set->elements + i, count);
		took += apply_one(bench, &fill, 1);
	}
	return took;
}

static void measure_large(struct bench *bench, size_t count, bool interval, const struct set *small)
{
	struct arena *arena = arena_create();
	struct set *set = make_set(arena, "passing", count, interval);
	struct operation delete_set = named(OPERATION_DELETE_SET, set->name);
	struct operation delete_elements =
	    elements_of(OPERATION_DELETE_ELEMENTS, set, set->elements, set->element_count);
	print_large(bench, "a new set, filled in one transaction", add_set(bench, set, count), small);
	print_large(bench, "delete the set with its elements", apply_one(bench, &delete_set, 1), small);
	print_large(bench, "a new set, filled 10,000 a transaction", add_set(bench, set, 10000), small);
	print_large(bench, "delete the elements, one by one, in one transaction", apply_one(bench, &delete_elements, 1),
		    small);
	apply_one(bench, &delete_set, 1);
	arena_free(arena);
}

static void measure(struct bench *bench, size_t count, const struct set *small, const struct set *large)
{
	printf("commit, microseconds %41s %9s %9s\n", "least", "p50", "p99");
	printf(" in a set of %zu\n", small->element_count);
	measure_elements(bench, small);
	printf(" in a set of %zu\n", large->element_count);
	measure_elements(bench, large);
	printf(" with that set in the table\n");
	measure_generation(bench);
	printf("milliseconds %49s %9s %9s %9s\n", "commit", "next", "worst of 20", "gap");
	usleep(2000000); /* what the machine does to a gap by itself */
	print_large(bench, "nothing for two seconds", 0, small);
	printf(" hash of %zu\n", count);
	measure_large(bench, count, false, small);
	printf(" intervals, %zu\n", count / 10);
	measure_large(bench, count / 10, true, small);
}

static void use_other_processors(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2)
		return;
	int first = 0;
	while (!CPU_ISSET(first, &set))
		first++;
	CPU_CLR(first, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void create_table(struct bench *bench, struct set *small, struct set *large)
{
	struct arena *arena = bench->arena;
	struct ruleset *ruleset = arena_alloc(arena, sizeof *ruleset);
	struct chain *dispatch = make_chain(arena, "dispatch", false, NULL, NULL);
	dispatch->rule_count = 0;
	struct chain *chains[] = {make_chain(arena, "few", false, NULL, small->name),
				  make_chain(arena, "many", false, NULL, large->name),
				  dispatch,
				  make_chain(arena, "to_few", true, "few", NULL),
				  make_chain(arena, "to_many", true, "many", NULL),
				  make_chain(arena, "forward", true, "dispatch", NULL)};
	*arena_push(arena, ruleset->sets, ruleset->set_count) = small;
	*arena_push(arena, ruleset->sets, ruleset->set_count) = large;
	for (size_t i = 0; i < sizeof chains / sizeof *chains; i++)
		*arena_push(arena, ruleset->chains, ruleset->chain_count) = chains[i];
	apply(bench, plan_make(arena, NULL, ruleset));
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	struct bench bench = {.lab = lab_create(2), .arena = arena_create()};
	if (bench.lab == NULL)
		give_up("lab");
	bench.flow = (struct load_flow){.from = 0, .to = LAB_OUTSIDE, .port = 8080, .must_pass = true, .replies = true};
	address_parse(&bench.flow.source, "10.0.1.11");
	address_parse(&bench.flow.destination, "203.0.113.10");
	lab_enter_router(bench.lab);
	errno = -kernel_open(&bench.kernel);
	lab_leave(bench.lab);
	if (errno != 0 || lab_add_address(bench.lab, 0, &bench.flow.source) != 0 ||
	    lab_add_address(bench.lab, LAB_OUTSIDE, &bench.flow.destination) != 0)
		give_up("set-up");
	struct set *small = make_set(bench.arena, "small", 1000, false);
	struct set *large = make_set(bench.arena, "large", count, false);
	create_table(&bench, small, large);
	printf("without load\n");
	measure(&bench, count, small, large);
	printf("with load\n");
	start_load(&bench);
	use_other_processors();
	measure(&bench, count, small, large);
	stop_load(&bench);
	kernel_close(bench.kernel);
	arena_free(bench.arena);
	lab_destroy(bench.lab);
	return 0;
}
