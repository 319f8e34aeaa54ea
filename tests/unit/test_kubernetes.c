/* Kubernetes manifests as clusters print them, and beside native documents: text in, verdicts out. What NetworkPolicies
 * mean is asked by tests/conformance. */
#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/frontend.h>
#include <ringfence/ruleset.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ASKED_MOST = 6, NOW = 1800000000 };

#define POD(space, name, labels, address)                                                                      \
	"{apiVersion: v1, kind: Pod, metadata: {name: " name ", namespace: " space ", labels: {" labels "}}, " \
	"spec: {nodeName: n0, containers: [{ports: [{name: http, containerPort: 8080}]}]}, "                   \
	"status: {phase: Running, hostIP: 192.0.2.1, podIPs: [{ip: " address "}]}}"
#define PODS                                                                                          \
	"---\napiVersion: v1\nkind: List\nitems:\n- " POD("x", "a", "app: a", "10.0.0.1") "\n- " POD( \
	    "x", "b", "app: b", "10.0.0.2") "\n- " POD("y", "c", "app: a", "10.0.0.3") "\n"
#define POLICY(name, spec)                                                                   \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " name \
	", namespace: x}\nspec: " spec "\n"
#define FROM_A "{podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]}"

static const struct reading_case {
	const char *true_is, *text;
	const char *asked[ASKED_MOST]; /* "+FROM TO PORT" is allowed, "-FROM TO PORT" is not */
} cases[] = {
    {"a_list_holds_objects_of_any_kind", PODS POLICY("p", FROM_A), {"+x/a x/b 80/tcp", "-y/c x/b 80/tcp"}},
    {"a_list_of_a_kind_need_not_say_it_again",
     PODS "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems: [{metadata: {name: p, namespace: x}, "
	  "spec: " FROM_A "}]\n",
     {"+x/a x/b 80/tcp", "-y/c x/b 80/tcp"}},
    {"json_is_read_as_yaml",
     PODS
     "---\n{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"metadata\": {\"name\": \"p\", "
     "\"namespace\": \"x\", \"managedFields\": [{\"manager\": \"kubectl\", \"fieldsV1\": {\"f:spec\": {}}}], "
     "\"creationTimestamp\": null, \"generation\": 1}, \"spec\": {\"podSelector\": {}, \"ingress\": [{\"ports\": "
     "[{\"port\": 80, \"endPort\": 90, \"protocol\": \"TCP\"}]}]}, \"status\": {}}\n",
     {"+x/a x/b 80/tcp", "+y/c x/b 90/tcp", "-x/a x/b 91/tcp", "-x/a x/b 80/udp"}},
    {"a_namespace_of_nobody_is_default",
     PODS "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}}\n",
     {"+x/a x/b 80/tcp"}},
    {"without_a_spec_every_pod_of_the_namespace_is_isolated_for_ingress",
     PODS "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\n",
     {"-x/a x/b 80/tcp", "+x/a y/c 80/tcp"}},
    {"the_name_of_a_namespace_is_a_label_that_nobody_can_change",
     PODS
     "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: y, labels: {kubernetes.io/metadata.name: x}}\n" POLICY(
	 "p", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "
	      "x}}}]}]}"),
     {"+x/a x/b 80/tcp", "-y/c x/b 80/tcp"}},
    {"other_kinds_say_nothing", PODS "---\napiVersion: apps/v1\nkind: Deployment\nspec: null\n", {"+x/a x/b 80/tcp"}},
    {"a_pod_and_its_node_reach_each_other",
     PODS POLICY("p", "{podSelector: {}, policyTypes: [Ingress, Egress]}"),
     {"+192.0.2.1 x/b 80/tcp", "+x/b 192.0.2.1 80/udp", "-192.0.2.2 x/b 80/tcp", "-x/b 192.0.2.2 80/tcp"}},
    {"a_native_service_follows_its_node_peers",
     PODS POLICY("p", "{podSelector: {}}") "---\nringfence: v1\nnamespace: x\nservices: {b: {workloads: {app: b}}}\n",
     {"-192.0.2.1 workload:x/b 80/tcp", "+192.0.2.1 x/a 80/tcp"}},
    {"a_native_service_makes_unmatched_workloads_isolated",
     PODS "---\nringfence: v1\nnamespace: x\nservices: {b: {workloads: {app: b}}}\n",
     {"-x/a y/c 80/tcp", "-x/a workload:x/b 80/tcp"}},
    {"an_allow_counts_on_both_sides_of_pods_that_policies_isolate",
     PODS POLICY("p", "{podSelector: {}, policyTypes: [Ingress, Egress]}") "---\nringfence: v1\nnamespace: x\nallow: "
									   "[{from: {labels: {app: a}}, to: {labels: "
									   "{app: b}}, ports: [http]}]\n",
     {"+x/a x/b 8080/tcp", "-x/a x/b 80/tcp", "-x/b x/a 8080/tcp"}},
    {"a_rule_counts_on_one_side",
     PODS POLICY("p", FROM_A) "---\nringfence: v1\nsettings: {unmatched: deny}\n",
     {"-x/a x/b 80/tcp"}},
    {"two_rules_count_on_two_sides",
     PODS POLICY("p", FROM_A) POLICY(
	 "q",
	 "{podSelector: {matchLabels: {app: a}}, egress: [{}]}") "---\nringfence: v1\nsettings: {unmatched: deny}\n",
     {"+x/a x/b 80/tcp", "-x/a y/c 80/tcp"}},
    {"a_quarantine_holds_for_a_pod",
     PODS "---\nringfence: v1\nquarantine: [{workload: x/a, until: 2099-01-01}, {workload: x/b, until: 2001-01-01}]\n",
     {"-x/a x/b 80/tcp", "-y/c x/a 80/tcp", "+y/c x/b 80/tcp"}},
    {"of_two_container_ports_with_one_name_the_first_counts",
     "---\n{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: x}, spec: {containers: [{ports: [{name: http, "
     "containerPort: 1}]}, {ports: [{name: http, containerPort: 2}, {name: http, containerPort: 3, protocol: UDP}]}], "
     "initContainers: [{ports: [{name: init, containerPort: 4}]}, {restartPolicy: Always, ports: [{name: side, "
     "containerPort: 5}]}]}, status: {podIP: 10.0.0.2}}\n" POLICY(
	 "p", "{podSelector: {}, ingress: [{ports: [{port: http}, {port: init}, {port: side}]}]}"),
     {"+192.0.2.9 x/b 1/tcp", "-192.0.2.9 x/b 2/tcp", "-192.0.2.9 x/b 3/udp", "-192.0.2.9 x/b 4/tcp",
      "+192.0.2.9 x/b 5/tcp"}},
};

struct reading {
	struct arena *arena;
	struct diagnostics diagnostics;
	struct frontend frontend;
	struct world world;
};

static void read_text(struct reading *reading, const char *text)
{
	reading->arena = arena_create();
	diagnostics_init(&reading->diagnostics, reading->arena);
	frontend_init(&reading->frontend, reading->arena, &reading->diagnostics);
	frontend_add_text(&reading->frontend, "cluster.yaml", text, strlen(text));
	frontend_finish(&reading->frontend);
	reading->world = (struct world){&reading->frontend.policy, &reading->frontend.inventory, NOW};
}

static bool is_allowed(struct reading *reading, const char *question)
{
	char from[64], to[64], port[64];
	struct endpoints source, destination;
	struct flow flow;
	uint16_t protocol, number;
	assert_int_equal(sscanf(question, "%63s %63s %63s", from, to, port), 3);
	assert_null(endpoints_find(reading->arena, &reading->world, from, &source));
	assert_null(endpoints_find(reading->arena, &reading->world, to, &destination));
	assert_null(flow_port_find(reading->arena, &reading->world, &destination, port, &protocol, &number));
	return verdict_of_endpoints(&reading->world, &source, &destination, protocol, number, &flow).allowed;
}

static void reads_and_means(void **state)
{
	const struct reading_case *one = *state;
	struct reading reading;
	read_text(&reading, one->text);
	diagnostics_print(&reading.diagnostics, stderr, false);
	assert_int_equal(reading.diagnostics.errors, 0);
	for (size_t i = 0; i < ASKED_MOST && one->asked[i] != NULL; i++)
		if (is_allowed(&reading, one->asked[i] + 1) != (one->asked[i][0] == '+'))
			fail_msg("%s", one->asked[i]);
	arena_free(reading.arena);
}

static char *ruleset_text(const char *text)
{
	char *printed = NULL;
	size_t size = 0;
	struct reading reading;
	read_text(&reading, text);
	FILE *stream = open_memstream(&printed, &size);
	assert_non_null(stream);
	struct ruleset *ruleset = ruleset_lower(reading.arena, &reading.world, NULL, 1, &reading.diagnostics);
	assert_non_null(ruleset);
	for (size_t i = 0; i < ruleset->chain_count; i++) /* a comment names a line, which the order changes */
		for (size_t j = 0; j < ruleset->chains[i]->rule_count; j++)
			ruleset->chains[i]->rules[j].comment = NULL;
	ruleset_print(stream, ruleset, NOW);
	fclose(stream);
	arena_free(reading.arena);
	/* So does the record of a denial. */
	for (char *at = printed; (at = strstr(at, "cluster.yaml:")) != NULL; at++) {
		char *line = at + strlen("cluster.yaml:");
		memmove(line, line + strspn(line, "0123456789"), strlen(line + strspn(line, "0123456789")) + 1);
	}
	return printed;
}

static void the_order_of_manifests_changes_nothing(void **state)
{
	(void)state;
	static const char p[] = POLICY("p", FROM_A), q[] = POLICY("q", "{podSelector: {}, egress: [{}]}"),
			  pods[] = PODS;
	char one[8192], other[8192];
	snprintf(one, sizeof one, "%s%s%s", p, q, pods);
	snprintf(other, sizeof other, "%s%s%s", pods, q, p);
	char *first = ruleset_text(one), *second = ruleset_text(other);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void other_network_policies_get_a_warning(void **state)
{
	static const char *const kinds[] = {"cilium.io/v2\nkind: CiliumNetworkPolicy",
					    "policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy",
					    "crd.projectcalico.org/v1\nkind: NetworkPolicy"};
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char text[256];
		struct reading reading;
		snprintf(text, sizeof text, "apiVersion: %s\nmetadata: {name: p}\n", kinds[i]);
		read_text(&reading, text);
		assert_int_equal(reading.diagnostics.errors, 0);
		assert_int_equal(reading.diagnostics.count, 1);
		assert_int_equal(reading.frontend.skipped_count, 1);
		arena_free(reading.arena);
	}
}

static void a_namespace_whose_labels_are_asked_for_and_not_known_gets_a_warning(void **state)
{
	static const struct {
		const char *spec;
		size_t warnings;
	} policies[] = {
	    {"{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: "
	     "DoesNotExist}]}}]}]}",
	     1},
	    {"{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "
	     "x}}}]}]}",
	     0},
	    {"{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		char text[4096];
		struct reading reading;
		snprintf(text, sizeof text,
			 "%s---\napiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n---\napiVersion: "
			 "networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: %s\n",
			 PODS, policies[i].spec);
		read_text(&reading, text);
		assert_int_equal(reading.diagnostics.errors, 0);
		assert_int_equal(reading.diagnostics.count, policies[i].warnings);
		arena_free(reading.arena);
	}
}

static void a_workload_file_holds_pods_and_no_policy(void **state)
{
	(void)state;
	static const char *const texts[] = {PODS, POLICY("p", FROM_A)};
	for (size_t i = 0; i < 2; i++) {
		struct reading reading = {.arena = arena_create()};
		diagnostics_init(&reading.diagnostics, reading.arena);
		frontend_init(&reading.frontend, reading.arena, &reading.diagnostics);
		reading.frontend.inventory_only = true;
		frontend_add_text(&reading.frontend, "pods.yaml", texts[i], strlen(texts[i]));
		frontend_finish(&reading.frontend);
		assert_int_equal(reading.diagnostics.errors, i);
		assert_int_equal(reading.frontend.inventory.workload_count, i == 0 ? 3 : 0);
		arena_free(reading.arena);
	}
}

int main(void)
{
	enum { COUNT = sizeof cases / sizeof *cases };
	struct CMUnitTest table[COUNT];
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_order_of_manifests_changes_nothing),
	    cmocka_unit_test(other_network_policies_get_a_warning),
	    cmocka_unit_test(a_namespace_whose_labels_are_asked_for_and_not_known_gets_a_warning),
	    cmocka_unit_test(a_workload_file_holds_pods_and_no_policy),
	};
	for (size_t i = 0; i < COUNT; i++)
		table[i] =
		    (struct CMUnitTest){cases[i].true_is, reads_and_means, NULL, NULL, (void *)(uintptr_t)&cases[i]};
	int failed = cmocka_run_group_tests(table, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
