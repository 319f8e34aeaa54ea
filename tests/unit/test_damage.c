/* What is wrong with a table, in the policy's terms: each damage by hand to a ruleset of a real lowering. */
#include <ringfence/damage.h>
#include <ringfence/lowering.h>

#include "tests/unit/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY                                                                                                         \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                                                  \
	"  web: {workloads: {app: web}, ports: {http: 8080/tcp}}\n"                                                    \
	"  api: {workloads: {app: api}, ports: {http: 8080/tcp}}\n"                                                    \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                                                       \
	"networks: {payments: [203.0.113.0/24]}\n"                                                                     \
	"allow:\n  - {from: web, to: api}\n  - {from: api, to: db}\n  - {from: api, to: payments, ports: [443/tcp]}\n" \
	"  - {from: web, to: db, until: 2027-02-01}\n  - {from: web, to: world, ports: [53/udp]}\n"                    \
	"---\nringfence: v1\nnodes:\n  node-a: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}\n"           \
	"workloads:\n"                                                                                                 \
	"  - {name: web-1, namespace: shop, node: node-a, labels: {app: web}, addresses: [10.0.1.11], interface: "     \
	"veth1}\n"                                                                                                     \
	"  - {name: api-1, namespace: shop, node: node-a, labels: {app: api}, addresses: [10.0.1.12]}\n"               \
	"  - {name: db-1, namespace: shop, node: node-a, labels: {app: db}, addresses: [10.0.1.13]}\n"                 \
	"  - {name: db-2, namespace: shop, node: node-a, labels: {app: db, hot: yes}, addresses: [10.0.1.14]}\n"       \
	"  - {name: far, namespace: shop, node: node-b, labels: {app: api}, addresses: [10.0.2.12]}\n"

/* The table as it is, and as it should be. */
struct trial {
	struct reading reading;
	struct world world;
	struct ruleset *actual, *wanted;
};

static void lower_table(struct trial *table)
{
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, table->reading.arena);
	table->wanted = ruleset_lower(table->reading.arena, &table->world, "node-a", 7, &diagnostics);
	table->actual = ruleset_lower(table->reading.arena, &table->world, "node-a", 7, &diagnostics);
	assert_non_null(table->wanted);
	table->actual->at = table->wanted->at = NOW;
}

static void make_table(struct trial *table, const char *policy)
{
	table->world = read_policy(&table->reading, "policy.yaml", policy);
	lower_table(table);
}

static char *words_of(struct trial *table, size_t most)
{
	char *text = NULL;
	size_t size = 0;
	struct arena *arena = table->reading.arena;
	ruleset_sort(table->actual);
	const struct plan *plan = plan_make(arena, table->actual, table->wanted);
	const struct damages damages =
	    plan_damages(arena, plan, table->actual, table->wanted, &table->world, "node-a", most);
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < damages.count; i++)
		fprintf(stream, "%s\n", damages.items[i].text);
	if (damages.left_out > 0)
		fprintf(stream, "and %zu more\n", damages.left_out);
	fclose(stream);
	return text;
}

/* The set whose name contains `part`. */
static struct set *set_of(const struct trial *table, const char *part)
{
	struct set *found = NULL;
	for (size_t i = 0; i < table->actual->set_count && found == NULL; i++)
		if (strstr(table->actual->sets[i]->name, part) != NULL)
			found = table->actual->sets[i];
	assert_non_null(found);
	return found;
}

static struct chain *chain_of(const struct trial *table, const char *part)
{
	struct chain *found = NULL;
	for (size_t i = 0; i < table->actual->chain_count && found == NULL; i++)
		if (strstr(table->actual->chains[i]->name, part) != NULL)
			found = table->actual->chains[i];
	assert_non_null(found);
	return found;
}

/* Appends a copy of the first element with another address at `at` of its key. */
static struct element *add_element(struct trial *table, struct set *set, size_t at, const char *address)
{
	struct element *elements = arena_alloc(table->reading.arena, (set->element_count + 1) * sizeof *elements);
	memcpy(elements, set->elements, set->element_count * sizeof *elements);
	struct element *added = &elements[set->element_count++];
	*added = elements[0];
	assert_int_equal(inet_pton(AF_INET, address, added->key + at), 1);
	memcpy(added->end, added->key, sizeof added->end);
	set->elements = elements;
	return added;
}

static void remove_first(struct set *set)
{
	assert_true(set->element_count > 0);
	set->elements++;
	set->element_count--;
}

static void remove_address(struct set *set, const char *address)
{
	uint8_t bytes[4];
	assert_int_equal(inet_pton(AF_INET, address, bytes), 1);
	for (size_t i = 0; i < set->element_count; i++)
		if (memcmp(set->elements[i].key, bytes, sizeof bytes) == 0) {
			memmove(&set->elements[i], &set->elements[i + 1],
				(set->element_count - i - 1) * sizeof *set->elements);
			set->element_count--;
			return;
		}
	fail_msg("%s is not in %s", address, set->name);
}

static void put_rule(struct trial *table, struct chain *chain, const struct rule *rule)
{
	struct rule *rules = arena_alloc(table->reading.arena, (chain->rule_count + 1) * sizeof *rules);
	memcpy(rules + 1, chain->rules, chain->rule_count * sizeof *rules);
	rules[0] = *rule;
	chain->rules = rules;
	chain->rule_count++;
}

/* ---- each does one damage ---- */

static void do_nothing(struct trial *t)
{
	(void)t;
}

static void let_in(struct trial *t)
{
	add_element(t, set_of(t, "_in_db"), 0, "10.0.1.11");
}

static void let_stranger_in(struct trial *t)
{
	add_element(t, set_of(t, "_in_db"), 0, "198.51.100.9");
}

static void let_out(struct trial *t)
{
	add_element(t, set_of(t, "_out_api"), 0, "192.0.2.1");
}

static void shut_out(struct trial *t)
{
	remove_address(set_of(t, "_in_db"), "10.0.1.12");
}

static void open_other_port(struct trial *t)
{
	add_element(t, set_of(t, "_in_db"), 0, "10.0.1.12")->key[8] = 0;
	struct set *set = set_of(t, "_in_db");
	struct element *added = &set->elements[set->element_count - 1];
	added->key[9] = 22;
	memcpy(added->end, added->key, sizeof added->end);
}

static void open_network(struct trial *t)
{
	struct element *added = add_element(t, set_of(t, ".r4"), 0, "198.51.100.0");
	assert_int_equal(inet_pton(AF_INET, "198.51.100.127", added->end), 1);
}

static void prolong(struct trial *t)
{
	for (size_t i = 0; i < t->actual->set_count; i++)
		if (t->actual->sets[i]->timeout && t->actual->sets[i]->element_count > 0 &&
		    strstr(t->actual->sets[i]->name, "_in_db") != NULL)
			t->actual->sets[i]->elements[0].expires += 86400;
}

static void free_web(struct trial *t)
{
	remove_address(set_of(t, "_egress4"), "10.0.1.11");
}

static void disguise_web(struct trial *t)
{
	set_of(t, "_ingress4")->elements[0].chain = chain_of(t, "_in_db")->name;
}

static void rule_node(struct trial *t)
{
	add_element(t, set_of(t, "_egress4"), 0, "192.0.2.1");
}

static void befriend(struct trial *t)
{
	add_element(t, set_of(t, "_self4"), 4, "10.0.1.13");
}

static void spoof(struct trial *t)
{
	add_element(t, set_of(t, "_guard4"), 16, "10.0.1.13");
}

static void silence(struct trial *t)
{
	remove_first(set_of(t, "_guard4"));
}

static void unguard(struct trial *t)
{
	remove_first(set_of(t, "_guarded"));
}

static void drain_pool(struct trial *t)
{
	remove_first(set_of(t, "_pool4"));
}

static void know(struct trial *t)
{
	add_element(t, set_of(t, "_known4"), 0, "10.0.1.99");
}

static void forget(struct trial *t)
{
	remove_address(set_of(t, "_known4"), "10.0.1.13");
}

static void widen_world(struct trial *t)
{
	remove_address(set_of(t, "_inside4"), "10.0.1.13");
}

static void stray(struct trial *t)
{
	remove_address(set_of(t, "_local4"), "10.0.1.13");
}

static void flush_class(struct trial *t)
{
	chain_of(t, "_in_db")->rule_count = 0;
}

static void flush_sender(struct trial *t)
{
	chain_of(t, "_out_web")->rule_count = 0;
}

static void flush_forward(struct trial *t)
{
	chain_of(t, "forward")->rule_count = 0;
}

static void flush_deny(struct trial *t)
{
	chain_of(t, "_deny")->rule_count = 0;
}

static void flush_discovery(struct trial *t)
{
	chain_of(t, "_discovery")->rule_count = 0;
}

static void accept_all(struct trial *t)
{
	static struct statement accept = {.kind = STATEMENT_ACCEPT};
	put_rule(t, chain_of(t, "forward"), &(struct rule){&accept, 1, NULL});
}

static void accept_some(struct trial *t)
{
	static struct statement some[] = {
	    {.kind = STATEMENT_EQUAL, .fields = {FIELD_IP_SADDR}, .field_count = 1, .value = {198, 51, 100, 9}},
	    {.kind = STATEMENT_ACCEPT}};
	put_rule(t, chain_of(t, "_in_db"), &(struct rule){some, 2, NULL});
	chain_of(t, "_in_db")->rule_count--;
}

static void add_unreadable(struct trial *t)
{
	put_rule(t, chain_of(t, "_source4"), &(struct rule){NULL, 0, NULL});
}

static void reorder(struct trial *t)
{
	struct chain *chain = chain_of(t, "_out_web");
	struct rule first = chain->rules[0];
	memmove(chain->rules, chain->rules + 1, (chain->rule_count - 1) * sizeof first);
	chain->rules[chain->rule_count - 1] = first;
}

static void take_forward(struct trial *t)
{
	size_t kept = 0;
	for (size_t i = 0; i < t->actual->chain_count; i++)
		if (strcmp(t->actual->chains[i]->name, "forward") != 0)
			t->actual->chains[kept++] = t->actual->chains[i];
	t->actual->chain_count = kept;
}

static void take_table(struct trial *t)
{
	t->actual->chain_count = t->actual->set_count = 0;
}

static void add_chain(struct trial *t)
{
	struct chain *chain = arena_alloc(t->reading.arena, sizeof *chain);
	strcpy(chain->name, "back\033door");
	*arena_push(t->reading.arena, t->actual->chains, t->actual->chain_count) = NULL;
	t->actual->chains[t->actual->chain_count - 1] = chain;
}

static const struct {
	void (*damage)(struct trial *table);
	const char *words;
} cases[] = {
    {do_nothing, ""},
    {let_in, "opened: shop/web-1 (10.0.1.11) -> shop/db 5432/tcp (ingress)\n"},
    {let_stranger_in, "opened: 198.51.100.9 -> shop/db 5432/tcp (ingress)\n"},
    {let_out, "opened: shop/api -> node node-a (192.0.2.1) 5432/tcp (egress)\n"},
    {shut_out, "closed: shop/api-1 (10.0.1.12) -> shop/db 5432/tcp (ingress)\n"},
    {open_other_port, "opened: shop/api-1 (10.0.1.12) -> shop/db 22/tcp (ingress)\n"},
    {open_network, "opened: shop/api -> 198.51.100.0/25 443/tcp (egress)\n"},
    {prolong, "changed: when an allow ends, in set "},
    {free_web, "unguarded: shop/web-1 (10.0.1.11) has no rules (egress)\n"},
    {disguise_web, "changed: shop/web-1 (10.0.1.11) has the rules of shop/db (ingress)\n"},
    {rule_node, "closed: node node-a (192.0.2.1) has the rules of shop/web (egress)\n"},
    {befriend, "opened: shop/web-1 (10.0.1.11) -> shop/db-1 (10.0.1.13) any\n"},
    {spoof, "unguarded: shop/db-1 (10.0.1.13) may be sent from behind veth1\n"},
    {silence, "closed: shop/web-1 (10.0.1.11) may not be sent from behind veth1\n"},
    {unguard, "unguarded: interface veth1: any source address passes\n"},
    {drain_pool, "unguarded: 10.0.1.0/24: addresses that no source knows are open\n"},
    {know, "unguarded: 10.0.1.99: counts as known, though no source names it\n"},
    {forget, "closed: shop/db-1 (10.0.1.13): as if no source named it\n"},
    {widen_world, "opened: shop/db-1 (10.0.1.13): as a part of `world`\n"},
    {stray, "unguarded: shop/db-1 (10.0.1.13): where conntrack knows no flow\n"},
    {flush_class, "opened: any -> shop/db any (ingress)\n"},
    {flush_sender, "opened: shop/web -> any any (egress)\n"},
    {flush_forward, "opened: everything that this node forwards: its chain is empty\n"},
    {flush_deny, "opened: what every rule denies: its chain is empty\n"},
    {flush_discovery, "closed: neighbour discovery: its chain is empty\n"},
    {accept_all, "opened: everything that this node forwards: a rule lets all pass\n"},
    {accept_some, "changed: what may be received by shop/db: 1 missing, 1 added: ip saddr 198.51.100.9 accept\n"},
    {add_unreadable, "changed: what workloads send over IPv4, and from addresses that are not theirs: 0 missing, 1 "
		     "added: one that we do not read\n"},
    {reorder, "changed: what may be sent by shop/web: the order of the rules\n"},
    {take_forward, "opened: everything that this node forwards: the chain is gone\n"},
    {take_table, "opened: everything: the table is gone\n"},
    {add_chain, "foreign: chain back?door is none of ours\n"},
};

static void damages_are_told_in_the_policys_terms(void **state)
{
	bool good = true;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct trial table;
		make_table(&table, POLICY);
		cases[i].damage(&table);
		char *got = words_of(&table, 100);
		size_t length = strlen(cases[i].words);
		bool begins = length > 0 && cases[i].words[length - 1] != '\n';
		bool same = begins ? strncmp(got, cases[i].words, length) == 0 : strcmp(got, cases[i].words) == 0;
		if (!same)
			print_message("case %zu\nwant: %s\ngot:  %s\n", i, cases[i].words, got);
		good = good && same;
		free(got);
		arena_free(table.reading.arena);
	}
	assert_true(good);
}

/* ---- services of the node, told by their cgroups ---- */

#define UNITS                                                                                                   \
	"ringfence: v1\nnamespace: systemd\nservices:\n"                                                        \
	"  front: {workloads: {app: front}, ports: {http: 80/tcp}}\nallow:\n  - {from: front, to: any, ports: " \
	"[443/tcp]}\n"                                                                                          \
	"---\nringfence: v1\nnodes:\n  node-a: {addresses: [192.0.2.1]}\nworkloads:\n"                          \
	"  - {name: front, namespace: systemd, node: node-a, labels: {app: front}, cgroup: "                    \
	"system.slice/front.service}\n"

static void free_unit(struct trial *t)
{
	remove_first(set_of(t, "_cgroup_out2"));
}

static void pass_unit_by(struct trial *t)
{
	remove_first(set_of(t, "_cgroup2"));
}

static void judge_other_cgroup(struct trial *t)
{
	struct set *set = set_of(t, "_cgroup_out2");
	const uint64_t other = 88;
	struct element *added = add_element(t, set, 0, "0.0.0.0");
	memcpy(added->key, &other, sizeof other);
	memcpy(added->end, added->key, sizeof added->end);
}

static void flush_unit(struct trial *t)
{
	chain_of(t, "_out_front")->rule_count = 0;
}

static const struct {
	void (*damage)(struct trial *table);
	const char *words;
} unit_cases[] = {
    {free_unit, "unguarded: systemd/front has no rules (egress)\n"},
    {pass_unit_by, "unguarded: systemd/front: where conntrack knows no flow\n"},
    {judge_other_cgroup, "closed: cgroup 88 has the rules of systemd/front (egress)\n"},
    {flush_unit, "opened: systemd/front -> any any (egress)\n"},
};

static void damages_of_units_name_the_unit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof unit_cases / sizeof *unit_cases; i++) {
		struct trial table;
		table.world = read_policy(&table.reading, "policy.yaml", UNITS);
		table.world.inventory->workloads[0]->cgroup_id = 77;
		lower_table(&table);
		unit_cases[i].damage(&table);
		char *got = words_of(&table, 100);
		assert_string_equal(got, unit_cases[i].words);
		free(got);
		arena_free(table.reading.arena);
	}
}

static void what_is_much_is_counted(void **state)
{
	struct trial table;
	(void)state;
	make_table(&table, POLICY);
	struct set *set = set_of(&table, "_in_db");
	for (int i = 0; i < 20; i++) {
		char address[32];
		snprintf(address, sizeof address, "198.51.100.%d", i);
		add_element(&table, set, 0, address);
	}
	char *got = words_of(&table, 3);
	assert_string_equal(got, "opened: 198.51.100.0 -> shop/db 5432/tcp (ingress)\n"
				 "opened: 198.51.100.1 -> shop/db 5432/tcp (ingress)\n"
				 "opened: 198.51.100.2 -> shop/db 5432/tcp (ingress)\nand 17 more\n");
	free(got);
	arena_free(table.reading.arena);
}

static void fill_timeouts(struct trial *table, const struct ruleset *ruleset, int64_t expires)
{
	struct set *set = NULL;
	for (size_t i = 0; i < ruleset->set_count && set == NULL; i++)
		if (ruleset->sets[i]->timeout && ruleset->sets[i]->key == KEY_PORT4)
			set = ruleset->sets[i];
	assert_non_null(set);
	set->elements = NULL;
	set->element_count = 0;
	for (int i = 0; i < 5000; i++) {
		struct element *element = arena_push(table->reading.arena, set->elements, set->element_count);
		*element = (struct element){.key = {10, 9, (uint8_t)(i >> 8), (uint8_t)i, 6}, .expires = expires};
		memcpy(element->end, element->key, sizeof element->end);
	}
}

/* Many elements that say the same: not all of them are looked at. */
static void what_says_the_same_is_not_looked_at_for_ever(void **state)
{
	struct trial table;
	(void)state;
	make_table(&table, POLICY);
	fill_timeouts(&table, table.actual, NOW + 90000);
	fill_timeouts(&table, table.wanted, NOW + 1000);
	char *got = words_of(&table, 100);
	const char words[] = "changed: when an allow ends, in set ";
	assert_int_equal(strncmp(got, words, sizeof words - 1), 0);
	assert_non_null(strstr(got, "\nand 8000 more\n"));
	free(got);
	arena_free(table.reading.arena);
}

/* A peer so large that classes share a set of it: what it means stands in the rules. */
static void shared_sets_are_told_by_the_rules_that_ask(void **state)
{
	char *policy = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&policy, &size);
	(void)state;
	fputs("ringfence: v1\nnamespace: shop\nservices:\n  all: {workloads: {many: yes}}\n", stream);
	for (int i = 0; i < 8; i++)
		fprintf(stream, "  s%d: {workloads: {app: s%d}, ports: {p: 70%02d/tcp}}\n", i, i, i);
	fputs("allow:\n", stream);
	for (int i = 0; i < 8; i++)
		fprintf(stream, "  - {from: all, to: s%d}\n", i);
	fputs("---\nringfence: v1\nworkloads:\n", stream);
	for (int i = 0; i < 8; i++)
		fprintf(stream,
			"  - {name: s%d, namespace: shop, node: node-a, labels: {app: s%d}, addresses: [10.0.1.%d]}\n",
			i, i, i + 1);
	for (int i = 0; i < 1000; i++)
		fprintf(
		    stream,
		    "  - {name: m%d, namespace: shop, node: node-b, labels: {many: yes}, addresses: [10.1.%d.%d]}\n", i,
		    i / 200, i % 200 + 1);
	fclose(stream);
	struct trial table;
	make_table(&table, policy);
	free(policy);
	remove_address(set_of(&table, "_peers_"), "10.1.0.7");
	char *got = words_of(&table, 100);
	for (int i = 0; i < 8; i++) {
		char line[100];
		snprintf(line, sizeof line, "closed: shop/m6 (10.1.0.7) -> shop/s%d 70%02d/tcp (ingress)\n", i, i);
		assert_non_null(strstr(got, line));
	}
	free(got);
	arena_free(table.reading.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(damages_are_told_in_the_policys_terms),
	    cmocka_unit_test(damages_of_units_name_the_unit),
	    cmocka_unit_test(what_is_much_is_counted),
	    cmocka_unit_test(what_says_the_same_is_not_looked_at_for_ever),
	    cmocka_unit_test(shared_sets_are_told_by_the_rules_that_ask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
