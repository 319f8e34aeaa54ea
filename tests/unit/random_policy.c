/* Small random policies with an inventory, whose parts may be the same in two of them. */
#include "tests/unit/random_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

#define PICK(seed, array) ((array)[random_next(seed) % (sizeof(array) / sizeof *(array))])

static const char *const native_selectors[] = {
    "a: x", "a: y",	  "a: [x, y]", "a: {not: [x]}", "a: {not: [x, y]}", "a: {exists: true}", "a: {exists: false}",
    "",	    "a: x, b: y", "b: x",
};

static void write_peer(FILE *stream, uint32_t *seed)
{
	static const char *const names[] = {"s0",
					    "s1",
					    "net",
					    "any",
					    "cluster",
					    "world",
					    "node",
					    "node",
					    "{cidr: 127.0.0.0/8}",
					    "{cidr: 10.0.0.8/29}",
					    "{cidr: 10.0.1.0/24}",
					    "{cidr: \"fd00::/124\"}"};
	static const char *const scopes[] = {"", ", namespaces: [n1]", ", namespaces: any",
					     ", namespaces: {labels: {team: t}}"};
	if (random_next(seed) % 3 > 0)
		fputs(PICK(seed, names), stream);
	else
		fprintf(stream, "{labels: {%s}%s}", PICK(seed, native_selectors), PICK(seed, scopes));
}

static void write_allow(FILE *stream, uint32_t seed)
{
	static const char *const ports[] = {"1/tcp", "2/tcp", "1-2/tcp", "2/udp", "any", "icmp", "1/tcp, 3/tcp"};
	fputs("  - {from: ", stream);
	write_peer(stream, &seed);
	fputs(", to: [", stream);
	write_peer(stream, &seed);
	if (random_next(&seed) % 2 == 0) {
		fputs(", ", stream);
		write_peer(stream, &seed);
	}
	fprintf(stream, "], ports: [%s]}\n", PICK(&seed, ports));
}

static void write_network_policy(FILE *stream, uint32_t seed, int number)
{
	static const char *const selectors[] = {"{}", "{matchLabels: {a: x}}", "{matchLabels: {b: y}}",
						"{matchExpressions: [{key: a, operator: NotIn, values: [x]}]}",
						"{matchExpressions: [{key: b, operator: Exists}]}"};
	static const char *const peers[] = {
	    "",
	    "{podSelector: {matchLabels: {a: y}}}",
	    "{namespaceSelector: {}}",
	    "{namespaceSelector: {matchLabels: {team: u}}}",
	    "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.8/29]}}",
	    "{podSelector: {matchLabels: {a: x}}}, {podSelector: {matchLabels: {b: x}}}"};
	static const char *const ports[] = {"", "{port: 1}", "{port: 2, endPort: 3}", "{port: p}", "{protocol: UDP}"};
	bool ingress = random_next(&seed) % 3 > 0, egress = !ingress || random_next(&seed) % 3 == 0;
	fprintf(stream,
		"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np%d, namespace: n%u}\n"
		"spec:\n  podSelector: %s\n  policyTypes: [%s%s%s]\n",
		number, random_next(&seed) % 2, PICK(&seed, selectors), ingress ? "Ingress" : "",
		ingress && egress ? ", " : "", egress ? "Egress" : "");
	if (ingress && random_next(&seed) % 4 > 0)
		fprintf(stream, "  ingress: [{from: [%s], ports: [%s]}]\n", PICK(&seed, peers), PICK(&seed, ports));
	if (egress && random_next(&seed) % 4 > 0)
		fprintf(stream, "  egress: [{to: [%s], ports: [%s]}]\n", PICK(&seed, peers), PICK(&seed, ports));
}

/* Two of one kind on one node, and others on either node. */
static bool is_host(int number)
{
	return number == 1 || number == 19 || number % 5 == 2;
}

static void write_inventory(FILE *stream, uint32_t seed)
{
	bool hosts = seed % 6 > 2;
	static const char *const values[] = {"", "x", "y"};
	bool pool = random_next(&seed) % 3 == 0, other_labels = random_next(&seed) % 3 == 0;
	bool moved = hosts && random_next(&seed) % 3 == 0;
	fprintf(stream,
		"---\nringfence: v1\nnamespaces: {n0: {labels: {team: t}}, n1: {labels: {team: %s}}}\n"
		"nodes: {na: {addresses: [10.0.1.1]%s}, nb: {addresses: [192.0.2.1]}}\nworkloads:\n",
		random_next(&seed) % 8 == 0 ? "t" : "u", pool ? ", workload_networks: [10.0.0.64/26]" : "");
	for (int i = 0; i < 20; i++) { /* each label set in each namespace, and two again */
		int kind = other_labels && i == 3 ? 4 : i % 18;
		const char *a = values[kind % 3], *b = values[kind / 3 % 3];
		bool on_a = (i % 2 == 0) != (moved && (i == 4 || i == 12));
		fprintf(stream, "  - {name: w%d, namespace: n%d, node: n%c, labels: {%s%s%s%s%s}%s, ", i, kind / 9,
			on_a ? 'a' : 'b', a[0] != 0 ? "a: " : "", a, a[0] != 0 && b[0] != 0 ? ", " : "",
			b[0] != 0 ? "b: " : "", b, i % 4 == 0 ? ", ports: {p: 1/tcp}" : "");
		if (hosts && is_host(i))
			fprintf(stream, "cgroup: system.slice/w%d.service}\n", i);
		else
			fprintf(stream, "addresses: [10.0.0.%d, \"fd00:%s:%d\"]}\n", i + 1,
				i % 3 == 0 ? "" : "1:", i + 1);
	}
}

char *random_policy(const uint32_t parts[RANDOM_PARTS])
{
	static const char *const networks[] = {"[10.0.0.0/30]", "[10.0.0.0/29]", "[203.0.113.0/24, 10.0.0.16/28]",
					       "{cidrs: [0.0.0.0/0], except: [10.0.0.0/28]}"};
	static const char *const settings[] = {"", "settings: {unmatched: allow}\n", "settings: {unmatched: deny}\n"};
	char *text = NULL;
	size_t size = 0;
	uint32_t seed[RANDOM_PARTS];
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	memcpy(seed, parts, sizeof seed);
	fprintf(stream, "ringfence: v1\nnamespace: n0\n%snetworks: {net: %s}\n", PICK(&seed[0], settings),
		PICK(&seed[1], networks));
	bool native = parts[RANDOM_PARTS - 1] % 3 > 0; /* the last is of the same form in both versions */
	for (int i = 0; i < 2 && native; i++)
		fprintf(stream, "%s  s%d: {workloads: {%s}}\n", i == 0 ? "services:\n" : "", i,
			PICK(&seed[2 + i], native_selectors));
	for (int i = 0; i < 3 && native; i++) {
		fputs(i == 0 ? "allow:\n" : "", stream);
		write_allow(stream, seed[4 + i]);
	}
	if (random_next(&seed[7]) % 3 == 0)
		fprintf(stream, "quarantine: [{workload: n0/w%u}]\n", random_next(&seed[7]) % 9);
	for (int i = 0; i < 2; i++)
		if (!native || random_next(&seed[8 + i]) % 3 == 0)
			write_network_policy(stream, seed[8 + i], i);
	write_inventory(stream, seed[10]);
	assert_int_equal(fclose(stream), 0);
	return text;
}

const struct port_range random_ports[RANDOM_PORTS] = {
    {PROTOCOL_TCP, 1, 1}, {PROTOCOL_TCP, 2, 2}, {PROTOCOL_TCP, 3, 3},	     {PROTOCOL_TCP, 4, 4},
    {PROTOCOL_UDP, 2, 2}, {PROTOCOL_UDP, 3, 3}, {PROTOCOL_ICMP, 2048, 2048}, {PROTOCOL_ICMPV6, 32768, 32768},
};

struct endpoint random_end(const struct world *world, size_t number)
{
	static const char *const strangers[RANDOM_STRANGERS] = {
	    "10.0.0.100",  "10.0.0.25",	   "10.0.1.7", "10.0.1.1",    "192.0.2.1",
	    "203.0.113.9", "198.51.100.1", "fd00::f",  "2001:db8::1", "127.0.0.1"};
	struct endpoint end = {.has_address = true};
	if (number < 2 * RANDOM_WORKLOADS) {
		char name[8];
		snprintf(name, sizeof name, "w%zu", number / 2);
		end.workload = inventory_workload(world->inventory, "n0", name);
		if (end.workload == NULL)
			end.workload = inventory_workload(world->inventory, "n1", name);
		assert_non_null(end.workload);
		if (end.workload->cgroup == NULL)
			end.address = end.workload->addresses[number % 2];
		else if (number % 2 == 0)
			end.address = inventory_node(world->inventory, end.workload->node)->addresses[0];
		else
			assert_null(address_parse(&end.address, "127.0.0.1"));
		return end;
	}
	assert_null(address_parse(&end.address, strangers[number - 2 * RANDOM_WORKLOADS]));
	return end;
}

/* A loopback address is met by host workloads of the node alone. */
static bool loopback_fits(const struct endpoint *end, const struct endpoint *other)
{
	if (!address_is_loopback(&end->address))
		return true;
	if (end->workload == NULL || other->workload == NULL)
		return end->workload == NULL ? other->workload != NULL && other->workload->cgroup != NULL
					     : address_is_loopback(&other->address);
	return other->workload->cgroup != NULL && strcmp(other->workload->node, end->workload->node) == 0;
}

bool random_fits(const struct flow *flow)
{
	return loopback_fits(&flow->from, &flow->to) && loopback_fits(&flow->to, &flow->from) &&
	       flow->from.address.family == flow->to.address.family &&
	       (flow->protocol != PROTOCOL_ICMP || flow->from.address.family == 4) &&
	       (flow->protocol != PROTOCOL_ICMPV6 || flow->from.address.family == 6);
}

/* A host workload meets IPv6 at an address of its node that the inventory does not name. */
static void go_without_address(struct endpoint *end, const struct endpoint *other)
{
	if (end->workload != NULL && end->workload->cgroup != NULL && !address_is_loopback(&end->address) &&
	    (other->workload == NULL || other->workload->cgroup == NULL) && other->address.family == 6)
		*end = (struct endpoint){.workload = end->workload, .address = {.family = 6}};
}

struct flow random_flow_of(const struct world *world, size_t from, size_t to, const struct port_range *port)
{
	struct flow flow = {random_end(world, from), random_end(world, to), port->protocol, port->first};
	go_without_address(&flow.from, &flow.to);
	go_without_address(&flow.to, &flow.from);
	return flow;
}

void random_over_loopback(struct flow *flow)
{
	assert_null(address_parse(&flow->from.address, "::1"));
	flow->to.address = flow->from.address;
}

bool random_any_allowed(const struct world *world, size_t from, size_t to, const struct port_range *port)
{
	for (size_t i = 0; i < 4; i++) {
		const struct flow flow = random_flow_of(world, from - from % 2 + i % 2, to - to % 2 + i / 2, port);
		if (random_fits(&flow) && verdict_of(world, &flow).allowed)
			return true;
	}
	struct flow own = random_flow_of(world, from, to, port);
	if (own.from.workload->cgroup == NULL || own.to.workload->cgroup == NULL)
		return false;
	random_over_loopback(&own);
	if (random_fits(&own) && verdict_of(world, &own).allowed)
		return true;
	own.from.has_address = own.to.has_address = false; /* at addresses of IPv6 that the inventory does not name */
	own.from.address = own.to.address = (struct address){.family = 6};
	return random_fits(&own) && verdict_of(world, &own).allowed;
}

void random_change(uint32_t seed, uint32_t before[RANDOM_PARTS], uint32_t after[RANDOM_PARTS])
{
	for (size_t i = 0; i < RANDOM_PARTS; i++) {
		before[i] = random_next(&seed);
		after[i] = random_next(&seed) % 5 == 0 ? random_next(&seed) : before[i];
	}
	after[RANDOM_PARTS - 1] += before[RANDOM_PARTS - 1] % 6 - after[RANDOM_PARTS - 1] % 6;
}
