/* A policy and an inventory to a node's ruleset: the chains and sets of dataplane.md.
 *
 * A packet's way: forward, input or output -> dispatch -> gN -> the class of the flow's source (out_...), the class of
 * its destination (in_...). All looks are at the flow as conntrack has it (its source before NAT, its destination and
 * port after), so a request, its reply and an ICMP error about either meet the same rules and the same sets, and each
 * packet is judged anew: what is revoked stops with the next packet. */
#include "compiler/ruleset/classes.h"

#include <ringfence/arena.h>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

/* Bits of ct state (linux/netfilter/nf_conntrack_common.h, NF_CT_STATE_BIT: 1 << (state + 1)), and of ct status. A
 * connection is confirmed when its first packet has passed. */
enum { STATE_INVALID = 1 << 0, STATE_RELATED = 1 << 2, STATE_UNTRACKED = 1 << 6, STATUS_CONFIRMED = 1 << 3 };
/* PATH_SHOWN: of a file's path its end, so that a log prefix holds it, the line and two names in 127 bytes. */
enum { LOG_RATE = 10, LOG_BURST = 5, SET_SIZE_LEAST = 64, PATH_SHOWN = 48 };
/* Flags of TCP (RFC 9293, 3.1) and a chunk of SCTP (RFC 9260, 3.2). */
enum { TCP_RST = 0x04, TCP_ACK = 0x10, SCTP_INIT = 1 };
/* Of `log: true`: more is left out. Of `rate`: sources that the kernel keeps count of at once, and for how long. */
enum { ALLOW_LOG_RATE = 100, ALLOW_LOG_BURST = 100, METER_SOURCES = 65535, METER_SECONDS_LEAST = 60 };

/* The sets of an allow's `rate`, by family; shared by all chains of a node, which judge a connection once. */
struct meter {
	const struct allow *allow;
	struct set *sets[2];
};

struct lowering {
	struct arena *arena;
	const struct world *world;
	struct ruleset *ruleset;
	struct classes classes;
	struct identities identities;
	/* by family: index 0 for IPv4, 1 for IPv6 */
	struct set *local[2], *self[2], *egress[2], *ingress[2], *guard[2], *pool[2], *known[2];
	struct set *guarded;
	struct set *inside[2]; /* every known workload and node, where the policy speaks of `world` */
	/* Where an allow has `log` or `rate`: local workloads whose ingress chain judges no less than the source's
	 * egress chain. A rule that counts on one side opens ingress and not egress, so there the source's is to judge.
	 */
	struct set *judged[2];
	struct meter *meters;
	size_t meter_count;
};

/* ---- statements and rules ---- */

static struct chain *add_chain(struct lowering *l, const char *name)
{
	struct chain *chain = arena_alloc(l->arena, sizeof *chain);
	snprintf(chain->name, sizeof chain->name, "%s", name);
	*arena_push(l->arena, l->ruleset->chains, l->ruleset->chain_count) = chain;
	return chain;
}

/* A chain or set of this generation. */
static const char *own(struct lowering *l, const char *name)
{
	return arena_printf(l->arena, "g%u%s%s", l->ruleset->generation, *name != 0 ? "_" : "", name);
}

static struct rule *add_rule(struct lowering *l, struct chain *chain, const char *comment)
{
	struct rule *rule = arena_push(l->arena, chain->rules, chain->rule_count);
	rule->comment = comment;
	return rule;
}

static struct statement *add(struct lowering *l, struct rule *rule, enum statement_kind kind)
{
	struct statement *statement = arena_push(l->arena, rule->statements, rule->statement_count);
	statement->kind = kind;
	return statement;
}

static void match(struct lowering *l, struct rule *rule, enum statement_kind kind, enum field field, const void *value)
{
	struct statement *statement = add(l, rule, kind);
	statement->fields[0] = field;
	statement->field_count = 1;
	memcpy(statement->value, value, field_forms[field].size);
}

static void match_byte(struct lowering *l, struct rule *rule, enum field field, uint8_t value)
{
	match(l, rule, STATEMENT_EQUAL, field, &value);
}

static void match_bits(struct lowering *l, struct rule *rule, enum statement_kind kind, enum field field, uint32_t bits)
{
	struct statement *statement = add(l, rule, kind);
	statement->fields[0] = field;
	statement->field_count = 1;
	memcpy(statement->value, &bits, sizeof bits);
}

static void match_prefix(struct lowering *l, struct rule *rule, enum field field, uint8_t first, uint8_t second,
			 uint8_t bits)
{
	uint8_t value[16] = {first, second};
	match(l, rule, STATEMENT_PREFIX, field, value);
	rule->statements[rule->statement_count - 1].prefix = bits;
}

/* A look-up of one to three fields; `b` and `c` are FIELD_COUNT when there are fewer. */
static void look_up(struct lowering *l, struct rule *rule, enum statement_kind kind, const struct set *set,
		    enum field a, enum field b, enum field c)
{
	struct statement *statement = add(l, rule, kind);
	const enum field fields[3] = {a, b, c};
	for (size_t i = 0; i < 3 && fields[i] != FIELD_COUNT; i++)
		statement->fields[statement->field_count++] = fields[i];
	memcpy(statement->set, set->name, sizeof statement->set);
}

static void finish(struct lowering *l, struct rule *rule, enum statement_kind verdict, const char *chain)
{
	add(l, rule, verdict)->text = chain;
}

/* A record for the log group, so many in a second and no more. */
static void log_some(struct lowering *l, struct rule *rule, uint32_t rate, uint32_t burst, const char *text)
{
	struct statement *limit = add(l, rule, STATEMENT_LIMIT);
	limit->rate = rate;
	limit->seconds = 1;
	limit->burst = burst;
	add(l, rule, STATEMENT_LOG)->text = text;
}

/* What the record of a denial begins with; in audit mode it is one that is let through. */
static const char *denial(struct lowering *l, const char *reason)
{
	return arena_printf(l->arena, "ringfence %s %s ", l->world->policy->audit ? "audit" : "deny", reason);
}

/* The tail of every denial: a bounded log record that says why, then the common end. */
static void deny(struct lowering *l, struct chain *chain, const char *reason, const char *comment)
{
	struct rule *rule = add_rule(l, chain, comment);
	log_some(l, rule, LOG_RATE, LOG_BURST, denial(l, reason));
	finish(l, add_rule(l, chain, comment), STATEMENT_GOTO, own(l, "deny"));
}

/* The same for a workload in conflict or in quarantine, which audit mode does not open. */
static void close_off(struct lowering *l, struct chain *chain, const char *reason, const char *comment)
{
	struct rule *rule = add_rule(l, chain, comment);
	log_some(l, rule, LOG_RATE, LOG_BURST, arena_printf(l->arena, "ringfence deny %s ", reason));
	rule = add_rule(l, chain, comment);
	add(l, rule, STATEMENT_COUNTER);
	finish(l, rule, STATEMENT_DROP, NULL);
}

static const enum field source_fields[2] = {FIELD_CT_SOURCE4, FIELD_CT_SOURCE6};
static const enum field destination_fields[2] = {FIELD_CT_DESTINATION4, FIELD_CT_DESTINATION6};
static const enum field packet_sources[2] = {FIELD_IP_SADDR, FIELD_IP6_SADDR};
static const enum field packet_destinations[2] = {FIELD_IP_DADDR, FIELD_IP6_DADDR};
static const enum key_type address_keys[2] = {KEY_ADDRESS4, KEY_ADDRESS6};

/* ---- sets ---- */

static struct set *add_set(struct lowering *l, const char *name, enum key_type key)
{
	struct set *set = arena_alloc(l->arena, sizeof *set);
	snprintf(set->name, sizeof set->name, "%s", name);
	set->key = key;
	*arena_push(l->arena, l->ruleset->sets, l->ruleset->set_count) = set;
	return set;
}

static struct element *add_element(struct lowering *l, struct set *set)
{
	return arena_push(l->arena, set->elements, set->element_count);
}

/* Appends one part to a key, padded to 4 bytes. */
static size_t put_part(uint8_t *key, size_t at, const void *bytes, size_t size)
{
	memcpy(key + at, bytes, size);
	return at + (size + 3) / 4 * 4;
}

static void put_address(struct lowering *l, struct set *set, const struct address *address, const char *chain)
{
	struct element *element = add_element(l, set);
	put_part(element->key, 0, address->bytes, address_size(address->family));
	memcpy(element->end, element->key, sizeof element->end);
	element->chain = chain;
}

static void put_pair(struct lowering *l, struct set *set, const void *first, size_t first_size,
		     const struct address *second)
{
	struct element *element = add_element(l, set);
	size_t at = put_part(element->key, 0, first, first_size);
	put_part(element->key, at, second->bytes, address_size(second->family));
	memcpy(element->end, element->key, sizeof element->end);
}

static size_t put_port(uint8_t *key, size_t at, uint16_t protocol, uint16_t port)
{
	uint8_t number = (uint8_t)protocol;
	uint16_t network_port = htons(port);
	at = put_part(key, at, &number, sizeof number);
	return put_part(key, at, &network_port, sizeof network_port);
}

static void put_box(struct lowering *l, struct set *set, const struct box *box, bool ports, int64_t until)
{
	struct element *element = add_element(l, set);
	size_t size = address_size(box->addresses.first.family);
	size_t at = put_part(element->key, 0, box->addresses.first.bytes, size);
	put_part(element->end, 0, box->addresses.last.bytes, size);
	if (ports) {
		put_port(element->key, at, box->ports.protocol, box->ports.first);
		put_port(element->end, at, box->ports.protocol, box->ports.last);
	}
	element->expires = until;
}

/* ---- a class: its sets and its chain ---- */

/* The end of a path, as much as a log prefix or a comment has room for. */
static const char *path_end(const char *path)
{
	size_t length = strlen(path);
	return length > PATH_SHOWN ? path + length - PATH_SHOWN : path;
}

/* FILE:LINE of the statements that a rule comes from, as many as a comment holds. */
static const char *origins(struct lowering *l, const struct group *group)
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
	return arena_copy(l->arena, text, strlen(text));
}

static bool has_ports(const struct group *group)
{
	return group->shape == SHAPE_KEYED || group->shape == SHAPE_RANGES;
}

/* A letter for the shape, the family, and a number where the class has several of those: k4, h6, r4x1 ... */
static void add_group_set(struct lowering *l, const struct class *class, struct group *group)
{
	static const char letters[] = {
	    [SHAPE_KEYED] = 'k', [SHAPE_HOSTS] = 'h', [SHAPE_RANGES] = 'r', [SHAPE_NETS] = 'n'};
	unsigned order = 0;
	for (const struct group *before = class->groups; before < group; before++)
		order += before->shape == group->shape && before->family == group->family;
	char name[64];
	int length = snprintf(name, sizeof name, "%s.%c%u", class->chain, letters[group->shape], group->family);
	if (order > 0)
		snprintf(name + length, sizeof name - (size_t)length, "x%x", order);
	bool ports = has_ports(group);
	struct set *set = add_set(
	    l, name, group->family == 4 ? (ports ? KEY_PORT4 : KEY_ADDRESS4) : (ports ? KEY_PORT6 : KEY_ADDRESS6));
	set->interval = group->shape == SHAPE_RANGES || group->shape == SHAPE_NETS;
	set->timeout = group->until != 0;
	group->set = set;
}

static void fill_group_set(struct lowering *l, struct group *group)
{
	struct boxes boxes = group->boxes;
	struct budget *budget = &l->classes.budget;
	if (group->shape == SHAPE_RANGES) {
		boxes = boxes_disjoint(l->arena, &boxes, group->boxes.count + budget->left);
		size_t more = boxes.count > group->boxes.count ? boxes.count - group->boxes.count : 0;
		if (more > budget->left && budget->passed_by == NULL)
			budget->passed_by = group->allows[0];
		budget->left -= more < budget->left ? more : budget->left;
	}
	if (group->shape == SHAPE_NETS) {
		struct ranges ranges = {0};
		for (size_t i = 0; i < boxes.count; i++)
			*arena_push(l->arena, ranges.items, ranges.count) = boxes.items[i].addresses;
		ranges_merge(&ranges);
		boxes = (struct boxes){0};
		for (size_t i = 0; i < ranges.count; i++)
			arena_push(l->arena, boxes.items, boxes.count)->addresses = ranges.items[i];
	}
	for (size_t i = 0; i < boxes.count; i++)
		put_box(l, group->set, &boxes.items[i], has_ports(group), group->until);
}

/* What the rules of a class are made with. */
struct class_rules {
	struct lowering *l;
	struct chain *chain;
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

/* Begins a rule for the flows whose other end, protocol and port are in the group's set. */
static struct rule *match_group(const struct class_rules *r, uint8_t protocol)
{
	struct lowering *l = r->l;
	const struct group *group = r->group;
	struct rule *rule = add_rule(l, r->chain, r->comment);
	enum field port = group->icmp ? FIELD_CT_REQUEST : FIELD_CT_PORT;
	if (has_ports(group)) {
		match_byte(l, rule, FIELD_L4PROTO, protocol);
		look_up(l, rule, STATEMENT_IN, group->set, peer_field(r), FIELD_CT_PROTOCOL, port);
	} else {
		look_up(l, rule, STATEMENT_IN, group->set, peer_field(r), FIELD_COUNT, FIELD_COUNT);
	}
	if (group->outside)
		look_up(l, rule, STATEMENT_NOT_IN, l->inside[group->family == 6], peer_field(r), FIELD_COUNT,
			FIELD_COUNT);
	return rule;
}

/* A connection between two workloads of this node can meet the chains of both: then logs and limits are the
 * destination's. */
static void leave_to_destination(const struct class_rules *r, struct rule *rule, enum statement_kind kind)
{
	size_t family = r->group->family == 6;
	look_up(r->l, rule, kind, r->l->judged[family], destination_fields[family], FIELD_COUNT, FIELD_COUNT);
}

static const char *allow_origin(const struct class_rules *r, const char *what)
{
	const struct span *span = &r->group->special->span;
	return arena_printf(r->l->arena, "%s %s%s:%u", r->class->direction == EGRESS ? "egress" : "ingress", what,
			    path_end(span->file), span->line);
}

static const char *allowance(const struct class_rules *r)
{
	return arena_printf(r->l->arena, "ringfence allow %s ", allow_origin(r, ""));
}

/* `log`: the first packet of a connection; the rule has no verdict, so the next ones go on. */
static void add_log_rules(const struct class_rules *r, uint8_t protocol)
{
	struct rule *rule = match_group(r, protocol);
	match_bits(r->l, rule, STATEMENT_NO_BITS, FIELD_CT_STATUS, STATUS_CONFIRMED);
	if (r->class->direction == EGRESS)
		leave_to_destination(r, rule, STATEMENT_NOT_IN);
	log_some(r->l, rule, ALLOW_LOG_RATE, ALLOW_LOG_BURST, allowance(r));
}

static void add_return_rule(const struct class_rules *r, uint8_t protocol)
{
	finish(r->l, match_group(r, protocol), STATEMENT_RETURN, NULL);
}

static const struct meter *meter_of(struct lowering *l, const struct allow *allow)
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
	match_bits(r->l, rule, STATEMENT_BITS, FIELD_CT_STATUS, STATUS_CONFIRMED);
	if (protocol == IPPROTO_TCP)
		match(r->l, rule, STATEMENT_BITS, FIELD_TCP_FLAGS, &flags);
	if (protocol == IPPROTO_SCTP)
		match(r->l, rule, STATEMENT_UNEQUAL, FIELD_SCTP_CHUNK, &init);
	finish(r->l, rule, STATEMENT_RETURN, NULL);
}

/* Of what begins, so much for each source. What is over falls through: another allow may let it pass. */
static void add_rate_rules(const struct class_rules *r, uint8_t protocol)
{
	struct lowering *l = r->l;
	const struct allow *allow = r->group->special;
	size_t family = r->group->family == 6;
	struct rule *rule;
	if (r->class->direction == EGRESS) {
		rule = match_group(r, protocol);
		leave_to_destination(r, rule, STATEMENT_IN);
		finish(l, rule, STATEMENT_RETURN, NULL);
	}
	rule = match_group(r, protocol);
	struct statement *meter = add(l, rule, STATEMENT_METER);
	const struct set *set = meter_of(l, allow)->sets[family];
	memcpy(meter->set, set->name, sizeof meter->set);
	meter->fields[0] = source_fields[family];
	meter->field_count = 1;
	meter->rate = meter->burst = allow->rate.count;
	meter->seconds = allow->rate.seconds;
	if (allow->log)
		add(l, rule, STATEMENT_LOG)->text = allowance(r); /* as often as the rate lets pass */
	finish(l, rule, STATEMENT_RETURN, NULL);
}

/* What no allow let pass, and this one only because of its rate. */
static void add_over_rules(const struct class_rules *r, uint8_t protocol)
{
	const char *reason = allow_origin(r, "rate ");
	log_some(r->l, match_group(r, protocol), LOG_RATE, LOG_BURST, denial(r->l, reason));
	finish(r->l, match_group(r, protocol), STATEMENT_GOTO, own(r->l, "deny"));
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

/* Adds rules for every group that `which` takes, and each protocol. */
static void add_group_rules(struct lowering *l, struct chain *chain, const struct class *class,
			    bool (*which)(const struct group *), void (*rules)(const struct class_rules *, uint8_t),
			    bool errors)
{
	for (size_t i = 0; i < class->group_count; i++) {
		const struct group *group = &class->groups[i];
		const struct class_rules r = {l, chain, class, group, origins(l, group)};
		uint8_t protocols[4];
		size_t count = which(group) ? list_protocols(group, errors, protocols) : 0;
		for (size_t j = 0; j < count; j++)
			rules(&r, protocols[j]);
	}
}

/* Where the default denial of a class comes from: its service, or `unmatched`. */
static const char *class_origin(struct lowering *l, const struct class *class, const char **comment)
{
	const struct policy *policy = l->world->policy;
	if (class->quarantine != NULL) {
		const struct span *span = &class->quarantine->span;
		*comment = arena_printf(l->arena, "quarantine %s:%u", path_end(span->file), span->line);
		return *comment;
	}
	if (class->closed) {
		*comment = "conflict";
		return "conflict two workloads with one address";
	}
	const struct span *span = class->isolation != NULL ? &class->isolation->span : &policy->unmatched_span;
	*comment = span->file != NULL ? arena_printf(l->arena, "%s:%u", path_end(span->file), span->line)
				      : "unmatched workload";
	if (class->isolation == NULL)
		return arena_printf(l->arena, "unmatched %s", span->file != NULL ? *comment : "by default");
	return arena_printf(l->arena, "%.20s/%.20s %s", class->isolation->name_space, class->isolation->name, *comment);
}

static void add_class(struct lowering *l, struct class *class)
{
	class_fill(l->arena, class, l->world, &l->identities);
	struct chain *chain = add_chain(l, class->chain);
	for (size_t i = 0; i < class->group_count; i++) {
		add_group_set(l, class, &class->groups[i]);
		fill_group_set(l, &class->groups[i]);
	}
	add_group_rules(l, chain, class, is_logged, add_log_rules, false);
	add_group_rules(l, chain, class, is_unlimited, add_return_rule, true);
	add_group_rules(l, chain, class, is_limited, add_running_rule, true);
	add_group_rules(l, chain, class, is_limited, add_rate_rules, false);
	for (size_t family = 0; family < 2; family++) {
		struct rule *rule = add_rule(l, chain, "a workload reaches itself");
		look_up(l, rule, STATEMENT_IN, l->self[family], source_fields[family], destination_fields[family],
			FIELD_COUNT);
		finish(l, rule, STATEMENT_ACCEPT, NULL);
	}
	add_group_rules(l, chain, class, is_limited, add_over_rules, false);
	const char *comment = NULL, *origin = class_origin(l, class, &comment);
	(class->closed ? close_off : deny)(
	    l, chain, arena_printf(l->arena, "%s %s", class->direction == EGRESS ? "egress" : "ingress", origin),
	    comment);
}

/* ---- workloads ---- */

static bool is_local(const struct workload *workload, const char *node)
{
	return node == NULL || (workload->node != NULL && strcmp(workload->node, node) == 0);
}

/* A local workload at one of its addresses. They come in the order of addresses, so the sets need little sorting. */
static void add_place(struct lowering *l, const struct place *place, struct identity *identity)
{
	const struct workload *workload = place->workload;
	const struct address *address = &place->address;
	const struct endpoint end = {.workload = workload, .has_address = true, .address = *address};
	size_t family = address->family == 6;
	struct class *out =
	    class_of_member(l->arena, &l->classes, l->world, l->ruleset->generation, identity, &end, EGRESS);
	struct class *in =
	    class_of_member(l->arena, &l->classes, l->world, l->ruleset->generation, identity, &end, INGRESS);
	if (out != NULL || in != NULL)
		put_address(l, l->local[family], address, NULL);
	if (out != NULL)
		put_address(l, l->egress[family], address, out->chain);
	if (in != NULL)
		put_address(l, l->ingress[family], address, in->chain);
	if (in != NULL && !in->one_sided && l->judged[family] != NULL)
		put_address(l, l->judged[family], address, NULL);
	for (size_t i = 0; i < workload->address_count; i++)
		if (workload->addresses[i].family == address->family &&
		    (!workload->conflict || inventory_at(l->world->inventory, &workload->addresses[i]) == workload))
			put_pair(l, l->self[family], address->bytes, address_size(address->family),
				 &workload->addresses[i]);
	if (workload->interface != NULL) {
		char name[16] = "";
		memcpy(name, workload->interface, strnlen(workload->interface, 15));
		put_pair(l, l->guard[family], name, sizeof name, address);
	}
}

/* Every interface of a local workload is guarded, also that of one in conflict, which may then send nothing. */
static void add_interface(struct lowering *l, const struct workload *workload)
{
	if (workload->interface == NULL)
		return;
	struct element *element = add_element(l, l->guarded);
	put_part(element->key, 0, workload->interface, strnlen(workload->interface, 15));
	memcpy(element->end, element->key, sizeof element->end);
}

/* The addresses in the pools that some workload has, wherever it runs. */
static void add_known(struct lowering *l, size_t family, const struct ranges *pools)
{
	size_t count = 0;
	const struct place *places = inventory_places(l->world->inventory, &count);
	l->known[family] = add_set(l, own(l, family == 0 ? "known4" : "known6"), address_keys[family]);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < pools->count; j++)
			if (address_compare(&pools->items[j].first, &places[i].address) <= 0 &&
			    address_compare(&places[i].address, &pools->items[j].last) <= 0)
				put_address(l, l->known[family], &places[i].address, NULL);
}

/* Addresses that the node gives to workloads, less the node's own. */
static void add_pools(struct lowering *l, const char *node)
{
	const struct inventory *inventory = l->world->inventory;
	for (size_t family = 0; family < 2; family++) {
		struct ranges ranges = {0};
		for (size_t i = 0; i < inventory->node_count; i++) {
			const struct node *one = inventory->nodes[i];
			if (node != NULL && strcmp(one->name, node) != 0)
				continue;
			struct ranges more =
			    ranges_of(l->arena, one->pools, one->pool_count, NULL, 0, family == 0 ? 4 : 6);
			for (size_t j = 0; j < more.count; j++)
				*arena_push(l->arena, ranges.items, ranges.count) = more.items[j];
		}
		if (ranges.count == 0)
			continue;
		ranges_merge(&ranges);
		for (size_t i = 0; i < inventory->node_count; i++)
			for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
				if (inventory->nodes[i]->addresses[j].family == (family == 0 ? 4 : 6))
					ranges = ranges_without(l->arena, ranges, &inventory->nodes[i]->addresses[j]);
		l->pool[family] = add_set(l, own(l, family == 0 ? "pool4" : "pool6"), address_keys[family]);
		l->pool[family]->interval = true;
		for (size_t i = 0; i < ranges.count; i++)
			put_box(l, l->pool[family], &(struct box){.addresses = ranges.items[i]}, false, 0);
		add_known(l, family, &ranges);
	}
}

static void add_common_sets(struct lowering *l)
{
	static const struct {
		const char *names[2];
		enum key_type keys[2];
		bool map;
		size_t offset;
	} forms[] = {
	    {{"local4", "local6"}, {KEY_ADDRESS4, KEY_ADDRESS6}, false, offsetof(struct lowering, local)},
	    {{"self4", "self6"}, {KEY_PAIR4, KEY_PAIR6}, false, offsetof(struct lowering, self)},
	    {{"guard4", "guard6"}, {KEY_GUARD4, KEY_GUARD6}, false, offsetof(struct lowering, guard)},
	    {{"egress4", "egress6"}, {KEY_ADDRESS4, KEY_ADDRESS6}, true, offsetof(struct lowering, egress)},
	    {{"ingress4", "ingress6"}, {KEY_ADDRESS4, KEY_ADDRESS6}, true, offsetof(struct lowering, ingress)},
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct set **sets = (struct set **)(void *)((char *)l + forms[i].offset);
		for (size_t family = 0; family < 2; family++) {
			sets[family] = add_set(l, own(l, forms[i].names[family]), forms[i].keys[family]);
			sets[family]->map = forms[i].map;
		}
	}
	l->guarded = add_set(l, own(l, "guarded"), KEY_INTERFACE);
}

/* Whether the policy speaks of `world`, whose rules ask who is known. */
static bool speaks_of_world(const struct policy *policy)
{
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			if (flows->from[j].kind == PEER_WORLD)
				return true;
		for (size_t j = 0; j < flows->to_count; j++)
			if (flows->to[j].peer.kind == PEER_WORLD)
				return true;
	}
	return false;
}

static void add_inside(struct lowering *l)
{
	const struct inventory *inventory = l->world->inventory;
	size_t count = 0;
	const struct place *places = inventory_places(inventory, &count);
	for (size_t family = 0; family < 2; family++)
		l->inside[family] = add_set(l, own(l, family == 0 ? "inside4" : "inside6"), address_keys[family]);
	for (size_t i = 0; i < count; i++)
		put_address(l, l->inside[places[i].address.family == 6], &places[i].address, NULL);
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++) {
			const struct address *address = &inventory->nodes[i]->addresses[j];
			put_address(l, l->inside[address->family == 6], address, NULL);
		}
}

/* Of no generation, so that the next counts on where this one was. The key says the rate, too. */
static const char *meter_name(struct lowering *l, const struct allow *allow, unsigned family)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (const char *at = allow->key; *at != 0; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619;
	const char *name = arena_printf(l->arena, "rate_%08x_%u", hash, family);
	for (unsigned i = 2; ruleset_set(l->ruleset, name) != NULL; i++)
		name = arena_printf(l->arena, "rate_%08x_%u_%u", hash, family, i);
	return name;
}

/* The sets that `log` and `rate` need. */
static void add_special_sets(struct lowering *l)
{
	const struct policy *policy = l->world->policy;
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct allow *allow = policy->allows[i];
		for (size_t family = 0; family < 2 && (allow->log || allow->rate.count > 0); family++)
			if (l->judged[family] == NULL)
				l->judged[family] =
				    add_set(l, own(l, family == 0 ? "judged4" : "judged6"), address_keys[family]);
		if (allow->rate.count == 0)
			continue;
		struct meter *meter = arena_push(l->arena, l->meters, l->meter_count);
		meter->allow = allow;
		for (size_t family = 0; family < 2; family++) {
			const char *name = meter_name(l, allow, family == 0 ? 4 : 6);
			struct set *set = meter->sets[family] = add_set(l, name, address_keys[family]);
			set->dynamic = set->timeout = true;
			set->size = METER_SOURCES;
			set->forget_after = 2 * allow->rate.seconds > METER_SECONDS_LEAST ? 2 * allow->rate.seconds
											  : METER_SECONDS_LEAST;
		}
	}
}

/* ---- the chains that every packet takes ---- */

/* What audit mode lets through is still judged by the chains of the flow's ends. */
static enum statement_kind to_spoof(const struct lowering *l)
{
	return l->world->policy->audit ? STATEMENT_JUMP : STATEMENT_GOTO;
}

/* Neighbour discovery always passes: it is link-local by its hop limit, which a router would have lowered (RFC
 * 4861, 7.1), and multicast listener reports by their destination. Router advertisements and redirects of workloads do
 * not. */
static void add_discovery(struct lowering *l, struct chain *chain)
{
	static const uint8_t neighbour[] = {ND_ROUTER_SOLICIT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT};
	static const uint8_t listener[] = {131, 132, 143}; /* RFC 2710, RFC 3810 */
	static const uint8_t router[] = {ND_ROUTER_ADVERT, ND_REDIRECT};
	for (size_t i = 0; i < sizeof neighbour; i++) {
		struct rule *rule = add_rule(l, chain, "neighbour discovery");
		match_byte(l, rule, FIELD_ICMPV6_TYPE, neighbour[i]);
		match_byte(l, rule, FIELD_IP6_HOPLIMIT, 255);
		finish(l, rule, STATEMENT_ACCEPT, NULL);
	}
	for (size_t i = 0; i < sizeof listener; i++) {
		struct rule *rule = add_rule(l, chain, "multicast listener discovery");
		match_byte(l, rule, FIELD_ICMPV6_TYPE, listener[i]);
		match_prefix(l, rule, FIELD_IP6_DADDR, 0xff, 0x02, 16);
		finish(l, rule, STATEMENT_ACCEPT, NULL);
	}
	for (size_t i = 0; i < sizeof router; i++) {
		struct rule *rule = add_rule(l, chain, "workloads are no routers");
		match_byte(l, rule, FIELD_ICMPV6_TYPE, router[i]);
		look_up(l, rule, STATEMENT_IN, l->guarded, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
		finish(l, rule, to_spoof(l), own(l, "spoof"));
	}
}

static void add_guard(struct lowering *l, struct chain *chain)
{
	for (size_t family = 0; family < 2; family++) {
		struct rule *rule = add_rule(l, chain, "source guard");
		look_up(l, rule, STATEMENT_IN, l->guarded, FIELD_IIFNAME, FIELD_COUNT, FIELD_COUNT);
		look_up(l, rule, STATEMENT_NOT_IN, l->guard[family], FIELD_IIFNAME, packet_sources[family],
			FIELD_COUNT);
		finish(l, rule, to_spoof(l), own(l, "spoof"));
	}
}

/* What conntrack cannot place is nobody's flow: it passes only when no workload of ours is an end. */
static void add_stray(struct lowering *l)
{
	struct chain *chain = add_chain(l, own(l, "stray"));
	for (size_t family = 0; family < 2; family++) {
		const struct set *sets[] = {l->local[family], l->pool[family]};
		for (size_t i = 0; i < 2; i++) {
			for (size_t j = 0; sets[i] != NULL && j < 2; j++) {
				struct rule *rule = add_rule(l, chain, "no flow of conntrack");
				look_up(l, rule, STATEMENT_IN, sets[i],
					j == 0 ? packet_sources[family] : packet_destinations[family], FIELD_COUNT,
					FIELD_COUNT);
				finish(l, rule, STATEMENT_GOTO, own(l, "invalid"));
			}
		}
	}
}

/* An ICMP error about a flow is judged as that flow further on; a workload may send one only about a flow of its own
 * (an error is a way to send bytes: past failures, 20). Routers on the way may always. */
static void add_related(struct lowering *l)
{
	struct chain *chain = add_chain(l, own(l, "related"));
	for (size_t family = 0; family < 2; family++) {
		const enum field ends[] = {destination_fields[family], source_fields[family]};
		const struct set *sets[] = {l->local[family], l->pool[family]};
		for (size_t i = 0; i < 2; i++) {
			struct rule *rule = add_rule(l, chain, "an error from an end of the flow");
			look_up(l, rule, STATEMENT_IN, l->self[family], packet_sources[family], ends[i], FIELD_COUNT);
			finish(l, rule, STATEMENT_RETURN, NULL);
		}
		for (size_t i = 0; i < 2; i++) {
			if (sets[i] == NULL)
				continue;
			struct rule *rule = add_rule(l, chain, "an error from a workload that is no end of the flow");
			look_up(l, rule, STATEMENT_IN, sets[i], packet_sources[family], FIELD_COUNT, FIELD_COUNT);
			finish(l, rule, STATEMENT_GOTO, own(l, "invalid"));
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
	struct rule *rule = add_rule(l, add_chain(l, own(l, "deny")), "every denial ends here");
	add(l, rule, STATEMENT_COUNTER);
	/* In audit mode the other end is judged as well. */
	finish(l, rule, l->world->policy->audit ? STATEMENT_RETURN : STATEMENT_DROP, NULL);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		deny(l, add_chain(l, own(l, ends[i].name)), ends[i].reason, ends[i].reason);
}

static void add_main(struct lowering *l)
{
	struct chain *chain = add_chain(l, own(l, ""));
	add_discovery(l, chain);
	add_guard(l, chain);
	struct rule *rule = add_rule(l, chain, "no flow of conntrack");
	match_bits(l, rule, STATEMENT_BITS, FIELD_CT_STATE, STATE_INVALID | STATE_UNTRACKED);
	finish(l, rule, STATEMENT_JUMP, own(l, "stray"));
	rule = add_rule(l, chain, "ICMP errors");
	match_bits(l, rule, STATEMENT_BITS, FIELD_CT_STATE, STATE_RELATED);
	finish(l, rule, STATEMENT_JUMP, own(l, "related"));
	for (size_t family = 0; family < 2; family++) {
		rule = add_rule(l, chain, "may the source send this?");
		look_up(l, rule, STATEMENT_MAP, l->egress[family], source_fields[family], FIELD_COUNT, FIELD_COUNT);
		rule = add_rule(l, chain, "may the destination receive this?");
		look_up(l, rule, STATEMENT_MAP, l->ingress[family], destination_fields[family], FIELD_COUNT,
			FIELD_COUNT);
	}
	for (size_t family = 0; family < 2; family++) {
		const enum field ends[] = {source_fields[family], destination_fields[family]};
		for (size_t i = 0; l->pool[family] != NULL && i < 2; i++) {
			rule = add_rule(l, chain, "an address for workloads that no source knows");
			look_up(l, rule, STATEMENT_IN, l->pool[family], ends[i], FIELD_COUNT, FIELD_COUNT);
			look_up(l, rule, STATEMENT_NOT_IN, l->known[family], ends[i], FIELD_COUNT, FIELD_COUNT);
			finish(l, rule, STATEMENT_GOTO, own(l, "unknown"));
		}
	}
}

/* Loopback addresses that do not come from lo (past failures, 27). The output hook has no incoming interface. */
static void add_martians(struct lowering *l, struct chain *chain)
{
	static const char lo[16] = "lo";
	static const uint8_t loopback6[16] = {[15] = 1};
	static const enum field fields[] = {FIELD_IP_SADDR, FIELD_IP_DADDR, FIELD_IP6_SADDR, FIELD_IP6_DADDR};
	for (size_t i = 0; i < 4; i++) {
		struct rule *rule = add_rule(l, chain, "loopback addresses belong to lo");
		struct statement *statement = add(l, rule, STATEMENT_UNEQUAL);
		statement->fields[0] = FIELD_IIFNAME;
		statement->field_count = 1;
		memcpy(statement->value, lo, sizeof lo);
		if (i < 2)
			match_prefix(l, rule, fields[i], 127, 0, 8);
		else
			match(l, rule, STATEMENT_EQUAL, fields[i], loopback6);
		add(l, rule, STATEMENT_COUNTER);
		finish(l, rule, STATEMENT_DROP, NULL);
	}
}

/* The chains that belong to the table and not to a generation. */
static void add_fixed(struct lowering *l)
{
	static const struct {
		const char *name;
		uint32_t hook;
	} hooks[] = {{"forward", NF_INET_FORWARD}, {"input", NF_INET_LOCAL_IN}, {"output", NF_INET_LOCAL_OUT}};
	struct chain *dispatch = add_chain(l, "dispatch");
	dispatch->fixed = true;
	finish(l, add_rule(l, dispatch, NULL), STATEMENT_JUMP, own(l, ""));
	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
		struct chain *chain = add_chain(l, hooks[i].name);
		chain->base = chain->fixed = true;
		chain->hook = hooks[i].hook;
		if (hooks[i].hook != NF_INET_LOCAL_OUT)
			add_martians(l, chain);
		finish(l, add_rule(l, chain, NULL), STATEMENT_JUMP, "dispatch");
	}
}

/* Room for twice what is there, so that the kernel takes its fixed hash; sets with timeouts or intervals have none. */
static void size_sets(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->set_count; i++) {
		struct set *set = ruleset->sets[i];
		if (set->interval || set->timeout || set->dynamic)
			continue;
		set->size = SET_SIZE_LEAST;
		while (set->size < 2 * set->element_count)
			set->size *= 2;
	}
}

/* Whether a packet that meets half of a workload's coming or going is judged as before or as after. A native allow
 * holds for both ends or for none, so half of it opens nothing. A rule of a NetworkPolicy holds for one end, and
 * `world` asks two sets: there, half of a change could be a third policy (dataplane.md, "What atomic takes"). */
static bool is_elementwise(const struct policy *policy)
{
	bool native = !speaks_of_world(policy);
	for (size_t i = 0; i < policy->isolation_count && native; i++)
		native = policy->isolations[i]->service != NULL;
	return native;
}

/* Says which allow is too much. */
static bool within_budget(const struct lowering *l, struct diagnostics *diagnostics)
{
	size_t count = 0;
	const struct allow *allow = l->classes.budget.passed_by;
	for (size_t i = 0; i < l->ruleset->set_count; i++)
		count += l->ruleset->sets[i]->element_count;
	if (allow == NULL && count <= RULESET_ELEMENTS_MAX)
		return true;
	struct span span = allow != NULL ? allow->span : (struct span){0};
	diagnostics_error(diagnostics, span, "the ruleset would have more than %d elements", RULESET_ELEMENTS_MAX);
	diagnostics_rule(diagnostics, DIAGNOSTIC_LIMIT);
	diagnostics_help(diagnostics, "a set has an element for each peer and port: name a network in place of its "
				      "workloads, or ports: [any], or split the node's workloads");
	return false;
}

struct ruleset *ruleset_lower(struct arena *arena, const struct world *world, const char *node, uint32_t generation,
			      struct diagnostics *diagnostics)
{
	struct lowering l = {.arena = arena, .world = world};
	l.ruleset = arena_alloc(arena, sizeof *l.ruleset);
	l.ruleset->generation = generation;
	l.ruleset->at = world->at;
	l.ruleset->elementwise = is_elementwise(world->policy);
	classes_init(&l.classes, arena, world->policy);
	l.identities = identities_make(arena, world);
	add_common_sets(&l);
	add_pools(&l, node);
	if (speaks_of_world(world->policy))
		add_inside(&l);
	add_special_sets(&l);
	size_t count = 0;
	const struct place *places = inventory_places(world->inventory, &count);
	for (size_t i = 0; i < count; i++)
		if (is_local(places[i].workload, node))
			add_place(&l, &places[i], l.identities.of[i]);
	for (size_t i = 0; i < world->inventory->workload_count; i++)
		if (is_local(world->inventory->workloads[i], node))
			add_interface(&l, world->inventory->workloads[i]);
	add_dead_ends(&l);
	for (size_t i = 0; i < l.classes.count && l.classes.budget.passed_by == NULL; i++)
		add_class(&l, l.classes.items[i]);
	if (!within_budget(&l, diagnostics))
		return NULL;
	add_stray(&l);
	add_related(&l);
	add_main(&l);
	add_fixed(&l);
	ruleset_sort(l.ruleset);
	size_sets(l.ruleset);
	return l.ruleset;
}
