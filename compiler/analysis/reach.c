/* Who may reach whom: each pair of parties is asked of verdict_of, once for each piece of the ports that some allow
 * names for it, and pieces that are open for the same reason become one line.
 *
 * A party is a service or a workload, or what else a statement names: a network, an inline cidr, world, any, node. A
 * network, and the world, reach what all of their addresses reach. A host workload reaches what some address of its
 * node does; and a service that has such in the inventory what one of these reaches, since that is more than a workload
 * with an address of its own might: it is the node to others there. */
#include "compiler/analysis/narrowing.h"
#include "compiler/analysis/samples.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

struct party {
	const char *name;
	struct endpoints from, to;     /* as a source and as a destination: a service calls another of itself */
	struct endpoints at_hand;      /* the workloads that it is, where the inventory has host workloads */
	bool has_host;		       /* among these */
	bool closed[2];		       /* by direction: nothing passes without an allow */
	const struct scope *scopes[2]; /* by direction, the statements that may speak of it */
	const struct network *network; /* the party is this one, or NULL */
	const struct service *service; /* the same */
	bool asked_for;		       /* as a source */
	bool only_source;
};

struct parties {
	struct arena *arena;
	const struct world *world;
	struct narrowing *narrowing;
	struct samples samples;
	bool has_hosts;
	struct party *items;
	size_t count;
};

/* ---- parties ---- */

static struct party *add(struct parties *parties, const char *name)
{
	struct party *party = arena_push(parties->arena, parties->items, parties->count);
	party->name = name;
	return party;
}

static void add_end(const struct parties *parties, struct party *party, struct endpoint end)
{
	*arena_push(parties->arena, party->from.items, party->from.count) = end;
	*arena_push(parties->arena, party->to.items, party->to.count) = end;
}

static void add_at_hand(const struct parties *parties, struct party *party, const struct workload *workload)
{
	if (!parties->has_hosts)
		return;
	samples_add_workload(&parties->samples, parties->arena, parties->world, &party->at_hand, workload);
	party->has_host = party->has_host || workload_is_host(workload);
}

static void add_services(struct parties *parties)
{
	const struct policy *policy = parties->world->policy;
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		struct party *party =
		    add(parties, arena_printf(parties->arena, "%s/%s", service->name_space, service->name));
		party->service = service;
		*arena_push(parties->arena, party->from.items, party->from.count) =
		    endpoint_of_service(parties->arena, service);
		*arena_push(parties->arena, party->to.items, party->to.count) =
		    endpoint_of_service(parties->arena, service);
		for (size_t j = 0; parties->has_hosts && j < parties->samples.workload_count; j++) {
			const struct workload *workload = parties->samples.workloads[j];
			if (strcmp(workload->name_space, service->name_space) == 0 &&
			    selector_matches(&service->workloads, &workload->labels))
				add_at_hand(parties, party, workload);
		}
	}
}

static void add_workloads(struct parties *parties)
{
	const struct inventory *inventory = parties->world->inventory;
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		struct party *party =
		    add(parties, arena_printf(parties->arena, "%s/%s", workload->name_space, workload->name));
		samples_add_workload(&parties->samples, parties->arena, parties->world, &party->from, workload);
		party->to = party->from;
		add_at_hand(parties, party, workload);
	}
}

static bool same_prefixes(const struct prefix *a, size_t a_count, const struct prefix *b, size_t b_count)
{
	bool same = a_count == b_count;
	for (size_t i = 0; same && i < a_count; i++)
		same = a[i].length == b[i].length && address_compare(&a[i].address, &b[i].address) == 0;
	return same;
}

/* Whether two networks are written alike. */
static bool same_network(const struct network *a, const struct network *b)
{
	return a == b || (same_prefixes(a->cidrs, a->cidr_count, b->cidrs, b->cidr_count) &&
			  same_prefixes(a->except, a->except_count, b->except, b->except_count) && a->name == NULL &&
			  b->name == NULL);
}

/* Adds a network or a built-in peer that a statement names, once. A network without an address outside is left out: its
 * workloads are parties themselves. */
static void add_peer(struct parties *parties, const struct peer *peer)
{
	if (peer->kind == PEER_SERVICE || peer->kind == PEER_LABELS || peer->kind == PEER_CLUSTER)
		return;
	for (size_t i = 0; i < parties->count; i++) {
		const struct party *party = &parties->items[i];
		bool same = peer->kind == PEER_NETWORK
				? party->network != NULL && same_network(party->network, peer->network)
				: party->network == NULL && strcmp(party->name, peer->name) == 0;
		if (same)
			return;
	}
	if (peer->kind != PEER_NETWORK && peer->kind != PEER_WORLD) {
		add_end(parties, add(parties, peer->name), (struct endpoint){.stands_for = peer->kind});
		return;
	}
	struct party *party = NULL;
	for (size_t i = 0; i < parties->samples.address_count; i++) {
		const struct address_sample *sample = &parties->samples.addresses[i];
		if (!sample->outside ||
		    (peer->kind == PEER_NETWORK && !network_contains(peer->network, &sample->address)))
			continue;
		if (party == NULL)
			party = add(parties, peer->name);
		party->network = peer->kind == PEER_NETWORK ? peer->network : NULL;
		add_end(parties, party, (struct endpoint){.has_address = true, .address = sample->address});
	}
}

static void add_named(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		add_peer(context, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		add_peer(context, &flows->to[i].peer);
}

static void find_scopes(const struct parties *parties, struct party *party)
{
	struct endpoints all[] = {party->from, party->to};
	for (int i = EGRESS; i <= INGRESS; i++) {
		for (size_t j = 0; j < party->at_hand.count; j++)
			*arena_push(parties->arena, all[i].items, all[i].count) = party->at_hand.items[j];
		party->scopes[i] = narrowing_scope(parties->narrowing, &all[i]);
	}
}

/* A workload that is isolated, and whose node needs an allow as well. */
static void find_isolation(const struct parties *parties, struct party *party)
{
	const struct workload *workload = party->from.items[0].workload;
	const struct isolation *by;
	for (int i = EGRESS; i <= INGRESS; i++)
		party->closed[i] = workload != NULL &&
				   workload_isolated(parties->world, workload, (enum direction)i, &by) &&
				   !workload_trusts_node(parties->world->policy, workload);
}

/* ---- a pair ---- */

struct pair {
	const struct party *from, *to;
	bool closed;		   /* an end is: only what an allow says may be open */
	const struct world *world; /* of what may speak of the two */
	struct port_list named;	   /* the ports that allows for this pair name */
};

/* Without an allow for it a pair is open as a whole or not at all, and where an end is closed it is not. */
static bool may_reach(const struct parties *parties, struct pair *pair)
{
	const struct workload *source = pair->from->from.items[0].workload;
	const struct workload *destination = pair->to->to.items[0].workload;
	if (source == destination) /* no workload at all, or one and itself */
		return false;
	pair->world = narrowing_world(parties->narrowing, pair->from->scopes[EGRESS], pair->to->scopes[INGRESS]);
	return !pair->closed || pair->world->policy->allow_count > 0;
}

static void add_range(const struct parties *parties, struct pair *pair, struct port_range range)
{
	*arena_push(parties->arena, pair->named.items, pair->named.count) = range;
}

/* The ports that tell one piece from another for this pair: of the allows that may speak of it, and for their names of
 * ports those of the destination. */
static void find_ports(const struct parties *parties, struct pair *pair)
{
	const struct policy *policy = pair->world->policy;
	const struct workload *workload = pair->to->to.items[0].workload;
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->to_count; j++)
			for (size_t k = 0; k < flows->to[j].port_count; k++)
				add_range(parties, pair, flows->to[j].ports[k]);
	}
	for (size_t i = 0; workload != NULL && i < workload->port_count; i++)
		add_range(parties, pair, workload->ports[i].port);
	for (size_t i = 0; i < pair->to->at_hand.count; i++) {
		const struct workload *one = pair->to->at_hand.items[i].workload;
		for (size_t j = 0; one != workload && j < one->port_count; j++)
			add_range(parties, pair, one->ports[j].port);
	}
}

/* Whether some statement, or nothing, could open `piece`. */
static bool may_open(const struct pair *pair, const struct port_range *piece)
{
	for (size_t i = 0; pair->closed && i < pair->named.count; i++) {
		const struct port_range *range = &pair->named.items[i];
		if (range->protocol == PROTOCOL_ANY ||
		    (range->protocol == piece->protocol && range->first <= piece->last && piece->first <= range->last))
			return true;
	}
	return !pair->closed;
}

/* What opens a flow, for the report: the allow of the destination's side, else of the source's. */
static const struct allow *opener(const struct verdict *verdict)
{
	return verdict->ingress.allow != NULL ? verdict->ingress.allow : verdict->egress.allow;
}

static void add_line(const struct parties *parties, struct reach *reach, const struct reachable *line)
{
	struct reachable *last = reach->count > 0 ? &reach->items[reach->count - 1] : NULL;
	if (last != NULL && last->from == line->from && last->to == line->to && last->allow == line->allow &&
	    last->ports.protocol == line->ports.protocol && last->ports.last + 1 == line->ports.first)
		last->ports.last = line->ports.last;
	else
		*arena_push(parties->arena, reach->items, reach->count) = *line;
}

/* Whether two ends have a family in common for the protocol; where not, nothing can be said of it. */
static bool can_be_asked(const struct party *from, const struct party *to, uint16_t protocol)
{
	for (size_t i = 0; i < from->from.count; i++)
		for (size_t j = 0; j < to->to.count; j++)
			if (ends_fit(&from->from.items[i], &to->to.items[j], protocol))
				return true;
	return false;
}

static bool is_host(const struct endpoint *end)
{
	return workload_is_host(end->workload);
}

/* The verdict of the pair; where that is to deny, of two workloads at hand of which one is a host workload. */
static struct verdict verdict_of_pair(const struct pair *pair, const struct port_range *piece)
{
	const struct party *from = pair->from, *to = pair->to;
	struct flow flow = {.protocol = piece->protocol, .port = port_sample(piece)};
	struct verdict verdict =
	    verdict_of_endpoints(pair->world, &from->from, &to->to, flow.protocol, flow.port, &flow);
	if (!from->has_host && !to->has_host)
		return verdict;
	for (size_t i = 0; i < from->at_hand.count; i++)
		for (size_t j = 0; j < to->at_hand.count && !verdict.allowed; j++) {
			flow.from = from->at_hand.items[i];
			flow.to = to->at_hand.items[j];
			if ((is_host(&flow.from) || is_host(&flow.to)) && ends_fit(&flow.from, &flow.to, flow.protocol))
				verdict = verdict_of(pair->world, &flow);
		}
	return verdict;
}

/* Adds the lines of one protocol, of which `pieces` are all. Returns whether it is open as a whole by one opener, or
 * cannot be asked about. */
static bool reach_protocol(const struct parties *parties, struct reach *reach, const struct pair *pair,
			   const struct port_range *pieces, size_t count)
{
	const struct party *from = pair->from, *to = pair->to;
	const struct allow *by = NULL;
	size_t before = reach->count, open = 0;
	bool same = true;
	if (!can_be_asked(from, to, pieces[0].protocol))
		return true;
	for (size_t i = 0; i < count; i++) {
		struct verdict verdict = {0};
		if (may_open(pair, &pieces[i]))
			verdict = verdict_of_pair(pair, &pieces[i]);
		if (!verdict.allowed)
			continue;
		same = same && (open == 0 || opener(&verdict) == by);
		by = opener(&verdict);
		open++;
		add_line(parties, reach, &(struct reachable){from->name, to->name, pieces[i], by});
	}
	if (open < count || !same)
		return false;
	reach->count = before; /* one line for all of it */
	*arena_push(parties->arena, reach->items, reach->count) =
	    (struct reachable){from->name, to->name, {pieces[0].protocol, 0, 65535}, by};
	return true;
}

static void reach_pair(const struct parties *parties, struct reach *reach, struct pair *pair)
{
	find_ports(parties, pair);
	const struct port_list pieces = ports_cut(parties->arena, pair->named.items, pair->named.count);
	size_t before = reach->count;
	bool all = true;
	for (size_t i = 0, next; i < pieces.count; i = next) {
		for (next = i; next < pieces.count && pieces.items[next].protocol == pieces.items[i].protocol;)
			next++;
		all = reach_protocol(parties, reach, pair, &pieces.items[i], next - i) && all;
	}
	for (size_t i = before + 1; all && i < reach->count; i++)
		all = reach->items[i].allow == reach->items[before].allow;
	if (!all || reach->count == before)
		return;
	reach->count = before + 1;
	reach->items[before].ports = (struct port_range){PROTOCOL_ANY, 0, 65535};
}

static int compare(const void *left, const void *right)
{
	const struct reachable *a = left, *b = right;
	int order = strcmp(a->from, b->from);
	if (order == 0)
		order = strcmp(a->to, b->to);
	if (order == 0)
		order = a->ports.protocol - b->ports.protocol;
	if (order == 0)
		order = a->ports.first - b->ports.first;
	return order != 0 ? order : a->ports.last - b->ports.last;
}

/* Whether a party is what `from` stands for: with workloads one of them, else the service or the built-in peer. */
static bool is_asked_for(const struct party *party, const struct endpoints *from, const char *word)
{
	const struct workload *workload = party->from.items[0].workload;
	if (party->service != NULL)
		return party->service == from->service;
	for (size_t i = 0; workload != NULL && i < from->count; i++)
		if (from->items[i].workload == workload)
			return true;
	return workload == NULL && party->network == NULL && strcmp(party->name, word) == 0;
}

/* Marks the parties that are asked for; adds one where there is none, such as an address. */
static void find_sources(struct parties *parties, const struct endpoints *from, const char *word)
{
	bool found = from == NULL;
	for (size_t i = 0; i < parties->count; i++) {
		struct party *party = &parties->items[i];
		party->asked_for = from == NULL || is_asked_for(party, from, word);
		found = found || party->asked_for;
	}
	if (found)
		return;
	const struct workload *workload = from->items[0].workload;
	struct party *party = add(parties, word);
	if (workload != NULL && from->service == NULL)
		party->name = arena_printf(parties->arena, "%s/%s", workload->name_space, workload->name);
	party->from = party->to = *from;
	if (workload != NULL)
		add_at_hand(parties, party, workload);
	party->asked_for = party->only_source = true;
}

struct reach reach_list(struct arena *arena, const struct world *world, bool workloads, const struct endpoints *from,
			const char *word)
{
	struct reach reach = {0};
	struct parties parties = {.arena = arena, .world = world, .narrowing = narrowing_create(arena, world)};
	parties.has_hosts = inventory_has_hosts(world->inventory);
	samples_init(&parties.samples, arena, world);
	if (workloads)
		add_workloads(&parties);
	else
		add_services(&parties);
	policy_each_flows(world, add_named, &parties);
	find_sources(&parties, from, word);
	for (size_t i = 0; i < parties.count; i++) {
		find_scopes(&parties, &parties.items[i]);
		find_isolation(&parties, &parties.items[i]);
	}
	for (size_t i = 0; i < parties.count; i++) {
		for (size_t j = 0; parties.items[i].asked_for && j < parties.count; j++) {
			struct pair pair = {.from = &parties.items[i], .to = &parties.items[j]};
			pair.closed = pair.from->closed[EGRESS] || pair.to->closed[INGRESS];
			if (!pair.to->only_source && may_reach(&parties, &pair))
				reach_pair(&parties, &reach, &pair);
		}
	}
	narrowing_finish(parties.narrowing);
	if (reach.count > 1)
		qsort(reach.items, reach.count, sizeof *reach.items, compare);
	return reach;
}
