/* Suggested allows: a table of flows with the statements they need, the choice against brute force, and random policies
 * of which what is printed is read again: every flow passes then or is told, and no `never` is broken by it. */
#include "compiler/analysis/covering.h"
#include "compiler/report/suggest_report.h"
#include "tests/unit/random_policy.h"
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/invariants.h>
#include <ringfence/suggest.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct suggestion suggest_for(struct reading *reading, const char *log, int64_t since, size_t fewest)
{
	struct flow_lines lines;
	struct flow_record record;
	const char *problem;
	FILE *stream = fmemopen((void *)(uintptr_t)log, strlen(log), "r");
	assert_non_null(stream);
	struct suggest *suggest = suggest_create(reading->arena, &reading->world, since, fewest);
	flow_lines_init(&lines, reading->arena, stream);
	while (flow_lines_next(&lines, &record, &problem)) {
		if (problem == NULL)
			problem = suggest_add(suggest, &record);
		if (problem != NULL)
			fail_msg("line %zu: %s", lines.number, problem);
	}
	assert_int_equal(fclose(stream), 0);
	return suggest_finish(suggest);
}

static char *document_of(struct reading *reading, const struct suggestion *suggestion)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	const struct suggest_report report = {reading->arena, "a log", 0, suggestion};
	assert_non_null(stream);
	suggest_print_document(stream, &report);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* ---- a table ---- */

#define WORKLOAD(name, labels, address) \
	"- {name: " name ", namespace: shop, node: n, labels: {" labels "}, addresses: [" address "]}\n"
#define POLICY(more)                                                                                                 \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                                                \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                                                  \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp, old: 5432-5433/tcp}}\n"                                 \
	"  cache: {workloads: {app: cache}, ports: {http: 80/tcp}}\n"                                                \
	"  stores: {workloads: {kind: store}}\n"                                                                     \
	"networks: {out: [203.0.113.0/24], part: [203.0.113.8/29], all: [0.0.0.0/0], mixed: [198.51.100.0/24, "      \
	"10.0.0.0/24]}\n" more "---\nringfence: v1\nnamespace: other\nservices:\n  job: {workloads: {}}\n"           \
	"---\nringfence: v1\nnodes: {n: {addresses: [192.0.2.1], workload_networks: [10.0.0.0/24]}, m: {addresses: " \
	"[192.0.2.2, 10.0.0.250]}}\nworkloads:\n" WORKLOAD("w1", "app: web", "10.0.0.1")                             \
	    WORKLOAD("w2", "app: web", "10.0.0.2") WORKLOAD("d1", "app: db, kind: store", "10.0.0.4")                \
		WORKLOAD("d2", "app: db, kind: store", "10.0.0.5, \"fd00::5\"")                                      \
		    WORKLOAD("c1", "app: cache, kind: store", "10.0.0.6")                                            \
			WORKLOAD("x1", "app: \"no\", \"1\": \"2\"", "10.0.0.7") WORKLOAD(                            \
			    "bare", "", "10.0.0.8") "- {name: j1, namespace: other, node: n, addresses: [10.0.0.9]}\n"

static const struct {
	const char *true_is, *more, *flows;
	size_t fewest;
	const char *told; /* NAMESPACE: STATEMENT without its why, and SEEN/OPENED; then the gaps as EXAMPLE REASON */
} cases[] = {
    {"what is allowed needs nothing", "allow: [{from: web, to: db}]\n", "shop/w1 shop/d1 sql\n", 1, ""},
    {"a port by its name, and one without by its number", "", "shop/w1 shop/d1 5432/tcp\nshop/w1 shop/d1 5433/tcp\n", 1,
     "shop: {from: web, to: db, ports: [sql, 5433/tcp]} 1/4\n"},
    {"sources that share ports are one statement", "", "shop/w1 shop/d1 sql\nshop/c1 shop/d1 sql\n", 1,
     "shop: {from: [cache, web], to: db, ports: [sql]} 2/6\n"},
    {"and destinations, each with its own port of the name", "", "shop/w1 shop/w2 http\nshop/w1 shop/c1 80/tcp\n", 1,
     "shop: {from: web, to: [cache, web], ports: [http]} 2/4\n"},
    {"nothing is opened for the sake of fewer", "",
     "shop/w1 shop/d1 1/tcp\nshop/c1 shop/d1 1/tcp\nshop/c1 shop/d1 2/tcp\n", 1,
     "shop: {from: cache, to: db, ports: [1/tcp, 2/tcp]} 1/2\nshop: {from: web, to: db, ports: [1/tcp]} 1/4\n"},
    {"the document is the destination's", "", "shop/w1 other/j1 1/tcp\n", 1,
     "other: {from: shop/web, to: job, ports: [1/tcp]} 1/2\n"},
    {"of two services the narrower", "", "shop/w1 shop/d1 1/tcp\n", 1,
     "shop: {from: web, to: db, ports: [1/tcp]} 1/4\n"},
    {"but not two where one opens no more", "", "shop/w1 shop/d1 1/tcp\nshop/w1 shop/c1 1/tcp\nshop/w1 shop/d2 1/tcp\n",
     1, "shop: {from: web, to: [cache, db], ports: [1/tcp]} 3/6\n"},
    {"the smallest network", "", "shop/w1 203.0.113.9 1/tcp\nshop/w1 203.0.113.99 1/tcp\n", 1,
     "shop: {from: web, to: [out, part], ports: [1/tcp]} 2/4\n"},
    {"addresses outside of every network, and a network as wide as all or with workloads in it, is none", "",
     "198.51.100.9 shop/w1 1/tcp\n198.51.100.7 shop/w2 1/tcp\n2001:db8::1 shop/d2 2/tcp\n", 1,
     "shop: {from: {cidr: [\"2001:db8::1/128\"]}, to: db, ports: [2/tcp]} 1/2\n"
     "shop: {from: {cidr: [\"198.51.100.7/32\", \"198.51.100.9/32\"]}, to: web, ports: [1/tcp]} 2/4\n"},
    {"the node of the workload, and another one", "", "shop/w1 192.0.2.1 1/tcp\n192.0.2.2 shop/w1 1/tcp\n", 1,
     "shop: {from: web, to: node, ports: [1/tcp]} 1/2\n"
     "shop: {from: {cidr: [\"192.0.2.2/32\"]}, to: web, ports: [1/tcp]} 1/2\n"},
    {"labels where there is no service, quoted", "", "shop/x1 shop/w1 1/tcp\nshop/x1 other/j1 1/tcp\n", 1,
     "other: {from: {labels: {\"1\": \"2\", app: \"no\"}, namespaces: [shop]}, to: job, ports: [1/tcp]} 1/1\n"
     "shop: {from: {labels: {\"1\": \"2\", app: \"no\"}}, to: web, ports: [1/tcp]} 1/2\n"},
    {"nobody without labels", "", "shop/bare shop/w1 1/tcp\n", 1,
     "! shop/bare shop/w1 1/tcp: no service selects shop/bare, and it has no labels\n"},
    {"services need no workloads", "", "shop/web shop/stores 1/tcp\n", 1,
     "shop: {from: web, to: stores, ports: [1/tcp]} 1/6\n"},
    {"a request of ICMP, and what is none", "",
     "shop/w1 shop/d1 icmp\n{\"src\": \"shop/w1\", \"dst\": \"shop/d1\", \"proto\": \"icmp\", \"type\": 5}\n", 1,
     "shop: {from: web, to: db, ports: [icmp/echo-request]} 1/4\n"
     "! shop/w1 shop/d1 icmp/5: nothing but `ports: [any]` would let this protocol or message pass\n"},
    {"sctp", "", "shop/w1 shop/d1 9/sctp\n", 1, "shop: {from: web, to: db, ports: [9/sctp]} 1/4\n"},
    {"what no allow opens", "quarantine: [{workload: shop/w2}]\n",
     "shop/w2 shop/d1 1/tcp\n10.0.0.77 shop/d1 1/tcp\nshop/gone shop/d1 x\nworld shop/d1 1/tcp\n", 1,
     "! world shop/d1 1/tcp: a built-in peer is nobody that could be named: give addresses\n"
     "! shop/w2 shop/d1 1/tcp: in quarantine\n"
     "! 10.0.0.77 shop/d1 : no workload is known at `10.0.0.77`, an address for workloads\n"
     "! shop/gone shop/d1 : no workload, service or address `shop/gone`\n"},
    {"a part that stays closed is told", "quarantine: [{workload: shop/w2}]\n", "shop/web shop/d1 1/tcp\n", 1,
     "shop: {from: web, to: db, ports: [1/tcp]} 0/4\n"
     "! shop/web shop/d1 1/tcp: an allow opens it for a part of its workloads; of another, in quarantine\n"},
    {"what breaks a never is not proposed", "never: [{from: web, to: db, ports: [sql]}]\n",
     "shop/w1 shop/d1 sql\nshop/w1 shop/d1 1/tcp\n", 1,
     "shop: {from: web, to: db, ports: [1/tcp]} 1/4\n! shop/w1 shop/d1 5432/tcp: an allow would break a `never`@9\n"},
    {"an address that a workload could have is one", "never: [{from: {labels: {app: x}}, to: web}]\n",
     "10.0.0.250 shop/w1 1/tcp\n192.0.2.2 shop/w1 1/tcp\n", 1,
     "shop: {from: {cidr: [\"192.0.2.2/32\"]}, to: web, ports: [1/tcp]} 1/2\n"
     "! 10.0.0.250 shop/w1 1/tcp: an allow would break a `never`@9\n"},
    {"nor `node`, where that could be a service of the node",
     "allow: [{from: node, to: db}]\nnever: [{from: web, to: db, ports: [sql]}]\n",
     "shop/w1 192.0.2.1 5432/tcp\nshop/w1 192.0.2.1 1/tcp\n", 1,
     "shop: {from: web, to: node, ports: [1/tcp]} 1/2\n"
     "! shop/w1 192.0.2.1 5432/tcp: an allow would break a `never`@10\n"},
    {"a host workload and another workload take two",
     "---\nringfence: v1\nworkloads: [{name: h1, namespace: shop, node: n, labels: {app: cache}, cgroup: "
     "h1.service}]\n",
     "shop/h1 shop/d1 sql\nshop/h1 203.0.113.9 1/tcp\n", 1,
     "shop: {from: cache, to: part, ports: [1/tcp]} 1/2\n"
     "! shop/h1 shop/d1 5432/tcp: to the other end a host workload is its node: it takes an allow for each side\n"},
    {"what is seen too seldom is told", "", "shop/w1 shop/d1 sql\nshop/w1 shop/d1 sql\nshop/w2 shop/d1 1/tcp\n", 2,
     "shop: {from: web, to: db, ports: [sql]} 1/4\n"
     "! shop/w2 shop/d1 1/tcp: seen fewer times than --min-count asks for\n"},
    {"an event counts what it says, and once", "",
     "{\"src\": \"shop/w1\", \"dst\": \"shop/d1\", \"proto\": 6, \"dport\": 1, \"count\": 2, \"sequence\": 4}\n"
     "{\"src\": \"shop/w1\", \"dst\": \"shop/d1\", \"proto\": 6, \"dport\": 1, \"count\": 3, \"sequence\": 4}\n"
     "{\"src\": \"shop/w2\", \"dst\": \"shop/d1\", \"proto\": 6, \"dport\": 1, \"count\": 3, \"sequence\": 4}\n",
     4, "! shop/w1 shop/d1 1/tcp: seen fewer times than --min-count asks for\n"},
};

/* The statement without what follows its ports. */
static void tell_statement(FILE *stream, const char *line, const struct suggested_allow *allow)
{
	const char *end = strstr(line, ", why: ");
	assert_non_null(end);
	fprintf(stream, "%s: %.*s} %zu/%zu\n", allow->name_space, (int)(end - line), line, allow->pairs_seen,
		allow->pairs_opened);
}

static char *told(struct reading *reading, const struct suggestion *suggestion)
{
	static const char mark[] = "  - ";
	char *text = NULL, *document = document_of(reading, suggestion);
	size_t size = 0, allow = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (const char *line = document; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, mark, strlen(mark)) == 0)
			tell_statement(stream, line + strlen(mark), &suggestion->allows[allow++]);
	}
	assert_int_equal(allow, suggestion->allow_count);
	for (size_t i = 0; i < suggestion->gap_count; i++) {
		const struct suggested_gap *gap = &suggestion->gaps[i];
		fprintf(stream, "! %s %s %s: %s", gap->example.from, gap->example.to, gap->example.port, gap->reason);
		if (gap->never != NULL)
			fprintf(stream, "@%u", gap->never->span.line);
		fputc('\n', stream);
	}
	assert_int_equal(fclose(stream), 0);
	free(document);
	return text;
}

static void each_flow_gets_what_it_needs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		char *policy = NULL;
		size_t size = 0;
		FILE *stream = open_memstream(&policy, &size);
		static const char whole[] = POLICY("%s");
		assert_non_null(stream);
		const char *split = strstr(whole, "%s");
		fprintf(stream, "%.*s%s%s", (int)(split - whole), whole, cases[i].more, split + 2);
		assert_int_equal(fclose(stream), 0);
		read_policy(&reading, "policy", policy);
		const struct suggestion suggestion = suggest_for(&reading, cases[i].flows, 0, cases[i].fewest);
		char *text = told(&reading, &suggestion);
		if (strcmp(text, cases[i].told) != 0)
			fail_msg("%s: told is\n%s\nand not\n%s", cases[i].true_is, text, cases[i].told);
		free(text);
		arena_free(reading.arena);
		free(policy);
	}
}

/* ---- times ---- */

static void records_before_a_time_are_left_out(void **state)
{
	static const char log[] = "{\"ts\": \"2026-11-25T09:00:00Z\", \"src\": \"shop/w1\", \"dst\": \"shop/d1\", "
				  "\"proto\": 6, \"dport\": 1}\n"
				  "{\"ts\": \"2026-11-25T10:00:00Z\", \"src\": \"shop/w1\", \"dst\": \"shop/d1\", "
				  "\"proto\": 6, \"dport\": 2}\n"
				  "{\"ts\": \"2026-11-25T11:00:00Z\", \"src\": \"shop/w1\", \"dst\": \"shop/d1\", "
				  "\"proto\": 6, \"dport\": 2, "
				  "\"count\": 9223372036854775807}\n"
				  "{\"ts\": \"2026-11-25T12:00:00Z\", \"src\": \"shop/w1\", \"dst\": \"shop/d1\", "
				  "\"proto\": 6, \"dport\": 2, "
				  "\"count\": 9223372036854775807}\n"
				  "{\"ts\": \"2026-11-25T12:00:00Z\", \"src\": \"shop/w1\", \"dst\": \"shop/d1\", "
				  "\"proto\": 6, \"dport\": 2, "
				  "\"count\": 9223372036854775807}\n"
				  "shop/w1 shop/d1 3/tcp\n";
	struct reading reading;
	int64_t since;
	(void)state;
	assert_null(time_parse(&since, "2026-11-25T10:00:00Z"));
	read_policy(&reading, "policy", POLICY(""));
	const struct suggestion suggestion = suggest_for(&reading, log, since, 1);
	assert_int_equal(suggestion.early, 1);
	assert_int_equal(suggestion.untimed, 1);
	assert_int_equal(suggestion.allow_count, 1);
	assert_int_equal(suggestion.allows[0].seen.first, since);
	assert_int_equal(suggestion.allows[0].seen.last, since + 2 * 3600);
	assert_true(suggestion.allows[0].seen.times == UINT64_MAX); /* and does not wrap */
	assert_int_equal(suggestion.covered.flows, 1);
	arena_free(reading.arena);
}

/* ---- bounds ---- */

static void addresses_are_bounded_and_those_seen_most_stay(void **state)
{
	enum { MORE = 30 };
	struct reading reading;
	char *log = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&log, &size);
	(void)state;
	assert_non_null(stream);
	for (int i = 0; i < SUGGEST_ADDRESSES_MOST + MORE; i++)
		for (int j = i < MORE ? 1 : 0; j < 2; j++)
			fprintf(stream, "198.51.%d.%d shop/w1 1/tcp\n", 101 + i / 250, i % 250);
	assert_int_equal(fclose(stream), 0);
	read_policy(&reading, "policy", POLICY(""));
	const struct suggestion suggestion = suggest_for(&reading, log, 0, 1);
	assert_int_equal(suggestion.allow_count, 1);
	assert_int_equal(suggestion.allows[0].allow->flows.from[0].network->cidr_count, SUGGEST_ADDRESSES_MOST);
	assert_int_equal(suggestion.uncovered.flows, MORE);
	assert_int_equal(suggestion.uncovered.times, MORE); /* each of them was seen once, the others twice */
	arena_free(reading.arena);
	free(log);
}

/* ---- the choice against brute force ---- */

enum { CHOICES = 10, ELEMENTS = 8, ROUNDS = 20000 };

static uint32_t held_by(const struct choice *choice)
{
	uint32_t held = 0;
	for (size_t i = 0; i < choice->count; i++)
		held |= 1u << choice->elements[i];
	return held;
}

/* The least cost of any selection that holds as much as all do. */
static uint64_t least_cost(const struct choice *choices, size_t count, uint32_t all)
{
	uint64_t least = UINT64_MAX;
	for (uint32_t selection = 0; selection < 1u << count; selection++) {
		uint64_t cost = 0;
		uint32_t held = 0;
		for (size_t i = 0; i < count; i++)
			if (selection >> i & 1) {
				cost += choices[i].cost;
				held |= held_by(&choices[i]);
			}
		if (held == all && cost < least)
			least = cost;
	}
	return least;
}

static void the_choice_is_near_the_best(void **state)
{
	size_t best = 0, plain = 0;
	uint32_t seed = 77;
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct choice choices[CHOICES] = {0};
		size_t elements[CHOICES][ELEMENTS], count = 1 + random_next(&seed) % CHOICES, most = 1, twice = 0;
		uint32_t all = 0, held = 0;
		for (size_t i = 0; i < count; i++) {
			uint32_t wanted = random_next(&seed) & random_next(&seed) & ((1u << ELEMENTS) - 1);
			choices[i].cost = 1 + random_next(&seed) % 9;
			choices[i].elements = elements[i];
			for (size_t j = 0; j < ELEMENTS; j++)
				if (wanted >> j & 1)
					elements[i][choices[i].count++] = j;
			most = choices[i].count > most ? choices[i].count : most;
			twice |= all & wanted;
			all |= wanted;
		}
		choices_cover(choices, count, ELEMENTS);
		uint64_t cost = 0, least = least_cost(choices, count, all);
		for (size_t i = 0; i < count; i++)
			if (choices[i].chosen) {
				cost += choices[i].cost;
				held |= held_by(&choices[i]);
			}
		assert_int_equal(held, all);
		for (size_t i = 0; i < count; i++) {
			uint32_t others = 0;
			for (size_t j = 0; j < count; j++)
				others |= choices[j].chosen && j != i ? held_by(&choices[j]) : 0;
			assert_true(!choices[i].chosen || others != all); /* none could be left out */
		}
		double bound = 0;
		for (size_t i = 1; i <= most; i++)
			bound += 1.0 / (double)i;
		assert_true((double)cost <= bound * (double)least + 1e-9);
		if (twice == 0)
			assert_true(cost == least);
		plain += twice == 0;
		best += cost == least;
	}
	assert_true(plain > ROUNDS / 100);
	assert_true(best > ROUNDS * 9 / 10);
	print_message("# %zu of %d choices are the best there is\n", best, ROUNDS);
}

/* ---- whole suggestions against brute force ---- */

enum {
	SMALL_SERVICES = 4,
	SMALL_WORKLOADS = 6,
	SMALL_ATOMS = SMALL_SERVICES * SMALL_SERVICES,
	SMALL_FLOWS = 7,
	SMALL_ROUNDS = 60
};

/* A policy of services that overlap: workload w is in service s where it carries the label s. */
struct small {
	bool in[SMALL_WORKLOADS][SMALL_SERVICES];
	size_t sizes[SMALL_SERVICES];
	size_t flows[SMALL_FLOWS][2];
};

static char *small_policy(struct small *small, uint32_t *seed, char **log)
{
	char *text = NULL;
	size_t size = 0, log_size = 0;
	FILE *stream = open_memstream(&text, &size), *flows = open_memstream(log, &log_size);
	assert_true(stream != NULL && flows != NULL);
	*small = (struct small){0};
	fputs("ringfence: v1\nservices:\n", stream);
	for (size_t i = 0; i < SMALL_SERVICES; i++)
		fprintf(stream, "  s%zu: {workloads: {s%zu: in}}\n", i, i);
	fputs("---\nringfence: v1\nworkloads:\n", stream);
	for (size_t i = 0; i < SMALL_WORKLOADS; i++) {
		fprintf(stream, "- {name: w%zu, addresses: [10.0.0.%zu], labels: {at: here", i, i + 1);
		uint32_t forced = random_next(seed) % SMALL_SERVICES;
		for (size_t j = 0; j < SMALL_SERVICES; j++) {
			small->in[i][j] = j == forced || random_next(seed) % 3 == 0;
			small->sizes[j] += small->in[i][j];
			fprintf(stream, "%s%zu%s", small->in[i][j] ? ", s" : ", t", j, ": in");
		}
		fputs("}}\n", stream);
	}
	for (size_t i = 0; i < SMALL_FLOWS; i++) {
		small->flows[i][0] = random_next(seed) % SMALL_WORKLOADS;
		small->flows[i][1] =
		    (small->flows[i][0] + 1 + random_next(seed) % (SMALL_WORKLOADS - 1)) % SMALL_WORKLOADS;
		fprintf(flows, "default/w%zu default/w%zu 1/tcp\n", small->flows[i][0], small->flows[i][1]);
	}
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(fclose(flows), 0);
	return text;
}

/* The fewest pairs that any choice of allows between services opens, counted for each source and destination. */
static size_t fewest_pairs(const struct small *small)
{
	size_t fewest = SIZE_MAX;
	for (uint32_t selection = 0; selection < 1u << SMALL_ATOMS; selection++) {
		size_t pairs = 0;
		bool all = true;
		for (size_t i = 0; i < SMALL_ATOMS; i++)
			if (selection >> i & 1)
				pairs += small->sizes[i / SMALL_SERVICES] * small->sizes[i % SMALL_SERVICES];
		for (size_t i = 0; i < SMALL_FLOWS && all && pairs < fewest; i++) {
			all = false;
			for (size_t j = 0; j < SMALL_ATOMS && !all; j++)
				all = selection >> j & 1 && small->in[small->flows[i][0]][j / SMALL_SERVICES] &&
				      small->in[small->flows[i][1]][j % SMALL_SERVICES];
		}
		if (all && pairs < fewest)
			fewest = pairs;
	}
	return fewest;
}

static size_t suggested_pairs(const struct small *small, const struct suggestion *suggestion)
{
	size_t pairs = 0;
	for (size_t i = 0; i < suggestion->allow_count; i++) {
		const struct flows *flows = &suggestion->allows[i].allow->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			for (size_t k = 0; k < flows->to_count; k++)
				pairs += small->sizes[flows->from[j].service->name[1] - '0'] *
					 small->sizes[flows->to[k].peer.service->name[1] - '0'];
	}
	return pairs;
}

static void what_is_opened_is_near_the_fewest(void **state)
{
	size_t best = 0;
	double bound = 0;
	uint32_t seed = 4242;
	(void)state;
	for (size_t i = 1; i <= SMALL_FLOWS; i++)
		bound += 1.0 / (double)i;
	for (size_t round = 0; round < SMALL_ROUNDS; round++) {
		struct small small;
		struct reading reading;
		char *log = NULL, *policy = small_policy(&small, &seed, &log);
		read_policy(&reading, "policy", policy);
		const struct suggestion suggestion = suggest_for(&reading, log, 0, 1);
		size_t pairs = suggested_pairs(&small, &suggestion), fewest = fewest_pairs(&small);
		assert_int_equal(suggestion.uncovered.flows, 0);
		if (pairs < fewest || (double)pairs > bound * (double)fewest)
			fail_msg("%zu pairs are opened, and %zu are the fewest:\n%s\n%s", pairs, fewest, policy, log);
		best += pairs == fewest;
		arena_free(reading.arena);
		free(policy);
		free(log);
	}
	print_message("# %zu of %d suggestions open the fewest pairs\n", best, SMALL_ROUNDS);
	assert_true(best > SMALL_ROUNDS * 2 / 3);
}

/* ---- random policies ---- */

enum { POLICIES = 300, FLOWS = 60, ENDS = 2 * RANDOM_WORKLOADS + RANDOM_STRANGERS };

static void write_end(FILE *stream, const char *key, const struct endpoint *end)
{
	char address[ADDRESS_TEXT_SIZE];
	address_format(&end->address, address);
	if (end->workload != NULL)
		fprintf(stream, "\"%s\": \"%s/%s\", \"%s_ip\": \"%s\", ", key, end->workload->name_space,
			end->workload->name, key, address);
	else
		fprintf(stream, "\"%s\": \"%s\", ", key, address);
}

static struct flow random_flow(const struct world *world, uint32_t *seed)
{
	struct flow flow;
	do {
		const struct port_range *port = &random_ports[random_next(seed) % RANDOM_PORTS];
		flow = (struct flow){random_end(world, random_next(seed) % ENDS),
				     random_end(world, random_next(seed) % ENDS), port->protocol, port->first};
	} while (!random_fits(&flow));
	return flow;
}

/* A policy and what was suggested for it, read as one text. */
struct both {
	struct reading reading;
	unsigned first; /* the line in which the suggestion begins */
	char *text;
};

static void read_both(struct both *both, const char *policy, const char *document)
{
	size_t size = 0;
	FILE *stream = open_memstream(&both->text, &size);
	assert_non_null(stream);
	fprintf(stream, "%s---\n%s", policy, document);
	assert_int_equal(fclose(stream), 0);
	both->first = 1;
	for (const char *at = policy; *at != 0; at++)
		both->first += *at == '\n';
	read_policy(&both->reading, "policy", both->text);
}

static bool is_suggested(const struct both *both, const struct allow *allow)
{
	return allow != NULL && allow->span.line > both->first;
}

/* Whether a `never` is broken by what was suggested. */
static bool breaks(struct both *both)
{
	const struct proof proof = invariants_prove(both->reading.arena, &both->reading.world, true);
	for (size_t i = 0; i < proof.count; i++)
		if (is_suggested(both, proof.items[i].allows[0]) || is_suggested(both, proof.items[i].allows[1]))
			return true;
	return false;
}

/* Every flow that opens is one that an allow of the suggestion speaks of, and none is closed. */
static void check_what_opens(const struct world *before, const struct both *both)
{
	const struct world *after = &both->reading.world;
	for (size_t i = 0; i < ENDS * ENDS * RANDOM_PORTS; i++) {
		const struct port_range *port = &random_ports[i % RANDOM_PORTS];
		size_t from = i / RANDOM_PORTS / ENDS, to = i / RANDOM_PORTS % ENDS;
		const struct flow old = {random_end(before, from), random_end(before, to), port->protocol, port->first};
		const struct flow new = {random_end(after, from), random_end(after, to), port->protocol, port->first};
		bool was = verdict_of(before, &old).allowed, is = verdict_of(after, &new).allowed, speaks = false;
		for (size_t j = 0; j < after->policy->allow_count && is && !was; j++)
			speaks = speaks || (is_suggested(both, after->policy->allows[j]) &&
					    flows_hold(after, &after->policy->allows[j]->flows, &new));
		if ((was && !is) || (is && !was && !speaks))
			fail_msg("end %zu to end %zu, port %u:\n%s", from, to, port->first, both->text);
	}
}

/* A log of random flows. */
static char *random_log(const struct world *world, uint32_t *seed)
{
	char *log = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&log, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < FLOWS; i++) {
		const struct flow flow = random_flow(world, seed);
		fputc('{', stream);
		write_end(stream, "src", &flow.from);
		write_end(stream, "dst", &flow.to);
		fprintf(stream, "\"proto\": %u, \"dport\": %u, \"type\": %u}\n", flow.protocol, flow.port,
			flow.port >> 8);
	}
	assert_int_equal(fclose(stream), 0);
	return log;
}

/* A `never` about labels, a service or a network. */
static char *with_never(const char *policy, uint32_t *seed)
{
	static const char *const peers[] = {
	    "{labels: {a: x}, namespaces: any}", "{labels: {b: y}}", "world", "{cidr: 10.0.0.0/29}", "node", "net"};
	char *text = NULL;
	size_t size = 0, count = sizeof peers / sizeof *peers;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fputs(policy, stream);
	if (random_next(seed) % 2 == 0)
		fprintf(stream, "---\nringfence: v1\nnamespace: n0\nnever:\n- {from: %s, to: %s, ports: [%s]}\n",
			peers[random_next(seed) % count], peers[random_next(seed) % 2],
			random_next(seed) % 2 == 0 ? "any" : "1-2/tcp");
	assert_int_equal(fclose(stream), 0);
	return text;
}

struct totals {
	size_t covered, uncovered, allowed, refused, allows;
};

/* Suggests for a policy, and asks the policy with the suggestion about the same flows. */
static void round_trip(const char *policy, uint32_t seed, bool thorough, struct totals *totals)
{
	struct reading reading;
	struct both both;
	read_policy(&reading, "policy", policy);
	char *log = random_log(&reading.world, &seed);
	const struct suggestion first = suggest_for(&reading, log, 0, 1);
	char *document = document_of(&reading, &first);
	read_both(&both, policy, document);
	const struct suggestion second = suggest_for(&both.reading, log, 0, 1);
	if (second.allow_count != 0 || second.uncovered.flows != first.uncovered.flows ||
	    second.allowed.flows != first.allowed.flows + first.covered.flows)
		fail_msg(
		    "%zu flows are covered and %zu not; with the suggestion %zu pass, %zu do not, and %zu allows are "
		    "needed:\n%s\n======\n%s",
		    first.covered.flows, first.uncovered.flows, second.allowed.flows, second.uncovered.flows,
		    second.allow_count, both.text, log);
	if (breaks(&both))
		fail_msg("a `never` is broken:\n%s", both.text);
	if (thorough)
		check_what_opens(&reading.world, &both);
	totals->covered += first.covered.flows;
	totals->uncovered += first.uncovered.flows;
	totals->allowed += first.allowed.flows;
	totals->allows += first.allow_count;
	for (size_t i = 0; i < first.gap_count; i++)
		totals->refused += first.gaps[i].never != NULL;
	arena_free(both.reading.arena);
	arena_free(reading.arena);
	free(both.text);
	free(document);
	free(log);
}

static void what_is_printed_lets_every_flow_pass(void **state)
{
	struct totals totals = {0};
	(void)state;
	for (uint32_t round = 1; round <= POLICIES; round++) {
		uint32_t parts[RANDOM_PARTS], after[RANDOM_PARTS], seed = round * 7919;
		random_change(round * 104729, parts, after);
		parts[RANDOM_PARTS - 1] -=
		    parts[RANDOM_PARTS - 1] % 6 / 3 * 3; /* nothing is proposed for host workloads */
		char *policy = random_policy(parts);
		char *text = with_never(policy, &seed);
		round_trip(text, seed, round % 10 == 0, &totals);
		free(policy);
		free(text);
	}
	print_message(
	    "# %d policies: %zu flows covered by %zu allows, %zu allowed before, %zu not covered, %zu for a never\n",
	    POLICIES, totals.covered, totals.allows, totals.allowed, totals.uncovered, totals.refused);
	assert_true(totals.covered > 1000 && totals.allowed > 1000 && totals.uncovered > 100 && totals.refused > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_flow_gets_what_it_needs),
	    cmocka_unit_test(records_before_a_time_are_left_out),
	    cmocka_unit_test(addresses_are_bounded_and_those_seen_most_stay),
	    cmocka_unit_test(the_choice_is_near_the_best),
	    cmocka_unit_test(what_is_opened_is_near_the_fewest),
	    cmocka_unit_test(what_is_printed_lets_every_flow_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
