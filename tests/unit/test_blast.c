/* How far a breach goes: a table of small policies, and random ones of which everything is asked: the closure over
 * verdict_of between workloads is what is told. */
#include "tests/unit/reading.h"

#include <ringfence/arena.h>
#include <ringfence/blast.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blast blast_of(struct reading *reading, const char *word, bool workloads)
{
	struct endpoints from;
	const char *wrong = endpoints_find(reading->arena, &reading->world, word, &from);
	if (wrong != NULL)
		fail_msg("%s", wrong);
	return blast_find(reading->arena, &reading->world, &from, word, workloads);
}

/* ---- a table ---- */

/* `HOPS NAME PATH;` for each, the path as A>B PORTS @LINE >C ...; then the sums. */
static char *told(const struct blast *blast)
{
	char *text = NULL, port[48];
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < blast->count; i++) {
		const struct reached *reached = &blast->items[i];
		fprintf(stream, "%zu %s", reached->hop_count, reached->name);
		for (size_t j = 0; j < reached->hop_count; j++) {
			const struct hop *hop = reached->path[j];
			fprintf(stream, " %s>%s", j == 0 ? hop->from : "", hop->to);
			for (size_t k = 0; k < hop->port_count; k++)
				fprintf(stream, " %s", port_range_format(&hop->ports[k], port));
			for (size_t k = 0; k < hop->statement_count; k++)
				fprintf(stream, " @%u", hop->statements[k].line);
		}
		fputc(';', stream);
	}
	fprintf(stream, "%zu services, %zu workloads", blast->services, blast->workloads);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* Lines 1 to 8; the allows of a case begin in line 9. */
#define BASE                                                               \
	"ringfence: v1\nservices:\n"                                       \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"        \
	"  api: {workloads: {app: [api, apx]}, ports: {http: 8080/tcp}}\n" \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"           \
	"  ops: {workloads: {role: ops}, ports: {ssh: 22/tcp}}\n"          \
	"networks: {out: [203.0.113.0/24], lan: [10.0.0.0/24]}\n"          \
	"allow:\n"
#define INVENTORY(rest)                                             \
	"---\nringfence: v1\nworkloads:\n"                          \
	"- {name: w1, labels: {app: web}, addresses: [10.0.0.1]}\n" \
	"- {name: a1, labels: {app: api}, addresses: [10.0.0.2]}\n" rest

static const struct {
	const char *true_is, *from, *policy, *told;
	bool workloads;
} cases[] = {
    {"nothing is reached without an allow", "web", BASE "- {from: api, to: db}\n", "0 services, 0 workloads", false},
    {"hop by hop", "web", BASE "- {from: web, to: api}\n- {from: api, to: db}\n- {from: db, to: web, ports: [1/tcp]}\n",
     "1 default/api default/web>default/api 8080/tcp @9;2 default/db default/web>default/api 8080/tcp @9 >default/db "
     "5432/tcp @10;2 services, 0 workloads",
     false},
    {"a shortest path", "web",
     BASE "- {from: web, to: api}\n- {from: api, to: db}\n- {from: web, to: db, ports: [7-9/udp]}\n",
     "1 default/api default/web>default/api 8080/tcp @9;1 default/db default/web>default/db 7-9/udp @11;2 services, 0 "
     "workloads",
     false},
    {"ports of several statements on one hop", "web",
     BASE "- {from: web, to: db, ports: [5-6/tcp]}\n- {from: web, to: db, ports: [7/tcp, 53/udp]}\n",
     "1 default/db default/web>default/db 5-7/tcp 53/udp @9 @10;1 services, 0 workloads", false},
    {"no breach goes on from a network", "web", BASE "- {from: web, to: out, ports: [1/tcp]}\n- {from: out, to: db}\n",
     "1 default/out default/web>default/out 1/tcp @9;0 services, 0 workloads", false},
    {"but from the workloads in it", "web",
     BASE "- {from: web, to: lan, ports: [1/tcp]}\n- {from: lan, to: db}\n" INVENTORY(
	 "- {name: d1, labels: {app: db}, addresses: [10.1.0.3]}\n"),
     "1 default/api default/web>default/api 1/tcp @9;1 default/db default/web>default/db 5432/tcp @10;1 default/lan "
     "default/web>default/lan 1/tcp @9;2 services, 2 workloads",
     false},
    {"the world is reached where a network of it is", "web",
     BASE "- {from: web, to: world, ports: [any]}\n- {from: lan, to: db}\n",
     "1 default/lan default/web>default/lan any @9;1 world default/web>world any @9;0 services, 0 workloads", false},
    {"a value of a selector that is not the first", "apx",
     BASE "- {from: api, to: db}\n- {from: {labels: {app: apx}}, to: web}\n"
	  "---\nringfence: v1\nservices: {apx: {workloads: {app: apx}}}\n",
     "0 default/api;1 default/db default/apx>default/db 5432/tcp @9;1 default/web default/apx>default/web 8080/tcp "
     "@10;3 services, 0 workloads",
     false},
    {"a workload of two services may do what either may", "web",
     BASE "- {from: web, to: api}\n- {from: ops, to: db}\n" INVENTORY(
	 "- {name: a2, labels: {app: api, role: ops}, addresses: [10.0.0.4]}\n"),
     "1 default/api default/web>default/api 8080/tcp @9;1 default/ops default/web>default/ops 8080/tcp @9;2 default/db "
     "default/web>default/api+default/ops 8080/tcp @9 >default/db 5432/tcp @10;3 services, 2 workloads",
     false},
    {"and who breaches one service is in the other", "ops",
     BASE "- {from: ops, to: db}\n" INVENTORY("- {name: a2, labels: {app: api, role: ops}, addresses: [10.0.0.4]}\n"),
     "0 default/api;1 default/db default/ops>default/db 5432/tcp @9;2 services, 0 workloads", false},
    {"another workload of the service does not", "a1",
     BASE "- {from: ops, to: db}\n" INVENTORY("- {name: a2, labels: {app: api, role: ops}, addresses: [10.0.0.4]}\n"),
     "0 services, 0 workloads", false},
    {"a workload reaches others of its kind", "w1",
     BASE "- {from: web, to: web}\n" INVENTORY("- {name: w2, labels: {app: web}, addresses: [10.0.0.4]}\n"),
     "1 default/w2 default/w1>default/w2 8080/tcp @9;0 services, 1 workloads", true},
    {"where nothing isolates either end", "x1",
     BASE "- {from: web, to: api}\nsettings: {unmatched: allow}\n" INVENTORY(
	 "- {name: x1, labels: {}, addresses: [10.0.0.4]}\n- {name: x2, labels: {}, addresses: [10.0.0.5]}\n"
	 "- {name: x3, labels: {}, addresses: [\"fd00::5\"]}\n"),
     "1 default/x2 default/x1>default/x2 any;1 node default/x1>node any;1 "
     "world default/x1>world any;0 services, 1 workloads",
     true},
    {"who is in quarantine reaches nobody", "web",
     BASE "- {from: web, to: api}\nquarantine: [{workload: w1}]\n" INVENTORY(""), "0 services, 0 workloads", false},
    {"nor does a breach go on from there", "web",
     BASE "- {from: web, to: api}\n- {from: api, to: db}\nquarantine: [{workload: a1}]\n" INVENTORY(""),
     "0 services, 0 workloads", false},
    {"from an address of nobody", "203.0.113.9", BASE "- {from: out, to: web}\n- {from: web, to: api}\n",
     "1 default/web 203.0.113.9>default/web 8080/tcp @9;2 default/api 203.0.113.9>default/web 8080/tcp @9 "
     ">default/api 8080/tcp @10;2 services, 0 workloads",
     false},
    {"labels that only a statement knows", "web",
     BASE "- {from: web, to: {labels: {x: y}}, ports: [1/tcp]}\n- {from: {labels: {x: y}}, to: db}\n",
     "1 default/{x: y} default/web>default/{x: y} 1/tcp @9;2 default/db default/web>default/{x: y} 1/tcp @9 "
     ">default/db 5432/tcp @10;1 services, 0 workloads",
     false},
};

static void each_breach_is_told(void **state)
{
	size_t failed = 0;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		read_policy(&reading, "p", cases[i].policy);
		struct blast blast = blast_of(&reading, cases[i].from, cases[i].workloads);
		char *text = told(&blast);
		if (strcmp(text, cases[i].told) != 0) {
			print_message("# %s: %s\n", cases[i].true_is, text);
			failed++;
		}
		free(text);
		arena_free(reading.arena);
	}
	assert_int_equal(failed, 0);
	print_message("# %zu cases\n", sizeof cases / sizeof *cases);
}

/* ---- random policies, of which everything is asked ---- */

enum { WORKLOADS = 12, SERVICES = 4 };

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static const char *pick(uint32_t *seed, const char *const *words, size_t count)
{
	return words[next(seed) % count];
}
#define PICK(seed, words) pick((seed), (words), sizeof(words) / sizeof *(words))

static void write_policy(FILE *stream, uint32_t *seed)
{
	static const char *const selectors[] = {
	    "a: x", "a: y", "a: z", "b: x", "b: y", "a: [x, z]", "a: {not: [x]}", "b: {exists: false}", "a: y, b: y"};
	static const char *const peers[] = {"s0",
					    "s1",
					    "s2",
					    "s3",
					    "s0",
					    "s1",
					    "s2",
					    "net",
					    "cluster",
					    "node",
					    "node",
					    "{cidr: 127.0.0.0/8}",
					    "world",
					    "{labels: {a: z}}",
					    "{labels: {b: x}}",
					    "{labels: {a: y}, namespaces: any}",
					    "{cidr: 10.0.0.8/30}",
					    "{cidr: \"fd00::/125\"}"};
	static const char *const ports[] = {"1/tcp", "2/tcp", "1-2/tcp", "2/udp", "any", "icmp", "2-9/tcp, 53/udp"};
	static const char *const unmatched[] = {"", "", "", "settings: {unmatched: allow}\n"};
	fprintf(stream, "ringfence: v1\n%snetworks: {net: [10.0.0.4/30, 203.0.113.0/24]}\nservices:\n",
		PICK(seed, unmatched));
	for (int i = 0; i < SERVICES; i++)
		fprintf(stream, "  s%d: {workloads: {%s}}\n", i, PICK(seed, selectors));
	fputs("allow:\n", stream);
	for (uint32_t i = next(seed) % 7 + 1; i > 0; i--) {
		const char *from = PICK(seed, peers), *to = PICK(seed, peers);
		fprintf(stream, "  - {from: %s, to: %s, ports: [%s]}\n", from, to, PICK(seed, ports));
	}
	if (next(seed) % 4 == 0)
		fprintf(stream, "quarantine: [{workload: w%u}]\n", next(seed) % WORKLOADS);
}

static void write_network_policy(FILE *stream, uint32_t *seed)
{
	static const char *const selectors[] = {"{}", "{matchLabels: {a: x}}", "{matchLabels: {b: y}}"};
	static const char *const sources[] = {"", "{podSelector: {matchLabels: {a: y}}}", "{podSelector: {}}",
					      "{ipBlock: {cidr: 10.0.0.0/29}}"};
	static const char *const ports[] = {"", "{port: 1}", "{port: 2, endPort: 3}", "{port: p}"};
	const char *selector = PICK(seed, selectors), *in = PICK(seed, sources), *out = PICK(seed, sources);
	fprintf(
	    stream,
	    "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np%u, namespace: default}\n"
	    "spec:\n  podSelector: %s\n  policyTypes: [%s]\n  ingress: [{from: [%s], ports: [%s]}]\n",
	    next(seed), selector, next(seed) % 2 == 0 ? "Ingress" : "Ingress, Egress", in, PICK(seed, ports));
	fprintf(stream, "  egress: [{to: [%s], ports: [%s]}]\n", out, PICK(seed, ports));
}

static char *random_universe(uint32_t seed)
{
	static const char *const as[] = {"", "a: x", "a: y", "a: z"}, *const bs[] = {"", "b: x", "b: y", ""};
	char *text = NULL;
	size_t size = 0;
	bool native = next(&seed) % 4 > 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	if (native)
		write_policy(stream, &seed);
	for (uint32_t i = native ? next(&seed) % 2 : 2; i > 0; i--)
		write_network_policy(stream, &seed);
	fputs("---\nringfence: v1\nnodes: {na: {addresses: [10.0.0.9]}, nb: {addresses: [192.0.2.1]}}\nworkloads:\n",
	      stream);
	bool hosts = next(&seed) % 2 == 0;
	for (int i = 0; i < WORKLOADS; i++) {
		const char *a = PICK(&seed, as), *b = PICK(&seed, bs);
		bool both = next(&seed) % 2 == 0, ported = next(&seed) % 4 == 0;
		fprintf(stream, "  - {name: w%d, node: n%c, labels: {pod: w%d, %s%s%s}, ", i, i % 2 == 0 ? 'a' : 'b', i,
			a, *a != 0 && *b != 0 ? ", " : "", b);
		if (hosts && (i % 4 == 1 || i % 5 == 2)) {
			fprintf(stream, "cgroup: w%d.service%s}\n", i, ported ? ", ports: {p: 1/tcp}" : "");
			continue;
		}
		fputs("addresses: [", stream);
		fprintf(stream,
			both	     ? "10.0.0.%d, \"fd00::%d\"]"
			: i % 3 == 0 ? "\"fd00::%d\"]"
				     : "10.0.0.%d]",
			i % 9 + (i > 8 ? 20 : 0), i % 9 + (i > 8 ? 20 : 0));
		fprintf(stream, "%s}\n", ported ? ", ports: {p: 1/tcp}" : "");
	}
	assert_int_equal(fclose(stream), 0);
	return text;
}

static bool is_host(const struct endpoint *end)
{
	return end->workload != NULL && end->workload->cgroup != NULL;
}

static bool fits(const struct flow *flow)
{
	bool loopback = address_is_loopback(&flow->from.address) || address_is_loopback(&flow->to.address);
	if (loopback && (!is_host(&flow->from) || !is_host(&flow->to) ||
			 strcmp(flow->from.workload->node, flow->to.workload->node) != 0))
		return false;
	return flow->from.address.family == flow->to.address.family &&
	       ((flow->protocol != PROTOCOL_ICMP) || flow->from.address.family == 4);
}

/* Whether any packet may go from one end to another: every address and every port that the policies tell apart. */
static bool reaches(const struct world *world, const struct endpoint *from, const struct endpoint *to)
{
	static const struct port_range ports[] = {
	    {PROTOCOL_TCP, 1, 1}, {PROTOCOL_TCP, 2, 2},	  {PROTOCOL_TCP, 3, 3}, {PROTOCOL_TCP, 10, 10},
	    {PROTOCOL_UDP, 2, 2}, {PROTOCOL_UDP, 53, 53}, {PROTOCOL_UDP, 9, 9}, {PROTOCOL_ICMP, 2048, 2048}};
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
		const struct flow flow = {*from, *to, ports[i].protocol, ports[i].first};
		if (fits(&flow) && verdict_of(world, &flow).allowed)
			return true;
	}
	return false;
}

/* A workload at one of its addresses. A host workload is at that of its node, at one of IPv6 that the inventory does
 * not name, and at loopback ones. */
static struct endpoint at(const struct world *world, const struct workload *workload, size_t number)
{
	struct endpoint end = {.workload = workload, .has_address = true};
	if (workload->cgroup == NULL)
		end.address = workload->addresses[number];
	else if (number == 0)
		end.address = inventory_node(world->inventory, workload->node)->addresses[0];
	else if (number == 1)
		end = (struct endpoint){.workload = workload, .address = {.family = 6}};
	else
		assert_null(address_parse(&end.address, number == 2 ? "127.0.0.1" : "::1"));
	return end;
}

static size_t count_at(const struct workload *workload)
{
	return workload->cgroup != NULL ? 4 : workload->address_count;
}

static bool workloads_reach(const struct world *world, const struct workload *from, const struct workload *to)
{
	for (size_t i = 0; i < count_at(from); i++)
		for (size_t j = 0; j < count_at(to); j++) {
			struct endpoint a = at(world, from, i), b = at(world, to, j);
			if (from != to && reaches(world, &a, &b))
				return true;
		}
	return false;
}

/* Everything asked once: who reaches whom, and then in how many steps from some. */
struct everything {
	const struct world *world;
	bool direct[WORKLOADS][WORKLOADS];
	int steps[WORKLOADS]; /* -1: not reached */
};

static void close_over(struct everything *all)
{
	for (int step = 0; step < WORKLOADS; step++)
		for (size_t i = 0; i < WORKLOADS; i++)
			for (size_t j = 0; j < WORKLOADS && all->steps[i] == step; j++)
				if (all->direct[i][j] && all->steps[j] < 0)
					all->steps[j] = step + 1;
}

static const struct reached *find_reached(const struct blast *blast, enum reached_kind kind, const char *name)
{
	for (size_t i = 0; i < blast->count; i++)
		if (blast->items[i].kind == kind && strcmp(blast->items[i].name, name) == 0)
			return &blast->items[i];
	return NULL;
}

static const struct workload *workload_called(const struct world *world, const char *name)
{
	return inventory_workload(world->inventory, "default", name + strlen("default/"));
}

/* Each hop of a path between workloads is one that may be made. */
static void path_holds(const struct everything *all, const struct reached *reached, const char *text)
{
	for (size_t i = 0; i < reached->hop_count; i++) {
		const struct hop *hop = reached->path[i];
		const struct workload *from = workload_called(all->world, hop->from);
		const struct workload *to = workload_called(all->world, hop->to);
		if (from == NULL || to == NULL || !workloads_reach(all->world, from, to) || hop->port_count == 0)
			fail_msg("%s -> %s is told and is not so:\n%s", hop->from, hop->to, text);
	}
}

static void compare_workload(struct reading *reading, struct everything *all, size_t x, const char *text)
{
	const struct inventory *inventory = all->world->inventory;
	const char *word = arena_printf(reading->arena, "default/%s", inventory->workloads[x]->name);
	const struct blast blast = blast_of(reading, word, true);
	size_t count = 0;
	for (size_t i = 0; i < WORKLOADS; i++)
		all->steps[i] = i == x ? 0 : -1;
	close_over(all);
	for (size_t i = 0; i < WORKLOADS; i++) {
		const char *name = arena_printf(reading->arena, "default/%s", inventory->workloads[i]->name);
		const struct reached *reached = find_reached(&blast, REACHED_WORKLOAD, name);
		int steps = reached != NULL ? (int)reached->hop_count : -1;
		count += all->steps[i] > 0;
		if (i != x && steps != all->steps[i])
			fail_msg("%s to %s: %d hops are told and %d are so:\n%s", word, name, steps, all->steps[i],
				 text);
		if (reached != NULL)
			path_holds(all, reached, text);
	}
	assert_int_equal(count, blast.workloads);
	assert_null(find_reached(&blast, REACHED_WORKLOAD, word));
}

/* Whom a breach reaches that is no workload of ours, and under which name it is told. */
static const struct {
	const char *address, *name;
} strangers[] = {{"203.0.113.9", "default/net"}, {"198.51.100.1", "world"}, {"2001:db8::1", "world"}};

static void compare_strangers(const struct everything *all, const struct blast *blast, const char *text)
{
	const struct policy *policy = all->world->policy;
	for (size_t i = 0; policy->network_count > 0 && i < sizeof strangers / sizeof *strangers; i++) {
		struct endpoint to = {.has_address = true};
		bool is_reached = false;
		assert_null(address_parse(&to.address, strangers[i].address));
		for (size_t j = 0; j < WORKLOADS; j++)
			for (size_t k = 0; k < count_at(all->world->inventory->workloads[j]); k++) {
				struct endpoint from = at(all->world, all->world->inventory->workloads[j], k);
				is_reached = is_reached || (all->steps[j] >= 0 && reaches(all->world, &from, &to));
			}
		bool named = find_reached(blast, REACHED_OUTSIDE, strangers[i].name) != NULL ||
			     find_reached(blast, REACHED_OUTSIDE, "world") != NULL;
		if (is_reached && !named)
			fail_msg("%s is reached and not told:\n%s", strangers[i].address, text);
	}
}

static bool is_of(const struct service *service, const struct workload *workload)
{
	return selector_matches(&service->workloads, &workload->labels);
}

/* Where each service has a workload, one is told where the closure reaches a workload of it, and only then. */
static size_t compare_service(struct reading *reading, struct everything *all, size_t x, const char *text)
{
	const struct policy *policy = all->world->policy;
	const struct inventory *inventory = all->world->inventory;
	const char *word = arena_printf(reading->arena, "service:default/%s", policy->services[x]->name);
	const struct blast blast = blast_of(reading, word, false);
	for (size_t i = 0; i < WORKLOADS; i++)
		all->steps[i] = is_of(policy->services[x], inventory->workloads[i]) ? 0 : -1;
	close_over(all);
	for (size_t i = 0; i < policy->service_count; i++) {
		int steps = -1;
		for (size_t j = 0; j < WORKLOADS; j++)
			if (is_of(policy->services[i], inventory->workloads[j]) && all->steps[j] >= 0 &&
			    (steps < 0 || all->steps[j] < steps))
				steps = all->steps[j];
		const char *name = arena_printf(reading->arena, "default/%s", policy->services[i]->name);
		const struct reached *reached = find_reached(&blast, REACHED_SERVICE, name);
		int told_steps = reached != NULL ? (int)reached->hop_count : -1;
		if (i != x && told_steps != steps)
			fail_msg("%s to %s: %d hops are told and %d are so:\n%s", word, name, told_steps, steps, text);
	}
	compare_strangers(all, &blast, text);
	return blast.services;
}

static bool each_has_workloads(const struct world *world)
{
	for (size_t i = 0; i < world->policy->service_count; i++) {
		bool has = false;
		for (size_t j = 0; j < WORKLOADS; j++)
			has = has || is_of(world->policy->services[i], world->inventory->workloads[j]);
		if (!has)
			return false;
	}
	return true;
}

/* Returns how many services were compared. */
static size_t compare_universe(const char *text, size_t *deepest)
{
	struct reading reading;
	read_policy(&reading, "p", text);
	struct everything all = {.world = &reading.world};
	const struct inventory *inventory = reading.world.inventory;
	const struct policy *policy = reading.world.policy;
	for (size_t i = 0; i < WORKLOADS; i++)
		for (size_t j = 0; j < WORKLOADS; j++)
			all.direct[i][j] =
			    workloads_reach(&reading.world, inventory->workloads[i], inventory->workloads[j]);
	for (size_t i = 0; i < WORKLOADS; i++) {
		compare_workload(&reading, &all, i, text);
		for (size_t j = 0; j < WORKLOADS; j++)
			*deepest = all.steps[j] > (int)*deepest ? (size_t)all.steps[j] : *deepest;
	}
	size_t compared = each_has_workloads(&reading.world) ? policy->service_count : 0, counts[SERVICES];
	for (size_t i = 0; i < compared; i++)
		counts[i] = compare_service(&reading, &all, i, text);
	const struct radii radii = radii_find(reading.arena, &reading.world, 0);
	for (size_t i = 0, j = 0; i < compared; i++) {
		bool listed = j < radii.count && radii.items[j].service == policy->services[i];
		assert_int_equal(counts[i], listed ? radii.items[j].services : 0);
		j += listed;
	}
	arena_free(reading.arena);
	return compared;
}

static void the_closure_is_told(void **state)
{
	enum { UNIVERSES = 400 };
	size_t services = 0, deepest = 0;
	(void)state;
	for (uint32_t i = 1; i <= UNIVERSES; i++) {
		char *text = random_universe(i * 7919);
		services += compare_universe(text, &deepest);
		free(text);
	}
	assert_true(services > UNIVERSES && deepest >= 3);
	print_message("# %d universes, %zu services compared, paths of up to %zu hops\n", UNIVERSES, services, deepest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_breach_is_told),
	    cmocka_unit_test(the_closure_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
