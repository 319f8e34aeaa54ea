/* The ruleset against the verdict function, without packets: a small interpreter of the intermediate form takes each
 * packet of a flow from the forward hook to its end, as the kernel would, and must end where verdict_of says. So must
 * passage_of, which does the same for open connections.
 *
 * Every world is lowered for all nodes together and for one alone. */
#include "tests/unit/interpret.h"
#include "tests/unit/reading.h"
#include "tests/unit/worlds.h"

#include <ringfence/passage.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { WORLDS = 3000, FLOWS = 50, EXPIRIES = 120 };
#define SEED 20261125u

/* ---- the comparison ---- */

struct trial {
	struct reading reading;
	const char *text;
	const char *conflict; /* what was made of the inventory after reading it, or "" */
	struct world world;
	const char *nodes[2]; /* NULL: all together; and one */
	struct ruleset *rulesets[2];
	struct ruleset_index *indices[2];
	size_t allowed, judged, counted, denied, audited;
};

/* Lowers for all nodes together, and for `node` alone. */
static void lower(struct trial *trial, const char *node, uint32_t generation)
{
	trial->nodes[1] = node;
	for (size_t i = 0; i < 2; i++) {
		trial->rulesets[i] =
		    ruleset_lower(trial->reading.arena, &trial->world, trial->nodes[i], generation, NULL);
		trial->indices[i] = ruleset_index(trial->reading.arena, trial->rulesets[i]);
	}
}

static void begin(struct trial *trial, const char *text)
{
	*trial = (struct trial){.text = text, .conflict = ""};
	trial->world = read_policy(&trial->reading, "world.yaml", text);
}

/* Gives `to` the address as well, as a file of workloads can claim it, and what the enforcer then marks. */
static void claim(struct trial *trial, struct workload *to, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	struct address *list = arena_alloc(trial->reading.arena, (to->address_count + 1) * sizeof *list);
	memcpy(list, to->addresses, to->address_count * sizeof *list);
	list[to->address_count++] = *address;
	to->addresses = list;
	to->conflict = true;
	inventory_index(&trial->reading.frontend.inventory, trial->reading.arena);
	trial->conflict = arena_printf(trial->reading.arena, "%s# %s/%s claims %s and is in conflict\n",
				       trial->conflict, to->name_space, to->name, address_format(address, text));
}

/* Puts a workload in quarantine as an operator of its node does. */
static void isolate(struct trial *trial, struct workload *workload)
{
	static const struct quarantine by_operator;
	workload->quarantine = &by_operator;
	trial->conflict = arena_printf(trial->reading.arena, "%s# %s/%s is in quarantine by an operator\n",
				       trial->conflict, workload->name_space, workload->name);
}

static struct endpoint endpoint_at(const struct world *world, const struct address *address)
{
	return (struct endpoint){
	    .workload = inventory_at(world->inventory, address), .has_address = true, .address = *address};
}

/* Whether `node` has to judge this end: its own workload, or an address that it gives to workloads and nobody has. */
static bool is_local(const struct world *world, const struct endpoint *end, const char *node)
{
	if (node == NULL)
		return true;
	if (end->workload != NULL)
		return end->workload->node != NULL && strcmp(end->workload->node, node) == 0;
	const struct node *self = inventory_node(world->inventory, node);
	for (size_t i = 0; i < self->pool_count; i++)
		if (prefix_contains(&self->pools[i], &end->address))
			return true;
	return false;
}

static void put_interface(struct packet *packet, const struct endpoint *sender, const char *node)
{
	bool local = sender->workload != NULL &&
		     (node == NULL || (sender->workload->node != NULL && strcmp(sender->workload->node, node) == 0));
	const char *name = local && sender->workload->interface_count > 0
			       ? sender->workload->interfaces[sender->workload->interface_count - 1]
			       : "eth0";
	memset(packet->interface, 0, sizeof packet->interface);
	memcpy(packet->interface, name, strlen(name));
}

static bool passes(const struct ruleset *ruleset, const struct packet *packet)
{
	return packet_fate((const struct ruleset *const[]){ruleset}, 1, packet).passes;
}

static void complain(const struct trial *trial, const struct flow *flow, const char *node, const char *what, bool want)
{
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	/* cmocka's print_error cuts at 1024 bytes */
	fprintf(stderr, "%s\n%son %s, %s -> %s protocol %u port %u, %s: the verdict is %s, the ruleset says %s\n",
		trial->text, trial->conflict, node != NULL ? node : "all nodes",
		address_format(&flow->from.address, from), address_format(&flow->to.address, to), flow->protocol,
		flow->port, what, want ? "allow" : "deny", want ? "deny" : "allow");
}

static bool passes_side(const struct side *side)
{
	return side->allowed || side->denied == DENIED_AUDIT;
}

/* Whether a flow counts for an allow of this name that opens it at one of the ends that the node judges. */
static bool counts_for(const struct trial *trial, const struct flow *flow, const struct verdict *verdict,
		       const char *node, const char *counter)
{
	const struct world *world = &trial->world;
	static const struct allow own_node = {.key = "own node"};
	char own[COUNTER_NAME_SIZE];
	counter_name(own, &own_node);
	if (strcmp(own, counter) == 0)
		return verdict->egress.reason == REASON_NODE || verdict->ingress.reason == REASON_NODE;
	for (size_t i = 0; i < world->policy->allow_count; i++) {
		const struct allow *allow = world->policy->allows[i];
		char name[COUNTER_NAME_SIZE];
		counter_name(name, allow);
		if (strcmp(name, counter) == 0 && is_alive(world, allow->until) &&
		    flows_hold(world, &allow->flows, flow) &&
		    ((allow->counts[EGRESS] && is_local(world, &flow->from, node)) ||
		     (allow->counts[INGRESS] && is_local(world, &flow->to, node))))
			return true;
	}
	return false;
}

static bool is_counted(const struct world *world, const struct side *side, const struct endpoint *end, const char *node)
{
	return side->allowed && side->reason == REASON_ALLOW && is_local(world, end, node);
}

/* Which counter of denials it is; DENIAL_COUNTS: that of an allow. */
static size_t denial_of(const char *counter)
{
	size_t kind = 0;
	while (kind < DENIAL_COUNTS && strcmp(counter, denial_counters[kind]) != 0)
		kind++;
	return kind;
}

/* What is denied counts so, and was logged, once; what audit mode let pass counts for each end that did. */
static void count_denials(struct trial *trial, const struct flow *flow, const struct verdict *verdict, const char *node,
			  const size_t denials[DENIAL_COUNTS])
{
	const struct side *sides[] = {&verdict->egress, &verdict->ingress};
	const struct endpoint *ends[] = {&flow->from, &flow->to};
	size_t denied = 0, audited = 0;
	for (size_t i = 0; i < 2 && denied == 0; i++) {
		bool closed = is_local(&trial->world, ends[i], node) && !sides[i]->allowed;
		audited += closed && sides[i]->denied == DENIED_AUDIT;
		denied += closed && sides[i]->denied != DENIED_AUDIT;
	}
	trial->denied += denied;
	trial->audited += audited;
	if (denials[DENIAL_DENIED] == denied && denials[DENIAL_LOGGED] == denied && denials[DENIAL_AUDITED] == audited)
		return;
	complain(trial, flow, node, "a packet", denied == 0);
	fail_msg("it counts as denied %zu times, logged %zu, audited %zu, and not %zu, %zu, %zu",
		 denials[DENIAL_DENIED], denials[DENIAL_LOGGED], denials[DENIAL_AUDITED], denied, denied, audited);
}

/* What passes counts for allows that open it, and for one at each end where an allow is the reason. */
static void count(struct trial *trial, const struct flow *flow, const struct verdict *verdict, size_t i,
		  const struct packet *packet)
{
	const struct world *world = &trial->world;
	const char *counters[COUNTED_MOST], *node = trial->nodes[i];
	size_t all = packet_counts(trial->rulesets[i], packet, counters), count = 0, denials[DENIAL_COUNTS + 1] = {0};
	for (size_t j = 0; j < all; j++) {
		size_t kind = denial_of(counters[j]);
		denials[kind]++;
		if (kind == DENIAL_COUNTS)
			counters[count++] = counters[j];
	}
	count_denials(trial, flow, verdict, node, denials);
	bool egress = is_counted(world, &verdict->egress, &flow->from, node),
	     ingress = is_counted(world, &verdict->ingress, &flow->to, node) && passes_side(&verdict->egress);
	trial->counted += count;
	for (size_t j = 0; j < count; j++)
		if (!counts_for(trial, flow, verdict, node, counters[j])) {
			complain(trial, flow, node, "a packet", true);
			fail_msg("it counts for %s, which does not open it", counters[j]);
		}
	if (count < (size_t)egress + ingress) {
		complain(trial, flow, node, "a packet", true);
		fail_msg("it counts for %zu allows, and not for %d", count, egress + ingress);
	}
}

/* Asks both about a flow, and about its reply, on all nodes together and on one. Returns whether they agree. */
static bool agree(struct trial *trial, const struct address *source, const struct address *destination,
		  uint8_t protocol, uint16_t port)
{
	const struct world *world = &trial->world;
	const struct flow flow = {endpoint_at(world, source), endpoint_at(world, destination), protocol, port};
	struct verdict verdict = verdict_of(world, &flow);
	verdict_tell_denied(world, &flow, &verdict);
	for (size_t i = 0; i < 2; i++) {
		const char *node = trial->nodes[i];
		bool want = (!is_local(world, &flow.from, node) || passes_side(&verdict.egress)) &&
			    (!is_local(world, &flow.to, node) || passes_side(&verdict.ingress));
		struct packet packet = packet_request(source, destination, protocol, port),
			      reply = packet_reply(&packet);
		put_interface(&packet, &flow.from, node);
		put_interface(&reply, &flow.to, node);
		trial->judged++;
		trial->allowed += want;
		const struct connection open = {*source, *destination, protocol, 40000, port, .has_port = true};
		enum passage passage = passage_of(trial->rulesets[i], trial->indices[i], &open);
		if (passage != (want ? PASSAGE_OPEN : PASSAGE_CLOSED)) {
			complain(trial, &flow, node, "an open connection", want);
			return false;
		}
		if (passes(trial->rulesets[i], &packet) != want) {
			complain(trial, &flow, node, "the request", want);
			return false;
		}
		if (passes(trial->rulesets[i], &reply) != want) {
			complain(trial, &flow, node, "the reply", want);
			return false;
		}
		count(trial, &flow, &verdict, i, &packet);
		count(trial, &flow, &verdict, i, &reply);
	}
	return true;
}

static void random_worlds_agree(void **state)
{
	(void)state;
	size_t allowed = 0, judged = 0, conflicts = 0, isolated = 0, counted = 0, denied = 0, audited = 0;
	for (unsigned i = 0; i < WORLDS; i++) {
		char *text = NULL;
		size_t size = 0;
		sow(SEED + i);
		struct making making = {.out = open_memstream(&text, &size),
					.audit = true,
					.services = roll(8) != 0,
					.pools = roll(POOL_FORMS)};
		assert_non_null(making.out);
		making.network_policies = roll(4) == 0;
		write_policy(&making);
		write_inventory(&making);
		fclose(making.out);
		struct trial trial;
		begin(&trial, text);
		for (unsigned j = 0; roll(3) == 0 && j < 2; j++) {
			struct inventory *inventory = &trial.reading.frontend.inventory;
			unsigned newer = 1 + roll(WORKLOADS - 1);
			const struct workload *older = inventory->workloads[roll(newer)];
			if (!older->conflict) {
				claim(&trial, inventory->workloads[newer], &older->addresses[0]);
				conflicts++;
			}
		}
		for (; roll(3) == 0; isolated++)
			isolate(&trial, trial.reading.frontend.inventory.workloads[roll(WORKLOADS)]);
		lower(&trial, roll(2) ? "n0" : "n1", 1);
		bool agreed = true;
		for (unsigned j = 0; j < FLOWS && agreed; j++) {
			struct tuple tuple = random_tuple();
			agreed = agree(&trial, &tuple.source, &tuple.destination, tuple.protocol, tuple.port);
		}
		allowed += trial.allowed;
		judged += trial.judged;
		counted += trial.counted;
		denied += trial.denied;
		audited += trial.audited;
		arena_free(trial.reading.arena);
		free(text);
		if (!agreed)
			fail_msg("seed %u, world %u", SEED, i);
	}
	print_message(
	    "# seed %u: %d worlds, %zu conflicts, %zu in quarantine, %zu flows judged on a node, %zu of them allowed; "
	    "%zu counted for an allow, %zu denied, %zu in audit mode\n",
	    SEED, WORLDS, conflicts, isolated, judged, allowed, counted, denied, audited);
	assert_true(counted > judged / 20);
	assert_true(denied > judged / 20 && audited > judged / 1000);
	assert_in_range(allowed, judged / 10, judged * 9 / 10); /* or the comparison says little */
	assert_true(conflicts > WORLDS / 10 && isolated > WORLDS / 10);
}

/* ---- corners: one world each ---- */

#define CORNER                                                                                         \
	"---\nringfence: v1\nnodes:\n"                                                                 \
	"  n0: {addresses: [10.0.0.6], workload_networks: [10.0.0.0/29]}\n"                            \
	"  n1: {addresses: [10.0.0.15], workload_networks: [10.0.0.8/29]}\n"                           \
	"workloads:\n"                                                                                 \
	"  - {name: db, node: n0, labels: {app: db}, addresses: [10.0.0.1], ports: {http: 3-5/tcp}}\n" \
	"  - {name: moved, node: n1, labels: {app: web}, addresses: [10.0.0.2]}\n"                     \
	"  - {name: rogue, node: n0, labels: {app: web}, addresses: [10.0.0.3]}\n"                     \
	"  - {name: nowhere, labels: {app: web}, addresses: [10.0.0.4]}\n"                             \
	"  - {name: web, node: n1, labels: {app: web}, addresses: [10.0.0.9]}\n"
#define ALLOW(from, to, ports)                                                                  \
	"ringfence: v1\nservices: {db: {workloads: {app: db}}, web: {workloads: {app: web}}}\n" \
	"allow: [{from: " from ", to: " to ", ports: [" ports "]}]\n" CORNER

static const struct corner {
	const char *true_is, *text;
	unsigned from, to, claimed; /* hosts; `claimed`: by rogue, 0: none */
	uint16_t port;
	const char *node;
	bool allowed; /* as language.md says */
} corners[] = {
    {"a_known_workload_in_the_pool_of_another_node_is_known", ALLOW("web", "db", "5/tcp"), 2, 1, 0, 5, "n0", true},
    {"a_known_workload_of_no_node_in_a_pool_is_known", ALLOW("web", "db", "5/tcp"), 4, 1, 0, 5, "n0", true},
    {"an_address_of_a_pool_that_nobody_has_is_unknown", ALLOW("any", "db", "5/tcp"), 5, 1, 0, 5, "n0", false},
    {"a_pool_of_another_node_is_judged_there", ALLOW("web", "db", "5/tcp"), 9, 1, 0, 5, "n0", true},
    {"a_container_port_that_is_a_range_opens_its_first", ALLOW("web", "{labels: {app: db}}", "http"), 9, 1, 0, 3, "n0",
     true},
    {"a_container_port_that_is_a_range_opens_its_last", ALLOW("web", "{labels: {app: db}}", "http"), 9, 1, 0, 5, "n0",
     true},
    {"a_container_port_that_is_a_range_opens_no_more", ALLOW("web", "{labels: {app: db}}", "http"), 9, 1, 0, 6, "n0",
     false},
    {"a_node_in_its_pool_is_the_node", ALLOW("node", "db", "5/tcp"), 6, 1, 0, 5, "n0", true},
    {"a_claim_of_a_workloads_address_takes_nothing", ALLOW("web", "db", "5/tcp"), 9, 1, 9, 5, "n1", true},
    {"a_claim_of_a_nodes_address_takes_nothing_of_the_node", ALLOW("node", "db", "5/tcp"), 6, 1, 6, 5, "n0", true},
    {"a_claim_of_a_nodes_address_does_not_cut_the_node_off", ALLOW("web", "db", "5/tcp"), 6, 20, 6, 5, "n0", true},
    {"who_claims_an_address_is_closed_at_its_own", ALLOW("web", "db", "5/tcp"), 3, 1, 9, 5, "n0", false},
};

static void corner_agrees(void **state)
{
	const struct corner *corner = *state;
	const struct address source = host(4, corner->from), destination = host(4, corner->to);
	struct trial trial;
	begin(&trial, corner->text);
	if (corner->claimed != 0) {
		const struct address claimed = host(4, corner->claimed);
		for (size_t i = 0; i < trial.reading.frontend.inventory.workload_count; i++)
			if (strcmp(trial.reading.frontend.inventory.workloads[i]->name, "rogue") == 0)
				claim(&trial, trial.reading.frontend.inventory.workloads[i], &claimed);
	}
	lower(&trial, corner->node, 1);
	const struct flow flow = {endpoint_at(&trial.world, &source), endpoint_at(&trial.world, &destination),
				  IPPROTO_TCP, corner->port};
	bool agreed = agree(&trial, &source, &destination, IPPROTO_TCP, corner->port);
	bool allowed = verdict_of(&trial.world, &flow).allowed;
	arena_free(trial.reading.arena);
	assert_int_equal(allowed, corner->allowed);
	assert_true(agreed);
}

/* Names are cut at RULESET_NAME_SIZE: the longest generation number, and more expiries than two digits count. */
static void every_set_and_chain_has_a_name_of_its_own(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0, twice = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("ringfence: v1\nservices: {longname: {workloads: {app: web}}}\nallow:\n", out);
	for (int i = 0; i < EXPIRIES; i++) {
		char until[32];
		fprintf(out, "  - {from: longname, to: {cidr: 10.9.0.0/16}, ports: [%d/tcp], until: \"%s\"}\n", i + 1,
			time_print(NOW + 1 + i, until));
	}
	fputs("---\nringfence: v1\nworkloads:\n  - {name: w, labels: {app: web}, addresses: [10.0.0.1]}\n", out);
	fclose(out);
	struct trial trial;
	begin(&trial, text);
	lower(&trial, "n0", 99999);
	const struct ruleset *ruleset = trial.rulesets[0];
	for (size_t i = 0; i < ruleset->set_count; i++)
		twice += ruleset_set(ruleset, ruleset->sets[i]->name) != ruleset->sets[i];
	for (size_t i = 0; i < ruleset->chain_count; i++)
		twice += ruleset_chain(ruleset, ruleset->chains[i]->name) != ruleset->chains[i];
	arena_free(trial.reading.arena);
	free(text);
	assert_int_equal(twice, 0);
}

int main(void)
{
	enum { CORNERS = sizeof corners / sizeof *corners };
	struct CMUnitTest table[CORNERS];
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_set_and_chain_has_a_name_of_its_own),
	    cmocka_unit_test(random_worlds_agree),
	};
	for (size_t i = 0; i < CORNERS; i++)
		table[i] =
		    (struct CMUnitTest){corners[i].true_is, corner_agrees, NULL, NULL, (void *)(uintptr_t)&corners[i]};
	int failed = cmocka_run_group_tests(table, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
