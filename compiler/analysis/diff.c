/* What a change of a policy opens and closes.
 *
 * Only pairs of ends that could differ are asked about: those that an allow speaks of which has no equal in the other
 * version, and all pairs of an end for which something else differs (what isolates it, a quarantine, its labels). Each
 * is asked of verdict_of for one port of each piece, against the statements that may speak of the pair; the others say
 * nothing of it. */
#include "compiler/analysis/comparing.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- which pairs ---- */

static size_t words_for(size_t bits)
{
	return bits / 64 + 1;
}

static void set_bit(uint64_t *words, size_t bit)
{
	words[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool has_bit(const uint64_t *words, size_t bit)
{
	return (words[bit / 64] >> bit % 64 & 1) != 0;
}

/* The ends that a changed allow speaks of. */
struct reach_of {
	uint64_t *ends[DIRECTIONS];
};

struct candidates {
	struct reach_of *items;
	size_t count;
	uint64_t *touched; /* as destinations */
	uint64_t *row;	   /* of one source */
};

static bool speaks_of(const struct comparing *comparing, const struct allow *allow, const struct end *end,
		      enum direction direction, enum version version)
{
	const struct flows *flows = &allow->flows;
	size_t count = direction == EGRESS ? flows->from_count : flows->to_count;
	for (size_t i = 0; i < count; i++)
		if (ends_may_match(comparing, direction == EGRESS ? &flows->from[i] : &flows->to[i].peer, end, version))
			return true;
	return false;
}

static void find_candidates(struct comparing *comparing, struct candidates *candidates)
{
	struct arena *arena = comparing->arena;
	size_t words = words_for(comparing->end_count);
	*candidates = (struct candidates){.touched = arena_alloc(arena, words * sizeof(uint64_t)),
					  .row = arena_alloc(arena, words * sizeof(uint64_t))};
	for (size_t i = 0; i < comparing->end_count; i++)
		if (comparing->ends[i].touched[INGRESS])
			set_bit(candidates->touched, i);
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const struct policy *policy = comparing->worlds[version]->policy;
		for (size_t i = 0; i < policy->allow_count; i++) {
			if (!comparing->changed[version][i] ||
			    !is_alive(comparing->worlds[version], policy->allows[i]->until))
				continue;
			struct reach_of *of = arena_push(arena, candidates->items, candidates->count);
			for (int j = EGRESS; j <= INGRESS; j++) {
				of->ends[j] = arena_alloc(arena, words * sizeof(uint64_t));
				for (size_t k = 0; k < comparing->end_count; k++)
					if (speaks_of(comparing, policy->allows[i], &comparing->ends[k],
						      (enum direction)j, (enum version)version))
						set_bit(of->ends[j], k);
			}
		}
	}
}

/* The destinations to ask about from one source. */
static void find_row(const struct comparing *comparing, struct candidates *candidates, size_t from)
{
	size_t words = words_for(comparing->end_count);
	memcpy(candidates->row, candidates->touched, words * sizeof(uint64_t));
	if (comparing->ends[from].touched[EGRESS])
		memset(candidates->row, 0xff, words * sizeof(uint64_t));
	for (size_t i = 0; i < candidates->count; i++)
		for (size_t j = 0; j < words && has_bit(candidates->items[i].ends[EGRESS], from); j++)
			candidates->row[j] |= candidates->items[i].ends[INGRESS][j];
}

/* ---- one pair ---- */

struct outcome {
	bool happened;
	struct cause causes[2];
	size_t cause_count;
	struct flow flows[VERSIONS];
};

/* A piece of the ports, and what happened there. */
struct asked {
	struct port_range piece;
	bool possible;		    /* the ends have a family for it in common */
	struct outcome outcomes[2]; /* closed, opened */
};

/* A pair of ends, with the part of both policies that may speak of it. Lives in `scratch`. */
struct pair {
	struct comparing *comparing;
	struct arena *scratch;
	struct end *from, *to;
	struct policy policies[VERSIONS];
	struct world worlds[VERSIONS];
	size_t changed_counts[VERSIONS]; /* allows that have no equal: they stand first */
	struct endpoints sources[VERSIONS], destinations[VERSIONS];
	struct asked *asked;
	size_t asked_count;
};

/* A pair of ends where something happened, in the words of the statement that did it. */
struct finding {
	bool opened;
	size_t ends[DIRECTIONS];
	const char *names[DIRECTIONS];
	struct port_range *ports;
	size_t port_count;
	const char *ports_text;
	struct outcome outcome;
};

struct findings {
	struct finding *items;
	size_t count;
};

static void find_speaks(struct comparing *comparing, struct end *end)
{
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const struct world *world = comparing->worlds[version];
		size_t count = world->policy->allow_count;
		for (int i = EGRESS; i <= INGRESS; i++) {
			uint64_t *speaks = arena_alloc(comparing->arena, words_for(count) * sizeof *speaks);
			for (size_t j = 0; j < count; j++)
				if (is_alive(world, world->policy->allows[j]->until) &&
				    speaks_of(comparing, world->policy->allows[j], end, (enum direction)i,
					      (enum version)version))
					set_bit(speaks, j);
			end->speaks[version][i] = speaks;
		}
	}
}

/* The allows that may speak of the pair; with `changed`, those without an equal, else the others. */
static void add_allows(struct pair *pair, enum version version, bool changed)
{
	const struct comparing *comparing = pair->comparing;
	const struct policy *whole = comparing->worlds[version]->policy;
	struct policy *policy = &pair->policies[version];
	const uint64_t *from = pair->from->speaks[version][EGRESS], *to = pair->to->speaks[version][INGRESS];
	for (size_t i = 0; i < words_for(whole->allow_count); i++)
		for (uint64_t bits = from[i] & to[i]; bits != 0; bits &= bits - 1) {
			size_t number = i * 64 + (size_t)__builtin_ctzll(bits);
			if (comparing->changed[version][number] == changed)
				*arena_push(pair->scratch, policy->allows, policy->allow_count) = whole->allows[number];
		}
}

static void add_isolations(struct pair *pair, enum version version, const struct end *end)
{
	struct policy *policy = &pair->policies[version];
	for (size_t i = 0; i < end->isolation_counts[version]; i++)
		*arena_push(pair->scratch, policy->isolations, policy->isolation_count) = end->isolations[version][i];
}

static void narrow(struct pair *pair, enum version version)
{
	struct policy *policy = &pair->policies[version];
	*policy = *pair->comparing->worlds[version]->policy;
	policy->allows = NULL;
	policy->isolations = NULL;
	policy->allow_count = policy->isolation_count = 0;
	add_allows(pair, version, true);
	pair->changed_counts[version] = policy->allow_count;
	add_allows(pair, version, false);
	add_isolations(pair, version, pair->from);
	if (pair->to != pair->from)
		add_isolations(pair, version, pair->to);
	pair->worlds[version] = *pair->comparing->worlds[version];
	pair->worlds[version].policy = policy;
}

static void cut_ports(struct pair *pair)
{
	struct port_list ranges = {0};
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const struct workload *workload = pair->to->workloads[version];
		for (size_t i = 0; i < pair->policies[version].allow_count; i++) {
			const struct flows *flows = &pair->policies[version].allows[i]->flows;
			for (size_t j = 0; j < flows->to_count; j++)
				for (size_t k = 0; k < flows->to[j].port_count; k++)
					*arena_push(pair->scratch, ranges.items, ranges.count) = flows->to[j].ports[k];
		}
		for (size_t i = 0; workload != NULL && i < workload->port_count; i++)
			*arena_push(pair->scratch, ranges.items, ranges.count) = workload->ports[i].port;
	}
	struct port_list pieces = ports_cut(pair->scratch, ranges.items, ranges.count);
	pair->asked = arena_alloc(pair->scratch, (pieces.count + 1) * sizeof *pair->asked);
	pair->asked_count = pieces.count;
	for (size_t i = 0; i < pieces.count; i++)
		pair->asked[i].piece = pieces.items[i];
}

static bool is_changed(const struct pair *pair, enum version version, const struct allow *allow)
{
	for (size_t i = 0; i < pair->changed_counts[version]; i++)
		if (pair->policies[version].allows[i] == allow)
			return true;
	return false;
}

/* Where that stands which isolates a side: a service, a NetworkPolicy or, in either version, `unmatched`. */
static struct span isolation_span(const struct comparing *comparing, const struct side *denied, enum version open_in)
{
	const struct span *unmatched = &comparing->worlds[1 - open_in]->policy->unmatched_span;
	if (denied->isolated_by != NULL)
		return denied->isolated_by->span;
	return unmatched->file != NULL ? *unmatched : comparing->worlds[open_in]->policy->unmatched_span;
}

/* Why a side that is `denied` in one version is `open` in the other. */
static struct cause side_cause(const struct pair *pair, const struct side *denied, const struct side *open,
			       enum version open_in, enum direction direction)
{
	const struct end *end = direction == EGRESS ? pair->from : pair->to;
	bool changed = pair->from->changed || pair->to->changed;
	struct cause other = {.kind = CAUSE_INVENTORY};
	if (changed)
		other.span = (pair->from->changed ? pair->from : pair->to)->workloads[VERSION_NEW]->span;
	switch (denied->reason) {
	case REASON_QUARANTINE:
		return (struct cause){CAUSE_QUARANTINE, denied->quarantine->span, NULL};
	case REASON_NO_ALLOW:
		if (open->reason == REASON_ALLOW && (!changed || is_changed(pair, open_in, open->allow)))
			return (struct cause){CAUSE_ALLOW, open->allow->span, open->allow};
		if (open->reason == REASON_ALLOW || end->changed)
			return other;
		return (struct cause){CAUSE_ISOLATION, isolation_span(pair->comparing, denied, open_in), NULL};
	case REASON_SELF:
	case REASON_NOT_ISOLATED:
	case REASON_ALLOW:
	case REASON_UNKNOWN:
	case REASON_CONFLICT:
	case REASON_NODE:
		break;
	}
	return other;
}

static bool same_span(const struct span *a, const struct span *b)
{
	return a->line == b->line && a->column == b->column &&
	       (a->file == b->file || (a->file != NULL && b->file != NULL && strcmp(a->file, b->file) == 0));
}

static bool same_cause(const struct cause *a, const struct cause *b)
{
	return a->kind == b->kind && a->allow == b->allow && same_span(&a->span, &b->span);
}

static bool same_causes(const struct outcome *a, const struct outcome *b)
{
	bool same = a->cause_count == b->cause_count;
	for (size_t i = 0; same && i < a->cause_count; i++)
		same = same_cause(&a->causes[i], &b->causes[i]);
	return same;
}

static void note(const struct pair *pair, struct outcome *outcome, const struct flow flows[VERSIONS],
		 const struct verdict verdicts[VERSIONS], bool opened)
{
	enum version open_in = opened ? VERSION_NEW : VERSION_OLD;
	const struct verdict *open = &verdicts[open_in], *denied = &verdicts[1 - open_in];
	const struct side *sides[][2] = {{&denied->egress, &open->egress}, {&denied->ingress, &open->ingress}};
	if (outcome->happened)
		return;
	outcome->happened = true;
	outcome->flows[VERSION_OLD] = flows[VERSION_OLD];
	outcome->flows[VERSION_NEW] = flows[VERSION_NEW];
	for (int i = EGRESS; i <= INGRESS; i++) {
		if (sides[i][0]->allowed)
			continue;
		outcome->causes[outcome->cause_count] =
		    side_cause(pair, sides[i][0], sides[i][1], open_in, (enum direction)i);
		if (outcome->cause_count == 0 || !same_cause(&outcome->causes[0], &outcome->causes[1]))
			outcome->cause_count++;
	}
}

static struct flow flow_at(const struct pair *pair, const struct asked *asked, enum version version, size_t i, size_t j)
{
	return (struct flow){pair->sources[version].items[i], pair->destinations[version].items[j],
			     asked->piece.protocol, port_sample(&asked->piece)};
}

/* Each pair of addresses that both versions have. */
static void ask_each(struct pair *pair, struct asked *asked)
{
	for (size_t i = 0; i < pair->sources[VERSION_OLD].count; i++) {
		for (size_t j = 0; j < pair->destinations[VERSION_OLD].count; j++) {
			struct verdict verdicts[VERSIONS] = {0};
			struct flow flows[VERSIONS];
			bool fit = true;
			for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
				flows[version] = flow_at(pair, asked, (enum version)version, i, j);
				fit = fit && ends_fit(&flows[version].from, &flows[version].to, asked->piece.protocol);
			}
			if (!fit)
				continue;
			for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
				verdicts[version] = verdict_of(&pair->worlds[version], &flows[version]);
			asked->possible = true;
			if (verdicts[VERSION_OLD].allowed != verdicts[VERSION_NEW].allowed)
				note(pair, &asked->outcomes[verdicts[VERSION_NEW].allowed], flows, verdicts,
				     verdicts[VERSION_NEW].allowed);
		}
	}
}

/* Where the versions have other addresses, or two host workloads are neighbours in one of them alone: what some pair of
 * addresses may do. */
static void ask_any(struct pair *pair, struct asked *asked)
{
	struct verdict verdicts[VERSIONS] = {0};
	struct flow flows[VERSIONS];
	bool asked_any[VERSIONS] = {false, false};
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		for (size_t i = 0; i < pair->sources[version].count; i++)
			for (size_t j = 0; j < pair->destinations[version].count; j++) {
				struct flow flow = flow_at(pair, asked, (enum version)version, i, j);
				if (verdicts[version].allowed || !ends_fit(&flow.from, &flow.to, asked->piece.protocol))
					continue;
				verdicts[version] = verdict_of(&pair->worlds[version], &flow);
				flows[version] = flow;
				asked_any[version] = true;
			}
	asked->possible = asked_any[VERSION_OLD] || asked_any[VERSION_NEW];
	if (verdicts[VERSION_OLD].allowed == verdicts[VERSION_NEW].allowed)
		return;
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		if (!asked_any[version]) { /* the end is not there: its addresses are in the other inventory */
			flows[version] = flows[1 - version];
			verdicts[version].egress.reason = verdicts[version].ingress.reason = REASON_UNKNOWN;
		}
	note(pair, &asked->outcomes[verdicts[VERSION_NEW].allowed], flows, verdicts, verdicts[VERSION_NEW].allowed);
}

/* Whether the one end is the node of the other, as a host workload to its neighbours is. */
static bool are_neighbours(const struct pair *pair, enum version version)
{
	const struct workload *from = pair->from->workloads[version], *to = pair->to->workloads[version];
	return from != NULL && to != NULL && (workload_is_host(from) || workload_is_host(to)) &&
	       workloads_share_node(from, to);
}

static void ask(struct pair *pair)
{
	bool same = true;
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++) {
		const struct workload *source = pair->from->workloads[version];
		const struct workload *destination = pair->to->workloads[version];
		pair->sources[version] =
		    ends_resolve(pair->comparing, pair->scratch, pair->from, false, destination, (enum version)version);
		pair->destinations[version] = ends_resolve(pair->comparing, pair->scratch, pair->to,
							   pair->from == pair->to, source, (enum version)version);
	}
	same = pair->sources[VERSION_OLD].count == pair->sources[VERSION_NEW].count &&
	       pair->destinations[VERSION_OLD].count == pair->destinations[VERSION_NEW].count &&
	       are_neighbours(pair, VERSION_OLD) == are_neighbours(pair, VERSION_NEW);
	for (size_t i = 0; i < pair->asked_count; i++)
		(same ? ask_each : ask_any)(pair, &pair->asked[i]);
}

/* ---- what happened, in words ---- */

static const struct allow *cause_allow(const struct outcome *outcome, enum direction direction)
{
	size_t wanted = direction == EGRESS || outcome->cause_count == 0 ? 0 : outcome->cause_count - 1;
	const struct allow *allow = outcome->causes[wanted].allow;
	for (size_t i = 0; allow == NULL && i < outcome->cause_count; i++)
		allow = outcome->causes[i].allow;
	return allow;
}

/* An end in the words of the allow that opens the flow. The pods that a NetworkPolicy selects have no such words. */
static const char *end_name(const struct pair *pair, const struct outcome *outcome, enum direction direction,
			    enum version version)
{
	const struct end *end = direction == EGRESS ? pair->from : pair->to;
	const struct flow *flow = &outcome->flows[version];
	const struct endpoint *at = direction == EGRESS ? &flow->from : &flow->to;
	const struct endpoint *other = direction == EGRESS ? &flow->to : &flow->from;
	const struct allow *allow = cause_allow(outcome, direction);
	size_t count = allow == NULL ? 0 : direction == EGRESS ? allow->flows.from_count : allow->flows.to_count;
	for (size_t i = 0; i < count; i++) {
		const struct peer *peer = direction == EGRESS ? &allow->flows.from[i] : &allow->flows.to[i].peer;
		bool one_sided = !allow->counts[EGRESS] || !allow->counts[INGRESS];
		if (!peer_matches(pair->comparing->worlds[version], peer, at, other))
			continue;
		if (one_sided && end->kind == END_WORKLOAD)
			break;
		return peer->name;
	}
	return end->name;
}

static const char *ports_text(struct arena *arena, const struct finding *finding)
{
	const char *text = "";
	char port[48];
	for (size_t i = 0; i < finding->port_count; i++)
		text =
		    arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", port_range_format(&finding->ports[i], port));
	return text;
}

static bool is_of(const struct asked *asked, const struct outcome *first, bool opened)
{
	return asked->outcomes[opened].happened && same_causes(&asked->outcomes[opened], first);
}

/* The ports of one protocol, of which `asked` are all pieces. Returns whether they are the whole of it. */
static bool add_protocol(struct arena *arena, struct finding *finding, const struct asked *asked, size_t count)
{
	size_t before = finding->port_count, possible = 0, happened = 0;
	for (size_t i = 0; i < count; i++) {
		bool is = is_of(&asked[i], &finding->outcome, finding->opened);
		possible += asked[i].possible;
		happened += is;
		if (!is)
			continue;
		struct port_range *last =
		    finding->port_count > before ? &finding->ports[finding->port_count - 1] : NULL;
		if (last != NULL && last->last + 1 == asked[i].piece.first)
			last->last = asked[i].piece.last;
		else
			*arena_push(arena, finding->ports, finding->port_count) = asked[i].piece;
	}
	if (happened == 0 || happened < possible)
		return possible == 0;
	finding->port_count = before + 1;
	finding->ports[before] = (struct port_range){asked[0].piece.protocol, 0, 65535};
	return true;
}

static void add_ports(struct arena *arena, struct finding *finding, const struct pair *pair)
{
	bool all = true;
	for (size_t i = 0, next; i < pair->asked_count; i = next) {
		for (next = i;
		     next < pair->asked_count && pair->asked[next].piece.protocol == pair->asked[i].piece.protocol;)
			next++;
		all = add_protocol(arena, finding, &pair->asked[i], next - i) && all;
	}
	if (!all)
		return;
	finding->port_count = 1;
	finding->ports[0] = (struct port_range){PROTOCOL_ANY, 0, 65535};
}

static void record(struct pair *pair, struct findings *findings, const struct outcome *outcome, bool opened)
{
	struct comparing *comparing = pair->comparing;
	enum version open_in = opened ? VERSION_NEW : VERSION_OLD;
	struct finding *finding = arena_push(comparing->arena, findings->items, findings->count);
	finding->opened = opened;
	finding->outcome = *outcome;
	finding->ends[EGRESS] = (size_t)(pair->from - comparing->ends);
	finding->ends[INGRESS] = (size_t)(pair->to - comparing->ends);
	for (int i = EGRESS; i <= INGRESS; i++)
		finding->names[i] = end_name(pair, outcome, (enum direction)i, open_in);
	add_ports(comparing->arena, finding, pair);
	finding->ports_text = ports_text(comparing->arena, finding);
}

/* The pairs of workloads that two ends are, of the inventory that has the flow open. */
static size_t pair_count(const struct end *from, const struct end *to, bool opened)
{
	enum version version = opened ? VERSION_NEW : VERSION_OLD;
	bool not_itself = from == to && to->counts[version] > 0 && !end_calls_itself(to);
	return from->counts[version] * (to->counts[version] - not_itself);
}

static void record_all(struct pair *pair, struct findings *findings)
{
	struct diff *diff = &pair->comparing->diff;
	for (int opened = 0; opened < 2; opened++) {
		size_t before = findings->count;
		for (size_t i = 0; i < pair->asked_count; i++) {
			const struct outcome *outcome = &pair->asked[i].outcomes[opened];
			bool known = !outcome->happened;
			for (size_t j = before; j < findings->count && !known; j++)
				known = same_causes(&findings->items[j].outcome, outcome);
			if (!known)
				record(pair, findings, outcome, opened != 0);
		}
		if (findings->count > before)
			*(opened != 0 ? &diff->pairs_gained : &diff->pairs_lost) +=
			    pair_count(pair->from, pair->to, opened != 0);
	}
}

/* ---- all pairs ---- */

static bool can_talk(const struct end *from, const struct end *to)
{
	if (from->kind != END_WORKLOAD && to->kind != END_WORKLOAD)
		return false; /* not ours */
	return from != to || from->twins[VERSION_NEW] != NULL;
}

static void ask_pair(struct comparing *comparing, struct arena *scratch, struct findings *findings, struct end *from,
		     struct end *to)
{
	struct pair pair = {.comparing = comparing, .scratch = scratch, .from = from, .to = to};
	if (from->speaks[VERSION_OLD][EGRESS] == NULL)
		find_speaks(comparing, from);
	if (to->speaks[VERSION_OLD][EGRESS] == NULL)
		find_speaks(comparing, to);
	narrow(&pair, VERSION_OLD);
	narrow(&pair, VERSION_NEW);
	cut_ports(&pair);
	ask(&pair);
	record_all(&pair, findings);
}

static void ask_all(struct comparing *comparing, struct findings *findings)
{
	struct candidates candidates;
	find_candidates(comparing, &candidates);
	for (size_t i = 0; i < comparing->end_count; i++) {
		struct arena *scratch = arena_create();
		find_row(comparing, &candidates, i);
		for (size_t j = 0; j < comparing->end_count; j++)
			if (has_bit(candidates.row, j) && can_talk(&comparing->ends[i], &comparing->ends[j]))
				ask_pair(comparing, scratch, findings, &comparing->ends[i], &comparing->ends[j]);
		arena_free(scratch);
	}
}

/* ---- findings to changes ---- */

static int compare_findings(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	int order = strcmp(a->names[EGRESS], b->names[EGRESS]);
	if (order == 0)
		order = strcmp(a->names[INGRESS], b->names[INGRESS]);
	if (order == 0)
		order = b->opened - a->opened;
	if (order == 0)
		order = strcmp(a->ports_text, b->ports_text);
	if (order == 0)
		order = (a->outcome.cause_count > b->outcome.cause_count) -
			(a->outcome.cause_count < b->outcome.cause_count);
	for (size_t i = 0; order == 0 && i < a->outcome.cause_count; i++) {
		order = (int)a->outcome.causes[i].kind - (int)b->outcome.causes[i].kind;
		if (order == 0)
			order = compare_spans(&a->outcome.causes[i].span, &b->outcome.causes[i].span);
	}
	return order;
}

/* By what they say, and then by the ends, so that the example is always the same. */
static int compare_all(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;
	int order = compare_findings(left, right);
	for (int i = EGRESS; order == 0 && i <= INGRESS; i++)
		order = (a->ends[i] > b->ends[i]) - (a->ends[i] < b->ends[i]);
	return order;
}

/* The workloads at one end of some findings. */
static size_t count_end(const struct comparing *comparing, const struct finding *findings, size_t count,
			enum direction direction, size_t *seen, size_t stamp)
{
	size_t sum = 0;
	for (size_t i = 0; i < count; i++) {
		size_t end = findings[i].ends[direction];
		if (seen[end] == stamp)
			continue;
		seen[end] = stamp;
		sum += comparing->ends[end].counts[findings[i].opened ? VERSION_NEW : VERSION_OLD];
	}
	return sum;
}

/* Whether all of it is about workloads that nobody has, and that are called by their labels only. */
static bool is_nameless(const struct comparing *comparing, const struct finding *findings, size_t count)
{
	bool nameless = comparing->diff.has_inventory;
	for (size_t i = 0; i < count && nameless; i++) {
		const struct end *from = &comparing->ends[findings[i].ends[EGRESS]];
		const struct end *to = &comparing->ends[findings[i].ends[INGRESS]];
		nameless = from->is_nameless || to->is_nameless;
	}
	return nameless;
}

/* Whether a finding about workloads of the inventory tells of the same causes. */
static bool is_told(const struct comparing *comparing, const struct findings *findings, const struct finding *finding)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *other = &findings->items[i];
		if (other->opened == finding->opened && same_causes(&other->outcome, &finding->outcome) &&
		    !is_nameless(comparing, other, 1))
			return true;
	}
	return false;
}

static void add_change(struct comparing *comparing, const struct findings *findings, size_t start, size_t count,
		       size_t *seen)
{
	const struct finding *first = &findings->items[start];
	struct diff *diff = &comparing->diff;
	if (is_nameless(comparing, first, count) && is_told(comparing, findings, first))
		return;
	struct flow_change *change = arena_push(comparing->arena, diff->changes, diff->change_count);
	*change = (struct flow_change){.opened = first->opened,
				       .from = first->names[EGRESS],
				       .to = first->names[INGRESS],
				       .ports = first->ports,
				       .port_count = first->port_count,
				       .cause_count = first->outcome.cause_count};
	memcpy(change->causes, first->outcome.causes, sizeof change->causes);
	memcpy(change->flows, first->outcome.flows, sizeof change->flows);
	change->from_count = count_end(comparing, first, count, EGRESS, seen, 2 * start + 1);
	change->to_count = count_end(comparing, first, count, INGRESS, seen, 2 * start + 2);
	for (size_t i = 0; i < count; i++) {
		const struct end *from = &comparing->ends[first[i].ends[EGRESS]];
		const struct end *to = &comparing->ends[first[i].ends[INGRESS]];
		change->pairs += pair_count(from, to, first->opened);
		change->between_workloads =
		    change->between_workloads || (from->kind == END_WORKLOAD && to->kind == END_WORKLOAD);
	}
	*(first->opened ? &diff->opened : &diff->closed) += 1;
}

static void add_changes(struct comparing *comparing, struct findings *findings)
{
	size_t *seen = arena_alloc(comparing->arena, (comparing->end_count + 1) * sizeof *seen);
	if (findings->count > 1)
		qsort(findings->items, findings->count, sizeof *findings->items, compare_all);
	for (size_t i = 0, next; i < findings->count; i = next) {
		for (next = i + 1;
		     next < findings->count && compare_findings(&findings->items[i], &findings->items[next]) == 0;)
			next++;
		add_change(comparing, findings, i, next - i, seen);
	}
}

struct diff diff_compare(struct arena *arena, const struct world *before, const struct world *after)
{
	struct comparing comparing = {.arena = arena, .worlds = {before, after}};
	struct findings findings = {0};
	comparing.diff.has_inventory = before->inventory->workload_count + after->inventory->workload_count > 0;
	ends_find(&comparing);
	meanings_find(&comparing);
	ask_all(&comparing, &findings);
	add_changes(&comparing, &findings);
	widenings_find(&comparing);
	return comparing.diff;
}
