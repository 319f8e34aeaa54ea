/* How long it takes to follow one workload: `lower [WORKLOADS ...]`, 1,000, 10,000 and 100,000 where they are left out.
 * Leaving, entering again with the labels of another service, and the plan, for a node with 20 services that has all
 * workloads, and for a fleet with a service for each ten workloads of which a hundredth are on the node. With too many
 * elements for a ruleset the diagnostic says so. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/lowering.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ALLOWS = 10, CHANGES = 1000, NODES = 100 };

/* Of this process on a CPU, so that others on the machine do not count. */
static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *write_world(unsigned workloads, unsigned services, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	if (out == NULL)
		abort();
	fputs("ringfence: v1\nnamespace: one\nservices:\n", out);
	for (unsigned i = 0; i < services; i++)
		fprintf(out, "  s%u: {workloads: {app: a%u}}\n", i, i);
	fputs("allow:\n", out);
	for (unsigned i = 0; i < services * ALLOWS; i++)
		fprintf(out, "  - {from: s%u, to: s%u, ports: [%u/tcp]}\n", i % services,
			(i * 7 + i / services) % services, 1000 + i / services);
	fputs("---\nringfence: v1\nworkloads:\n", out);
	for (unsigned i = 0; i < workloads; i++)
		fprintf(out,
			"  - {name: w%u, namespace: one, node: n%u, labels: {app: a%u}, addresses: [10.%u.%u.%u]}\n", i,
			i % NODES, i / NODES % services, i >> 16, i >> 8 & 255, i & 255);
	fclose(out);
	return text;
}

static int compare_times(const void *left, const void *right)
{
	const double *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

/* What was done, for a table. */
struct result {
	double times[CHANGES];
	size_t elements, transactions, generations;
};

static void follow(struct lowering *lowering, struct inventory *inventory, size_t i, struct result *result)
{
	struct workload *workload = inventory->workloads[i * 7919 % inventory->workload_count];
	struct workload *other = inventory->workloads[(i * 7919 + NODES) % inventory->workload_count];
	struct arena *arena = arena_create();
	struct labels labels = workload->labels;
	double begin = seconds();
	lowering_leave(lowering, workload);
	workload->labels = other->labels;
	lowering_enter(lowering, workload);
	struct plan *plan = lowering_finish(lowering, arena);
	result->times[i] = seconds() - begin;
	result->elements += plan != NULL ? plan->elements_added + plan->elements_deleted : 0;
	result->transactions += plan != NULL ? plan->count : 0;
	result->generations += plan == NULL;
	arena_free(arena);
	arena = arena_create();
	lowering_leave(lowering, workload); /* back, so that the world stays the same */
	workload->labels = labels;
	lowering_enter(lowering, workload);
	lowering_finish(lowering, arena);
	arena_free(arena);
}

static void measure(unsigned workloads, unsigned services, const char *node)
{
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	static struct result result;
	size_t size = 0;
	char *text = write_world(workloads, services, &size);
	result = (struct result){0};
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend_add_text(&frontend, "world.yaml", text, size);
	frontend_finish(&frontend);
	struct world world = {&frontend.policy, &frontend.inventory, 1};
	double begin = seconds();
	struct lowering *lowering = lowering_create(&world, node, 1, NULL, &diagnostics);
	double whole = seconds() - begin;
	diagnostics_print(&diagnostics, stderr, false);
	for (size_t i = 0; i < CHANGES && lowering != NULL; i++)
		follow(lowering, &frontend.inventory, i, &result);
	qsort(result.times, CHANGES, sizeof *result.times, compare_times);
	if (lowering != NULL)
		printf("workloads=%u services=%u local=%s whole=%.0f ms change p50=%.0f us p99=%.0f us most=%.0f us "
		       "elements=%.1f "
		       "transactions=%.1f generations=%zu\n",
		       workloads, services, node != NULL ? "1/100" : "all", whole * 1e3,
		       result.times[CHANGES / 2] * 1e6, result.times[CHANGES * 99 / 100] * 1e6,
		       result.times[CHANGES - 1] * 1e6, (double)result.elements / CHANGES,
		       (double)result.transactions / CHANGES, result.generations);
	lowering_destroy(lowering);
	arena_free(arena);
	free(text);
}

int main(int count, char **words)
{
	static const unsigned sizes[] = {1000, 10000, 100000};
	for (int i = 1; i < count; i++) {
		unsigned workloads = (unsigned)atoi(words[i]);
		if (workloads < NODES)
			return 2;
		measure(workloads, 20, NULL);
		measure(workloads, workloads / 10, "n0");
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes && count == 1; i++) {
		measure(sizes[i], 20, NULL);
		measure(sizes[i], sizes[i] / 10, "n0");
	}
	return 0;
}
