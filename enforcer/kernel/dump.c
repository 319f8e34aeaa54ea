/* The kernel's table to a ruleset: chains, rules, sets and elements of `inet ringfence`, read by dumps.
 *
 * Rules come back as expressions and are folded into the statements that netlink.c makes them from. A rule that is not
 * made of those becomes one without statements, which equals none. The dumps are several, so the kernel's generation id
 * is asked before and after: a change in between means reading again. */
#include "enforcer/kernel/socket.h"

#include "compiler/ruleset/netlink.h"

#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

enum { TRIES = 20, LOADS_MAX = 3 };

struct reading {
	struct kernel *kernel;
	struct arena *arena;
	struct ruleset *ruleset;
	struct set *set; /* whose elements are being read */
	int64_t at;
	uint32_t generation_id;
};

/* ---- rules ---- */

/* What has been loaded and not yet looked at. Expressions become statements one by one; checks stay for now. */
struct folding {
	struct arena *arena;
	struct rule *rule;
	enum field loads[LOADS_MAX];
	uint32_t sizes[LOADS_MAX];
	size_t load_count;
	size_t offset;	  /* of the register that the next load goes to */
	uint8_t mask[16]; /* of a bitwise on the one field that is loaded */
	bool masked;
	struct statement *waiting; /* a range without its end yet */
	bool unknown;
};

static struct statement *add(struct folding *f, enum statement_kind kind)
{
	struct statement *statement = arena_push(f->arena, f->rule->statements, f->rule->statement_count);
	statement->kind = kind;
	statement->field_count = (uint8_t)f->load_count;
	memcpy(statement->fields, f->loads, f->load_count * sizeof *f->loads);
	f->load_count = 0;
	f->offset = 0;
	f->masked = false;
	return statement;
}

/* Notes a load of `size` bytes (0: all) into register `reg`, or that nothing of ours loads such. */
static void load(struct folding *f, int source, uint32_t key, int direction, uint32_t size, uint32_t reg)
{
	f->unknown = f->unknown || f->masked || f->load_count == LOADS_MAX || reg != netlink_register(f->offset);
	for (size_t i = 0; i < FIELD_COUNT && !f->unknown; i++) {
		const struct field_form *form = &field_forms[i];
		if ((int)form->source != source || form->key != key || form->direction != direction ||
		    size > form->size)
			continue;
		f->sizes[f->load_count] = size != 0 ? size : form->size;
		f->loads[f->load_count++] = (enum field)i;
		f->offset += (form->size + 3U) / 4 * 4;
		return;
	}
	f->unknown = true;
}

static void fold_meta(struct folding *f, const struct nftnl_expr *e)
{
	load(f, FROM_META, nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY), -1, 0,
	     nftnl_expr_get_u32(e, NFTNL_EXPR_META_DREG));
}

static void fold_payload(struct folding *f, const struct nftnl_expr *e)
{
	uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	int source = base == NFT_PAYLOAD_NETWORK_HEADER	    ? FROM_NETWORK
		     : base == NFT_PAYLOAD_TRANSPORT_HEADER ? FROM_TRANSPORT
							    : -1;
	uint32_t size = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
	f->unknown = f->unknown || size == 0;
	load(f, source, nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET), -1, size,
	     nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_DREG));
}

static void fold_ct(struct folding *f, const struct nftnl_expr *e)
{
	int direction = nftnl_expr_is_set(e, NFTNL_EXPR_CT_DIR) ? nftnl_expr_get_u8(e, NFTNL_EXPR_CT_DIR) : -1;
	if (nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY) == NFT_CT_PROTOCOL)
		direction =
		    field_forms[FIELD_CT_PROTOCOL].direction; /* the same in both, and not told (nft_ct_get_dump) */
	load(f, FROM_CT, nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY), direction, 0,
	     nftnl_expr_get_u32(e, NFTNL_EXPR_CT_DREG));
}

static void fold_bitwise(struct folding *f, const struct nftnl_expr *e)
{
	static const uint8_t zero[16];
	uint32_t size = 0, xor_size = 0;
	const void *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &size);
	const void * xor = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_size);
	f->unknown = f->unknown || f->load_count != 1 || f->masked || mask == NULL || xor == NULL ||
		     size > sizeof zero || size != field_forms[f->loads[0]].size || size != f->sizes[0] ||
		     xor_size != size || memcmp(xor, zero, size) != 0 ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_OP) != NFT_BITWISE_BOOL ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_SREG) != NFT_REG_1 ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_BITWISE_DREG) != NFT_REG_1;
	if (f->unknown)
		return;
	memcpy(f->mask, mask, size);
	f->masked = true;
}

/* The number of ones that `mask` begins with, or -1 when others follow. */
static int mask_bits(const uint8_t *mask, size_t size)
{
	int ones = 0, all = 0;
	for (size_t i = 0; i < size * 8; i++) {
		bool one = (mask[i / 8] >> (7 - i % 8) & 1) != 0;
		all += one;
		ones += one && ones == (int)i;
	}
	return ones == all ? ones : -1;
}

/* Fields of which rules ask for bits. */
static bool has_bits(enum field field)
{
	return field == FIELD_CT_STATE || field == FIELD_CT_STATUS || field == FIELD_TCP_FLAGS;
}

static void fold_masked(struct folding *f, uint32_t op, const void *data, uint32_t size)
{
	static const uint32_t zero;
	bool asks_bits = has_bits(f->loads[0]);
	int bits = mask_bits(f->mask, size);
	struct statement *statement = add(f, !asks_bits		 ? STATEMENT_PREFIX
					     : op == NFT_CMP_NEQ ? STATEMENT_BITS
								 : STATEMENT_NO_BITS);
	if (asks_bits) {
		f->unknown = f->unknown || memcmp(data, &zero, size) != 0;
		memcpy(statement->value, f->mask, size);
	} else {
		f->unknown = f->unknown || op != NFT_CMP_EQ || bits < 0;
		memcpy(statement->value, data, size);
		statement->prefix = (uint8_t)bits;
	}
}

/* A range is two comparisons of one load: the first leaves a statement that waits for the second. */
static void fold_limit_of_range(struct folding *f, uint32_t op, const void *data, uint32_t size)
{
	struct statement *waiting = f->waiting;
	f->unknown = f->unknown || data == NULL || f->masked || size > sizeof waiting->value ||
		     (op == NFT_CMP_GTE ? f->load_count != 1 || size != f->sizes[0]
					: waiting == NULL || f->load_count != 0 ||
						  size != field_forms[waiting->fields[0]].size);
	f->waiting = NULL;
	if (f->unknown)
		return;
	if (op == NFT_CMP_LTE) {
		memcpy(waiting->last, data, size);
		return;
	}
	f->waiting = add(f, STATEMENT_RANGE);
	memcpy(f->waiting->value, data, size);
}

static void fold_compare(struct folding *f, const struct nftnl_expr *e)
{
	uint32_t size = 0, op = nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP);
	const void *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &size);
	if (op == NFT_CMP_GTE || op == NFT_CMP_LTE) {
		fold_limit_of_range(f, op, data, size);
		return;
	}
	bool part_of_ct =
	    f->load_count == 1 && field_forms[f->loads[0]].source == FROM_CT && !f->masked && size < f->sizes[0];
	if (f->unknown || data == NULL || f->load_count != 1 || (size != f->sizes[0] && !part_of_ct) ||
	    (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) || nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_SREG) != NFT_REG_1) {
		f->unknown = true;
		return;
	}
	if (f->masked) {
		fold_masked(f, op, data, size);
		return;
	}
	bool part = size < field_forms[f->loads[0]].size;
	f->unknown = (part && op != NFT_CMP_EQ) || has_bits(f->loads[0]);
	struct statement *statement = add(f, op == NFT_CMP_NEQ ? STATEMENT_UNEQUAL
					     : part	       ? STATEMENT_PREFIX
							       : STATEMENT_EQUAL);
	memcpy(statement->value, data, size);
	statement->prefix = part ? (uint8_t)(size * 8) : 0;
}

static void copy_name(struct folding *f, char *name, const char *from)
{
	if (from == NULL || strlen(from) >= RULESET_NAME_SIZE)
		f->unknown = true;
	else
		memcpy(name, from, strlen(from) + 1);
}

static void fold_lookup(struct folding *f, const struct nftnl_expr *e)
{
	uint32_t flags =
	    nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_FLAGS) ? nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_FLAGS) : 0;
	bool inverted = flags == NFT_LOOKUP_F_INV, map = nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG);
	f->unknown = f->unknown || f->load_count == 0 || f->masked || (flags != 0 && !inverted) || (map && inverted) ||
		     (map && nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_DREG) != NFT_REG_VERDICT) ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_LOOKUP_SREG) != NFT_REG_1;
	for (size_t i = 0; i < f->load_count; i++)
		f->unknown = f->unknown || f->sizes[i] != field_forms[f->loads[i]].size;
	struct statement *statement = add(f, map ? STATEMENT_MAP : inverted ? STATEMENT_NOT_IN : STATEMENT_IN);
	copy_name(f, statement->set, nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET));
}

/* A statement that looks at nothing: a load before it would be one that nothing of ours makes. */
static struct statement *add_plain(struct folding *f, enum statement_kind kind)
{
	f->unknown = f->unknown || f->load_count != 0;
	return add(f, kind);
}

static void fold_counter(struct folding *f, const struct nftnl_expr *e)
{
	(void)e;
	add_plain(f, STATEMENT_COUNTER);
}

static void read_limit(struct folding *f, const struct nftnl_expr *e, struct statement *statement)
{
	uint64_t rate = nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_RATE),
		 seconds = nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_UNIT);
	statement->rate = (uint32_t)rate;
	statement->seconds = (uint32_t)seconds;
	statement->burst = nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_BURST);
	f->unknown = f->unknown || rate > UINT32_MAX || seconds > UINT32_MAX ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_TYPE) != NFT_LIMIT_PKTS ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_LIMIT_FLAGS) != 0;
}

static void fold_limit(struct folding *f, const struct nftnl_expr *e)
{
	struct statement *statement = add_plain(f, STATEMENT_LIMIT);
	read_limit(f, e, statement);
	f->unknown = f->unknown || statement->seconds != 1;
}

/* What a dynset holds: one limit. */
struct held {
	struct folding *folding;
	struct statement *statement;
	size_t count;
};

static int read_held(struct nftnl_expr *e, void *context)
{
	struct held *held = context;
	if (strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "limit") == 0)
		read_limit(held->folding, e, held->statement);
	else
		held->folding->unknown = true;
	held->count++;
	return 0;
}

static void fold_dynset(struct folding *f, const struct nftnl_expr *e)
{
	bool whole = f->load_count == 1 && !f->masked && f->sizes[0] == field_forms[f->loads[0]].size;
	struct statement *statement = add(f, STATEMENT_METER);
	struct held held = {f, statement, 0};
	nftnl_expr_expr_foreach(e, read_held, &held);
	copy_name(f, statement->set, nftnl_expr_get_str(e, NFTNL_EXPR_DYNSET_SET_NAME));
	f->unknown = f->unknown || !whole || held.count != 1 ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_DYNSET_OP) != NFT_DYNSET_OP_UPDATE ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY) != NFT_REG_1 ||
		     nftnl_expr_get_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT) != 0 || /* the set's own */
		     nftnl_expr_is_set(e, NFTNL_EXPR_DYNSET_SREG_DATA) ||
		     (nftnl_expr_get_u32(e, NFTNL_EXPR_DYNSET_FLAGS) & NFT_DYNSET_F_INV) != 0;
}

static void fold_log(struct folding *f, const struct nftnl_expr *e)
{
	const char *prefix = nftnl_expr_get_str(e, NFTNL_EXPR_LOG_PREFIX);
	struct statement *statement = add_plain(f, STATEMENT_LOG);
	statement->text = prefix != NULL ? arena_copy(f->arena, prefix, strlen(prefix)) : "";
	f->unknown = f->unknown || !nftnl_expr_is_set(e, NFTNL_EXPR_LOG_GROUP) ||
		     nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_GROUP) != RULESET_LOG_GROUP ||
		     nftnl_expr_is_set(e, NFTNL_EXPR_LOG_LEVEL) || nftnl_expr_is_set(e, NFTNL_EXPR_LOG_FLAGS) ||
		     nftnl_expr_is_set(e, NFTNL_EXPR_LOG_SNAPLEN) || nftnl_expr_is_set(e, NFTNL_EXPR_LOG_QTHRESHOLD);
}

static void fold_immediate(struct folding *f, const struct nftnl_expr *e)
{
	static const struct {
		int verdict;
		enum statement_kind kind;
	} verdicts[] = {{NF_ACCEPT, STATEMENT_ACCEPT},
			{NF_DROP, STATEMENT_DROP},
			{NFT_RETURN, STATEMENT_RETURN},
			{NFT_JUMP, STATEMENT_JUMP},
			{NFT_GOTO, STATEMENT_GOTO}};
	int verdict = (int)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT);
	const char *chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	bool known = false;
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts && !known; i++) {
		if (verdicts[i].verdict != verdict)
			continue;
		struct statement *statement = add_plain(f, verdicts[i].kind);
		statement->text = chain != NULL ? arena_copy(f->arena, chain, strlen(chain)) : NULL;
		known = true;
	}
	f->unknown = f->unknown || !known || nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT;
}

static int fold_expression(struct nftnl_expr *e, void *context)
{
	static const struct {
		const char *name;
		void (*fold)(struct folding *, const struct nftnl_expr *);
	} kinds[] = {{"dynset", fold_dynset}, {"meta", fold_meta},	    {"payload", fold_payload},
		     {"ct", fold_ct},	      {"bitwise", fold_bitwise},    {"cmp", fold_compare},
		     {"lookup", fold_lookup}, {"counter", fold_counter},    {"limit", fold_limit},
		     {"log", fold_log},	      {"immediate", fold_immediate}};
	struct folding *f = context;
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
	bool known = false, waits = f->waiting != NULL;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !known; i++) {
		known = strcmp(kinds[i].name, name) == 0;
		if (known)
			kinds[i].fold(f, e);
	}
	f->unknown = f->unknown || !known || (waits && f->waiting != NULL);
	return MNL_CB_OK;
}

/* Whether the rule makes every check that its fields need: one that does not is none of ours. */
static bool is_checked(const struct rule *rule)
{
	struct expansion expansion = {.rule = rule};
	size_t count = 0;
	while (expansion_next(&expansion) != NULL)
		count++;
	return count == rule->statement_count;
}

/* Takes out the checks that the rule has anyway, being the same rule without them. */
static void drop_checks(struct arena *arena, struct rule *rule)
{
	const struct rule whole = *rule;
	for (size_t i = whole.statement_count; i-- > 0;) {
		enum field field = rule->statements[i].fields[0];
		if (rule->statements[i].kind != STATEMENT_EQUAL || (field != FIELD_NFPROTO && field != FIELD_L4PROTO))
			continue;
		struct rule without = *rule;
		without.statement_count--;
		without.statements = arena_alloc(arena, without.statement_count * sizeof *without.statements);
		memcpy(without.statements, rule->statements, i * sizeof *without.statements);
		memcpy(without.statements + i, rule->statements + i + 1,
		       (without.statement_count - i) * sizeof *without.statements);
		if (rule_equal(&without, &whole))
			*rule = without;
	}
}

static void read_rule(struct reading *r, struct nftnl_rule *object, struct chain *chain)
{
	struct folding folding = {.arena = r->arena};
	folding.rule = arena_push(r->arena, chain->rules, chain->rule_count);
	nftnl_expr_foreach(object, fold_expression, &folding);
	if (folding.unknown || folding.load_count > 0 || folding.waiting != NULL || !is_checked(folding.rule))
		*folding.rule = (struct rule){.comment = "unknown"};
	else
		drop_checks(r->arena, folding.rule);
}

static int on_rule(const struct nlmsghdr *message, void *context)
{
	struct reading *r = context;
	struct nftnl_rule *object = nftnl_rule_alloc();
	if (object == NULL)
		return MNL_CB_ERROR;
	if (nftnl_rule_nlmsg_parse(message, object) == 0 &&
	    strcmp(nftnl_rule_get_str(object, NFTNL_RULE_TABLE), RULESET_TABLE) == 0) {
		struct chain *chain = ruleset_chain(r->ruleset, nftnl_rule_get_str(object, NFTNL_RULE_CHAIN));
		if (chain != NULL)
			read_rule(r, object, chain);
	}
	nftnl_rule_free(object);
	return MNL_CB_OK;
}

/* ---- chains and sets ---- */

static int on_chain(const struct nlmsghdr *message, void *context)
{
	struct reading *r = context;
	struct nftnl_chain *object = nftnl_chain_alloc();
	if (object == NULL)
		return MNL_CB_ERROR;
	if (nftnl_chain_nlmsg_parse(message, object) == 0 &&
	    strcmp(nftnl_chain_get_str(object, NFTNL_CHAIN_TABLE), RULESET_TABLE) == 0) {
		struct chain *chain = arena_alloc(r->arena, sizeof *chain);
		/* A name too long to be ours is cut, and then deleted under its whole name by nobody: it stays as
		 * difference. */
		snprintf(chain->name, sizeof chain->name, "%s", nftnl_chain_get_str(object, NFTNL_CHAIN_NAME));
		chain->base = nftnl_chain_is_set(object, NFTNL_CHAIN_HOOKNUM);
		chain->hook = chain->base ? nftnl_chain_get_u32(object, NFTNL_CHAIN_HOOKNUM) : 0;
		/* Another priority, policy or type is not our hook: a number that equals none makes it differ. */
		if (chain->base && (nftnl_chain_get_s32(object, NFTNL_CHAIN_PRIO) != 0 ||
				    strcmp(nftnl_chain_get_str(object, NFTNL_CHAIN_TYPE), "filter") != 0 ||
				    nftnl_chain_get_u32(object, NFTNL_CHAIN_POLICY) != NF_ACCEPT))
			chain->hook = UINT32_MAX;
		chain->fixed = chain->base || strcmp(chain->name, "dispatch") == 0;
		*arena_push(r->arena, r->ruleset->chains, r->ruleset->chain_count) = chain;
	}
	nftnl_chain_free(object);
	return MNL_CB_OK;
}

/* Fills in the form of the set; returns false when it is none of ours. */
static bool read_form(struct set *set, struct nftnl_set *object)
{
	uint32_t flags = nftnl_set_get_u32(object, NFTNL_SET_FLAGS),
		 type = nftnl_set_get_u32(object, NFTNL_SET_KEY_TYPE);
	bool known = false;
	for (size_t i = 0; i < KEY_TYPE_COUNT && !known; i++) {
		known = key_forms[i].datatype == type &&
			key_size((enum key_type)i) == nftnl_set_get_u32(object, NFTNL_SET_KEY_LEN);
		set->key = known ? (enum key_type)i : KEY_ADDRESS4;
	}
	set->map = (flags & NFT_SET_MAP) != 0;
	set->interval = (flags & NFT_SET_INTERVAL) != 0;
	set->timeout = (flags & NFT_SET_TIMEOUT) != 0;
	set->size = nftnl_set_is_set(object, NFTNL_SET_DESC_SIZE) ? nftnl_set_get_u32(object, NFTNL_SET_DESC_SIZE) : 0;
	uint64_t timeout =
	    nftnl_set_is_set(object, NFTNL_SET_TIMEOUT) ? nftnl_set_get_u64(object, NFTNL_SET_TIMEOUT) : 0;
	set->dynamic = (flags & NFT_SET_EVAL) != 0;
	set->forget_after = (uint32_t)(timeout / 1000);
	return known &&
	       (flags &
		~(uint32_t)(NFT_SET_MAP | NFT_SET_INTERVAL | NFT_SET_TIMEOUT | NFT_SET_CONCAT | NFT_SET_EVAL)) == 0 &&
	       (!set->map || nftnl_set_get_u32(object, NFTNL_SET_DATA_TYPE) == NFT_DATA_VERDICT) &&
	       (timeout == 0 || set->dynamic) && !nftnl_set_is_set(object, NFTNL_SET_EXPR) &&
	       !nftnl_set_is_set(object, NFTNL_SET_EXPRESSIONS);
}

static bool is_ours(const struct set *set)
{
	return !(set->map && set->interval && set->timeout);
}

static int on_set(const struct nlmsghdr *message, void *context)
{
	struct reading *r = context;
	struct nftnl_set *object = nftnl_set_alloc();
	if (object == NULL)
		return MNL_CB_ERROR;
	/* An anonymous set belongs to its rule and goes with it. */
	if (nftnl_set_nlmsg_parse(message, object) == 0 &&
	    strcmp(nftnl_set_get_str(object, NFTNL_SET_TABLE), RULESET_TABLE) == 0 &&
	    (nftnl_set_get_u32(object, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS) == 0) {
		struct set *set = arena_alloc(r->arena, sizeof *set);
		snprintf(set->name, sizeof set->name, "%s", nftnl_set_get_str(object, NFTNL_SET_NAME));
		if (!read_form(set, object))
			set->map = set->interval = set->timeout = true; /* a form that none of ours has */
		*arena_push(r->arena, r->ruleset->sets, r->ruleset->set_count) = set;
	}
	nftnl_set_free(object);
	return MNL_CB_OK;
}

/* ---- elements ---- */

/* The attributes of `nest` by type, those above `most` left out. Returns false when one is too short. */
static void index_attributes(const struct nlattr *nest, const struct nlattr **table, uint16_t most)
{
	const struct nlattr *attribute;
	memset(table, 0, (most + 1U) * sizeof *table);
	mnl_attr_for_each_nested(attribute, nest) if (mnl_attr_get_type(attribute) <= most)
	    table[mnl_attr_get_type(attribute)] = attribute;
}

static void read_key(uint8_t *key, size_t size, const struct nlattr *nest)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1];
	index_attributes(nest, data, NFTA_DATA_MAX);
	const struct nlattr *value = data[NFTA_DATA_VALUE];
	if (value != NULL && mnl_attr_get_payload_len(value) <= size)
		memcpy(key, mnl_attr_get_payload(value), mnl_attr_get_payload_len(value));
}

static const char *read_jump(struct arena *arena, const struct nlattr *nest)
{
	const struct nlattr *data[NFTA_DATA_MAX + 1], *verdict[NFTA_VERDICT_MAX + 1];
	index_attributes(nest, data, NFTA_DATA_MAX);
	if (data[NFTA_DATA_VERDICT] == NULL)
		return "";
	index_attributes(data[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX);
	const struct nlattr *chain = verdict[NFTA_VERDICT_CHAIN], *code = verdict[NFTA_VERDICT_CODE];
	if (chain == NULL || code == NULL || (int)ntohl(mnl_attr_get_u32(code)) != NFT_JUMP)
		return ""; /* a verdict that is none of ours equals no chain */
	return arena_copy(arena, mnl_attr_get_str(chain), mnl_attr_get_payload_len(chain) - 1);
}

static void read_element(struct reading *r, const struct nlattr *nest)
{
	const struct nlattr *a[NFTA_SET_ELEM_MAX + 1];
	struct set *set = r->set;
	size_t size = key_size(set->key);
	index_attributes(nest, a, NFTA_SET_ELEM_MAX);
	if (a[NFTA_SET_ELEM_KEY] == NULL)
		return;
	struct element *element = arena_push(r->arena, set->elements, set->element_count);
	read_key(element->key, size, a[NFTA_SET_ELEM_KEY]);
	memcpy(element->end, element->key, sizeof element->end);
	if (a[NFTA_SET_ELEM_KEY_END] != NULL)
		read_key(element->end, size, a[NFTA_SET_ELEM_KEY_END]);
	if (a[NFTA_SET_ELEM_DATA] != NULL)
		element->chain = read_jump(r->arena, a[NFTA_SET_ELEM_DATA]);
	if (a[NFTA_SET_ELEM_EXPIRATION] != NULL)
		element->expires =
		    r->at + (int64_t)((be64toh(mnl_attr_get_u64(a[NFTA_SET_ELEM_EXPIRATION])) + 999) / 1000);
	uint32_t flags = a[NFTA_SET_ELEM_FLAGS] != NULL ? ntohl(mnl_attr_get_u32(a[NFTA_SET_ELEM_FLAGS])) : 0;
	if ((flags & NFT_SET_ELEM_INTERVAL_END) != 0)
		element->expires = -1; /* marks an end until pair_intervals */
}

static int on_elements(const struct nlmsghdr *message, void *context)
{
	struct reading *r = context;
	const struct nlattr *attribute, *item;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(item, attribute) read_element(r, item);
	}
	return MNL_CB_OK;
}

static int compare_bounds(const void *left, const void *right)
{
	const struct element *a = left, *b = right;
	int order = memcmp(a->key, b->key, sizeof a->key);
	return order != 0 ? order : (b->expires == -1) - (a->expires == -1);
}

/* Intervals of one field come as a start and an exclusive end each; they become one element. */
static void pair_intervals(struct set *set)
{
	size_t count = 0;
	uint8_t family = key_forms[set->key].sizes[0] == 4 ? 4 : 6;
	if (set->element_count > 1)
		qsort(set->elements, set->element_count, sizeof *set->elements, compare_bounds);
	for (size_t i = 0; i < set->element_count; i++) {
		if (set->elements[i].expires == -1)
			continue;
		struct element element = set->elements[i];
		struct address last = {.family = family};
		memset(last.bytes, 0xff, address_size(family));
		if (i + 1 < set->element_count) {
			memcpy(last.bytes, set->elements[i + 1].key, address_size(family));
			address_previous(&last);
		}
		memcpy(element.end, last.bytes, address_size(family));
		set->elements[count++] = element;
	}
	set->element_count = count;
}

/* ---- dumps ---- */

/* Sends a dump request and calls `call` for each answer. Returns 0, -EINTR when the table changed meanwhile, or another
 * negative errno. */
static int dump(struct reading *r, uint16_t type, const char *set, mnl_cb_t call)
{
	char request[MNL_NLMSG_HDRLEN + 512];
	static _Thread_local char answer[1 << 16];
	uint32_t sequence = r->kernel->sequence++;
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(request, type, NFPROTO_INET, NLM_F_DUMP, sequence);
	mnl_attr_put_strz(message, NFTA_SET_TABLE, RULESET_TABLE); /* 1 in every kind of request */
	if (set != NULL)
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	if (mnl_socket_sendto(r->kernel->socket, message, message->nlmsg_len) < 0)
		return -errno;
	uint32_t port = mnl_socket_get_portid(r->kernel->socket);
	bool interrupted = false;
	for (int run = MNL_CB_OK; run > MNL_CB_STOP;) {
		ssize_t got = mnl_socket_recvfrom(r->kernel->socket, answer, sizeof answer);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		run = mnl_cb_run(answer, (size_t)got, sequence, port, call, r);
		if (run < 0 && errno == EINTR) { /* NLM_F_DUMP_INTR: read on to the end, then again */
			interrupted = true;
			run = MNL_CB_OK;
			for (struct nlmsghdr *m = (struct nlmsghdr *)(void *)answer; mnl_nlmsg_ok(m, (int)got);) {
				int left = (int)got;
				run = m->nlmsg_type == NLMSG_DONE ? MNL_CB_STOP : run;
				m = mnl_nlmsg_next(m, &left);
				got = left;
			}
		} else if (run < 0) {
			return errno == ENOENT ? 0 : -errno; /* no such table: nothing there */
		}
	}
	return interrupted ? -EINTR : 0;
}

static int on_generation(const struct nlmsghdr *message, void *context)
{
	struct reading *r = context;
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) == NFTA_GEN_ID)
	    r->generation_id = ntohl(mnl_attr_get_u32(attribute));
	return MNL_CB_STOP;
}

static int read_generation_id(struct reading *r)
{
	char request[MNL_NLMSG_HDRLEN + 64], answer[4096];
	uint32_t sequence = r->kernel->sequence++;
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(request, NFT_MSG_GETGEN, AF_UNSPEC, 0, sequence);
	if (mnl_socket_sendto(r->kernel->socket, message, message->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(r->kernel->socket, answer, sizeof answer);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		return mnl_cb_run(answer, (size_t)got, sequence, 0, on_generation, r) < 0 ? -errno : 0;
	}
}

static void find_generation(struct ruleset *ruleset)
{
	const struct chain *dispatch = ruleset_chain(ruleset, "dispatch");
	for (size_t i = 0; dispatch != NULL && i < dispatch->rule_count; i++) {
		const struct rule *rule = &dispatch->rules[i];
		const struct statement *last = rule->statement_count == 1 ? &rule->statements[0] : NULL;
		if (last != NULL && last->kind == STATEMENT_JUMP && last->text != NULL && last->text[0] == 'g')
			ruleset->generation = (uint32_t)strtoul(last->text + 1, NULL, 10) % GENERATIONS;
	}
}

static int read_once(struct reading *r)
{
	r->ruleset = arena_alloc(r->arena, sizeof *r->ruleset);
	r->ruleset->at = r->at;
	int error = read_generation_id(r);
	uint32_t before = r->generation_id;
	if (error == 0)
		error = dump(r, NFT_MSG_GETCHAIN, NULL, on_chain);
	if (error == 0)
		error = dump(r, NFT_MSG_GETRULE, NULL, on_rule);
	if (error == 0)
		error = dump(r, NFT_MSG_GETSET, NULL, on_set);
	for (size_t i = 0; i < r->ruleset->set_count && error == 0; i++) {
		r->set = r->ruleset->sets[i];
		if (!is_ours(r->set) || r->set->dynamic)
			continue;
		error = dump(r, NFT_MSG_GETSETELEM, r->set->name, on_elements);
		if (r->set->interval && key_forms[r->set->key].parts == 1)
			pair_intervals(r->set);
	}
	if (error == 0)
		error = read_generation_id(r);
	return error == 0 && before != r->generation_id ? -EINTR : error;
}

int kernel_read(struct kernel *kernel, struct arena *arena, int64_t at, struct ruleset **actual)
{
	struct reading reading = {.kernel = kernel, .arena = arena, .at = at};
	int error = -EINTR;
	for (int i = 0; i < TRIES && error == -EINTR; i++)
		error = read_once(&reading);
	if (error != 0)
		return error == -EINTR ? -EAGAIN : error;
	find_generation(reading.ruleset);
	ruleset_sort(reading.ruleset);
	*actual = reading.ruleset;
	return 0;
}
