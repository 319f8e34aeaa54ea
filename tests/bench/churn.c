/* A thousand changes a second, whatever the daemon makes of them: `churn [--quick] [node|fleet] [ENTRIES...]`, for a
 * minute.
 *
 * Workloads are moved, relabelled, removed and added in turn. The lag is from the rename to the transaction that brings
 * the new address of a workload, which no other has, so it is that of moved and added ones: of those that were made in
 * the first and in the last ten seconds. Where the daemon builds a new generation it is to the flip. Metrics:
 *   cpu_percent, user_percent, system_percent     the daemon, of one core
 *   waiting_percent                               it could run and had no core: lag that is not its own
 *   first_p50_ms ... last_p99_ms, lag_growth      the last of it is last p50 / first p50
 *   unseen                                        changes measured that no transaction brought: changed again
 *                                                 before, or lost
 *   start_rss_kb, end_rss_kb, growth_kb           growth of private memory from the 10th second to the last
 *   transactions, late_ms                         a second; how far behind its pace the generator was at most */
#include "tests/bench/arguments.h"
#include "tests/bench/generator.h"
#include "tests/bench/node.h"
#include "tests/bench/record.h"
#include "tests/bench/workplace.h"
#include "tests/packets/clock.h"
#include "tests/packets/commits.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RATE = 1000,
	LATER_TRANSACTIONS = 2, /* an address may come in one and be reached by one of the next */
	SETTLE_SECONDS = 10,	/* for what is not committed when the generator ends */
	QUIET_TURNS = 10,	/* a tenth of a second each, without a transaction: all is committed */
};

#define FLIP_CHAIN "dispatch" /* whose rule leads to the generation in force */

/* A change whose lag is measured. The generator makes it, then `end` and what follows is the listener's. */
struct change {
	struct fleet_workload workload;
	uint64_t start;
	uint64_t end;	     /* 0: not committed */
	unsigned generation; /* of the first transaction that brought it */
	bool touched;	     /* by the transaction at hand */
	bool built;	     /* in what the next flip reaches */
};

/* Changes by number. */
struct list {
	unsigned *items;
	size_t count;
};

struct bench {
	struct node *node;
	struct fleet fleet;
	const char *scenario;
	double seconds, span; /* of the generator; of its first and its last part */
	uint64_t start;
	struct change *changes;
	unsigned change_count;
	atomic_uint *latest; /* of each workload: the number of its last change, plus 1 */
	struct list touched, built;
	unsigned transactions;
	struct generated generated;
	atomic_bool done;
};

/* ---- the generator's thread ---- */

static void note_change(void *context, const struct fleet_workload *workload)
{
	struct bench *bench = context;
	bench->changes[bench->change_count] = (struct change){.workload = *workload, .start = now_ns()};
	atomic_store(&bench->latest[workload->index], ++bench->change_count);
}

static void *generate(void *context)
{
	struct bench *bench = context;
	struct generator generator = {.fleet = &bench->fleet,
				      .directory = bench->node->workloads,
				      .rate = RATE,
				      .seconds = bench->seconds,
				      .note = note_change,
				      .context = bench};
	bench->generated = generator_run(&generator);
	atomic_store(&bench->done, true);
	return NULL;
}

/* ---- what the kernel tells ---- */

static void note_element(void *context, const void *key, size_t size)
{
	struct bench *bench = context;
	const unsigned char *bytes = key;
	for (size_t i = 0; i + 4 <= size; i += 4) {
		struct fleet_workload owner;
		uint32_t word = (uint32_t)bytes[i] << 24 | (uint32_t)bytes[i + 1] << 16 | (uint32_t)bytes[i + 2] << 8 |
				bytes[i + 3];
		unsigned latest =
		    fleet_owner(&bench->fleet, word, &owner) ? atomic_load(&bench->latest[owner.index]) : 0;
		struct change *change = latest > 0 ? &bench->changes[latest - 1] : NULL;
		if (change == NULL || change->touched || change->workload.version % FLEET_VERSIONS != owner.version)
			continue;
		change->touched = true;
		bench->touched.items[bench->touched.count++] = latest - 1;
	}
}

static void note_commit(void *context, const struct commit *commit)
{
	struct bench *bench = context;
	bench->transactions++;
	for (size_t i = 0; i < bench->touched.count; i++) {
		struct change *change = &bench->changes[bench->touched.items[i]];
		change->touched = false;
		if (commit->builds) {
			if (!change->built && change->end == 0)
				bench->built.items[bench->built.count++] = bench->touched.items[i];
			change->built = true;
			continue;
		}
		if (change->end == 0)
			change->generation = commit->generation;
		if (commit->generation - change->generation <= LATER_TRANSACTIONS)
			change->end = commit->ns;
	}
	bench->touched.count = 0;
	if (strstr(commit->chains, FLIP_CHAIN) == NULL)
		return;
	for (size_t i = 0; i < bench->built.count; i++)
		if (bench->changes[bench->built.items[i]].end == 0)
			bench->changes[bench->built.items[i]].end = commit->ns;
	bench->built.count = 0;
}

/* ---- what came of it ---- */

static void tell(const struct bench *bench, const char *metric, double value)
{
	record("churn", bench->scenario, bench->fleet.workloads, metric, value);
}

/* Prints the lag of the changes made between two times, in seconds since the start; returns the median in ms, 0 when
 * there is none. */
static double tell_lag(const struct bench *bench, const char *prefix, double from, double to)
{
	uint64_t *times = calloc(bench->change_count + 1, sizeof *times);
	size_t count = 0;
	for (unsigned i = 0; times != NULL && i < bench->change_count; i++) {
		const struct change *change = &bench->changes[i];
		double at = (double)(change->start - bench->start) / 1e9;
		if (at >= from && at < to && change->end > 0)
			times[count++] = change->end - change->start;
	}
	record_times("churn", bench->scenario, bench->fleet.workloads, prefix, times, count);
	double median = count > 0 ? (double)times[(count - 1) / 2] / 1e6 : 0;
	free(times);
	return median;
}

struct reading {
	struct node_cpu cpu;
	struct node_memory memory;
	uint64_t at;
};

static struct reading read_node(const struct node *node)
{
	return (struct reading){node_cpu(node), node_memory(node), now_ns()};
}

static void tell_all(const struct bench *bench, const struct reading *start, const struct reading *early,
		     const struct reading *end)
{
	double seconds = (double)(end->at - start->at) / 1e9;
	unsigned unseen = 0;
	for (unsigned i = 0; i < bench->change_count; i++)
		unseen += bench->changes[i].end == 0;
	tell(bench, "changes_per_second", bench->generated.changes / seconds);
	tell(bench, "late_ms", (double)bench->generated.late_ns / 1e6);
	tell(bench, "cpu_percent", (double)(end->cpu.run_ns - start->cpu.run_ns) / 1e7 / seconds);
	tell(bench, "user_percent", (end->cpu.user - start->cpu.user) * 100 / seconds);
	tell(bench, "system_percent", (end->cpu.system - start->cpu.system) * 100 / seconds);
	tell(bench, "waiting_percent", (double)(end->cpu.wait_ns - start->cpu.wait_ns) / 1e7 / seconds);
	tell(bench, "transactions_per_second", bench->transactions / seconds);
	double first = tell_lag(bench, "first_", 0, bench->span);
	double last = tell_lag(bench, "last_", bench->seconds - bench->span, bench->seconds);
	if (first > 0 && last > 0)
		tell(bench, "lag_growth", last / first);
	tell(bench, "measured", bench->change_count);
	tell(bench, "unseen", unseen);
	tell(bench, "start_rss_kb", (double)start->memory.rss);
	tell(bench, "end_rss_kb", (double)end->memory.rss);
	tell(bench, "growth_kb", (double)end->memory.anonymous - (double)early->memory.anonymous);
}

/* Listens until the generator is done and all that it made is committed, or it has been waited for. */
static bool listen_to(struct bench *bench, struct commits *commits)
{
	pthread_t generator;
	struct reading start = read_node(bench->node), early = start, end = start;
	bool is_early = true, is_over = false;
	bench->start = start.at;
	if (pthread_create(&generator, NULL, generate, bench) != 0)
		return false;
	for (uint64_t quit = UINT64_MAX, quiet = 0; now_ns() < quit;) {
		int result = commits_read(commits, now_ns() + 100 * MILLISECOND);
		uint64_t now = now_ns();
		if (result == -ENOBUFS)
			fprintf(stderr, "churn: the kernel told more than we could read; some lags are not seen\n");
		quiet = result == 0 ? quiet + 1 : 0;
		if (is_early && (double)(now - bench->start) / 1e9 >= bench->span) {
			early = read_node(bench->node);
			is_early = false;
		}
		if (!is_over && atomic_load(&bench->done)) {
			end = read_node(bench->node);
			is_over = true;
			quit = now + SETTLE_SECONDS * 1000 * MILLISECOND;
		}
		if (is_over && quiet >= QUIET_TURNS)
			break;
	}
	pthread_join(generator, NULL);
	if (bench->generated.changes == 0)
		return false;
	tell_all(bench, &start, &early, &end);
	return true;
}

static bool allocate(struct bench *bench)
{
	size_t changes = (size_t)(bench->seconds * RATE) + bench->fleet.workloads;
	bench->changes = calloc(changes, sizeof *bench->changes);
	bench->latest = calloc(bench->fleet.workloads, sizeof *bench->latest);
	bench->touched.items = calloc(changes, sizeof *bench->touched.items);
	bench->built.items = calloc(changes, sizeof *bench->built.items);
	return bench->changes && bench->latest && bench->touched.items && bench->built.items;
}

static void release(struct bench *bench)
{
	free(bench->changes);
	free(bench->latest);
	free(bench->touched.items);
	free(bench->built.items);
}

static bool run(const char *directory, const char *scenario, struct fleet fleet, bool quick)
{
	struct node node;
	struct bench bench = {.node = &node, .fleet = fleet, .scenario = scenario};
	bool ok = false;
	double limit = quick ? 10 : 90;
	bench.seconds = quick ? 3 : 60;
	bench.span = bench.seconds / 6;
	if (!allocate(&bench) || !node_create(&node, directory, &fleet))
		return false;
	if (node_start(&node, limit) < 0) {
		tell(&bench, "not_ready_s", limit);
	} else {
		struct commits *commits = commits_open(
		    (struct commits_calls){.commit = note_commit, .element = note_element, .context = &bench});
		ok = commits != NULL && listen_to(&bench, commits);
		if (!ok)
			perror("churn");
		commits_close(commits);
	}
	node_stop(&node);
	release(&bench);
	return ok;
}

static int bench(const char *directory, int count, char **words)
{
	static const unsigned sizes[] = {100000, 0};
	return arguments_each_fleet(directory, count, words, node_and_fleet, sizes, run);
}

int main(int count, char **words)
{
	return workplace_run(bench, count, words);
}
