/* The tables of fields and key types, and what follows from them alone: sizes, order, the text of an element, the
 * checks that a rule needs before its fields, and with those whether two rules do the same. */
#include "compiler/ruleset/netlink.h"

#include <ringfence/arena.h>
#include <ringfence/plan.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Directions of conntrack (linux/netfilter/nf_conntrack_tuple_common.h). */
enum { ORIGINAL, REPLY };

/* `ct protocol` needs a direction in the kernel (nft_ct_get_init), and nft lists it without one. */
const struct field_form field_forms[FIELD_COUNT] = {
    [FIELD_IIFNAME] = {"iifname", 16, 0, FROM_META, NFT_META_IIFNAME, -1, 0},
    [FIELD_OIFNAME] = {"oifname", 16, 0, FROM_META, NFT_META_OIFNAME, -1, 0},
    [FIELD_IIF] = {"iif", 4, 0, FROM_META, NFT_META_IIF, -1, 0},
    [FIELD_NFPROTO] = {"meta nfproto", 1, 0, FROM_META, NFT_META_NFPROTO, -1, 0},
    [FIELD_L4PROTO] = {"meta l4proto", 1, 0, FROM_META, NFT_META_L4PROTO, -1, 0},
    [FIELD_IP_SADDR] = {"ip saddr", 4, 4, FROM_NETWORK, 12, -1, 0},
    [FIELD_IP_DADDR] = {"ip daddr", 4, 4, FROM_NETWORK, 16, -1, 0},
    [FIELD_IP6_SADDR] = {"ip6 saddr", 16, 6, FROM_NETWORK, 8, -1, 0},
    [FIELD_IP6_DADDR] = {"ip6 daddr", 16, 6, FROM_NETWORK, 24, -1, 0},
    [FIELD_IP6_HOPLIMIT] = {"ip6 hoplimit", 1, 6, FROM_NETWORK, 7, -1, 0},
    [FIELD_ICMPV6_TYPE] = {"icmpv6 type", 1, 6, FROM_TRANSPORT, 0, -1, IPPROTO_ICMPV6},
    [FIELD_ICMP_KIND] = {"@th,0,16", 2, 0, FROM_TRANSPORT, 0, -1, 0},
    [FIELD_CT_STATE] = {"ct state", 4, 0, FROM_CT, NFT_CT_STATE, -1, 0},
    [FIELD_CT_SOURCE4] = {"ct original ip saddr", 4, 0, FROM_CT, NFT_CT_SRC_IP, ORIGINAL, 0},
    [FIELD_CT_SOURCE6] = {"ct original ip6 saddr", 16, 0, FROM_CT, NFT_CT_SRC_IP6, ORIGINAL, 0},
    [FIELD_CT_DESTINATION4] = {"ct reply ip saddr", 4, 0, FROM_CT, NFT_CT_SRC_IP, REPLY, 0},
    [FIELD_CT_DESTINATION6] = {"ct reply ip6 saddr", 16, 0, FROM_CT, NFT_CT_SRC_IP6, REPLY, 0},
    [FIELD_CT_PROTOCOL] = {"ct original protocol", 1, 0, FROM_CT, NFT_CT_PROTOCOL, ORIGINAL, 0},
    [FIELD_CT_PORT] = {"ct reply proto-src", 2, 0, FROM_CT, NFT_CT_PROTO_SRC, REPLY, 0},
    [FIELD_CT_REQUEST] = {"ct original proto-dst", 2, 0, FROM_CT, NFT_CT_PROTO_DST, ORIGINAL, 0},
    [FIELD_CT_STATUS] = {"ct status", 4, 0, FROM_CT, NFT_CT_STATUS, -1, 0},
    [FIELD_CT_DIRECTION] = {"ct direction", 1, 0, FROM_CT, NFT_CT_DIRECTION, -1, 0},
    [FIELD_CGROUP1] = {"socket cgroupv2 level 1", 8, 0, FROM_SOCKET, 1, -1, 0},
    [FIELD_CGROUP2] = {"socket cgroupv2 level 2", 8, 0, FROM_SOCKET, 2, -1, 0},
    [FIELD_CGROUP3] = {"socket cgroupv2 level 3", 8, 0, FROM_SOCKET, 3, -1, 0},
    [FIELD_CGROUP4] = {"socket cgroupv2 level 4", 8, 0, FROM_SOCKET, 4, -1, 0},
    [FIELD_CGROUP5] = {"socket cgroupv2 level 5", 8, 0, FROM_SOCKET, 5, -1, 0},
    [FIELD_CGROUP6] = {"socket cgroupv2 level 6", 8, 0, FROM_SOCKET, 6, -1, 0},
    [FIELD_CGROUP7] = {"socket cgroupv2 level 7", 8, 0, FROM_SOCKET, 7, -1, 0},
    [FIELD_CGROUP8] = {"socket cgroupv2 level 8", 8, 0, FROM_SOCKET, 8, -1, 0},
    [FIELD_TCP_FLAGS] = {"tcp flags", 1, 0, FROM_TRANSPORT, 13, -1, IPPROTO_TCP},
    [FIELD_SCTP_CHUNK] = {"@th,96,8", 1, 0, FROM_TRANSPORT, 12, -1, 0},
};

/* nft's numbers of types (nftables, include/datatype.h): ipv4_addr 7, ipv6_addr 8, inet_proto 12, inet_service 13,
 * ifname 41, cgroupsv2 46; a concatenation has 6 bits for each. */
const struct key_form key_forms[KEY_TYPE_COUNT] = {
    [KEY_ADDRESS4] = {"ipv4_addr", 1, {4}, {PART_ADDRESS4}, 7},
    [KEY_ADDRESS6] = {"ipv6_addr", 1, {16}, {PART_ADDRESS6}, 8},
    [KEY_PAIR4] = {"ipv4_addr . ipv4_addr", 2, {4, 4}, {PART_ADDRESS4, PART_ADDRESS4}, 7 << 6 | 7},
    [KEY_PAIR6] = {"ipv6_addr . ipv6_addr", 2, {16, 16}, {PART_ADDRESS6, PART_ADDRESS6}, 8 << 6 | 8},
    [KEY_PORT4] = {"ipv4_addr . inet_proto . inet_service",
		   3,
		   {4, 1, 2},
		   {PART_ADDRESS4, PART_PROTOCOL, PART_PORT},
		   7 << 12 | 12 << 6 | 13},
    [KEY_PORT6] = {"ipv6_addr . inet_proto . inet_service",
		   3,
		   {16, 1, 2},
		   {PART_ADDRESS6, PART_PROTOCOL, PART_PORT},
		   8 << 12 | 12 << 6 | 13},
    [KEY_INTERFACE] = {"ifname", 1, {16}, {PART_INTERFACE}, 41},
    [KEY_GUARD4] = {"ifname . ipv4_addr", 2, {16, 4}, {PART_INTERFACE, PART_ADDRESS4}, 41 << 6 | 7},
    [KEY_GUARD6] = {"ifname . ipv6_addr", 2, {16, 16}, {PART_INTERFACE, PART_ADDRESS6}, 41 << 6 | 8},
    [KEY_CGROUP] = {"cgroupsv2", 1, {8}, {PART_CGROUP}, 46},
};

static size_t padded(size_t size)
{
	return (size + 3) / 4 * 4;
}

size_t key_size(enum key_type key)
{
	size_t size = 0;
	for (size_t i = 0; i < key_forms[key].parts; i++)
		size += padded(key_forms[key].sizes[i]);
	return size;
}

void interface_print(FILE *stream, const uint8_t *name)
{
	size_t length = strnlen((const char *)name, 15); /* IFNAMSIZ, without the NUL */
	fputc('"', stream);
	for (size_t i = 0; i < length; i++) {
		bool plain = name[i] > ' ' && name[i] < 0x7f && name[i] != '"' && name[i] != '\\';
		/* An asterisk at the end would mean all interfaces that begin so (nft(8), "ifname"). */
		fputs(name[i] == '*' && i + 1 == length ? "\\" : "", stream);
		fputc(plain ? name[i] : '_', stream);
	}
	fputc('"', stream);
}

/* By the names that nft has for them. */
static void print_protocol(FILE *stream, uint8_t protocol)
{
	static const char *const names[256] = {[IPPROTO_ICMP] = "icmp",
					       [IPPROTO_TCP] = "tcp",
					       [IPPROTO_UDP] = "udp",
					       [IPPROTO_ICMPV6] = "ipv6-icmp",
					       [IPPROTO_SCTP] = "sctp"};
	if (names[protocol] != NULL)
		fputs(names[protocol], stream);
	else
		fprintf(stream, "%u", protocol);
}

static void print_part(FILE *stream, const struct key_form *form, size_t part, const uint8_t *bytes)
{
	char text[ADDRESS_TEXT_SIZE];
	struct address address = {.family = form->kinds[part] == PART_ADDRESS4 ? 4 : 6};
	uint16_t port;
	uint64_t cgroup;
	switch (form->kinds[part]) {
	case PART_ADDRESS4:
	case PART_ADDRESS6:
		memcpy(address.bytes, bytes, form->sizes[part]);
		fputs(address_format(&address, text), stream);
		break;
	case PART_PROTOCOL:
		print_protocol(stream, bytes[0]);
		break;
	case PART_PORT:
		memcpy(&port, bytes, sizeof port);
		fprintf(stream, "%u", ntohs(port));
		break;
	case PART_INTERFACE:
		interface_print(stream, bytes);
		break;
	case PART_CGROUP: /* as nft lists one whose path it does not find; it loads paths only */
		memcpy(&cgroup, bytes, sizeof cgroup);
		fprintf(stream, "%llu", (unsigned long long)cgroup);
		break;
	}
}

void element_print(FILE *stream, const struct set *set, const struct element *element)
{
	const struct key_form *form = &key_forms[set->key];
	for (size_t i = 0, at = 0; i < form->parts; at += padded(form->sizes[i]), i++) {
		fputs(i > 0 ? " . " : "", stream);
		print_part(stream, form, i, element->key + at);
		if (set->interval && memcmp(element->key + at, element->end + at, form->sizes[i]) != 0) {
			fputc('-', stream);
			print_part(stream, form, i, element->end + at);
		}
	}
}

int element_compare(const void *a, const void *b, size_t key_bytes)
{
	const struct element *left = a, *right = b;
	int order = memcmp(left->key, right->key, key_bytes);
	return order != 0 ? order : memcmp(left->end, right->end, key_bytes);
}

static int compare_whole(const void *a, const void *b)
{
	return element_compare(a, b, ELEMENT_KEY_MAX); /* behind the key is 0 */
}

void ruleset_sort(struct ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->set_count; i++) {
		struct set *set = ruleset->sets[i];
		size_t kept = 0;
		bool sorted = true;
		for (size_t j = 1; j < set->element_count && sorted; j++)
			sorted = compare_whole(&set->elements[j - 1], &set->elements[j]) <= 0;
		if (!sorted)
			qsort(set->elements, set->element_count, sizeof *set->elements, compare_whole);
		for (size_t j = 0; j < set->element_count; j++)
			if (kept == 0 || compare_whole(&set->elements[kept - 1], &set->elements[j]) != 0)
				set->elements[kept++] = set->elements[j];
		set->element_count = kept;
	}
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void ruleset_sort_counters(struct ruleset *ruleset)
{
	if (ruleset->counter_count > 1)
		qsort(ruleset->counters, ruleset->counter_count, sizeof *ruleset->counters, compare_names);
}

bool ruleset_has_counter(const struct ruleset *ruleset, const char *name)
{
	return ruleset->counter_count > 0 && bsearch(&name, ruleset->counters, ruleset->counter_count,
						     sizeof *ruleset->counters, compare_names) != NULL;
}

struct set *ruleset_set(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->set_count; i++)
		if (strcmp(ruleset->sets[i]->name, name) == 0)
			return ruleset->sets[i];
	return NULL;
}

struct chain *ruleset_chain(const struct ruleset *ruleset, const char *name)
{
	for (size_t i = 0; i < ruleset->chain_count; i++)
		if (strcmp(ruleset->chains[i]->name, name) == 0)
			return ruleset->chains[i];
	return NULL;
}

/* ---- rules ---- */

static const struct statement *check(struct expansion *e, enum field field, uint8_t value)
{
	e->check = (struct statement){.kind = STATEMENT_EQUAL, .fields = {field}, .field_count = 1, .value = {value}};
	*(field == FIELD_NFPROTO ? &e->nfproto : &e->l4proto) = value;
	return &e->check;
}

const struct statement *expansion_next(struct expansion *e)
{
	if (e->next == e->rule->statement_count)
		return NULL;
	const struct statement *statement = &e->rule->statements[e->next];
	/* Never back to a field before: of a rule of somebody else one may contradict another. */
	for (; e->field < statement->field_count; e->field++) {
		const struct field_form *form = &field_forms[statement->fields[e->field]];
		uint8_t nfproto = form->family == 4 ? NFPROTO_IPV4 : form->family == 6 ? NFPROTO_IPV6 : 0;
		if (form->l4proto != 0 && e->l4proto == form->l4proto)
			continue; /* which tells the family too */
		if (nfproto != 0 && e->nfproto != nfproto)
			return check(e, FIELD_NFPROTO, nfproto);
		if (form->l4proto != 0)
			return check(e, FIELD_L4PROTO, form->l4proto);
	}
	e->field = 0;
	if (statement->kind == STATEMENT_EQUAL && statement->fields[0] == FIELD_NFPROTO)
		e->nfproto = statement->value[0];
	if (statement->kind == STATEMENT_EQUAL && statement->fields[0] == FIELD_L4PROTO)
		e->l4proto = statement->value[0];
	e->next++;
	return statement;
}

static bool same_text(const char *a, const char *b)
{
	char safe_a[NETLINK_TEXT_MAX], safe_b[NETLINK_TEXT_MAX];
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(netlink_text(safe_a, a), netlink_text(safe_b, b)) == 0;
}

static bool is_prefix(const struct statement *statement)
{
	return statement->kind == STATEMENT_PREFIX || statement->kind == STATEMENT_NOT_PREFIX;
}

/* The bits that a comparison looks at: a prefix of all of a field's bits is the field. */
static unsigned compared_bits(const struct statement *statement)
{
	return is_prefix(statement) ? statement->prefix : field_forms[statement->fields[0]].size * 8U;
}

/* And so its kind is that of the field, too. */
static enum statement_kind compared_kind(const struct statement *statement)
{
	if (!is_prefix(statement))
		return statement->kind;
	return statement->kind == STATEMENT_PREFIX ? STATEMENT_EQUAL : STATEMENT_UNEQUAL;
}

static bool same_bits(const struct statement *a, const struct statement *b)
{
	unsigned bits = compared_bits(a), bytes = bits / 8, rest = bits % 8;
	if (bits != compared_bits(b) || memcmp(a->value, b->value, bytes) != 0)
		return false;
	return rest == 0 || (a->value[bytes] ^ b->value[bytes]) >> (8 - rest) == 0;
}

static bool statement_equal(const struct statement *a, const struct statement *b)
{
	if (compared_kind(a) != compared_kind(b) || a->field_count != b->field_count ||
	    memcmp(a->fields, b->fields, a->field_count * sizeof *a->fields) != 0)
		return false;
	switch (a->kind) {
	case STATEMENT_EQUAL:
	case STATEMENT_UNEQUAL:
	case STATEMENT_PREFIX:
	case STATEMENT_NOT_PREFIX:
	case STATEMENT_BITS:
	case STATEMENT_NO_BITS:
		return same_bits(a, b);
	case STATEMENT_RANGE:
		return memcmp(a->value, b->value, sizeof a->value) == 0 &&
		       memcmp(a->last, b->last, sizeof a->last) == 0;
	case STATEMENT_IN:
	case STATEMENT_NOT_IN:
	case STATEMENT_COUNTED:
	case STATEMENT_MAP:
		return strcmp(a->set, b->set) == 0;
	case STATEMENT_LIMIT:
		return a->rate == b->rate && a->burst == b->burst;
	case STATEMENT_METER:
		return a->rate == b->rate && a->seconds == b->seconds && a->burst == b->burst &&
		       strcmp(a->set, b->set) == 0;
	case STATEMENT_COUNT:
	case STATEMENT_LOG:
	case STATEMENT_JUMP:
	case STATEMENT_GOTO:
		return same_text(a->text, b->text);
	case STATEMENT_COUNTER:
	case STATEMENT_ACCEPT:
	case STATEMENT_DROP:
	case STATEMENT_RESET:
	case STATEMENT_REJECT:
	case STATEMENT_RETURN:
		return true;
	}
	return false;
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	struct expansion left = {.rule = a}, right = {.rule = b};
	bool equal = a->statement_count > 0 && b->statement_count > 0, more = true;
	while (equal && more) {
		const struct statement *x = expansion_next(&left), *y = expansion_next(&right);
		more = x != NULL && y != NULL;
		equal = more ? statement_equal(x, y) : x == y;
	}
	return equal;
}
