/* The proof of `never`: a table of policies with what breaks them, and small random policies that are compared with all
 * label sets there are. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/invariants.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines 1 to 10, so that the allow of a case stands in line 11 and its never behind it. */
#define BASE                                                                                            \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                                   \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                                     \
	"  api: {workloads: {app: api, tier: [gold, silver]}, ports: {http: 8080/tcp}}\n"               \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                                        \
	"  open: {workloads: {role: {exists: true}}, ports: {http: 8080/tcp}}\n"                        \
	"networks: {out: {cidrs: [203.0.113.0/24, \"2001:db8::/32\"], except: [203.0.113.64/26]}, in: " \
	"[10.0.0.0/8]}\n\nallow:\n"
#define CASE(allow, never) BASE "  - " allow "\nnever:\n  - " never "\n"
#define INVENTORY                                                                                   \
	"---\nringfence: v1\nnamespaces: {shop: {labels: {team: a}}, lab: {labels: {team: b}}}\n"   \
	"nodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\nworkloads:\n"     \
	"  - {name: web-1, namespace: shop, node: n0, labels: {app: web}, addresses: [10.0.1.1]}\n" \
	"  - {name: db-1, namespace: shop, node: n0, labels: {app: db}, addresses: [10.0.1.2]}\n"   \
	"  - {name: odd-1, namespace: lab, node: n0, labels: {app: odd}, addresses: [10.0.1.3]}\n"  \
	"  - {name: odd-2, namespace: lab, node: n0, labels: {app: odd}, addresses: [10.0.1.4]}\n"

static const struct {
	const char *true_is, *text;
	const char *opened_by; /* NULL: proved */
	const char *example;   /* a part of it, or NULL */
} cases[] = {
    {"an allow between others breaks nothing", CASE("{from: web, to: api}", "{from: web, to: db}"), NULL, NULL},
    {"the same two do", CASE("{from: web, to: db}", "{from: web, to: db}"), "p:11",
     "{app: web} -> a workload in namespace shop with labels {app: db}, 5432/tcp"},
    {"the other way is another flow", CASE("{from: db, to: web}", "{from: web, to: db}"), NULL, NULL},
    {"other ports are other flows", CASE("{from: web, to: db, ports: [22/tcp]}", "{from: web, to: db, ports: [sql]}"),
     NULL, NULL},
    {"ranges that touch meet",
     CASE("{from: web, to: db, ports: [100-200/tcp]}", "{from: web, to: db, ports: [200-300/tcp]}"), "p:11", "200/tcp"},
    {"and beside each other do not",
     CASE("{from: web, to: db, ports: [100-200/tcp]}", "{from: web, to: db, ports: [201-300/tcp]}"), NULL, NULL},
    {"any port is every port", CASE("{from: web, to: db, ports: [any]}", "{from: web, to: db, ports: [icmp]}"), "p:11",
     "icmp/echo-request"},
    {"another protocol is none of it",
     CASE("{from: web, to: db, ports: [53/udp]}", "{from: web, to: db, ports: "
						  "[53/tcp]}"),
     NULL, NULL},
    {"one workload may be two services", CASE("{from: open, to: db}", "{from: web, to: db}"), "p:11",
     "{app: web, role: some}"},
    {"not with two values of one key", CASE("{from: api, to: db}", "{from: web, to: db}"), NULL, NULL},
    {"lists meet in a common value", CASE("{from: {labels: {tier: [tin, silver]}}, to: db}", "{from: api, to: db}"),
     "p:11", "tier: silver"},
    {"lists without one do not", CASE("{from: {labels: {tier: [tin, lead]}}, to: db}", "{from: api, to: db}"), NULL,
     NULL},
    {"not: takes values away", CASE("{from: {labels: {tier: {not: [gold]}}}, to: db}", "{from: api, to: db}"), "p:11",
     "tier: silver"},
    {"not: all of them", CASE("{from: {labels: {tier: {not: [gold, silver]}}}, to: db}", "{from: api, to: db}"), NULL,
     NULL},
    {"not: lets those without the key pass",
     CASE("{from: {labels: {tier: {not: [gold]}}}, to: db}", "{from: {labels: {tier: {exists: false}}}, to: db}"),
     "p:11", "without labels"},
    {"exists and absent exclude each other",
     CASE("{from: {labels: {tier: {exists: false}}}, to: db}", "{from: api, to: db}"), NULL, NULL},
    {"exists: true finds a value that no list names",
     CASE("{from: {labels: {tier: {not: [some]}}}, to: db}", "{from: {labels: {tier: {exists: true}}}, to: db}"),
     "p:11", "tier: some-1"},
    {"a namespace of its own", CASE("{from: {labels: {app: web}, namespaces: [lab]}, to: db}", "{from: web, to: db}"),
     NULL, NULL},
    {"namespaces: any holds each", CASE("{from: {labels: {tier: x}, namespaces: any}, to: db}", "{from: web, to: db}"),
     "p:11", "namespace shop"},
    {"an unknown namespace could have any label",
     CASE("{from: {labels: {}, namespaces: {labels: {team: b}}}, to: db}", "{from: web, to: db}"), "p:11",
     "namespace shop (with labels {team: b})"},
    {"a known one has those it has",
     CASE("{from: {labels: {}, namespaces: {labels: {team: b}}}, to: db}", "{from: web, to: db}") INVENTORY, NULL,
     NULL},
    {"a namespace by its name label",
     CASE("{from: {labels: {}, namespaces: {labels: {kubernetes.io/metadata.name: [shop, x]}}}, to: db}",
	  "{from: web, to: db}"),
     "p:11", "namespace shop with"},
    {"two label scopes meet in a namespace that nobody knows",
     CASE("{from: {labels: {}, namespaces: {labels: {env: dev}}}, to: {labels: {}, namespaces: {labels: {env: prod}}}, "
	  "ports: [any]}",
	  "{from: {labels: {}, namespaces: {labels: {env: [dev, test]}}}, to: {labels: {}, namespaces: any}}"),
     "p:11", "env: dev"},
    {"and not where their labels exclude each other",
     CASE("{from: {labels: {}, namespaces: {labels: {env: test}}}, to: db}",
	  "{from: {labels: {}, namespaces: {labels: {env: dev}}}, to: db}"),
     NULL, NULL},
    {"cluster is any workload", CASE("{from: cluster, to: db}", "{from: web, to: db}"), "p:11", NULL},
    {"and no address", CASE("{from: out, to: db}", "{from: cluster, to: db}"), NULL, NULL},
    {"any is all of it", CASE("{from: any, to: db}", "{from: world, to: db}"), "p:11", "198.51.100.1 ->"},
    {"never any is all of it too", CASE("{from: node, to: db}", "{from: any, to: db}"), "p:11", "the node of"},
    {"a node is not the world", CASE("{from: node, to: db}", "{from: world, to: db}"), NULL, NULL},
    {"a network is of the world", CASE("{from: out, to: db}", "{from: world, to: db}"), "p:11", "203.0.113.1 ->"},
    {"as a destination too", CASE("{from: db, to: out, ports: [443/tcp]}", "{from: db, to: world}"), "p:11",
     "-> 203.0.113.1, 443/tcp"},
    {"networks that share an address meet", CASE("{from: {cidr: 203.0.113.128/25}, to: db}", "{from: out, to: db}"),
     "p:11", "203.0.113.129 ->"},
    {"the exceptions are outside", CASE("{from: {cidr: 203.0.113.64/27}, to: db}", "{from: out, to: db}"), NULL, NULL},
    {"other networks do not meet", CASE("{from: in, to: db}", "{from: out, to: db}"), NULL, NULL},
    {"of IPv6 as well", CASE("{from: {cidr: \"2001:db8:7::/48\"}, to: db}", "{from: out, to: db}"), "p:11",
     "2001:db8:7::1 ->"},
    {"ICMP is of IPv4", CASE("{from: {cidr: \"2001:db8::/32\"}, to: db, ports: [icmp]}", "{from: world, to: db}"), NULL,
     NULL},
    {"and has another address to go", CASE("{from: out, to: db, ports: [icmpv6]}", "{from: world, to: db}"), "p:11",
     "icmpv6/echo-request"},
    {"between two that are no workloads nothing is ours",
     CASE("{from: out, to: out, ports: [any]}", "{from: world, to: world}"), NULL, NULL},
    {"an address for workloads is not of the world",
     CASE("{from: {cidr: 10.0.1.0/25}, to: db}", "{from: world, to: db}") INVENTORY, NULL, NULL},
    {"an allow that is over opens nothing", CASE("{from: web, to: db, until: 2027-01-14}", "{from: web, to: db}"), NULL,
     NULL},
    {"one that is not does", CASE("{from: web, to: db, until: 2027-01-15}", "{from: web, to: db}"), "p:11", NULL},
    {"a service and itself are two workloads", CASE("{from: web, to: web}", "{from: web, to: web}"), "p:11", NULL},
    {"a port by its name may be any port",
     CASE("{from: web, to: {labels: {app: db}}, ports: [sql]}", "{from: web, to: db, ports: [22/tcp]}"), "p:11",
     "22/tcp, which calls this port `sql`"},
    {"and not at an address", CASE("{from: web, to: any, ports: [sql]}", "{from: web, to: world}"), NULL, NULL},
    {"unmatched: allow leaves open who has no service",
     "settings: {unmatched: allow}\n" CASE("{from: web, to: api}", "{from: {labels: {env: dev}}, to: world}"),
     "`unmatched: allow` at p:1", "{env: dev} -> 198.51.100.1"},
    {"and not who has one", "settings: {unmatched: allow}\n" CASE("{from: web, to: api}", "{from: db, to: world}"),
     NULL, NULL},
    {"nor towards one", "settings: {unmatched: allow}\n" CASE("{from: web, to: api}", "{from: cluster, to: db}"), NULL,
     NULL},
    {"whoever could have one need not",
     "settings: {unmatched: allow}\n" CASE("{from: web, to: api}", "{from: {labels: {app: api}}, to: world}"),
     "`unmatched: allow`", "labels {app: api} ->"},
    {"both ends may have none",
     "settings: {unmatched: allow}\n" CASE("{from: web, to: api}", "{from: {labels: {app: {exists: true}}}, to: "
								   "{labels: {}, namespaces: [lab]}}"),
     "`unmatched: allow`", "{app: some} -> a workload in namespace lab without labels"},
    {"unmatched: deny closes them", CASE("{from: web, to: api}", "{from: {labels: {env: dev}}, to: world}"), NULL,
     NULL},
    {"a network that nodes give to workloads can hold any",
     CASE("{from: in, to: db}", "{from: {labels: {app: odd}, namespaces: [lab]}, to: db}") INVENTORY, "p:11",
     "a workload in namespace lab with labels {app: odd} at 10."},
    {"everything can hold any workload",
     CASE("{from: {cidr: [0.0.0.0/0]}, to: db}", "{from: {labels: {app: odd}, namespaces: [lab]}, to: db}"), "p:11",
     "a workload in namespace lab with labels {app: odd} at "},
    {"a network of which nothing is known holds none",
     CASE("{from: in, to: db}", "{from: {labels: {app: odd}, namespaces: [lab]}, to: db}"), NULL, NULL},
    {"an address of a workload inside a network",
     CASE("{from: in, to: db}",
	  "{from: {labels: {app: odd}, namespaces: [lab]}, to: db}") "---\nringfence: v1\nworkloads: [{name: odd-1, "
								     "namespace: lab, labels: {app: odd}, addresses: "
								     "[10.0.1.3]}, {name: "
								     "db-1, namespace: shop, labels: {app: db}, "
								     "addresses: [10.0.1.2]}]\n",
     "p:11", "lab/odd-1 (10.0.1.3) -> shop/db-1 (10.0.1.2), 5432/tcp"},
    {"a namespace that is named by nobody can have a name that is refused",
     CASE("{from: {labels: {}, namespaces: any}, to: db}",
	  "{from: {labels: {}, namespaces: {labels: {kubernetes.io/metadata.name: {not: [elsewhere]}}}}, to: db}"),
     "p:11", NULL},
    {"what unmatched leaves open, beside a NetworkPolicy of others",
     CASE("{from: web, to: api}",
	  "{from: world, to: {labels: {app: odd}}}") "settings: {unmatched: allow}\n---\napiVersion: "
						     "networking.k8s.io/v1\nkind: NetworkPolicy\n"
						     "metadata: {name: n, namespace: shop}\nspec: {podSelector: "
						     "{matchLabels: {app: other}}}\n",
     "p:14", NULL},
    {"and not where that isolates them for ingress",
     CASE("{from: web, to: api}",
	  "{from: world, to: {labels: {app: odd}}}") "settings: {unmatched: allow}\n---\napiVersion: "
						     "networking.k8s.io/v1\nkind: NetworkPolicy\n"
						     "metadata: {name: n, namespace: shop}\nspec: {podSelector: "
						     "{matchLabels: {app: odd}}}\n",
     NULL, NULL},
    {"and no other network",
     CASE("{from: out, to: db}", "{from: {labels: {app: odd}, namespaces: [lab]}, to: db}") INVENTORY, NULL, NULL},
    {"two services of one node are the node to each other",
     CASE("{from: web, to: node, ports: [5432/tcp]}\n  - {from: node, to: db}", "{from: web, to: db}"),
     "p:11 and p:12, where both are host workloads of one node",
     "a host workload in namespace shop with labels {app: web} at 127.0.0.1 -> a host workload in namespace shop with "
     "labels {app: db} at 127.0.0.1, 5432/tcp"},
    {"on a port that both allows have",
     CASE("{from: web, to: node, ports: [53/udp]}\n  - {from: node, to: db}", "{from: web, to: db, ports: [any]}"),
     NULL, NULL},
    {"and the never",
     CASE("{from: web, to: node, ports: [5432/tcp]}\n  - {from: node, to: db}", "{from: web, to: db, ports: [22/tcp]}"),
     NULL, NULL},
    {"the other way is another flow",
     CASE("{from: web, to: node, ports: [5432/tcp]}\n  - {from: node, to: db}", "{from: db, to: web, ports: [any]}"),
     NULL, NULL},
    {"a service of a node and itself too",
     CASE("{from: [web, node], to: node, ports: [8080/tcp]}\n  - {from: node, to: web}", "{from: web, to: web}"),
     "where both are host workloads", NULL},
    {"a network may hold loopback addresses",
     CASE("{from: web, to: {cidr: 127.0.0.53/32}, ports: [any]}\n  - {from: {cidr: 127.0.0.0/8}, to: db}",
	  "{from: web, to: db}"),
     "where both are host workloads",
     "at 127.0.0.1 -> a host workload in namespace shop with labels {app: db} at "
     "127.0.0.53, 5432/tcp"},
    {"of the family that the other allow has",
     CASE("{from: web, to: {cidr: \"::1/128\"}, ports: [any]}\n  - {from: {cidr: 127.0.0.0/8}, to: db}",
	  "{from: web, to: db}"),
     NULL, NULL},
    {"which ICMP of the other is not",
     CASE("{from: web, to: {cidr: \"::1/128\"}, ports: [any]}\n  - {from: node, to: db, ports: [icmp]}",
	  "{from: web, to: db, ports: [any]}"),
     NULL, NULL},
    {"where nothing isolates the caller, the allow of the other is enough",
     "settings: {unmatched: allow}\n" CASE("{from: node, to: db}", "{from: {labels: {env: dev}}, to: db}"),
     "p:12 and nothing that isolates the other end, where both are host workloads of one node", "{env: dev}"},
    {"a host workload at hand is at its node's addresses",
     CASE("{from: {cidr: 192.0.2.0/24}, to: db}\n  - {from: web, to: {cidr: 10.0.1.0/24}, ports: [any]}",
	  "{from: web, to: db}") "---\nringfence: v1\nnodes: {n0: {addresses: [192.0.2.1]}}\nworkloads:\n"
				 "  - {name: db-1, namespace: shop, node: n1, labels: {app: db}, addresses: "
				 "[10.0.1.2]}\n"
				 "  - {name: web-2, namespace: shop, node: n0, labels: {app: web}, cgroup: "
				 "web.service}\n",
     "p:12 and p:11", "shop/web-2 (192.0.2.1) -> shop/db-1 (10.0.1.2), 5432/tcp"},
    {"a host workload and a neighbour that trusts its node",
     CASE("{from: web, to: node, ports: [22/tcp]}",
	  "{from: web, to: {labels: {app: odd}, namespaces: [lab]}, ports: [any]}") INVENTORY
     "  - {name: web-2, namespace: shop, node: n0, labels: {app: web}, cgroup: web.service}\n"
     "  - {name: odd-9, namespace: lab, node: n0, labels: {app: odd}, cgroup: odd.service}\n"
     "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n, namespace: lab}\n"
     "spec: {podSelector: {}}\n",
     "p:11 and the trust between", "shop/web-2 (192.0.2.1) -> lab/odd-9 (192.0.2.1), 22/tcp"},
    {"a node's address inside a network",
     CASE("{from: {cidr: 192.0.2.0/24}, to: db}", "{from: node, to: db}") INVENTORY, "p:11", "192.0.2.1 -> shop/db-1"},
};

static void each_never_is_proved_or_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		struct world world = read_policy(&reading, "p", cases[i].text);
		struct proof proof = invariants_prove(reading.arena, &world, true);
		if (proof.count != (cases[i].opened_by != NULL))
			fail_msg("%s: %zu ways to break it, the first %s by %s", cases[i].true_is, proof.count,
				 proof.count > 0 ? proof.items[0].example : "",
				 proof.count > 0 ? proof.items[0].opened_by : "");
		if (proof.count > 0 && strstr(proof.items[0].opened_by, cases[i].opened_by) == NULL)
			fail_msg("%s: opened by %s", cases[i].true_is, proof.items[0].opened_by);
		if (proof.count > 0 && cases[i].example != NULL &&
		    strstr(proof.items[0].example, cases[i].example) == NULL)
			fail_msg("%s: %s", cases[i].true_is, proof.items[0].example);
		assert_false(proof.cut);
		arena_free(reading.arena);
	}
	print_message("# %zu cases\n", sizeof cases / sizeof *cases);
}

/* Each never has its own, and a report names them where they stand. */
static void every_opener_is_named(void **state)
{
	struct reading reading;
	struct world world = read_policy(&reading, "p",
					 CASE("{from: web, to: db}\n  - {from: api, to: db}",
					      "{from: cluster, to: db}\n  - {from: db, to: web}\n  - {from: "
					      "web, to: db, why: PCI}"));
	struct proof proof = invariants_prove(reading.arena, &world, true);
	(void)state;
	assert_int_equal(proof.count, 3);
	assert_int_equal(proof.broken_count, 2);
	invariants_report(&reading.diagnostics, &proof);
	assert_int_equal(reading.diagnostics.errors, 3);
	assert_string_equal(reading.diagnostics.items[2].message,
			    "`never` is broken: shop/web -> shop/db 5432/tcp is opened by p:11");
	assert_int_equal(reading.diagnostics.items[2].span.line, 16);
	assert_non_null(strstr(reading.diagnostics.items[2].help, "why never: PCI"));
	arena_free(reading.arena);
}

/* ---- rules of NetworkPolicies count on one side ---- */

/* What the reader of manifests makes of one: rules on one side, and isolation in that direction only. */
static struct allow *one_sided(struct allow *allow, enum direction direction)
{
	allow->counts[EGRESS] = direction == EGRESS;
	allow->counts[INGRESS] = direction == INGRESS;
	return allow;
}

static void a_rule_of_one_side_opens_with_the_other(void **state)
{
	struct reading reading;
	struct world world = read_policy(&reading, "p", CASE("{from: web, to: db}", "{from: web, to: db}") INVENTORY);
	struct policy policy = *world.policy;
	struct allow *allow = policy.allows[0];
	(void)state;
	world.policy = &policy;
	one_sided(allow, INGRESS);
	assert_int_equal(invariants_prove(reading.arena, &world, true).count, 0); /* web sends nothing */
	struct isolation *isolations[8];
	for (size_t i = 0; i < policy.isolation_count; i++) { /* as NetworkPolicies for ingress */
		isolations[i] = arena_alloc(reading.arena, sizeof **isolations);
		*isolations[i] = *policy.isolations[i];
		isolations[i]->service = NULL;
		isolations[i]->directions[EGRESS] = false;
	}
	policy.isolations = isolations;
	policy.unmatched = UNMATCHED_ALLOW;
	struct proof proof = invariants_prove(reading.arena, &world, true);
	assert_int_equal(proof.count, 1);
	assert_non_null(strstr(proof.items[0].opened_by, "nothing isolates shop/web-1 (10.0.1.1) for egress "
							 "and p:11"));
	assert_int_equal(invariants_prove(reading.arena, &world, false).count, 0);
	arena_free(reading.arena);
}

/* ---- random policies against all label sets ---- */

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static const char *const label_selectors[] = {
    "a: x", "a: y", "a: [x, y]", "a: {not: [x]}", "a: {not: [x, y]}", "a: {exists: true}", "a: {exists: false}", "",
};

static void write_selector(FILE *stream, uint32_t *seed)
{
	const char *first = label_selectors[next(seed) % 8];
	char second[32];
	snprintf(second, sizeof second, "%s", label_selectors[next(seed) % 8]);
	if (second[0] != 0)
		second[0] = 'b';
	fprintf(stream, "{%s%s%s}", first, first[0] != 0 && second[0] != 0 ? ", " : "", second);
}

/* Whether the worlds that are written now are about host workloads too. */
static bool with_hosts;

static void write_peer(FILE *stream, uint32_t *seed)
{
	static const char *const beside[] = {
	    "node", "node", "any", "{cidr: 127.0.0.0/8}", "{cidr: 192.0.2.0/31}", "{cidr: 10.0.0.0/28}"};
	static const char *const scopes[] = {"", ", namespaces: [n1]", ", namespaces: any",
					     ", namespaces: {labels: {team: t}}",
					     ", namespaces: {labels: {team: {not: [t]}}}"};
	if (with_hosts && next(seed) % 3 == 0) {
		fputs(beside[next(seed) % (sizeof beside / sizeof *beside)], stream);
		return;
	}
	uint32_t kind = next(seed) % 8;
	if (kind < 2) {
		fputs(kind == 0 ? "s0" : "s1", stream);
	} else if (kind == 2) {
		fputs("cluster", stream);
	} else {
		fputs("{labels: ", stream);
		write_selector(stream, seed);
		fprintf(stream, "%s}", scopes[next(seed) % 5]);
	}
}

static void write_statement(FILE *stream, uint32_t *seed)
{
	static const char *const ports[] = {"1/tcp", "2/tcp", "1-2/tcp", "2/udp", "any"};
	fputs("  - {from: ", stream);
	write_peer(stream, seed);
	fputs(", to: ", stream);
	write_peer(stream, seed);
	fprintf(stream, ", ports: [%s]}\n", ports[next(seed) % 5]);
}

static char *random_policy(uint32_t seed)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	fputs("ringfence: v1\nnamespace: n0\n", stream);
	if (next(&seed) % 3 == 0)
		fputs("settings: {unmatched: allow}\n", stream);
	fputs("services:\n", stream);
	for (int i = 0; i < 2; i++) {
		fprintf(stream, "  s%d: {workloads: ", i);
		write_selector(stream, &seed);
		fputs("}\n", stream);
	}
	fputs("allow:\n", stream);
	for (uint32_t i = next(&seed) % 3; i < 3; i++)
		write_statement(stream, &seed);
	fputs("never:\n", stream);
	write_statement(stream, &seed);
	if (with_hosts && next(&seed) % 3 == 0)
		fputs("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n, namespace: n1}\n"
		      "spec: {podSelector: {matchLabels: {a: x}}, ingress: [{from: [{podSelector: {}}]}]}\n",
		      stream);
	fputs("---\nringfence: v1\nnamespaces: {n0: {labels: {team: t}}, n1: {labels: {team: u}}}\n", stream);
	fputs(with_hosts ? "nodes: {na: {addresses: [192.0.2.1]}, nb: {addresses: [192.0.2.2]}}\n" : "", stream);
	fputs("workloads:\n", stream);
	static const char *const values[] = {"", "x", "y"};
	for (int i = 0; i < 36; i++) { /* each label set in each namespace, twice */
		const char *a = values[i % 3], *b = values[i / 3 % 3];
		fprintf(stream, "  - {name: w%d, namespace: n%d, labels: {%s%s%s%s%s}", i, i / 9 % 2,
			a[0] != 0 ? "a: " : "", a, a[0] != 0 && b[0] != 0 ? ", " : "", b[0] != 0 ? "b: " : "", b);
		if (with_hosts && next(&seed) % 2 == 0)
			fprintf(stream, ", node: n%c, cgroup: w%d.service", 'a' + (int)(next(&seed) % 2), i);
		else if (with_hosts)
			fprintf(stream, ", node: n%c, addresses: [10.0.0.%d]", 'a' + (int)(next(&seed) % 2), i + 1);
		fputs("}\n", stream);
	}
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* Whether a flow between two workloads of the inventory is open that the never speaks of. */
static bool is_broken(const struct world *world)
{
	static const struct port_range ports[] = {
	    {PROTOCOL_TCP, 1, 1}, {PROTOCOL_TCP, 2, 2}, {PROTOCOL_TCP, 3, 3}, {PROTOCOL_UDP, 2, 2}};
	const struct inventory *inventory = world->inventory;
	for (size_t i = 0; i < inventory->workload_count; i++)
		for (size_t j = 0; j < inventory->workload_count; j++)
			for (size_t k = 0; k < sizeof ports / sizeof *ports && i != j; k++) {
				struct flow flow = {{.workload = inventory->workloads[i]},
						    {.workload = inventory->workloads[j]},
						    ports[k].protocol,
						    ports[k].first};
				if (flows_hold(world, &world->policy->nevers[0]->flows, &flow) &&
				    verdict_of(world, &flow).allowed)
					return true;
			}
	return false;
}

/* Whether the example is open and spoken of, with some labels of the namespaces that it made up. */
static bool example_holds(struct arena *arena, const struct world *world, const struct flow *flow)
{
	static struct label teams[] = {{"team", "t"}, {"team", "some"}};
	for (size_t i = 0; i < 9; i++) {
		struct inventory inventory = *world->inventory;
		struct world with = {world->policy, &inventory, world->at};
		struct name_space made_up[] = {{.name = "elsewhere"}, {.name = "elsewhere-too"}};
		const size_t choices[] = {i % 3, i / 3};
		inventory.namespaces = arena_alloc(arena, (inventory.namespace_count + 2) * sizeof(void *));
		for (size_t j = 0; j < inventory.namespace_count; j++)
			inventory.namespaces[j] = world->inventory->namespaces[j];
		for (size_t j = 0; j < 2; j++) {
			if (choices[j] < 2)
				made_up[j].labels = (struct labels){&teams[choices[j]], 1};
			inventory.namespaces[inventory.namespace_count++] = &made_up[j];
		}
		inventory_index(&inventory, arena);
		if (verdict_of(&with, flow).allowed && flows_hold(&with, &world->policy->nevers[0]->flows, flow))
			return true;
	}
	return false;
}

/* What is open for these workloads, the proof must find. It may find more, for values and namespaces that the policy
 * does not name, and then its own example is asked. */
static void the_proof_agrees_with_all_label_sets(void **state)
{
	size_t broken = 0, fresh = 0;
	(void)state;
	for (uint32_t seed = 1; seed <= 1500; seed++) {
		struct reading reading;
		char *text = random_policy(seed * 7919);
		struct world world = read_policy(&reading, "p", text);
		struct proof proof = invariants_prove(reading.arena, &world, false);
		bool found = is_broken(&world);
		broken += proof.count > 0;
		if (found && proof.count == 0)
			fail_msg("proved, and yet open:\n%s", text);
		for (size_t i = 0; i < proof.count; i++) {
			if (!example_holds(reading.arena, &world, &proof.items[i].flow))
				fail_msg("the example is denied: %s\n%s", proof.items[i].example, text);
		}
		fresh += proof.count > 0 && !found;
		assert_int_equal(invariants_prove(reading.arena, &world, true).broken_count, proof.count > 0);
		arena_free(reading.arena);
		free(text);
	}
	assert_true(broken > 100 && broken < 1400);
	print_message("# 1500 policies, %zu broken, of which %zu for others than these workloads\n", broken, fresh);
}

/* ---- host workloads ---- */

/* The addresses that a packet of an end may have, within a node and beyond. */
static size_t places_of(const struct world *world, const struct workload *workload, struct endpoint places[3])
{
	size_t count = 0;
	if (workload->cgroup == NULL) {
		places[count++] = (struct endpoint){workload, true, workload->addresses[0], PEER_SERVICE};
		return count;
	}
	const struct node *node = inventory_node(world->inventory, workload->node);
	places[count++] = (struct endpoint){workload, true, node->addresses[0], PEER_SERVICE};
	for (size_t i = 0; i < 2; i++) {
		places[count] = (struct endpoint){.workload = workload, .has_address = true};
		assert_null(address_parse(&places[count++].address, i == 0 ? "127.0.0.1" : "::1"));
	}
	return count;
}

static bool can_meet(const struct endpoint *from, const struct endpoint *to)
{
	bool loopback = address_is_loopback(&from->address) || address_is_loopback(&to->address);
	return from->address.family == to->address.family &&
	       (!loopback || (from->workload->cgroup != NULL && to->workload->cgroup != NULL &&
			      strcmp(from->workload->node, to->workload->node) == 0));
}

/* Whether a flow between two workloads is open that the never speaks of; `flow` gets it. */
static bool is_open_between(const struct world *world, const struct workload *from, const struct workload *to,
			    struct flow *flow)
{
	static const struct port_range ports[] = {
	    {PROTOCOL_TCP, 1, 1}, {PROTOCOL_TCP, 2, 2}, {PROTOCOL_TCP, 3, 3}, {PROTOCOL_UDP, 2, 2}};
	struct endpoint sources[3], destinations[3];
	size_t source_count = places_of(world, from, sources), destination_count = places_of(world, to, destinations);
	for (size_t i = 0; i < source_count * destination_count * 4; i++) {
		const struct port_range *port = &ports[i % 4];
		*flow = (struct flow){sources[i / 4 % source_count], destinations[i / 4 / source_count], port->protocol,
				      port->first};
		if (can_meet(&flow->from, &flow->to) && flows_hold(world, &world->policy->nevers[0]->flows, flow) &&
		    verdict_of(world, flow).allowed)
			return true;
	}
	return false;
}

static bool is_open_for_some(const struct world *world, struct flow *flow)
{
	const struct inventory *inventory = world->inventory;
	for (size_t i = 0; i < inventory->workload_count; i++)
		for (size_t j = 0; j < inventory->workload_count; j++) {
			const struct workload *from = inventory->workloads[i], *to = inventory->workloads[j];
			if ((i != j || from->cgroup != NULL) && is_open_between(world, from, to, flow))
				return true;
		}
	return false;
}

/* An example may be of a workload that a network would have to hold, and then it is not at hand. */
static void example_is_open(struct arena *arena, const struct world *world, const struct broken *broken,
			    const char *text)
{
	if (!example_holds(arena, world, &broken->flow))
		fail_msg("the example is denied: %s\n%s", broken->example, text);
}

/* Whatever is open between workloads at hand, some of them host workloads, is found; what is found is open. */
static void the_proof_agrees_about_host_workloads(void **state)
{
	enum { POLICIES = 1500 };
	size_t broken = 0, fresh = 0;
	(void)state;
	with_hosts = true;
	for (uint32_t seed = 1; seed <= POLICIES; seed++) {
		struct reading reading;
		struct flow flow;
		char *text = random_policy(seed * 7919), from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
		struct world world = read_policy(&reading, "p", text);
		struct proof proof = invariants_prove(reading.arena, &world, true);
		bool found = is_open_for_some(&world, &flow);
		broken += proof.count > 0;
		fresh += proof.count > 0 && !found;
		if (found && proof.count == 0)
			fail_msg("proved, and yet open from %s (%s) to %s (%s), port %u:\n%s", flow.from.workload->name,
				 address_format(&flow.from.address, from), flow.to.workload->name,
				 address_format(&flow.to.address, to), flow.port, text);
		for (size_t i = 0; i < proof.count; i++)
			example_is_open(reading.arena, &world, &proof.items[i], text);
		assert_false(proof.cut);
		arena_free(reading.arena);
		free(text);
	}
	with_hosts = false;
	assert_in_range(broken, POLICIES / 10, POLICIES * 9 / 10);
	print_message("# %d policies, %zu broken, of which %zu for others than these workloads\n", POLICIES, broken,
		      fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_never_is_proved_or_broken),
	    cmocka_unit_test(every_opener_is_named),
	    cmocka_unit_test(a_rule_of_one_side_opens_with_the_other),
	    cmocka_unit_test(the_proof_agrees_with_all_label_sets),
	    cmocka_unit_test(the_proof_agrees_about_host_workloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
