/* The chains that every packet takes, before and behind those of its ends' classes.
 *
 * A packet's way: forward, input or output -> dispatch -> gN -> gN_source4 -> the class of the flow's source (out_...),
 * which returns what it lets pass -> gN -> the class of its destination (in_...); for IPv6 gN_ipv6 and gN_source6 in
 * their places. All looks are at the flow as conntrack has it (its source before NAT, its destination and port after),
 * so a request, its reply and an ICMP error about either meet the same rules and the same sets, and each packet is
 * judged anew: what is revoked stops with the next packet.
 *
 * Where there are host workloads, input and output go to gN_input and gN_output (host_workloads.c) in place of
 * dispatch, which jump to gN between what they ask of the packet's socket.
 *
 * Sources return so that the kernel's way stays short, too: for each new element of a map it follows every way through
 * the table (nft_chain_validate in net/netfilter/nf_tables_api.c), and most kernels in use do not know a chain again
 * that they have been in. With the map of destinations behind each class of sources there would be a way for each pair
 * of local workloads, and seconds in a lock; tests/unit/test_validation.c counts.
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

/* Answers to what is denied, of a node in a second: a flood of denials shall not make one of answers. */
enum { ANSWER_RATE = 100, ANSWER_BURST = 100 };

/* Of TCP (RFC 9293, 3.1), and of ICMP (RFC 1812, 5.2.7.1). */
enum { TCP_RST = 0x04, ICMP_DEST_UNREACH = 3, ICMP_PKT_FILTERED = 13 };

static struct writing begin(struct lowering *l, const char *name)
{
	struct chain *chain = chain_create(l->arena, name);
	*arena_push(l->arena, l->chains, l->chain_count) = chain;
	return (struct writing){l->arena, chain, l->generation, stranger_denied(l->world.policy)};
}

static const char *own(const struct lowering *l, const char *name)
{
	return own_name(l->arena, l->generation, name);
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
	static const uint8_t multicast[16] = {0xff, 0x02};
	for (size_t i = 0; i < sizeof neighbour; i++) {
		struct rule *rule = add_rule(w, "neighbour discovery");
		match_byte(w, rule, FIELD_ICMPV6_TYPE, neighbour[i]);
		match_byte(w, rule, FIELD_IP6_HOPLIMIT, 255);
		finish_rule(w, rule, STATEMENT_ACCEPT, NULL);
	}
	for (size_t i = 0; i < sizeof listener; i++) {
		struct rule *rule = add_rule(w, "multicast listener discovery");
		match_byte(w, rule, FIELD_ICMPV6_TYPE, listener[i]);
		match_prefix(w, rule, STATEMENT_PREFIX, FIELD_IP6_DADDR, multicast, 16);
		finish_rule(w, rule, STATEMENT_ACCEPT, NULL);
	}
	for (size_t i = 0; i < sizeof router; i++) {
		struct rule *rule = add_rule(w, "workloads are no routers");
		match_byte(w, rule, FIELD_ICMPV6_TYPE, router[i]);
		look_up(w, rule, STATEMENT_IN, &l->guarded->form, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
		finish_rule(w, rule, STATEMENT_JUMP, own(l, "spoof"));
	}
}

static void add_guard(const struct lowering *l, const struct writing *w, size_t family)
{
	struct rule *rule = add_rule(w, "source guard");
	look_up(w, rule, STATEMENT_IN, &l->guarded->form, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
	look_up(w, rule, STATEMENT_NOT_IN, &l->guard[family]->form, FIELD_IIFNAME, packet_sources[family], FIELD_COUNT);
	/* once more, should the interface have gone, with its pairs, between the two */
	look_up(w, rule, STATEMENT_IN, &l->guarded->form, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, "spoof"));
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

/* In audit mode the packet goes back to be judged on, by the other end as well. */
static void add_audit(struct lowering *l)
{
	const struct writing w = begin(l, own(l, "audit"));
	struct rule *rule = add_rule(&w, "would be denied");
	count_denial(&w, rule, DENIAL_AUDITED);
	finish_rule(&w, rule, STATEMENT_RETURN, NULL);
}

/* An answer to what is denied, so many in a second and no more: what is over goes without. The kernel itself answers no
 * reset with a reset, no ICMP error with one, and nothing that was sent to many (nf_reject_ip_tcphdr_get, icmp_send).
 */
static void add_reject(struct lowering *l)
{
	static const uint8_t tcp = IPPROTO_TCP;
	const struct writing w = begin(l, own(l, "reject"));
	for (int kind = STATEMENT_RESET; kind <= STATEMENT_REJECT; kind++) {
		struct rule *rule = add_rule(&w, "denied, with an answer");
		match(&w, rule, kind == STATEMENT_RESET ? STATEMENT_EQUAL : STATEMENT_UNEQUAL, FIELD_L4PROTO, &tcp);
		struct statement *limit = add_statement(&w, rule, STATEMENT_LIMIT);
		limit->rate = ANSWER_RATE;
		limit->seconds = 1;
		limit->burst = ANSWER_BURST;
		count_denial(&w, rule, DENIAL_DENIED);
		finish_rule(&w, rule, (enum statement_kind)kind, NULL);
	}
	finish_rule(&w, add_rule(&w, "denied, without an answer"), STATEMENT_GOTO, dead_end(&w, DENIED_DROP));
}

/* Answers themselves: a reset has its flow from the packet that it answers (nf_ct_attach), which is denied; an ICMP
 * error has one where that flow had passed before, and else none. Only what the node itself makes is taken for one. */
static void add_answers(struct lowering *l)
{
	static const uint8_t protocols[] = {IPPROTO_ICMP, IPPROTO_ICMPV6}, reset = TCP_RST;
	static const uint8_t prohibited[][2] = {{ICMP_DEST_UNREACH, ICMP_PKT_FILTERED},
						{ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN}};
	const struct writing w = begin(l, own(l, "answer"));
	struct rule *rule = add_rule(&w, "an answer to what was denied");
	match_byte(&w, rule, FIELD_L4PROTO, IPPROTO_TCP);
	match(&w, rule, STATEMENT_BITS, FIELD_TCP_FLAGS, &reset);
	finish_rule(&w, rule, STATEMENT_ACCEPT, NULL);
	for (size_t i = 0; i < 2; i++) {
		rule = add_rule(&w, "an answer to what was denied");
		match_byte(&w, rule, FIELD_L4PROTO, protocols[i]);
		match(&w, rule, STATEMENT_EQUAL, FIELD_ICMP_KIND, prohibited[i]);
		finish_rule(&w, rule, STATEMENT_ACCEPT, NULL);
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
	count_denial(&w, rule, DENIAL_DENIED);
	finish_rule(&w, rule, STATEMENT_DROP, NULL);
	if (world_denies_by(&l->world, DENIED_REJECT))
		add_reject(l);
	if (world_denies_by(&l->world, DENIED_AUDIT))
		add_audit(l);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const struct writing end = begin(l, own(l, ends[i].name));
		deny(&end, ends[i].reason, ends[i].reason);
	}
	l->dead_end_count = l->chain_count;
}

/* Loopback addresses that do not come from lo (past failures, 27). `source` and `destination` are fields of one family,
 * of the packet or of its flow; FIELD_COUNT: not asked. The output hook has no incoming interface, which is not lo
 * either: there the other one is. */
static void add_martians(const struct writing *w, size_t family, enum field source, enum field destination)
{
	static const char lo[16] = "lo";
	static const uint8_t loopback4[16] = {127}, loopback6[16] = {[15] = 1};
	const enum field fields[] = {source, destination};
	for (size_t i = 0; i < 2; i++) {
		if (fields[i] == FIELD_COUNT)
			continue;
		struct rule *rule = add_rule(w, "loopback addresses belong to lo");
		if (family == 0)
			match_prefix(w, rule, STATEMENT_PREFIX, fields[i], loopback4, 8);
		else
			match(w, rule, STATEMENT_EQUAL, fields[i], loopback6);
		match(w, rule, STATEMENT_UNEQUAL, FIELD_IIFNAME, lo);
		match(w, rule, STATEMENT_UNEQUAL, FIELD_OIFNAME, lo);
		count_denial(w, rule, DENIAL_DENIED);
		finish_rule(w, rule, STATEMENT_DROP, NULL);
	}
}

/* The node's own packets: in the output hook, where there is no incoming interface, and on their way to itself. */
static void ask_for_answers(struct lowering *l, const struct writing *w)
{
	static const char lo[16] = "lo";
	static const uint32_t none = 0;
	struct rule *rule = add_rule(w, "from the node itself");
	match(w, rule, STATEMENT_EQUAL, FIELD_IIF, &none);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, "answer"));
	rule = add_rule(w, "from the node to itself");
	match(w, rule, STATEMENT_EQUAL, FIELD_IIFNAME, lo);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, "answer"));
}

/* What is neither new nor established: no flow of conntrack, or an ICMP error. Only here a packet's own addresses can
 * be others than its flow's. Neighbour discovery is no flow of conntrack either (noct_valid_new in
 * net/netfilter/nf_conntrack_proto_icmpv6.c). */
static void add_odd(struct lowering *l)
{
	const struct writing w = begin(l, own(l, "odd"));
	struct rule *rule = add_rule(&w, NULL);
	match_byte(&w, rule, FIELD_L4PROTO, IPPROTO_ICMPV6);
	finish_rule(&w, rule, STATEMENT_JUMP, own(l, "discovery"));
	if (world_denies_by(&l->world, DENIED_REJECT))
		ask_for_answers(l, &w);
	for (size_t family = 0; family < 2; family++)
		add_martians(&w, family, packet_sources[family], packet_destinations[family]);
	rule = add_rule(&w, "no flow of conntrack");
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

/* Addresses in none of the pools, by one rule that turns them away: a rule for each prefix that led on to the map would
 * make as many ways to it. */
static void match_no_pool(const struct lowering *l, const struct writing *w, struct rule *rule, size_t family,
			  enum field field)
{
	if (!by_prefixes(l, family))
		look_up(w, rule, STATEMENT_NOT_IN, &l->pool[family]->form, field, FIELD_COUNT, FIELD_COUNT);
	for (size_t i = 0; by_prefixes(l, family) && i < l->pool_prefix_counts[family]; i++) {
		const struct prefix *prefix = &l->pool_prefixes[family][i];
		match_prefix(w, rule, STATEMENT_NOT_PREFIX, field, prefix->address.bytes, prefix->length);
	}
}

/* One end of a flow. The map leads to what holds for it, and the rest of the chain is for an end that no map has. A
 * known address of a pool is asked for again: between the two looks a workload may have come, which is in the map
 * before it is known. */
static void ask_map(const struct lowering *l, const struct writing *w, size_t family, bool source, const char *comment)
{
	look_up(w, add_rule(w, comment), STATEMENT_MAP, &(source ? l->egress : l->ingress)[family]->form,
		(source ? source_fields : destination_fields)[family], FIELD_COUNT, FIELD_COUNT);
}

static void add_miss(const struct lowering *l, const struct writing *w, size_t family, bool source)
{
	const enum field field = source ? source_fields[family] : destination_fields[family];
	add_martians(w, family, source ? field : FIELD_COUNT, source ? FIELD_COUNT : field);
	if (l->pool[family] == NULL)
		return;
	struct rule *rule = add_rule(w, "no address for workloads");
	match_no_pool(l, w, rule, family, field);
	finish_rule(w, rule, STATEMENT_RETURN, NULL);
	rule = add_rule(w, "an address for workloads that no source knows");
	look_up(w, rule, STATEMENT_NOT_IN, &l->known[family]->form, field, FIELD_COUNT, FIELD_COUNT);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, "unknown"));
	ask_map(l, w, family, source, "a workload that has just come");
}

/* The source's half, a chain that is returned from when it may send this. What is odd goes first: the addresses that
 * neighbour discovery comes from are not all guarded ones. */
static void add_source(struct lowering *l, size_t family)
{
	const struct writing writing = begin(l, own(l, family == 0 ? "source4" : "source6")), *w = &writing;
	struct rule *rule = add_rule(w, "neither new nor established");
	match_bits(w, rule, STATEMENT_NO_BITS, FIELD_CT_STATE, STATE_NEW | STATE_ESTABLISHED);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, "odd"));
	add_guard(l, w, family);
	ask_map(l, w, family, true, "may the source send this?");
	add_miss(l, w, family, true);
}

/* Both halves of each family. IPv6 goes on in a chain of its own behind the map of IPv4, in which its flows find
 * nothing: to tell it apart before would cost each packet of IPv4 a rule. */
static void add_main(struct lowering *l)
{
	static const char question[] = "may the destination receive this?";
	add_source(l, 0);
	add_source(l, 1);
	const struct writing six = begin(l, own(l, "ipv6"));
	finish_rule(&six, add_rule(&six, NULL), STATEMENT_JUMP, own(l, "source6"));
	ask_map(l, &six, 1, false, question);
	add_miss(l, &six, 1, false);
	const struct writing w = begin(l, own(l, ""));
	struct rule *rule = add_rule(&w, NULL);
	match_byte(&w, rule, FIELD_NFPROTO, NFPROTO_IPV4);
	finish_rule(&w, rule, STATEMENT_JUMP, own(l, "source4"));
	ask_map(l, &w, 0, false, question);
	rule = add_rule(&w, NULL);
	match_byte(&w, rule, FIELD_NFPROTO, NFPROTO_IPV6);
	finish_rule(&w, rule, STATEMENT_GOTO, own(l, "ipv6"));
	add_miss(l, &w, 0, false);
}

/* The chains that belong to the table and not to a generation. */
static void add_fixed(struct lowering *l, bool host)
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
		bool by_cgroup = host && hooks[i].hook != NF_INET_FORWARD;
		finish_rule(&w, add_rule(&w, NULL), STATEMENT_GOTO, by_cgroup ? own(l, hooks[i].name) : "dispatch");
	}
}

void common_chains(struct lowering *l)
{
	add_dead_ends(l);
	if (world_denies_by(&l->world, DENIED_REJECT))
		add_answers(l);
	add_stray(l);
	add_related(l);
	add_discovery(l);
	add_odd(l);
	add_main(l);
	add_fixed(l, host_chains(l));
}
