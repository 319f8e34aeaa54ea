/* The chain of a class: what its sets let pass, what is counted or logged on the way, and the denial of the rest. */
#include "compiler/ruleset/lowering.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* A bit of ct status (enum ip_conntrack_status): a connection is confirmed when its first packet has passed. */
enum { STATUS_CONFIRMED = 1 << 3 };
/* Flags of TCP (RFC 9293, 3.1) and a chunk of SCTP (RFC 9260, 3.2). */
enum { TCP_RST = 0x04, TCP_ACK = 0x10, SCTP_INIT = 1 };
/* Of `log: true`: more is left out. */
enum { ALLOW_LOG_RATE = 100, ALLOW_LOG_BURST = 100 };

static bool has_ports(const struct group *group)
{
	if (group->shape == SHAPE_PEERS)
		return group->ports.protocol != PROTOCOL_ANY;
	return group->shape != SHAPE_HOSTS && group->shape != SHAPE_NETS;
}

/* FILE:LINE of the statements that a rule comes from, as many as a comment holds. */
static const char *origins(struct arena *arena, const struct group *group)
{
	char text[120] = "", next[120];
	const char *file = "";
	for (size_t i = 0; i < group->allow_count; i++) {
		const struct span *span = &group->allows[i]->span;
		if (span->file == NULL)
			snprintf(next, sizeof next, "%s%s", i > 0 ? " " : "", group->allows[i]->key);
		else if (strcmp(file, span->file) == 0)
			snprintf(next, sizeof next, ",%u", span->line);
		else
			snprintf(next, sizeof next, "%s%s:%u", i > 0 ? " " : "", path_end(span->file), span->line);
		file = span->file != NULL ? span->file : "";
		if (strlen(text) + strlen(next) > 108) {
			snprintf(next, sizeof next, " +%zu", group->allow_count - i);
			i = group->allow_count;
		}
		memcpy(text + strlen(text), next, strlen(next) + 1);
	}
	return arena_copy(arena, text, strlen(text));
}

/* What the rules of a class are made with. */
struct class_rules {
	struct lowering *l;
	struct writing w;
	const struct class *class;
	const struct group *group; /* the one at hand */
	const char *comment;
};

/* The protocols that a set is asked about, one rule for each: nft wants to know the protocol before it lets a rule look
 * at a port of conntrack's. With `errors`, an ICMP error is asked about the flow that it quotes. */
static size_t list_protocols(const struct group *group, bool errors, uint8_t protocols[4])
{
	uint8_t icmp = !errors && !group->icmp ? 0 : group->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	const uint8_t candidates[4] = {group->tcp ? IPPROTO_TCP : 0, group->udp ? IPPROTO_UDP : 0,
				       group->sctp ? IPPROTO_SCTP : 0, icmp};
	size_t count = 0;
	if (!has_ports(group)) {
		protocols[0] = 0;
		return 1;
	}
	for (size_t i = 0; i < 4; i++)
		if (candidates[i] != 0)
			protocols[count++] = candidates[i];
	return count;
}

static enum field peer_field(const struct class_rules *r)
{
	size_t family = r->group->family == 6;
	return r->class->direction == EGRESS ? destination_fields[family] : source_fields[family];
}

/* The flow's protocol and port are those of the group; an ICMP error has a protocol of its own. */
static void match_ports(const struct writing *w, struct rule *rule, const struct group *group, uint8_t protocol)
{
	if (protocol != group->ports.protocol)
		match_byte(w, rule, FIELD_CT_PROTOCOL, (uint8_t)group->ports.protocol);
	match_range(w, rule, FIELD_CT_PORT, group->ports.first, group->ports.last);
}

/* The flow's protocol in the key of a set. It is the packet's own, which is found sooner, but not in an ICMP error; and
 * for a set of intervals nft would turn that one's bytes around. */
static enum field key_protocol(const struct group *group, uint8_t protocol)
{
	bool own = group->shape == SHAPE_KEYED && protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6;
	return own ? FIELD_L4PROTO : FIELD_CT_PROTOCOL;
}

/* Begins a rule for the flows whose other end, protocol and port are in the group's set, which is asked last: what it
 * counts has then been matched. */
static struct rule *match_group(const struct class_rules *r, uint8_t protocol)
{
	const struct writing *w = &r->w;
	const struct group *group = r->group;
	struct rule *rule = add_rule(w, r->comment);
	enum field port = group->icmp ? FIELD_CT_REQUEST : FIELD_CT_PORT;
	enum statement_kind kind = group->counted ? STATEMENT_COUNTED : STATEMENT_IN;
	if (has_ports(group))
		match_byte(w, rule, FIELD_L4PROTO, protocol);
	if (group->outside)
		look_up(w, rule, STATEMENT_NOT_IN, &r->l->inside[group->family == 6]->form, peer_field(r), FIELD_COUNT,
			FIELD_COUNT);
	if (has_ports(group) && group->shape != SHAPE_PEERS) {
		look_up(w, rule, kind, &group->store->form, peer_field(r), key_protocol(group, protocol), port);
	} else {
		look_up(w, rule, kind, &group->store->form, peer_field(r), FIELD_COUNT, FIELD_COUNT);
	}
	if (has_ports(group) && group->shape == SHAPE_PEERS)
		match_ports(w, rule, group, protocol);
	return rule;
}

/* A connection between two workloads of this node can meet the chains of both: then logs and limits are the
 * destination's, unless the source is a host workload, whose allows no destination knows for its own. */
static void leave_to_destination(const struct class_rules *r, struct rule *rule, enum statement_kind kind)
{
	size_t family = r->group->family == 6;
	look_up(&r->w, rule, kind, &r->l->judged[family]->form, destination_fields[family], FIELD_COUNT, FIELD_COUNT);
}

static const char *allow_origin(const struct class_rules *r, const char *what)
{
	const struct span *span = &r->group->special->span;
	return arena_printf(r->w.arena, "%s %s%s:%u", r->class->direction == EGRESS ? "egress" : "ingress", what,
			    path_end(span->file), span->line);
}

static const char *allowance(const struct class_rules *r)
{
	return arena_printf(r->w.arena, "ringfence allow %s ", allow_origin(r, ""));
}

/* The source may send it: back, to ask for the destination. The destination may receive it: nothing else is asked. */
static void let_pass(const struct class_rules *r, struct rule *rule)
{
	if (!r->group->counted)
		add_statement(&r->w, rule, STATEMENT_COUNT)->text = counter_of(r->l, r->group->allows[0]->place)->name;
	finish_rule(&r->w, rule, r->class->direction == EGRESS ? STATEMENT_RETURN : STATEMENT_ACCEPT, NULL);
}

/* `log`: the first packet of a connection; the rule has no verdict, so the next ones go on. */
static void add_log_rules(const struct class_rules *r, uint8_t protocol)
{
	struct rule *rule = match_group(r, protocol);
	match_bits(&r->w, rule, STATEMENT_NO_BITS, FIELD_CT_STATUS, STATUS_CONFIRMED);
	if (r->class->direction == EGRESS && !r->class->host)
		leave_to_destination(r, rule, STATEMENT_NOT_IN);
	log_some(&r->w, rule, ALLOW_LOG_RATE, ALLOW_LOG_BURST, allowance(r));
}

static void add_return_rule(const struct class_rules *r, uint8_t protocol)
{
	let_pass(r, match_group(r, protocol));
}

static const struct meter *meter_of(const struct lowering *l, const struct allow *allow)
{
	for (size_t i = 0; i < l->meter_count; i++)
		if (l->meters[i].allow == allow)
			return &l->meters[i];
	return NULL;
}

/* `rate` is about what begins: what runs already goes on. Conntrack lets a handshake begin anew in a connection that
 * has ended, so those are told by their packets: a SYN has neither ACK nor RST, and an INIT is a chunk of its own. */
static void add_running_rule(const struct class_rules *r, uint8_t protocol)
{
	struct rule *rule = match_group(r, protocol);
	const uint8_t flags = TCP_ACK | TCP_RST, init = SCTP_INIT;
	match_bits(&r->w, rule, STATEMENT_BITS, FIELD_CT_STATUS, STATUS_CONFIRMED);
	if (protocol == IPPROTO_TCP)
		match(&r->w, rule, STATEMENT_BITS, FIELD_TCP_FLAGS, &flags);
	if (protocol == IPPROTO_SCTP)
		match(&r->w, rule, STATEMENT_UNEQUAL, FIELD_SCTP_CHUNK, &init);
	let_pass(r, rule);
}

/* Of what begins, so much for each source. What is over falls through: another allow may let it pass. */
static void add_rate_rules(const struct class_rules *r, uint8_t protocol)
{
	const struct writing *w = &r->w;
	const struct allow *allow = r->group->special;
	size_t family = r->group->family == 6;
	struct rule *rule;
	if (r->class->direction == EGRESS && !r->class->host) {
		rule = match_group(r, protocol);
		leave_to_destination(r, rule, STATEMENT_IN);
		let_pass(r, rule);
	}
	rule = match_group(r, protocol);
	struct statement *meter = add_statement(w, rule, STATEMENT_METER);
	const struct set *set = &meter_of(r->l, allow)->stores[family]->form;
	memcpy(meter->set, set->name, sizeof meter->set);
	meter->fields[0] = source_fields[family];
	meter->field_count = 1;
	meter->rate = meter->burst = allow->rate.count;
	meter->seconds = allow->rate.seconds;
	if (allow->log)
		add_statement(w, rule, STATEMENT_LOG)->text = allowance(r); /* as often as the rate lets pass */
	let_pass(r, rule);
}

/* What no allow let pass, and this one only because of its rate. */
static void add_over_rules(const struct class_rules *r, uint8_t protocol)
{
	const char *reason = allow_origin(r, "rate ");
	log_denial(&r->w, match_group(r, protocol), r->w.denied, reason);
	finish_rule(&r->w, match_group(r, protocol), STATEMENT_GOTO, dead_end(&r->w, r->w.denied));
}

static bool is_logged(const struct group *group)
{
	return group->special != NULL && group->special->log && group->special->rate.count == 0;
}

static bool is_limited(const struct group *group)
{
	return group->special != NULL && group->special->rate.count > 0;
}

static bool is_unlimited(const struct group *group)
{
	return !is_limited(group);
}

/* What is the same whoever runs. */
static bool is_static(const struct group *group)
{
	return (group->shape == SHAPE_RANGES || group->shape == SHAPE_NETS) && !group->outside;
}

static bool is_moving(const struct group *group)
{
	return is_unlimited(group) && !is_static(group);
}

/* Whether a workload can go from one set of the class to another. */
static bool can_move(const struct class *class)
{
	size_t counts[2] = {0};
	for (size_t i = 0; i < class->group_count; i++)
		counts[class->groups[i].family == 6] += !is_static(&class->groups[i]);
	return counts[0] > 1 || counts[1] > 1;
}

/* Adds rules for every group that `which` takes, and each protocol. */
static void add_group_rules(struct class_rules *r, bool (*which)(const struct group *),
			    void (*rules)(const struct class_rules *, uint8_t), bool errors)
{
	for (size_t i = 0; i < r->class->group_count; i++) {
		r->group = &r->class->groups[i];
		if (!which(r->group))
			continue;
		r->comment = origins(r->w.arena, r->group);
		uint8_t protocols[4];
		size_t count = list_protocols(r->group, errors, protocols);
		for (size_t j = 0; j < count; j++)
			rules(r, protocols[j]);
	}
}

/* Where the default denial of a class comes from: its service, or `unmatched`. */
static const char *class_origin(const struct lowering *l, const struct class *class, const char **comment)
{
	const struct policy *policy = l->world.policy;
	if (class->quarantine != NULL && quarantine_is_of_operator(class->quarantine)) {
		*comment = "quarantine by an operator";
		return *comment;
	}
	if (class->quarantine != NULL) {
		const struct span *span = &class->quarantine->span;
		*comment = arena_printf(class->arena, "quarantine %s:%u", path_end(span->file), span->line);
		return *comment;
	}
	if (class->closed) {
		*comment = "conflict";
		return "conflict two workloads with one address";
	}
	const struct span *span = class->isolation != NULL ? &class->isolation->span : &policy->unmatched_span;
	*comment = span->file != NULL ? arena_printf(class->arena, "%s:%u", path_end(span->file), span->line)
				      : "unmatched workload";
	if (class->isolation == NULL)
		return arena_printf(class->arena, "unmatched %s", span->file != NULL ? *comment : "by default");
	return arena_printf(class->arena, "%.20s/%.20s %s", class->isolation->name_space, class->isolation->name,
			    *comment);
}

void class_write(struct lowering *l, struct class *class)
{
	struct class_rules r = {
	    .l = l, .class = class, .w = {class->arena, class->chain, l->generation, class->denied}};
	add_group_rules(&r, is_logged, add_log_rules, false);
	add_group_rules(&r, is_unlimited, add_return_rule, true);
	add_group_rules(&r, is_limited, add_running_rule, true);
	add_group_rules(&r, is_limited, add_rate_rules, false);
	/* A packet may meet the sets while a workload moves from one to another: it is in the new one first, then no
	 * longer in the old one. Who was found in none has looked too early or too late, and looks again. */
	if (can_move(class))
		add_group_rules(&r, is_moving, add_return_rule, true);
	for (size_t family = 0; family < 2; family++) {
		struct rule *rule = add_rule(&r.w, "a workload reaches itself");
		look_up(&r.w, rule, STATEMENT_IN, &l->self[family]->form, source_fields[family],
			destination_fields[family], FIELD_COUNT);
		finish_rule(&r.w, rule, STATEMENT_ACCEPT, NULL);
	}
	add_group_rules(&r, is_limited, add_over_rules, false);
	const char *comment = NULL, *origin = class_origin(l, class, &comment);
	(class->closed ? close_off : deny)(
	    &r.w, arena_printf(class->arena, "%s %s", class->direction == EGRESS ? "egress" : "ingress", origin),
	    comment);
}
