/* Random worlds; see worlds.h. */
#include "tests/unit/worlds.h"

#include "tests/unit/interpret.h"
#include "tests/unit/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/in.h>

static uint64_t random_state;

void sow(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
}

/* splitmix64 */
unsigned roll(unsigned sides)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) >> 32) % sides;
}

/* ---- policies ---- */

static void write_selector(FILE *out)
{
	static const char *const forms[] = {"{}",
					    "{app: a}",
					    "{app: [a, c]}",
					    "{app: {not: [b]}}",
					    "{app: {not: [a, c]}}",
					    "{tier: {exists: true}}",
					    "{tier: {exists: false}}",
					    "{app: b, tier: {exists: true}}",
					    "{tier: {not: x}}"};
	fputs(forms[roll(sizeof forms / sizeof *forms)], out);
}

static void write_prefix(FILE *out)
{
	unsigned kept = roll(6), base = roll(2) * 16 + roll(16); /* bits of the host part that are fixed */
	unsigned host = kept == 0 ? 0 : base & ~((1U << (5 - kept)) - 1);
	if (roll(2) == 0)
		fprintf(out, roll(9) == 0 ? "0.0.0.0/0" : "10.0.0.%u/%u", host, 27 + kept);
	else
		fprintf(out, roll(9) == 0 ? "\"::/0\"" : "\"fd00::%x/%u\"", host, 123 + kept);
}

static void write_prefixes(FILE *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_prefix(out);
	}
}

/* Writes a peer; returns whether a port can have a name there. */
static bool write_peer(const struct making *making)
{
	static const char *const scopes[] = {"", ", namespaces: any", ", namespaces: [one, two]",
					     ", namespaces: {labels: {team: y}}", ", namespaces: {labels: {}}"};
	static const char *const built_in[] = {"any", "cluster", "node", "world"};
	unsigned kind = roll(10);
	if (kind < 3 && making->services) {
		fprintf(making->out, "%s/s%u", roll(2) ? "one" : "two", roll(2));
		return true;
	}
	if (kind < 5) {
		fputs("{labels: ", making->out);
		write_selector(making->out);
		fprintf(making->out, "%s}", scopes[roll(5)]);
		return true;
	}
	if (kind < 7) {
		unsigned one = roll(4);
		fputs(built_in[one], making->out);
		return one < 2;
	}
	if (kind < 8) {
		fputs(roll(2) ? "one/net" : "two/net", making->out);
		return false;
	}
	fputs("{cidr: [", making->out);
	write_prefixes(making->out, 1 + roll(2));
	fputs("]", making->out);
	if (roll(2) == 0) {
		fputs(", except: [", making->out);
		write_prefixes(making->out, 1 + roll(2));
		fputs("]", making->out);
	}
	fputs("}", making->out);
	return false;
}

static void write_port(FILE *out)
{
	static const char *const protocols[] = {"tcp", "tcp", "tcp", "udp", "udp", "sctp"};
	static const char *const icmp[] = {"icmp", "icmp/echo-request", "icmp/timestamp-request", "icmpv6",
					   "icmpv6/echo-request"};
	const char *protocol = protocols[roll(6)];
	unsigned first = 1 + roll(PORT_MOST), last = first + roll(3);
	if (roll(6) == 0)
		fputs("any", out);
	else if (roll(6) == 0)
		fputs(icmp[roll(5)], out);
	else if (roll(8) == 0)
		fprintf(out, "%u-65535/%s", first, protocol);
	else if (first == last || roll(2))
		fprintf(out, "%u/%s", first, protocol);
	else
		fprintf(out, "%u-%u/%s", first, last, protocol);
}

static void write_allow(const struct making *making)
{
	FILE *out = making->out;
	bool named = false;
	fputs("  - {from: [", out);
	for (unsigned i = 0, count = 1 + roll(3); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_peer(making);
	}
	fputs("], to: [", out);
	for (unsigned i = 0, count = 1 + roll(3); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		named = write_peer(making) || named;
	}
	fputs("], ports: [", out);
	for (unsigned i = 0, count = 1 + roll(3); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_port(out);
	}
	fputs(named && roll(2) ? ", http]" : "]", out);
	if (roll(3) == 0) {
		static const int64_t offsets[] = {-1, 0, 1, 2, 100, 100000};
		char text[32];
		fprintf(out, ", until: \"%s\"", time_print(NOW + offsets[roll(6)], text));
	}
	fputs(roll(8) == 0 ? ", log: true" : "", out);
	fputs(roll(8) == 0 ? ", rate: 50/minute per source" : "", out);
	fputs("}\n", out);
}

/* Rules that count on one side only. */
static void write_network_policy(FILE *out, unsigned number)
{
	static const char *const selectors[] = {"{}", "{matchLabels: {app: a}}", "{matchLabels: {tier: x}}",
						"{matchExpressions: [{key: app, operator: NotIn, values: [b]}]}",
						"{matchExpressions: [{key: tier, operator: Exists}]}"};
	static const char *const spaces[] = {"", "namespaceSelector: {}, ",
					     "namespaceSelector: {matchLabels: {team: y}}, "};
	static const char *const types[] = {"Ingress", "Egress", "Ingress, Egress"};
	static const char *const ports[] = {"{port: 1}", "{port: 2, endPort: 4}", "{port: http}", "{protocol: UDP}",
					    "{port: 5}, {port: 6, protocol: UDP}"};
	unsigned type = roll(3);
	fprintf(out,
		"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
		"metadata: {name: np%u, namespace: %s}\nspec:\n  podSelector: %s\n  policyTypes: [%s]\n",
		number, roll(2) ? "one" : "two", selectors[roll(5)], types[type]);
	for (unsigned direction = 0; direction < 2; direction++) {
		if ((direction == 0 && type == 1) || (direction == 1 && type == 0))
			continue;
		fprintf(out, direction == 0 ? "  ingress: [{from: [" : "  egress: [{to: [");
		if (roll(3) == 0) {
			fputs("{ipBlock: {cidr: ", out);
			write_prefix(out);
			fputs("}}", out);
		} else {
			fprintf(out, "{%spodSelector: %s}", spaces[roll(3)], selectors[roll(5)]);
		}
		fprintf(out, "], ports: [%s]}]\n", ports[roll(5)]);
	}
}

void write_policy(const struct making *making)
{
	static const char *const names[] = {"one", "two"};
	static const char *const modes[8] = {", mode: audit", ", mode: enforce", "", "", "", "", "", ""};
	static const char *const denials[6] = {", deny: reject", ", deny: drop", "", "", "", ""};
	FILE *out = making->out;
	for (unsigned space = 0; space < 2; space++) {
		fprintf(out, "---\nringfence: v1\nnamespace: %s\n", names[space]);
		fputs(making->services ? "services:\n" : "", out);
		for (unsigned i = 0; i < 2 && making->services; i++) {
			fprintf(out, "  s%u: {ports: {http: %u/tcp, dns: %u/udp}, workloads: ", i, 1 + roll(PORT_MOST),
				1 + roll(PORT_MOST));
			write_selector(out);
			fputs(making->audit ? modes[roll(8)] : "", out);
			fputs(denials[roll(6)], out);
			fputs("}\n", out);
		}
		fputs("networks:\n  net: {cidrs: [", out);
		write_prefixes(out, 1 + roll(3));
		fputs("], except: [", out);
		write_prefixes(out, 1 + roll(2));
		fputs("]}\nallow:\n", out);
		for (unsigned i = 0, count = 1 + roll(3); i < count; i++)
			write_allow(making);
	}
	static const char *const settings[] = {"", "", "unmatched: deny", "unmatched: allow"};
	bool audit = making->audit && roll(6) == 0;
	fprintf(out, "settings: {%s%s%s}\n", audit ? "mode: audit, " : "", roll(6) == 0 ? "deny: reject, " : "",
		settings[roll(4)]);
	if (roll(4) == 0)
		fprintf(out, "quarantine: [{workload: %s/w%u}, {workload: w1, until: 2020-01-01}]\n", names[roll(2)],
			roll(WORKLOADS));
	for (unsigned i = 0, count = making->network_policies ? roll(3) : 0; i < count; i++)
		write_network_policy(out, i);
}

/* ---- inventories ---- */

/* Hosts 6 and 15 are the nodes. Pools are the two halves of hosts 0 to 15, or of one family only, or none. */
void write_inventory(const struct making *making)
{
	static const char *const pools[][2] = {
	    {"[10.0.0.0/29, \"fd00::/125\"]", "[10.0.0.8/29, \"fd00::8/125\"]"},
	    {"[10.0.0.0/30, 10.0.0.4/30]", "[\"fd00::8/126\"]"},
	};
	FILE *out = making->out;
	unsigned hosts[HOSTS], count = 0, form = making->pools;
	fputs("---\nringfence: v1\nnamespaces: {one: {labels: {team: x}}, two: {labels: {team: y}}}\nnodes:\n", out);
	for (unsigned i = 0; i < 2; i++) {
		fprintf(out, "  n%u: {addresses: [10.0.0.%u, \"fd00::%x\"]", i, i == 0 ? 6 : 15, i == 0 ? 6 : 15);
		if (form < 2)
			fprintf(out, ", workload_networks: %s", pools[form][i]);
		fputs("}\n", out);
	}
	for (unsigned i = 0; i < HOSTS; i++)
		if (i != 6 && i != 15)
			hosts[count++] = i;
	fputs("workloads:\n", out);
	for (unsigned i = 0; i < WORKLOADS; i++) {
		fprintf(out, "  - {name: w%u, namespace: %s, labels: {app: %c%s}, addresses: [", i,
			roll(2) ? "one" : "two", "abc"[roll(3)], roll(2) ? ", tier: x" : "");
		unsigned first = 0;
		for (unsigned j = 0, addresses = 1 + roll(2); j < addresses; j++) {
			unsigned taken = roll(count), host = hosts[taken];
			/* A workload away from its pool: a_known_workload_in_the_pool_of_another_node_is_known */
			if (form < 2 && j > 0 && first / 8 % 2 != host / 8 % 2)
				continue;
			hosts[taken] = hosts[--count];
			first = j == 0 ? host : first;
			if (roll(3) != 0)
				fprintf(out, "%s10.0.0.%u, \"fd00::%x\"", j > 0 ? ", " : "", host, host);
			else
				fprintf(out, roll(2) ? "%s10.0.0.%u" : "%s\"fd00::%x\"", j > 0 ? ", " : "", host);
		}
		fputs("]", out);
		/* Without a pool a workload may run anywhere, or nowhere that is known. */
		if (form == 2 && roll(6) != 0)
			fprintf(out, ", node: n%u", roll(2));
		else if (form < 2)
			fprintf(out, ", node: n%u", first / 8 % 2);
		unsigned wires = roll(4); /* some share a bridge */
		if (wires >= 2)
			fprintf(out, wires == 2 ? ", interface: veth%u" : ", interface: [veth%u, br%u]", i, i % 2);
		if (roll(2))
			fprintf(out, ", ports: {http: %u/%s}", 1 + roll(PORT_MOST), roll(3) ? "tcp" : "udp");
		fputs("}\n", out);
	}
}

/* ---- flows ---- */

struct address host(uint8_t family, unsigned number)
{
	struct address address = {.family = family};
	char text[ADDRESS_TEXT_SIZE];
	snprintf(text, sizeof text, family == 4 ? "10.0.0.%u" : "fd00::%x", number);
	if (number >= HOSTS)
		snprintf(text, sizeof text, family == 4 ? "192.0.2.%u" : "2001:db8::%x", number);
	assert_null(address_parse(&address, text));
	return address;
}

struct tuple random_tuple(void)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_TCP,  IPPROTO_TCP, IPPROTO_UDP,
					    IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};
	uint8_t family = roll(2) ? 4 : 6, protocol = protocols[roll(7)];
	struct tuple tuple = {host(family, roll(HOSTS + 1)), host(family, roll(HOSTS + 1)), protocol, 0};
	tuple.port = (uint16_t)(roll(12) == 0 ? 65535 : 1 + roll(PORT_MOST + 3));
	if (family == 6 && protocol == IPPROTO_ICMP)
		tuple.protocol = IPPROTO_ICMPV6;
	if (is_icmp(protocol))
		tuple.port = (uint16_t)((family == 4 ? (roll(3) ? 8 : 13) : 128) << 8);
	return tuple;
}
