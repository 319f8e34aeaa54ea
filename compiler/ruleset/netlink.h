/* The objects of a ruleset as libnftnl's, such that `nft list` prints them as it prints ours loaded from text. */
#ifndef COMPILER_RULESET_NETLINK_H
#define COMPILER_RULESET_NETLINK_H

#include <ringfence/ruleset.h>

struct nftnl_rule;
struct nftnl_set;
struct nlmsghdr;

enum {
	NETLINK_TEXT_MAX = 128,	  /* of comments (nft's limit) and log prefixes (NF_LOG_PREFIXLEN), NUL included */
	NETLINK_LIST_MAX = 65528, /* bytes of a list of elements: an attribute's length has 16 bits */
	NETLINK_ELEMENT_MAX =
	    256, /* bytes of one element at most: two keys, a timeout, a jump, and an interval's end */
};

/* Copies `text` to `safe`, of NETLINK_TEXT_MAX bytes, cut to fit, with every byte that could mean something to nft
 * replaced: a quote in a name must not end a string (past failures, 37). Returns `safe`. */
char *netlink_text(char *safe, const char *text);

/* Prints an interface's name in quotes, such that nft takes it as it is. */
void interface_print(FILE *stream, const uint8_t *name);

/* A walk through a rule's statements and the checks of family and protocol that nft, and so netlink_rule, puts before a
 * field of a header. Begins as {.rule = RULE}. */
struct expansion {
	const struct rule *rule;
	size_t next, field;	  /* the statement, and its first field that is not checked for yet */
	uint8_t nfproto, l4proto; /* established so far */
	struct statement check;
};

/* Returns the next statement, borrowed until the next call, or NULL. */
const struct statement *expansion_next(struct expansion *expansion);

/* The register `offset` bytes behind the first, in the 16-byte or the 4-byte numbering (nf_tables.h, enum
 * nft_registers). */
uint32_t netlink_register(size_t offset);

/* A rule of `chain`; the caller frees it with nftnl_rule_free. */
struct nftnl_rule *netlink_rule(const char *chain, const struct rule *rule);

/* A set without elements; the caller frees it with nftnl_set_free. `id` ties elements of the same batch to it. */
struct nftnl_set *netlink_set(const struct set *set, uint32_t id);

/* Appends NFTA_SET_ELEM_LIST_ELEMENTS with the first of `count` elements, as many as an attribute holds, to a
 * NEWSETELEM, DELSETELEM or GETSETELEM message with NETLINK_LIST_MAX bytes of room behind it, and returns how many.
 * `at`: now, in Unix seconds; `key_only` for deletions and questions. */
size_t netlink_elements(struct nlmsghdr *message, const struct set *set, const struct element *elements, size_t count,
			int64_t at, bool key_only);

#endif
