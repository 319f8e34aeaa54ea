/* What of other tables defeats ours: messages as the kernel writes them, made here, since kernels lack one or the other
 * of these expressions. And the list of findings from scan to scan. tests/packets/drift.sh has those that this kernel
 * has, with packets. */
#include "enforcer/service/bypasses.h"

#include <ringfence/ruleset.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(struct nlmsghdr) char room[4096];

static struct nlmsghdr *message(uint8_t type, uint8_t family)
{
	struct nlmsghdr *made = mnl_nlmsg_put_header(room);
	made->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	((struct nfgenmsg *)mnl_nlmsg_put_extra_header(made, sizeof(struct nfgenmsg)))->nfgen_family = family;
	return made;
}

static void take_chain(struct bypass *bypass, uint8_t family, const char *table, const char *name, int hook,
		       int priority)
{
	struct nlmsghdr *chain = message(NFT_MSG_NEWCHAIN, family);
	mnl_attr_put_strz(chain, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(chain, NFTA_CHAIN_NAME, name);
	if (hook >= 0) {
		struct nlattr *nest = mnl_attr_nest_start(chain, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(chain, NFTA_HOOK_HOOKNUM, htonl((uint32_t)hook));
		mnl_attr_put_u32(chain, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
		mnl_attr_nest_end(chain, nest);
	}
	bypass_take(bypass, chain);
}

/* One expression of a rule. */
struct expression {
	const char *name;
	uint32_t base, offset, length; /* payload */
	bool write;
	const char *target;
	uint16_t flags;
};

static void put_expression(struct nlmsghdr *rule, const struct expression *e)
{
	char info[16] = {0};
	struct nlattr *element = mnl_attr_nest_start(rule, NFTA_LIST_ELEM);
	mnl_attr_put_strz(rule, NFTA_EXPR_NAME, e->name);
	struct nlattr *data = mnl_attr_nest_start(rule, NFTA_EXPR_DATA);
	if (strcmp(e->name, "payload") == 0) {
		mnl_attr_put_u32(rule, NFTA_PAYLOAD_BASE, htonl(e->base));
		mnl_attr_put_u32(rule, NFTA_PAYLOAD_OFFSET, htonl(e->offset));
		mnl_attr_put_u32(rule, NFTA_PAYLOAD_LEN, htonl(e->length));
		mnl_attr_put_u32(rule, e->write ? NFTA_PAYLOAD_SREG : NFTA_PAYLOAD_DREG, htonl(NFT_REG_1));
	}
	if (e->target != NULL) {
		memcpy(info, &e->flags, sizeof e->flags);
		mnl_attr_put_strz(rule, NFTA_TARGET_NAME, e->target);
		mnl_attr_put(rule, NFTA_TARGET_INFO, sizeof info, info);
	}
	mnl_attr_nest_end(rule, data);
	mnl_attr_nest_end(rule, element);
}

static void take_rule(struct bypass *bypass, uint8_t family, const char *table, const char *chain,
		      const struct expression *expression)
{
	static const struct expression counter = {.name = "counter"};
	struct nlmsghdr *rule = message(NFT_MSG_NEWRULE, family);
	mnl_attr_put_strz(rule, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(rule, NFTA_RULE_CHAIN, chain);
	struct nlattr *list = mnl_attr_nest_start(rule, NFTA_RULE_EXPRESSIONS);
	put_expression(rule, &counter);
	put_expression(rule, expression);
	mnl_attr_nest_end(rule, list);
	bypass_take(bypass, rule);
}

enum { NOTHING = BYPASS_KINDS, NETWORK = NFT_PAYLOAD_NETWORK_HEADER, TRANSPORT = NFT_PAYLOAD_TRANSPORT_HEADER };
enum {
	PRE = NF_INET_PRE_ROUTING,
	IN = NF_INET_LOCAL_IN,
	FORWARD = NF_INET_FORWARD,
	OUT = NF_INET_LOCAL_OUT,
	POST = NF_INET_POST_ROUTING,
	INET_INGRESS = 5,
	NETDEV_INGRESS = 0,
	NETDEV_EGRESS = 1
};

/* A rule in a base chain, and what is found. */
static const struct {
	uint8_t family;
	int hook, priority;
	struct expression expression;
	int kind;
} cases[] = {
    {NFPROTO_IPV4, PRE, -300, {.name = "notrack"}, BYPASS_NOTRACK},
    {NFPROTO_IPV6, OUT, -300, {.name = "target", .target = "CT", .flags = 1}, BYPASS_NOTRACK},
    {NFPROTO_IPV6, OUT, -300, {.name = "target", .target = "CT", .flags = 2}, NOTHING}, /* a helper or a zone */
    {NFPROTO_IPV4, PRE, -300, {.name = "target", .target = "NOTRACK"}, BYPASS_NOTRACK},
    {NFPROTO_IPV4, PRE, -300, {.name = "target", .target = "TPROXY"}, NOTHING}, /* reaches our input chain */
    {NFPROTO_IPV4, FORWARD, -1, {.name = "queue"}, BYPASS_QUEUE},
    {NFPROTO_INET, FORWARD, 0, {.name = "queue"}, BYPASS_QUEUE}, /* a newer chain of our priority comes first */
    {NFPROTO_INET, FORWARD, 1, {.name = "queue"}, NOTHING},
    {NFPROTO_INET, PRE, -150, {.name = "queue"}, NOTHING}, /* skips other chains there, and not ours */
    {NFPROTO_INET, IN, -10, {.name = "target", .target = "NFQUEUE"}, BYPASS_QUEUE},
    {NFPROTO_BRIDGE, FORWARD, 300, {.name = "queue"}, BYPASS_QUEUE},
    {NFPROTO_IPV4, FORWARD, -10, {.name = "synproxy"}, BYPASS_SYNPROXY},
    {NFPROTO_IPV4, FORWARD, -10, {.name = "target", .target = "SYNPROXY"}, BYPASS_SYNPROXY},
    {NFPROTO_NETDEV, NETDEV_INGRESS, 0, {.name = "fwd"}, BYPASS_REDIRECT},
    {NFPROTO_NETDEV, NETDEV_EGRESS, 0, {.name = "dup"}, BYPASS_REDIRECT},
    {NFPROTO_IPV4, PRE, -150, {.name = "dup"}, NOTHING},
    {NFPROTO_IPV4, PRE, -150, {"payload", NETWORK, 16, 4, true, NULL, 0}, BYPASS_REWRITE}, /* ip daddr set */
    {NFPROTO_IPV4, FORWARD, 0, {"payload", NETWORK, 12, 4, true, NULL, 0}, BYPASS_REWRITE},
    {NFPROTO_IPV4, POST, 0, {"payload", TRANSPORT, 2, 2, true, NULL, 0}, BYPASS_REWRITE}, /* dport set */
    {NFPROTO_IPV6, POST, 0, {"payload", NETWORK, 24, 16, true, NULL, 0}, BYPASS_REWRITE},
    {NFPROTO_INET, POST, 0, {"payload", NETWORK, 8, 16, true, NULL, 0}, BYPASS_REWRITE}, /* ip6 saddr set */
    {NFPROTO_NETDEV, NETDEV_EGRESS, 0, {"payload", NETWORK, 16, 4, true, NULL, 0}, BYPASS_REWRITE},
    {NFPROTO_NETDEV, NETDEV_INGRESS, 0, {"payload", NETWORK, 16, 4, true, NULL, 0}, NOTHING},
    {NFPROTO_INET, INET_INGRESS, 0, {"payload", NETWORK, 16, 4, true, NULL, 0}, NOTHING},
    {NFPROTO_IPV4, PRE, -300, {"payload", NETWORK, 16, 4, true, NULL, 0}, NOTHING},  /* before conntrack */
    {NFPROTO_IPV4, PRE, -150, {"payload", NETWORK, 16, 4, false, NULL, 0}, NOTHING}, /* it only looks */
    {NFPROTO_IPV4, PRE, -150, {"payload", NETWORK, 8, 2, true, NULL, 0}, NOTHING},   /* ip ttl set */
    {NFPROTO_INET, PRE, -150, {"payload", NETWORK, 8, 2, true, NULL, 0}, NOTHING},
    {NFPROTO_IPV4, PRE, -150, {"payload", NETWORK, 0, 2, true, NULL, 0}, NOTHING},     /* ip dscp set */
    {NFPROTO_IPV4, FORWARD, 0, {"payload", TRANSPORT, 24, 4, true, NULL, 0}, NOTHING}, /* tcp option maxseg */
    {NFPROTO_IPV4, FORWARD, -10, {.name = "immediate"}, NOTHING},
    {NFPROTO_ARP, 0, 0, {.name = "queue"}, NOTHING},
};

static struct bypass *scan_of(size_t i, int hook, const char *table)
{
	struct bypass *bypass = bypass_start();
	take_chain(bypass, cases[i].family, table, "c", hook, cases[i].priority);
	take_rule(bypass, cases[i].family, table, "c", &cases[i].expression);
	take_rule(bypass, cases[i].family, table, "c", &cases[i].expression);
	return bypass;
}

static void expressions_are_judged_by_where_they_stand(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t count = 0, left_out = 0;
		struct bypass *bypass = scan_of(i, cases[i].hook, "t");
		const struct bypass_finding *found = bypass_findings(bypass, &count, &left_out);
		if (count != (cases[i].kind != NOTHING) || (count > 0 && (int)found->kind != cases[i].kind))
			print_message("case %zu: %zu findings\n", i, count);
		assert_int_equal(count, cases[i].kind != NOTHING);
		if (count > 0) {
			assert_int_equal(found->kind, cases[i].kind);
			assert_int_equal(found->count, 2);
			assert_string_equal(found->object, "c");
		}
		bypass_finish(bypass);
	}
}

static void our_own_rules_are_no_finding(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t count = 0, left_out = 0;
		if (cases[i].family != NFPROTO_INET)
			continue;
		struct bypass *bypass = scan_of(i, cases[i].hook, RULESET_TABLE);
		bypass_findings(bypass, &count, &left_out);
		assert_int_equal(count, 0);
		bypass_finish(bypass);
	}
}

/* A chain that is jumped to is where the base chains of its table are. */
static void chains_without_a_hook_count_by_their_table(void **state)
{
	static const struct expression queue = {.name = "queue"};
	size_t count = 0, left_out = 0;
	(void)state;
	struct bypass *bypass = bypass_start();
	take_chain(bypass, NFPROTO_INET, "t", "sub", -1, 0);
	take_chain(bypass, NFPROTO_INET, "t", "base", FORWARD, -10);
	take_chain(bypass, NFPROTO_INET, "late", "sub", -1, 0);
	take_chain(bypass, NFPROTO_INET, "late", "base", POST, 0);
	take_rule(bypass, NFPROTO_INET, "t", "sub", &queue);
	take_rule(bypass, NFPROTO_INET, "late", "sub", &queue);
	const struct bypass_finding *found = bypass_findings(bypass, &count, &left_out);
	assert_int_equal(count, 1);
	assert_string_equal(found->table, "t");
	bypass_finish(bypass);
}

static void flowtables_are_found_in_any_table(void **state)
{
	static const char *const tables[] = {"fast", RULESET_TABLE};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t count = 0, left_out = 0;
		struct bypass *bypass = bypass_start();
		struct nlmsghdr *flowtable = message(NFT_MSG_NEWFLOWTABLE, NFPROTO_INET);
		mnl_attr_put_strz(flowtable, NFTA_FLOWTABLE_TABLE, tables[i]);
		mnl_attr_put_strz(flowtable, NFTA_FLOWTABLE_NAME, "f\033[31m");
		bypass_take(bypass, flowtable);
		const struct bypass_finding *found = bypass_findings(bypass, &count, &left_out);
		assert_int_equal(count, 1);
		assert_int_equal(found->kind, BYPASS_FLOWTABLE);
		assert_string_equal(found->object, "f?[31m");
		bypass_finish(bypass);
	}
}

static void many_findings_are_counted(void **state)
{
	static const struct expression notrack = {.name = "notrack"};
	size_t count = 0, left_out = 0;
	(void)state;
	struct bypass *bypass = bypass_start();
	for (int i = 0; i < BYPASS_FINDINGS_MOST + 7; i++) {
		char name[16];
		snprintf(name, sizeof name, "c%d", i);
		take_chain(bypass, NFPROTO_IPV4, "t", name, PRE, -300);
		take_rule(bypass, NFPROTO_IPV4, "t", name, &notrack);
	}
	bypass_findings(bypass, &count, &left_out);
	assert_int_equal(count, BYPASS_FINDINGS_MOST);
	assert_int_equal(left_out, 7);
	bypass_finish(bypass);
}

/* Cut anywhere, a message is read no further than it goes (the sanitizer looks). */
static void broken_messages_do_no_harm(void **state)
{
	(void)state;
	struct bypass *bypass = bypass_start();
	take_chain(bypass, NFPROTO_IPV4, "t", "c", PRE, -150);
	take_rule(bypass, NFPROTO_IPV4, "t", "c", &cases[16].expression);
	const struct nlmsghdr *whole = (const void *)room;
	for (uint32_t length = MNL_NLMSG_HDRLEN; length < whole->nlmsg_len; length++) {
		struct nlmsghdr *cut = malloc(MNL_ALIGN(length));
		assert_non_null(cut);
		memcpy(cut, whole, length);
		cut->nlmsg_len = length;
		bypass_take(bypass, cut);
		free(cut);
	}
	bypass_finish(bypass);
}

/* ---- from scan to scan ---- */

static struct bypassing finding(const char *table, const char *object)
{
	struct bypassing item = {.found = {.kind = BYPASS_NOTRACK, .family = NFPROTO_IPV4}};
	snprintf(item.found.table, sizeof item.found.table, "%s", table);
	snprintf(item.found.object, sizeof item.found.object, "%s", object);
	return item;
}

static void findings_keep_their_time_and_their_process(void **state)
{
	static struct bypasses bypasses;
	struct monitor_other other = {.pid = 7, .process = "evil", .tables = {{NFPROTO_IPV4, "t"}}, .table_count = 1};
	const struct bypassing found[] = {finding("t", "c"), finding("u", "c")};
	(void)state;
	bypasses_update(&bypasses, &found[1], 1, 0, 100); /* before anybody was heard */
	bypasses_hear(&bypasses, &other, 200);
	bypasses_update(&bypasses, found, 2, 3, 201);
	assert_int_equal(bypasses_count(&bypasses, BYPASS_NOTRACK), 2);
	assert_int_equal(bypasses.items[0].pid, 7);
	assert_string_equal(bypasses.items[0].process, "evil");
	assert_int_equal(bypasses.items[0].since, 200);
	assert_int_equal(bypasses.items[1].pid, 0);
	assert_int_equal(bypasses.items[1].since, 100);
	assert_int_equal(bypasses.left_out, 3);
	other.pid = 8;
	bypasses_hear(&bypasses, &other, 300); /* changes the table again, but did not make it */
	bypasses_update(&bypasses, found, 1, 0, 301);
	assert_int_equal(bypasses.items[0].pid, 7);
	assert_int_equal(bypasses_count(&bypasses, BYPASS_NOTRACK), 1);
	json_t *list = bypasses_json(&bypasses);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "object")),
			    "chain c in table ip t");
	json_decref(list);
	bypasses_update(&bypasses, NULL, 0, 0, 400);
	assert_int_equal(bypasses_count(&bypasses, BYPASS_NOTRACK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expressions_are_judged_by_where_they_stand),
	    cmocka_unit_test(our_own_rules_are_no_finding),
	    cmocka_unit_test(chains_without_a_hook_count_by_their_table),
	    cmocka_unit_test(flowtables_are_found_in_any_table),
	    cmocka_unit_test(many_findings_are_counted),
	    cmocka_unit_test(broken_messages_do_no_harm),
	    cmocka_unit_test(findings_keep_their_time_and_their_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
