/* Host workloads, which have a cgroup in place of addresses: what a policy means for them, and that the ruleset of
 * their node says the same of each packet in each hook that it passes, both ways. */
#include "tests/unit/interpret.h"
#include "tests/unit/reading.h"

#include <ringfence/explain.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define SERVICES                                                                                                      \
	"ringfence: v1\nservices:\n  nginx: {workloads: {unit: nginx}, ports: {http: 80/tcp}}\n"                      \
	"  pg: {workloads: {unit: pg}, ports: {sql: 5432/tcp}}\n  web: {workloads: {app: web}, ports: {w: 80/tcp}}\n" \
	"networks:\n  out: [203.0.113.0/24]\n  here: [192.0.2.0/24]\nallow:\n"
#define INVENTORY                                                                                        \
	"---\nringfence: v1\nnodes:\n  n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}\n" \
	"  n1: {addresses: [192.0.2.2]}\nworkloads:\n"                                                   \
	"  - {name: nginx-1, node: n0, labels: {unit: nginx}, cgroup: system.slice/nginx.service}\n"     \
	"  - {name: pg-1, node: n0, labels: {unit: pg}, cgroup: db.slice/db-main.slice/pg.service}\n"    \
	"  - {name: far-1, node: n1, labels: {unit: pg, far: x}, cgroup: system.slice/nginx.service}\n"  \
	"  - {name: web-1, node: n0, labels: {app: web}, addresses: [10.0.1.1]}\n"

static const struct {
	const char *true_is, *allows, *from, *to, *port;
	bool allowed;
} cases[] = {
    {"it may call what it is allowed to", "  - {from: nginx, to: out, ports: [443/tcp]}\n", "nginx-1", "203.0.113.9",
     "443/tcp", true},
    {"and nothing else", "  - {from: nginx, to: out, ports: [443/tcp]}\n", "nginx-1", "203.0.113.9", "80/tcp", false},
    {"what others of the node may is theirs", "  - {from: nginx, to: out, ports: [443/tcp]}\n", "pg-1", "203.0.113.9",
     "443/tcp", false},
    {"it may be called by whom it is allowed to", "  - {from: out, to: nginx}\n", "203.0.113.9", "nginx-1", "80/tcp",
     true},
    {"and by nobody else", "  - {from: out, to: nginx}\n", "198.51.100.1", "nginx-1", "80/tcp", false},
    {"an allow opens its own side and not that of a workload", "  - {from: nginx, to: web}\n", "nginx-1", "web-1",
     "80/tcp", false},
    {"which has to allow the node", "  - {from: nginx, to: web}\n  - {from: node, to: web}\n", "nginx-1", "web-1",
     "80/tcp", true},
    {"and that is not enough", "  - {from: node, to: web}\n", "nginx-1", "web-1", "80/tcp", false},
    {"the same the other way", "  - {from: web, to: nginx}\n", "web-1", "nginx-1", "80/tcp", false},
    {"with the node as destination", "  - {from: web, to: nginx}\n  - {from: web, to: node, ports: [80/tcp]}\n",
     "web-1", "nginx-1", "80/tcp", true},
    {"to each other two of a node are the node",
     "  - {from: nginx, to: node, ports: [5432/tcp]}\n  - {from: node, to: pg}\n", "nginx-1", "pg-1", "5432/tcp", true},
    {"and not what they are called", "  - {from: nginx, to: pg}\n", "nginx-1", "pg-1", "5432/tcp", false},
    {"a loopback address is the node", "  - {from: nginx, to: node, ports: [53/udp]}\n", "nginx-1", "127.0.0.53",
     "53/udp", true},
    {"of IPv6 too", "  - {from: nginx, to: node, ports: [53/udp]}\n", "nginx-1", "::1", "53/udp", true},
    {"and not the world", "  - {from: nginx, to: world, ports: [53/udp]}\n", "nginx-1", "127.0.0.53", "53/udp", false},
    {"which is outside", "  - {from: nginx, to: world, ports: [53/udp]}\n", "nginx-1", "198.51.100.1", "53/udp", true},
    {"it reaches itself as the node only", "  - {from: nginx, to: nginx}\n", "nginx-1", "nginx-1", "80/tcp", false},
    {"by allows of both sides", "  - {from: nginx, to: node, ports: [80/tcp]}\n  - {from: node, to: nginx}\n",
     "nginx-1", "nginx-1", "80/tcp", true},
    {"one of another node is not this node", "  - {from: nginx, to: node, ports: [any]}\n  - {from: node, to: pg}\n",
     "nginx-1", "far-1", "5432/tcp", false},
    {"but some address", "  - {from: nginx, to: any, ports: [any]}\n  - {from: any, to: pg}\n", "nginx-1", "far-1",
     "5432/tcp", true},
    {"to one of another node it is at its own node's address",
     "  - {from: pg, to: web, ports: [80/tcp]}\n  - {from: here, to: web}\n", "far-1", "web-1", "80/tcp", true},
    {"and to its neighbours too", "  - {from: nginx, to: web}\n  - {from: here, to: web}\n", "nginx-1", "web-1",
     "80/tcp", true},
    {"at an address of IPv6 that the inventory does not name", "  - {from: nginx, to: world, ports: [443/tcp]}\n",
     "nginx-1", "2001:db8::1", "443/tcp", true},
    {"another process of the node is the node", "  - {from: node, to: nginx}\n", "192.0.2.1", "nginx-1", "80/tcp",
     true},
    {"the node's address is not its own", "  - {from: here, to: out, ports: [443/tcp]}\n", "nginx-1", "203.0.113.9",
     "443/tcp", false},
    {"it is not in the cluster of others", "  - {from: cluster, to: web}\n  - {from: nginx, to: web}\n", "nginx-1",
     "web-1", "80/tcp", false},
};

static char *join(const char *allows, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s", SERVICES, allows, INVENTORY);
	return text;
}

static void each_flow_has_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096];
		struct reading reading;
		struct world world = read_policy(&reading, "case.yaml", join(cases[i].allows, text, sizeof text));
		struct endpoints from, to;
		struct flow flow;
		uint16_t protocol, port;
		assert_null(endpoints_find(reading.arena, &world, cases[i].from, &from));
		assert_null(endpoints_find(reading.arena, &world, cases[i].to, &to));
		assert_null(flow_port_find(reading.arena, &world, &to, cases[i].port, &protocol, &port));
		bool allowed = verdict_of_endpoints(&world, &from, &to, protocol, port, &flow).allowed;
		if (allowed != cases[i].allowed)
			fail_msg("%s: %s -> %s %s is %s", cases[i].true_is, cases[i].from, cases[i].to, cases[i].port,
				 allowed ? "allowed" : "denied");
		arena_free(reading.arena);
	}
}

/* ---- the ruleset ---- */

/* Who can be an end on node n0. A process of the node has a socket in a cgroup; one of no workload is in none of ours.
 */
static const struct end {
	const char *address, *workload; /* NULL: no host workload */
	bool here;			/* a socket of the node */
} ends[] = {
    {"192.0.2.1", "nginx-1", true}, {"127.0.0.1", "nginx-1", true}, {"192.0.2.1", "pg-1", true},
    {"127.0.0.9", "pg-1", true},    {"192.0.2.1", NULL, true},	    {"127.0.0.1", NULL, true},
    {"10.0.1.1", NULL, false},	    {"203.0.113.9", NULL, false},   {"198.51.100.1", NULL, false},
    {"10.0.1.77", NULL, false},	    {"192.0.2.2", NULL, false},
};
enum { ENDS = sizeof ends / sizeof *ends };

static const char *const allows[] = {
    "  - {from: nginx, to: out, ports: [80/tcp]}\n",
    "  - {from: node, to: web}\n",
    "  - {from: nginx, to: node, ports: [5432/tcp]}\n",
    "  - {from: [node, out], to: pg}\n",
    "  - {from: nginx, to: world, ports: [80/tcp]}\n",
    "  - {from: cluster, to: nginx}\n",
    "  - {from: web, to: node, ports: [80/tcp]}\n",
    "  - {from: any, to: any, ports: [80/tcp], rate: 9/second per source}\n",
    "  - {from: pg, to: web, log: true}\n",
};
enum { ALLOWS = sizeof allows / sizeof *allows };

static bool is_loopback(const struct end *end)
{
	return strncmp(end->address, "127.", 4) == 0;
}

static struct endpoint endpoint_of(const struct world *world, const struct end *end)
{
	struct endpoint endpoint = {.has_address = true};
	assert_null(address_parse(&endpoint.address, end->address));
	endpoint.workload = end->workload != NULL ? inventory_workload(world->inventory, "default", end->workload)
						  : inventory_at(world->inventory, &endpoint.address);
	return endpoint;
}

static void give_socket(struct packet *packet, const struct end *end)
{
	memset(packet->cgroups, 0, sizeof packet->cgroups);
	if (end->workload == NULL) { /* sshd.service, of system.slice */
		packet->cgroups[1] = 11;
		packet->cgroups[2] = 12;
	} else if (strcmp(end->workload, "nginx-1") == 0) {
		packet->cgroups[1] = 11;
		packet->cgroups[2] = 101;
	} else {
		packet->cgroups[1] = 21;
		packet->cgroups[2] = 22;
		packet->cgroups[3] = 102;
	}
}

/* Whether a packet from one end to the other passes each hook on its way; a process of the node is at `from`, `to` or
 * both. */
static bool travels(const struct ruleset *ruleset, struct packet packet, const struct end *from, const struct end *to)
{
	const struct ruleset *const states[] = {ruleset};
	bool passes = true;
	strcpy(packet.interface, from->here && to->here ? "lo" : "eth0");
	packet.hook = "output";
	give_socket(&packet, from);
	if (from->here)
		passes = packet_fate(states, 1, &packet).passes;
	packet.hook = "input";
	give_socket(&packet, to);
	if (to->here)
		passes = passes && packet_fate(states, 1, &packet).passes;
	packet.hook = NULL;
	memset(packet.cgroups, 0, sizeof packet.cgroups);
	if (!from->here && !to->here)
		passes = packet_fate(states, 1, &packet).passes;
	return passes;
}

static void give_numbers(struct reading *reading)
{
	const struct inventory *inventory = &reading->frontend.inventory;
	for (size_t i = 0; i < inventory->workload_count; i++) {
		struct workload *workload = inventory->workloads[i];
		workload->cgroup_id = strcmp(workload->name, "nginx-1") == 0 ? 101
				      : strcmp(workload->name, "pg-1") == 0  ? 102
				      : strcmp(workload->name, "far-1") == 0 ? 101 /* of another kernel */
									     : 0;
	}
}

static size_t compare(const struct world *world, const struct ruleset *ruleset, const char *text, size_t *allowed)
{
	static const uint16_t ports[] = {80, 5432};
	size_t judged = 0;
	for (size_t i = 0; i < ENDS * ENDS * 2; i++) {
		const struct end *from = &ends[i / ENDS % ENDS], *to = &ends[i % ENDS];
		uint16_t port = ports[i / ENDS / ENDS];
		if ((is_loopback(from) || is_loopback(to)) && !(from->here && to->here))
			continue; /* never on a wire */
		if (!from->here && !to->here && from->address[0] != '1' && to->address[0] != '1')
			continue;
		const struct flow flow = {endpoint_of(world, from), endpoint_of(world, to), IPPROTO_TCP, port};
		bool want = verdict_of(world, &flow).allowed;
		struct packet request = packet_request(&flow.from.address, &flow.to.address, IPPROTO_TCP, port);
		if (address_compare(&flow.from.address, &flow.to.address) == 0)
			continue; /* the model tells directions by addresses */
		const struct packet reply = packet_reply(&request);
		if (travels(ruleset, request, from, to) != want || travels(ruleset, reply, to, from) != want)
			fail_msg("%s\n%s (%s) -> %s (%s) port %u: the verdict is %s, the ruleset says otherwise", text,
				 from->address, from->workload != NULL ? from->workload : "-", to->address,
				 to->workload != NULL ? to->workload : "-", port, want ? "allow" : "deny");
		judged++;
		*allowed += want;
	}
	return judged;
}

static void every_hook_agrees_with_the_verdict(void **state)
{
	size_t judged = 0, allowed = 0;
	(void)state;
	for (unsigned chosen = 0; chosen < 1U << ALLOWS; chosen++) {
		char some[2048] = "", text[8192];
		struct reading reading;
		for (size_t i = 0; i < ALLOWS; i++)
			if ((chosen >> i & 1) != 0)
				strcat(some, allows[i]);
		if (chosen == 0)
			strcpy(some, "  []\n");
		struct world world = read_policy(&reading, "case.yaml", join(some, text, sizeof text));
		give_numbers(&reading);
		struct ruleset *ruleset = ruleset_lower(reading.arena, &world, "n0", 1, NULL);
		assert_non_null(ruleset);
		judged += compare(&world, ruleset, text, &allowed);
		arena_free(reading.arena);
	}
	print_message("# %zu flows judged, %zu of them allowed\n", judged, allowed);
	assert_in_range(allowed, judged / 20, judged * 19 / 20);
}

/* One that does not run has no element; who shares a cgroup with an older one has none either. */
static void elements_are_those_of_who_runs(void **state)
{
	char text[4096];
	struct reading reading;
	(void)state;
	struct world world =
	    read_policy(&reading, "case.yaml", join("  - {from: nginx, to: out, ports: [1/tcp]}\n", text, sizeof text));
	struct ruleset *ruleset = ruleset_lower(reading.arena, &world, "n0", 1, NULL);
	assert_int_equal(ruleset_set(ruleset, "g1_cgroup_out2")->element_count, 0);
	give_numbers(&reading);
	ruleset = ruleset_lower(reading.arena, &world, "n0", 1, NULL);
	assert_int_equal(ruleset_set(ruleset, "g1_cgroup_out2")->element_count, 1);
	assert_int_equal(ruleset_set(ruleset, "g1_cgroup_in3")->element_count, 1);
	assert_null(ruleset_set(ruleset, "g1_cgroup_out1"));
	uint64_t id;
	memcpy(&id, ruleset_set(ruleset, "g1_cgroup2")->elements[0].key, sizeof id);
	assert_int_equal(id, 101);
	ruleset = ruleset_lower(reading.arena, &world, "n1", 1, NULL);
	assert_null(ruleset_set(ruleset, "g1_cgroup_out3"));
	arena_free(reading.arena);
}

/* A node without host workloads has the chains that it always had. */
static void nothing_looks_at_sockets_without_need(void **state)
{
	static const char text[] = "ringfence: v1\nservices: {web: {workloads: {app: web}}}\nworkloads:\n"
				   "  - {name: web-1, node: n0, labels: {app: web}, addresses: [10.0.1.1]}\n"
				   "  - {name: far, node: n1, labels: {app: web}, cgroup: a/b}\n";
	struct reading reading;
	(void)state;
	struct world world = read_policy(&reading, "case.yaml", text);
	struct ruleset *ruleset = ruleset_lower(reading.arena, &world, "n0", 1, NULL);
	assert_string_equal(ruleset_chain(ruleset, "input")->rules[0].statements[0].text, "dispatch");
	assert_null(ruleset_chain(ruleset, "g1_input"));
	ruleset = ruleset_lower(reading.arena, &world, "n1", 1, NULL);
	assert_string_equal(ruleset_chain(ruleset, "input")->rules[0].statements[0].text, "g1_input");
	assert_string_equal(ruleset_chain(ruleset, "forward")->rules[0].statements[0].text, "dispatch");
	arena_free(reading.arena);
}

static void paths_are_told_from_others(void **state)
{
	static const struct {
		const char *path;
		unsigned level;
	} paths[] = {{"a", 1},
		     {"system.slice/a.service", 2},
		     {"a/b/c/d/e/f/g/h", 8},
		     {"a/b/c/d/e/f/g/h/i", 0},
		     {"", 0},
		     {"/a", 0},
		     {"a/", 0},
		     {"a//b", 0},
		     {"..", 0},
		     {"a/../b", 0},
		     {"a/./b", 0},
		     {"a/..b", 2},
		     {"a\nb", 0},
		     {"a b", 0},
		     {"a\\x2db.service", 1},
		     {"\x7f", 0}};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		assert_int_equal(cgroup_level(paths[i].path), paths[i].level);
	char longest[CGROUP_PATH_MOST + 2];
	memset(longest, 'a', sizeof longest);
	longest[200] = longest[400] = '/';
	longest[CGROUP_PATH_MOST + 1] = 0;
	assert_int_equal(cgroup_level(longest + 1), 3);
	longest[CGROUP_PATH_MOST] = 'a';
	assert_int_equal(cgroup_level(longest), 3 * (strlen(longest) <= CGROUP_PATH_MOST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_are_told_from_others),
	    cmocka_unit_test(each_flow_has_its_verdict),
	    cmocka_unit_test(every_hook_agrees_with_the_verdict),
	    cmocka_unit_test(elements_are_those_of_who_runs),
	    cmocka_unit_test(nothing_looks_at_sockets_without_need),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
