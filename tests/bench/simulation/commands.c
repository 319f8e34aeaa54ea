/* The commands of simulation.c: what is done, and what is printed of it. */
#include "tests/bench/node.h"
#include "tests/bench/simulation/controller.h"
#include "tests/packets/clock.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Orders the same of all nodes that are not full, so many a minute, and waits. */
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
		uint64_t due = (now_ns() - start) * rate / (60000 * MILLISECOND);
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

/* Until a tenth of the nodes holds it. */
static void await_middle(struct simulation *simulation, uint64_t policy)
{
	unsigned held = 0;
	for (uint64_t end = now_ns() + 60000 * MILLISECOND; now_ns() < end && held * 10 < simulation->started;) {
		poll(NULL, 0, 1);
		churn(simulation);
		held = 0;
		for (unsigned i = 0; i < simulation->started; i++)
			held += holds_policy(simulation, i, &policy);
	}
	printf("middle held=%u nodes=%u short=%u\n", held, simulation->started, held * 10 < simulation->started);
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

void obey(struct simulation *simulation, const char *line)
{
	char what[16] = "";
	unsigned long long first = 0, second = 0;
	/* A policy's revision is in hexadecimal, all else is not. */
	if (sscanf(line, "push %llx %llu", &first, &second) == 2)
		follow_push(simulation, first, second);
	else if (sscanf(line, "middle %llx", &first) == 1)
		await_middle(simulation, first);
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
