/* What one changed workload costs: `change [--quick] [node|fleet|pairs|tenants] [ENTRIES...]`; all, and 1,000, 10,000
 * and 100,000, where they are left out.
 *
 * From the rename (or removal) of the workload's file to the last transaction that follows, as this process hears of
 * it. Changes come one at a time, each after the daemon has been quiet for a moment. Variants:
 *   node/KIND          all workloads run on the node of the daemon
 *   fleet-local/KIND   a hundred on each node; who changes is on the daemon's, the first or last of its class
 *   fleet-remote/KIND  and here on another, and may call a service of the daemon's
 *   fleet/policy       not a workload, but the policy: an allow of one to another of its services has another port
 *   pairs-local/KIND   each class has two workloads on the daemon's node, and the other stays
 *   tenants-.../KIND   what the daemon has to know is the same in each size; only some changes, to compare bytes
 * Metrics: p50_ms, p99_ms, cpu_us (of the daemon, a change), transactions (a change), changes; netlink_bytes (sent, a
 * change) where the daemon's status counts them. not_ready_s: it took longer than we wait; lost: changes that did, or
 * for whose transaction a late one of the change before was taken. */
#include "tests/bench/arguments.h"
#include "tests/bench/node.h"
#include "tests/bench/record.h"
#include "tests/bench/workplace.h"
#include "tests/packets/clock.h"
#include "tests/packets/commits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { REMOVE, ADD, RELABEL, MOVE, POLICY, KINDS };

static const char *const kind_names[KINDS] = {"remove", "add", "relabel", "move", "policy"};

/* The series of a scenario. */
static const struct plan {
	const char *scenario, *name;
	unsigned (*choose)(const struct fleet *fleet, unsigned i);
	bool kinds[KINDS];
	bool is_short;
} plans[] = {
    {"node", "node", fleet_local, {true, true, true, true}, false},
    {"fleet", "fleet-local", fleet_local, {true, true, true, true}, false},
    {"fleet", "fleet-remote", fleet_remote, {true, true, true, true}, false},
    {"fleet", "fleet", fleet_local, {[POLICY] = true}, true},
    /* relabelled it would be the first of its new class */
    {"pairs", "pairs-local", fleet_local, {[REMOVE] = true, [ADD] = true, [MOVE] = true}, false},
    {"tenants", "tenants-local", fleet_local, {true, true, true, true}, true},
    {"tenants", "tenants-remote", fleet_remote, {true, true, true, true}, true},
};

enum {
	COMMIT_SECONDS = 5, /* a change that is not committed then is lost */
	LOST_MOST = 3,	    /* of a series, before it ends */
	BYTES_OF = 50,	    /* changes of each kind whose bytes are asked for */
	QUIET_MIN_MS = 5,   /* after a transaction, until the next change: the daemon may be held up between two */
	QUIET_MAX_MS = 50,
	WARM_UP_SECONDS = 1, /* what a start leaves to do */
};

struct limits {
	unsigned changes;
	double start, series; /* seconds */
};

static const struct limits full = {.changes = 1000, .start = 90, .series = 10};
static const struct limits quick = {.changes = 100, .start = 10, .series = 2};

struct bench {
	struct node *node;
	struct fleet fleet;
	const struct limits *limits;
	struct commits *commits;
	uint64_t last_commit;
	unsigned transactions;
	unsigned policies; /* written */
};

/* What was seen of the changes of one kind. */
struct series {
	uint64_t *times;
	unsigned count, lost, transactions, bytes_count;
	uint64_t cpu_ns;
	double bytes;
};

static void note_commit(void *context, const struct commit *commit)
{
	struct bench *bench = context;
	bench->last_commit = commit->ns;
	bench->transactions++;
}

/* Bytes that the daemon has sent to the kernel, or -1 where its status does not say. */
static double netlink_bytes(const struct bench *bench)
{
	json_t *status = node_ask(bench->node, "status", COMMIT_SECONDS);
	const json_t *bytes = json_object_get(status, "netlink_bytes");
	double value = json_is_integer(bytes) ? (double)json_integer_value(bytes) : -1;
	json_decref(status);
	return value;
}

/* Makes a change; returns its time, or 0 with errno. */
static uint64_t make(struct bench *bench, enum kind kind, struct fleet_workload *workload)
{
	if (kind == REMOVE)
		return fleet_remove_workload(bench->node->workloads, workload->index);
	if (kind == POLICY)
		return fleet_write_change(&bench->fleet, bench->node->directory, workload->index, ++bench->policies);
	workload->relabelled ^= kind == RELABEL;
	workload->version += kind == MOVE;
	return fleet_write_workload(&bench->fleet, bench->node->workloads, workload);
}

/* Waits for the transactions of a change made at `start`: the first, and those that follow it within a while that grows
 * with what the first took. Returns false when none came. */
static bool await_commits(struct bench *bench, uint64_t start)
{
	uint64_t deadline = start + COMMIT_SECONDS * 1000 * MILLISECOND;
	while (bench->transactions == 0 && now_ns() < deadline)
		commits_read(bench->commits, deadline);
	if (bench->transactions == 0)
		return false;
	for (unsigned seen = 0; seen != bench->transactions;) {
		uint64_t quiet = (bench->last_commit - start) / 2;
		seen = bench->transactions;
		quiet = quiet < QUIET_MIN_MS * MILLISECOND ? QUIET_MIN_MS * MILLISECOND : quiet;
		deadline =
		    bench->last_commit + (quiet < QUIET_MAX_MS * MILLISECOND ? quiet : QUIET_MAX_MS * MILLISECOND);
		while (seen == bench->transactions && now_ns() < deadline)
			commits_read(bench->commits, deadline);
	}
	return true;
}

static bool change(struct bench *bench, struct series *series, enum kind kind, struct fleet_workload *workload)
{
	bool ask = series->count < BYTES_OF && series->bytes_count == series->count;
	double bytes = ask ? netlink_bytes(bench) : -1;
	while (commits_read(bench->commits, 0) > 0)
		continue; /* what came late is of the change before */
	uint64_t cpu = node_cpu(bench->node).run_ns;
	bench->transactions = 0;
	uint64_t start = make(bench, kind, workload);
	if (start == 0) {
		perror("a workload's file");
		return false;
	}
	if (!await_commits(bench, start))
		return false;
	series->times[series->count++] = bench->last_commit - start;
	series->transactions += bench->transactions;
	series->cpu_ns += node_cpu(bench->node).run_ns - cpu;
	if (bytes >= 0) {
		series->bytes += netlink_bytes(bench) - bytes;
		series->bytes_count++;
	}
	return true;
}

/* Gives a workload the labels that it had: what comes next counts on its service. */
static bool back(struct bench *bench, struct fleet_workload *workload)
{
	while (commits_read(bench->commits, 0) > 0)
		continue;
	bench->transactions = 0;
	uint64_t start = make(bench, RELABEL, workload);
	return start != 0 && await_commits(bench, start);
}

static void report(const struct bench *bench, const char *name, enum kind kind, struct series *series)
{
	unsigned entries = bench->fleet.workloads;
	char variant[32];
	snprintf(variant, sizeof variant, "%s/%s", name, kind_names[kind]);
	record_times("change", variant, entries, "", series->times, series->count);
	record("change", variant, entries, "changes", series->count);
	if (series->count > 0) {
		record("change", variant, entries, "cpu_us", (double)series->cpu_ns / 1e3 / series->count);
		record("change", variant, entries, "transactions", (double)series->transactions / series->count);
	}
	if (series->bytes_count > 0)
		record("change", variant, entries, "netlink_bytes", series->bytes / series->bytes_count);
	if (series->lost > 0)
		record("change", variant, entries, "lost", series->lost);
	free(series->times);
}

/* Removes, adds, relabels and moves one workload after the other. */
static void measure(struct bench *bench, const struct plan *plan)
{
	unsigned changes = plan->is_short ? BYTES_OF : bench->limits->changes;
	struct series series[KINDS] = {0};
	/* What each workload is for now, since it is met again. */
	struct fleet_workload *state = calloc(bench->fleet.workloads, sizeof *state);
	uint64_t end = now_ns() + (uint64_t)(bench->limits->series * 1e9);
	unsigned lost = 0;
	for (int kind = 0; kind < KINDS; kind++)
		series[kind].times = calloc(changes, sizeof *series[kind].times);
	for (unsigned i = 0; i < changes && now_ns() < end && lost < LOST_MOST; i++) {
		struct fleet_workload *workload = &state[plan->choose(&bench->fleet, i)];
		workload->index = plan->choose(&bench->fleet, i);
		for (int kind = 0; kind < KINDS; kind++) {
			if (!plan->kinds[kind])
				continue;
			bool seen = change(bench, &series[kind], kind, workload);
			seen = (kind != RELABEL || back(bench, workload)) && seen;
			series[kind].lost += !seen;
			lost += !seen;
		}
	}
	for (int kind = 0; kind < KINDS; kind++)
		if (plan->kinds[kind])
			report(bench, plan->name, kind, &series[kind]);
		else
			free(series[kind].times);
	free(state);
}

/* Returns whether the daemon was ready in time. */
static bool run(const char *directory, const char *scenario, struct fleet fleet, bool is_quick)
{
	const struct limits *limits = is_quick ? &quick : &full;
	struct node node;
	struct bench bench = {.node = &node, .fleet = fleet, .limits = limits};
	if (!node_create(&node, directory, &fleet))
		return false;
	bench.commits = commits_open((struct commits_calls){.commit = note_commit, .context = &bench});
	if (bench.commits == NULL) {
		perror("commits");
		return false;
	}
	bool ready = node_start(&node, limits->start) >= 0;
	if (!ready)
		record("change", scenario, fleet.workloads, "not_ready_s", limits->start);
	uint64_t warm = now_ns() + WARM_UP_SECONDS * 1000 * MILLISECOND;
	while (ready && now_ns() < warm)
		commits_read(bench.commits, warm);
	for (size_t i = 0; ready && i < sizeof plans / sizeof *plans; i++)
		if (strcmp(plans[i].scenario, scenario) == 0)
			measure(&bench, &plans[i]);
	node_stop(&node);
	commits_close(bench.commits);
	return ready;
}

static int bench(const char *directory, int count, char **words)
{
	static const unsigned sizes[] = {1000, 10000, 100000, 0};
	static const struct scenario scenarios[] = {{"node", fleet_on_one_node},
						    {"fleet", fleet_of_nodes},
						    {"pairs", fleet_of_pairs},
						    {"tenants", fleet_of_tenants},
						    {NULL, NULL}};
	return arguments_each_fleet(directory, count, words, scenarios, sizes, run);
}

int main(int count, char **words)
{
	return workplace_run(bench, count, words);
}
