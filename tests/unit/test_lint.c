/* Lint: a table of policies with what is found in them, the switch of a document, and random policies in which every
 * allow that is said to be covered goes, and no verdict may change. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/lint.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The findings of the lint `name` as LINE: MESSAGE, one a line; NULL: of all, with their names. */
static const char *lint_text(struct reading *reading, const char *name)
{
	lint_run(&reading->diagnostics, reading->arena, &reading->world);
	const char *text = "";
	for (size_t i = 0; i < reading->diagnostics.count; i++) {
		const struct diagnostic *d = &reading->diagnostics.items[i];
		const struct lint *lint = &lints[d->rule - DIAGNOSTIC_LINTS];
		assert_true(d->rule >= DIAGNOSTIC_LINTS && d->rule < DIAGNOSTIC_RULES);
		assert_int_equal(d->severity, SEVERITY_WARNING);
		assert_non_null(strstr(d->help, lint->name));
		if (name == NULL || strcmp(name, lint->name) == 0)
			text = arena_printf(reading->arena, "%s%u: %s\n", text, d->span.line,
					    name == NULL ? lint->name : d->message);
	}
	return text;
}

/* Lines 1 to 9, so that the allow of a case stands in line 10. */
#define BASE                                                                     \
	"ringfence: v1\nnamespace: shop\nservices:\n"                            \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"              \
	"  api: {workloads: {app: api}, ports: {http: 8080/tcp, m: 9090/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                 \
	"  mute: {workloads: {app: mute}}\n"                                     \
	"networks: {out: [203.0.113.0/24], six: [\"2001:db8::/32\"]}\nallow:\n"
#define ALLOW(text) BASE "  - " text "\n"
#define ALLOWS(one, two) BASE "  - " one "\n  - " two "\n"
#define SERVICES(text) "ringfence: v1\nnamespace: shop\nservices:\n" text
#define INVENTORY                                                           \
	"---\nringfence: v1\nworkloads:\n"                                  \
	"  - {name: w1, namespace: shop, labels: {app: web, tier: gold}}\n" \
	"  - {name: a1, namespace: shop, labels: {app: api}}\n"             \
	"  - {name: d1, namespace: shop, labels: {app: db}}\n"              \
	"  - {name: x1, namespace: lab, labels: {app: odd}}\n"

static const struct {
	const char *true_is, *lint, *text, *found;
} cases[] = {
    /* allow-without-why */
    {"an allow needs a why", "allow-without-why", ALLOW("{from: web, to: api}"), "10: this allow has no `why`\n"},
    {"and has one", "allow-without-why", ALLOW("{from: web, to: api, why: it calls}"), ""},
    {"one that is over needs none", "allow-without-why", ALLOW("{from: web, to: api, until: 2027-01-14}"), ""},

    /* allow-to-any */
    {"from any", "allow-to-any", ALLOW("{from: any, to: api}"),
     "10: this allow is from `any`: every workload, node and address\n"},
    {"to any, among others", "allow-to-any", ALLOW("{from: api, to: [web, any], ports: [1/tcp]}"),
     "10: this allow is to `any`: every workload, node and address\n"},
    {"an empty selector in any namespace", "allow-to-any", ALLOW("{from: {labels: {}, namespaces: any}, to: api}"),
     "10: this allow is from an empty selector in any namespace: every workload\n"},
    {"and in every namespace by no label", "allow-to-any",
     ALLOW("{from: {labels: {}, namespaces: {labels: {}}}, to: api}"),
     "10: this allow is from an empty selector in any namespace: every workload\n"},
    {"the whole of one namespace is not any", "allow-to-any", ALLOW("{from: {labels: {}}, to: api}"), ""},
    {"nor are world, cluster and some namespaces", "allow-to-any",
     ALLOW("{from: [world, cluster, node, {labels: {}, namespaces: {labels: {a: b}}}], to: api}"), ""},
    {"a label in any namespace is none", "allow-to-any", ALLOW("{from: {labels: {a: b}, namespaces: any}, to: api}"),
     ""},

    /* whole-network-egress */
    {"to the world", "whole-network-egress", ALLOW("{from: api, to: world, ports: [443/tcp]}"),
     "10: this allow is to `world`: every address that is no workload and no node\n"},
    {"to every address", "whole-network-egress",
     ALLOW("{from: api, to: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}, ports: [443/tcp]}"),
     "10: this allow is to a whole network: 0.0.0.0/0\n"},
    {"to half of them", "whole-network-egress", ALLOW("{from: api, to: {cidr: 128.0.0.0/1}, ports: [443/tcp]}"),
     "10: this allow is to a whole network: 128.0.0.0/1\n"},
    {"to what there is of IPv6", "whole-network-egress",
     ALLOW("{from: api, to: {cidr: \"2000::/3\"}, ports: [443/tcp]}"),
     "10: this allow is to a whole network: 2000::/3\n"},
    {"private networks are not whole", "whole-network-egress",
     ALLOW("{from: api, to: [{cidr: \"fc00::/7\"}, {cidr: 10.0.0.0/8}, out], ports: [443/tcp]}"), ""},
    {"from the world is no egress", "whole-network-egress", ALLOW("{from: world, to: api}"), ""},

    /* undeclared-port */
    {"a port that is not declared", "undeclared-port", ALLOW("{from: web, to: api, ports: [8080/tcp, 22/tcp]}"),
     "10: `shop/api` does not declare 22/tcp: it declares 8080/tcp, 9090/tcp\n"},
    {"a range that goes further", "undeclared-port", ALLOW("{from: web, to: api, ports: [8080-8081/tcp]}"),
     "10: `shop/api` does not declare 8080-8081/tcp: it declares 8080/tcp, 9090/tcp\n"},
    {"another protocol", "undeclared-port", ALLOW("{from: web, to: api, ports: [8080/udp]}"),
     "10: `shop/api` does not declare 8080/udp: it declares 8080/tcp, 9090/tcp\n"},
    {"all of them", "undeclared-port", ALLOW("{from: web, to: api, ports: [any]}"),
     "10: `shop/api` does not declare every port: it declares 8080/tcp, 9090/tcp\n"},
    {"at one of two destinations", "undeclared-port", ALLOW("{from: web, to: [api, db], ports: [8080/tcp]}"),
     "10: `shop/db` does not declare 8080/tcp: it declares 5432/tcp\n"},
    {"by name, by default, and ping", "undeclared-port",
     ALLOWS("{from: web, to: [api, db], ports: [m, sql, icmp]}", "{from: db, to: api}"), ""},
    {"one that declares none", "undeclared-port", ALLOW("{from: web, to: mute, ports: [22/tcp]}"), ""},

    /* expires-soon and expired */
    {"in a day", "expires-soon", ALLOW("{from: web, to: api, until: 2027-01-16}"),
     "10: this allow ends at 2027-01-17T00:00:00Z, in 2 days or less\n"},
    {"in 14 days", "expires-soon", ALLOW("{from: web, to: api, until: \"2027-01-29T23:59:59Z\"}"),
     "10: this allow ends at 2027-01-29T23:59:59Z, in 14 days or less\n"},
    {"a second later", "expires-soon", ALLOW("{from: web, to: api, until: 2027-01-29}"), ""},
    {"over is not soon", "expires-soon", ALLOW("{from: web, to: api, until: \"2027-01-15T23:59:59Z\"}"), ""},
    {"over", "expired", ALLOW("{from: web, to: api, until: \"2027-01-15T23:59:59Z\"}"),
     "10: this allow is over since 2027-01-15T23:59:59Z\n"},
    {"not yet", "expired", ALLOW("{from: web, to: api, until: 2027-01-15}"), ""},
    {"a quarantine that is over", "expired", BASE "  []\nquarantine: [{workload: w1, until: 2027-01-14}]\n",
     "11: this quarantine is over since 2027-01-15T00:00:00Z\n"},

    /* unused-service */
    {"of whom no allow speaks", "unused-service", ALLOW("{from: web, to: [api, db]}"),
     "7: no allow names service `mute`, or its workloads by label\n"},
    {"any and cluster are not of it", "unused-service", ALLOW("{from: [web, cluster, any], to: [api, db]}"),
     "7: no allow names service `mute`, or its workloads by label\n"},
    {"a label speaks of it", "unused-service", ALLOW("{from: [web, {labels: {app: [x, mute]}}], to: [api, db]}"), ""},
    {"so does one that it may have", "unused-service", ALLOW("{from: [web, {labels: {tier: x}}], to: [api, db]}"), ""},
    {"not in another namespace", "unused-service",
     ALLOW("{from: [web, {labels: {app: mute}, namespaces: [lab]}], to: [api, db]}"),
     "7: no allow names service `mute`, or its workloads by label\n"},
    {"a test is no use", "unused-service",
     ALLOW("{from: web, to: [api, db]}") "tests: [{from: mute, to: db, expect: deny}]\n",
     "7: no allow names service `mute`, or its workloads by label\n"},

    /* overlapping-services, without an inventory */
    {"equal selectors", "overlapping-services", SERVICES("  a: {workloads: {app: x}}\n  b: {workloads: {app: x}}\n"),
     "5: service `b` selects every workload of service `a` too\n"},
    {"one within the other", "overlapping-services",
     SERVICES("  a: {workloads: {app: [x, y]}}\n  b: {workloads: {app: x, tier: z}}\n"),
     "4: service `a` selects every workload of service `b` too\n"},
    {"one of everyone is one finding", "overlapping-services",
     SERVICES("  a: {workloads: {app: x}}\n  all: {workloads: {}}\n  b: {workloads: {app: y}}\n"),
     "5: service `all` selects every workload of service `a` too; it overlaps with 1 more service\n"},
    {"what may overlap is not said to", "overlapping-services",
     SERVICES("  a: {workloads: {app: x}}\n  b: {workloads: {tier: y}}\n"), ""},
    {"nor across namespaces", "overlapping-services",
     SERVICES(
	 "  a: {workloads: {app: x}}\n") "---\nringfence: v1\nnamespace: lab\nservices: {b: {workloads: {app: x}}}\n",
     ""},
    /* and with one */
    {"a workload of both", "overlapping-services",
     SERVICES("  a: {workloads: {app: web}}\n  b: {workloads: {tier: gold}}\n") INVENTORY,
     "5: service `b` selects workload shop/w1 of service `a` too\n"},
    {"no workload of both", "overlapping-services",
     SERVICES("  a: {workloads: {app: x}}\n  b: {workloads: {app: x}}\n") INVENTORY, ""},

    /* no-workload */
    {"without an inventory nobody knows", "no-workload", ALLOW("{from: {labels: {app: wbe}}, to: api}"), ""},
    {"a service of none", "no-workload", ALLOW("{from: web, to: api}") INVENTORY,
     "7: service `mute` selects no workload of the inventory\n"},
    {"labels of none", "no-workload", ALLOW("{from: [{labels: {app: wbe}}, {labels: {app: web}}], to: api}") INVENTORY,
     "7: service `mute` selects no workload of the inventory\n10: this selector matches no workload of the "
     "inventory\n"},
    {"in their namespace", "no-workload", ALLOW("{from: {labels: {app: odd}, namespaces: [shop]}, to: api}") INVENTORY,
     "7: service `mute` selects no workload of the inventory\n10: this selector matches no workload of the "
     "inventory\n"},
    {"one of them is enough", "no-workload",
     ALLOW("{from: [{labels: {app: odd}, namespaces: any}, {labels: {}, namespaces: [lab]}, {labels: {tier: {exists: "
	   "true}}}], to: api}") INVENTORY,
     "7: service `mute` selects no workload of the inventory\n"},
    {"a never of nobody", "no-workload",
     ALLOW("{from: web, to: api}") "never: [{from: {labels: {env: dve}}, to: db}]\n" INVENTORY,
     "7: service `mute` selects no workload of the inventory\n11: this selector matches no workload of the "
     "inventory\n"},
    {"a NetworkPolicy of nobody", "no-workload",
     "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np, namespace: shop}\n"
     "spec: {podSelector: {matchLabels: {app: wbe}}}\n" INVENTORY,
     "3: NetworkPolicy `np` selects no workload of the inventory\n"},
    {"its peers are its writer's", "no-workload",
     "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np, namespace: shop}\n"
     "spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: wbe}}}]}]}\n" INVENTORY,
     ""},

    /* covered-allow */
    {"two that are equal: the second", "covered-allow", ALLOWS("{from: web, to: api}", "{from: web, to: api}"),
     "11: the allow at p:10 holds every flow of this one\n"},
    {"one is a part of the other", "covered-allow",
     ALLOWS("{from: web, to: db}", "{from: [web, api], to: [db, api], ports: [sql, http]}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"by ports", "covered-allow",
     ALLOWS("{from: web, to: api, ports: [8081/tcp]}", "{from: web, to: api, ports: [8080-8081/tcp]}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"by two ranges that touch", "covered-allow",
     ALLOWS("{from: web, to: api, ports: [10-20/tcp]}", "{from: web, to: api, ports: [1-15/tcp, 16-20/tcp]}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"not with a gap", "covered-allow",
     ALLOWS("{from: web, to: api, ports: [10-20/tcp]}", "{from: web, to: api, ports: [1-15/tcp, 17-20/tcp]}"), ""},
    {"by cluster", "covered-allow", ALLOWS("{from: web, to: api}", "{from: cluster, to: api}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"not by world", "covered-allow", ALLOWS("{from: out, to: api}", "{from: world, to: api}"), ""},
    {"by a wider network", "covered-allow", ALLOWS("{from: {cidr: 203.0.113.128/25}, to: api}", "{from: out, to: api}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"not by what it excepts", "covered-allow",
     ALLOWS("{from: {cidr: 203.0.113.128/25}, to: api}",
	    "{from: {cidr: 203.0.113.0/24, except: [203.0.113.200/32]}, to: api}"),
     ""},
    {"unless both do", "covered-allow",
     ALLOWS("{from: {cidr: 203.0.113.128/25, except: [203.0.113.192/26]}, to: api}",
	    "{from: {cidr: 203.0.113.0/24, except: [203.0.113.200/32]}, to: api}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"by labels", "covered-allow",
     ALLOWS("{from: web, to: db}", "{from: {labels: {app: [web, x]}, namespaces: any}, to: db}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"not in another namespace", "covered-allow",
     ALLOWS("{from: web, to: db}", "{from: {labels: {app: web}, namespaces: [lab]}, to: db}"), ""},
    {"one that ends by one that does not", "covered-allow",
     ALLOWS("{from: web, to: db, until: 2027-03-01}", "{from: web, to: db}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"not the other way", "covered-allow",
     ALLOWS("{from: web, to: db, until: 2027-03-01}", "{from: [web, api], to: db, until: 2027-02-01}"), ""},
    {"a name may be any port", "covered-allow",
     ALLOWS("{from: web, to: {labels: {app: x}}, ports: [named]}", "{from: web, to: cluster, ports: [1-65535/tcp]}"),
     ""},
    {"so only any holds it", "covered-allow",
     ALLOWS("{from: web, to: {labels: {app: x}}, ports: [named]}", "{from: web, to: cluster, ports: [any]}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"or itself", "covered-allow",
     ALLOWS("{from: web, to: {labels: {app: x}}, ports: [named]}", "{from: web, to: cluster, ports: [named, other]}"),
     "10: the allow at p:11 holds every flow of this one\n"},
    {"a log is another thing", "covered-allow", ALLOWS("{from: web, to: db, log: true}", "{from: web, to: db}"), ""},
    {"so is a rate", "covered-allow", ALLOWS("{from: web, to: db}", "{from: web, to: db, rate: 5/second per source}"),
     ""},
    {"a why is not", "covered-allow", ALLOWS("{from: web, to: db, why: a}", "{from: web, to: db, why: b, owner: c}"),
     "11: the allow at p:10 holds every flow of this one\n"},
    {"what is over covers nothing", "covered-allow",
     ALLOWS("{from: web, to: db, until: 2027-01-01}", "{from: web, to: db, until: 2027-01-01}"), ""},
};

static void each_case_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		read_policy(&reading, "p", cases[i].text);
		const char *found = lint_text(&reading, cases[i].lint);
		if (strcmp(found, cases[i].found) != 0)
			fail_msg("%s: %s: found\n%sand not\n%s", cases[i].lint, cases[i].true_is, found,
				 cases[i].found);
		arena_free(reading.arena);
	}
}

/* Whatever is found in a case is not where its document says so, and is where another document does. */
static void each_lint_is_switched_off_where_it_is_found(void **state)
{
	(void)state;
	bool tried[LINTS] = {false};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		if (cases[i].found[0] == 0 || strncmp(cases[i].text, "ringfence", 9) != 0)
			continue;
		for (size_t j = 0; j < LINTS; j++)
			tried[j] = tried[j] || strcmp(lints[j].name, cases[i].lint) == 0;
		char text[4096];
		snprintf(text, sizeof text, "lint: {off: [%s]}\n%s", cases[i].lint, cases[i].text);
		read_policy(&reading, "p", text);
		if (strcmp(lint_text(&reading, cases[i].lint), "") != 0)
			fail_msg("%s is not switched off: %s", cases[i].lint, cases[i].true_is);
		arena_free(reading.arena);
		snprintf(text, sizeof text, "%s---\nringfence: v1\nlint: {off: %s}\n", cases[i].text, cases[i].lint);
		read_policy(&reading, "p", text);
		assert_string_equal(lint_text(&reading, cases[i].lint), cases[i].found);
		arena_free(reading.arena);
	}
	for (size_t i = 0; i < LINTS; i++)
		assert_true(tried[i]);
}

static void a_switch_is_of_its_document_and_its_lint(void **state)
{
	static const char text[] = "ringfence: v1\nallow:\n  - {from: any, to: any, ports: [any]}\n"
				   "---\nringfence: v1\nallow:\n  - {from: any, to: any, ports: [1/tcp]}\n"
				   "lint: {off: [allow-to-any, covered-allow]}\n"
				   "---\n{ringfence: v1, allow: [{from: any, to: any, ports: [2/tcp]}]}\n";
	struct reading reading;
	(void)state;
	read_policy(&reading, "p", text);
	assert_string_equal(lint_text(&reading, NULL),
			    "3: allow-without-why\n3: allow-to-any\n3: allow-to-any\n7: allow-without-why\n"
			    "10: covered-allow\n10: allow-without-why\n10: allow-to-any\n10: allow-to-any\n");
	arena_free(reading.arena);
}

/* ---- random policies ---- */

static unsigned roll(unsigned sides)
{
	static uint64_t random_state = 7; /* Knuth's MMIX */
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % sides;
}

static const char *one_of(const char *const *texts, size_t count)
{
	return texts[roll((unsigned)count)];
}
#define ONE_OF(texts) one_of((texts), sizeof(texts) / sizeof *(texts))

static const char *const peers[] = {
    "a",
    "ab",
    "e",
    "lab/l",
    "in",
    "out",
    "hole",
    "any",
    "cluster",
    "world",
    "node",
    "{labels: {}}",
    "{labels: {app: a}}",
    "{labels: {app: [a, b]}}",
    "{labels: {app: {not: b}}}",
    "{labels: {app: {not: [a, b]}}}",
    "{labels: {app: {exists: true}}}",
    "{labels: {app: {exists: false}}}",
    "{labels: {app: a, env: {not: x}}}",
    "{labels: {env: [x]}, namespaces: any}",
    "{labels: {}, namespaces: any}",
    "{labels: {app: a}, namespaces: [shop, lab]}",
    "{labels: {app: a}, namespaces: {labels: {team: t}}}",
    "{labels: {}, namespaces: {labels: {team: {exists: true}}}}",
    "{cidr: 10.0.0.0/30}",
    "{cidr: 10.0.0.0/29, except: [10.0.0.1]}",
    "{cidr: 10.0.0.0/29, except: [10.0.0.0/30]}",
    "{cidr: [10.0.0.0/30, 203.0.113.0/24]}",
};

/* A policy has only some of the peers, so that its allows have to do with each other. `last` is one more, or NULL. */
enum { PEERS_AT_ONCE = 6 };
static void write_peers(FILE *out, const char *const *some, const char *last)
{
	fputc('[', out);
	for (unsigned i = roll(3) == 0 ? 2 : 1; i > 0; i--)
		fprintf(out, "%s%s", some[roll(PEERS_AT_ONCE)], i > 1 ? ", " : "");
	fprintf(out, "%s%s]", last != NULL ? ", " : "", last != NULL ? last : "");
}

static void write_random(FILE *out)
{
	static const char *const ports[] = {"1/tcp",	   "2/tcp", "1-2/tcp", "1-3/tcp",	    "2-4/tcp",
					    "1/udp",	   "any",   "icmp",    "icmp/echo-request", "1-65535/tcp",
					    "named, 9/tcp"};
	static const char *const ends[] = {
	    "", "", "", ", until: 2027-02-01", ", until: 2027-03-01", ", log: true", ", until: 2027-01-01"};
	const char *some[PEERS_AT_ONCE];
	for (size_t i = 0; i < PEERS_AT_ONCE; i++)
		some[i] = ONE_OF(peers);
	fputs("ringfence: v1\nnamespace: shop\nservices:\n"
	      "  a: {workloads: {app: a}, ports: {p: 1/tcp, named: 3/tcp}}\n"
	      "  ab: {workloads: {app: [a, b]}, ports: {p: 1-2/tcp}}\n"
	      "  e: {workloads: {env: {exists: true}}, ports: {p: 2/tcp}}\n"
	      "networks: {in: [10.0.0.0/29], out: [203.0.113.0/24], hole: {cidrs: [0.0.0.0/0], except: [10.0.0.2]}}\n"
	      "allow:\n",
	      out);
	for (unsigned i = 3 + roll(6); i > 0; i--) {
		const char *one = ONE_OF(ports), *other = ONE_OF(ports);
		bool named = strncmp(one, "named", 5) == 0 || strncmp(other, "named", 5) == 0;
		fputs("  - {from: ", out);
		write_peers(out, some, NULL);
		fputs(", to: ", out);
		write_peers(out, some, named ? "a" : NULL); /* which declares it */
		fprintf(out, ", ports: [%s, %s]%s}\n", one, other, ONE_OF(ends));
	}
	fputs("---\nringfence: v1\nnamespace: lab\nservices: {l: {workloads: {app: a}, ports: {p: 1/tcp}}}\n"
	      "namespaces: {lab: {labels: {team: t}}, shop: {labels: {team: u}}}\n"
	      "nodes: {n: {addresses: [10.0.0.7], workload_networks: [10.0.0.0/30]}}\nworkloads:\n",
	      out);
	static const char *const labels[] = {"", "app: a", "app: b", "app: c", "app: a, env: x", "env: x", "env: y"};
	for (unsigned i = 0; i < 14; i++)
		fprintf(out,
			"  - {name: w%u, namespace: %s, node: n, labels: {%s}, addresses: [10.0.0.%u], ports: {named: "
			"%u/tcp}}\n",
			i, i % 2 == 0 ? "shop" : "lab", labels[i / 2], i < 6 ? i : i + 10, i % 4 + 1);
}

/* Every verdict there is, as bytes. */
static size_t judge_all(const struct world *world, unsigned char *verdicts)
{
	static const struct {
		uint16_t protocol, port;
	} ports[] = {{PROTOCOL_TCP, 1},	    {PROTOCOL_TCP, 2}, {PROTOCOL_TCP, 3},	{PROTOCOL_TCP, 4},
		     {PROTOCOL_TCP, 9},	    {PROTOCOL_UDP, 1}, {PROTOCOL_ICMP, 8 << 8}, {PROTOCOL_ICMP, 13 << 8},
		     {PROTOCOL_TCP, 65535}, {PROTOCOL_SCTP, 1}};
	static const char *const addresses[] = {"10.0.0.7",    "10.0.0.6",     "10.0.0.2",
						"203.0.113.9", "198.51.100.1", "2001:db8::1"};
	static const enum peer_kind kinds[] = {PEER_ANY, PEER_WORLD, PEER_CLUSTER, PEER_NODE};
	struct endpoint ends[32] = {0};
	size_t count = 0, verdict_count = 0;
	for (size_t i = 0; i < world->inventory->workload_count; i++)
		ends[count++] = (struct endpoint){world->inventory->workloads[i], true,
						  world->inventory->workloads[i]->addresses[0], PEER_SERVICE};
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++, count++) {
		ends[count].has_address = true;
		assert_null(address_parse(&ends[count].address, addresses[i]));
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		ends[count++].stands_for = kinds[i];
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			for (size_t k = 0; k < sizeof ports / sizeof *ports; k++) {
				const struct flow flow = {ends[i], ends[j], ports[k].protocol, ports[k].port};
				verdicts[verdict_count++] = verdict_of(world, &flow).allowed;
			}
	return verdict_count;
}

/* The policy without the allows that were said to be covered. */
static struct policy without_covered(const struct reading *reading)
{
	struct policy policy = reading->frontend.policy;
	policy.allows = NULL;
	policy.allow_count = 0;
	for (size_t i = 0; i < reading->frontend.policy.allow_count; i++) {
		struct allow *allow = reading->frontend.policy.allows[i];
		bool covered = false;
		for (size_t j = 0; j < reading->diagnostics.count; j++) {
			const struct diagnostic *d = &reading->diagnostics.items[j];
			covered = covered ||
				  (d->rule == DIAGNOSTIC_COVERED_ALLOW && compare_spans(&d->span, &allow->span) == 0);
		}
		if (!covered)
			*arena_push(reading->arena, policy.allows, policy.allow_count) = allow;
	}
	return policy;
}

/* Whether one alone can go is asked of all at once, since people remove all at once; now, and after each end. */
static void what_is_covered_can_go(void **state)
{
	enum { POLICIES = 800, MOST = 32 * 32 * 10 };
	static const int64_t times[] = {NOW, 1801600000, 1804000000, 1806000000};
	static unsigned char verdicts[2][MOST];
	size_t removed = 0;
	(void)state;
	for (unsigned i = 0; i < POLICIES; i++) {
		struct reading reading;
		char *text = NULL;
		size_t size = 0, count = 0;
		FILE *out = open_memstream(&text, &size);
		write_random(out);
		fclose(out);
		read_policy(&reading, "p", text);
		lint_run(&reading.diagnostics, reading.arena, &reading.world);
		const struct policy without = without_covered(&reading);
		size_t gone = reading.frontend.policy.allow_count - without.allow_count;
		for (size_t j = 0; gone > 0 && j < sizeof times / sizeof *times; j++) {
			struct world world = {&without, reading.world.inventory, times[j]};
			judge_all(&world, verdicts[0]);
			world.policy = reading.world.policy;
			count = judge_all(&world, verdicts[1]);
			if (memcmp(verdicts[0], verdicts[1], count) != 0) {
				diagnostics_print(&reading.diagnostics, stderr, false);
				fail_msg("policy %u, time %zu:\n%s", i, j, text);
			}
		}
		removed += gone;
		arena_free(reading.arena);
		free(text);
	}
	printf("# %zu covered allows in %d policies\n", removed, POLICIES);
	assert_true(removed > POLICIES / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_case_is_found),
	    cmocka_unit_test(each_lint_is_switched_off_where_it_is_found),
	    cmocka_unit_test(a_switch_is_of_its_document_and_its_lint),
	    cmocka_unit_test(what_is_covered_can_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
