/* Which allow comes nearest to a denied flow, and what it misses: a table of policies and questions. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines 1 to 10, so that the first allow of a case stands in line 11. */
#define BASE                                                                              \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                     \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                       \
	"  api: {workloads: {app: api, tier: [gold, silver]}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                          \
	"  batch: {workloads: {app: batch}, ports: {http: 8080/tcp}}\n"                   \
	"networks: {out: {cidrs: [203.0.113.0/24], except: [203.0.113.64/26]}}\n\nallow:\n"
#define WORKLOADS                                                                                    \
	"---\nringfence: v1\nnamespaces: {shop: {labels: {team: a}}, lab: {labels: {team: b}}}\n"    \
	"nodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\nworkloads:\n"      \
	"  - {name: web-1, namespace: shop, node: n0, labels: {app: web}, addresses: [10.0.1.1]}\n"  \
	"  - {name: api-1, namespace: shop, labels: {app: api, tier: tin}, addresses: [10.0.1.2]}\n" \
	"  - {name: db-1, namespace: shop, labels: {app: db, env: dev}, addresses: [10.0.1.3]}\n"    \
	"  - {name: lab-1, namespace: lab, labels: {app: web}, addresses: [10.0.1.4]}\n"             \
	"  - {name: bare, namespace: shop, labels: {app: batch}}\n"                                  \
	"  - {name: six, namespace: shop, labels: {app: batch}, addresses: [\"2001:db8::1\"]}\n"
#define ALLOW(text) "  - " text "\n"

static const struct {
	const char *true_is, *allows;
	const char *from, *to, *port;
	const char *nearest; /* LINE TEXT; MISS; MISS, one line for each; then what no allow speaks of */
} cases[] = {
    {"a port", ALLOW("{from: web, to: db}"), "shop/web", "shop/db", "5433/tcp",
     "11 shop/web -> shop/db on 5432/tcp; port: the port is 5433/tcp\n"},
    {"a protocol is a port", ALLOW("{from: web, to: db}"), "shop/web", "shop/db", "5432/udp",
     "11 shop/web -> shop/db on 5432/tcp; port: the port is 5432/udp\n"},
    {"a label of the source", ALLOW("{from: web, to: db}"), "shop/batch", "shop/db", "sql",
     "11 shop/web -> shop/db on 5432/tcp; source: the source: app is \"batch\" and not \"web\"\n"
     "no allow has shop/bare as its source\n"},
    {"a label of the destination", ALLOW("{from: web, to: db}"), "shop/web", "shop/batch", "5432/tcp",
     "11 shop/web -> shop/db on 5432/tcp; destination: the destination: app is \"batch\" and not \"db\"\n"
     "no allow has shop/bare as its destination\n"},
    {"one of many values", ALLOW("{from: api, to: db}"), "shop/api-1", "shop/db", "sql",
     "11 shop/api -> shop/db on 5432/tcp; source: the source: tier is \"tin\" and not \"gold\" or \"silver\"\n"
     "no allow has shop/api-1 (10.0.1.2) as its source\n"},
    {"a label that is missing", ALLOW("{from: {labels: {zone: {exists: true}, app: web, x: \"1\"}}, to: db}"),
     "shop/web", "shop/db", "sql",
     "11 {labels: {zone: {exists: true}, app: web, x: 1}, namespaces: shop} -> shop/db on 5432/tcp; source: the "
     "source: it has no label zone, x is missing and not \"1\"\n"
     "no allow has shop/web-1 (10.0.1.1) as its source\n"},
    {"a label that must not be", ALLOW("{from: web, to: {labels: {env: {not: [dev]}}}, ports: [sql, 5432/tcp]}"),
     "shop/web", "shop/db-1", "5432/tcp",
     "11 shop/web -> {labels: {env: {not: [dev]}}, namespaces: shop} on 5432/tcp, sql; destination: the "
     "destination: env is \"dev\", which is excluded\n"
     "no allow has shop/db-1 (10.0.1.3) as its destination\n"},
    {"a namespace", ALLOW("{from: web, to: db}"), "lab/lab-1", "shop/db", "sql",
     "11 shop/web -> shop/db on 5432/tcp; source: the source: its namespace is lab and not shop\n"
     "no allow has lab/lab-1 (10.0.1.4) as its source\n"},
    {"the labels of a namespace",
     ALLOW("{from: {labels: {app: web}, namespaces: {labels: {team: a}}}, to: db, ports: [any]}"), "lab/lab-1",
     "shop/db", "sql",
     "11 {labels: {app: web}, namespaces: {labels: {team: a}}} -> shop/db on any; source: the source: namespace "
     "lab: team is \"b\" and not \"a\"\n"
     "no allow has lab/lab-1 (10.0.1.4) as its source\n"},
    {"an address", ALLOW("{from: out, to: db}"), "203.0.113.65", "shop/db", "sql",
     "11 shop/out -> shop/db on 5432/tcp; source: the source: 203.0.113.65 is not in shop/out\n"},
    {"a workload without an address", ALLOW("{from: out, to: db}") ALLOW("{from: web, to: batch}"), "shop/bare",
     "shop/db", "sql",
     "11 shop/out -> shop/db on 5432/tcp; source: the source: shop/bare has no address\n"
     "no allow has shop/bare as its source\n"},
    {"an address that is no workload", ALLOW("{from: web, to: db}"), "203.0.113.1", "shop/db", "sql",
     "11 shop/web -> shop/db on 5432/tcp; source: the source: 203.0.113.1 is no workload\n"},
    {"the world", ALLOW("{from: world, to: db}"), "shop/web-1", "shop/db", "sql",
     "11 world -> shop/db on 5432/tcp; source: the source: shop/web-1 (10.0.1.1) is a workload\n"
     "no allow has shop/web-1 (10.0.1.1) as its source\n"},
    {"a node is not the world", ALLOW("{from: world, to: db}"), "192.0.2.1", "shop/db", "sql",
     "11 world -> shop/db on 5432/tcp; source: the source: 192.0.2.1 is a node\n"},
    {"the own node", ALLOW("{from: node, to: db}"), "192.0.2.1", "shop/db-1", "sql",
     "11 node -> shop/db on 5432/tcp; source: the source: 192.0.2.1 is not the node of the other end\n"},
    {"the direction", ALLOW("{from: web, to: db}"), "shop/db", "shop/web", "5432/tcp",
     "11 shop/web -> shop/db on 5432/tcp; direction: the direction is the other one\n"
     "no allow has shop/db-1 (10.0.1.3) as its source\nno allow has shop/web-1 (10.0.1.1) as its destination\n"},
    {"the direction and the port", ALLOW("{from: web, to: db}"), "shop/db", "shop/web", "http",
     "11 shop/web -> shop/db on 5432/tcp; direction: the direction is the other one; port: the port is 8080/tcp\n"
     "no allow has shop/db-1 (10.0.1.3) as its source\nno allow has shop/web-1 (10.0.1.1) as its destination\n"},
    {"an end", ALLOW("{from: web, to: db, until: 2027-01-01}"), "shop/web", "shop/db", "sql",
     "11 shop/web -> shop/db on 5432/tcp; expired: expired since 2027-01-02T00:00:00Z\n"},
    {"an end and a port", ALLOW("{from: web, to: db, until: 2027-01-01}"), "shop/web", "shop/db", "22/tcp",
     "11 shop/web -> shop/db on 5432/tcp; port: the port is 22/tcp; expired: expired since 2027-01-02T00:00:00Z\n"},
    {"of equal misses an end before a port, and that before another source",
     ALLOW("{from: api, to: db}") ALLOW("{from: web, to: db, ports: [22/tcp]}")
	 ALLOW("{from: web, to: db, until: 2027-01-01}"),
     "shop/web", "shop/db", "sql",
     "13 shop/web -> shop/db on 5432/tcp; expired: expired since 2027-01-02T00:00:00Z\n"
     "12 shop/web -> shop/db on 22/tcp; port: the port is 5432/tcp\n"
     "11 shop/api -> shop/db on 5432/tcp; source: the source: app is \"web\" and not \"api\", tier is missing and not "
     "\"gold\" or \"silver\"\n"},
    {"fewest misses first", ALLOW("{from: api, to: db, ports: [22/tcp]}") ALLOW("{from: web, to: db, ports: [22/tcp]}"),
     "shop/web", "shop/db", "sql",
     "12 shop/web -> shop/db on 22/tcp; port: the port is 5432/tcp\n"
     "11 shop/api -> shop/db on 22/tcp; source: the source: app is \"web\" and not \"api\", tier is missing and not "
     "\"gold\" or \"silver\"; port: the port is 5432/tcp\n"},
    {"then the order of the file",
     ALLOW("{from: web, to: db, ports: [9/tcp]}") ALLOW("{from: web, to: db, ports: [2/tcp]}")
	 ALLOW("{from: web, to: db, ports: [5/tcp]}") ALLOW("{from: web, to: db, ports: [1/tcp]}"),
     "shop/web", "shop/db", "sql",
     "11 shop/web -> shop/db on 9/tcp; port: the port is 5432/tcp\n"
     "12 shop/web -> shop/db on 2/tcp; port: the port is 5432/tcp\n"
     "13 shop/web -> shop/db on 5/tcp; port: the port is 5432/tcp\n"},
    {"of many ends the one that comes nearest", ALLOW("{from: [api, batch], to: [web, db], ports: [sql, 1/tcp]}"),
     "shop/web", "shop/db", "sql",
     "11 shop/batch -> shop/db on 5432/tcp, 1/tcp; source: the source: app is \"web\" and not \"batch\"\n"
     "no allow has shop/web-1 (10.0.1.1) as its source\n"},
    {"a destination with another port before another destination with the port",
     ALLOW("{from: web, to: [batch, db], ports: [http, 1/tcp]}"), "shop/web", "shop/db", "8080/tcp",
     "11 shop/web -> shop/db on 1/tcp; port: the port is 8080/tcp\n"},
    {"an allow between others is not near", ALLOW("{from: web, to: api}"), "shop/batch", "shop/db", "sql",
     "no allow has shop/bare as its source\nno allow has shop/db-1 (10.0.1.3) as its destination\n"},
    {"a service without any allow", ALLOW("{from: web, to: api}"), "shop/web", "shop/db", "sql",
     "11 shop/web -> shop/api on 8080/tcp; destination: the destination: app is \"db\" and not \"api\", tier is "
     "missing and not \"gold\" or \"silver\"; port: the port is 5432/tcp\n"
     "no allow has shop/db-1 (10.0.1.3) as its destination\n"},
    {"an unknown address needs no allow", ALLOW("{from: web, to: db}"), "10.0.1.77", "shop/db", "sql", ""},
    {"families that have nothing in common", ALLOW("{from: batch, to: db}"), "shop/six", "shop/db-1", "sql", ""},
    {"what is allowed", ALLOW("{from: web, to: db}"), "shop/web", "shop/db", "sql", ""},
    {"a quarantine needs no allow",
     ALLOW("{from: web, to: db}") "quarantine: [{workload: shop/web-1, until: 2028-01-01}]\n", "shop/web-1", "shop/db",
     "5433/tcp", ""},
    {"a rule of a NetworkPolicy counts on its side",
     ALLOW("{from: web, to: db, ports: [22/tcp]}") "---\napiVersion: networking.k8s.io/v1\nkind: "
						   "NetworkPolicy\nmetadata: {name: n, namespace: shop}\n"
						   "spec:\n  podSelector: {matchLabels: {app: db}}\n  ingress:\n"
						   "  - {from: [{podSelector: {matchLabels: {app: web}}}], ports: "
						   "[{port: 5432}]}\n",
     "shop/web", "shop/db", "sql", "11 shop/web -> shop/db on 22/tcp; port: the port is 5432/tcp\n"},
};

static struct world read_world(struct reading *reading, const char *allows)
{
	char *text = NULL;
	assert_true(asprintf(&text, "%s%s%s", BASE, allows, WORKLOADS) > 0);
	const struct world world = read_policy(reading, "p", text);
	free(text);
	return world;
}

static struct nearest ask(struct arena *arena, const struct world *world, size_t i, size_t most)
{
	struct endpoints from, to;
	struct verdict verdict;
	struct flow flow;
	assert_null(endpoints_find(arena, world, cases[i].from, &from));
	assert_null(endpoints_find(arena, world, cases[i].to, &to));
	assert_null(verdict_of_word(arena, world, &from, &to, cases[i].port, &verdict, &flow));
	return nearest_find(arena, world, &flow, &verdict, most);
}

static const char *in_words(struct arena *arena, const struct nearest *nearest)
{
	static const char *const kinds[] = {"source", "destination", "direction", "port", "expired"};
	const char *text = "";
	for (size_t i = 0; i < nearest->count; i++) {
		const struct near_allow *near = &nearest->items[i];
		text = arena_printf(arena, "%s%u %s", text, near->allow->span.line, near->text);
		for (size_t j = 0; j < near->miss_count; j++)
			text =
			    arena_printf(arena, "%s; %s: %s", text, kinds[near->misses[j].kind], near->misses[j].text);
		text = arena_printf(arena, "%s\n", text);
	}
	for (size_t i = 0; i < 2; i++)
		if (nearest->unnamed[i] != NULL)
			text = arena_printf(arena, "%s%s\n", text, nearest->unnamed[i]);
	return text;
}

static void the_nearest_allow(void **state)
{
	(void)state;
	size_t failed = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		struct world world = read_world(&reading, cases[i].allows);
		struct nearest nearest = ask(reading.arena, &world, i, 3);
		const char *words = in_words(reading.arena, &nearest);
		if (strcmp(words, cases[i].nearest) != 0) {
			print_message("# %s:\n%s  expected:\n%s", cases[i].true_is, words, cases[i].nearest);
			failed++;
		}
		arena_free(reading.arena);
	}
	assert_int_equal(failed, 0);
}

static void as_many_as_are_asked_for(void **state)
{
	(void)state;
	static const char *const ordered = "then the order of the file";
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (strcmp(cases[i].true_is, ordered) != 0)
			continue;
		struct reading reading;
		struct world world = read_world(&reading, cases[i].allows);
		for (size_t most = 0; most < 8; most++)
			assert_int_equal(ask(reading.arena, &world, i, most).count, most < 4 ? most : 4);
		arena_free(reading.arena);
		return;
	}
	fail_msg("no such case");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_nearest_allow),
	    cmocka_unit_test(as_many_as_are_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
