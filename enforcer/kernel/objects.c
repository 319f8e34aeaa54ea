/* Messages of dumps to chains, rules and sets without their elements.
 *
 * Rules come back as expressions and are folded into the statements that netlink.c makes them from. A rule that is not
 * made of those becomes one without statements, which equals none. */
#include "enforcer/kernel/objects.h"

#include "compiler/ruleset/netlink.h"

#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <libnftnl/set.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

enum { LOADS_MAX = 3 };

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

static void fold_socket(struct folding *f, const struct nftnl_expr *e)
{
	f->unknown = f->unknown || nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_KEY) != NFT_SOCKET_CGROUPV2;
	load(f, FROM_SOCKET, nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_LEVEL), -1, 0,
	     nftnl_expr_get_u32(e, NFTNL_EXPR_SOCKET_DREG));
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
	bool equal = op == NFT_CMP_EQ;
	struct statement *statement = add(f, asks_bits ? (equal ? STATEMENT_NO_BITS : STATEMENT_BITS)
						       : (equal ? STATEMENT_PREFIX : STATEMENT_NOT_PREFIX));
	if (asks_bits) {
		f->unknown = f->unknown || memcmp(data, &zero, size) != 0;
		memcpy(statement->value, f->mask, size);
	} else {
		f->unknown = f->unknown || bits < 0;
		memcpy(statement->value, data, size);
		statement->prefix = (uint8_t)bits;
	}
}

/* A range is two comparisons of one load: the first leaves a statement that waits for the second. */
static void fold_limit_of_range(struct folding *f, uint32_t op, const void *data, uint32_t size)
{
	struct statement *waiting = f->waiting;
	f->unknown =
	    f->unknown || data == NULL || f->masked || size > sizeof waiting->value ||
	    (op == NFT_CMP_GTE ? f->load_count != 1 || size != f->sizes[0]
			       : waiting == NULL || f->load_count != 0 || size != field_forms[waiting->fields[0]].size);
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
	bool equal = op == NFT_CMP_EQ;
	f->unknown = has_bits(f->loads[0]);
	struct statement *statement = add(f, part ? (equal ? STATEMENT_PREFIX : STATEMENT_NOT_PREFIX)
						  : (equal ? STATEMENT_EQUAL : STATEMENT_UNEQUAL));
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

static void fold_counted(struct folding *f, const struct nftnl_expr *e)
{
	bool set = nftnl_expr_is_set(e, NFTNL_EXPR_OBJREF_SET_SREG);
	if (!set) {
		const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_OBJREF_IMM_NAME);
		struct statement *count = add_plain(f, STATEMENT_COUNT);
		count->text = name != NULL ? arena_copy(f->arena, name, strlen(name)) : NULL;
		f->unknown = f->unknown || name == NULL ||
			     nftnl_expr_get_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE) != NFT_OBJECT_COUNTER;
		return;
	}
	f->unknown = f->unknown || f->load_count == 0 || f->masked ||
		     nftnl_expr_get_u32(e, NFTNL_EXPR_OBJREF_SET_SREG) != NFT_REG_1;
	for (size_t i = 0; i < f->load_count; i++)
		f->unknown = f->unknown || f->sizes[i] != field_forms[f->loads[i]].size;
	struct statement *statement = add(f, STATEMENT_COUNTED);
	copy_name(f, statement->set, nftnl_expr_get_str(e, NFTNL_EXPR_OBJREF_SET_NAME));
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

static void fold_reject(struct folding *f, const struct nftnl_expr *e)
{
	uint32_t type = nftnl_expr_get_u32(e, NFTNL_EXPR_REJECT_TYPE);
	uint8_t code = nftnl_expr_is_set(e, NFTNL_EXPR_REJECT_CODE) ? nftnl_expr_get_u8(e, NFTNL_EXPR_REJECT_CODE) : 0;
	bool reset = type == NFT_REJECT_TCP_RST; /* of which no code is told (nft_reject_dump) */
	add_plain(f, reset ? STATEMENT_RESET : STATEMENT_REJECT);
	f->unknown =
	    f->unknown || (!reset && (type != NFT_REJECT_ICMPX_UNREACH || code != NFT_REJECT_ICMPX_ADMIN_PROHIBITED));
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
	} kinds[] = {{"dynset", fold_dynset}, {"meta", fold_meta},	     {"payload", fold_payload},
		     {"ct", fold_ct},	      {"bitwise", fold_bitwise},     {"cmp", fold_compare},
		     {"lookup", fold_lookup}, {"counter", fold_counter},     {"limit", fold_limit},
		     {"log", fold_log},	      {"immediate", fold_immediate}, {"reject", fold_reject},
		     {"socket", fold_socket}, {"objref", fold_counted}};
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

/* The comment in the user data: attributes of a byte for the type, one for the length, and the value. Anybody may have
 * written them. */
static const char *comment_of(struct arena *arena, const struct nftnl_rule *object)
{
	uint32_t length = 0;
	const uint8_t *data = nftnl_rule_get_data(object, NFTNL_RULE_USERDATA, &length);
	for (size_t i = 0; data != NULL && i + 2 <= length && i + 2 + data[i + 1] <= length;
	     i += 2 + (size_t)data[i + 1]) {
		const char *text = (const char *)data + i + 2;
		if (data[i] == NFTNL_UDATA_RULE_COMMENT)
			return arena_copy(arena, text, strnlen(text, data[i + 1]));
	}
	return NULL;
}

static void add_rule(struct arena *arena, struct chain *chain, struct nftnl_rule *object)
{
	struct folding folding = {.arena = arena};
	folding.rule = arena_push(arena, chain->rules, chain->rule_count);
	nftnl_expr_foreach(object, fold_expression, &folding);
	if (folding.unknown || folding.load_count > 0 || folding.waiting != NULL || !is_checked(folding.rule)) {
		*folding.rule = (struct rule){.comment = "unknown"};
	} else {
		folding.rule->comment = comment_of(arena, object);
		drop_checks(arena, folding.rule);
	}
}

/* Rules come chain by chain, in the order of the chains: the one is tried that the last rule was of, and those behind.
 */
static struct chain *find_chain(struct objects *objects, const char *name)
{
	const struct ruleset *ruleset = objects->ruleset;
	for (size_t i = 0; i < ruleset->chain_count; i++) {
		size_t place = (objects->chain + i) % ruleset->chain_count;
		if (strcmp(ruleset->chains[place]->name, name) == 0) {
			objects->chain = place;
			return ruleset->chains[place];
		}
	}
	return NULL;
}

int objects_add_rule(struct objects *objects, const struct nlmsghdr *message)
{
	struct nftnl_rule *object = nftnl_rule_alloc();
	if (object == NULL)
		return -ENOMEM;
	int error = nftnl_rule_nlmsg_parse(message, object) == 0 ? 0 : -EBADMSG;
	if (error == 0 && strcmp(nftnl_rule_get_str(object, NFTNL_RULE_TABLE), RULESET_TABLE) == 0) {
		struct chain *chain = find_chain(objects, nftnl_rule_get_str(object, NFTNL_RULE_CHAIN));
		if (chain != NULL)
			add_rule(objects->arena, chain, object);
	}
	nftnl_rule_free(object);
	return error;
}

/* ---- chains and sets ---- */

static void add_chain(struct objects *objects, const struct nftnl_chain *object)
{
	struct chain *chain = arena_alloc(objects->arena, sizeof *chain);
	/* A name too long to be ours is cut, and then deleted under its whole name by nobody: it stays as difference.
	 */
	snprintf(chain->name, sizeof chain->name, "%s", nftnl_chain_get_str(object, NFTNL_CHAIN_NAME));
	chain->base = nftnl_chain_is_set(object, NFTNL_CHAIN_HOOKNUM);
	chain->hook = chain->base ? nftnl_chain_get_u32(object, NFTNL_CHAIN_HOOKNUM) : 0;
	/* Another priority, policy or type is not our hook: a number that equals none makes it differ. */
	if (chain->base && (nftnl_chain_get_s32(object, NFTNL_CHAIN_PRIO) != 0 ||
			    strcmp(nftnl_chain_get_str(object, NFTNL_CHAIN_TYPE), "filter") != 0 ||
			    nftnl_chain_get_u32(object, NFTNL_CHAIN_POLICY) != NF_ACCEPT))
		chain->hook = UINT32_MAX;
	chain->fixed = chain->base || strcmp(chain->name, "dispatch") == 0;
	*arena_push(objects->arena, objects->ruleset->chains, objects->ruleset->chain_count) = chain;
}

int objects_add_chain(struct objects *objects, const struct nlmsghdr *message)
{
	struct nftnl_chain *object = nftnl_chain_alloc();
	if (object == NULL)
		return -ENOMEM;
	int error = nftnl_chain_nlmsg_parse(message, object) == 0 ? 0 : -EBADMSG;
	if (error == 0 && strcmp(nftnl_chain_get_str(object, NFTNL_CHAIN_TABLE), RULESET_TABLE) == 0)
		add_chain(objects, object);
	nftnl_chain_free(object);
	return error;
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
	set->counted = (flags & NFT_SET_OBJECT) != 0;
	set->interval = (flags & NFT_SET_INTERVAL) != 0;
	set->timeout = (flags & NFT_SET_TIMEOUT) != 0;
	set->size = nftnl_set_is_set(object, NFTNL_SET_DESC_SIZE) ? nftnl_set_get_u32(object, NFTNL_SET_DESC_SIZE) : 0;
	uint64_t timeout =
	    nftnl_set_is_set(object, NFTNL_SET_TIMEOUT) ? nftnl_set_get_u64(object, NFTNL_SET_TIMEOUT) : 0;
	set->dynamic = (flags & NFT_SET_EVAL) != 0;
	set->forget_after = (uint32_t)(timeout / 1000);
	return known &&
	       (flags & ~(uint32_t)(NFT_SET_MAP | NFT_SET_OBJECT | NFT_SET_INTERVAL | NFT_SET_TIMEOUT | NFT_SET_CONCAT |
				    NFT_SET_EVAL)) == 0 &&
	       (!set->counted || nftnl_set_get_u32(object, NFTNL_SET_OBJ_TYPE) == NFT_OBJECT_COUNTER) &&
	       (!set->map || nftnl_set_get_u32(object, NFTNL_SET_DATA_TYPE) == NFT_DATA_VERDICT) &&
	       (timeout == 0 || set->dynamic) && !nftnl_set_is_set(object, NFTNL_SET_EXPR) &&
	       !nftnl_set_is_set(object, NFTNL_SET_EXPRESSIONS);
}

void set_disown(struct set *set)
{
	set->map = set->interval = set->timeout = true;
}

bool set_is_ours(const struct set *set)
{
	return !(set->map && set->interval && set->timeout);
}

int objects_add_set(struct objects *objects, const struct nlmsghdr *message)
{
	struct nftnl_set *object = nftnl_set_alloc();
	if (object == NULL)
		return -ENOMEM;
	int error = nftnl_set_nlmsg_parse(message, object) == 0 ? 0 : -EBADMSG;
	/* An anonymous set belongs to its rule and goes with it. */
	if (error == 0 && strcmp(nftnl_set_get_str(object, NFTNL_SET_TABLE), RULESET_TABLE) == 0 &&
	    (nftnl_set_get_u32(object, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS) == 0) {
		struct set *set = arena_alloc(objects->arena, sizeof *set);
		snprintf(set->name, sizeof set->name, "%s", nftnl_set_get_str(object, NFTNL_SET_NAME));
		if (!read_form(set, object))
			set_disown(set);
		*arena_push(objects->arena, objects->ruleset->sets, objects->ruleset->set_count) = set;
	}
	nftnl_set_free(object);
	return error;
}

int objects_add_counter(struct objects *objects, const struct nlmsghdr *message)
{
	struct nftnl_obj *object = nftnl_obj_alloc();
	if (object == NULL)
		return -ENOMEM;
	int error = nftnl_obj_nlmsg_parse(message, object) == 0 ? 0 : -EBADMSG;
	if (error == 0 && strcmp(nftnl_obj_get_str(object, NFTNL_OBJ_TABLE), RULESET_TABLE) == 0 &&
	    nftnl_obj_get_u32(object, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER) {
		const char *name = nftnl_obj_get_str(object, NFTNL_OBJ_NAME);
		*arena_push(objects->arena, objects->ruleset->counters, objects->ruleset->counter_count) =
		    arena_copy(objects->arena, name, strlen(name));
	}
	nftnl_obj_free(object);
	return error;
}

/* The number is that of the chain which dispatch goes to. */
void objects_find_generation(struct ruleset *ruleset)
{
	const struct chain *dispatch = ruleset_chain(ruleset, "dispatch");
	for (size_t i = 0; dispatch != NULL && i < dispatch->rule_count; i++) {
		const struct rule *rule = &dispatch->rules[i];
		const struct statement *last = rule->statement_count == 1 ? &rule->statements[0] : NULL;
		if (last != NULL && last->kind == STATEMENT_GOTO && last->text != NULL && last->text[0] == 'g')
			ruleset->generation = (uint32_t)strtoul(last->text + 1, NULL, 10) % GENERATIONS;
	}
}
