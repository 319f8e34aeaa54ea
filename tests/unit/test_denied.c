/* How a denial ends, as a table: who says it, the flow, and what becomes of it at each end and as a whole. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

enum { DROP = DENIED_DROP, REJECT = DENIED_REJECT, AUDIT = DENIED_AUDIT, PASS };

#define INVENTORY(node)                                                                                         \
	"---\nringfence: v1\nnodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]" node "}}\n" \
	"workloads:\n"                                                                                          \
	"  - {name: a, namespace: shop, node: n0, labels: {app: a}, addresses: [10.0.1.1]}\n"                   \
	"  - {name: b, namespace: shop, node: n0, labels: {app: b}, addresses: [10.0.1.2]}\n"                   \
	"  - {name: ab, namespace: shop, node: n0, labels: {app: a, also: b}, addresses: [10.0.1.3]}\n"         \
	"  - {name: none, namespace: shop, node: n0, labels: {}, addresses: [10.0.1.4]}\n"                      \
	"  - {name: far, namespace: shop, node: n1, labels: {app: far}, addresses: [10.0.2.1]}\n"
#define SHOP(a, b, rest)                                                               \
	"ringfence: v1\nnamespace: shop\nservices:\n  a: {workloads: {app: a}" a "}\n" \
	"  b: {workloads: {app: b}" b "}\n  also: {workloads: {also: b}" b "}\n" rest
#define POD_POLICY                                                                                                  \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n" \
	"  podSelector: {matchLabels: {app: far}}\n  policyTypes: [Ingress]\n"

static const struct {
	const char *true_is, *policy, *from, *to;
	int egress, ingress, whole;
} cases[] = {
    {"silence is the default", SHOP("", "", "") INVENTORY(""), "workload:shop/a", "workload:shop/b", DROP, DROP, DROP},
    {"a service says how its own end denies", SHOP(", deny: reject", "", "") INVENTORY(""), "workload:shop/a",
     "workload:shop/b", REJECT, DROP, REJECT},
    {"and the source's end comes first", SHOP("", ", deny: reject", "") INVENTORY(""), "workload:shop/a",
     "workload:shop/b", DROP, REJECT, DROP},
    {"an end that allows says nothing", SHOP("", ", deny: reject", "settings: {unmatched: allow}\n") INVENTORY(""),
     "shop/none", "workload:shop/b", PASS, REJECT, REJECT},
    {"of two services both must say reject", SHOP(", deny: reject", "", "") INVENTORY(""), "shop/ab", "workload:shop/b",
     DROP, DROP, DROP},
    {"and where both do it is one", SHOP(", deny: reject", ", deny: reject", "") INVENTORY(""), "shop/ab",
     "workload:shop/b", REJECT, REJECT, REJECT},
    {"the settings say it for all", SHOP("", "", "settings: {deny: reject}\n") INVENTORY(""), "shop/none", "shop/far",
     REJECT, REJECT, REJECT},
    {"a node for its own", SHOP("", "", "") INVENTORY(", deny: reject"), "shop/none", "shop/far", REJECT, DROP, REJECT},
    {"a node before the settings", SHOP("", "", "settings: {deny: reject}\n") INVENTORY(", deny: drop"), "shop/none",
     "shop/far", DROP, REJECT, DROP},
    {"a service before both", SHOP(", deny: drop", "", "settings: {deny: reject}\n") INVENTORY(", deny: reject"),
     "workload:shop/a", "workload:shop/b", DROP, REJECT, DROP},
    {"one of two that says nothing is asked of the node", SHOP(", deny: reject", "", "") INVENTORY(", deny: reject"),
     "shop/ab", "workload:shop/b", REJECT, REJECT, REJECT},
    {"a NetworkPolicy is asked of the settings",
     SHOP("", "", "settings: {deny: reject, unmatched: allow}\n" POD_POLICY) INVENTORY(""), "shop/none", "shop/far",
     PASS, REJECT, REJECT},
    {"an unknown address has no answer", SHOP("", "", "settings: {deny: reject}\n") INVENTORY(", deny: reject"),
     "10.0.1.77", "198.51.100.1", DROP, PASS, DROP},
    {"a quarantine has none", SHOP(", deny: reject, mode: audit", "", "quarantine: [{workload: a}]\n") INVENTORY(""),
     "workload:shop/a", "workload:shop/b", DROP, DROP, DROP},

    {"a service in audit lets through", SHOP(", mode: audit", "", "") INVENTORY(""), "workload:shop/a", "198.51.100.1",
     AUDIT, PASS, AUDIT},
    {"what the other end denies all the same", SHOP(", mode: audit", "", "") INVENTORY(""), "workload:shop/a",
     "workload:shop/b", AUDIT, DROP, DROP},
    {"with an answer, if it answers", SHOP(", mode: audit", ", deny: reject", "") INVENTORY(""), "workload:shop/a",
     "workload:shop/b", AUDIT, REJECT, REJECT},
    {"audit goes before an answer", SHOP(", mode: audit, deny: reject", "", "") INVENTORY(""), "workload:shop/a",
     "198.51.100.1", AUDIT, PASS, AUDIT},
    {"of two services both must say audit", SHOP(", mode: audit", "", "") INVENTORY(""), "shop/ab", "198.51.100.1",
     DROP, PASS, DROP},
    {"and where both do it is", SHOP(", mode: audit", ", mode: audit", "") INVENTORY(""), "shop/ab", "198.51.100.1",
     AUDIT, PASS, AUDIT},
    {"the whole policy in audit", SHOP("", "", "settings: {mode: audit}\n") INVENTORY(""), "shop/none",
     "workload:shop/b", AUDIT, AUDIT, AUDIT},
    {"but a service that enforces", SHOP("", ", mode: enforce", "settings: {mode: audit}\n") INVENTORY(""),
     "workload:shop/a", "workload:shop/b", AUDIT, DROP, DROP},
    {"and so does one of two", SHOP("", ", mode: enforce", "settings: {mode: audit}\n") INVENTORY(""), "shop/ab",
     "198.51.100.1", DROP, PASS, DROP},
    {"unmatched workloads are not in a service's audit", SHOP(", mode: audit", ", mode: audit", "") INVENTORY(""),
     "shop/none", "198.51.100.1", DROP, PASS, DROP},
    {"nor are unknown addresses", SHOP(", mode: audit", ", mode: audit", "") INVENTORY(""), "10.0.1.77", "198.51.100.1",
     DROP, PASS, DROP},
    {"but in that of the whole policy", SHOP("", "", "settings: {mode: audit}\n") INVENTORY(""), "10.0.1.77",
     "198.51.100.1", AUDIT, PASS, AUDIT},
    {"a quarantine is in no audit",
     SHOP("", "", "settings: {mode: audit}\nquarantine: [{workload: a}]\n") INVENTORY(""), "workload:shop/a",
     "workload:shop/b", DROP, AUDIT, DROP},
};

static struct verdict judge(size_t i, bool node_audit, struct arena **arena)
{
	struct reading reading;
	struct world world = read_policy(&reading, "case.yaml", cases[i].policy);
	struct policy policy = *world.policy;
	struct endpoints from, to;
	struct flow flow;
	world.policy = &policy;
	policy.node_audit = node_audit;
	assert_null(endpoints_find(reading.arena, &world, cases[i].from, &from));
	assert_null(endpoints_find(reading.arena, &world, cases[i].to, &to));
	struct verdict verdict = verdict_of_endpoints(&world, &from, &to, PROTOCOL_TCP, 80, &flow);
	verdict_tell_denied(&world, &flow, &verdict);
	*arena = reading.arena;
	return verdict;
}

static int end_of(const struct side *side)
{
	return side->allowed ? (int)PASS : (int)side->denied;
}

static void each_denial_ends_as_it_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena *arena;
		struct verdict verdict = judge(i, false, &arena);
		if (verdict.allowed || end_of(&verdict.egress) != cases[i].egress ||
		    end_of(&verdict.ingress) != cases[i].ingress || (int)verdict.denied != cases[i].whole)
			fail_msg("%s: allowed %d, egress %d, ingress %d, as a whole %d", cases[i].true_is,
				 verdict.allowed, end_of(&verdict.egress), end_of(&verdict.ingress),
				 (int)verdict.denied);
		arena_free(arena);
	}
}

static void a_node_in_audit_lets_all_through_but_quarantines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct arena *arena;
		struct verdict verdict = judge(i, true, &arena);
		bool closed = verdict.egress.reason == REASON_QUARANTINE;
		assert_false(verdict.allowed);
		if (verdict.denied != (closed ? DENIED_DROP : DENIED_AUDIT))
			fail_msg("%s: as a whole %d", cases[i].true_is, (int)verdict.denied);
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_denial_ends_as_it_is_said),
	    cmocka_unit_test(a_node_in_audit_lets_all_through_but_quarantines),
	};
	return cmocka_run_group_tests_name("denied", tests, NULL, NULL);
}
