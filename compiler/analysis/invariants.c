/* Proves `never` from what statements say: no allow, and nothing that is left open, may meet it.
 *
 * An allow that counts at every end that is a workload opens a never when they meet at both ends and in a port. Whether
 * a workload of that kind exists makes no difference, so a policy that passes here keeps its nevers whatever starts
 * later. Two workloads may have the same labels, so a never from a service to itself is about two of them. Two that are
 * services of one node are opened by two allows, and host_neighbours.c looks at those. */
#include "compiler/analysis/proving.h"

#include <ringfence/arena.h>

#include <string.h>

enum { ESCAPES_MOST = 100000, ESCAPE_DEPTH_MOST = 1000 };

/* ---- an example, in words ---- */

const char *span_text(struct arena *arena, const struct span *span)
{
	return arena_printf(arena, "%s:%u", span->file, span->line);
}

static const char *labels_text(struct arena *arena, const struct labels *labels)
{
	const char *text = "";
	for (size_t i = 0; i < labels->count; i++)
		text = arena_printf(arena, "%s%s%s: %s", text, i > 0 ? ", " : "", labels->items[i].key,
				    labels->items[i].value);
	return arena_printf(arena, "{%s}", text);
}

static const char *meeting_text(struct arena *arena, const struct meeting *meeting)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *text;
	switch (meeting->part) {
	case PART_ADDRESS4:
	case PART_ADDRESS6:
		return arena_printf(arena, "%s", address_format(&meeting->address, address));
	case PART_NODE:
		return "the node of the other end";
	case PART_WORKLOAD:
		break;
	}
	text = arena_printf(arena, "a %sworkload in namespace %s", meeting->host ? "host " : "", meeting->name_space);
	if (meeting->namespace_labels.count > 0)
		text = arena_printf(arena, "%s (with labels %s)", text, labels_text(arena, &meeting->namespace_labels));
	if (meeting->labels.count == 0)
		text = arena_printf(arena, "%s without labels", text);
	else
		text = arena_printf(arena, "%s with labels %s", text, labels_text(arena, &meeting->labels));
	if (meeting->has_address)
		text = arena_printf(arena, "%s at %s", text, address_format(&meeting->address, address));
	return text;
}

static struct endpoint meeting_endpoint(struct arena *arena, const struct meeting *meeting, const char *name)
{
	if (meeting->part == PART_NODE)
		return (struct endpoint){.stands_for = PEER_NODE};
	if (meeting->part != PART_WORKLOAD)
		return (struct endpoint){.has_address = true, .address = meeting->address};
	struct workload *workload = arena_alloc(arena, sizeof *workload);
	workload->name_space = meeting->name_space;
	workload->name = name;
	workload->labels = meeting->labels;
	workload->cgroup = meeting->host ? "(any)" : NULL;
	workload->node = meeting->host ? "(one)" : NULL;
	return (struct endpoint){workload, meeting->has_address, meeting->address, PEER_SERVICE};
}

void proving_describe(const struct proving *proving, struct broken *broken, const struct meeting *from,
		      struct meeting *to, const struct common_ports *ports)
{
	char text[48];
	struct arena *arena = proving->arena;
	if (from->name_space == proving->place.elsewhere && to->name_space == from->name_space)
		to->name_space = arena_printf(arena, "%s-too", from->name_space); /* its labels may be others */
	struct port_range one = ports->range;
	if (one.protocol == PROTOCOL_ANY)
		one.protocol = PROTOCOL_TCP;
	one.first = one.last = port_sample(&one);
	broken->ports = ports->name_count > 0 ? one : ports->range;
	broken->flow = (struct flow){meeting_endpoint(arena, from, "(one)"), meeting_endpoint(arena, to, "(another)"),
				     one.protocol, one.first};
	const char *named = "";
	struct workload *destination = (struct workload *)broken->flow.to.workload;
	for (size_t i = 0; destination != NULL && i < ports->name_count; i++) {
		*arena_push(arena, destination->ports, destination->port_count) =
		    (struct named_port){ports->names[i], one};
		named = arena_printf(arena, "%s, which calls this port `%s`", named, ports->names[i]);
	}
	broken->example = arena_printf(arena, "%s -> %s, %s%s", meeting_text(arena, from), meeting_text(arena, to),
				       port_range_format(&one, text), named);
}

struct broken *proving_add(struct proving *proving, const struct never *never, const struct allow *egress,
			   const struct allow *ingress)
{
	struct proof *proof = &proving->proof;
	size_t same = 0;
	for (size_t i = proof->count; i > 0 && proof->items[i - 1].never == never; i--, same++)
		if (proof->items[i - 1].allows[EGRESS] == egress && proof->items[i - 1].allows[INGRESS] == ingress)
			return NULL;
	if (same == OPENERS_MOST)
		return NULL;
	proof->broken_count += same == 0;
	struct broken *broken = arena_push(proving->arena, proof->items, proof->count);
	broken->never = never;
	broken->allows[EGRESS] = egress;
	broken->allows[INGRESS] = ingress;
	return broken;
}

/* ---- allows ---- */

/* Where an end of a never can be met, and by which peers. */
struct ends {
	const struct peer *never, *opener;
	struct meeting meeting;
};

static bool is_stranger(enum part part)
{
	return part != PART_WORKLOAD;
}

static bool sources_meet(const struct proving *proving, const struct flows *never, const struct flows *opener,
			 enum part part, struct ends *ends)
{
	for (size_t i = 0; i < never->from_count; i++)
		for (size_t j = 0; j < opener->from_count; j++) {
			ends->never = &never->from[i];
			ends->opener = &opener->from[j];
			if (peers_meet(&proving->place, ends->never, ends->opener, part, &ends->meeting))
				return true;
		}
	return false;
}

static bool destinations_meet(const struct proving *proving, const struct flows *never, const struct flows *opener,
			      enum part part, enum part other, struct ends *ends, struct common_ports *ports)
{
	for (size_t i = 0; i < never->to_count; i++)
		for (size_t j = 0; j < opener->to_count; j++) {
			ends->never = &never->to[i].peer;
			ends->opener = &opener->to[j].peer;
			if (targets_meet(&never->to[i], &opener->to[j], &every_port, part, other, ports) &&
			    peers_meet(&proving->place, ends->never, ends->opener, part, &ends->meeting))
				return true;
		}
	return false;
}

/* Whether ends of these kinds can have a flow that is ours and whose verdict this allow alone makes. */
static bool decides(const struct allow *allow, enum part from, enum part to)
{
	if (is_stranger(from) && is_stranger(to))
		return false;
	return (is_stranger(from) || allow->counts[EGRESS]) && (is_stranger(to) || allow->counts[INGRESS]);
}

static void prove_against(struct proving *proving, const struct never *never, const struct allow *allow)
{
	struct ends from, to;
	struct common_ports ports;
	for (int a = 0; a < PART_COUNT; a++) {
		enum part part = (enum part)a;
		if (!sources_meet(proving, &never->flows, &allow->flows, part, &from))
			continue;
		for (int b = 0; b < PART_COUNT; b++) {
			if (!decides(allow, part, (enum part)b) ||
			    !destinations_meet(proving, &never->flows, &allow->flows, (enum part)b, part, &to, &ports))
				continue;
			struct broken *broken = proving_add(proving, never, allow, allow);
			if (broken == NULL)
				return;
			broken->from = from.opener->name;
			broken->to = to.opener->name;
			broken->openers[EGRESS] = broken->openers[INGRESS] = allow->span;
			broken->opened_by = span_text(proving->arena, &allow->span);
			proving_describe(proving, broken, &from.meeting, &to.meeting, &ports);
			return;
		}
	}
}

/* ---- workloads that nothing isolates ---- */

/* A search for labels that a peer wants and nothing of the namespace isolates in a direction. */
struct escape {
	struct proving *proving;
	enum direction direction;
	const char *name_space;
	const struct selector *selectors[ESCAPE_DEPTH_MOST + 1];
	size_t count, steps;
};

static struct requirement negate(const struct requirement *item)
{
	static const enum requirement_kind opposite[] = {
	    [REQUIRE_IN] = REQUIRE_NOT_IN,
	    [REQUIRE_NOT_IN] = REQUIRE_IN,
	    [REQUIRE_EXISTS] = REQUIRE_ABSENT,
	    [REQUIRE_ABSENT] = REQUIRE_EXISTS,
	};
	return (struct requirement){opposite[item->kind], item->key, item->values, item->value_count};
}

static const struct isolation *selected_by(const struct escape *escape, const struct labels *labels)
{
	const struct policy *policy = escape->proving->world->policy;
	for (size_t i = 0; i < policy->isolation_count; i++)
		if (policy->isolations[i]->directions[escape->direction] &&
		    strcmp(policy->isolations[i]->name_space, escape->name_space) == 0 &&
		    selector_matches(&policy->isolations[i]->workloads, labels))
			return policy->isolations[i];
	return NULL;
}

/* Takes the smallest labels, and where a service selects them denies its requirements one after the other. */
static bool escapes(struct escape *escape, struct labels *labels)
{
	if (++escape->steps > ESCAPES_MOST || escape->count > ESCAPE_DEPTH_MOST) {
		escape->proving->proof.cut = true;
		return false;
	}
	if (!selectors_meet(escape->proving->arena, escape->selectors, escape->count, labels))
		return false;
	const struct isolation *isolation = selected_by(escape, labels);
	if (isolation == NULL)
		return true;
	for (size_t i = 0; i < isolation->workloads.count; i++) {
		struct requirement item = negate(&isolation->workloads.items[i]);
		const struct selector negated = {&item, 1};
		escape->selectors[escape->count++] = &negated;
		bool found = escapes(escape, labels);
		escape->count--;
		if (found)
			return true;
	}
	return false;
}

bool proving_free_end(struct proving *proving, const struct peer *peer, enum part part, enum direction direction,
		      struct meeting *meeting)
{
	bool there = peers_meet(&proving->place, peer, peer, part, meeting);
	if (!there || is_stranger(part))
		return there;
	struct escape *escape = arena_alloc(proving->arena, sizeof *escape);
	escape->proving = proving;
	escape->direction = direction;
	const char *name = scopes_candidate(&proving->place, peer, peer, 0);
	for (size_t i = 0; name != NULL; name = scopes_candidate(&proving->place, peer, peer, ++i)) {
		if (!scopes_meet(&proving->place, peer, peer, name, &meeting->namespace_labels))
			continue;
		escape->name_space = meeting->name_space = name;
		escape->selectors[0] = peer_selector(peer);
		escape->count = 1;
		if (escapes(escape, &meeting->labels))
			return true;
	}
	return false;
}

static bool unmatched_opens(struct proving *proving, const struct never *never, const struct peer *from,
			    const struct target *to)
{
	const struct policy *policy = proving->world->policy;
	struct meeting ends[2];
	struct common_ports ports;
	for (int a = 0; a < PART_COUNT; a++) {
		for (int b = 0; b < PART_COUNT; b++) {
			enum part source = (enum part)a, destination = (enum part)b;
			if ((is_stranger(source) && is_stranger(destination)) ||
			    !targets_meet(to, to, &every_port, destination, source, &ports) ||
			    !proving_free_end(proving, from, source, EGRESS, &ends[EGRESS]) ||
			    !proving_free_end(proving, &to->peer, destination, INGRESS, &ends[INGRESS]))
				continue;
			struct broken *broken = proving_add(proving, never, NULL, NULL);
			if (broken == NULL)
				return true;
			broken->from = from->name;
			broken->to = to->peer.name;
			broken->openers[EGRESS] = broken->openers[INGRESS] = policy->unmatched_span;
			broken->opened_by =
			    policy->unmatched_span.file != NULL
				? arena_printf(proving->arena, "`unmatched: allow` at %s",
					       span_text(proving->arena, &policy->unmatched_span))
				: "the lack of any service or `unmatched: deny`, without which nothing is isolated";
			proving_describe(proving, broken, &ends[EGRESS], &ends[INGRESS], &ports);
			return true;
		}
	}
	return false;
}

bool proving_leaves_open(const struct policy *policy)
{
	if (policy_isolates_unmatched(policy) || policy->unmatched == UNMATCHED_ALLOW)
		return policy->unmatched == UNMATCHED_ALLOW;
	for (size_t i = 0; i < policy->isolation_count; i++)
		if (policy->isolations[i]->service == NULL)
			return false;
	return true;
}

static void prove_unmatched(struct proving *proving, const struct never *never)
{
	for (size_t i = 0; i < never->flows.from_count; i++)
		for (size_t j = 0; j < never->flows.to_count; j++)
			if (unmatched_opens(proving, never, &never->flows.from[i], &never->flows.to[j]))
				return;
}

/* ---- all of it ---- */

struct proof invariants_prove(struct arena *arena, const struct world *world, bool with_inventory)
{
	const struct policy *policy = world->policy;
	struct proving *proving = arena_alloc(arena, sizeof *proving);
	if (policy->never_count == 0)
		return proving->proof;
	proving->arena = arena;
	proving->world = world;
	samples_init(&proving->samples, arena, world);
	meeting_place_init(&proving->place, arena, world, &proving->samples);
	for (size_t i = 0; i < policy->never_count; i++) {
		for (size_t j = 0; j < policy->allow_count; j++)
			if (is_alive(world, policy->allows[j]->until))
				prove_against(proving, policy->nevers[i], policy->allows[j]);
		prove_neighbours(proving, policy->nevers[i]);
		if (proving_leaves_open(policy))
			prove_unmatched(proving, policy->nevers[i]);
		if (with_inventory)
			exposure_search(proving, policy->nevers[i]);
	}
	return proving->proof;
}

void invariants_report(struct diagnostics *list, const struct proof *proof)
{
	char port[48];
	for (size_t i = 0; i < proof->count; i++) {
		const struct broken *broken = &proof->items[i];
		diagnostics_error(list, broken->never->span, "`never` is broken: %s -> %s %s is opened by %s",
				  broken->from, broken->to, port_range_format(&broken->ports, port), broken->opened_by);
		diagnostics_rule(list, DIAGNOSTIC_NEVER);
		diagnostics_help(list, "example: %s%s%s", broken->example,
				 broken->never->why != NULL ? "; why never: " : "",
				 broken->never->why != NULL ? broken->never->why : "");
	}
	if (!proof->cut)
		return;
	diagnostics_error(list, (struct span){0},
			  "not every `never` could be proved: the input has more combinations than are looked at");
	diagnostics_rule(list, DIAGNOSTIC_UNPROVED);
}
