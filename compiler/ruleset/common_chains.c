/* The chains that every packet takes, before and behind those of its ends' classes.
 *
 * A packet's way: forward, input or output -> dispatch -> gN -> the class of the flow's source (out_...) -> gN_to ->
 * the class of its destination (in_...). IPv6 leaves gN and gN_to for chains of its own at once. All looks are at the
 * flow as conntrack has it (its source before NAT, its destination and port after), so a request, its reply and an ICMP
 * error about either meet the same rules and the same sets, and each packet is judged anew: what is revoked stops with
 * the next packet.
 *
 * Each rule that a packet of a running flow passes costs about as much as a hundredth of its whole way, a look-up two:
 * what is rare stands behind one check, and who has rules in a map is known, so nothing more is asked of it. */
#include "compiler/ruleset/lowering.h"

#include <netinet/icmp6.h>

#include <linux/netfilter.h>
#include <string.h>

/* Bits of ct state (linux/netfilter/nf_conntrack_common.h, NF_CT_STATE_BIT: 1 << (state + 1)). */
enum {
	STATE_INVALID = 1 << 0,
	STATE_ESTABLISHED = 1 << 1,
	STATE_RELATED = 1 << 2,
	STATE_NEW = 1 << 3,
	STATE_UNTRACKED = 1 << 6
};

/* A pool of more prefixes is looked up in its set of intervals. */
enum { POOL_PREFIXES_MOST = 4 };

static struct writing begin(struct lowering *l, const char *name)
{
	struct chain *chain = chain_create(l->arena, name);
	*arena_push(l->arena, l->chains, l->chain_count) = chain;
	return (struct writing){l->arena, chain, l->generation, l->world.policy->audit, NULL};
}

static const char *own(const struct lowering *l, const char *name)
{
	return own_name(l->arena, l->generation, name);
}

/* What audit mode lets through is still judged by the chains of the flow's ends. */
static enum statement_kind to_spoof(const struct lowering *l)
{
	return l->world.policy->audit ? STATEMENT_JUMP : STATEMENT_GOTO;
}

/* Neighbour discovery always passes: it is link-local by its hop limit, which a router would have lowered (RFC
 * 4861, 7.1), and multicast listener reports by their destination. Router advertisements and redirects of workloads do
 * not. */
static void add_discovery(struct lowering *l)
{
	const struct writing writing = begin(l, own(l, "discovery")), *w = &writing;
	static const uint8_t neighbour[] = {ND_ROUTER_SOLICIT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT};
	static const uint8_t listener[] = {131, 132, 143}; /* RFC 2710, RFC 3810 */
	static const uint8_t router[] = {ND_ROUTER_ADVERT, ND_REDIRECT};
	for (size_t i = 0; i < sizeof neighbour; i++) {
		struct rule *rule = add_rule(w, "neighbour discovery");
		match_byte(w, rule, FIELD_ICMPV6_TYPE, neighbour[i]);
		match_byte(w, rule, FIELD_IP6_HOPLIMIT, 255);
		finish_rule(w, rule, STATEMENT_ACCEPT, NULL);
	}
	for (size_t i = 0; i < sizeof listener; i++) {
		struct rule *rule = add_rule(w, "multicast listener discovery");
		match_byte(w, rule, FIELD_ICMPV6_TYPE, listener[i]);
		match_prefix(w, rule, FIELD_IP6_DADDR, 0xff, 0x02, 16);
		finish_rule(w, rule, STATEMENT_ACCEPT, NULL);
	}
	for (size_t i = 0; i < sizeof router; i++) {
		struct rule *rule = add_rule(w, "workloads are no routers");
		match_byte(w, rule, FIELD_ICMPV6_TYPE, router[i]);
		look_up(w, rule, STATEMENT_IN, &l->guarded->form, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
		finish_rule(w, rule, to_spoof(l), own(l, "spoof"));
	}
}

static void add_guard(const struct lowering *l, const struct writing *w, size_t family)
{
	struct rule *rule = add_rule(w, "source guard");
	look_up(w, rule, STATEMENT_IN, &l->guarded->form, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
	look_up(w, rule, STATEMENT_NOT_IN, &l->guard[family]->form, FIELD_IIFNAME, packet_sources[family], FIELD_COUNT);
	/* once more, should the interface have gone, with its pairs, between the two */
	look_up(w, rule, STATEMENT_IN, &l->guarded->form, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
	finish_rule(w, rule, to_spoof(l), own(l, "spoof"));
}

/* What conntrack cannot place is nobody's flow: it passes only when no workload of ours is an end. */
static void add_stray(struct lowering *l)
{
	const struct writing w = begin(l, own(l, "stray"));
	for (size_t family = 0; family < 2; family++) {
		const struct store *stores[] = {l->local[family], l->pool[family]};
		for (size_t i = 0; i < 2; i++) {
			for (size_t j = 0; stores[i] != NULL && j < 2; j++) {
				struct rule *rule = add_rule(&w, "no flow of conntrack");
				look_up(&w, rule, STATEMENT_IN, &stores[i]->form,
					j == 0 ? packet_sources[family] : packet_destinations[family], FIELD_COUNT,
					FIELD_COUNT);
				finish_rule(&w, rule, STATEMENT_GOTO, own(l, "invalid"));
			}
		}
	}
}

/* An ICMP error about a flow is judged as that flow further on; a workload may send one only about a flow of its own
 * (an error is a way to send bytes: past failures, 20). Routers on the way may always. */
static void add_related(struct lowering *l)
{
	const struct writing w = begin(l, own(l, "related"));
	for (size_t family = 0; family < 2; family++) {
		const enum field ends[] = {destination_fields[family], source_fields[family]};
		const struct store *stores[] = {l->local[family], l->pool[family]};
		for (size_t i = 0; i < 2; i++) {
			struct rule *rule = add_rule(&w, "an error from an end of the flow");
			look_up(&w, rule, STATEMENT_IN, &l->self[family]->form, packet_sources[family], ends[i],
				FIELD_COUNT);
			finish_rule(&w, rule, STATEMENT_RETURN, NULL);
		}
		for (size_t i = 0; i < 2; i++) {
			if (stores[i] == NULL)
				continue;
			struct rule *rule = add_rule(&w, "an error from a workload that is no end of the flow");
			look_up(&w, rule, STATEMENT_IN, &stores[i]->form, packet_sources[family], FIELD_COUNT,
				FIELD_COUNT);
			finish_rule(&w, rule, STATEMENT_GOTO, own(l, "invalid"));
		}
	}
}

static void add_dead_ends(struct lowering *l)
{
	static const struct {
		const char *name, *reason;
	} ends[] = {
	    {"spoof", "spoof source guard"},
	    {"invalid", "invalid no flow of conntrack"},
	    {"unknown", "unknown address of no known workload"},
	};
	const struct writing w = begin(l, own(l, "deny"));
	struct rule *rule = add_rule(&w, "every denial ends here");
	add_statement(&w, rule, STATEMENT_COUNTER);
	/* In audit mode the other end is judged as well. */
	finish_rule(&w, rule, l->world.policy->audit ? STATEMENT_RETURN : STATEMENT_DROP, NULL);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const struct writing end = begin(l, own(l, ends[i].name));
		deny(&end, ends[i].reason, ends[i].reason);
	}
}

/* Loopback addresses that do not come from lo (past failures, 27). `source` and `destination` are fields of one family,
 * of the packet or of its flow; FIELD_COUNT: not asked. The output hook has no incoming interface, which is not lo
 * either: there the other one is. */
static void add_martians(const struct writing *w, size_t family, enum field source, enum field destination)
{
	static const char lo[16] = "lo";
	static const uint8_t loopback6[16] = {[15] = 1};
	const enum field fields[] = {source, destination};
	for (size_t i = 0; i < 2; i++) {
		if (fields[i] == FIELD_COUNT)
			continue;
		struct rule *rule = add_rule(w, "loopback addresses belong to lo");
		if (family == 0)
			match_prefix(w, rule, fields[i], 127, 0, 8);
		else
			match(w, rule, STATEMENT_EQUAL, fields[i], loopback6);
		match(w, rule, STATEMENT_UNEQUAL, FIELD_IIFNAME, lo);
		match(w, rule, STATEMENT_UNEQUAL, FIELD_OIFNAME, lo);
		add_statement(w, rule, STATEMENT_COUNTER);
		finish_rule(w, rule, STATEMENT_DROP, NULL);
	}
}

/* What is neither new nor established: no flow of conntrack, or an ICMP error. Only here a packet's own addresses can
 * be others than its flow's. */
static void add_odd(struct lowering *l)
{
	const struct writing w = begin(l, own(l, "odd"));
	for (size_t family = 0; family < 2; family++)
		add_martians(&w, family, packet_sources[family], packet_destinations[family]);
	struct rule *rule = add_rule(&w, "no flow of conntrack");
	match_bits(&w, rule, STATEMENT_BITS, FIELD_CT_STATE, STATE_INVALID | STATE_UNTRACKED);
	finish_rule(&w, rule, STATEMENT_JUMP, own(l, "stray"));
	rule = add_rule(&w, "ICMP errors");
	match_bits(&w, rule, STATEMENT_BITS, FIELD_CT_STATE, STATE_RELATED);
	finish_rule(&w, rule, STATEMENT_JUMP, own(l, "related"));
}

static bool by_prefixes(const struct lowering *l, size_t family)
{
	bool whole = false;
	for (size_t i = 0; i < l->pool_prefix_counts[family]; i++)
		whole = whole || l->pool_prefixes[family][i].length == 0;
	return !whole && l->pool_prefix_counts[family] <= POOL_PREFIXES_MOST;
}

/* Begins a rule for addresses of the pools, one for each prefix or one for all. */
static struct rule *match_pool(const struct lowering *l, const struct writing *w, size_t family, enum field field,
			       size_t i, const char *comment)
{
	struct rule *rule = add_rule(w, comment);
	if (!by_prefixes(l, family)) {
		look_up(w, rule, STATEMENT_IN, &l->pool[family]->form, field, FIELD_COUNT, FIELD_COUNT);
		return rule;
	}
	match(w, rule, STATEMENT_PREFIX, field, l->pool_prefixes[family][i].address.bytes);
	rule->statements[rule->statement_count - 1].prefix = l->pool_prefixes[family][i].length;
	return rule;
}

static const char *pool_chain(const struct lowering *l, size_t family, bool source)
{
	static const char *const names[2][2] = {{"pool_to4", "pool_from4"}, {"pool_to6", "pool_from6"}};
	return own(l, names[family][source]);
}

/* An address of a pool that no map has. Where it is known the map is asked again: between the two looks a workload may
 * have come, which is in the map before it is known. */
static void add_pool(struct lowering *l, size_t family, bool source)
{
	if (l->pool[family] == NULL)
		return;
	const struct writing w = begin(l, pool_chain(l, family, source));
	const enum field field = source ? source_fields[family] : destination_fields[family];
	struct rule *rule = add_rule(&w, "an address for workloads that no source knows");
	look_up(&w, rule, STATEMENT_NOT_IN, &l->known[family]->form, field, FIELD_COUNT, FIELD_COUNT);
	finish_rule(&w, rule, to_spoof(l), own(l, "unknown"));
	rule = add_rule(&w, "a workload that has just come");
	look_up(&w, rule, STATEMENT_MAP, &(source ? l->egress : l->ingress)[family]->form, field, FIELD_COUNT,
		FIELD_COUNT);
}

/* The end of a flow that no map has. */
static void add_miss(const struct lowering *l, const struct writing *w, size_t family, bool source)
{
	const enum field field = source ? source_fields[family] : destination_fields[family];
	size_t ways = by_prefixes(l, family) ? l->pool_prefix_counts[family] : 1;
	add_martians(w, family, source ? field : FIELD_COUNT, source ? FIELD_COUNT : field);
	for (size_t i = 0; l->pool[family] != NULL && i < ways; i++)
		finish_rule(w, match_pool(l, w, family, field, i, "an address for workloads"), STATEMENT_JUMP,
			    pool_chain(l, family, source));
}

/* Whose source may send this? */
static void add_from(struct lowering *l, const struct writing *w, size_t family)
{
	add_guard(l, w, family);
	struct rule *rule = add_rule(w, "neither new nor established");
	match_bits(w, rule, STATEMENT_NO_BITS, FIELD_CT_STATE, STATE_NEW | STATE_ESTABLISHED);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, "odd"));
	rule = add_rule(w, "may the source send this?");
	look_up(w, rule, STATEMENT_MAP, &l->egress[family]->form, source_fields[family], FIELD_COUNT, FIELD_COUNT);
	add_miss(l, w, family, true);
	finish_rule(w, add_rule(w, NULL), STATEMENT_GOTO, own(l, "to"));
}

static void add_to(const struct lowering *l, const struct writing *w, size_t family)
{
	struct rule *rule = add_rule(w, "may the destination receive this?");
	look_up(w, rule, STATEMENT_MAP, &l->ingress[family]->form, destination_fields[family], FIELD_COUNT,
		FIELD_COUNT);
}

static void leave_for_ipv6(const struct lowering *l, const struct writing *w, const char *chain)
{
	struct rule *rule = add_rule(w, NULL);
	match_byte(w, rule, FIELD_NFPROTO, NFPROTO_IPV6);
	finish_rule(w, rule, STATEMENT_GOTO, own(l, chain));
}

static void add_main(struct lowering *l)
{
	for (size_t family = 0; family < 2; family++) {
		add_pool(l, family, true);
		add_pool(l, family, false);
	}
	const struct writing from6 = begin(l, own(l, "from6"));
	struct rule *rule = add_rule(&from6, NULL);
	match_byte(&from6, rule, FIELD_L4PROTO, IPPROTO_ICMPV6);
	finish_rule(&from6, rule, STATEMENT_JUMP, own(l, "discovery"));
	add_from(l, &from6, 1);
	const struct writing from4 = begin(l, own(l, ""));
	leave_for_ipv6(l, &from4, "from6");
	add_from(l, &from4, 0);
	const struct writing to6 = begin(l, own(l, "to6"));
	add_to(l, &to6, 1);
	add_miss(l, &to6, 1, false);
	const struct writing to4 = begin(l, own(l, "to"));
	add_to(l, &to4, 0);
	leave_for_ipv6(l, &to4, "to6");
	add_miss(l, &to4, 0, false);
}

/* The chains that belong to the table and not to a generation. */
static void add_fixed(struct lowering *l)
{
	static const struct {
		const char *name;
		uint32_t hook;
	} hooks[] = {{"forward", NF_INET_FORWARD}, {"input", NF_INET_LOCAL_IN}, {"output", NF_INET_LOCAL_OUT}};
	const struct writing dispatch = begin(l, "dispatch");
	dispatch.chain->fixed = true;
	finish_rule(&dispatch, add_rule(&dispatch, NULL), STATEMENT_GOTO, own(l, ""));
	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
		const struct writing w = begin(l, hooks[i].name);
		w.chain->base = w.chain->fixed = true;
		w.chain->hook = hooks[i].hook;
		finish_rule(&w, add_rule(&w, NULL), STATEMENT_GOTO, "dispatch");
	}
}

void common_chains(struct lowering *l)
{
	add_dead_ends(l);
	add_stray(l);
	add_related(l);
	add_discovery(l);
	add_odd(l);
	add_main(l);
	add_fixed(l);
}
