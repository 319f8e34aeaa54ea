/* What tests of a policy prove: a table of tests that could not fail, and small random policies of which every
 * statement is removed in turn and all tests are run again. */
#include "tests/unit/reading.h"

#include "tests/agreement/random.h"

#include <ringfence/arena.h>
#include <ringfence/coverage.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tests that prove nothing ---- */

#define BASE                                                                              \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                     \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                       \
	"  api: {workloads: {app: api, tier: [gold, silver]}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                          \
	"networks: {out: [203.0.113.0/24]}\nallow:\n"
#define INVENTORY                                                                                                  \
	"---\nringfence: v1\nnodes: {n: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\nworkloads:\n" \
	"- {name: w1, namespace: shop, labels: {app: web, env: dev}, node: n, addresses: [10.0.1.1]}\n"            \
	"- {name: w2, namespace: shop, labels: {app: web}, node: n, addresses: [10.0.1.2], ports: {admin: 9/tcp}}\n"
#define POLICY_OF(spec)                                                                                            \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: " spec \
	"\n---\nringfence: v1\nnamespace: shop\n"

/* The text behind `nothing` begins so; NULL: the test passes and proves something. */
static const struct {
	const char *true_is, *policy, *test, *nothing;
} cases[] = {
    {"an allow that names both ends", BASE "- {from: web, to: db}\n", "{from: web, to: db, expect: allow}", NULL},
    {"a deny between services", BASE "- {from: api, to: db}\n", "{from: web, to: db, expect: deny}", NULL},
    {"a deny on a port that nobody opens", BASE "- {from: web, to: db}\n",
     "{from: web, to: db, ports: [1/tcp], expect: deny}", NULL},
    {"a deny to the world", BASE "- {from: web, to: out, ports: [443/tcp]}\n",
     "{from: web, to: world, ports: [80/tcp], expect: deny}", NULL},
    {"an allow from any", BASE "- {from: any, to: db}\n", "{from: web, to: db, expect: allow}",
     "the allow from `any` at p:9 opens it, so that no statement about `shop/web` is needed"},
    {"an allow to any", BASE "- {from: web, to: any, ports: [any]}\n- {from: web, to: db}\n- {from: any, to: db}\n",
     "{from: web, to: db, expect: allow}", "the allow"},
    {"one side by any, and the other by name",
     POLICY_OF("{podSelector: {}, ingress: [{}], egress: [{to: [{podSelector: "
	       "{matchLabels: {app: db}}}]}], policyTypes: [Ingress, Egress]}"),
     "{from: {labels: {app: web}}, to: {labels: {app: db}}, ports: [1/tcp], expect: allow}", NULL},
    {"a network under an allow from any", BASE "- {from: any, to: db}\n", "{from: out, to: db, expect: allow}",
     "the allow from `any`"},
    {"any under an allow from any", BASE "- {from: any, to: db}\n", "{from: any, to: db, expect: allow}", NULL},
    {"world under an allow from any", BASE "- {from: any, to: db}\n", "{from: world, to: db, expect: allow}", NULL},
    {"any beside the statement in question", BASE "- {from: any, to: db}\n- {from: web, to: db}\n",
     "{from: web, to: db, expect: allow}", "the allow from `any`"},
    {"any on another port", BASE "- {from: any, to: db, ports: [1/tcp]}\n- {from: web, to: db}\n",
     "{from: web, to: db, ports: [1/tcp, 5432/tcp], expect: allow}", NULL},
    {"any in a list of ends", BASE "- {from: [web, any], to: db}\n", "{from: web, to: db, expect: allow}",
     "the allow from `any`"},
    {"cluster is not any", BASE "- {from: cluster, to: db}\n", "{from: web, to: db, expect: allow}", NULL},
    {"ends that nothing isolates", POLICY_OF("{podSelector: {matchLabels: {app: db}}}"),
     "{from: {labels: {app: web}}, to: {labels: {app: api}}, ports: [1/tcp], expect: allow}",
     "nothing isolates either end"},
    {"a pod and its node", POLICY_OF("{podSelector: {matchLabels: {app: db}}}"),
     "{from: node, to: {labels: {app: db}}, ports: [1/tcp], expect: allow}", "a pod and its own node"},
    {"a label that nobody has", BASE "- {from: web, to: db}\n", "{from: {labels: {app: wbe}}, to: db, expect: deny}",
     "nobody has the label app=wbe"},
    {"at the destination too", BASE "- {from: web, to: db}\n",
     "{from: web, to: {labels: {app: dc}}, ports: [1/tcp], expect: deny}", "nobody has the label app=dc"},
    {"a key that nobody has", BASE "- {from: web, to: db}\n",
     "{from: {labels: {ap: {exists: true}}}, to: db, expect: deny}", "nobody has the label ap:"},
    {"a key that somebody has", BASE "- {from: web, to: db}\n",
     "{from: {labels: {tier: {exists: true}}}, to: db, expect: deny}", NULL},
    {"one of two ends that exists", BASE "- {from: api, to: db}\n",
     "{from: [{labels: {app: wbe}}, web], to: db, expect: deny}", NULL},
    {"a label that an allow names", BASE "- {from: {labels: {app: x}}, to: web}\n",
     "{from: {labels: {app: x}}, to: db, expect: deny}", NULL},
    {"a label that only another test names", BASE "- {from: web, to: db}\n",
     "{from: {labels: {app: x}}, to: db, expect: deny}\n- {from: {labels: {app: x}}, to: web, expect: deny}",
     "nobody has the label app=x"},
    {"a label of the inventory", BASE "- {from: api, to: db}\n" INVENTORY,
     "{from: {labels: {env: dev}}, to: db, expect: deny}", NULL},
    {"whoever it is", BASE "- {from: web, to: db}\n",
     "{from: {labels: {}, namespaces: any}, to: db, ports: [1/tcp], expect: deny}", NULL},
    {"a namespace that nobody is in", BASE "- {from: web, to: db}\n",
     "{from: {labels: {app: web}, namespaces: [shpo]}, to: db, expect: deny}", "nobody is in namespace shpo:"},
    {"a port that nobody has", BASE "- {from: web, to: db}\n",
     "{from: web, to: {labels: {app: db}}, ports: [sqll], expect: deny}", "nobody has a port `sqll`"},
    {"a port of the inventory", BASE "- {from: web, to: db}\n" INVENTORY,
     "{from: api, to: {labels: {app: web}}, ports: [admin], expect: deny}", NULL},
    {"addresses that no workload has", BASE "- {from: web, to: db}\n" INVENTORY,
     "{from: {cidr: 10.0.1.8/29}, to: db, expect: deny}", "it is denied whatever the allows say"},
    {"addresses of which a workload has one", BASE "- {from: api, to: db}\n" INVENTORY,
     "{from: {cidr: 10.0.1.0/29}, to: db, expect: deny}", NULL},
    {"whoever is in quarantine", BASE "- {from: web, to: db}\nquarantine: [{workload: shop/w1}]\n" INVENTORY,
     "{from: {cidr: 10.0.1.1/32}, to: db, expect: deny}", "it is denied whatever the allows say"},
};

static void test_what_proves_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		char text[4096];
		snprintf(text, sizeof text, "%s---\nringfence: v1\nnamespace: shop\ntests:\n- %s\n", cases[i].policy,
			 cases[i].test);
		const struct world world = read_policy(&reading, "p", text);
		const struct test_result *result = tests_run(reading.arena, &world);
		const char *wanted = cases[i].nothing != NULL ? cases[i].nothing : "-";
		const char *nothing = result->nothing != NULL ? result->nothing : "-";
		if (!result->passed || strncmp(nothing, wanted, strlen(wanted)) != 0)
			fail_msg("%s: %s, %s and not %s", cases[i].true_is, result->passed ? "passed" : "failed",
				 nothing, wanted);
		arena_free(reading.arena);
	}
}

/* ---- random policies ---- */

static const char *const spaces[] = {"a", "b", "c"};

static void write_labels(FILE *out, struct random *random)
{
	static const char *const entries[] = {
	    "k: x", "k: y", "k: [x, y]", "k: {not: [x]}", "k: {exists: true}", "l: z", "l: {exists: false}"};
	const char *first = PICK(random, entries), *second = PICK(random, entries);
	if (one_in(random, 8))
		first = "";
	fprintf(out, "{%s", first);
	if (*first != 0 && one_in(random, 4) && first[0] != second[0])
		fprintf(out, ", %s", second);
	fputc('}', out);
}

/* Edges of nodes, pools and workloads are among the networks. */
static const char *const cidrs[] = {"10.0.0.0/24",  "10.0.0.0/28",  "10.0.0.16/28", "10.0.0.1/32", "192.0.2.0/30",
				    "192.0.2.1/32", "192.0.2.2/32", "192.0.2.0/24", "0.0.0.0/0",   "203.0.113.0/24"};

static void write_peer(FILE *out, struct random *random)
{
	static const char *const named[] = {"s0", "s1", "s2", "net", "any", "cluster", "world", "node"};
	switch (roll(random, 8)) {
	case 0:
	case 1:
		fputs("{labels: ", out);
		write_labels(out, random);
		if (one_in(random, 3))
			fprintf(out, ", namespaces: [%s]", PICK(random, spaces));
		else if (one_in(random, 2))
			fputs(one_in(random, 3) ? ", namespaces: {labels: {team: t}}" : ", namespaces: any", out);
		fputc('}', out);
		return;
	case 2:
		fprintf(out, "{cidr: %s}", PICK(random, cidrs));
		return;
	case 3:
		fputs(PICK(random, named), out);
		return;
	default:
		fprintf(out, "s%u", roll(random, 3));
	}
}

static void write_peers(FILE *out, struct random *random)
{
	fputc('[', out);
	write_peer(out, random);
	if (one_in(random, 5)) {
		fputs(", ", out);
		write_peer(out, random);
	}
	fputc(']', out);
}

static void write_flows(FILE *out, struct random *random)
{
	static const char *const ports[] = {"1/tcp", "1/tcp", "1-5/tcp", "3/tcp", "any", "icmp", "5-9/udp"};
	fputs("- {from: ", out);
	write_peers(out, random);
	fputs(", to: ", out);
	write_peers(out, random);
	fprintf(out, ", ports: [%s]", PICK(random, ports));
}

static void write_native(FILE *out, struct random *random, bool services)
{
	unsigned allows = 1 + roll(random, 5), nevers = roll(random, 3), tests = 1 + roll(random, 6);
	fputs("ringfence: v1\nnamespace: a\nnetworks: {net: [10.0.0.0/29, 203.0.113.0/25]}\n", out);
	if (services)
		fputs(
		    "services:\n  s0: {workloads: {k: x}}\n  s1: {workloads: {k: [y, z]}}\n  s2: {workloads: {l: z}}\n",
		    out);
	else
		fputs("services: {s0: {workloads: {k: x}}, s1: {workloads: {k: y}}, s2: {workloads: {l: w}}}\n"
		      "settings: {unmatched: allow}\n",
		      out);
	fputs("allow:\n", out);
	for (unsigned i = 0; i < allows; i++) {
		write_flows(out, random);
		fputs(one_in(random, 12) ? ", until: 2027-01-01}\n" : "}\n", out);
	}
	fputs(nevers > 0 ? "never:\n" : "", out);
	for (unsigned i = 0; i < nevers; i++) {
		write_flows(out, random);
		fputs("}\n", out);
	}
	fputs("tests:\n", out);
	for (unsigned i = 0; i < tests; i++) {
		write_flows(out, random);
		fprintf(out, ", expect: %s}\n", one_in(random, 2) ? "allow" : "deny");
	}
	if (one_in(random, 6))
		fputs("quarantine: [{workload: a/w0}]\n", out);
}

static void write_network_policy(FILE *out, struct random *random, unsigned number)
{
	static const char *const pods[] = {"{}", "{matchLabels: {k: x}}", "{matchLabels: {k: y}}"};
	static const char *const peers[] = {
	    "", "{podSelector: {matchLabels: {k: x}}}", "{ipBlock: {cidr: 10.0.0.0/28}}",
	    "{namespaceSelector: {}, podSelector: {matchLabels: {k: y}}}", "{ipBlock: {cidr: 192.0.2.0/30}}"};
	bool ingress = one_in(random, 2);
	fprintf(out,
		"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: n%u, namespace: %s}\n"
		"spec: {podSelector: %s, %s: [{%s: [%s]%s}], policyTypes: [%s]}\n",
		number, PICK(random, spaces), PICK(random, pods), ingress ? "ingress" : "egress",
		ingress ? "from" : "to", PICK(random, peers), one_in(random, 2) ? ", ports: [{port: 1}]" : "",
		ingress ? "Ingress" : "Egress");
}

static void write_inventory(FILE *out, struct random *random)
{
	static const char *const labels[] = {"{}", "{k: x}", "{k: y}", "{k: x, l: z}"};
	unsigned workloads = roll(random, 6);
	fprintf(out,
		"---\nringfence: v1\nnamespaces: {a: {labels: {team: t}}, b: {labels: {}}}\nnodes:\n"
		"  n: {addresses: [192.0.2.1]%s}\n  m: {addresses: [192.0.2.2]}\nworkloads:\n",
		one_in(random, 2) ? ", workload_networks: [10.0.0.0/27]" : "");
	for (unsigned i = 0; i < workloads; i++) {
		fprintf(out, "- {name: w%u, namespace: %s, labels: %s, node: %s, ", i, PICK(random, spaces),
			PICK(random, labels), one_in(random, 2) ? "n" : "m");
		if (one_in(random, 4))
			fprintf(out, "cgroup: w%u.service}\n", i);
		else
			fprintf(out, "addresses: [10.0.0.%u]}\n", i == 0 ? 1 : 8 * i);
	}
	if (workloads == 0)
		fputs("- {name: w, namespace: b, labels: {}}\n", out);
}

static char *random_policy(uint64_t seed)
{
	struct random random = {seed};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	write_native(out, &random, !one_in(&random, 3));
	for (unsigned i = 0; one_in(&random, 2) && i < 3; i++)
		write_network_policy(out, &random, i);
	if (one_in(&random, 2))
		write_inventory(out, &random);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Whether a test that passed fails in another policy with the same tests. */
static bool is_missed(struct arena *arena, const struct world *world, const struct policy *policy,
		      const struct test_result *before)
{
	const struct world other = {policy, world->inventory, world->at};
	const struct test_result *after = tests_run(arena, &other);
	bool missed = false;
	for (size_t i = 0; i < policy->test_count; i++)
		missed = missed || (before[i].passed && !after[i].passed);
	return missed;
}

/* Whether a statement is covered, by its place; false where it is not listed at all. */
static bool is_covered(const struct coverage *coverage, bool is_never, const struct span *span)
{
	for (size_t i = 0; i < coverage->count; i++)
		if (coverage->items[i].is_never == is_never && compare_spans(&coverage->items[i].span, span) == 0)
			return coverage->items[i].covered;
	return false;
}

static bool allow_is_missed(struct arena *arena, const struct world *world, size_t number,
			    const struct test_result *results)
{
	struct policy policy = *world->policy;
	policy.allows = arena_alloc(arena, policy.allow_count * sizeof(struct allow *));
	policy.allow_count = 0;
	for (size_t i = 0; i < world->policy->allow_count; i++)
		if (i != number)
			policy.allows[policy.allow_count++] = world->policy->allows[i];
	return is_missed(arena, world, &policy, results);
}

static bool never_is_missed(struct arena *arena, const struct world *world, size_t number,
			    const struct test_result *results)
{
	struct policy policy = *world->policy;
	struct allow allow = {.flows = policy.nevers[number]->flows, .counts = {true, true}};
	policy.allows = arena_alloc(arena, (policy.allow_count + 1) * sizeof(struct allow *));
	memcpy(policy.allows, world->policy->allows, policy.allow_count * sizeof(struct allow *));
	policy.allows[policy.allow_count++] = &allow;
	policy.nevers = arena_alloc(arena, policy.never_count * sizeof(struct never *));
	policy.never_count = 0;
	for (size_t i = 0; i < world->policy->never_count; i++)
		if (i != number)
			policy.nevers[policy.never_count++] = world->policy->nevers[i];
	return is_missed(arena, world, &policy, results);
}

static void same_side(const struct side *a, const struct side *b)
{
	assert_int_equal(a->allowed, b->allowed);
	assert_int_equal(a->reason, b->reason);
	assert_ptr_equal(a->allow, b->allow);
	assert_ptr_equal(a->quarantine, b->quarantine);
	assert_ptr_equal(a->isolated_by, b->isolated_by);
}

/* What a test reports is what the whole policy says of the flow. */
static void check_results(const struct world *world, const struct test_result *results)
{
	for (size_t i = 0; i < world->policy->test_count; i++) {
		if (results[i].flow_count == 0)
			continue;
		const struct verdict whole = verdict_of(world, &results[i].flow);
		assert_int_equal(whole.allowed, results[i].verdict.allowed);
		same_side(&whole.egress, &results[i].verdict.egress);
		same_side(&whole.ingress, &results[i].verdict.ingress);
	}
}

/* Makes most tests pass: some ask for what an allow or a `never` says, and those that fail expect the other. */
static void settle_tests(struct random *random, struct arena *arena, const struct world *world)
{
	const struct policy *policy = world->policy;
	for (size_t i = 0; i < policy->test_count; i++) {
		const struct flows *flows = one_in(random, 3) && policy->never_count > 0
						? &policy->nevers[roll(random, (unsigned)policy->never_count)]->flows
						: &policy->allows[roll(random, (unsigned)policy->allow_count)]->flows;
		struct flows *own = &policy->tests[i]->flows;
		if (one_in(random, 2))
			own->from = flows->from;
		if (one_in(random, 2))
			own->to = flows->to;
		own->from_count = own->to_count = 1;
	}
	const struct test_result *results = tests_run(arena, world);
	for (size_t i = 0; i < policy->test_count; i++)
		if (!results[i].passed)
			policy->tests[i]->expect_allow = !policy->tests[i]->expect_allow;
}

struct tally {
	size_t allows, allows_covered, nevers, nevers_covered;
};

/* Compares what is covered with what is missed by the tests, run again without each statement. */
static void check_policy(struct reading *reading, const struct world *world, const char *text,
			 struct coverage *coverage)
{
	const struct test_result *results = coverage_run(reading->arena, world, coverage);
	check_results(world, results);
	for (size_t i = 0; i < world->policy->allow_count; i++) {
		const struct span *span = &world->policy->allows[i]->span;
		bool covered = is_covered(coverage, false, span);
		if (allow_is_missed(reading->arena, world, i, results) != covered)
			fail_msg("the allow at line %u is %s in\n%s", span->line,
				 covered ? "covered and not missed" : "missed and not covered", text);
	}
	for (size_t i = 0; i < world->policy->never_count; i++) {
		const struct span *span = &world->policy->nevers[i]->span;
		bool covered = is_covered(coverage, true, span);
		if (never_is_missed(reading->arena, world, i, results) != covered)
			fail_msg("the never at line %u is %s in\n%s", span->line,
				 covered ? "covered and not missed" : "missed and not covered", text);
	}
}

/* Where a test would ask for other flows without a statement. */
static const struct {
	const char *true_is, *policy;
	size_t covered;
} corners[] = {
    {"a namespace that only one allow names is not asked about without it",
     "ringfence: v1\nservices: {db: {workloads: {app: db}}}\nallow:\n"
     "- {from: {labels: {k: x}, namespaces: [b]}, to: db, ports: [1/tcp]}\n"
     "- {from: {labels: {k: x}}, to: db, ports: [1/tcp]}\n"
     "tests: [{from: {labels: {k: x}, namespaces: any}, to: db, ports: [1/tcp], expect: allow}]\n",
     1},
    {"but is where two statements name it",
     "ringfence: v1\nservices: {db: {workloads: {app: db}}}\nallow:\n"
     "- {from: {labels: {k: x}, namespaces: [b]}, to: db, ports: [1/tcp]}\n"
     "- {from: {labels: {k: x}}, to: db, ports: [1/tcp]}\n"
     "- {from: {labels: {l: z}, namespaces: [b]}, to: db, ports: [2/tcp]}\n"
     "tests: [{from: {labels: {k: x}, namespaces: any}, to: db, ports: [1/tcp], expect: allow}]\n",
     2},
    {"labels that only one allow names are not part of the cluster without it",
     "ringfence: v1\nservices: {db: {workloads: {app: db}}}\nallow:\n"
     "- {from: {labels: {k: x}}, to: {cidr: 203.0.113.0/24}, ports: [1/tcp]}\n"
     "- {from: db, to: {cidr: 203.0.113.0/24}, ports: [1/tcp]}\n"
     "tests: [{from: cluster, to: {cidr: 203.0.113.0/24}, ports: [1/tcp], expect: allow}]\n",
     1},
    {"an allow that brings the only workload of a test is missed",
     "ringfence: v1\nallow:\n- {from: {labels: {k: x}}, to: {cidr: 203.0.113.0/24}, ports: [1/tcp]}\n"
     "tests: [{from: cluster, to: {cidr: 203.0.113.0/24}, ports: [1/tcp], expect: allow}]\n",
     1},
    {"and is not where another brings one",
     "ringfence: v1\nallow:\n- {from: {labels: {k: x}}, to: {cidr: 203.0.113.0/24}, ports: [1/tcp]}\n"
     "- {from: {labels: {k: y}}, to: {cidr: 203.0.113.0/24}, ports: [1/tcp]}\n"
     "tests: [{from: cluster, to: {cidr: 203.0.113.0/24}, ports: [1/tcp], expect: allow}]\n",
     0},
    {"a node's address is asked about where a statement cuts it out",
     "ringfence: v1\nservices: {db: {workloads: {app: db}}}\nallow:\n"
     "- {from: {cidr: 192.0.2.7/32}, to: db, ports: [1/tcp]}\n- {from: world, to: db, ports: [1/tcp]}\n"
     "tests: [{from: {cidr: 192.0.2.0/24}, to: db, ports: [1/tcp], expect: allow}]\n"
     "---\nringfence: v1\nnodes: {n: {addresses: [192.0.2.7]}}\n",
     1},
};

static void test_coverage_where_a_test_would_ask_otherwise(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
		struct reading reading;
		struct coverage coverage;
		const struct world world = read_policy(&reading, "p", corners[i].policy);
		check_policy(&reading, &world, corners[i].policy, &coverage);
		if (coverage.allows_covered != corners[i].covered)
			fail_msg("%s: %zu are covered", corners[i].true_is, coverage.allows_covered);
		arena_free(reading.arena);
	}
}

static void check_random(uint64_t seed, struct tally *tally)
{
	struct reading reading;
	struct coverage coverage;
	char *text = random_policy(seed);
	const struct world world = read_policy(&reading, "p", text);
	struct random random = {~seed};
	settle_tests(&random, reading.arena, &world);
	check_policy(&reading, &world, text, &coverage);
	tally->allows += coverage.allows;
	tally->allows_covered += coverage.allows_covered;
	tally->nevers += coverage.nevers;
	tally->nevers_covered += coverage.nevers_covered;
	arena_free(reading.arena);
	free(text);
}

static void test_coverage_is_what_running_all_again_says(void **state)
{
	(void)state;
	struct tally tally = {0};
	const char *count = getenv("POLICIES");
	size_t policies = count != NULL ? strtoul(count, NULL, 10) : 600;
	for (size_t seed = 1; seed <= policies; seed++)
		check_random(seed, &tally);
	printf("# %zu of %zu allows and %zu of %zu nevers are covered\n", tally.allows_covered, tally.allows,
	       tally.nevers_covered, tally.nevers);
	assert_true(tally.allows_covered > 20 && tally.nevers_covered > 20);
	assert_true(tally.allows_covered < tally.allows && tally.nevers_covered < tally.nevers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_proves_nothing),
	    cmocka_unit_test(test_coverage_where_a_test_would_ask_otherwise),
	    cmocka_unit_test(test_coverage_is_what_running_all_again_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
