/* A ruleset that has one of everything, to the kernel and back, and as text through nft: all three ways must agree.
 *
 * Runs in a network namespace of its own, and needs root for that; without it the tests are skipped. */
#include "compiler/ruleset/netlink.h"

#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <netinet/in.h>

enum { MANY = 200000, LIST_SIZE = 1 << 18, NFPROTO_SIX = 10 };

/* ---- a ruleset with one of everything ---- */

struct making {
	struct arena *arena;
	struct ruleset *ruleset;
	struct chain *chain;
	struct rule *rule;
};

static const char *own(struct making *m, const char *name)
{
	return arena_printf(m->arena, "g%u_%s", m->ruleset->generation, name);
}

static struct set *add_set(struct making *m, const char *name, enum key_type key, uint32_t size)
{
	struct set *set = arena_alloc(m->arena, sizeof *set);
	snprintf(set->name, sizeof set->name, "%s", own(m, name));
	set->key = key;
	set->size = size;
	*arena_push(m->arena, m->ruleset->sets, m->ruleset->set_count) = set;
	return set;
}

static void write_part(uint8_t *to, const struct key_form *form, size_t part, const char *text)
{
	uint16_t port;
	uint64_t cgroup;
	switch (form->kinds[part]) {
	case PART_ADDRESS4:
		assert_int_equal(inet_pton(AF_INET, text, to), 1);
		break;
	case PART_ADDRESS6:
		assert_int_equal(inet_pton(AF_INET6, text, to), 1);
		break;
	case PART_PROTOCOL:
		*to = (uint8_t)atoi(text);
		break;
	case PART_PORT:
		port = htons((uint16_t)atoi(text));
		memcpy(to, &port, sizeof port);
		break;
	case PART_INTERFACE:
		memcpy(to, text, strlen(text));
		break;
	case PART_CGROUP:
		cgroup = strtoull(text, NULL, 10);
		memcpy(to, &cgroup, sizeof cgroup);
		break;
	}
}

/* `text`: parts with blanks between them, each FIRST or FIRST~LAST. */
static struct element *add_element(struct making *m, struct set *set, const char *text)
{
	const struct key_form *form = &key_forms[set->key];
	struct element *element = arena_push(m->arena, set->elements, set->element_count);
	char *copy = arena_copy(m->arena, text, strlen(text)), *rest = NULL;
	char *word = strtok_r(copy, " ", &rest);
	for (size_t i = 0, at = 0; i < form->parts; i++, word = strtok_r(NULL, " ", &rest)) {
		assert_non_null(word);
		char *last = strchr(word, '~');
		if (last != NULL)
			*last++ = 0;
		write_part(element->key + at, form, i, word);
		write_part(element->end + at, form, i, last != NULL ? last : word);
		at += (form->sizes[i] + 3U) / 4 * 4;
	}
	return element;
}

static struct chain *add_chain(struct making *m, const char *name)
{
	struct chain *chain = arena_alloc(m->arena, sizeof *chain);
	snprintf(chain->name, sizeof chain->name, "%s", name);
	*arena_push(m->arena, m->ruleset->chains, m->ruleset->chain_count) = chain;
	m->chain = chain;
	return chain;
}

static struct rule *add_rule(struct making *m)
{
	m->rule = arena_push(m->arena, m->chain->rules, m->chain->rule_count);
	return m->rule;
}

static struct statement *add(struct making *m, enum statement_kind kind)
{
	struct statement *statement = arena_push(m->arena, m->rule->statements, m->rule->statement_count);
	statement->kind = kind;
	return statement;
}

static struct statement *match(struct making *m, enum statement_kind kind, enum field field, const void *value,
			       size_t size)
{
	struct statement *statement = add(m, kind);
	statement->fields[0] = field;
	statement->field_count = 1;
	memcpy(statement->value, value, size);
	return statement;
}

static void match_byte(struct making *m, enum statement_kind kind, enum field field, uint8_t value)
{
	match(m, kind, field, &value, 1);
}

static void match_address(struct making *m, enum statement_kind kind, enum field field, const char *text,
			  uint8_t prefix)
{
	uint8_t value[16] = {0};
	bool four = field_forms[field].size == 4;
	assert_int_equal(inet_pton(four ? AF_INET : AF_INET6, text, value), 1);
	match(m, kind, field, value, four ? 4 : 16)->prefix = prefix;
}

static void look_up(struct making *m, enum statement_kind kind, const struct set *set, size_t count,
		    const enum field *fields)
{
	struct statement *statement = add(m, kind);
	memcpy(statement->fields, fields, count * sizeof *fields);
	statement->field_count = (uint8_t)count;
	memcpy(statement->set, set->name, sizeof statement->set);
}

static void finish(struct making *m, enum statement_kind verdict, const char *chain)
{
	add(m, verdict)->text = chain;
}

static void fill_sets(struct making *m, int64_t at)
{
	struct set *set;
	set = add_set(m, "one4", KEY_ADDRESS4, 64);
	add_element(m, set, "10.0.0.1");
	add_element(m, set, "10.0.0.2");
	set = add_set(m, "one6", KEY_ADDRESS6, 0);
	add_element(m, set, "2001:db8::1");
	set = add_set(m, "pair4", KEY_PAIR4, 64);
	add_element(m, set, "10.0.0.1 10.0.0.1");
	set = add_set(m, "pair6", KEY_PAIR6, 64);
	add_element(m, set, "fd00::1 fd00::2");
	set = add_set(m, "port4", KEY_PORT4, 64);
	add_element(m, set, "10.0.0.1 6 80");
	add_element(m, set, "10.0.0.1 132 7");
	set = add_set(m, "port6", KEY_PORT6, 64);
	add_element(m, set, "fd00::1 17 53");
	set = add_set(m, "interfaces", KEY_INTERFACE, 64);
	add_element(m, set, "veth-a");
	add_element(m, set, "end*");
	set = add_set(m, "guard4", KEY_GUARD4, 64);
	add_element(m, set, "veth-a 10.0.0.1");
	set = add_set(m, "guard6", KEY_GUARD6, 64);
	add_element(m, set, "veth-a fd00::1");
	/* Intervals: neighbours, one address, one that is no prefix, and one up to the very last. */
	set = add_set(m, "ranges4", KEY_ADDRESS4, 0);
	set->interval = true;
	add_element(m, set, "0.0.0.0~0.255.255.255");
	add_element(m, set, "10.0.0.0~10.0.0.255");
	add_element(m, set, "10.0.2.1");
	add_element(m, set, "10.0.3.1~10.0.3.9");
	add_element(m, set, "240.0.0.0~255.255.255.255");
	set = add_set(m, "ranges6", KEY_ADDRESS6, 0);
	set->interval = true;
	add_element(m, set, "2001:db8::~2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
	add_element(m, set, "fd00::1~fd00::3");
	add_element(m, set, "fff0::~ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	set = add_set(m, "all4", KEY_ADDRESS4, 0);
	set->interval = true;
	add_element(m, set, "0.0.0.0~255.255.255.255");
	set = add_set(m, "all6", KEY_ADDRESS6, 0);
	set->interval = true;
	add_element(m, set, "::~ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	set = add_set(m, "edges4", KEY_ADDRESS4, 0);
	set->interval = true;
	add_element(m, set, "0.0.0.0");
	add_element(m, set, "255.255.255.255");
	set = add_set(m, "edges6", KEY_ADDRESS6, 0);
	set->interval = true;
	add_element(m, set, "::");
	add_element(m, set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	set = add_set(m, "ports4", KEY_PORT4, 0);
	set->interval = true;
	add_element(m, set, "10.1.0.0~10.1.255.255 6 443");
	add_element(m, set, "10.1.0.1 17 100~200");
	add_element(m, set, "0.0.0.0~255.255.255.255 1 2048~2303");
	set = add_set(m, "ports6", KEY_PORT6, 0);
	set->interval = true;
	add_element(m, set, "fd00::~fd00::ffff 6 0~65535");
	set = add_set(m, "until4", KEY_PORT4, 0);
	set->timeout = true;
	add_element(m, set, "10.0.0.9 6 80")->expires = at + 3600;
	add_element(m, set, "10.0.0.9 6 81");
	set = add_set(m, "until6", KEY_PORT6, 0);
	set->timeout = set->interval = true;
	add_element(m, set, "fd00::9 6 80~90")->expires = at + 100LL * 365 * 86400;
	set = add_set(m, "away4", KEY_ADDRESS4, 64);
	set->map = true;
	add_element(m, set, "10.0.0.1")->chain = own(m, "fields");
	add_element(m, set, "10.0.0.2")->chain = own(m, "deny");
	set = add_set(m, "away6", KEY_ADDRESS6, 64);
	set->map = true;
	add_element(m, set, "fd00::1")->chain = own(m, "fields");
}

static const struct set *set_of(const struct making *m, const char *name)
{
	const struct set *set = ruleset_set(m->ruleset, arena_printf(m->arena, "g%u_%s", m->ruleset->generation, name));
	assert_non_null(set);
	return set;
}

/* Every field, compared. */
static void fill_fields(struct making *m)
{
	static const struct {
		enum field field;
		const char *address;
		uint8_t prefix;
	} addresses[] = {
	    {FIELD_IP_SADDR, "10.0.0.1", 0},	    {FIELD_IP_DADDR, "10.0.0.2", 0},
	    {FIELD_IP6_SADDR, "fd00::1", 0},	    {FIELD_IP6_DADDR, "fd00::2", 0},
	    {FIELD_CT_SOURCE4, "10.0.0.3", 0},	    {FIELD_CT_SOURCE6, "fd00::3", 0},
	    {FIELD_CT_DESTINATION4, "10.0.0.4", 0}, {FIELD_CT_DESTINATION6, "fd00::4", 0},
	    {FIELD_IP_SADDR, "127.0.0.0", 8},	    {FIELD_IP_DADDR, "172.16.0.0", 12},
	    {FIELD_IP6_SADDR, "fe80::", 10},	    {FIELD_IP6_DADDR, "ff02::", 16},
	    {FIELD_CT_SOURCE4, "10.0.0.0", 8},	    {FIELD_CT_DESTINATION6, "fd00::", 7},
	};
	const uint16_t port = htons(8080);
	char interface[16] = "veth-a";
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		add_rule(m);
		match_address(m, addresses[i].prefix != 0 ? STATEMENT_PREFIX : STATEMENT_EQUAL, addresses[i].field,
			      addresses[i].address, addresses[i].prefix);
		add(m, STATEMENT_COUNTER);
	}
	add_rule(m);
	match(m, STATEMENT_UNEQUAL, FIELD_IIFNAME, interface, sizeof interface);
	match_byte(m, STATEMENT_EQUAL, FIELD_NFPROTO, NFPROTO_SIX);
	match_byte(m, STATEMENT_EQUAL, FIELD_L4PROTO, IPPROTO_TCP);
	finish(m, STATEMENT_DROP, NULL);
	add_rule(m);
	match_byte(m, STATEMENT_EQUAL, FIELD_ICMPV6_TYPE, 135);
	match_byte(m, STATEMENT_EQUAL, FIELD_IP6_HOPLIMIT, 255);
	finish(m, STATEMENT_ACCEPT, NULL);
	add_rule(m);
	match_byte(m, STATEMENT_EQUAL, FIELD_L4PROTO, IPPROTO_ICMPV6);
	match_byte(m, STATEMENT_EQUAL, FIELD_ICMPV6_TYPE, 136);
	match_address(m, STATEMENT_PREFIX, FIELD_IP6_DADDR, "ff02::", 16);
	finish(m, STATEMENT_RETURN, NULL);
	add_rule(m);
	match_byte(m, STATEMENT_EQUAL, FIELD_CT_PROTOCOL, IPPROTO_UDP);
	match_byte(m, STATEMENT_EQUAL, FIELD_L4PROTO, IPPROTO_UDP);
	match(m, STATEMENT_EQUAL, FIELD_CT_PORT, &port, sizeof port);
	finish(m, STATEMENT_RETURN, NULL);
	add_rule(m);
	match_byte(m, STATEMENT_EQUAL, FIELD_NFPROTO, NFPROTO_IPV4);
	match_address(m, STATEMENT_EQUAL, FIELD_CT_SOURCE4, "10.0.0.3", 0);
	add(m, STATEMENT_COUNTER);
	add_rule(m);
	match_address(m, STATEMENT_NOT_PREFIX, FIELD_CT_SOURCE4, "10.0.0.0", 8);
	match_address(m, STATEMENT_NOT_PREFIX, FIELD_CT_SOURCE4, "172.16.0.0", 12);
	match_address(m, STATEMENT_NOT_PREFIX, FIELD_CT_SOURCE4, "192.0.2.1", 32);
	finish(m, STATEMENT_RETURN, NULL);
	add_rule(m);
	match_address(m, STATEMENT_NOT_PREFIX, FIELD_CT_DESTINATION6, "fd00::", 7);
	match_address(m, STATEMENT_NOT_PREFIX, FIELD_IP6_DADDR, "ff02::", 16);
	finish(m, STATEMENT_RETURN, NULL);
	memcpy(interface, "end*\0", sizeof "end*\0");
	add_rule(m);
	match(m, STATEMENT_EQUAL, FIELD_IIFNAME, interface, sizeof interface);
	match_address(m, STATEMENT_UNEQUAL, FIELD_IP_SADDR, "10.0.0.1", 0);
	add(m, STATEMENT_COUNTER);
}

static void fill_lookups(struct making *m)
{
	static const struct {
		const char *set;
		enum field fields[3];
		size_t count;
		uint8_t l4proto;
	} lookups[] = {
	    {"one4", {FIELD_IP_SADDR}, 1, 0},
	    {"one6", {FIELD_IP6_DADDR}, 1, 0},
	    {"pair4", {FIELD_CT_SOURCE4, FIELD_CT_DESTINATION4}, 2, 0},
	    {"pair6", {FIELD_IP6_SADDR, FIELD_CT_DESTINATION6}, 2, 0},
	    {"port4", {FIELD_CT_DESTINATION4, FIELD_CT_PROTOCOL, FIELD_CT_PORT}, 3, IPPROTO_TCP},
	    {"port6", {FIELD_CT_DESTINATION6, FIELD_L4PROTO, FIELD_CT_PORT}, 3, IPPROTO_UDP},
	    {"ports4", {FIELD_CT_SOURCE4, FIELD_CT_PROTOCOL, FIELD_CT_PORT}, 3, IPPROTO_ICMP},
	    {"ports6", {FIELD_CT_SOURCE6, FIELD_CT_PROTOCOL, FIELD_CT_PORT}, 3, IPPROTO_SCTP},
	    {"until4", {FIELD_CT_SOURCE4, FIELD_CT_PROTOCOL, FIELD_CT_PORT}, 3, IPPROTO_TCP},
	    {"until6", {FIELD_CT_SOURCE6, FIELD_CT_PROTOCOL, FIELD_CT_PORT}, 3, IPPROTO_TCP},
	    {"interfaces", {FIELD_IIFNAME}, 1, 0},
	    {"guard4", {FIELD_IIFNAME, FIELD_IP_SADDR}, 2, 0},
	    {"guard6", {FIELD_IIFNAME, FIELD_IP6_SADDR}, 2, 0},
	    {"ranges4", {FIELD_IP_DADDR}, 1, 0},
	    {"ranges6", {FIELD_CT_SOURCE6}, 1, 0},
	    {"all4", {FIELD_CT_DESTINATION4}, 1, 0},
	    {"all6", {FIELD_IP6_SADDR}, 1, 0},
	    {"edges4", {FIELD_IP_SADDR}, 1, 0},
	    {"edges6", {FIELD_IP6_DADDR}, 1, 0},
	};
	static const enum field source4[] = {FIELD_CT_SOURCE4}, source6[] = {FIELD_CT_SOURCE6};
	for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++) {
		add_rule(m)->comment = "policy/shop.yaml:12";
		if (lookups[i].l4proto != 0)
			match_byte(m, STATEMENT_EQUAL, FIELD_L4PROTO, lookups[i].l4proto);
		look_up(m, i % 3 == 2 ? STATEMENT_NOT_IN : STATEMENT_IN, set_of(m, lookups[i].set), lookups[i].count,
			lookups[i].fields);
		finish(m, STATEMENT_GOTO, own(m, "deny"));
	}
	add_rule(m);
	look_up(m, STATEMENT_MAP, set_of(m, "away4"), 1, source4);
	add_rule(m);
	look_up(m, STATEMENT_MAP, set_of(m, "away6"), 1, source6);
}

/* The rest of the statements; texts try to break out of their quotes. */
static void fill_deny(struct making *m)
{
	static const uint32_t states[] = {1, 64, 1 | 64, 2 | 4 | 8};
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		add_rule(m);
		match(m, STATEMENT_BITS, FIELD_CT_STATE, &states[i], sizeof states[i]);
		add(m, STATEMENT_COUNTER);
	}
	add_rule(m)->comment =
	    "x\" ; accept ; # \n$y {and as long as it can be made, which is more than there is room for in a "
	    "comment, 0123456789 0123456789 0123456789}";
	struct statement *limit = add(m, STATEMENT_LIMIT);
	limit->rate = 10;
	limit->burst = 7;
	add(m, STATEMENT_LOG)->text = "ringfence deny \"egress\" shop/web a~b.yaml:12 ";
	add_rule(m);
	add(m, STATEMENT_COUNTER);
	finish(m, STATEMENT_DROP, NULL);
}

static struct ruleset *sample(struct arena *arena, uint32_t generation, int64_t at)
{
	static const struct {
		const char *name;
		uint32_t hook;
	} bases[] = {{"forward", NF_INET_FORWARD}, {"input", NF_INET_LOCAL_IN}, {"output", NF_INET_LOCAL_OUT}};
	struct making m = {.arena = arena, .ruleset = arena_alloc(arena, sizeof *m.ruleset)};
	m.ruleset->generation = generation;
	m.ruleset->at = at;
	fill_sets(&m, at);
	add_chain(&m, own(&m, "lookups"));
	fill_lookups(&m);
	add_chain(&m, own(&m, "fields"));
	fill_fields(&m);
	add_chain(&m, own(&m, "deny"));
	fill_deny(&m);
	add_chain(&m, arena_printf(arena, "g%u", generation));
	add_rule(&m);
	finish(&m, STATEMENT_JUMP, own(&m, "lookups"));
	add_chain(&m, "dispatch")->fixed = true;
	add_rule(&m);
	finish(&m, STATEMENT_GOTO, arena_printf(arena, "g%u", generation));
	for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
		struct chain *chain = add_chain(&m, bases[i].name);
		chain->base = chain->fixed = true;
		chain->hook = bases[i].hook;
		add_rule(&m);
		finish(&m, STATEMENT_JUMP, "dispatch");
	}
	ruleset_sort(m.ruleset);
	return m.ruleset;
}

/* ---- the kernel ---- */

struct fixture {
	struct arena *arena;
	struct kernel *kernel;
	int64_t at;
	const char *missing; /* why the tests cannot run, or NULL */
};

static int enter(void **state)
{
	static struct fixture fixture;
	fixture.arena = arena_create();
	fixture.at = time(NULL);
	if (unshare(CLONE_NEWNET) != 0)
		fixture.missing = "no network namespace can be made: not root";
	else if (kernel_open(&fixture.kernel) != 0)
		fixture.missing = "no netlink socket";
	*state = &fixture;
	return 0;
}

static int leave(void **state)
{
	struct fixture *fixture = *state;
	kernel_close(fixture->kernel);
	arena_free(fixture->arena);
	return 0;
}

static void need_kernel(const struct fixture *f)
{
	if (f->missing != NULL) {
		print_message("skipped: %s\n", f->missing);
		skip();
	}
}

static void nft(const char *command)
{
	char line[512];
	snprintf(line, sizeof line, "nft '%s'", command);
	assert_int_equal(system(line), 0);
}

/* What nft lists, with the time that is left of timeouts taken out. */
static char *list(struct fixture *f)
{
	char *text = arena_alloc(f->arena, LIST_SIZE);
	FILE *stream = popen("nft list table inet ringfence | sed 's/ expires [0-9dhms]*//'", "r");
	assert_non_null(stream);
	assert_true(fread(text, 1, LIST_SIZE - 1, stream) > 0);
	assert_int_equal(pclose(stream), 0);
	return text;
}

static void load_text(const struct ruleset *ruleset, int64_t at)
{
	FILE *stream = popen("nft -f -", "w");
	assert_non_null(stream);
	ruleset_print(stream, ruleset, at);
	assert_int_equal(pclose(stream), 0);
}

static void apply(struct fixture *f, const struct ruleset *actual, const struct ruleset *desired)
{
	struct answer answer = kernel_apply(f->kernel, plan_make(f->arena, actual, desired), f->at);
	if (answer.error != 0)
		print_message("refused: %s (%d)\n", answer.object, answer.error);
	assert_int_equal(answer.error, 0);
}

static struct ruleset *read_back(struct fixture *f)
{
	struct ruleset *actual = NULL;
	assert_int_equal(kernel_read(f->kernel, f->arena, time(NULL), &actual), 0);
	return actual;
}

static void expect_same_elements(const struct set *a, const struct set *b)
{
	assert_int_equal(a->element_count, b->element_count);
	for (size_t i = 0; i < a->element_count; i++) {
		const struct element *x = &a->elements[i], *y = &b->elements[i];
		assert_memory_equal(x->key, y->key, sizeof x->key);
		assert_memory_equal(x->end, y->end, sizeof x->end);
		assert_int_equal(x->chain == NULL, y->chain == NULL);
		if (x->chain != NULL)
			assert_string_equal(x->chain, y->chain);
		assert_int_equal(x->expires == 0, y->expires == 0);
		/* Sent as what is left at the fixture's `at`, which may be long ago on a busy machine. */
		assert_in_range(x->expires - y->expires + 60, 0, 120);
	}
}

static void expect_same(const struct ruleset *actual, const struct ruleset *desired)
{
	assert_int_equal(actual->generation, desired->generation);
	assert_int_equal(actual->set_count, desired->set_count);
	assert_int_equal(actual->chain_count, desired->chain_count);
	for (size_t i = 0; i < desired->set_count; i++) {
		const struct set *a = ruleset_set(actual, desired->sets[i]->name), *b = desired->sets[i];
		assert_non_null(a);
		if (a->key != b->key || a->map != b->map || a->interval != b->interval || a->timeout != b->timeout ||
		    a->size != b->size || a->element_count != b->element_count)
			fail_msg("set %s came back as another", b->name);
		expect_same_elements(a, b);
	}
	for (size_t i = 0; i < desired->chain_count; i++) {
		const struct chain *a = ruleset_chain(actual, desired->chains[i]->name), *b = desired->chains[i];
		assert_non_null(a);
		assert_true(a->base == b->base && a->hook == b->hook && a->fixed == b->fixed);
		assert_int_equal(a->rule_count, b->rule_count);
		for (size_t j = 0; j < b->rule_count; j++) {
			if (rule_equal(&a->rules[j], &b->rules[j]) && rule_equal(&b->rules[j], &a->rules[j]))
				continue;
			fputs("want: ", stdout);
			rule_print(stdout, desired, &b->rules[j]);
			fputs("\nhave: ", stdout);
			rule_print(stdout, actual, &a->rules[j]);
			fail_msg("\nrule %zu of chain %s came back as another", j + 1, b->name);
		}
	}
}

/* ---- what is true ---- */

static void what_is_sent_comes_back(void **state)
{
	struct fixture *f = *state;
	need_kernel(f);
	struct ruleset *desired = sample(f->arena, 7, f->at);
	assert_int_equal(read_back(f)->chain_count, 0);
	apply(f, NULL, desired);
	struct ruleset *actual = read_back(f);
	expect_same(actual, desired);
	assert_true(plan_fits_generation(actual, desired));
	assert_int_equal(plan_make(f->arena, actual, desired)->count, 0);
}

static void no_two_rules_of_a_chain_are_equal(void **state)
{
	struct fixture *f = *state;
	struct ruleset *ruleset = sample(f->arena, 7, f->at);
	for (size_t i = 0; i < ruleset->chain_count; i++)
		for (size_t j = 0; j < ruleset->chains[i]->rule_count; j++)
			for (size_t k = 0; k < j; k++)
				assert_false(rule_equal(&ruleset->chains[i]->rules[j], &ruleset->chains[i]->rules[k]));
}

static void text_and_netlink_list_the_same(void **state)
{
	struct fixture *f = *state;
	need_kernel(f);
	struct ruleset *desired = sample(f->arena, 7, f->at);
	nft("add table inet ringfence; delete table inet ringfence");
	apply(f, NULL, desired);
	char *sent = list(f);
	load_text(desired, f->at);
	char *loaded = list(f);
	if (strcmp(sent, loaded) != 0)
		print_message("--- netlink\n%s\n--- text\n%s\n", sent, loaded);
	assert_string_equal(sent, loaded);
	expect_same(read_back(f), desired);
}

static void apply_one(struct fixture *f, struct operation operation, const char *expected)
{
	struct transaction transaction = {&operation, 1, false};
	struct plan plan = {.transactions = {transaction}, .count = 1};
	struct answer answer = kernel_apply(f->kernel, &plan, f->at);
	assert_true(answer.error < 0);
	if (strstr(answer.object, expected) == NULL)
		fail_msg("\"%s\" does not name %s", answer.object, expected);
}

static void a_refusal_names_its_object_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	need_kernel(f);
	struct ruleset *before = read_back(f);
	struct making m = {.arena = f->arena, .ruleset = before};
	struct set map = {.name = "g7_away4", .key = KEY_ADDRESS4, .map = true};
	for (int i = 0; i < 9; i++)
		add_element(&m, &map, arena_printf(f->arena, "10.9.9.%d", i))->chain = i == 5 ? "nowhere" : "g7_deny";
	apply_one(f,
		  (struct operation){.kind = OPERATION_ADD_ELEMENTS,
				     .name = "g7_away4",
				     .set = &map,
				     .elements = map.elements,
				     .element_count = map.element_count},
		  "10.9.9.5");
	m.ruleset = sample(f->arena, 7, f->at);
	struct chain *chain = add_chain(&m, "g7_deny");
	add_rule(&m);
	finish(&m, STATEMENT_ACCEPT, NULL);
	add_rule(&m);
	finish(&m, STATEMENT_JUMP, "nowhere");
	apply_one(f, (struct operation){.kind = OPERATION_ADD_RULES, .name = "g7_deny", .chain = chain},
		  "rule 2 of chain g7_deny");
	apply_one(f, (struct operation){.kind = OPERATION_DELETE_CHAIN, .name = "g7_deny"}, "chain g7_deny");
	apply_one(f, (struct operation){.kind = OPERATION_DELETE_SET, .name = "g7_absent"}, "set g7_absent");
	expect_same(read_back(f), before);
}

static void what_others_change_is_seen_and_put_right(void **state)
{
	static const char *const tampering[] = {
	    "insert rule inet ringfence g7_deny meta nfproto ipv6 counter",
	    "add rule inet ringfence g7_deny ip saddr { 1.2.3.4, 5.6.7.8 } accept",
	    "add rule inet ringfence g7_deny tcp dport 22 accept",
	    "add rule inet ringfence g7_deny ct mark 7 accept",
	    "insert rule inet ringfence g7_deny meta l4proto tcp counter drop",
	    "add element inet ringfence g7_one4 { 10.7.7.7 }",
	    "add chain inet ringfence stranger",
	    "add set inet ringfence stranger { type inet_service; }",
	    "add map inet ringfence stranger_map { type ipv4_addr : mark; }",
	    "add chain inet ringfence late { type filter hook forward priority 10; }",
	    "flush chain inet ringfence dispatch",
	    "flush table inet ringfence",
	};
	struct fixture *f = *state;
	need_kernel(f);
	for (size_t i = 0; i < sizeof tampering / sizeof *tampering; i++) {
		struct ruleset *desired = sample(f->arena, 7, f->at), *actual;
		nft("add table inet ringfence; delete table inet ringfence");
		apply(f, NULL, desired);
		nft(tampering[i]);
		actual = read_back(f);
		if (!plan_fits_generation(actual, desired))
			desired = sample(f->arena, 8, f->at);
		if (plan_make(f->arena, actual, desired)->count == 0)
			fail_msg("not seen: %s", tampering[i]);
		apply(f, actual, desired);
		expect_same(read_back(f), desired);
	}
}

/* Elements of every kind of set: all of it goes, half of it goes, and it comes back. */
static void elements_come_and_go_by_plan(void **state)
{
	struct fixture *f = *state;
	need_kernel(f);
	nft("add table inet ringfence; delete table inet ringfence");
	apply(f, NULL, sample(f->arena, 7, f->at));
	for (size_t step = 0; step < 4; step++) {
		struct ruleset *actual = read_back(f), *desired = sample(f->arena, 7, f->at);
		size_t changed = 0;
		for (size_t i = 0; i < desired->set_count && step < 3; i++) {
			struct set *set = desired->sets[i];
			size_t kept = step == 0 ? 0 : step == 1 ? (set->element_count + 1) / 2 : set->element_count / 2;
			changed += set->element_count - kept;
			set->elements += step == 2 ? set->element_count - kept : 0;
			set->element_count = kept;
		}
		struct plan *plan = plan_make(f->arena, actual, desired);
		assert_int_equal(plan->count, 1);
		for (size_t i = 0; i < plan->transactions[0].count; i++)
			assert_true(plan->transactions[0].operations[i].kind == OPERATION_ADD_ELEMENTS ||
				    plan->transactions[0].operations[i].kind == OPERATION_DELETE_ELEMENTS);
		if (step == 0) {
			assert_int_equal(plan->elements_deleted, changed);
			assert_int_equal(plan->elements_added, 0);
		}
		apply(f, actual, desired);
		expect_same(read_back(f), desired);
	}
}

/* Rules whose listing nearly is that of ours, but that do not do the same. */
static void a_rule_that_checks_more_is_not_ours(void **state)
{
	struct fixture *f = *state;
	need_kernel(f);
	struct ruleset *desired = sample(f->arena, 7, f->at);
	struct chain *deny = ruleset_chain(desired, "g7_deny");
	nft("add table inet ringfence; delete table inet ringfence");
	apply(f, NULL, desired);
	nft("flush chain inet ringfence g7_deny");
	nft("add rule inet ringfence g7_deny meta nfproto ipv6 counter drop");
	struct ruleset *actual = read_back(f);
	assert_int_equal(ruleset_chain(actual, "g7_deny")->rule_count, 1);
	assert_false(rule_equal(&ruleset_chain(actual, "g7_deny")->rules[0], &deny->rules[deny->rule_count - 1]));
}

static void many_elements_load_in_one_batch(void **state)
{
	struct fixture *f = *state;
	need_kernel(f);
	struct making m = {.arena = f->arena, .ruleset = arena_alloc(f->arena, sizeof *m.ruleset)};
	m.ruleset->generation = 9;
	m.ruleset->at = f->at;
	struct set *set = add_set(&m, "many", KEY_PORT4, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		struct element *element = arena_push(f->arena, set->elements, set->element_count);
		uint32_t address = htonl(0x0a000000 + i);
		memcpy(element->key, &address, sizeof address);
		element->key[4] = IPPROTO_TCP;
		element->key[9] = 80;
		memcpy(element->end, element->key, sizeof element->end);
	}
	nft("add table inet ringfence; delete table inet ringfence");
	apply(f, NULL, m.ruleset);
	struct ruleset *actual = read_back(f);
	assert_int_equal(actual->sets[0]->element_count, MANY);
	expect_same_elements(actual->sets[0], set);
	/* And a batch of which every message is refused still has an answer. */
	struct set absent = *set;
	memcpy(absent.name, "g9_absent", sizeof "g9_absent");
	apply_one(f,
		  (struct operation){.kind = OPERATION_ADD_ELEMENTS,
				     .name = "g9_absent",
				     .set = &absent,
				     .elements = set->elements,
				     .element_count = MANY},
		  "g9_absent");
	assert_int_equal(read_back(f)->sets[0]->element_count, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_sent_comes_back),
	    cmocka_unit_test(no_two_rules_of_a_chain_are_equal),
	    cmocka_unit_test(text_and_netlink_list_the_same),
	    cmocka_unit_test(a_refusal_names_its_object_and_changes_nothing),
	    cmocka_unit_test(what_others_change_is_seen_and_put_right),
	    cmocka_unit_test(elements_come_and_go_by_plan),
	    cmocka_unit_test(a_rule_that_checks_more_is_not_ours),
	    cmocka_unit_test(many_elements_load_in_one_batch),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
