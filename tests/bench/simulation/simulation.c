/* A fleet without kernels: `simulation CONFIG DIRECTORY NODES WORKLOADS FULL FOLLOWING` (tests/bench/simulation.sh).
 *
 * Two worker processes with a part of the nodes each, one more with the FULL last of them; this one tells them what
 * happens. It reads commands from standard input, a line each, and answers each with lines `what key=value ...`, the
 * last of which ends with `short=N`: so many nodes were not there after LIMIT seconds.
 *
 *   start RATE             starts so many of the other nodes a second, until each holds the policy
 *   follow RATE            has so many of the FOLLOWING first a second follow the others' workloads, until each knows
 * them all full                   starts the full ones, one after the other push POLICY SINCE      until each node
 * holds the policy of this revision, in ms since that monotonic time in ns change COUNT           changes single
 * workloads, each until all of those have heard of it churn RATE             changes, ends and begins so many workloads
 * a second from now on, 0: no more exact [SINCE]          until each of those and the full knows exactly the workloads
 * that run on the others requests               what was asked since the last time, by tenths of a second lost what
 * nodes lost or read anew since the last time memory, cpu            of the workers
 *
 * `simulation --policy DIRECTORY NODES WORKLOADS` writes the policy. */
#include "tests/bench/node.h"
#include "tests/bench/simulation/worker.h"
#include "tests/packets/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORKERS = 2,
	LIMIT_S = 1800,
	POLL_MS = 5,
	PER_SERVICE = 500,
	SERVICES_LEAST = 20,
	PER_TENANT = 10000,
	ALLOWS = 5
};

struct process {
	pid_t pid;
	int orders;
};

struct simulation {
	struct shared *shared;
	struct process workers[WORKERS + 1]; /* the last has the full nodes */
	unsigned started;
	unsigned rate, turn; /* of the churn */
	uint64_t churned;    /* when it was done last */
	unsigned churns;
	uint32_t lists, lost, failed; /* as told last */
	uint32_t ordered;
};

/* A service for each five hundred workloads, of tenants who have ten thousand. */
static struct fleet fleet_of(unsigned nodes, unsigned workloads)
{
	unsigned services = workloads / PER_SERVICE > SERVICES_LEAST ? workloads / PER_SERVICE : SERVICES_LEAST;
	unsigned tenants = workloads / PER_TENANT > 0 && workloads % PER_TENANT == 0 ? workloads / PER_TENANT : 1;
	if (nodes % tenants != 0)
		tenants = 1;
	return (struct fleet){.services = services,
			      .allows = ALLOWS,
			      .workloads = workloads,
			      .nodes = nodes,
			      .tenants = tenants,
			      .together = 1};
}

/* ---- orders ---- */

static void order(struct simulation *simulation, unsigned worker, const struct order *order)
{
	if (write(simulation->workers[worker].orders, order, sizeof *order) != sizeof *order) {
		perror("a worker");
		exit(2);
	}
	simulation->ordered++;
}

static void order_node(struct simulation *simulation, int what, unsigned node, unsigned place)
{
	bool full = node >= simulation->shared->fleet.nodes - simulation->shared->full;
	order(simulation, full ? WORKERS : node % WORKERS, &(struct order){what, node, place});
}

/* A tenth of them end, and begin again. */
static void churn(struct simulation *simulation)
{
	const struct fleet *fleet = &simulation->shared->fleet;
	uint64_t now = now_ns(), between = simulation->rate > 0 ? UINT64_C(1000000000) / simulation->rate : 0;
	if (simulation->rate == 0)
		return;
	for (; now - simulation->churned >= between; simulation->churned += between) {
		unsigned turn = simulation->turn++, node = turn * 7 % simulation->started;
		unsigned place = 1 + turn / simulation->started * 13 % (fleet_per_node(fleet) - 1);
		simulation->churns++;
		order_node(simulation, ORDER_CHANGE, node, place);
		if (turn % 20 == 0) {
			order_node(simulation, ORDER_REMOVE, node, PLACE_THAT_ENDS);
			order_node(simulation, ORDER_ADD, node, PLACE_THAT_ENDS);
		}
	}
}

/* ---- waiting ---- */

typedef bool condition(const struct simulation *simulation, unsigned node, const void *context);

/* Until all nodes that were started are there; returns how many are not after some time. */
static unsigned await(struct simulation *simulation, condition *is_there, const void *context)
{
	uint64_t deadline = now_ns() + (uint64_t)LIMIT_S * 1000 * MILLISECOND;
	for (;;) {
		unsigned lack = 0;
		churn(simulation);
		for (unsigned i = 0; i < simulation->started; i++)
			lack += !is_there(simulation, i, context);
		if (lack == 0 || now_ns() > deadline)
			return lack;
		poll(NULL, 0, POLL_MS);
	}
}

static bool are_done(const struct simulation *simulation, unsigned node, const void *context)
{
	(void)node;
	(void)context;
	return simulation->shared->done == simulation->ordered;
}

static bool holds_policy(const struct simulation *simulation, unsigned node, const void *policy)
{
	uint64_t held = simulation->shared->slots[node].policy;
	return policy != NULL ? held == *(const uint64_t *)policy : held != 0;
}

static bool is_following(const struct simulation *simulation, unsigned node)
{
	const struct shared *shared = simulation->shared;
	return node < shared->following || node >= shared->fleet.nodes - shared->full;
}

static bool has_seen(const struct simulation *simulation, unsigned node, const void *owner)
{
	return !is_following(simulation, node) || node == *(const unsigned *)owner ||
	       simulation->shared->slots[node].seen_at != 0;
}

/* Each node but those that run it; a sum of all is made for each look, not for each node. */
struct whole {
	uint64_t count, sum;
};

static bool knows_all(const struct simulation *simulation, unsigned node, const void *context)
{
	static struct whole whole;
	const struct slot *slots = simulation->shared->slots, *slot = &slots[node];
	(void)context;
	if (node == 0)
		whole = (struct whole){0};
	for (unsigned i = 0; node == 0 && i < simulation->started; i++) {
		whole.count += slots[i].own_count;
		whole.sum += slots[i].own_sum;
	}
	return !is_following(simulation, node) ||
	       (slot->count + slot->own_count == whole.count && slot->sum + slot->own_sum == whole.sum);
}

static int earlier(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

/* Prints percentiles of nanoseconds, which it sorts. */
static void print_times(const char *what, uint64_t *times, size_t count, unsigned lack)
{
	qsort(times, count, sizeof *times, earlier);
	double p50 = count > 0 ? (double)times[(count - 1) / 2] / 1e6 : 0;
	double p99 = count > 0 ? (double)times[(count - 1) * 99 / 100] / 1e6 : 0;
	printf("%s samples=%zu p50_ms=%.1f p99_ms=%.1f last_ms=%.1f short=%u\n", what, count, p50, p99,
	       count > 0 ? (double)times[count - 1] / 1e6 : 0, lack);
}

/* ---- commands ---- */

/* Memory that nothing else shares, in KiB, of a worker; and what all took of the processors, in seconds. */
static unsigned long memory_of(struct simulation *simulation, unsigned worker)
{
	order(simulation, worker, &(struct order){.what = ORDER_TRIM});
	await(simulation, are_done, NULL);
	return node_memory(&(struct node){.daemon = simulation->workers[worker].pid}).anonymous;
}

static double cpu_of(const struct simulation *simulation)
{
	double seconds = 0;
	for (unsigned i = 0; i <= WORKERS; i++)
		seconds += (double)node_cpu(&(struct node){.daemon = simulation->workers[i].pid}).run_ns / 1e9;
	return seconds;
}

/* Orders the same of all nodes that are not full, so many a second, and waits. */
static void order_all(struct simulation *simulation, const char *name, int what, unsigned rate, condition *is_there)
{
	unsigned others = simulation->shared->fleet.nodes - simulation->shared->full, ordered = 0;
	unsigned count = what == ORDER_FOLLOW ? simulation->shared->following : others;
	unsigned long before = 0, after = 0;
	double cpu = cpu_of(simulation);
	for (unsigned i = 0; i < WORKERS; i++)
		before += memory_of(simulation, i);
	uint64_t start = now_ns();
	for (; ordered < count; poll(NULL, 0, POLL_MS)) {
		uint64_t due = (now_ns() - start) * rate / (1000 * MILLISECOND);
		while (ordered < count && ordered <= due)
			order_node(simulation, what, ordered++, 0);
	}
	simulation->started = others;
	await(simulation, are_done, NULL);
	double begun = (double)(now_ns() - start) / 1e9;
	unsigned lack = await(simulation, is_there, NULL);
	double seconds = (double)(now_ns() - start) / 1e9;
	for (unsigned i = 0; i < WORKERS; i++)
		after += memory_of(simulation, i);
	printf("%s nodes=%u begun_s=%.1f seconds=%.1f cpu_s=%.1f node_kb=%lu short=%u\n", name, count, begun, seconds,
	       cpu_of(simulation) - cpu, (after - before) / (count > 0 ? count : 1), lack);
}

static void start_full(struct simulation *simulation)
{
	unsigned lack = 0;
	while (simulation->started < simulation->shared->fleet.nodes) {
		unsigned long before = memory_of(simulation, WORKERS);
		double cpu = cpu_of(simulation);
		uint64_t start = now_ns();
		order_node(simulation, ORDER_START, simulation->started++, 0);
		await(simulation, are_done, NULL);
		lack += await(simulation, holds_policy, NULL);
		lack += await(simulation, knows_all, NULL);
		printf("full node=%u seconds=%.2f cpu_s=%.2f node_kb=%lu\n", simulation->started - 1,
		       (double)(now_ns() - start) / 1e9, cpu_of(simulation) - cpu,
		       memory_of(simulation, WORKERS) - before);
	}
	printf("full nodes=%u short=%u\n", simulation->shared->full, lack);
}

static void follow_push(struct simulation *simulation, uint64_t policy, uint64_t since)
{
	uint64_t *times = calloc(simulation->started, sizeof *times), plans = 0, bytes = 0;
	unsigned lack = await(simulation, holds_policy, &policy);
	for (unsigned i = 0; times != NULL && i < simulation->started; i++) {
		const struct slot *slot = &simulation->shared->slots[i];
		times[i] = slot->policy_at > since ? slot->policy_at - since : 0;
		plans += slot->plans;
		bytes += slot->bytes;
	}
	printf("planned transactions=%" PRIu64 " netlink_bytes=%" PRIu64 "\n", plans, bytes);
	print_times("push", times, times != NULL ? simulation->started : 0, lack);
	free(times);
}

static void change_workloads(struct simulation *simulation, unsigned count)
{
	struct shared *shared = simulation->shared;
	uint64_t *times = calloc((size_t)count * simulation->started, sizeof *times);
	unsigned lack = 0;
	size_t seen = 0;
	for (unsigned turn = 0; times != NULL && turn < count; turn++) {
		unsigned node = turn * 37 % simulation->started;
		unsigned place = 1 + turn % (fleet_per_node(&shared->fleet) - 1);
		for (unsigned i = 0; i < simulation->started; i++)
			shared->slots[i].seen_at = 0;
		shared->watched = 1 + fleet_workload_at(&shared->fleet, node, place);
		uint64_t start = now_ns();
		order_node(simulation, ORDER_CHANGE, node, place);
		lack += await(simulation, has_seen, &node);
		shared->watched = 0;
		for (unsigned i = 0; i < simulation->started; i++)
			if (i != node && shared->slots[i].seen_at > start)
				times[seen++] = shared->slots[i].seen_at - start;
		poll(NULL, 0, 100);
	}
	print_times("change", times, seen, lack);
	free(times);
}

static void tell_exact(struct simulation *simulation, uint64_t since)
{
	await(simulation, are_done, NULL);
	unsigned lack = await(simulation, knows_all, NULL);
	printf("exact ms=%.0f churned=%u short=%u\n", since > 0 ? (double)(now_ns() - since) / 1e6 : 0,
	       simulation->churns, lack);
}

/* The busiest tenth, and the first and all seconds. */
static void tell_requests(struct simulation *simulation)
{
	struct shared *shared = simulation->shared;
	uint64_t now = now_ns();
	double seconds = (double)(now - shared->requests_since) / 1e9;
	unsigned most = 0;
	printf("tenths");
	for (unsigned i = 0; i < TENTHS; i++) {
		if (shared->requests[i] > shared->requests[most])
			most = i;
		if (shared->requests[i] > 0 && i < seconds * 10)
			printf(" %.1f=%" PRIu32, i / 10.0, (uint32_t)shared->requests[i]);
	}
	printf("\nrequests seconds=%.1f count=%" PRIu64 " a_second=%.1f most_in_a_tenth=%" PRIu32
	       " at_s=%.1f short=0\n",
	       seconds, (uint64_t)shared->request_count, (double)shared->request_count / seconds,
	       (uint32_t)shared->requests[most], most / 10.0);
	shared->request_count = 0;
	for (unsigned i = 0; i < TENTHS; i++)
		shared->requests[i] = 0;
	shared->requests_since = now_ns();
}

static void tell_lost(struct simulation *simulation)
{
	uint32_t lists = 0, lost = 0, failed = 0;
	for (unsigned i = 0; i < simulation->started; i++) {
		const struct slot *slot = &simulation->shared->slots[i];
		lists += slot->lists;
		lost += slot->lost;
		failed += slot->failed;
	}
	printf("lost workloads=%" PRIu32 " lists=%" PRIu32 " failures=%" PRIu32 " short=0\n", lost - simulation->lost,
	       lists - simulation->lists, failed - simulation->failed);
	simulation->lists = lists;
	simulation->lost = lost;
	simulation->failed = failed;
}

static void obey(struct simulation *simulation, const char *line)
{
	char what[16] = "";
	unsigned long long first = 0, second = 0;
	/* A policy's revision is in hexadecimal, all else is not. */
	if (sscanf(line, "push %llx %llu", &first, &second) == 2)
		follow_push(simulation, first, second);
	else if (sscanf(line, "%15s %llu", what, &first) < 1)
		return;
	else if (strcmp(what, "start") == 0)
		order_all(simulation, "start", ORDER_START, (unsigned)first, holds_policy);
	else if (strcmp(what, "follow") == 0)
		order_all(simulation, "follow", ORDER_FOLLOW, (unsigned)first, knows_all);
	else if (strcmp(what, "full") == 0)
		start_full(simulation);
	else if (strcmp(what, "change") == 0)
		change_workloads(simulation, (unsigned)first);
	else if (strcmp(what, "exact") == 0)
		tell_exact(simulation, first);
	else if (strcmp(what, "requests") == 0)
		tell_requests(simulation);
	else if (strcmp(what, "lost") == 0)
		tell_lost(simulation);
	else if (strcmp(what, "cpu") == 0)
		printf("cpu seconds=%.2f now=%" PRIu64 " short=0\n", cpu_of(simulation), now_ns());
	else if (strcmp(what, "churn") == 0) {
		simulation->rate = (unsigned)first;
		simulation->churned = now_ns();
		printf("churn rate=%u short=0\n", simulation->rate);
	} else
		printf("unknown %s short=1\n", what);
	fflush(stdout);
}

/* ---- processes ---- */

static bool start_worker(struct simulation *simulation, unsigned number, const char *config, const char *directory)
{
	int ends[2];
	pid_t parent = getpid();
	if (pipe(ends) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned i = 0; i < number; i++)
			close(simulation->workers[i].orders);
		close(ends[1]);
		exit(getppid() == parent ? worker_run(simulation->shared, ends[0], config, directory) : 2);
	}
	close(ends[0]);
	simulation->workers[number] = (struct process){pid, ends[1]};
	return pid > 0;
}

static int end_workers(struct simulation *simulation)
{
	int result = 0;
	for (unsigned i = 0; i <= WORKERS; i++) {
		int status = 0;
		order(simulation, i, &(struct order){.what = ORDER_END});
		if (waitpid(simulation->workers[i].pid, &status, 0) < 0 || status != 0)
			result = 1;
	}
	return result;
}

/* Reads commands, and lets the churn go on between them. */
static void listen_to_commands(struct simulation *simulation)
{
	char line[128];
	size_t length = 0;
	for (;;) {
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		churn(simulation);
		if (poll(&input, 1, POLL_MS) <= 0)
			continue;
		if (read(STDIN_FILENO, &line[length], 1) != 1)
			return;
		if (line[length] != '\n' && length + 2 < sizeof line) {
			length++;
			continue;
		}
		line[length] = 0;
		length = 0;
		obey(simulation, line);
	}
}

static int run(const char *config, const char *directory, const struct fleet *fleet, unsigned full, unsigned following)
{
	struct simulation simulation = {.started = 0};
	size_t size = sizeof *simulation.shared + fleet->nodes * sizeof *simulation.shared->slots;
	simulation.shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (simulation.shared == MAP_FAILED)
		return 2;
	simulation.shared->fleet = *fleet;
	simulation.shared->full = full;
	simulation.shared->following = following;
	simulation.shared->requests_since = now_ns();
	for (unsigned i = 0; i <= WORKERS; i++)
		if (!start_worker(&simulation, i, config, directory))
			return 2;
	listen_to_commands(&simulation);
	return end_workers(&simulation);
}

int main(int count, char **words)
{
	bool policy = count == 5 && strcmp(words[1], "--policy") == 0;
	if (!policy && count != 7) {
		fprintf(stderr, "usage: simulation CONFIG DIRECTORY NODES WORKLOADS FULL FOLLOWING\n"
				"       simulation --policy DIRECTORY NODES WORKLOADS\n");
		return 2;
	}
	unsigned nodes = (unsigned)atoi(words[3]), workloads = (unsigned)atoi(words[4]);
	unsigned full = policy ? 0 : (unsigned)atoi(words[5]), following = policy ? 0 : (unsigned)atoi(words[6]);
	if (nodes == 0 || workloads == 0 || workloads % PER_SERVICE != 0 || workloads % nodes != 0 ||
	    workloads / nodes < 2 || full > nodes || following > nodes - full) {
		fprintf(
		    stderr,
		    "simulation: WORKLOADS is a multiple of %d and of NODES, of which FULL and FOLLOWING are some\n",
		    PER_SERVICE);
		return 2;
	}
	const struct fleet fleet = fleet_of(nodes, workloads);
	if (policy)
		return fleet_write_policy(&fleet, words[2]) ? 0 : 2;
	return run(words[1], words[2], &fleet, full, following);
}
