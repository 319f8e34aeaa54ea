/* The verdict function against the lowered ruleset, over random policies: a small interpreter walks the chains of the
 * intermediate form for a flow as conntrack presents it. What the kernel does with the same rules, tests/packets shows.
 */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/ruleset.h>
#include <ringfence/verdict.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { POLICIES = 3000, FLOWS = 60, NOW = 1800000000 };

static uint64_t seed;

static unsigned roll(unsigned sides)
{
	seed ^= seed << 13; /* xorshift64 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % sides;
}

/* ---- the interpreter ---- */

struct packet {
	struct address source, destination;
	uint8_t protocol;
	uint16_t port;
};

/* The bytes of a field for a packet; false where the packet has none and the rule does not match. */
static bool field_of(const struct packet *packet, enum field field, uint8_t *bytes)
{
	uint16_t port = htons(packet->port);
	bool four = packet->source.family == 4;
	switch (field) {
	case FIELD_IIFNAME:
		memset(bytes, 0, 16);
		return true;
	case FIELD_NFPROTO:
		bytes[0] = four ? 2 : 10;
		return true;
	case FIELD_L4PROTO:
	case FIELD_CT_PROTOCOL:
		bytes[0] = packet->protocol;
		return true;
	case FIELD_CT_SOURCE4:
	case FIELD_IP_SADDR:
		memcpy(bytes, packet->source.bytes, 4);
		return four;
	case FIELD_CT_DESTINATION4:
	case FIELD_IP_DADDR:
		memcpy(bytes, packet->destination.bytes, 4);
		return four;
	case FIELD_CT_SOURCE6:
	case FIELD_IP6_SADDR:
		memcpy(bytes, packet->source.bytes, 16);
		return !four;
	case FIELD_CT_DESTINATION6:
	case FIELD_IP6_DADDR:
		memcpy(bytes, packet->destination.bytes, 16);
		return !four;
	case FIELD_CT_PORT:
		memcpy(bytes, &port, sizeof port);
		return true;
	case FIELD_CT_STATE: {
		uint32_t new = 8;
		memcpy(bytes, &new, sizeof new);
		return true;
	}
	case FIELD_IP6_HOPLIMIT:
	case FIELD_ICMPV6_TYPE:
	case FIELD_COUNT:
		return false;
	}
	return false;
}

/* Looks up as an interval set does: every part of the key within the element's. */
static const struct element *look_up(const struct set *set, const uint8_t *key)
{
	const struct key_form *form = &key_forms[set->key];
	for (size_t i = 0; i < set->element_count; i++) {
		const struct element *element = &set->elements[i];
		bool inside = element->expires == 0 || element->expires > NOW;
		for (size_t part = 0, at = 0; part < form->parts && inside;
		     at += (form->sizes[part] + 3u) / 4 * 4, part++)
			inside = memcmp(element->key + at, key + at, form->sizes[part]) <= 0 &&
				 memcmp(key + at, element->end + at, form->sizes[part]) <= 0;
		if (inside)
			return element;
	}
	return NULL;
}

enum outcome { GO_ON, ACCEPT, DROP, RETURN };

static enum outcome walk(const struct ruleset *ruleset, const char *name, const struct packet *packet);

/* Whether a matching statement matches; what a map finds goes to `*element`. */
static bool matches(const struct ruleset *ruleset, const struct statement *s, const struct packet *packet,
		    const struct element **element)
{
	uint8_t key[ELEMENT_KEY_MAX] = {0};
	size_t at = 0;
	for (size_t i = 0; i < s->field_count; i++) {
		if (!field_of(packet, s->fields[i], key + at))
			return false;
		at += (field_forms[s->fields[i]].size + 3u) / 4 * 4;
	}
	switch (s->kind) {
	case STATEMENT_EQUAL:
		return memcmp(key, s->value, field_forms[s->fields[0]].size) == 0;
	case STATEMENT_UNEQUAL:
		return memcmp(key, s->value, field_forms[s->fields[0]].size) != 0;
	case STATEMENT_PREFIX:
		return memcmp(key, s->value, s->prefix / 8) == 0;
	case STATEMENT_CT_STATE:
		return (key[0] & s->value[0]) != 0;
	case STATEMENT_IN:
	case STATEMENT_NOT_IN:
	case STATEMENT_MAP:
		*element = look_up(ruleset_set(ruleset, s->set), key);
		return s->kind == STATEMENT_NOT_IN ? *element == NULL : *element != NULL;
	case STATEMENT_COUNTER:
	case STATEMENT_LIMIT:
	case STATEMENT_LOG:
	case STATEMENT_ACCEPT:
	case STATEMENT_DROP:
	case STATEMENT_RETURN:
	case STATEMENT_JUMP:
	case STATEMENT_GOTO:
		break;
	}
	return true;
}

static enum outcome run_rule(const struct ruleset *ruleset, const struct rule *rule, const struct packet *packet)
{
	const struct element *element = NULL;
	for (size_t i = 0; i < rule->statement_count; i++) {
		const struct statement *s = &rule->statements[i];
		enum outcome outcome;
		if (!matches(ruleset, s, packet, &element))
			return GO_ON;
		if (s->kind == STATEMENT_ACCEPT)
			return ACCEPT;
		if (s->kind == STATEMENT_DROP)
			return DROP;
		if (s->kind == STATEMENT_RETURN)
			return RETURN;
		if (s->kind == STATEMENT_JUMP || s->kind == STATEMENT_GOTO || s->kind == STATEMENT_MAP) {
			outcome = walk(ruleset, s->kind == STATEMENT_MAP ? element->chain : s->text, packet);
			if (outcome == ACCEPT || outcome == DROP)
				return outcome;
			return s->kind == STATEMENT_GOTO ? RETURN : GO_ON;
		}
	}
	return GO_ON;
}

static enum outcome walk(const struct ruleset *ruleset, const char *name, const struct packet *packet)
{
	const struct chain *chain = ruleset_chain(ruleset, name);
	assert_non_null(chain);
	for (size_t i = 0; i < chain->rule_count; i++) {
		enum outcome outcome = run_rule(ruleset, &chain->rules[i], packet);
		if (outcome != GO_ON)
			return outcome;
	}
	return RETURN;
}

/* ---- random worlds ---- */

static const char *const label_values[] = {"a", "b", "c"};

static void print_selector(FILE *out)
{
	static const char *const forms[] = {"{}",
					    "{app: a}",
					    "{app: b}",
					    "{app: [a, c]}",
					    "{app: {not: [b]}}",
					    "{tier: {exists: true}}",
					    "{tier: {exists: false}}",
					    "{app: c, tier: {exists: true}}"};
	fputs(forms[roll(8)], out);
}

static void print_peer(FILE *out, bool source)
{
	static const char *const names[] = {"one/s0",  "one/s1", "two/s0",  "two/s1", "one/net",
					    "two/net", "any",	 "cluster", "node"};
	unsigned kind = roll(13);
	if (kind < 9) {
		fputs(names[kind], out);
	} else if (kind < 11) {
		fputs("{labels: ", out);
		print_selector(out);
		static const char *const scopes[] = {"", ", namespaces: any", ", namespaces: [two]",
						     ", namespaces: {labels: {team: x}}"};
		fprintf(out, "%s}", scopes[roll(4)]);
	} else {
		fputs(roll(2) ? "{cidr: 10.1.0.0/29, except: [10.1.0.2/32]}" : "{cidr: [\"fd00::/125\", 10.9.0.0/16]}",
		      out);
	}
	(void)source;
}

static void print_allow(FILE *out)
{
	static const char *const ports[] = {
	    "80/tcp", "53/udp", "80-90/tcp", "any", "[80/tcp, 85-100/tcp]", "[50-60/udp, 53/udp]", "[http, 81/tcp]"};
	fputs("  - {from: [", out);
	for (unsigned i = 0, count = 1 + roll(2); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		print_peer(out, true);
	}
	fputs("], to: [", out);
	bool named = roll(4) == 0;
	for (unsigned i = 0, count = 1 + roll(2); i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		if (named)
			fputs(roll(2) ? "one/s0" : "{labels: {app: a}, namespaces: any}", out);
		else
			print_peer(out, false);
	}
	fprintf(out, "], ports: %s", named ? ports[6] : ports[roll(6)]);
	static const char *const untils[] = {
	    "", "", "", ", until: 2020-01-01", ", until: 2099-01-01", ", until: 2098-01-01"};
	fprintf(out, "%s}\n", untils[roll(6)]);
}

static void print_world(FILE *out)
{
	for (unsigned space = 0; space < 2; space++) {
		const char *name = space == 0 ? "one" : "two";
		fprintf(out, "---\nringfence: v1\nnamespace: %s\nservices:\n", name);
		for (unsigned i = 0; i < 2; i++) {
			fprintf(out, "  s%u: {ports: {http: %u/tcp}, workloads: ", i, 80 + i);
			print_selector(out);
			fputs("}\n", out);
		}
		fprintf(out, "networks:\n  net: {cidrs: [%s, \"fd00::/124\"], except: [10.1.0.1/32]}\n",
			space == 0 ? "10.1.0.0/28" : "10.2.0.0/16");
	}
	fputs("---\nringfence: v1\nnamespace: one\nallow:\n", out);
	for (unsigned i = 0, count = 1 + roll(5); i < count; i++)
		print_allow(out);
	if (roll(3) == 0)
		fprintf(out, "settings: {unmatched: %s}\n", roll(2) ? "allow" : "deny");
	fputs("---\nringfence: v1\nnamespaces: {one: {labels: {team: x}}, two: {labels: {team: y}}}\n"
	      "nodes:\n  n0: {addresses: [10.0.0.1, \"fd00:ffff::1\"], workload_networks: [10.1.0.0/29]}\n"
	      "  n1: {addresses: [10.0.0.2], workload_networks: [10.2.0.0/29]}\nworkloads:\n",
	      out);
	for (unsigned i = 0; i < 6; i++) {
		fprintf(out,
			"  - {name: w%u, namespace: %s, node: n%u, labels: {app: %s%s}, addresses: [10.%u.0.%u, "
			"\"fd00::%u\"",
			i, roll(2) ? "one" : "two", i % 2, label_values[roll(3)], roll(2) ? ", tier: x" : "", 1 + i % 2,
			i + 1, i + 1);
		if (roll(4) == 0)
			fprintf(out, ", 10.9.0.%u", i + 1);
		fprintf(out, "]%s}\n", roll(3) == 0 ? ", ports: {http: 8080/tcp}" : "");
	}
}

static struct address random_address(uint8_t family)
{
	static const char *const outside4[] = {"10.0.0.1", "10.0.0.2",	"10.1.0.7",  "10.2.0.5",
					       "10.2.7.7", "192.0.2.9", "10.9.0.200"};
	static const char *const outside6[] = {"fd00:ffff::1", "fd00::9", "2001:db8::1"};
	struct address address;
	char text[64];
	if (roll(3) == 0)
		snprintf(text, sizeof text, "%s", family == 4 ? outside4[roll(7)] : outside6[roll(3)]);
	else if (family == 4 && roll(6) == 0)
		snprintf(text, sizeof text, "10.9.0.%u", 1 + roll(6));
	else if (family == 4) {
		unsigned i = roll(6);
		snprintf(text, sizeof text, "10.%u.0.%u", 1 + i % 2, i + 1);
	} else
		snprintf(text, sizeof text, "fd00::%u", 1 + roll(6));
	assert_null(address_parse(&address, text));
	return address;
}

static bool runs_on(const struct workload *workload, const char *node)
{
	return workload != NULL && (node == NULL || strcmp(workload->node, node) == 0);
}

/* What a node must do with a flow: judge the sides whose workload, or pool, is its own. */
static bool expected(const struct world *world, const struct flow *flow, const char *node)
{
	struct verdict verdict = verdict_of(world, flow);
	if (node == NULL)
		return verdict.allowed;
	const struct node *self = inventory_node(world->inventory, node);
	bool source = runs_on(flow->from.workload, node), destination = runs_on(flow->to.workload, node);
	for (size_t i = 0; i < self->pool_count; i++) {
		source =
		    source || (flow->from.workload == NULL && prefix_contains(&self->pools[i], &flow->from.address));
		destination =
		    destination || (flow->to.workload == NULL && prefix_contains(&self->pools[i], &flow->to.address));
	}
	return (!source || verdict.egress.allowed) && (!destination || verdict.ingress.allowed);
}

static size_t compare_world(const char *text, size_t length)
{
	static const char *const nodes[] = {NULL, "n0", "n1"};
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend_add_text(&frontend, "random.yaml", text, length);
	frontend_finish(&frontend);
	if (diagnostics.errors > 0)
		diagnostics_print(&diagnostics, stderr, false);
	assert_int_equal(diagnostics.errors, 0);
	struct world world = {&frontend.policy, &frontend.inventory, NOW};
	const char *node = nodes[roll(3)];
	struct ruleset *ruleset = ruleset_lower(arena, &world, node, 1);
	size_t allowed = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		static const uint16_t ports[] = {80, 81, 53, 90, 91, 8080, 1, 65535, 55, 100, 101};
		uint8_t family = roll(2) ? 4 : 6;
		struct packet packet = {random_address(family), random_address(family),
					roll(3) ? IPPROTO_TCP : IPPROTO_UDP, ports[roll(11)]};
		struct flow flow = {.from = {.workload = inventory_at(world.inventory, &packet.source),
					     .has_address = true,
					     .address = packet.source},
				    .to = {.workload = inventory_at(world.inventory, &packet.destination),
					   .has_address = true,
					   .address = packet.destination},
				    .protocol = packet.protocol,
				    .port = packet.port};
		bool want = expected(&world, &flow, node), got = walk(ruleset, "g1", &packet) != DROP;
		allowed += want;
		if (want == got)
			continue;
		char a[ADDRESS_TEXT_SIZE], b[ADDRESS_TEXT_SIZE];
		print_error("%s\nnode %s: %s -> %s protocol %u port %u: the verdict is %s, the ruleset says %s\n", text,
			    node != NULL ? node : "-", address_format(&packet.source, a),
			    address_format(&packet.destination, b), packet.protocol, packet.port,
			    want ? "allow" : "deny", got ? "allow" : "deny");
		fail();
	}
	arena_free(arena);
	return allowed;
}

static void the_ruleset_does_what_the_verdict_says(void **state)
{
	(void)state;
	size_t allowed = 0;
	for (unsigned i = 0; i < POLICIES; i++) {
		char *text = NULL;
		size_t size = 0;
		seed = 0x9e3779b97f4a7c15 * (i + 1);
		FILE *out = open_memstream(&text, &size);
		assert_non_null(out);
		print_world(out);
		fclose(out);
		allowed += compare_world(text, size);
		free(text);
	}
	print_message("# %d policies, %d flows, %zu of them allowed, 0 disagreements\n", POLICIES, POLICIES * FLOWS,
		      allowed);
	/* Both answers must be common, or the comparison says little. */
	assert_in_range(allowed, POLICIES * FLOWS / 10, POLICIES * FLOWS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_ruleset_does_what_the_verdict_says)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
