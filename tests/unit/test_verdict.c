/* What a policy means, as a table: a policy and an inventory, a flow, and the verdict that language.md gives it. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/frontend.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define INVENTORY                                                                                                 \
	"---\nringfence: v1\nnamespaces: {shop: {labels: {team: a}}, lab: {labels: {team: b}}}\n"                 \
	"nodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}, n1: {addresses: [192.0.2.2]}}\n" \
	"workloads:\n"                                                                                            \
	"  - {name: web-1, namespace: shop, node: n0, labels: {app: web}, addresses: [10.0.1.1, \"fd00::1\"]}\n"  \
	"  - {name: api-1, namespace: shop, node: n0, labels: {app: api, tier: gold}, addresses: [10.0.1.2]}\n"   \
	"  - {name: api-2, namespace: shop, node: n1, labels: {app: api, tier: tin}, addresses: [10.0.2.2]}\n"    \
	"  - {name: db-1, namespace: shop, node: n1, labels: {app: db}, addresses: [10.0.2.3], ports: {sql: "     \
	"5433/tcp}}\n"                                                                                            \
	"  - {name: odd-1, namespace: shop, node: n1, labels: {}, addresses: [10.0.2.4]}\n"                       \
	"  - {name: web-1, namespace: lab, node: n1, labels: {app: web}, addresses: [10.0.2.5]}\n"
#define SERVICES                                                                                             \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                                        \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                                          \
	"  api: {workloads: {app: api, tier: [gold, silver]}, ports: {http: 8080/tcp, metrics: 9090/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                                             \
	"networks:\n  out: {cidrs: [203.0.113.0/24, \"2001:db8::/32\"], except: [203.0.113.7/32]}\n  mesh: " \
	"[10.0.2.0/24]\n"
#define ALLOW(statement) SERVICES "allow:\n  - " statement "\n" INVENTORY

static const struct {
	const char *true_is; /* what the case shows */
	const char *policy;
	const char *from, *to, *port;
	bool allowed;
} cases[] = {
    {"without an allow nothing is open", SERVICES INVENTORY, "shop/web-1", "shop/api-1", "8080/tcp", false},
    {"an allow opens its port", ALLOW("{from: web, to: api, ports: [http]}"), "shop/web-1", "shop/api-1", "8080/tcp",
     true},
    {"and no other", ALLOW("{from: web, to: api, ports: [http]}"), "shop/web-1", "shop/api-1", "9090/tcp", false},
    {"and no other protocol", ALLOW("{from: web, to: api, ports: [http]}"), "shop/web-1", "shop/api-1", "8080/udp",
     false},
    {"and not the way back", ALLOW("{from: web, to: api, ports: [http]}"), "shop/api-1", "shop/web-1", "8080/tcp",
     false},
    {"ports left out are those declared", ALLOW("{from: web, to: api}"), "shop/web-1", "shop/api-1", "9090/tcp", true},
    {"and those only", ALLOW("{from: web, to: api}"), "shop/web-1", "shop/api-1", "9091/tcp", false},
    {"a list of values is one of them", ALLOW("{from: web, to: api}"), "shop/web-1", "shop/api-2", "8080/tcp", false},
    {"a service selects in its own namespace only", ALLOW("{from: web, to: api}"), "lab/web-1", "shop/api-1",
     "8080/tcp", false},
    {"a name counts where it is declared", ALLOW("{from: api, to: [web, db], ports: [sql]}"), "shop/api-1", "shop/db-1",
     "5432/tcp", true},
    {"and not elsewhere", ALLOW("{from: api, to: [web, db], ports: [sql]}"), "shop/api-1", "shop/web-1", "5432/tcp",
     false},
    {"a label peer's name is a container port", ALLOW("{from: web, to: {labels: {app: db}}, ports: [sql]}"),
     "shop/web-1", "shop/db-1", "5433/tcp", true},
    {"and not the service's", ALLOW("{from: web, to: {labels: {app: db}}, ports: [sql]}"), "shop/web-1", "shop/db-1",
     "5432/tcp", false},
    {"an empty selector is the whole namespace", ALLOW("{from: {labels: {}}, to: db}"), "shop/odd-1", "shop/db-1",
     "5432/tcp", true},
    {"and nothing of another", ALLOW("{from: {labels: {}}, to: db}"), "lab/web-1", "shop/db-1", "5432/tcp", false},
    {"absence is asked inside the scope", ALLOW("{from: {labels: {app: {exists: false}}}, to: db}"), "lab/web-1",
     "shop/db-1", "5432/tcp", false},
    {"namespaces: any is all", ALLOW("{from: {labels: {app: web}, namespaces: any}, to: db}"), "lab/web-1", "shop/db-1",
     "5432/tcp", true},
    {"namespaces by label", ALLOW("{from: {labels: {}, namespaces: {labels: {team: b}}}, to: db}"), "lab/web-1",
     "shop/db-1", "5432/tcp", true},
    {"by a label others lack", ALLOW("{from: {labels: {}, namespaces: {labels: {team: b}}}, to: db}"), "shop/web-1",
     "shop/db-1", "5432/tcp", false},
    {"not: passes without the key", ALLOW("{from: {labels: {app: {not: [web]}}}, to: db}"), "shop/odd-1", "shop/db-1",
     "5432/tcp", true},
    {"not: refuses the value", ALLOW("{from: {labels: {app: {not: [web]}}}, to: db}"), "shop/web-1", "shop/db-1",
     "5432/tcp", false},
    {"exists: true wants the key", ALLOW("{from: {labels: {tier: {exists: true}}}, to: db}"), "shop/api-2", "shop/db-1",
     "5432/tcp", true},
    {"whatever its value, and nothing without it", ALLOW("{from: {labels: {tier: {exists: true}}}, to: db}"),
     "shop/web-1", "shop/db-1", "5432/tcp", false},
    {"exists: false wants none", ALLOW("{from: {labels: {tier: {exists: false}}}, to: db}"), "shop/web-1", "shop/db-1",
     "5432/tcp", true},
    {"and refuses the key", ALLOW("{from: {labels: {tier: {exists: false}}}, to: db}"), "shop/api-1", "shop/db-1",
     "5432/tcp", false},
    {"every entry must hold", ALLOW("{from: {labels: {app: api, tier: gold}}, to: db}"), "shop/api-1", "shop/db-1",
     "5432/tcp", true},
    {"and one is not enough", ALLOW("{from: {labels: {app: api, tier: gold}}, to: db}"), "shop/api-2", "shop/db-1",
     "5432/tcp", false},
    {"not: refuses each of a list", ALLOW("{from: {labels: {app: {not: [api, web]}}}, to: db}"), "shop/web-1",
     "shop/db-1", "5432/tcp", false},
    {"a value is not its beginning", ALLOW("{from: {labels: {app: ap}}, to: db}"), "shop/api-1", "shop/db-1",
     "5432/tcp", false},
    {"namespaces may be listed", ALLOW("{from: {labels: {}, namespaces: [lab]}, to: db}"), "lab/web-1", "shop/db-1",
     "5432/tcp", true},
    {"and then the own one is out", ALLOW("{from: {labels: {}, namespaces: [lab]}, to: db}"), "shop/web-1", "shop/db-1",
     "5432/tcp", false},
    {"a namespace has its name as label",
     ALLOW("{from: {labels: {}, namespaces: {labels: {kubernetes.io/metadata.name: lab}}}, to: db}"), "lab/web-1",
     "shop/db-1", "5432/tcp", true},
    {"a source outside is a network's", ALLOW("{from: out, to: db}"), "203.0.113.9", "shop/db-1", "5432/tcp", true},
    {"less its exceptions too", ALLOW("{from: out, to: db}"), "203.0.113.7", "shop/db-1", "5432/tcp", false},
    {"an inline cidr has exceptions", ALLOW("{from: {cidr: 198.51.100.0/24, except: [198.51.100.1/32]}, to: db}"),
     "198.51.100.1", "shop/db-1", "5432/tcp", false},
    {"and holds its last address", ALLOW("{from: {cidr: 198.51.100.0/24, except: [198.51.100.1/32]}, to: db}"),
     "198.51.100.255", "shop/db-1", "5432/tcp", true},
    {"a workload may call its own node", ALLOW("{from: db, to: node, ports: [53/udp]}"), "shop/db-1", "192.0.2.2",
     "53/udp", true},
    {"and no other", ALLOW("{from: db, to: node, ports: [53/udp]}"), "shop/db-1", "192.0.2.1", "53/udp", false},
    {"a node is not in the cluster", ALLOW("{from: cluster, to: db}"), "192.0.2.2", "shop/db-1", "5432/tcp", false},
    {"any port is every protocol", ALLOW("{from: web, to: db, ports: [any]}"), "shop/web-1", "shop/db-1", "65535/udp",
     true},
    {"a range begins at its first", ALLOW("{from: web, to: db, ports: [100-200/udp]}"), "shop/web-1", "shop/db-1",
     "100/udp", true},
    {"and not before", ALLOW("{from: web, to: db, ports: [100-200/udp]}"), "shop/web-1", "shop/db-1", "99/udp", false},
    {"a range is of one protocol", ALLOW("{from: web, to: db, ports: [100-200/udp]}"), "shop/web-1", "shop/db-1",
     "150/tcp", false},
    {"one allow takes nothing from another", ALLOW("{from: any, to: db}\n  - {from: web, to: db, ports: [1/tcp]}"),
     "shop/api-1", "shop/db-1", "5432/tcp", true},
    {"a list of peers is their union",
     ALLOW("{from: [web, node, lab/none], to: db}\n---\nringfence: v1\nnamespace: "
	   "lab\nservices: {none: {workloads: {app: none}}}"),
     "shop/web-1", "shop/db-1", "5432/tcp", true},
    {"a network is its addresses", ALLOW("{from: api, to: out, ports: [443/tcp]}"), "shop/api-1", "203.0.113.9",
     "443/tcp", true},
    {"less the exceptions", ALLOW("{from: api, to: out, ports: [443/tcp]}"), "shop/api-1", "203.0.113.7", "443/tcp",
     false},
    {"of both families", ALLOW("{from: web, to: out, ports: [443/tcp]}"), "shop/web-1", "2001:db8::9", "443/tcp", true},
    {"a network holds workloads too", ALLOW("{from: api, to: mesh, ports: [5432/tcp]}"), "shop/api-1", "shop/db-1",
     "5432/tcp", true},
    {"any is any end", ALLOW("{from: any, to: db}"), "198.51.100.1", "shop/db-1", "5432/tcp", true},
    {"cluster is known workloads", ALLOW("{from: cluster, to: db}"), "lab/web-1", "shop/db-1", "5432/tcp", true},
    {"and no address outside", ALLOW("{from: cluster, to: db}"), "198.51.100.1", "shop/db-1", "5432/tcp", false},
    {"node is the workload's own", ALLOW("{from: node, to: db}"), "192.0.2.2", "shop/db-1", "5432/tcp", true},
    {"and no other node", ALLOW("{from: node, to: db}"), "192.0.2.1", "shop/db-1", "5432/tcp", false},
    {"a range holds both its ends", ALLOW("{from: web, to: db, ports: [100-200/udp]}"), "shop/web-1", "shop/db-1",
     "200/udp", true},
    {"and not the next", ALLOW("{from: web, to: db, ports: [100-200/udp]}"), "shop/web-1", "shop/db-1", "201/udp",
     false},
    {"a date is valid to its end", ALLOW("{from: web, to: db, until: 2027-01-15}"), "shop/web-1", "shop/db-1",
     "5432/tcp", true},
    {"and no longer", ALLOW("{from: web, to: db, until: 2027-01-14}"), "shop/web-1", "shop/db-1", "5432/tcp", false},
    {"unmatched workloads are denied where a service exists", ALLOW("{from: web, to: db}"), "shop/odd-1", "lab/web-1",
     "80/tcp", false},
    {"unmatched: allow leaves them open", "settings: {unmatched: allow}\n" ALLOW("{from: web, to: db}"), "shop/odd-1",
     "lab/web-1", "80/tcp", true},
    {"but not towards a service", "settings: {unmatched: allow}\n" ALLOW("{from: web, to: db}"), "shop/odd-1",
     "shop/db-1", "5432/tcp", false},
    {"without a service nothing is isolated", "ringfence: v1\n" INVENTORY, "shop/odd-1", "shop/db-1", "1/tcp", true},
    {"unmatched: deny closes all the same", "ringfence: v1\nsettings: {unmatched: deny}\n" INVENTORY, "shop/odd-1",
     "shop/db-1", "1/tcp", false},
    {"a workload reaches itself", SERVICES INVENTORY, "shop/db-1", "shop/db-1", "1/tcp", true},
    {"an address for workloads that nobody has is closed", ALLOW("{from: any, to: any, ports: [any]}"), "10.0.1.77",
     "198.51.100.1", "1/tcp", false},
    {"the world's addresses are not ours", SERVICES INVENTORY, "198.51.100.1", "198.51.100.2", "1/tcp", true},
};

static void each_flow_has_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena *arena = arena_create();
		struct diagnostics diagnostics;
		struct frontend frontend;
		struct endpoints from, to;
		struct flow flow;
		uint16_t protocol, port;
		diagnostics_init(&diagnostics, arena);
		frontend_init(&frontend, arena, &diagnostics);
		frontend_add_text(&frontend, "case.yaml", cases[i].policy, strlen(cases[i].policy));
		frontend_finish(&frontend);
		diagnostics_print(&diagnostics, stderr, false);
		assert_int_equal(diagnostics.errors, 0);
		struct world world = {&frontend.policy, &frontend.inventory, NOW};
		assert_null(endpoints_find(arena, &world, cases[i].from, &from));
		assert_null(endpoints_find(arena, &world, cases[i].to, &to));
		assert_null(flow_port_find(arena, &world, &to, cases[i].port, &protocol, &port));
		struct verdict verdict = verdict_of_endpoints(&world, &from, &to, protocol, port, &flow);
		if (verdict.allowed != cases[i].allowed)
			print_error("%s: %s -> %s %s is %s\n", cases[i].true_is, cases[i].from, cases[i].to,
				    cases[i].port, verdict.allowed ? "allowed" : "denied");
		assert_int_equal(verdict.allowed, cases[i].allowed);
		arena_free(arena);
	}
	print_message("# %zu cases\n", sizeof cases / sizeof *cases);
}

/* ---- reading for the tests below ---- */

static struct world read_world(struct reading *reading, const char *text, int64_t at)
{
	struct world world = read_policy(reading, "case.yaml", text);
	world.at = at;
	return world;
}

static struct verdict ask(struct reading *reading, const struct world *world, const char *from, const char *to,
			  const char *word)
{
	struct endpoints sources, destinations;
	struct flow flow;
	uint16_t protocol, port;
	assert_null(endpoints_find(reading->arena, world, from, &sources));
	assert_null(endpoints_find(reading->arena, world, to, &destinations));
	assert_null(flow_port_find(reading->arena, world, &destinations, word, &protocol, &port));
	return verdict_of_endpoints(world, &sources, &destinations, protocol, port, &flow);
}

/* Both sides are judged, each for a reason of its own, and a flow needs both. */
static void each_side_has_its_reason(void **state)
{
	static const struct {
		const char *policy, *from, *to, *port;
		enum reason egress, ingress;
		const char *isolated_by[2]; /* NULL: by none */
	} sides[] = {
	    {ALLOW("{from: web, to: api}"),
	     "shop/web-1",
	     "shop/api-1",
	     "8080/tcp",
	     REASON_ALLOW,
	     REASON_ALLOW,
	     {"web", "api"}},
	    {ALLOW("{from: web, to: api}"),
	     "shop/web-1",
	     "shop/db-1",
	     "5432/tcp",
	     REASON_NO_ALLOW,
	     REASON_NO_ALLOW,
	     {"web", "db"}},
	    {ALLOW("{from: api, to: out, ports: [443/tcp]}"),
	     "shop/api-1",
	     "203.0.113.9",
	     "443/tcp",
	     REASON_ALLOW,
	     REASON_NOT_ISOLATED,
	     {"api", NULL}},
	    {ALLOW("{from: out, to: db}"),
	     "203.0.113.9",
	     "shop/db-1",
	     "5432/tcp",
	     REASON_NOT_ISOLATED,
	     REASON_ALLOW,
	     {NULL, "db"}},
	    {ALLOW("{from: any, to: db}"),
	     "10.0.1.77",
	     "shop/db-1",
	     "5432/tcp",
	     REASON_UNKNOWN,
	     REASON_ALLOW,
	     {NULL, "db"}},
	    {ALLOW("{from: db, to: any, ports: [any]}"),
	     "shop/db-1",
	     "10.0.1.77",
	     "1/tcp",
	     REASON_ALLOW,
	     REASON_UNKNOWN,
	     {"db", NULL}},
	    {SERVICES INVENTORY, "shop/odd-1", "shop/db-1", "1/tcp", REASON_NO_ALLOW, REASON_NO_ALLOW, {NULL, "db"}},
	    {"settings: {unmatched: allow}\n" SERVICES INVENTORY,
	     "shop/odd-1",
	     "shop/db-1",
	     "1/tcp",
	     REASON_NOT_ISOLATED,
	     REASON_NO_ALLOW,
	     {NULL, "db"}},
	    {"settings: {unmatched: allow}\n" SERVICES INVENTORY,
	     "shop/db-1",
	     "shop/odd-1",
	     "1/tcp",
	     REASON_NO_ALLOW,
	     REASON_NOT_ISOLATED,
	     {"db", NULL}},
	    {SERVICES INVENTORY, "shop/db-1", "shop/db-1", "1/tcp", REASON_SELF, REASON_SELF, {NULL, NULL}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
		struct reading reading;
		struct world world = read_world(&reading, sides[i].policy, NOW);
		struct verdict verdict = ask(&reading, &world, sides[i].from, sides[i].to, sides[i].port);
		const struct side *both[] = {&verdict.egress, &verdict.ingress};
		const enum reason wanted[] = {sides[i].egress, sides[i].ingress};
		for (size_t j = 0; j < 2; j++) {
			const struct isolation *by = both[j]->isolated_by;
			const char *name = by != NULL ? by->name : "none";
			const char *expected = sides[i].isolated_by[j] != NULL ? sides[i].isolated_by[j] : "none";
			if (both[j]->reason != wanted[j] || strcmp(name, expected) != 0)
				fail_msg("%s -> %s, %s: reason %d by %s, and expected was %d by %s", sides[i].from,
					 sides[i].to, j == 0 ? "egress" : "ingress", both[j]->reason, name, wanted[j],
					 expected);
			assert_int_equal(both[j]->allow != NULL, wanted[j] == REASON_ALLOW);
		}
		assert_int_equal(verdict.allowed, verdict.egress.allowed && verdict.ingress.allowed);
		arena_free(reading.arena);
	}
}

static void an_allow_is_gone_from_its_second_on(void **state)
{
	static const struct {
		const char *until;
		int64_t end; /* Unix time in seconds */
	} untils[] = {
	    {"2027-01-15T08:00:00Z", 1800000000},
	    {"2027-01-15T09:00:00+01:00", 1800000000},
	    {"2027-01-14", 1799971200},
	};
	(void)state;
	for (size_t i = 0; i < sizeof untils / sizeof *untils; i++) {
		for (int64_t apart = -1; apart <= 1; apart++) {
			char text[4096];
			struct reading reading;
			snprintf(text, sizeof text,
				 "%sallow:\n  - {from: web, to: db, until: \"%s\"}\n  - {from: web, to: api}\n%s",
				 SERVICES, untils[i].until, INVENTORY);
			struct world world = read_world(&reading, text, untils[i].end + apart);
			assert_int_equal(ask(&reading, &world, "shop/web-1", "shop/db-1", "5432/tcp").allowed,
					 apart < 0);
			assert_true(ask(&reading, &world, "shop/web-1", "shop/api-1", "8080/tcp").allowed);
			arena_free(reading.arena);
		}
	}
}

static const char *const selectors[] = {
    "{}",
    "{app: web}",
    "{app: [web, api, db]}",
    "{app: {not: [none]}}",
    "{app: {not: web}}",
    "{app: {exists: true}}",
    "{app: {exists: false}}",
    "{kubernetes.io/metadata.name: {exists: false}}",
    "{kubernetes.io/metadata.name: {not: [shop]}}",
    "{kubernetes.io/metadata.name: lab}",
    "{namespace: {exists: false}}",
    "{namespace: {not: [shop]}}",
};

/* Past failures, 11: the scope is added behind the selector, whatever that says. */
static void no_selector_crosses_its_namespace(void **state)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
	    {"{from: {labels: ", "}, to: {labels: {}, namespaces: any}"},
	    {"{from: {labels: {}, namespaces: any}, to: {labels: ", "}"},
	    {"{from: {labels: ", ", namespaces: [shop]}, to: any"},
	    {"{from: {labels: ", ", namespaces: {labels: {team: a}}}, to: any"},
	};
	size_t inside = 0;
	(void)state;
	for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++) {
		for (size_t j = 0; j < sizeof forms / sizeof *forms; j++) {
			char text[4096];
			struct reading reading;
			snprintf(text, sizeof text, "%sallow: [%s%s%s, ports: [any]}]\n%s", SERVICES, forms[j].before,
				 selectors[i], forms[j].after, INVENTORY);
			struct world world = read_world(&reading, text, NOW);
			const struct allow *allow = world.policy->allows[0];
			const struct peer *peer = j == 1 ? &allow->flows.to[0].peer : &allow->flows.from[0];
			const struct endpoint other = {.stands_for = PEER_ANY};
			for (size_t k = 0; k < world.inventory->workload_count; k++) {
				const struct workload *workload = world.inventory->workloads[k];
				const struct endpoint end = {.workload = workload};
				bool matches = peer_matches(&world, peer, &end, &other);
				if (matches && strcmp(workload->name_space, "shop") != 0)
					fail_msg("%s matches %s/%s", selectors[i], workload->name_space,
						 workload->name);
				inside += matches;
			}
			arena_free(reading.arena);
		}
	}
	assert_true(inside > sizeof selectors / sizeof *selectors);
}

static void no_service_isolates_beyond_its_namespace(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++) {
		char text[4096];
		struct reading reading;
		snprintf(text, sizeof text, "ringfence: v1\nnamespace: shop\nservices: {all: {workloads: %s}}\n%s",
			 selectors[i], INVENTORY);
		struct world world = read_world(&reading, text, NOW);
		for (size_t k = 0; k < world.inventory->workload_count; k++) {
			const struct workload *workload = world.inventory->workloads[k];
			const struct isolation *by;
			assert_true(workload_isolated(&world, workload, EGRESS, &by)); /* `unmatched` is deny */
			if (strcmp(workload->name_space, "shop") != 0)
				assert_null(by);
			else if (i == 0)
				assert_non_null(by);
		}
		arena_free(reading.arena);
	}
}

/* Past failures, 3: no more and no less than the namespace. */
static void an_empty_selector_is_exactly_its_namespace(void **state)
{
	struct reading reading;
	struct world world = read_world(&reading, SERVICES "allow: [{from: {labels: {}}, to: db}]\n" INVENTORY, NOW);
	size_t in = 0;
	(void)state;
	for (size_t i = 0; i < world.inventory->workload_count; i++) {
		const struct endpoint end = {.workload = world.inventory->workloads[i]};
		const struct endpoint other = {.stands_for = PEER_ANY};
		bool matches = peer_matches(&world, &world.policy->allows[0]->flows.from[0], &end, &other);
		assert_int_equal(matches, strcmp(end.workload->name_space, "shop") == 0);
		in += matches;
	}
	struct address outside;
	assert_null(address_parse(&outside, "10.0.1.77"));
	const struct endpoint unknown = {.has_address = true, .address = outside}, other = {.stands_for = PEER_ANY};
	assert_false(peer_matches(&world, &world.policy->allows[0]->flows.from[0], &unknown, &other));
	assert_int_equal(in, 5);
	arena_free(reading.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_flow_has_its_verdict),
	    cmocka_unit_test(each_side_has_its_reason),
	    cmocka_unit_test(an_allow_is_gone_from_its_second_on),
	    cmocka_unit_test(no_selector_crosses_its_namespace),
	    cmocka_unit_test(no_service_isolates_beyond_its_namespace),
	    cmocka_unit_test(an_empty_selector_is_exactly_its_namespace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
