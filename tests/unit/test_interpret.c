/* The ruleset against the verdict function, without packets: a small interpreter of the intermediate form takes each
 * packet of a flow from the forward hook to its end, as the kernel would, and must end where verdict_of says.
 *
 * The worlds are dense: few addresses, few ports, networks that cut through pools, so that everything overlaps
 * everything. Every world is lowered for all nodes together and for one alone. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/ruleset.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { WORLDS = 3000, FLOWS = 50, NOW = 1800000000, WORKLOADS = 7, HOSTS = 18, PORT_MOST = 7, EXPIRIES = 120 };
#define SEED 20261125u

static uint64_t random_state;

static void sow(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d;
}

/* splitmix64 */
static unsigned roll(unsigned sides)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) >> 32) % sides;
}

/* ---- the interpreter ---- */

/* One packet of a flow: the flow as conntrack has it, and the packet's own ends, which a reply has the other way. */
struct packet {
	struct address flow_source, flow_destination;
	uint8_t protocol;
	uint16_t port;
	struct address source, destination;
	char interface[16];
};

static bool is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

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
	case FIELD_COUNT:
		break;
	}
	fail_msg("no field %d", field);
	return NULL;
}

static const struct element *set_find(const struct ruleset *ruleset, const char *name, const uint8_t *key)
{
	const struct set *set = ruleset_set(ruleset, name);
	assert_non_null(set);
	const struct key_form *form = &key_forms[set->key];
	for (size_t i = 0; i < set->element_count; i++) {
		const struct element *element = &set->elements[i];
		bool holds = element->expires == 0 || element->expires > NOW;
		size_t at = 0;
		for (size_t part = 0; part < form->parts && holds; part++) {
			holds = memcmp(key + at, element->key + at, form->sizes[part]) >= 0 &&
				memcmp(key + at, element->end + at, form->sizes[part]) <= 0;
			at += (form->sizes[part] + 3U) / 4 * 4;
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

enum end { CONTINUE, BREAK, ACCEPT, DROP, RETURN, JUMP, GOTO };

/* What a statement says; the chain of JUMP and GOTO goes to `*chain`. */
static enum end statement_run(const struct ruleset *ruleset, const struct statement *s, const struct packet *p,
			      const char **chain)
{
	uint8_t key[ELEMENT_KEY_MAX] = {0}, room[16];
	size_t at = 0;
	uint32_t state, wanted;
	for (size_t i = 0; i < s->field_count; i++) {
		const void *bytes = field_bytes(p, s->fields[i], room);
		if (bytes == NULL)
			return BREAK;
		memcpy(key + at, bytes, field_forms[s->fields[i]].size);
		at += (field_forms[s->fields[i]].size + 3U) / 4 * 4;
	}
	const struct element *element;
	*chain = s->text;
	switch (s->kind) {
	case STATEMENT_EQUAL:
		return same_bits(key, s->value, field_forms[s->fields[0]].size * 8U) ? CONTINUE : BREAK;
	case STATEMENT_UNEQUAL:
		return same_bits(key, s->value, field_forms[s->fields[0]].size * 8U) ? BREAK : CONTINUE;
	case STATEMENT_PREFIX:
		return same_bits(key, s->value, s->prefix) ? CONTINUE : BREAK;
	case STATEMENT_RANGE:
		return memcmp(key, s->value, field_forms[s->fields[0]].size) >= 0 &&
				       memcmp(key, s->last, field_forms[s->fields[0]].size) <= 0
			   ? CONTINUE
			   : BREAK;
	case STATEMENT_BITS:
	case STATEMENT_NO_BITS:
		memcpy(&state, key, sizeof state);
		memcpy(&wanted, s->value, sizeof wanted);
		return ((state & wanted) != 0) == (s->kind == STATEMENT_BITS) ? CONTINUE : BREAK;
	case STATEMENT_IN:
		return set_find(ruleset, s->set, key) != NULL ? CONTINUE : BREAK;
	case STATEMENT_NOT_IN:
		return set_find(ruleset, s->set, key) == NULL ? CONTINUE : BREAK;
	case STATEMENT_MAP:
		element = set_find(ruleset, s->set, key);
		*chain = element != NULL ? element->chain : NULL;
		return element != NULL ? GOTO : BREAK;
	case STATEMENT_COUNTER:
	case STATEMENT_LIMIT:
	case STATEMENT_METER:
	case STATEMENT_LOG:
		return CONTINUE;
	case STATEMENT_ACCEPT:
		return ACCEPT;
	case STATEMENT_DROP:
		return DROP;
	case STATEMENT_RETURN:
		return RETURN;
	case STATEMENT_JUMP:
		return JUMP;
	case STATEMENT_GOTO:
		return GOTO;
	}
	return BREAK;
}

/* Returns ACCEPT, DROP, or RETURN where the chain ends without either. */
static enum end chain_run(const struct ruleset *ruleset, const char *name, const struct packet *p, unsigned depth)
{
	const struct chain *chain = ruleset_chain(ruleset, name);
	assert_non_null(chain);
	assert_true(depth < 16); /* NFT_JUMP_STACK_SIZE */
	for (size_t i = 0; i < chain->rule_count; i++) {
		const struct rule *rule = &chain->rules[i];
		enum end end = CONTINUE;
		for (size_t j = 0; j < rule->statement_count && end == CONTINUE; j++) {
			const char *to = NULL;
			end = statement_run(ruleset, &rule->statements[j], p, &to);
			if (end == GOTO)
				return chain_run(ruleset, to, p, depth + 1);
			if (end == JUMP) {
				end = chain_run(ruleset, to, p, depth + 1);
				end = end == RETURN ? BREAK : end; /* and on with the next rule */
			}
		}
		if (end == ACCEPT || end == DROP || end == RETURN)
			return end;
	}
	return RETURN;
}

static bool passes(const struct ruleset *ruleset, const struct packet *p)
{
	return chain_run(ruleset, "forward", p, 0) != DROP; /* the policy of the hook is accept */
}

/* ---- worlds ---- */

struct made {
	FILE *out;
	bool services;
};

static void write_selector(FILE *out)
{
	static const char *const forms[] = {"{}",
					    "{app: a}",
					    "{app: [a, c]}",
					    "{app: {not: [b]}}",
					    "{app: {not: [a, c]}}",
					    "{tier: {exists: true}}",
					    "{tier: {exists: false}}",
					    "{app: b, tier: {exists: true}}",
					    "{tier: {not: x}}"};
	fputs(forms[roll(sizeof forms / sizeof *forms)], out);
}

static void write_prefix(FILE *out)
{
	unsigned kept = roll(6), base = roll(2) * 16 + roll(16); /* bits of the host part that are fixed */
	unsigned host = kept == 0 ? 0 : base & ~((1U << (5 - kept)) - 1);
	if (roll(2) == 0)
		fprintf(out, roll(9) == 0 ? "0.0.0.0/0" : "10.0.0.%u/%u", host, 27 + kept);
	else
		fprintf(out, roll(9) == 0 ? "\"::/0\"" : "\"fd00::%x/%u\"", host, 123 + kept);
}

static void write_prefixes(FILE *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_prefix(out);
	}
}

/* Writes a peer; returns whether a port can have a name there. */
static bool write_peer(const struct made *made)
{
	static const char *const scopes[] = {"", ", namespaces: any", ", namespaces: [one, two]",
					     ", namespaces: {labels: {team: y}}", ", namespaces: {labels: {}}"};
	static const char *const built_in[] = {"any", "cluster", "node", "world"};
	unsigned kind = roll(10);
	if (kind < 3 && made->services) {
		fprintf(made->out, "%s/s%u", roll(2) ? "one" : "two", roll(2));
		return true;
	}
	if (kind < 5) {
		fputs("{labels: ", made->out);
		write_selector(made->out);
		fprintf(made->out, "%s}", scopes[roll(5)]);
		return true;
	}
	if (kind < 7) {
		unsigned one = roll(4);
		fputs(built_in[one], made->out);
		return one < 2;
	}
	if (kind < 8) {
		fputs(roll(2) ? "one/net" : "two/net", made->out);
		return false;
	}
	fputs("{cidr: [", made->out);
	write_prefixes(made->out, 1 + roll(2));
	fputs("]", made->out);
	if (roll(2) == 0) {
		fputs(", except: [", made->out);
		write_prefixes(made->out, 1 + roll(2));
		fputs("]", made->out);
	}
	fputs("}", made->out);
	return false;
}

static void write_port(FILE *out)
{
	static const char *const protocols[] = {"tcp", "tcp", "tcp", "udp", "udp", "sctp"};
	static const char *const icmp[] = {"icmp", "icmp/echo-request", "icmp/timestamp-request", "icmpv6",
					   "icmpv6/echo-request"};
	const char *protocol = protocols[roll(6)];
	unsigned first = 1 + roll(PORT_MOST), last = first + roll(3);
	if (roll(6) == 0)
		fputs("any", out);
	else if (roll(6) == 0)
		fputs(icmp[roll(5)], out);
	else if (roll(8) == 0)
		fprintf(out, "%u-65535/%s", first, protocol);
	else if (first == last || roll(2))
		fprintf(out, "%u/%s", first, protocol);
	else
		fprintf(out, "%u-%u/%s", first, last, protocol);
}

static void write_allow(const struct made *made)
{
	FILE *out = made->out;
	bool named = false;
	fputs("  - {from: [", out);
	for (unsigned i = 0, count = 1 + roll(3); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_peer(made);
	}
	fputs("], to: [", out);
	for (unsigned i = 0, count = 1 + roll(3); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		named = write_peer(made) || named;
	}
	fputs("], ports: [", out);
	for (unsigned i = 0, count = 1 + roll(3); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		write_port(out);
	}
	fputs(named && roll(2) ? ", http]" : "]", out);
	if (roll(3) == 0) {
		static const int64_t offsets[] = {-1, 0, 1, 2, 100, 100000};
		char text[32];
		fprintf(out, ", until: \"%s\"", time_print(NOW + offsets[roll(6)], text));
	}
	fputs(roll(8) == 0 ? ", log: true" : "", out);
	fputs(roll(8) == 0 ? ", rate: 50/minute per source" : "", out);
	fputs("}\n", out);
}

static void write_policy(const struct made *made)
{
	static const char *const names[] = {"one", "two"};
	FILE *out = made->out;
	for (unsigned space = 0; space < 2; space++) {
		fprintf(out, "---\nringfence: v1\nnamespace: %s\n", names[space]);
		fputs(made->services ? "services:\n" : "", out);
		for (unsigned i = 0; i < 2 && made->services; i++) {
			fprintf(out, "  s%u: {ports: {http: %u/tcp, dns: %u/udp}, workloads: ", i, 1 + roll(PORT_MOST),
				1 + roll(PORT_MOST));
			write_selector(out);
			fputs("}\n", out);
		}
		fputs("networks:\n  net: {cidrs: [", out);
		write_prefixes(out, 1 + roll(3));
		fputs("], except: [", out);
		write_prefixes(out, 1 + roll(2));
		fputs("]}\nallow:\n", out);
		for (unsigned i = 0, count = 1 + roll(3); i < count; i++)
			write_allow(made);
	}
	static const char *const settings[] = {"", "", "settings: {unmatched: deny}\n",
					       "settings: {unmatched: allow}\n"};
	fputs(settings[roll(4)], out);
	if (roll(4) == 0)
		fprintf(out, "quarantine: [{workload: %s/w%u}, {workload: w1, until: 2020-01-01}]\n", names[roll(2)],
			roll(WORKLOADS));
}

/* Hosts 6 and 15 are the nodes. Pools are the two halves of hosts 0 to 15, or of one family only, or none. */
static void write_inventory(FILE *out)
{
	static const char *const pools[][2] = {
	    {"[10.0.0.0/29, \"fd00::/125\"]", "[10.0.0.8/29, \"fd00::8/125\"]"},
	    {"[10.0.0.0/30, 10.0.0.4/30]", "[\"fd00::8/126\"]"},
	};
	unsigned hosts[HOSTS], count = 0, form = roll(3);
	fputs("---\nringfence: v1\nnamespaces: {one: {labels: {team: x}}, two: {labels: {team: y}}}\nnodes:\n", out);
	for (unsigned i = 0; i < 2; i++) {
		fprintf(out, "  n%u: {addresses: [10.0.0.%u, \"fd00::%x\"]", i, i == 0 ? 6 : 15, i == 0 ? 6 : 15);
		if (form < 2)
			fprintf(out, ", workload_networks: %s", pools[form][i]);
		fputs("}\n", out);
	}
	for (unsigned i = 0; i < HOSTS; i++)
		if (i != 6 && i != 15)
			hosts[count++] = i;
	fputs("workloads:\n", out);
	for (unsigned i = 0; i < WORKLOADS; i++) {
		fprintf(out, "  - {name: w%u, namespace: %s, labels: {app: %c%s}, addresses: [", i,
			roll(2) ? "one" : "two", "abc"[roll(3)], roll(2) ? ", tier: x" : "");
		unsigned first = 0;
		for (unsigned j = 0, addresses = 1 + roll(2); j < addresses; j++) {
			unsigned taken = roll(count), host = hosts[taken];
			/* A workload away from its pool: a_known_workload_in_the_pool_of_another_node_is_known */
			if (form < 2 && j > 0 && first / 8 % 2 != host / 8 % 2)
				continue;
			hosts[taken] = hosts[--count];
			first = j == 0 ? host : first;
			if (roll(3) != 0)
				fprintf(out, "%s10.0.0.%u, \"fd00::%x\"", j > 0 ? ", " : "", host, host);
			else
				fprintf(out, roll(2) ? "%s10.0.0.%u" : "%s\"fd00::%x\"", j > 0 ? ", " : "", host);
		}
		fputs("]", out);
		/* Without a pool a workload may run anywhere, or nowhere that is known. */
		if (form == 2 && roll(6) != 0)
			fprintf(out, ", node: n%u", roll(2));
		else if (form < 2)
			fprintf(out, ", node: n%u", first / 8 % 2);
		if (roll(2))
			fprintf(out, ", interface: veth%u", i);
		if (roll(2))
			fprintf(out, ", ports: {http: %u/%s}", 1 + roll(PORT_MOST), roll(3) ? "tcp" : "udp");
		fputs("}\n", out);
	}
}

/* ---- the comparison ---- */

struct trial {
	struct arena *arena;
	const char *text;
	const char *conflict; /* what was made of the inventory after reading it, or "" */
	struct frontend frontend;
	struct world world;
	const char *nodes[2]; /* NULL: all together; and one */
	struct ruleset *rulesets[2];
	size_t allowed, judged;
};

/* Lowers for all nodes together, and for `node` alone. */
static void lower(struct trial *trial, const char *node, uint32_t generation)
{
	trial->nodes[1] = node;
	for (size_t i = 0; i < 2; i++)
		trial->rulesets[i] = ruleset_lower(trial->arena, &trial->world, trial->nodes[i], generation, NULL);
}

static void begin(struct trial *trial, const char *text)
{
	*trial = (struct trial){.arena = arena_create(), .text = text, .conflict = ""};
	struct diagnostics *diagnostics = arena_alloc(trial->arena, sizeof *diagnostics);
	diagnostics_init(diagnostics, trial->arena);
	frontend_init(&trial->frontend, trial->arena, diagnostics);
	frontend_add_text(&trial->frontend, "world.yaml", text, strlen(text));
	frontend_finish(&trial->frontend);
	diagnostics_print(diagnostics, stderr, false);
	if (diagnostics->errors > 0)
		fail_msg("the world does not read:\n%s", text);
	trial->world = (struct world){&trial->frontend.policy, &trial->frontend.inventory, NOW};
}

/* Gives `to` the address as well, as a file of workloads can claim it, and what the enforcer then marks. */
static void claim(struct trial *trial, struct workload *to, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	struct address *list = arena_alloc(trial->arena, (to->address_count + 1) * sizeof *list);
	memcpy(list, to->addresses, to->address_count * sizeof *list);
	list[to->address_count++] = *address;
	to->addresses = list;
	to->conflict = true;
	inventory_index(&trial->frontend.inventory, trial->arena);
	trial->conflict = arena_printf(trial->arena, "%s# %s/%s claims %s and is in conflict\n", trial->conflict,
				       to->name_space, to->name, address_format(address, text));
}

static struct address host(uint8_t family, unsigned number)
{
	struct address address = {.family = family};
	char text[ADDRESS_TEXT_SIZE];
	snprintf(text, sizeof text, family == 4 ? "10.0.0.%u" : "fd00::%x", number);
	if (number >= HOSTS)
		snprintf(text, sizeof text, family == 4 ? "192.0.2.%u" : "2001:db8::%x", number);
	assert_null(address_parse(&address, text));
	return address;
}

static struct endpoint endpoint_at(const struct world *world, const struct address *address)
{
	return (struct endpoint){
	    .workload = inventory_at(world->inventory, address), .has_address = true, .address = *address};
}

/* Whether `node` has to judge this end: its own workload, or an address that it gives to workloads and nobody has. */
static bool is_local(const struct world *world, const struct endpoint *end, const char *node)
{
	if (node == NULL)
		return true;
	if (end->workload != NULL)
		return end->workload->node != NULL && strcmp(end->workload->node, node) == 0;
	const struct node *self = inventory_node(world->inventory, node);
	for (size_t i = 0; i < self->pool_count; i++)
		if (prefix_contains(&self->pools[i], &end->address))
			return true;
	return false;
}

static void put_interface(struct packet *packet, const struct endpoint *sender, const char *node)
{
	bool local = sender->workload != NULL &&
		     (node == NULL || (sender->workload->node != NULL && strcmp(sender->workload->node, node) == 0));
	const char *name = local && sender->workload->interface != NULL ? sender->workload->interface : "eth0";
	memset(packet->interface, 0, sizeof packet->interface);
	memcpy(packet->interface, name, strlen(name));
}

static void complain(const struct trial *trial, const struct flow *flow, const char *node, bool reply, bool want)
{
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];
	/* cmocka's print_error cuts at 1024 bytes */
	fprintf(stderr, "%s\n%son %s, %s -> %s protocol %u port %u%s: the verdict is %s, the ruleset says %s\n",
		trial->text, trial->conflict, node != NULL ? node : "all nodes",
		address_format(&flow->from.address, from), address_format(&flow->to.address, to), flow->protocol,
		flow->port, reply ? ", the reply" : "", want ? "allow" : "deny", want ? "deny" : "allow");
}

/* Asks both about a flow, and about its reply, on all nodes together and on one. Returns whether they agree. */
static bool agree(struct trial *trial, const struct address *source, const struct address *destination,
		  uint8_t protocol, uint16_t port)
{
	const struct world *world = &trial->world;
	const struct flow flow = {endpoint_at(world, source), endpoint_at(world, destination), protocol, port};
	const struct verdict verdict = verdict_of(world, &flow);
	for (size_t i = 0; i < 2; i++) {
		const char *node = trial->nodes[i];
		bool want = (!is_local(world, &flow.from, node) || verdict.egress.allowed) &&
			    (!is_local(world, &flow.to, node) || verdict.ingress.allowed);
		struct packet packet = {*source, *destination, protocol, port, *source, *destination, ""};
		struct packet reply = {*source, *destination, protocol, port, *destination, *source, ""};
		put_interface(&packet, &flow.from, node);
		put_interface(&reply, &flow.to, node);
		trial->judged++;
		trial->allowed += want;
		if (passes(trial->rulesets[i], &packet) != want) {
			complain(trial, &flow, node, false, want);
			return false;
		}
		if (passes(trial->rulesets[i], &reply) != want) {
			complain(trial, &flow, node, true, want);
			return false;
		}
	}
	return true;
}

static void random_worlds_agree(void **state)
{
	(void)state;
	size_t allowed = 0, judged = 0, conflicts = 0;
	for (unsigned i = 0; i < WORLDS; i++) {
		char *text = NULL;
		size_t size = 0;
		sow(SEED + i);
		struct made made = {open_memstream(&text, &size), roll(8) != 0};
		assert_non_null(made.out);
		write_policy(&made);
		write_inventory(made.out);
		fclose(made.out);
		struct trial trial;
		begin(&trial, text);
		for (unsigned j = 0; roll(3) == 0 && j < 2; j++) {
			struct inventory *inventory = &trial.frontend.inventory;
			unsigned newer = 1 + roll(WORKLOADS - 1);
			const struct workload *older = inventory->workloads[roll(newer)];
			if (!older->conflict) {
				claim(&trial, inventory->workloads[newer], &older->addresses[0]);
				conflicts++;
			}
		}
		lower(&trial, roll(2) ? "n0" : "n1", 1);
		bool agreed = true;
		for (unsigned j = 0; j < FLOWS && agreed; j++) {
			static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_TCP,  IPPROTO_TCP, IPPROTO_UDP,
							    IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};
			uint8_t family = roll(2) ? 4 : 6, protocol = protocols[roll(7)];
			struct address source = host(family, roll(HOSTS + 1)),
				       destination = host(family, roll(HOSTS + 1));
			uint16_t port = (uint16_t)(roll(12) == 0 ? 65535 : 1 + roll(PORT_MOST + 3));
			if (family == 6 && protocol == IPPROTO_ICMP)
				protocol = IPPROTO_ICMPV6;
			if (is_icmp(protocol))
				port = (uint16_t)((family == 4 ? (roll(3) ? 8 : 13) : 128) << 8);
			agreed = agree(&trial, &source, &destination, protocol, port);
		}
		allowed += trial.allowed;
		judged += trial.judged;
		arena_free(trial.arena);
		free(text);
		if (!agreed)
			fail_msg("seed %u, world %u", SEED, i);
	}
	print_message("# seed %u: %d worlds, %zu conflicts, %zu flows judged on a node, %zu of them allowed\n", SEED,
		      WORLDS, conflicts, judged, allowed);
	assert_in_range(allowed, judged / 10, judged * 9 / 10); /* or the comparison says little */
	assert_true(conflicts > WORLDS / 10);
}

/* ---- corners: one world each ---- */

#define CORNER                                                                                         \
	"---\nringfence: v1\nnodes:\n"                                                                 \
	"  n0: {addresses: [10.0.0.6], workload_networks: [10.0.0.0/29]}\n"                            \
	"  n1: {addresses: [10.0.0.15], workload_networks: [10.0.0.8/29]}\n"                           \
	"workloads:\n"                                                                                 \
	"  - {name: db, node: n0, labels: {app: db}, addresses: [10.0.0.1], ports: {http: 3-5/tcp}}\n" \
	"  - {name: moved, node: n1, labels: {app: web}, addresses: [10.0.0.2]}\n"                     \
	"  - {name: rogue, node: n0, labels: {app: web}, addresses: [10.0.0.3]}\n"                     \
	"  - {name: nowhere, labels: {app: web}, addresses: [10.0.0.4]}\n"                             \
	"  - {name: web, node: n1, labels: {app: web}, addresses: [10.0.0.9]}\n"
#define ALLOW(from, to, ports)                                                                  \
	"ringfence: v1\nservices: {db: {workloads: {app: db}}, web: {workloads: {app: web}}}\n" \
	"allow: [{from: " from ", to: " to ", ports: [" ports "]}]\n" CORNER

static const struct corner {
	const char *true_is, *text;
	unsigned from, to, claimed; /* hosts; `claimed`: by rogue, 0: none */
	uint16_t port;
	const char *node;
	bool allowed; /* as language.md says */
} corners[] = {
    {"a_known_workload_in_the_pool_of_another_node_is_known", ALLOW("web", "db", "5/tcp"), 2, 1, 0, 5, "n0", true},
    {"a_known_workload_of_no_node_in_a_pool_is_known", ALLOW("web", "db", "5/tcp"), 4, 1, 0, 5, "n0", true},
    {"an_address_of_a_pool_that_nobody_has_is_unknown", ALLOW("any", "db", "5/tcp"), 5, 1, 0, 5, "n0", false},
    {"a_pool_of_another_node_is_judged_there", ALLOW("web", "db", "5/tcp"), 9, 1, 0, 5, "n0", true},
    {"a_container_port_that_is_a_range_opens_its_first", ALLOW("web", "{labels: {app: db}}", "http"), 9, 1, 0, 3, "n0",
     true},
    {"a_container_port_that_is_a_range_opens_its_last", ALLOW("web", "{labels: {app: db}}", "http"), 9, 1, 0, 5, "n0",
     true},
    {"a_container_port_that_is_a_range_opens_no_more", ALLOW("web", "{labels: {app: db}}", "http"), 9, 1, 0, 6, "n0",
     false},
    {"a_node_in_its_pool_is_the_node", ALLOW("node", "db", "5/tcp"), 6, 1, 0, 5, "n0", true},
    {"a_claim_of_a_workloads_address_takes_nothing", ALLOW("web", "db", "5/tcp"), 9, 1, 9, 5, "n1", true},
    {"a_claim_of_a_nodes_address_takes_nothing_of_the_node", ALLOW("node", "db", "5/tcp"), 6, 1, 6, 5, "n0", true},
    {"a_claim_of_a_nodes_address_does_not_cut_the_node_off", ALLOW("web", "db", "5/tcp"), 6, 20, 6, 5, "n0", true},
    {"who_claims_an_address_is_closed_at_its_own", ALLOW("web", "db", "5/tcp"), 3, 1, 9, 5, "n0", false},
};

static void corner_agrees(void **state)
{
	const struct corner *corner = *state;
	const struct address source = host(4, corner->from), destination = host(4, corner->to);
	struct trial trial;
	begin(&trial, corner->text);
	if (corner->claimed != 0) {
		const struct address claimed = host(4, corner->claimed);
		for (size_t i = 0; i < trial.frontend.inventory.workload_count; i++)
			if (strcmp(trial.frontend.inventory.workloads[i]->name, "rogue") == 0)
				claim(&trial, trial.frontend.inventory.workloads[i], &claimed);
	}
	lower(&trial, corner->node, 1);
	const struct flow flow = {endpoint_at(&trial.world, &source), endpoint_at(&trial.world, &destination),
				  IPPROTO_TCP, corner->port};
	bool agreed = agree(&trial, &source, &destination, IPPROTO_TCP, corner->port);
	bool allowed = verdict_of(&trial.world, &flow).allowed;
	arena_free(trial.arena);
	assert_int_equal(allowed, corner->allowed);
	assert_true(agreed);
}

/* Names are cut at RULESET_NAME_SIZE: the longest generation number, and more expiries than two digits count. */
static void every_set_and_chain_has_a_name_of_its_own(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0, twice = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	fputs("ringfence: v1\nservices: {longname: {workloads: {app: web}}}\nallow:\n", out);
	for (int i = 0; i < EXPIRIES; i++) {
		char until[32];
		fprintf(out, "  - {from: longname, to: {cidr: 10.9.0.0/16}, ports: [%d/tcp], until: \"%s\"}\n", i + 1,
			time_print(NOW + 1 + i, until));
	}
	fputs("---\nringfence: v1\nworkloads:\n  - {name: w, labels: {app: web}, addresses: [10.0.0.1]}\n", out);
	fclose(out);
	struct trial trial;
	begin(&trial, text);
	lower(&trial, "n0", 99999);
	const struct ruleset *ruleset = trial.rulesets[0];
	for (size_t i = 0; i < ruleset->set_count; i++)
		twice += ruleset_set(ruleset, ruleset->sets[i]->name) != ruleset->sets[i];
	for (size_t i = 0; i < ruleset->chain_count; i++)
		twice += ruleset_chain(ruleset, ruleset->chains[i]->name) != ruleset->chains[i];
	arena_free(trial.arena);
	free(text);
	assert_int_equal(twice, 0);
}

int main(void)
{
	enum { CORNERS = sizeof corners / sizeof *corners };
	struct CMUnitTest table[CORNERS];
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_set_and_chain_has_a_name_of_its_own),
	    cmocka_unit_test(random_worlds_agree),
	};
	for (size_t i = 0; i < CORNERS; i++)
		table[i] =
		    (struct CMUnitTest){corners[i].true_is, corner_agrees, NULL, NULL, (void *)(uintptr_t)&corners[i]};
	int failed = cmocka_run_group_tests(table, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
