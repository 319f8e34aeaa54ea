/* A small interpreter of the intermediate form. Where the table changes while a packet is on its way, what counts of a
 * point in the rules is the earliest state in which a packet can be there: from it, all later ones can be reached. */
#include "tests/unit/interpret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

bool is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

struct packet packet_request(const struct address *source, const struct address *destination, uint8_t protocol,
			     uint16_t port)
{
	return (struct packet){*source, *destination, protocol, port, *source, *destination, "", NULL, {0}};
}

struct packet packet_reply(const struct packet *request)
{
	struct packet reply = *request;
	reply.source = request->flow_destination;
	reply.destination = request->flow_source;
	memset(reply.interface, 0, sizeof reply.interface);
	return reply;
}

/* ---- one look at one state ---- */

/* The field's bytes; NULL where the packet has no such field, so that the kernel leaves the rule (NFT_BREAK). */
static const void *field_bytes(const struct packet *p, enum field field, uint8_t *room)
{
	static const uint32_t established_or_new = 8, new = 0, confirmed = 8;
	static const uint16_t identifier = 0x0008; /* network order: could be mistaken for an echo request */
	bool four = p->source.family == 4;
	uint16_t port = htons(p->port);
	switch (field) {
	case FIELD_IIFNAME:
		return p->interface;
	case FIELD_IIF:
		memset(room, 0, 4);
		room[0] = 2; /* some interface's */
		return room;
	case FIELD_ICMP_KIND:
		return memcpy(room, &port, sizeof port);
	case FIELD_OIFNAME:
		return "eth1\0\0\0\0\0\0\0\0\0\0\0";
	case FIELD_NFPROTO:
		*room = four ? 2 : 10;
		return room;
	case FIELD_L4PROTO:
	case FIELD_CT_PROTOCOL:
		return &p->protocol;
	case FIELD_IP_SADDR:
		return four ? p->source.bytes : NULL;
	case FIELD_IP_DADDR:
		return four ? p->destination.bytes : NULL;
	case FIELD_IP6_SADDR:
		return four ? NULL : p->source.bytes;
	case FIELD_IP6_DADDR:
		return four ? NULL : p->destination.bytes;
	case FIELD_CT_SOURCE4:
		return four ? p->flow_source.bytes : NULL;
	case FIELD_CT_SOURCE6:
		return four ? NULL : p->flow_source.bytes;
	case FIELD_CT_DESTINATION4:
		return four ? p->flow_destination.bytes : NULL;
	case FIELD_CT_DESTINATION6:
		return four ? NULL : p->flow_destination.bytes;
	case FIELD_CT_STATE:
		return memcpy(room, &established_or_new, sizeof established_or_new);
	case FIELD_CT_STATUS: /* a reply is no first packet */
		return memcpy(room, address_compare(&p->source, &p->flow_source) == 0 ? &new : &confirmed, sizeof new);
	case FIELD_TCP_FLAGS: /* SYN, and SYN with ACK */
		*room = address_compare(&p->source, &p->flow_source) == 0 ? 0x02 : 0x12;
		return p->protocol == IPPROTO_TCP ? room : NULL;
	case FIELD_SCTP_CHUNK: /* INIT and INIT-ACK */
		*room = address_compare(&p->source, &p->flow_source) == 0 ? 1 : 2;
		return room;
	case FIELD_CT_PORT: /* of an echo, the answer's number: see FIELD_CT_REQUEST */
		return memcpy(room, is_icmp(p->protocol) ? &identifier : &port, sizeof port);
	case FIELD_CT_REQUEST:
		return memcpy(room, &port, sizeof port);
	case FIELD_IP6_HOPLIMIT:
		*room = 64;
		return four ? NULL : room;
	case FIELD_ICMPV6_TYPE:
		*room = 128; /* an echo request: no discovery */
		return p->protocol == IPPROTO_ICMPV6 ? room : NULL;
	case FIELD_CT_DIRECTION:
		*room = address_compare(&p->source, &p->flow_source) != 0;
		return room;
	case FIELD_CGROUP1:
	case FIELD_CGROUP2:
	case FIELD_CGROUP3:
	case FIELD_CGROUP4:
	case FIELD_CGROUP5:
	case FIELD_CGROUP6:
	case FIELD_CGROUP7:
	case FIELD_CGROUP8: {
		const uint64_t *id = &p->cgroups[field - FIELD_CGROUP1 + 1];
		return *id != 0 ? id : NULL;
	}
	case FIELD_COUNT:
		break;
	}
	fail_msg("no field %d", field);
	return NULL;
}

/* A set in a state; where it is deleted by then, as it was when it was there: who is in a chain still finds it. */
static const struct set *set_in(const struct ruleset *const *states, size_t state, const char *name)
{
	const struct set *set = NULL;
	for (size_t i = state + 1; i-- > 0 && set == NULL;)
		set = ruleset_set(states[i], name);
	assert_non_null(set);
	return set;
}

static const struct element *set_find(const struct set *set, int64_t at, const uint8_t *key)
{
	const struct key_form *form = &key_forms[set->key];
	for (size_t i = 0; i < set->element_count; i++) {
		const struct element *element = &set->elements[i];
		bool holds = element->expires == 0 || element->expires > at;
		size_t offset = 0;
		for (size_t part = 0; part < form->parts && holds; part++) {
			holds = memcmp(key + offset, element->key + offset, form->sizes[part]) >= 0 &&
				memcmp(key + offset, element->end + offset, form->sizes[part]) <= 0;
			offset += (form->sizes[part] + 3U) / 4 * 4;
		}
		if (holds)
			return element;
	}
	return NULL;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) != 0)
			return false;
	return true;
}

/* What a statement that looks at the packet alone says of it. */
static bool holds(const struct statement *s, const uint8_t *key)
{
	uint32_t state, wanted;
	bool equal = s->field_count > 0 && same_bits(key, s->value, field_forms[s->fields[0]].size * 8U);
	memcpy(&state, key, sizeof state);
	memcpy(&wanted, s->value, sizeof wanted);
	if (s->kind == STATEMENT_EQUAL || s->kind == STATEMENT_UNEQUAL)
		return equal == (s->kind == STATEMENT_EQUAL);
	if (s->kind == STATEMENT_PREFIX || s->kind == STATEMENT_NOT_PREFIX)
		return same_bits(key, s->value, s->prefix) == (s->kind == STATEMENT_PREFIX);
	if (s->kind == STATEMENT_RANGE)
		return memcmp(key, s->value, field_forms[s->fields[0]].size) >= 0 &&
		       memcmp(key, s->last, field_forms[s->fields[0]].size) <= 0;
	if (s->kind == STATEMENT_BITS || s->kind == STATEMENT_NO_BITS)
		return ((state & wanted) != 0) == (s->kind == STATEMENT_BITS);
	return true; /* COUNTER, LIMIT, METER, LOG */
}

/* ---- a way through the states ---- */

struct run {
	const struct ruleset *const *states;
	size_t count;
	const struct packet *packet;
	struct counted {
		const char **names;
		size_t count;
	} * counted; /* of a run through one state, or NULL */
};

static void note_counted(const struct run *run, const char *name)
{
	if (run->counted == NULL)
		return;
	assert_true(ruleset_has_counter(run->states[0], name));
	assert_true(run->counted->count < COUNTED_MOST);
	run->counted->names[run->counted->count++] = name;
}

/* The earliest state in which a packet can be at a point; as many as there are states: it cannot be there. */
struct ends {
	size_t accepted, dropped, returned;
};

static void set_least(size_t *least, size_t state)
{
	*least = state < *least ? state : *least;
}

static struct ends run_chain(const struct run *run, const char *name, size_t state, unsigned depth);

/* A jump, which goes on with the next rule where the chain returns. */
static void jump(const struct run *run, const char *name, size_t state, unsigned depth, struct ends *ends, size_t *next)
{
	struct ends there = run_chain(run, name, state, depth + 1);
	set_least(&ends->accepted, there.accepted);
	set_least(&ends->dropped, there.dropped);
	set_least(next, there.returned);
}

/* A look-up, in `state` or any later one. Returns the earliest in which the rule goes on. */
static size_t look_up(const struct run *run, const struct statement *s, const uint8_t *key, size_t state,
		      unsigned depth, struct ends *ends, size_t *next)
{
	size_t on = run->count;
	const char *chain = NULL;
	for (; state < run->count; state++) {
		const struct element *element = set_find(set_in(run->states, state, s->set), run->states[0]->at, key);
		if ((element != NULL) == (s->kind == STATEMENT_NOT_IN)) {
			set_least(next, state);
		} else if (s->kind != STATEMENT_MAP) {
			if (s->kind == STATEMENT_COUNTED)
				note_counted(run, element->chain);
			set_least(&on, state);
		} else if (chain == NULL || strcmp(chain, element->chain) != 0) {
			jump(run, chain = element->chain, state, depth, ends, &ends->returned); /* a goto */
		}
	}
	return on;
}

/* Runs a statement in `state`: returns the earliest in which the rule goes on; sets `*next` where it is left. */
static size_t run_statement(const struct run *run, const struct statement *s, size_t state, unsigned depth,
			    struct ends *ends, size_t *next)
{
	uint8_t key[ELEMENT_KEY_MAX] = {0}, room[16];
	size_t at = 0;
	for (size_t i = 0; i < s->field_count; i++) {
		const void *bytes = field_bytes(run->packet, s->fields[i], room);
		if (bytes == NULL) {
			set_least(next, state);
			return run->count;
		}
		memcpy(key + at, bytes, field_forms[s->fields[i]].size);
		at += (field_forms[s->fields[i]].size + 3U) / 4 * 4;
	}
	switch (s->kind) {
	case STATEMENT_IN:
	case STATEMENT_NOT_IN:
	case STATEMENT_COUNTED:
	case STATEMENT_MAP:
		return look_up(run, s, key, state, depth, ends, next);
	case STATEMENT_COUNT:
		note_counted(run, s->text);
		return state;
	case STATEMENT_ACCEPT:
		set_least(&ends->accepted, state);
		return run->count;
	case STATEMENT_DROP:
	case STATEMENT_RESET:
	case STATEMENT_REJECT:
		set_least(&ends->dropped, state);
		return run->count;
	case STATEMENT_RETURN:
		set_least(&ends->returned, state);
		return run->count;
	case STATEMENT_JUMP:
		jump(run, s->text, state, depth, ends, next);
		return run->count;
	case STATEMENT_GOTO:
		jump(run, s->text, state, depth, ends, &ends->returned);
		return run->count;
	case STATEMENT_EQUAL:
	case STATEMENT_UNEQUAL:
	case STATEMENT_PREFIX:
	case STATEMENT_NOT_PREFIX:
	case STATEMENT_RANGE:
	case STATEMENT_BITS:
	case STATEMENT_NO_BITS:
	case STATEMENT_COUNTER:
	case STATEMENT_LIMIT:
	case STATEMENT_METER:
	case STATEMENT_LOG:
		break;
	}
	if (holds(s, key))
		return state;
	set_least(next, state);
	return run->count;
}

static struct ends run_chain(const struct run *run, const char *name, size_t state, unsigned depth)
{
	struct ends ends = {run->count, run->count, run->count};
	if (state >= run->count)
		return ends;
	const struct chain *chain = ruleset_chain(run->states[state], name);
	assert_non_null(chain);
	assert_true(depth < 16); /* NFT_JUMP_STACK_SIZE */
	for (size_t i = 0; i < chain->rule_count && state < run->count; i++) {
		const struct rule *rule = &chain->rules[i];
		size_t next = run->count;
		for (size_t j = 0; j < rule->statement_count && state < run->count; j++)
			state = run_statement(run, &rule->statements[j], state, depth, &ends, &next);
		set_least(&next, state);
		state = next;
	}
	set_least(&ends.returned, state);
	return ends;
}

struct fate packet_fate(const struct ruleset *const *states, size_t count, const struct packet *packet)
{
	const struct run run = {states, count, packet, NULL};
	struct ends ends = run_chain(&run, packet->hook != NULL ? packet->hook : "forward", 0, 0);
	/* the policy of the hook is accept */
	return (struct fate){.passes = ends.accepted < count || ends.returned < count, .drops = ends.dropped < count};
}

size_t packet_counts(const struct ruleset *ruleset, const struct packet *packet, const char **counters)
{
	struct counted counted = {counters, 0};
	const struct run run = {&ruleset, 1, packet, &counted};
	run_chain(&run, packet->hook != NULL ? packet->hook : "forward", 0, 0);
	return counted.count;
}

enum mixture packet_mixture(const struct ruleset *const *states, size_t count, const struct packet *packet,
			    size_t *place)
{
	struct fate before = packet_fate(states, 1, packet), after = packet_fate(states + count - 1, 1, packet);
	if (before.passes != after.passes)
		return MIXTURE_DIFFERS;
	for (*place = 0; *place + 1 < count; ++*place) {
		struct fate between = packet_fate(states + *place, 2, packet);
		if (between.passes != before.passes || between.drops != before.drops)
			return MIXTURE_HALF;
	}
	return MIXTURE_NONE;
}
