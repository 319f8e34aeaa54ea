/* Rules, sets and elements as nf_tables takes them: expressions over registers, as nft itself would make them.
 *
 * A statement loads its fields side by side into registers and then compares or looks up. Fields of a header need the
 * rule to have checked the family or protocol first; nft adds those checks, and so does this. */
#include "compiler/ruleset/netlink.h"

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

/* nft's own numbers (nftables, include/datatype.h and include/expression.h). */
enum { BYTEORDER_INVALID = 0, BYTEORDER_HOST = 1, BYTEORDER_BIG = 2, DATA_VERDICT_LENGTH = 16 };

char *netlink_text(char *safe, const char *text)
{
	size_t length = 0;
	for (; text[length] != 0 && length < NETLINK_TEXT_MAX - 1; length++) {
		char c = text[length];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		safe[length] = word || strchr(" ._/:,=()+-?", c) != NULL ? c : '_';
	}
	safe[length] = 0;
	return safe;
}

/* ---- expressions ---- */

static struct nftnl_expr *make(const char *name)
{
	struct nftnl_expr *expression = nftnl_expr_alloc(name);
	if (expression == NULL)
		abort();
	return expression;
}

static void load_meta(struct nftnl_rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = make("meta");
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
	nftnl_rule_add_expr(rule, e);
}

static void compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *e = make("cmp");
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, size);
	nftnl_rule_add_expr(rule, e);
}

/* Loads the first `size` bytes of a field into register `reg`. */
static void load(struct nftnl_rule *rule, enum field field, uint32_t size, uint32_t reg)
{
	const struct field_form *form = &field_forms[field];
	struct nftnl_expr *e;
	switch (form->source) {
	case FROM_META:
		load_meta(rule, form->key, reg);
		break;
	case FROM_NETWORK:
	case FROM_TRANSPORT:
		e = make("payload");
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE,
				   form->source == FROM_NETWORK ? NFT_PAYLOAD_NETWORK_HEADER
								: NFT_PAYLOAD_TRANSPORT_HEADER);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, form->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
		nftnl_rule_add_expr(rule, e);
		break;
	case FROM_CT:
		e = make("ct");
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, form->key);
		if (form->direction >= 0)
			nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, (uint8_t)form->direction);
		nftnl_rule_add_expr(rule, e);
		break;
	case FROM_SOCKET:
		e = make("socket");
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, reg);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_LEVEL, form->key);
		nftnl_rule_add_expr(rule, e);
		break;
	}
}

uint32_t netlink_register(size_t offset)
{
	return offset % 16 == 0 ? NFT_REG_1 + (uint32_t)offset / 16 : NFT_REG32_00 + (uint32_t)offset / 4;
}

static void load_all(struct nftnl_rule *rule, const struct statement *statement)
{
	size_t offset = 0;
	for (size_t i = 0; i < statement->field_count; i++) {
		uint32_t size = field_forms[statement->fields[i]].size;
		load(rule, statement->fields[i], size, netlink_register(offset));
		offset += (size + 3) / 4 * 4;
	}
}

static void add_lookup(struct nftnl_rule *rule, const struct statement *statement)
{
	struct nftnl_expr *e = make("lookup");
	load_all(rule, statement);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, statement->set);
	if (statement->kind == STATEMENT_MAP)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	if (statement->kind == STATEMENT_NOT_IN)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	nftnl_rule_add_expr(rule, e);
}

/* The kernel finds the counter that the set has for the fields, and counts; where there is none the rule ends. */
static void add_counted(struct nftnl_rule *rule, const struct statement *statement)
{
	struct nftnl_expr *e = make("objref");
	load_all(rule, statement);
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_SET_SREG, NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_SET_NAME, statement->set);
	nftnl_rule_add_expr(rule, e);
}

static void add_count(struct nftnl_rule *rule, const char *counter)
{
	struct nftnl_expr *e = make("objref");
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
	nftnl_rule_add_expr(rule, e);
}

/* Register 1 &= `mask`. */
static void add_mask(struct nftnl_rule *rule, const void *mask, uint32_t size)
{
	static const uint8_t zero[16];
	struct nftnl_expr *e = make("bitwise");
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, size);
	nftnl_rule_add_expr(rule, e);
}

static void add_compare(struct nftnl_rule *rule, const struct statement *statement)
{
	enum field field = statement->fields[0];
	uint32_t size = field_forms[field].size;
	load(rule, field, size, NFT_REG_1);
	compare(rule, statement->kind == STATEMENT_UNEQUAL ? NFT_CMP_NEQ : NFT_CMP_EQ, statement->value, size);
}

/* Of a prefix of whole bytes nft compares just those, and of a header loads no more; any other is masked. */
static void add_prefix(struct nftnl_rule *rule, const struct statement *statement)
{
	enum field field = statement->fields[0];
	uint32_t size = field_forms[field].size, bits = statement->prefix < size * 8 ? statement->prefix : size * 8;
	uint8_t mask[16] = {0}, value[16];
	for (uint32_t i = 0; i < size; i++) {
		mask[i] = bits >= i * 8 + 8 ? 0xff : bits <= i * 8 ? 0 : (uint8_t)(0xff00 >> (bits - i * 8));
		value[i] = statement->value[i] & mask[i];
	}
	bool whole_bytes = bits > 0 && bits % 8 == 0;
	if (whole_bytes)
		size = bits / 8;
	load(rule, field, size, NFT_REG_1);
	if (!whole_bytes)
		add_mask(rule, mask, size);
	compare(rule, statement->kind == STATEMENT_NOT_PREFIX ? NFT_CMP_NEQ : NFT_CMP_EQ, value, size);
}

/* Two comparisons of one load, as nft has it. */
static void add_range(struct nftnl_rule *rule, const struct statement *statement)
{
	uint32_t size = field_forms[statement->fields[0]].size;
	load(rule, statement->fields[0], size, NFT_REG_1);
	compare(rule, NFT_CMP_GTE, statement->value, size);
	compare(rule, NFT_CMP_LTE, statement->last, size);
}

static void add_bits(struct nftnl_rule *rule, const struct statement *statement)
{
	static const uint8_t zero[16];
	uint32_t size = field_forms[statement->fields[0]].size;
	load(rule, statement->fields[0], size, NFT_REG_1);
	add_mask(rule, statement->value, size);
	compare(rule, statement->kind == STATEMENT_BITS ? NFT_CMP_NEQ : NFT_CMP_EQ, zero, size);
}

static struct nftnl_expr *make_limit(uint32_t rate, uint32_t seconds, uint32_t burst)
{
	struct nftnl_expr *e = make("limit");
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, seconds);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, 0);
	return e;
}

/* `update @set { field limit ... }`: the kernel keeps a limit for each value of the field that it meets. */
static void add_meter(struct nftnl_rule *rule, const struct statement *statement)
{
	struct nftnl_expr *e = make("dynset");
	load_all(rule, statement);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, statement->set);
	nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPRESSIONS,
			    make_limit(statement->rate, statement->seconds, statement->burst));
	nftnl_rule_add_expr(rule, e);
}

static void add_log(struct nftnl_rule *rule, const struct statement *statement)
{
	char text[NETLINK_TEXT_MAX];
	struct nftnl_expr *e = make("log");
	nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, netlink_text(text, statement->text));
	nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, RULESET_LOG_GROUP);
	nftnl_rule_add_expr(rule, e);
}

static void add_verdict(struct nftnl_rule *rule, uint32_t verdict, const char *chain)
{
	struct nftnl_expr *e = make("immediate");
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
	if (chain != NULL)
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
	nftnl_rule_add_expr(rule, e);
}

static void add_reject(struct nftnl_rule *rule, uint32_t type, uint8_t code)
{
	struct nftnl_expr *e = make("reject");
	nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, type);
	nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, code);
	nftnl_rule_add_expr(rule, e);
}

static void add_statement(struct nftnl_rule *rule, const struct statement *statement)
{
	switch (statement->kind) {
	case STATEMENT_EQUAL:
	case STATEMENT_UNEQUAL:
		add_compare(rule, statement);
		break;
	case STATEMENT_PREFIX:
	case STATEMENT_NOT_PREFIX:
		add_prefix(rule, statement);
		break;
	case STATEMENT_RANGE:
		add_range(rule, statement);
		break;
	case STATEMENT_BITS:
	case STATEMENT_NO_BITS:
		add_bits(rule, statement);
		break;
	case STATEMENT_IN:
	case STATEMENT_NOT_IN:
	case STATEMENT_MAP:
		add_lookup(rule, statement);
		break;
	case STATEMENT_COUNTED:
		add_counted(rule, statement);
		break;
	case STATEMENT_COUNTER:
		nftnl_rule_add_expr(rule, make("counter"));
		break;
	case STATEMENT_COUNT:
		add_count(rule, statement->text);
		break;
	case STATEMENT_LIMIT:
		nftnl_rule_add_expr(rule, make_limit(statement->rate, 1, statement->burst));
		break;
	case STATEMENT_METER:
		add_meter(rule, statement);
		break;
	case STATEMENT_LOG:
		add_log(rule, statement);
		break;
	case STATEMENT_ACCEPT:
		add_verdict(rule, NF_ACCEPT, NULL);
		break;
	case STATEMENT_DROP:
		add_verdict(rule, NF_DROP, NULL);
		break;
	case STATEMENT_RESET:
		add_reject(rule, NFT_REJECT_TCP_RST, 0);
		break;
	case STATEMENT_REJECT:
		add_reject(rule, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		break;
	case STATEMENT_RETURN:
		add_verdict(rule, (uint32_t)NFT_RETURN, NULL);
		break;
	case STATEMENT_JUMP:
		add_verdict(rule, (uint32_t)NFT_JUMP, statement->text);
		break;
	case STATEMENT_GOTO:
		add_verdict(rule, (uint32_t)NFT_GOTO, statement->text);
		break;
	}
}

static void add_comment(struct nftnl_rule *rule, const char *comment)
{
	char text[NETLINK_TEXT_MAX];
	struct nftnl_udata_buf *buffer = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	if (buffer == NULL)
		abort();
	nftnl_udata_put_strz(buffer, NFTNL_UDATA_RULE_COMMENT, netlink_text(text, comment));
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(buffer), nftnl_udata_buf_len(buffer));
	nftnl_udata_buf_free(buffer);
}

struct nftnl_rule *netlink_rule(const char *chain, const struct rule *rule)
{
	struct expansion expansion = {.rule = rule};
	struct nftnl_rule *object = nftnl_rule_alloc();
	const struct statement *statement;
	if (object == NULL)
		abort();
	nftnl_rule_set_u32(object, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(object, NFTNL_RULE_TABLE, RULESET_TABLE);
	nftnl_rule_set_str(object, NFTNL_RULE_CHAIN, chain);
	while ((statement = expansion_next(&expansion)) != NULL)
		add_statement(object, statement);
	if (rule->comment != NULL)
		add_comment(object, rule->comment);
	return object;
}

/* ---- sets ---- */

static void add_byteorders(struct nftnl_set *object, const struct set *set)
{
	const struct key_form *form = &key_forms[set->key];
	bool host = form->kinds[0] == PART_INTERFACE || form->kinds[0] == PART_CGROUP;
	uint32_t order = form->parts > 1 ? BYTEORDER_INVALID : host ? BYTEORDER_HOST : BYTEORDER_BIG;
	struct nftnl_udata_buf *buffer = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	if (buffer == NULL)
		abort();
	nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_KEYBYTEORDER, order);
	if (set->map)
		nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_DATABYTEORDER, BYTEORDER_INVALID);
	nftnl_set_set_data(object, NFTNL_SET_USERDATA, nftnl_udata_buf_data(buffer), nftnl_udata_buf_len(buffer));
	nftnl_udata_buf_free(buffer);
}

struct nftnl_set *netlink_set(const struct set *set, uint32_t id)
{
	const struct key_form *form = &key_forms[set->key];
	struct nftnl_set *object = nftnl_set_alloc();
	if (object == NULL)
		abort();
	uint32_t flags = (set->map ? NFT_SET_MAP : 0) | (set->counted ? NFT_SET_OBJECT : 0) |
			 (set->interval ? NFT_SET_INTERVAL : 0) | (set->timeout ? NFT_SET_TIMEOUT : 0) |
			 (set->dynamic ? NFT_SET_EVAL : 0) | (form->parts > 1 ? NFT_SET_CONCAT : 0);
	nftnl_set_set_str(object, NFTNL_SET_TABLE, RULESET_TABLE);
	nftnl_set_set_str(object, NFTNL_SET_NAME, set->name);
	nftnl_set_set_u32(object, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(object, NFTNL_SET_ID, id);
	nftnl_set_set_u32(object, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(object, NFTNL_SET_KEY_TYPE, form->datatype);
	nftnl_set_set_u32(object, NFTNL_SET_KEY_LEN, (uint32_t)key_size(set->key));
	if (set->map) {
		nftnl_set_set_u32(object, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(object, NFTNL_SET_DATA_LEN, DATA_VERDICT_LENGTH);
	}
	if (set->counted)
		nftnl_set_set_u32(object, NFTNL_SET_OBJ_TYPE, NFT_OBJECT_COUNTER);
	if (set->dynamic)
		nftnl_set_set_u64(object, NFTNL_SET_TIMEOUT, (uint64_t)set->forget_after * 1000);
	if (set->size != 0)
		nftnl_set_set_u32(object, NFTNL_SET_DESC_SIZE, set->size);
	if (form->parts > 1)
		nftnl_set_set_data(object, NFTNL_SET_DESC_CONCAT, form->sizes, form->parts);
	add_byteorders(object, set);
	return object;
}

/* ---- elements ---- */

/* Written without libmnl: a million elements are written in one go, and its calls for each attribute cost more than
 * all the rest. An attribute is a length and a type of 16 bits each in host order, then its value, padded to 4. */

static char *put_header(char *to, uint16_t type, size_t value_size)
{
	struct nlattr header = {.nla_len = (uint16_t)(MNL_ATTR_HDRLEN + value_size), .nla_type = type};
	memcpy(to, &header, sizeof header);
	return to + sizeof header;
}

/* A nest's length is only known at its end. */
static char *nest_begin(char *to, uint16_t type)
{
	return put_header(to, type | NLA_F_NESTED, 0);
}

static void nest_end(char *inside, const char *end)
{
	uint16_t length = (uint16_t)(end - inside + MNL_ATTR_HDRLEN);
	memcpy(inside - MNL_ATTR_HDRLEN, &length, sizeof length);
}

static char *put_u32(char *to, uint16_t type, uint32_t value)
{
	value = htonl(value);
	memcpy(put_header(to, type, sizeof value), &value, sizeof value);
	return to + MNL_ATTR_HDRLEN + sizeof value;
}

/* Copies a whole key's room, which is faster than its size: what is too much is written over by what follows. */
static char *put_key(char *to, uint16_t type, const uint8_t *key, size_t size)
{
	to = put_header(to, type | NLA_F_NESTED, MNL_ATTR_HDRLEN + size);
	memcpy(put_header(to, NFTA_DATA_VALUE, size), key, ELEMENT_KEY_MAX);
	return to + MNL_ATTR_HDRLEN + size;
}

static char *put_timeout(char *to, int64_t expires, int64_t at)
{
	uint64_t milliseconds = htobe64((uint64_t)(expires > at ? expires - at : 1) * 1000);
	memcpy(put_header(to, NFTA_SET_ELEM_TIMEOUT, sizeof milliseconds), &milliseconds, sizeof milliseconds);
	return to + MNL_ATTR_HDRLEN + sizeof milliseconds;
}

/* A name that is too long is cut, and the kernel then knows no such chain. */
static char *put_goto(char *to, const char *chain)
{
	char *data = nest_begin(to, NFTA_SET_ELEM_DATA), *verdict = nest_begin(data, NFTA_DATA_VERDICT);
	size_t length = strnlen(chain, RULESET_NAME_SIZE - 1);
	to = put_u32(verdict, NFTA_VERDICT_CODE, (uint32_t)NFT_GOTO);
	to = put_header(to, NFTA_VERDICT_CHAIN, length + 1);
	memset(to, 0, RULESET_NAME_SIZE);
	memcpy(to, chain, length);
	to += MNL_ALIGN(length + 1);
	nest_end(verdict, to);
	nest_end(data, to);
	return to;
}

static char *put_counter(char *to, const char *counter)
{
	size_t length = strnlen(counter, RULESET_NAME_SIZE - 1);
	to = put_header(to, NFTA_SET_ELEM_OBJREF, length + 1);
	memset(to, 0, RULESET_NAME_SIZE);
	memcpy(to, counter, length);
	return to + MNL_ALIGN(length + 1);
}

/* The end of an interval of one field is exclusive and an element of its own; one that ends with the last address has
 * none. */
static char *put_interval_end(char *to, const struct set *set, const struct element *element)
{
	struct address behind = {.family = key_forms[set->key].sizes[0] == 4 ? 4 : 6};
	uint8_t key[ELEMENT_KEY_MAX] = {0};
	memcpy(behind.bytes, element->end, address_size(behind.family));
	if (!address_next(&behind))
		return to;
	memcpy(key, behind.bytes, address_size(behind.family));
	char *item = nest_begin(to, NFTA_LIST_ELEM);
	to = put_key(item, NFTA_SET_ELEM_KEY, key, address_size(behind.family));
	to = put_u32(to, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nest_end(item, to);
	return to;
}

size_t netlink_elements(struct nlmsghdr *message, const struct set *set, const struct element *elements, size_t count,
			int64_t at, bool key_only)
{
	char *begin = mnl_nlmsg_get_payload_tail(message);
	char *list = nest_begin(begin, NFTA_SET_ELEM_LIST_ELEMENTS), *to = list;
	const char *full = list + NETLINK_LIST_MAX - NETLINK_ELEMENT_MAX;
	size_t size = key_size(set->key), done = 0;
	bool concat = key_forms[set->key].parts > 1;
	for (; done < count && to < full; done++) {
		const struct element *element = &elements[done];
		char *item = nest_begin(to, NFTA_LIST_ELEM);
		to = put_key(item, NFTA_SET_ELEM_KEY, element->key, size);
		if (set->interval && concat)
			to = put_key(to, NFTA_SET_ELEM_KEY_END, element->end, size);
		if (element->expires != 0 && !key_only)
			to = put_timeout(to, element->expires, at);
		if (element->chain != NULL && !key_only)
			to = set->counted ? put_counter(to, element->chain) : put_goto(to, element->chain);
		nest_end(item, to);
		if (set->interval && !concat)
			to = put_interval_end(to, set, element);
	}
	nest_end(list, to);
	message->nlmsg_len += (uint32_t)(to - begin);
	return done;
}
