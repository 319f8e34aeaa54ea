/* What a policy means, as a table: a policy and an inventory, a flow, and the verdict that language.md gives it. */
#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/frontend.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

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
		struct world world = {&frontend.policy, &frontend.inventory, 1800057599}; /* 2027-01-15T23:59:59Z */
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_flow_has_its_verdict)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
