/* Runs the rules of the forward hook, as kernel_read and the lowering have them, on a packet of an established
 * connection. Those of the input and output hooks judge the same ends by the same chains; they add what looks at
 * sockets. */
#include <ringfence/passage.h>

#include <arpa/inet.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>

enum { DEPTH_MOST = 16 }; /* NFT_JUMP_STACK_SIZE */

/* What a rule, or a chain, makes of a packet. */
enum outcome { GOES_ON, RETURNS, ACCEPTS, DROPS, UNSURE };

struct run {
	const struct ruleset *ruleset;
	const struct ruleset_index *index;
	const struct connection *connection;
	char interface[16];
	unsigned depth;
};

static enum outcome run_chain(struct run *run, const char *name);

/* ---- what a rule looks at ---- */

static const void *address_bytes(const struct address *address, uint8_t family)
{
	return address->family == family ? address->bytes : NULL;
}

static const void *put32(uint8_t *room, uint32_t number)
{
	return memcpy(room, &number, sizeof number);
}

static const void *put16(uint8_t *room, uint16_t number)
{
	number = htons(number);
	return memcpy(room, &number, sizeof number);
}

static const void *put8(uint8_t *room, uint8_t number)
{
	*room = number;
	return room;
}

/* The field's bytes; NULL where the packet has no such field, so that the kernel leaves the rule (NFT_BREAK). */
static const void *field_bytes(const struct run *run, enum field field, uint8_t *room)
{
	const struct connection *c = run->connection;
	const bool icmp = c->protocol == PROTOCOL_ICMP || c->protocol == PROTOCOL_ICMPV6;
	switch (field) {
	case FIELD_IIFNAME:
	case FIELD_OIFNAME:
		return run->interface;
	case FIELD_IIF:
		return put32(room, 0);
	case FIELD_NFPROTO:
		return put8(room, c->source.family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	case FIELD_L4PROTO:
	case FIELD_CT_PROTOCOL:
		return put8(room, (uint8_t)c->protocol);
	case FIELD_IP_SADDR:
	case FIELD_CT_SOURCE4:
		return address_bytes(&c->source, 4);
	case FIELD_IP6_SADDR:
	case FIELD_CT_SOURCE6:
		return address_bytes(&c->source, 6);
	case FIELD_IP_DADDR:
	case FIELD_CT_DESTINATION4:
		return address_bytes(&c->destination, 4);
	case FIELD_IP6_DADDR:
	case FIELD_CT_DESTINATION6:
		return address_bytes(&c->destination, 6);
	case FIELD_IP6_HOPLIMIT:
		return c->source.family == 6 ? put8(room, 64) : NULL;
	case FIELD_ICMPV6_TYPE:
		return c->protocol == PROTOCOL_ICMPV6 ? put8(room, (uint8_t)(c->port >> 8)) : NULL;
	case FIELD_ICMP_KIND:
		return icmp ? put16(room, c->port) : NULL;
	case FIELD_CT_STATE:
		return put32(room, 1U << (IP_CT_ESTABLISHED + 1)); /* NF_CT_STATE_BIT */
	case FIELD_CT_STATUS:
		return put32(room, IPS_CONFIRMED | IPS_SEEN_REPLY);
	case FIELD_CT_DIRECTION:
		return put8(room, IP_CT_DIR_ORIGINAL);
	case FIELD_CT_PORT: /* of ICMP it is the number of the echo, which no rule asks for */
		return put16(room, icmp ? 0 : c->port);
	case FIELD_CT_REQUEST:
		return put16(room, c->port);
	case FIELD_TCP_FLAGS:
		return c->protocol == PROTOCOL_TCP ? put8(room, 0x10) : NULL; /* ACK */
	case FIELD_SCTP_CHUNK:
		return put8(room, 0); /* DATA */
	case FIELD_CGROUP1:
	case FIELD_CGROUP2:
	case FIELD_CGROUP3:
	case FIELD_CGROUP4:
	case FIELD_CGROUP5:
	case FIELD_CGROUP6:
	case FIELD_CGROUP7:
	case FIELD_CGROUP8:
	case FIELD_COUNT:
		break;
	}
	return NULL;
}

/* ---- sets ---- */

static bool is_within(const struct set *set, const struct element *element, const uint8_t *key)
{
	const struct key_form *form = &key_forms[set->key];
	bool within = true;
	for (size_t part = 0, at = 0; part < form->parts && within; part++) {
		within = memcmp(key + at, element->key + at, form->sizes[part]) >= 0 &&
			 memcmp(key + at, element->end + at, form->sizes[part]) <= 0;
		at += (form->sizes[part] + 3U) / 4 * 4;
	}
	return within;
}

/* The number of elements that begin at `key` or before it. */
static size_t count_to(const struct set *set, const uint8_t *key)
{
	size_t low = 0, high = set->element_count, size = key_size(set->key);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(set->elements[middle].key, key, size) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Intervals of several parts may overlap in the first of them: any that begins before the key may hold it. */
static const struct element *find_element(const struct run *run, const struct set *set, const uint8_t *key)
{
	const bool far = set->interval && key_forms[set->key].parts > 1;
	size_t place = count_to(set, key), least = far || place == 0 ? 0 : place - 1;
	for (; place > least; place--) {
		const struct element *element = &set->elements[place - 1];
		if (is_within(set, element, key) && (element->expires == 0 || element->expires > run->ruleset->at))
			return element;
	}
	return NULL;
}

/* ---- rules ---- */

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;
	return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool has_bits(const uint8_t *key, const uint8_t *value)
{
	uint32_t state, wanted;
	memcpy(&state, key, sizeof state);
	memcpy(&wanted, value, sizeof wanted);
	return (state & wanted) != 0;
}

static enum outcome go_to(struct run *run, const char *name)
{
	enum outcome outcome = run_chain(run, name);
	return outcome == GOES_ON ? RETURNS : outcome;
}

static enum outcome jump(struct run *run, const char *name)
{
	enum outcome outcome = run_chain(run, name);
	return outcome == RETURNS ? GOES_ON : outcome;
}

/* A look-up: whether the rule goes on, or where a map leads. */
static enum outcome look_up(struct run *run, const struct statement *s, const uint8_t *key, bool *holds)
{
	const struct set *set = ruleset_index_set(run->index, s->set);
	if (set == NULL || set->dynamic)
		return UNSURE;
	const struct element *element = find_element(run, set, key);
	*holds = (element != NULL) != (s->kind == STATEMENT_NOT_IN);
	if (s->kind != STATEMENT_MAP || element == NULL)
		return GOES_ON;
	return element->chain != NULL ? go_to(run, element->chain) : UNSURE;
}

/* Runs a statement. Where it goes on, `*holds` says whether with this rule or with the next. */
static enum outcome run_statement(struct run *run, const struct statement *s, bool *holds)
{
	uint8_t key[ELEMENT_KEY_MAX] = {0}, room[16];
	const size_t size = s->field_count > 0 ? field_forms[s->fields[0]].size : 0;
	for (size_t i = 0, at = 0; i < s->field_count; i++) {
		const void *bytes = field_bytes(run, s->fields[i], room);
		*holds = bytes != NULL;
		if (bytes == NULL)
			return GOES_ON;
		memcpy(key + at, bytes, field_forms[s->fields[i]].size);
		at += (field_forms[s->fields[i]].size + 3U) / 4 * 4;
	}
	switch (s->kind) {
	case STATEMENT_EQUAL:
	case STATEMENT_UNEQUAL:
		*holds = (memcmp(key, s->value, size) == 0) == (s->kind == STATEMENT_EQUAL);
		return GOES_ON;
	case STATEMENT_PREFIX:
	case STATEMENT_NOT_PREFIX:
		*holds = same_bits(key, s->value, s->prefix) == (s->kind == STATEMENT_PREFIX);
		return GOES_ON;
	case STATEMENT_BITS:
	case STATEMENT_NO_BITS:
		*holds = has_bits(key, s->value) == (s->kind == STATEMENT_BITS);
		return GOES_ON;
	case STATEMENT_RANGE:
		*holds = memcmp(key, s->value, size) >= 0 && memcmp(key, s->last, size) <= 0;
		return GOES_ON;
	case STATEMENT_IN:
	case STATEMENT_NOT_IN:
	case STATEMENT_COUNTED:
	case STATEMENT_MAP:
		return look_up(run, s, key, holds);
	case STATEMENT_COUNTER:
	case STATEMENT_COUNT:
	case STATEMENT_LIMIT:
	case STATEMENT_METER:
	case STATEMENT_LOG:
		return GOES_ON;
	case STATEMENT_ACCEPT:
		return ACCEPTS;
	case STATEMENT_DROP:
	case STATEMENT_RESET:
	case STATEMENT_REJECT:
		return DROPS;
	case STATEMENT_RETURN:
		return RETURNS;
	case STATEMENT_JUMP:
		*holds = false;
		return jump(run, s->text);
	case STATEMENT_GOTO:
		return go_to(run, s->text);
	}
	return UNSURE;
}

/* A rule that none of ours looks like was read as one without statements. */
static enum outcome run_rule(struct run *run, const struct rule *rule)
{
	bool holds = true;
	enum outcome outcome = rule->statement_count == 0 ? UNSURE : GOES_ON;
	for (size_t i = 0; i < rule->statement_count && holds && outcome == GOES_ON; i++)
		outcome = run_statement(run, &rule->statements[i], &holds);
	return outcome;
}

static enum outcome run_chain(struct run *run, const char *name)
{
	const struct chain *chain = ruleset_index_chain(run->index, name);
	enum outcome outcome = chain == NULL || run->depth == DEPTH_MOST ? UNSURE : GOES_ON;
	run->depth++;
	for (size_t i = 0; outcome == GOES_ON && i < chain->rule_count; i++)
		outcome = run_rule(run, &chain->rules[i]);
	run->depth--;
	return outcome;
}

enum passage passage_of(const struct ruleset *ruleset, const struct ruleset_index *index,
			const struct connection *connection)
{
	struct run run = {.ruleset = ruleset, .index = index, .connection = connection};
	if (address_is_loopback(&connection->source))
		memcpy(run.interface, "lo", 2);
	if (ruleset->chain_count == 0)
		return PASSAGE_OPEN;
	switch (run_chain(&run, "forward")) {
	case DROPS:
		return PASSAGE_CLOSED;
	case UNSURE:
		return PASSAGE_UNSURE;
	case GOES_ON:
	case RETURNS:
	case ACCEPTS: /* the policy of the hook is accept */
		break;
	}
	return PASSAGE_OPEN;
}
