/* What a change means: a table of changes with what is told of them, and small random policies of which everything is
 * asked in both versions. */
#include "tests/unit/random_policy.h"
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/diff.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a table ---- */

/* All that is told, a line for each: `+FROM>TO PORTS @FILE:LINE xPAIRS;`, `!TEXT;`. */
static char *told(const struct diff *diff)
{
	char *text = NULL, port[48];
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < diff->change_count; i++) {
		const struct flow_change *change = &diff->changes[i];
		fprintf(stream, "%c%s>%s", change->opened ? '+' : '-', change->from, change->to);
		for (size_t j = 0; j < change->port_count; j++)
			fprintf(stream, " %s", port_range_format(&change->ports[j], port));
		for (size_t j = 0; j < change->cause_count; j++)
			fprintf(stream, " @%s:%u",
				change->causes[j].span.file != NULL ? change->causes[j].span.file : "",
				change->causes[j].span.line);
		if (diff->has_inventory && change->between_workloads)
			fprintf(stream, " x%zu", change->pairs);
		fputc(';', stream);
	}
	for (size_t i = 0; i < diff->widening_count; i++)
		fprintf(stream, "!%s;", diff->widenings[i].text);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* Lines 1 to 7; the allows of a case begin in line 8. */
#define BASE                                                                              \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                     \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                       \
	"  api: {workloads: {app: api, tier: [gold, silver]}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                          \
	"allow:\n"
#define WITH(rest) BASE rest
#define INVENTORY                                                                             \
	"---\nringfence: v1\nnodes: {n: {addresses: [192.0.2.1]}}\nworkloads:\n"              \
	"- {name: w1, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.1]}\n" \
	"- {name: w2, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.2]}\n" \
	"- {name: w3, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.3]}\n" \
	"- {name: d1, namespace: shop, labels: {app: db}, node: n, addresses: [10.0.0.4]}\n"  \
	"- {name: x1, namespace: lab, labels: {}, node: n, addresses: [10.0.0.5]}\n"
#define OTHER_INVENTORY                                                                       \
	"---\nringfence: v1\nnodes: {n: {addresses: [192.0.2.1]}}\nworkloads:\n"              \
	"- {name: w1, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.1]}\n" \
	"- {name: w2, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.2]}\n" \
	"- {name: w3, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.3]}\n" \
	"- {name: d1, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.4]}\n" \
	"- {name: x1, namespace: lab, labels: {}, node: n, addresses: [10.0.0.5]}\n"
#define POLICY_OF(name, spec)                                                                                       \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " name ", namespace: shop}\n" \
	"spec: " spec "\n"

static const struct {
	const char *true_is, *before, *after, *told;
} cases[] = {
    {"nothing is no difference", WITH("- {from: web, to: db}\n"), WITH("- {from: web, to: db}\n"), ""},
    {"another order is none", WITH("- {from: web, to: db}\n- {from: web, to: api}\n"),
     WITH("- {from: web, to: api}\n- {from: web, to: db}\n"), ""},
    {"one allow in two is none", WITH("- {from: web, to: [api, db], ports: [http, sql]}\n"),
     WITH("- {from: web, to: db}\n- {from: web, to: api}\n"), ""},
    {"a range in two is none", WITH("- {from: web, to: db, ports: [10-20/tcp]}\n"),
     WITH("- {from: web, to: db, ports: [16-20/tcp, 10-15/tcp]}\n"), ""},
    {"the service's selector as a peer by labels is none", WITH("- {from: web, to: db}\n"),
     WITH("- {from: {labels: {app: [web]}}, to: db}\n"), ""},
    {"an allow", WITH("- {from: web, to: db}\n"), WITH("- {from: web, to: db}\n- {from: web, to: api}\n"),
     "+shop/web>shop/api 8080/tcp @new:9;"},
    {"an allow that is gone", WITH("- {from: web, to: db}\n- {from: web, to: api}\n"), WITH("- {from: web, to: db}\n"),
     "-shop/web>shop/api 8080/tcp @old:9;"},
    {"ports that touch are one range", WITH("- {from: web, to: db, ports: [5/tcp]}\n"),
     WITH("- {from: web, to: db, ports: [1-4/tcp, 5/tcp, 6-9/tcp, 20/udp]}\n"),
     "+shop/web>shop/db 1-4/tcp 6-9/tcp 20/udp @new:8;"},
    {"every port is any", WITH("- {from: web, to: api}\n"),
     WITH("- {from: web, to: api}\n- {from: web, to: db, ports: [any]}\n"), "+shop/web>shop/db any @new:9;"},
    {"an allow that is over counts as none", WITH("- {from: web, to: db}\n"),
     WITH("- {from: web, to: db}\n- {from: web, to: api, until: 2027-01-14}\n"), ""},
    {"an end that moves is told", WITH("- {from: web, to: db, until: 2027-02-01}\n"),
     WITH("- {from: web, to: db, until: 2027-03-01}\n"), "!an allow holds longer, until 2027-03-02T00:00:00Z;"},
    {"an end that is gone too", WITH("- {from: web, to: db, until: 2027-02-01}\n"), WITH("- {from: web, to: db}\n"),
     "!an allow has no end any more;"},
    {"an end that comes nearer is none now", WITH("- {from: web, to: db}\n"),
     WITH("- {from: web, to: db, until: 2027-02-01}\n"), ""},
    {"any is one line", WITH("- {from: web, to: db}\n"), WITH("- {from: any, to: db}\n"),
     "+any>shop/db 5432/tcp @new:8;!an allow from any is new;"},
    {"world that was there is not new", WITH("- {from: world, to: [web, db], ports: [1/tcp]}\n"),
     WITH("- {from: world, to: db, ports: [1/tcp]}\n- {from: world, to: web, ports: [1/tcp]}\n"), ""},
    {"a network that grew", "networks: {out: [203.0.113.0/25]}\n" WITH("- {from: out, to: db}\n"),
     "networks: {out: [203.0.113.0/24]}\n" WITH("- {from: out, to: db}\n"),
     "+shop/out>shop/db 5432/tcp @new:9;!network shop/out grew: it holds 203.0.113.128 now;"},
    {"a network in halves is none", "networks: {out: [203.0.113.0/24]}\n" WITH("- {from: out, to: db}\n"),
     "networks: {out: [203.0.113.128/25, 203.0.113.0/25]}\n" WITH("- {from: out, to: db}\n"), ""},
    {"a requirement that is gone",
     "ringfence: v1\nservices: {a: {workloads: {k: [x, y], l: z}}, b: {workloads: {k: v}}}\nallow: [{from: a, to: b, "
     "ports: [1/tcp]}]\n",
     "ringfence: v1\nservices: {a: {workloads: {k: [x, y]}}, b: {workloads: {k: v}}}\nallow: [{from: a, to: b, ports: "
     "[1/tcp]}]\n",
     "+default/a>default/b 1/tcp @new:3;!service default/a selects more: {k: x};"},
    {"a value that is refused no more",
     "ringfence: v1\nservices: {a: {workloads: {k: {not: [x, y]}}}}\nallow: [{from: a, to: world, ports: [1/tcp]}]\n",
     "ringfence: v1\nservices: {a: {workloads: {k: {not: [x]}}}}\nallow: [{from: a, to: world, ports: [1/tcp]}]\n",
     "+default/a>world 1/tcp @new:3;!service default/a selects more: {k: y};!an allow to world is new;"},
    {"a never that is gone", WITH("- {from: web, to: db}\nnever: [{from: world, to: db}]\n"),
     WITH("- {from: web, to: db}\n"), "!a `never` is gone, or says less now;"},
    {"a never in two is not", WITH("- {from: web, to: db}\nnever: [{from: world, to: [db, web]}]\n"),
     WITH("- {from: web, to: db}\nnever: [{from: world, to: web}, {from: world, to: db}]\n"), ""},
    {"a never that is broken", WITH("- {from: web, to: db}\n"),
     WITH("- {from: web, to: db}\nnever: [{from: web, to: db}]\n"),
     "!a `never` is broken: shop/web -> shop/db 5432/tcp is opened by new:8;"},
    {"audit", WITH("- {from: web, to: db}\n"), WITH("- {from: web, to: db}\nsettings: {mode: audit}\n"),
     "!mode is audit now: what is denied is logged and let through;"},
    {"a service in audit mode",
     WITH("- {from: web, to: db}\n---\nringfence: v1\nservices: {ping: {workloads: {app: ping}}}\n"),
     WITH("- {from: web, to: db}\n---\nringfence: v1\nservices: {ping: {workloads: {app: ping}, mode: audit}}\n"),
     "!service default/ping is in audit mode now: what it denies is logged and let through;"},
    {"how a denial ends opens nothing",
     WITH("- {from: web, to: db}\n---\nringfence: v1\nservices: {ping: {workloads: {app: ping}}}\n"),
     WITH("- {from: web, to: db}\n---\nringfence: v1\nservices: {ping: {workloads: {app: ping}, deny: reject}}\n"), ""},
    {"pairs are counted", WITH("- {from: web, to: api}\n") INVENTORY,
     WITH("- {from: web, to: [db, web, api], ports: [1/tcp, http]}\n") INVENTORY,
     "+shop/web>shop/api 1/tcp @new:8 x0;+shop/web>shop/db 1/tcp @new:8 x3;+shop/web>shop/web 1/tcp 8080/tcp @new:8 "
     "x6;"},
    {"a workload in quarantine", WITH("- {from: web, to: db}\n") INVENTORY,
     WITH("- {from: web, to: db}\nquarantine: [{workload: w1}]\n") INVENTORY, "-shop/web>shop/db 5432/tcp @new:9 x1;"},
    {"a workload with other labels", WITH("- {from: web, to: db}\n") INVENTORY,
     WITH("- {from: web, to: db}\n") OTHER_INVENTORY,
     "+shop/d1>shop/db 5432/tcp @new:16 x0;-shop/web>shop/d1 5432/tcp @new:16 x3;"
     "!service shop/web selects more: d1 (1 workload of the inventory);"},
    {"other workloads of a kind are none", WITH("- {from: web, to: db}\n") INVENTORY,
     WITH("- {from: web, to: db}\n") INVENTORY
     "- {name: w9, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.0.9]}\n",
     ""},
    {"a rule of a NetworkPolicy",
     POLICY_OF("p", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}") INVENTORY,
     POLICY_OF("p",
	       "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], "
	       "ports: [{port: 5432}]}]}") INVENTORY,
     "+shop/{app: web}>shop/d1 5432/tcp @new:5 x3;"},
    {"without an inventory too", POLICY_OF("p", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}"),
     POLICY_OF("p",
	       "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], "
	       "ports: [{port: 5432}]}]}"),
     "+shop/{app: web}>shop/{app: db} 5432/tcp @new:5;"},
    {"two NetworkPolicies for one are none",
     POLICY_OF("p", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
		    "web}}}, {podSelector: {matchLabels: {app: db}}}]}]}") INVENTORY,
     POLICY_OF("p",
	       "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}")
	 POLICY_OF(
	     "q",
	     "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}")
	     INVENTORY,
     ""},
};

static void each_change_is_told(void **state)
{
	size_t failed = 0;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading old, new;
		struct world before = read_policy(&old, "old", cases[i].before);
		struct world after = read_policy(&new, "new", cases[i].after);
		struct diff diff = diff_compare(new.arena, &before, &after);
		char *text = told(&diff);
		if (strcmp(text, cases[i].told) != 0) {
			print_message("# %s: %s\n", cases[i].true_is, text);
			failed++;
		}
		free(text);
		diff = diff_compare(new.arena, &after, &after);
		assert_int_equal(diff.change_count, 0);
		arena_free(old.arena);
		arena_free(new.arena);
	}
	assert_int_equal(failed, 0);
	print_message("# %zu cases\n", sizeof cases / sizeof *cases);
}

/* ---- random policies, of which everything is asked ---- */

static bool is_told(const struct diff *diff, bool opened, const struct port_range *port)
{
	for (size_t i = 0; i < diff->change_count; i++)
		for (size_t j = 0; j < diff->changes[i].port_count; j++) {
			const struct port_range *range = &diff->changes[i].ports[j];
			if (diff->changes[i].opened == opened &&
			    (range->protocol == PROTOCOL_ANY ||
			     (range->protocol == port->protocol && range->first <= port->first &&
			      port->first <= range->last)))
				return true;
		}
	return false;
}

struct asking {
	const struct world *worlds[2];
	const struct diff *diff;
	bool pairs[2][RANDOM_WORKLOADS][RANDOM_WORKLOADS]; /* closed, opened */
	size_t untold;
};

static bool are_neighbours(const struct endpoint from[2], const struct endpoint to[2], int version)
{
	const struct workload *a = from[version].workload, *b = to[version].workload;
	return a != NULL && b != NULL && strcmp(a->node, b->node) == 0 && (a->cgroup != NULL || b->cgroup != NULL);
}

static const char *node_in(const struct world *world, const struct workload *workload)
{
	return inventory_workload(world->inventory, workload->name_space, workload->name)->node;
}

/* Whether a flow is between a node and a workload that moved: to that, the node is another one now. */
static bool has_moved_from(const struct asking *asking, const struct endpoint *end, const struct endpoint *other)
{
	const struct workload *workload = end->workload;
	return workload != NULL && workload->name[0] == 'w' && other->workload == NULL && other->has_address &&
	       strcmp(node_in(asking->worlds[0], workload), node_in(asking->worlds[1], workload)) != 0 &&
	       inventory_node_at(asking->worlds[0]->inventory, &other->address) != NULL;
}

static void ask(struct asking *asking, size_t from, size_t to, const struct port_range *port, bool over_loopback)
{
	bool allowed[2], fit = true;
	struct endpoint sources[2], destinations[2];
	for (int i = 0; i < 2; i++) {
		sources[i] = random_end(asking->worlds[i], from);
		destinations[i] = random_end(asking->worlds[i], to);
		struct flow flow = random_flow_of(asking->worlds[i], from, to, port);
		if (over_loopback)
			random_over_loopback(&flow);
		fit = fit && random_fits(&flow);
		allowed[i] = verdict_of(asking->worlds[i], &flow).allowed;
	}
	if (are_neighbours(sources, destinations, 0) != are_neighbours(sources, destinations, 1))
		for (int i = 0; i < 2; i++)
			allowed[i] = random_any_allowed(asking->worlds[i], from, to, port);
	else if (!fit)
		return;
	if (allowed[0] == allowed[1] || has_moved_from(asking, &sources[0], &destinations[0]) ||
	    has_moved_from(asking, &destinations[0], &sources[0]))
		return;
	asking->untold += !is_told(asking->diff, allowed[1], port);
	if (from < 2 * RANDOM_WORKLOADS && to < 2 * RANDOM_WORKLOADS)
		asking->pairs[allowed[1]][from / 2][to / 2] = true;
}

static size_t count_pairs(const struct asking *asking, bool opened)
{
	size_t count = 0;
	for (size_t i = 0; i < RANDOM_WORKLOADS; i++)
		for (size_t j = 0; j < RANDOM_WORKLOADS; j++)
			count += asking->pairs[opened][i][j];
	return count;
}

/* Host workloads of two nodes do not meet at loopback addresses. */
static bool is_impossible(const struct world *world, const struct flow *flow)
{
	const struct workload *from = flow->from.workload, *to = flow->to.workload;
	bool loopback = (flow->from.has_address && address_is_loopback(&flow->from.address)) ||
			(flow->to.has_address && address_is_loopback(&flow->to.address));
	return loopback && from != NULL && to != NULL && strcmp(node_in(world, from), node_in(world, to)) != 0;
}

static void examples_hold(const struct asking *asking, const char *before, const char *after)
{
	for (size_t i = 0; i < asking->diff->change_count; i++) {
		const struct flow_change *change = &asking->diff->changes[i];
		bool allowed[2];
		for (int j = 0; j < 2; j++)
			allowed[j] = !is_impossible(asking->worlds[j], &change->flows[j]) &&
				     verdict_of(asking->worlds[j], &change->flows[j]).allowed;
		const struct flow *flow = &change->flows[change->opened];
		if (has_moved_from(asking, &flow->from, &flow->to) || has_moved_from(asking, &flow->to, &flow->from))
			continue;
		if (allowed[0] == change->opened || allowed[1] != change->opened)
			fail_msg("%s -> %s is told and is not so:\n%s\n======\n%s", change->from, change->to, before,
				 after);
	}
}

static bool is_host(const struct world *world, size_t number)
{
	const struct endpoint end = random_end(world, number);
	return end.workload != NULL && end.workload->cgroup != NULL;
}

/* Asks everything in both versions. Pairs of workloads must be those that are counted; of the rest, what differs must
 * be told, and what is told must differ. Returns whether anything does. */
static bool compare_with_everything(const char *before_text, const char *after_text)
{
	struct reading old, new;
	struct world before = read_policy(&old, "old", before_text), after = read_policy(&new, "new", after_text);
	const struct diff diff = diff_compare(new.arena, &before, &after);
	struct asking asking = {.worlds = {&before, &after}, .diff = &diff};
	enum { ENDS = 2 * RANDOM_WORKLOADS + RANDOM_STRANGERS };
	for (size_t i = 0; i < ENDS * ENDS * RANDOM_PORTS; i++) {
		size_t from = i / RANDOM_PORTS / ENDS, to = i / RANDOM_PORTS % ENDS;
		const struct port_range *port = &random_ports[i % RANDOM_PORTS];
		if (from >= 2 * RANDOM_WORKLOADS && to >= 2 * RANDOM_WORKLOADS)
			continue;
		ask(&asking, from, to, port, false);
		if (is_host(&after, from) && is_host(&after, to))
			ask(&asking, from, to, port, true);
	}
	size_t gained = count_pairs(&asking, true), lost = count_pairs(&asking, false);
	if (gained != diff.pairs_gained || lost != diff.pairs_lost || asking.untold > 0)
		fail_msg("%zu gained and %zu told, %zu lost and %zu told, %zu other flows untold:\n%s\n======\n%s",
			 gained, diff.pairs_gained, lost, diff.pairs_lost, asking.untold, before_text, after_text);
	examples_hold(&asking, before_text, after_text);
	bool differs = diff.change_count > 0;
	arena_free(old.arena);
	arena_free(new.arena);
	return differs;
}

static void nothing_is_missed(void **state)
{
	enum { PAIRS = 400 };
	size_t different = 0;
	(void)state;
	for (uint32_t round = 1; round <= PAIRS; round++) {
		uint32_t before[RANDOM_PARTS], after[RANDOM_PARTS];
		random_change(round * 7919, before, after);
		char *texts[] = {random_policy(before), random_policy(after)};
		different += compare_with_everything(texts[0], texts[1]);
		free(texts[0]);
		free(texts[1]);
	}
	assert_true(different > PAIRS / 4 && different < PAIRS);
	print_message("# %d pairs of policies, %zu with a difference\n", PAIRS, different);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_change_is_told),
	    cmocka_unit_test(nothing_is_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
