/* Other tables, chain by chain: a dump for all chains, one for flowtables, then one for the rules of each chain.
 *
 * Why each kind keeps packets from us, by the kernel's sources:
 *   flowtable  nf_flow_offload_ip_hook takes packets of a flow that was offered to it at the ingress and sends them
 * out: the forward hook sees only the first ones, so a revoked allow does not stop the rest notrack    without
 * conntrack there is no flow to judge: what concerns a workload is denied here (chain odd), and replies, limits and
 * logs do not work; it opens nothing, and breaks what is allowed queue      nf_reinject goes on behind the chains of
 * the hook when the program says NF_STOP, and a program may take a packet and send another; only before us in our
 * hooks, since other hooks are behind conntrack's eyes fwd, dup   of netdev chains: nf_fwd_netdev_egress and
 * nf_dup_netdev_egress put packets into another interface's queue: they pass no hook of ours; a copy of `dup` in ip or
 * ip6 goes through our output chain instead rewrite    behind conntrack, a rule that writes addresses or ports sends a
 * packet elsewhere than its flow says, which is what we judge synproxy   nf_synproxy takes SYN and ACK of a handshake
 * (NF_STOLEN) and makes its own */
#include "enforcer/kernel/bypass.h"

#include "enforcer/kernel/socket.h"

#include <ringfence/arena.h>
#include <ringfence/ruleset.h>

#include <libnftnl/common.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

enum {
	TABLE_NAME_SIZE = 256, /* NFT_NAME_MAXLEN, the NUL included */
	CONNTRACK_PRIORITY = -200,
	OUR_PRIORITY = 0,
	HOOK_INGRESS = 5, /* of inet; NF_INET_INGRESS */
	HOOK_NETDEV_EGRESS = 1,
	TARGET_NOTRACK = 1 << 0, /* XT_CT_NOTRACK (linux/netfilter/xt_CT.h) */
};

const char *const bypass_words[BYPASS_KINDS] = {
    [BYPASS_BRIDGE] = "bridge",	    [BYPASS_FLOWTABLE] = "flowtable", [BYPASS_NOTRACK] = "notrack",
    [BYPASS_QUEUE] = "queue",	    [BYPASS_REDIRECT] = "redirect",   [BYPASS_REWRITE] = "rewrite",
    [BYPASS_SYNPROXY] = "synproxy",
};
const char *const bypass_texts[BYPASS_KINDS] = {
    [BYPASS_BRIDGE] = "packets between ports of a bridge are not judged",
    [BYPASS_FLOWTABLE] = "packets of running flows can pass by the forward chains: revoked allows do not stop them",
    [BYPASS_NOTRACK] =
	"conntrack does not see some packets: those of workloads are denied, also where they are allowed",
    [BYPASS_QUEUE] = "a program is handed packets before us, and can let them pass by us",
    [BYPASS_REDIRECT] = "packets are sent on or copied to another interface, and not judged",
    [BYPASS_REWRITE] = "addresses or ports are rewritten behind conntrack: packets go elsewhere than was judged",
    [BYPASS_SYNPROXY] = "handshakes are answered in place of the destination, before they are judged",
};

/* Where packets meet a chain. */
struct standing {
	bool based; /* it is a base chain: without any, none of a table's rules is ever met */
	bool ahead; /* in a hook of ours, before ours */
	bool late;  /* behind conntrack */
};

struct table_of_others {
	uint8_t family;
	char name[TABLE_NAME_SIZE];
	struct standing places; /* of all its base chains: any of them may jump to a chain that is none */
	struct chain_of_others *chains, **last;
};

struct chain_of_others {
	struct chain_of_others *next;
	struct standing place;
	const char *name;
};

enum phase { CHAINS, FLOWTABLES, RULES, FINISHED };

struct bypass {
	struct arena *arena;
	enum phase phase;
	struct table_of_others **tables;
	size_t table_count;
	size_t table;		       /* whose rules come next */
	struct chain_of_others *chain; /* the same; NULL: the first of the table */
	struct bypass_finding findings[BYPASS_FINDINGS_MOST];
	size_t finding_count, left_out;
};

const char *family_word(uint8_t family)
{
	static const char *const words[] = {
	    [NFPROTO_INET] = "inet",	 [NFPROTO_IPV4] = "ip",	      [NFPROTO_ARP] = "arp",
	    [NFPROTO_NETDEV] = "netdev", [NFPROTO_BRIDGE] = "bridge", [NFPROTO_IPV6] = "ip6"};
	return family < sizeof words / sizeof *words && words[family] != NULL ? words[family] : "?";
}

void name_print(char *to, size_t size, const void *bytes, size_t length)
{
	const unsigned char *from = bytes;
	size_t at = 0;
	for (; at < length && from[at] != 0 && at + 1 < size; at++)
		to[at] = from[at] > 0x20 && from[at] < 0x7f ? (char)from[at] : '?';
	to[at] = 0;
}

/* ---- messages ---- */

static const struct nlattr *find(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, message,
			  sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) == type) return attribute;
	return NULL;
}

static const struct nlattr *find_nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute;
	mnl_attr_for_each_nested(attribute, nest) if (mnl_attr_get_type(attribute) == type) return attribute;
	return NULL;
}

static bool read_name(const struct nlattr *attribute, char name[TABLE_NAME_SIZE])
{
	size_t length = attribute != NULL ? mnl_attr_get_payload_len(attribute) : 0;
	if (length == 0 || length > TABLE_NAME_SIZE)
		return false;
	memcpy(name, mnl_attr_get_payload(attribute), length);
	name[length - 1] = 0;
	return true;
}

static uint32_t read_u32(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute != NULL && mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t)
		   ? ntohl(mnl_attr_get_u32(attribute))
		   : otherwise;
}

static bool has_name(const struct nlattr *attribute, const char *name)
{
	size_t size = strlen(name) + 1;
	return attribute != NULL && mnl_attr_get_payload_len(attribute) >= size &&
	       memcmp(mnl_attr_get_payload(attribute), name, size) == 0;
}

static bool is_ours(uint8_t family, const char *table)
{
	return family == NFPROTO_INET && strcmp(table, RULESET_TABLE) == 0;
}

/* ---- findings ---- */

static void note(struct bypass *bypass, enum bypass_kind kind, uint8_t family, const char *table, const char *object)
{
	struct bypass_finding new = {.kind = kind, .family = family, .count = 1};
	name_print(new.table, sizeof new.table, table, strlen(table));
	name_print(new.object, sizeof new.object, object, strlen(object));
	for (size_t i = 0; i < bypass->finding_count; i++) {
		struct bypass_finding *old = &bypass->findings[i];
		if (old->kind != kind || old->family != family || strcmp(old->table, new.table) != 0 ||
		    strcmp(old->object, new.object) != 0)
			continue;
		old->count++;
		return;
	}
	if (bypass->finding_count < BYPASS_FINDINGS_MOST)
		bypass->findings[bypass->finding_count++] = new;
	else
		bypass->left_out++;
}

/* ---- chains and flowtables ---- */

static struct table_of_others *get_table(struct bypass *bypass, uint8_t family, const char *name)
{
	for (size_t i = bypass->table_count; i > 0; i--) /* they come table by table */
		if (bypass->tables[i - 1]->family == family && strcmp(bypass->tables[i - 1]->name, name) == 0)
			return bypass->tables[i - 1];
	struct table_of_others *table = arena_alloc(bypass->arena, sizeof *table);
	*arena_push(bypass->arena, bypass->tables, bypass->table_count) = table;
	table->family = family;
	memcpy(table->name, name, strlen(name) + 1);
	table->last = &table->chains;
	return table;
}

/* Chains of equal priority are asked the newest first (nf_hook_entries_grow), so ours does not come before those. */
static struct standing place_of(uint8_t family, uint32_t hook, int32_t priority)
{
	bool netdev = family == NFPROTO_NETDEV, bridge = family == NFPROTO_BRIDGE;
	bool ours = hook == NF_INET_LOCAL_IN || hook == NF_INET_FORWARD || hook == NF_INET_LOCAL_OUT;
	bool tracked = hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT;
	bool early =
	    netdev ? hook != HOOK_NETDEV_EGRESS : hook == HOOK_INGRESS || (tracked && priority < CONNTRACK_PRIORITY);
	return (struct standing){true, bridge || (!netdev && ours && priority <= OUR_PRIORITY), !early};
}

static void take_chain(struct bypass *bypass, uint8_t family, const struct nlmsghdr *message)
{
	char table_name[TABLE_NAME_SIZE], name[TABLE_NAME_SIZE];
	const struct nlattr *hook = find(message, NFTA_CHAIN_HOOK);
	if (!read_name(find(message, NFTA_CHAIN_TABLE), table_name) ||
	    !read_name(find(message, NFTA_CHAIN_NAME), name) || is_ours(family, table_name) || family == NFPROTO_ARP)
		return;
	struct table_of_others *table = get_table(bypass, family, table_name);
	struct chain_of_others *chain = arena_alloc(bypass->arena, sizeof *chain);
	chain->name = arena_copy(bypass->arena, name, strlen(name));
	*table->last = chain;
	table->last = &chain->next;
	if (hook == NULL)
		return;
	chain->place = place_of(family, read_u32(find_nested(hook, NFTA_HOOK_HOOKNUM), 0),
				(int32_t)read_u32(find_nested(hook, NFTA_HOOK_PRIORITY), 0));
	table->places.based = true;
	table->places.ahead = table->places.ahead || chain->place.ahead;
	table->places.late = table->places.late || chain->place.late;
}

/* One in our own table is none of ours either, and drift of the table does not see it. */
static void take_flowtable(struct bypass *bypass, uint8_t family, const struct nlmsghdr *message)
{
	char table[TABLE_NAME_SIZE], name[TABLE_NAME_SIZE];
	if (read_name(find(message, NFTA_FLOWTABLE_TABLE), table) &&
	    read_name(find(message, NFTA_FLOWTABLE_NAME), name))
		note(bypass, BYPASS_FLOWTABLE, family, table, name);
}

/* ---- rules ---- */

/* iptables-nft keeps its targets as they were. */
static bool judge_target(const struct nlattr *data, enum bypass_kind *kind)
{
	const struct nlattr *name = find_nested(data, NFTA_TARGET_NAME), *info = find_nested(data, NFTA_TARGET_INFO);
	static const struct {
		const char *name;
		enum bypass_kind kind;
	} targets[] = {{"NOTRACK", BYPASS_NOTRACK}, {"NFQUEUE", BYPASS_QUEUE}, {"SYNPROXY", BYPASS_SYNPROXY}};
	if (has_name(name, "CT") && info != NULL && mnl_attr_get_payload_len(info) >= sizeof(uint16_t)) {
		uint16_t flags; /* the first of struct xt_ct_target_info, in host order */
		memcpy(&flags, mnl_attr_get_payload(info), sizeof flags);
		*kind = BYPASS_NOTRACK;
		return (flags & TARGET_NOTRACK) != 0;
	}
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		*kind = targets[i].kind;
		if (has_name(name, targets[i].name))
			return true;
	}
	return false;
}

/* Whether a write is one to an address or a port. Of a family that carries both versions of IP, where IPv6 has
 * addresses IPv4 has TTL and protocol up to byte 12. */
static bool writes_ends(const struct nlattr *data, uint8_t family)
{
	uint32_t base = read_u32(find_nested(data, NFTA_PAYLOAD_BASE), 0);
	uint32_t offset = read_u32(find_nested(data, NFTA_PAYLOAD_OFFSET), 0);
	uint32_t length = read_u32(find_nested(data, NFTA_PAYLOAD_LEN), 0);
	uint32_t first = family == NFPROTO_IPV6 ? 8 : 12, last = family == NFPROTO_IPV4 ? 20 : 40;
	if (find_nested(data, NFTA_PAYLOAD_SREG) == NULL)
		return false;
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER)
		return offset < 4;
	return base == NFT_PAYLOAD_NETWORK_HEADER && offset < last && offset + length > first;
}

static bool judge_expression(const struct nlattr *expression, uint8_t family, enum bypass_kind *kind)
{
	static const struct {
		const char *name;
		enum bypass_kind kind;
	} names[] = {{"notrack", BYPASS_NOTRACK},
		     {"queue", BYPASS_QUEUE},
		     {"fwd", BYPASS_REDIRECT},
		     {"dup", BYPASS_REDIRECT},
		     {"synproxy", BYPASS_SYNPROXY}};
	const struct nlattr *name = find_nested(expression, NFTA_EXPR_NAME),
			    *data = find_nested(expression, NFTA_EXPR_DATA);
	*kind = BYPASS_REWRITE;
	if (data != NULL && has_name(name, "payload"))
		return writes_ends(data, family);
	if (data != NULL && has_name(name, "target"))
		return judge_target(data, kind);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		*kind = names[i].kind;
		if (has_name(name, names[i].name))
			return true;
	}
	return false;
}

/* Where packets meet the rules of a chain. */
static const struct standing *find_place(const struct table_of_others *table, const char *name)
{
	const struct chain_of_others *chain = table->chains;
	while (chain != NULL && strcmp(chain->name, name) != 0)
		chain = chain->next;
	return chain != NULL && chain->place.based ? &chain->place : &table->places;
}

/* Whether that matters. */
static bool matters(const struct table_of_others *table, const char *chain, enum bypass_kind kind)
{
	const struct standing *place = find_place(table, chain);
	switch (kind) {
	case BYPASS_QUEUE:
	case BYPASS_SYNPROXY:
		return place->ahead;
	case BYPASS_REDIRECT: /* a copy in ip and ip6 goes through our output chain */
		return table->family == NFPROTO_NETDEV;
	case BYPASS_REWRITE:
		return place->late;
	case BYPASS_NOTRACK:
	case BYPASS_BRIDGE:
	case BYPASS_FLOWTABLE:
	case BYPASS_KINDS:
		break;
	}
	return true;
}

static void take_rule(struct bypass *bypass, uint8_t family, const struct nlmsghdr *message)
{
	char table_name[TABLE_NAME_SIZE], chain[TABLE_NAME_SIZE];
	const struct nlattr *list = find(message, NFTA_RULE_EXPRESSIONS), *expression;
	if (list == NULL || !read_name(find(message, NFTA_RULE_TABLE), table_name) ||
	    !read_name(find(message, NFTA_RULE_CHAIN), chain) || is_ours(family, table_name))
		return;
	const struct table_of_others *table = get_table(bypass, family, table_name);
	bool found[BYPASS_KINDS] = {false};
	mnl_attr_for_each_nested(expression, list)
	{
		enum bypass_kind kind;
		if (judge_expression(expression, family, &kind) && matters(table, chain, kind))
			found[kind] = true;
	}
	for (int kind = 0; kind < BYPASS_KINDS; kind++)
		if (found[kind])
			note(bypass, (enum bypass_kind)kind, family, table_name, chain);
}

void bypass_take(struct bypass *bypass, const struct nlmsghdr *message)
{
	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return;
	uint8_t family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family;
	unsigned type = message->nlmsg_type & 0xff;
	if (type == NFT_MSG_NEWCHAIN)
		take_chain(bypass, family, message);
	if (type == NFT_MSG_NEWFLOWTABLE)
		take_flowtable(bypass, family, message);
	if (type == NFT_MSG_NEWRULE)
		take_rule(bypass, family, message);
}

/* ---- dumps ---- */

static void take(void *context, const struct nlmsghdr *message)
{
	bypass_take(context, message);
}

/* A dump that others changed meanwhile is taken as it is: they are told of, and the next scan sees it. */
static int dump(struct bypass *bypass, struct kernel *kernel, uint16_t type, const struct table_of_others *table,
		const struct chain_of_others *chain)
{
	_Alignas(struct nlmsghdr) char room[1024];
	struct hearing hearing = {.sequence = kernel->sequence++, .context = bypass, .take = take};
	struct nlmsghdr *message =
	    nftnl_nlmsg_build_hdr(room, type, table != NULL ? table->family : AF_UNSPEC, NLM_F_DUMP, hearing.sequence);
	if (table != NULL)
		mnl_attr_put_strz(message, NFTA_RULE_TABLE, table->name);
	if (chain != NULL)
		mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain->name);
	struct iovec whole = {message, message->nlmsg_len};
	int error = kernel_send(kernel, &whole, 1);
	return error != 0 ? error : kernel_hear_all(kernel, &hearing);
}

/* The rules of the next chain that packets can meet. */
static int read_rules(struct bypass *bypass, struct kernel *kernel)
{
	while (bypass->table < bypass->table_count && bypass->chain == NULL) {
		const struct table_of_others *table = bypass->tables[bypass->table];
		bypass->chain = table->places.based ? table->chains : NULL;
		if (bypass->chain == NULL)
			bypass->table++;
	}
	if (bypass->chain == NULL) {
		bypass->phase = FINISHED;
		return 0;
	}
	int error = dump(bypass, kernel, NFT_MSG_GETRULE, bypass->tables[bypass->table], bypass->chain);
	bypass->chain = bypass->chain->next;
	bypass->table += bypass->chain == NULL;
	return error == -ENOENT ? 0 : error; /* the chain is gone by now */
}

static int read_next(struct bypass *bypass, struct kernel *kernel)
{
	int error = 0;
	switch (bypass->phase) {
	case CHAINS:
		error = dump(bypass, kernel, NFT_MSG_GETCHAIN, NULL, NULL);
		bypass->phase = FLOWTABLES;
		break;
	case FLOWTABLES:
		error = dump(bypass, kernel, NFT_MSG_GETFLOWTABLE, NULL, NULL);
		bypass->phase = RULES;
		break;
	case RULES:
		error = read_rules(bypass, kernel);
		break;
	case FINISHED:
		break;
	}
	return error;
}

struct bypass *bypass_start(void)
{
	struct bypass *bypass = calloc(1, sizeof *bypass);
	if (bypass != NULL)
		bypass->arena = arena_create();
	return bypass;
}

int bypass_step(struct bypass *bypass, struct kernel *kernel, uint64_t budget)
{
	uint64_t begun = kernel_microseconds();
	int error = 0;
	do
		error = read_next(bypass, kernel);
	while (error == 0 && bypass->phase != FINISHED && kernel_microseconds() - begun < budget);
	return error != 0 ? error : bypass->phase == FINISHED;
}

const struct bypass_finding *bypass_findings(const struct bypass *bypass, size_t *count, size_t *left_out)
{
	*count = bypass->finding_count;
	*left_out = bypass->left_out;
	return bypass->findings;
}

void bypass_finish(struct bypass *bypass)
{
	if (bypass == NULL)
		return;
	arena_free(bypass->arena);
	free(bypass);
}
