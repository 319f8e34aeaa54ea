/* What a node's memory holds: `memory [--quick] [node|fleet] [ENTRIES...]`, 1,000, 10,000 and 100,000 workloads where
 * they are left out.
 *
 * The daemon's after its start, after a change of one workload and after the whole table was checked against the
 * policy; and what the table takes of the kernel's. Variants: node/WHEN (all workloads run there), fleet/WHEN (a
 * hundred on each node). Metrics: rss_kb, pss_kb, anonymous_kb (private), peak_kb; for WHEN start also seconds until it
 * is ready, and kernel_kb: by how much the slab, vmalloc and per-CPU memory of the machine that cannot be reclaimed
 * grew in that time, so also that of other namespaces. not_ready_s: it took longer than we wait. */
#include "tests/bench/arguments.h"
#include "tests/bench/node.h"
#include "tests/bench/record.h"
#include "tests/bench/workplace.h"
#include "tests/packets/clock.h"
#include "tests/packets/commits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	COMMIT_SECONDS = 10,
	QUIET_MS = 500, /* until what the daemon and the kernel do afterwards is done */
};

static void tell(const char *scenario, const char *when, unsigned entries, const char *metric, double value)
{
	char variant[32];
	snprintf(variant, sizeof variant, "%s/%s", scenario, when);
	record("memory", variant, entries, metric, value);
}

static void tell_memory(const struct node *node, const char *scenario, const char *when, unsigned entries)
{
	struct node_memory memory = node_memory(node);
	tell(scenario, when, entries, "rss_kb", (double)memory.rss);
	tell(scenario, when, entries, "pss_kb", (double)memory.pss);
	tell(scenario, when, entries, "anonymous_kb", (double)memory.anonymous);
	tell(scenario, when, entries, "peak_kb", (double)memory.peak);
}

static void wait_quiet(void)
{
	usleep(QUIET_MS * 1000);
}

/* Moves one workload and waits for the commit. */
static bool change(const struct node *node, const struct fleet *fleet)
{
	struct commits *commits = commits_open((struct commits_calls){.context = NULL});
	struct fleet_workload workload = {.index = fleet_local(fleet, 1), .version = 1};
	int result = 0;
	uint64_t start = commits == NULL ? 0 : fleet_write_workload(fleet, node->workloads, &workload);
	while (start > 0 && result == 0 && now_ns() < start + COMMIT_SECONDS * 1000 * MILLISECOND)
		result = commits_read(commits, start + COMMIT_SECONDS * 1000 * MILLISECOND);
	commits_close(commits);
	return result != 0;
}

/* Has the daemon compare the whole table. */
static bool check(const struct node *node, double limit)
{
	json_t *answer = node_ask(node, "drift", limit);
	bool same = json_is_null(json_object_get(answer, "difference"));
	json_decref(answer);
	return same;
}

/* Returns whether the daemon was ready in time. */
static bool run(const char *directory, const char *scenario, struct fleet fleet, bool quick)
{
	double limit = quick ? 10 : 90;
	struct node node;
	if (!node_create(&node, directory, &fleet))
		return false;
	wait_quiet();
	unsigned long kernel = node_kernel_memory();
	double seconds = node_start(&node, limit);
	if (seconds < 0) {
		tell(scenario, "start", fleet.workloads, "not_ready_s", limit);
		node_stop(&node);
		return false;
	}
	wait_quiet();
	tell(scenario, "start", fleet.workloads, "seconds", seconds);
	unsigned long grown = node_kernel_memory();
	if (grown > kernel) /* else others have given more back in this time */
		tell(scenario, "start", fleet.workloads, "kernel_kb", (double)(grown - kernel));
	tell_memory(&node, scenario, "start", fleet.workloads);
	if (change(&node, &fleet)) {
		wait_quiet();
		tell_memory(&node, scenario, "change", fleet.workloads);
	} else {
		fprintf(stderr, "memory: %s: a change was not committed\n", scenario);
	}
	if (check(&node, limit))
		tell_memory(&node, scenario, "check", fleet.workloads);
	else
		fprintf(stderr, "memory: %s: no answer, or the table is not as the policy says\n", scenario);
	node_stop(&node);
	return true;
}

static int bench(const char *directory, int count, char **words)
{
	static const unsigned sizes[] = {1000, 10000, 100000, 0};
	return arguments_each_fleet(directory, count, words, node_and_fleet, sizes, run);
}

int main(int count, char **words)
{
	return workplace_run(bench, count, words);
}
