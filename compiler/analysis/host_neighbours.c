/* Proves `never` for two host workloads of one node, whoever they are. Each is the node to the other: an allow of the
 * caller to `node` and one from `node` to the called open together what neither does alone. Where nothing isolates one
 * of the two, the other's allow is enough. */
#include "compiler/analysis/proving.h"

#include <ringfence/arena.h>

enum { PAIRS_MOST = 20000000 }; /* of openers that are compared for one never */

/* What opens one side of a never, and for whom. */
struct opener {
	const struct allow *allow;  /* NULL: nothing isolates the end */
	const struct target *never; /* INGRESS: of the never */
	const struct target *target;
	const struct peer *node; /* by which the other end is the node */
	const char *name;	 /* of the end */
	struct meeting meeting;
};

struct openers {
	struct opener *items;
	size_t count;
};

/* A loopback address of a family by which a peer means the end's own node, or NULL. */
static const struct address *own_node(const struct proving *proving, const struct peer *peer, uint8_t family)
{
	const struct samples *samples = &proving->samples;
	for (size_t i = 0; i < samples->loopback_count; i++)
		if (samples->loopbacks[i].family == family &&
		    (peer->kind == PEER_NODE ||
		     (peer->kind == PEER_NETWORK && network_contains(peer->network, &samples->loopbacks[i]))))
			return &samples->loopbacks[i];
	return NULL;
}

static bool means_own_node(const struct proving *proving, const struct peer *peer)
{
	return own_node(proving, peer, 4) != NULL || own_node(proving, peer, 6) != NULL;
}

/* The callers of the never that `allow` lets call their node. */
static void add_callers(struct proving *proving, struct openers *openers, const struct never *never,
			const struct allow *allow)
{
	struct opener opener = {.allow = allow};
	bool meets = false;
	for (size_t i = 0; i < never->flows.from_count && !meets; i++)
		for (size_t j = 0; j < allow->flows.from_count && !meets; j++) {
			opener.name = allow->flows.from[j].name;
			meets = peers_meet(&proving->place, &never->flows.from[i], &allow->flows.from[j], PART_WORKLOAD,
					   &opener.meeting);
		}
	for (size_t i = 0; meets && i < allow->flows.to_count; i++) {
		opener.target = &allow->flows.to[i];
		opener.node = &opener.target->peer;
		if (means_own_node(proving, opener.node))
			*arena_push(proving->arena, openers->items, openers->count) = opener;
	}
}

/* Whom of the never `allow` lets be called by their node. */
static void add_called(struct proving *proving, struct openers *openers, const struct never *never,
		       const struct allow *allow)
{
	struct opener opener = {.allow = allow};
	for (size_t i = 0; i < allow->flows.from_count; i++) {
		opener.node = &allow->flows.from[i];
		if (!means_own_node(proving, opener.node))
			continue;
		for (size_t j = 0; j < never->flows.to_count; j++)
			for (size_t k = 0; k < allow->flows.to_count; k++) {
				opener.never = &never->flows.to[j];
				opener.target = &allow->flows.to[k];
				opener.name = opener.target->peer.name;
				if (peers_meet(&proving->place, &opener.never->peer, &opener.target->peer,
					       PART_WORKLOAD, &opener.meeting))
					*arena_push(proving->arena, openers->items, openers->count) = opener;
			}
	}
}

/* Those that nothing isolates. */
static void add_free(struct proving *proving, struct openers openers[2], const struct never *never)
{
	for (size_t i = 0; i < never->flows.from_count; i++) {
		struct opener opener = {.name = never->flows.from[i].name};
		if (proving_free_end(proving, &never->flows.from[i], PART_WORKLOAD, EGRESS, &opener.meeting))
			*arena_push(proving->arena, openers[EGRESS].items, openers[EGRESS].count) = opener;
	}
	for (size_t i = 0; i < never->flows.to_count; i++) {
		const struct target *target = &never->flows.to[i];
		struct opener opener = {.never = target, .target = target, .name = target->peer.name};
		if (proving_free_end(proving, &target->peer, PART_WORKLOAD, INGRESS, &opener.meeting))
			*arena_push(proving->arena, openers[INGRESS].items, openers[INGRESS].count) = opener;
	}
}

/* Puts both ends at loopback addresses that both sides take for the node, of a family that `ports` can have. */
static bool meet_over_loopback(const struct proving *proving, struct opener *from, struct opener *to, uint8_t family)
{
	static const struct peer node = {.kind = PEER_NODE};
	const struct address *source = own_node(proving, to->node != NULL ? to->node : &node, family);
	const struct address *destination = own_node(proving, from->node != NULL ? from->node : &node, family);
	if (source == NULL || destination == NULL)
		return false;
	from->meeting.address = *source;
	to->meeting.address = *destination;
	from->meeting.has_address = to->meeting.has_address = true;
	from->meeting.host = to->meeting.host = true;
	return true;
}

/* Whether the caller's side and the called one's are open on a common port of the never. */
static bool ports_meet(const struct opener *from, const struct opener *to, uint8_t family, struct common_ports *ports)
{
	enum part address = family == 4 ? PART_ADDRESS4 : PART_ADDRESS6;
	size_t count = from->allow != NULL ? from->target->port_count : 1;
	for (size_t i = 0; i < count; i++)
		if (targets_meet(to->never, to->target, from->allow != NULL ? &from->target->ports[i] : &every_port,
				 PART_WORKLOAD, address, ports))
			return true;
	return false;
}

static void prove_pair(struct proving *proving, const struct never *never, struct opener *from, struct opener *to)
{
	struct common_ports ports;
	for (uint8_t family = 4; family <= 6; family += 2) {
		if (!ports_meet(from, to, family, &ports) || !meet_over_loopback(proving, from, to, family))
			continue;
		struct broken *broken = proving_add(proving, never, from->allow, to->allow);
		if (broken == NULL)
			return;
		const struct opener *sides[] = {from, to};
		const char *places[2];
		for (int i = EGRESS; i <= INGRESS; i++) {
			places[i] = "nothing that isolates the other end";
			if (sides[i]->allow == NULL)
				continue;
			broken->openers[i] = sides[i]->allow->span;
			places[i] = span_text(proving->arena, &sides[i]->allow->span);
		}
		broken->from = from->name;
		broken->to = to->name;
		bool first = from->allow == NULL; /* the allow is named before the lack of one */
		broken->opened_by = arena_printf(proving->arena, "%s and %s, where both are host workloads of one node",
						 places[first], places[!first]);
		proving_describe(proving, broken, &from->meeting, &to->meeting, &ports);
		return;
	}
}

/* Whether enough ways to break it are named. */
static bool is_full(const struct proof *proof, const struct never *never)
{
	size_t same = 0;
	while (same < proof->count && proof->items[proof->count - 1 - same].never == never)
		same++;
	return same >= OPENERS_MOST;
}

void prove_neighbours(struct proving *proving, const struct never *never)
{
	const struct policy *policy = proving->world->policy;
	struct openers openers[2] = {{0}, {0}};
	for (size_t i = 0; i < policy->allow_count; i++) {
		struct allow *allow = policy->allows[i];
		if (is_alive(proving->world, allow->until) && allow->counts[EGRESS])
			add_callers(proving, &openers[EGRESS], never, allow);
		if (is_alive(proving->world, allow->until) && allow->counts[INGRESS])
			add_called(proving, &openers[INGRESS], never, allow);
	}
	if (proving_leaves_open(policy) && openers[EGRESS].count + openers[INGRESS].count > 0)
		add_free(proving, openers, never);
	size_t pairs = 0;
	for (size_t i = 0; i < openers[EGRESS].count && !is_full(&proving->proof, never); i++)
		for (size_t j = 0; j < openers[INGRESS].count; j++) {
			struct opener *from = &openers[EGRESS].items[i], *to = &openers[INGRESS].items[j];
			if (++pairs > PAIRS_MOST) {
				proving->proof.cut = true;
				return;
			}
			if (from->allow != NULL || to->allow != NULL)
				prove_pair(proving, never, from, to);
		}
}
