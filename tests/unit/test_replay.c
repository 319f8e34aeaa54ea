/* Recorded flows under two policies: a table of changes with what becomes of the flows, and random policies of which
 * every flow is recorded and compared with verdict_of. */
#include "compiler/analysis/narrowing.h"
#include "tests/unit/random_policy.h"
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/replay.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a table ---- */

/* Lines 1 to 7; the allows of a case begin in line 8. */
#define BASE                                                        \
	"ringfence: v1\nnamespace: shop\nservices:\n"               \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"    \
	"networks: {out: [203.0.113.0/24]}\nallow:\n"
#define ALLOW(text) "- " text "\n"
#define WEB_TO_DB BASE ALLOW("{from: web, to: db}")
#define NOTHING BASE ALLOW("{from: db, to: db, ports: [1/tcp]}")
#define WORKLOAD(name, app, address) \
	"- {name: " name ", namespace: shop, node: n, labels: {app: " app "}, addresses: [" address "]}\n"
#define NODES "---\nringfence: v1\nnodes: {n: {addresses: [192.0.2.1], workload_networks: [10.0.0.0/24]}}\n"
#define INVENTORY                                                                                             \
	NODES "workloads:\n" WORKLOAD("w1", "web", "10.0.0.1") WORKLOAD("w2", "web", "10.0.0.2, \"fd00::2\"") \
	    WORKLOAD("d1", "db", "10.0.0.4") WORKLOAD("web", "db", "10.0.0.9")

static const struct {
	const char *true_is, *before, *after, *flows;
	const char
	    *told; /* MARK FROM>TO PORT RECORDS/FLOWS@FILE:LINE of what allows, or the problem; then the unchanged */
} cases[] = {
    {"an allow that is gone cuts", WEB_TO_DB INVENTORY, NOTHING INVENTORY, "shop/w1 shop/d1 5432/tcp\n",
     "-shop/w1>shop/d1 5432/tcp 1/1@old:8; 0/0"},
    {"an allow that is new lets pass", NOTHING INVENTORY, WEB_TO_DB INVENTORY, "shop/w1 shop/d1 sql\n",
     "+shop/w1>shop/d1 5432/tcp 1/1@new:8; 0/0"},
    {"what is allowed in both, or in none, is the same", WEB_TO_DB INVENTORY, WEB_TO_DB INVENTORY,
     "shop/w1 shop/d1 sql\nshop/d1 shop/w1 1/tcp\nshop/d1 shop/w1 1/tcp\n", " 3/2"},
    {"equal flows are one, whatever form they have", WEB_TO_DB INVENTORY, NOTHING INVENTORY,
     "shop/w1 shop/d1 5432/tcp\nshop/w1 shop/d1 sql\n", "-shop/w1>shop/d1 5432/tcp 2/1@old:8; 0/0"},
    {"flows between the same services are one line", WEB_TO_DB INVENTORY, NOTHING INVENTORY,
     "shop/w1 shop/d1 sql\nshop/w2 shop/d1 sql\nshop/w2 shop/d1 sql\n", "-shop/web>shop/d1 5432/tcp 3/2@old:8; 0/0"},
    {"other reasons are other lines", WEB_TO_DB INVENTORY,
     BASE ALLOW("{from: db, to: db, ports: [1/tcp]}") "quarantine: [{workload: shop/w1}]\n" INVENTORY,
     "shop/w1 shop/d1 sql\nshop/w2 shop/d1 sql\n",
     "-shop/w2>shop/d1 5432/tcp 1/1@old:8;-shop/w1>shop/d1 5432/tcp 1/1@old:8; 0/0"},
    {"addresses of the world are one line", BASE ALLOW("{from: world, to: web, ports: [1/tcp]}") INVENTORY,
     NOTHING INVENTORY, "198.51.100.1 shop/w1 1/tcp\n198.51.100.2 shop/w1 1/tcp\n", "-world>shop/w1 1/tcp 2/2@; 0/0"},
    {"and those of a network", BASE ALLOW("{from: web, to: out, ports: [1/tcp]}") INVENTORY, NOTHING INVENTORY,
     "shop/w1 203.0.113.1 1/tcp\nshop/w2 203.0.113.2 1/tcp\n", "-shop/web>shop/out 1/tcp 2/2@old:8; 0/0"},
    {"a workload that is gone is judged as it was", WEB_TO_DB INVENTORY, WEB_TO_DB NODES,
     "shop/w1 shop/d1 sql\n10.0.0.1 10.0.0.4 5432/tcp\n", " 2/2"},
    {"and one that is new as it is", WEB_TO_DB NODES, NOTHING INVENTORY, "shop/w1 shop/d1 sql\n",
     "-shop/w1>shop/d1 5432/tcp 1/1@old:8; 0/0"},
    {"one whose labels changed is another", WEB_TO_DB INVENTORY,
     WEB_TO_DB NODES "workloads:\n" WORKLOAD("w1", "cron", "10.0.0.1"), "shop/w1 shop/d1 sql\n",
     "-shop/w1>shop/d1 5432/tcp 1/1@old:8; 0/0"},
    {"one that has another address is the same", WEB_TO_DB INVENTORY,
     WEB_TO_DB NODES "workloads:\n" WORKLOAD("w1", "web", "10.0.0.7"), "shop/w1 shop/d1 sql\n10.0.0.1 shop/d1 sql\n",
     " 2/2"},
    {"a service that selects others now does not move the flow", WEB_TO_DB INVENTORY,
     "ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}}\n  db: {workloads: {app: pg}, ports: "
     "{sql: 5432/tcp}}\nallow:\n- {from: web, to: db}\n" INVENTORY,
     "shop/w1 shop/db sql\n", "-shop/w1>shop/db 5432/tcp 1/1@old:8; 0/0"},
    {"nor one of another name", WEB_TO_DB INVENTORY,
     "ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}}\n  pg: {workloads: {app: db}, ports: "
     "{sql: 5432/tcp}}\nallow:\n- {from: web, to: pg}\n" INVENTORY,
     "shop/w1 shop/db sql\n", " 1/1"},
    {"services need no inventory", WEB_TO_DB, NOTHING, "shop/web shop/db sql\n",
     "-shop/web>shop/db 5432/tcp 1/1@old:8; 0/0"},
    {"an unknown name is told", WEB_TO_DB INVENTORY, NOTHING INVENTORY,
     "shop/gone shop/d1 sql\nshop/d1 shop/gone 1/tcp\nshop/w1 shop/d1 1/tcp\n",
     "?no workload, service or address `shop/gone` 2/2; 1/1"},
    {"its recorded address counts", BASE ALLOW("{from: world, to: db}") INVENTORY, NOTHING INVENTORY,
     "{\"src\": \"shop/gone\", \"src_ip\": \"198.51.100.1\", \"dst\": \"shop/d1\", \"proto\": \"tcp\", \"dport\": "
     "5432}\n",
     "-shop/gone (198.51.100.1)>shop/d1 5432/tcp 1/1@; 0/0"},
    {"but not one that nobody has", WEB_TO_DB INVENTORY, NOTHING INVENTORY, "10.0.0.77 shop/d1 sql\n",
     "?no workload is known at `10.0.0.77`, an address for workloads 1/1; 0/0"},
    {"an address is closed in one version only", WEB_TO_DB INVENTORY,
     BASE ALLOW("{from: world, to: db}") "---\nringfence: v1\nworkloads:\n" WORKLOAD("d1", "db", "10.0.0.4"),
     "10.0.0.77 shop/d1 sql\n", "+10.0.0.77>shop/d1 5432/tcp 1/1@; 0/0"},
    {"a name of a workload and a service is the workload in a log", WEB_TO_DB INVENTORY, NOTHING INVENTORY,
     "{\"src\": \"shop/w1\", \"dst\": \"shop/web\", \"proto\": \"tcp\", \"dport\": 5432}\n",
     "-shop/w1>shop/web 5432/tcp 1/1@old:8; 0/0"},
    {"and asks for more in words", WEB_TO_DB INVENTORY, NOTHING INVENTORY, "shop/w1 shop/web 5432/tcp\n",
     "?`shop/web` is a workload and a service: write workload:shop/web or service:shop/web 1/1; 0/0"},
    {"the recorded address of a workload tells the family",
     BASE ALLOW("{from: {cidr: 10.0.0.0/24}, to: db, ports: [1/tcp]}") ALLOW("{from: web, to: db, ports: [2/tcp]}")
	 INVENTORY,
     NOTHING INVENTORY,
     "{\"src\": \"shop/w2\", \"src_ip\": \"10.0.0.2\", \"dst\": \"shop/d1\", \"proto\": \"tcp\", \"dport\": 2}\n",
     "-shop/w2>shop/d1 2/tcp 1/1@old:9; 0/0"},
    {"an expiry is judged at its time", BASE ALLOW("{from: web, to: db, until: 2027-01-15T23:00:00Z}") INVENTORY,
     WEB_TO_DB INVENTORY, "shop/w1 shop/d1 sql\n", "+shop/w1>shop/d1 5432/tcp 1/1@new:8; 0/0"},
    {"icmp is of either version", BASE ALLOW("{from: web, to: db, ports: [icmp]}") INVENTORY, NOTHING INVENTORY,
     "shop/w1 shop/d1 icmp\n", "-shop/w1>shop/d1 icmp 1/1@old:8; 0/0"},
    {"a protocol without ports passes where any does", BASE ALLOW("{from: web, to: db, ports: [any]}") INVENTORY,
     WEB_TO_DB INVENTORY, "{\"src\": \"shop/w1\", \"dst\": \"shop/d1\", \"proto\": 47}\n",
     "-shop/w1>shop/d1 protocol 47 1/1@old:8; 0/0"},
    {"a node", BASE ALLOW("{from: node, to: db, ports: [1/tcp]}") INVENTORY, NOTHING INVENTORY,
     "192.0.2.1 shop/d1 1/tcp\n", "-192.0.2.1>shop/d1 1/tcp 1/1@; 0/0"},
};

static void add_all(struct replay *replay, const char *text)
{
	struct flow_lines lines;
	struct flow_record record;
	const char *problem;
	FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct arena *arena = arena_create();
	assert_non_null(stream);
	flow_lines_init(&lines, arena, stream);
	while (flow_lines_next(&lines, &record, &problem)) {
		if (problem == NULL)
			problem = replay_add(replay, &record);
		if (problem != NULL)
			fail_msg("line %zu: %s", lines.number, problem);
	}
	arena_free(arena);
	assert_int_equal(fclose(stream), 0);
}

static char *told(const struct replay_result *result)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < result->line_count; i++) {
		const struct replay_line *line = &result->lines[i];
		const struct verdict *open = &line->verdicts[line->fate == FATE_PASSES];
		struct span span = {0};
		if (line->problem != NULL)
			fprintf(stream, "?%s ", line->problem);
		else
			fprintf(stream, "%c%s>%s %s ", line->fate == FATE_CUT ? '-' : '+', line->from, line->to,
				line->port);
		fprintf(stream, "%zu/%zu", line->total.records, line->total.flows);
		if (line->problem == NULL) {
			side_text(&open->egress, &span);
			fprintf(stream, "@%s", span.file != NULL ? span.file : "");
			if (span.file != NULL)
				fprintf(stream, ":%u", span.line);
		}
		fputc(';', stream);
	}
	fprintf(stream, " %zu/%zu", result->totals[FATE_SAME].records, result->totals[FATE_SAME].flows);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void each_flow_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading old, new;
		read_policy(&old, "old", cases[i].before);
		read_policy(&new, "new", cases[i].after);
		struct replay *replay = replay_create(new.arena, &old.world, &new.world);
		add_all(replay, cases[i].flows);
		const struct replay_result result = replay_finish(replay);
		char *text = told(&result);
		if (strcmp(text, cases[i].told) != 0)
			fail_msg("%s: told is\n%s\nand not\n%s", cases[i].true_is, text, cases[i].told);
		free(text);
		arena_free(old.arena);
		arena_free(new.arena);
	}
}

static void a_port_that_there_is_not_is_refused(void **state)
{
	static const char *const lines[] = {"shop/w1 shop/d1 nothing", "shop/w1 shop/d1 99999/tcp",
					    "shop/w1 shop/d1 1-2/tcp", "shop/w1 shop/d1 any"};
	struct reading old;
	(void)state;
	read_policy(&old, "old", WEB_TO_DB INVENTORY);
	struct replay *replay = replay_create(old.arena, &old.world, &old.world);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct flow_record record;
		assert_null(flow_record_read(&record, lines[i], strlen(lines[i])));
		assert_non_null(replay_add(replay, &record));
	}
	assert_int_equal(replay_finish(replay).totals[FATE_SAME].flows, 0);
	arena_free(old.arena);
}

/* ---- random policies, of which everything is asked ---- */

enum { ENDS = 2 * RANDOM_WORKLOADS + RANDOM_STRANGERS, CHANGES = 24 };

static bool same_side(const struct side *a, const struct side *b)
{
	return a->allowed == b->allowed && a->reason == b->reason && a->allow == b->allow &&
	       a->quarantine == b->quarantine && a->isolated_by == b->isolated_by;
}

static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
	return a->allowed == b->allowed && same_side(&a->egress, &b->egress) && same_side(&a->ingress, &b->ingress);
}

/* Of each flow the part of the policy that may speak of it gives the verdict of the whole, and for the same reasons. */
static void a_part_says_what_the_whole_says(void **state)
{
	size_t asked = 0;
	(void)state;
	for (uint32_t round = 1; round <= CHANGES; round++) {
		uint32_t before[RANDOM_PARTS], after[RANDOM_PARTS];
		const struct scope *scopes[ENDS];
		struct endpoint ends[ENDS];
		struct reading reading;
		random_change(round * 104729, before, after);
		char *text = random_policy(after);
		read_policy(&reading, "policy", text);
		struct narrowing *narrowing = narrowing_create(reading.arena, &reading.world);
		for (size_t i = 0; i < ENDS; i++) {
			ends[i] = random_end(&reading.world, i);
			const struct endpoints endpoints = {&ends[i], 1, NULL};
			scopes[i] = narrowing_scope(narrowing, &endpoints);
		}
		for (size_t i = 0; i < ENDS * ENDS * RANDOM_PORTS; i++) {
			size_t from = i / RANDOM_PORTS / ENDS, to = i / RANDOM_PORTS % ENDS;
			const struct port_range *port = &random_ports[i % RANDOM_PORTS];
			const struct flow flow = {ends[from], ends[to], port->protocol, port->first};
			const struct verdict whole = verdict_of(&reading.world, &flow);
			const struct verdict part =
			    verdict_of(narrowing_world(narrowing, scopes[from], scopes[to]), &flow);
			if (!same_verdict(&whole, &part))
				fail_msg("end %zu to end %zu, port %u:\n%s", from, to, port->first, text);
			asked++;
		}
		narrowing_finish(narrowing);
		arena_free(reading.arena);
		free(text);
	}
	print_message("# %zu verdicts\n", asked);
}

/* Writes an end as a log does: a workload by name and address, or an address. */
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

static void write_flow(FILE *stream, const struct flow *flow)
{
	fputc('{', stream);
	write_end(stream, "src", &flow->from);
	write_end(stream, "dst", &flow->to);
	fprintf(stream, "\"proto\": %u, \"dport\": %u, \"type\": %u}\n", flow->protocol, flow->port, flow->port >> 8);
}

/* What verdict_of says becomes of a flow. */
static enum fate fate_of(const struct world *worlds[2], const struct flow flows[2])
{
	const struct verdict old = verdict_of(worlds[0], &flows[0]);
	struct verdict new = verdict_of(worlds[1], &flows[1]);
	if (!random_fits(&flows[1])) /* host workloads that are on one node no more */
		new = (struct verdict){.egress.reason = REASON_NO_ALLOW, .ingress.reason = REASON_NO_ALLOW};
	bool nobody = (old.egress.reason == REASON_UNKNOWN && new.egress.reason == REASON_UNKNOWN) ||
		      (old.ingress.reason == REASON_UNKNOWN && new.ingress.reason == REASON_UNKNOWN);
	if (nobody)
		return FATE_UNKNOWN;
	return old.allowed == new.allowed ? FATE_SAME : old.allowed ? FATE_CUT : FATE_PASSES;
}

/* Everything that one end may send. Returns how many flows change. */
static size_t replay_from(const struct world *worlds[2], size_t from, const char *texts[2])
{
	size_t expected[FATES] = {0}, size = 0;
	char *log = NULL;
	FILE *stream = open_memstream(&log, &size);
	struct arena *arena = arena_create();
	assert_non_null(stream);
	for (size_t i = 0; i < ENDS * RANDOM_PORTS; i++) {
		const struct port_range *port = &random_ports[i % RANDOM_PORTS];
		struct flow flows[2];
		for (int j = 0; j < 2; j++)
			flows[j] = (struct flow){random_end(worlds[j], from), random_end(worlds[j], i / RANDOM_PORTS),
						 port->protocol, port->first};
		if (!random_fits(&flows[0]))
			continue;
		expected[fate_of(worlds, flows)]++;
		write_flow(stream, &flows[0]);
	}
	assert_int_equal(fclose(stream), 0);
	struct replay *replay = replay_create(arena, worlds[0], worlds[1]);
	add_all(replay, log);
	const struct replay_result result = replay_finish(replay);
	for (int fate = 0; fate < FATES; fate++)
		if (result.totals[fate].flows != expected[fate])
			fail_msg("from end %zu, fate %d: %zu and not %zu:\n%s\n======\n%s", from, fate,
				 result.totals[fate].flows, expected[fate], texts[0], texts[1]);
	for (size_t i = 0; i < result.line_count; i++)
		for (int j = 0; j < 2 && result.lines[i].problem == NULL; j++) {
			if (!random_fits(&result.lines[i].flows[j]))
				continue;
			const struct verdict whole = verdict_of(worlds[j], &result.lines[i].flows[j]);
			assert_true(same_verdict(&whole, &result.lines[i].verdicts[j]));
		}
	free(log);
	arena_free(arena);
	return expected[FATE_CUT] + expected[FATE_PASSES];
}

static void every_flow_is_judged_as_verdict_of_does(void **state)
{
	size_t changed = 0;
	(void)state;
	for (uint32_t round = 1; round <= CHANGES; round++) {
		uint32_t before[RANDOM_PARTS], after[RANDOM_PARTS];
		struct reading old, new;
		random_change(round * 7919, before, after);
		char *texts[] = {random_policy(before), random_policy(after)};
		read_policy(&old, "old", texts[0]);
		read_policy(&new, "new", texts[1]);
		const struct world *worlds[] = {&old.world, &new.world};
		for (size_t i = 0; i < ENDS; i++)
			changed += replay_from(worlds, i, (const char *[]){texts[0], texts[1]});
		free(texts[0]);
		free(texts[1]);
		arena_free(old.arena);
		arena_free(new.arena);
	}
	assert_true(changed > 1000);
	print_message("# %d changes, %zu flows that changed\n", CHANGES, changed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_flow_is_told),
	    cmocka_unit_test(a_port_that_there_is_not_is_refused),
	    cmocka_unit_test(a_part_says_what_the_whole_says),
	    cmocka_unit_test(every_flow_is_judged_as_verdict_of_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
