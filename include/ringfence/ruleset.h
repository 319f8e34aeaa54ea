/* A node's ruleset in its intermediate form: chains of statements, and sets and maps of elements.
 *
 * compiler/ruleset/lower.c makes it from a policy; text.c prints it for `nft -f`; netlink.c sends it; the enforcer
 * compares two of them. Plain arrays in an arena, made once and then only read. */
#ifndef RINGFENCE_RULESET_H
#define RINGFENCE_RULESET_H

#include <ringfence/verdict.h>

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#define RULESET_TABLE "ringfence"
#define RULESET_NAME_SIZE 32 /* NUL included: old userspace tools allow no more for sets */
#define RULESET_LOG_GROUP 5  /* the NFLOG group of deny records */
#define ELEMENT_KEY_MAX 32
#define RULESET_ELEMENTS_MAX 2000000 /* of all sets together */

/* What a rule can look at. The table in fields.c gives for each its nft words, its netlink form and its type. */
enum field {
	FIELD_IIFNAME, /* empty where there is none, as in the output hook */
	FIELD_OIFNAME,
	FIELD_IIF, /* its number: 0 where there is none */
	FIELD_NFPROTO,
	FIELD_L4PROTO,
	FIELD_IP_SADDR,
	FIELD_IP_DADDR,
	FIELD_IP6_SADDR,
	FIELD_IP6_DADDR,
	FIELD_IP6_HOPLIMIT,
	FIELD_ICMPV6_TYPE,
	FIELD_ICMP_KIND, /* type << 8 | code, of ICMP and of ICMPv6 */
	FIELD_CT_STATE,
	FIELD_CT_SOURCE4, /* the flow's source, in both directions and in ICMP errors about it, before source NAT */
	FIELD_CT_SOURCE6,
	FIELD_CT_DESTINATION4, /* the flow's destination, after destination NAT: the source of its replies */
	FIELD_CT_DESTINATION6,
	FIELD_CT_PROTOCOL,
	FIELD_CT_PORT,	  /* the flow's destination port, after destination NAT */
	FIELD_CT_REQUEST, /* of a flow of ICMP: type << 8 | code of its request */
	FIELD_CT_STATUS,
	FIELD_CT_DIRECTION, /* IP_CT_DIR_* */
	FIELD_CGROUP1,	    /* the number of the ancestor at level 1 of the cgroup of the packet's socket */
	FIELD_CGROUP2,
	FIELD_CGROUP3,
	FIELD_CGROUP4,
	FIELD_CGROUP5,
	FIELD_CGROUP6,
	FIELD_CGROUP7,
	FIELD_CGROUP8,
	FIELD_TCP_FLAGS,
	FIELD_SCTP_CHUNK, /* the type of the first chunk */
	FIELD_COUNT
};

/* The type of a set's key: one to three parts, each padded to 4 bytes. */
enum key_type {
	KEY_ADDRESS4,  /* ipv4_addr */
	KEY_ADDRESS6,  /* ipv6_addr */
	KEY_PAIR4,     /* ipv4_addr . ipv4_addr */
	KEY_PAIR6,     /* ipv6_addr . ipv6_addr */
	KEY_PORT4,     /* ipv4_addr . inet_proto . inet_service */
	KEY_PORT6,     /* ipv6_addr . inet_proto . inet_service */
	KEY_INTERFACE, /* ifname */
	KEY_GUARD4,    /* ifname . ipv4_addr */
	KEY_GUARD6,    /* ifname . ipv6_addr */
	KEY_CGROUP,    /* cgroupsv2: 8 bytes, host order */
	KEY_TYPE_COUNT
};

struct element {
	uint8_t key[ELEMENT_KEY_MAX];
	uint8_t end[ELEMENT_KEY_MAX]; /* interval sets: the last key, inclusive in every part; else equal to key */
	const char *chain;	      /* maps: the chain to go to; counted sets: the counter; else NULL */
	int64_t expires;	      /* sets with timeouts: Unix time in seconds; else 0 */
};

struct set {
	char name[RULESET_NAME_SIZE];
	enum key_type key;
	bool map;     /* to verdicts: goto a chain */
	bool counted; /* each element names a counter, which STATEMENT_COUNTED counts with; no map */
	bool interval;
	bool timeout;
	bool dynamic;		  /* the kernel adds elements by STATEMENT_METER: there are none of ours */
	uint32_t forget_after;	  /* dynamic: seconds after its last packet that an element goes */
	uint32_t size;		  /* 0: not given */
	struct element *elements; /* sorted by element_compare after ruleset_sort */
	size_t element_count;
};

enum statement_kind {
	STATEMENT_EQUAL, /* field == value; STATEMENT_UNEQUAL the other way */
	STATEMENT_UNEQUAL,
	STATEMENT_PREFIX, /* the field's first `prefix` bits equal those of value; STATEMENT_NOT_PREFIX the other way */
	STATEMENT_NOT_PREFIX,
	STATEMENT_BITS, /* any bit of value (host order) set in the field; STATEMENT_NO_BITS: none */
	STATEMENT_NO_BITS,
	STATEMENT_RANGE, /* the field is from value to last, both included */
	STATEMENT_IN,	 /* the concatenation of fields is in `set`; STATEMENT_NOT_IN the other way */
	STATEMENT_NOT_IN,
	STATEMENT_COUNTED, /* as STATEMENT_IN, and the counter counts that `set` has for the fields */
	STATEMENT_MAP,	   /* the verdict that map `set` has for the fields; none: go on */
	STATEMENT_COUNTER,
	STATEMENT_COUNT, /* with the counter `text` */
	STATEMENT_LIMIT, /* pass `rate` packets a second, with a burst of `burst` */
	STATEMENT_METER, /* the same in `seconds`, counted for each value of the field apart, in dynamic `set` */
	STATEMENT_LOG,	 /* to RULESET_LOG_GROUP, with `text` as prefix */
	STATEMENT_ACCEPT,
	STATEMENT_DROP,
	STATEMENT_RESET,  /* answer TCP with a reset, and drop */
	STATEMENT_REJECT, /* answer with an ICMP error, administratively prohibited, and drop */
	STATEMENT_RETURN,
	STATEMENT_JUMP, /* to chain `text` */
	STATEMENT_GOTO,
};

struct statement {
	enum statement_kind kind;
	enum field fields[3];
	uint8_t field_count;
	uint8_t value[16]; /* network order, as long as the field */
	uint8_t last[16];  /* RANGE */
	uint8_t prefix;
	char set[RULESET_NAME_SIZE];
	const char *text;
	uint32_t rate, seconds, burst;
};

struct rule {
	struct statement *statements;
	size_t statement_count;
	const char *comment; /* the policy statement it comes from, FILE:LINE, or what it is for; NULL: none */
};

struct chain {
	char name[RULESET_NAME_SIZE];
	bool base;     /* on `hook`, priority 0 (filter), policy accept */
	uint32_t hook; /* NF_INET_FORWARD … */
	bool fixed;    /* belongs to the table, not to a generation: made once, its rules replaced in place */
	struct rule *rules;
	size_t rule_count;
};

struct ruleset {
	uint32_t generation;
	int64_t at; /* Unix time in seconds at which it was made, or read */
	struct set **sets;
	size_t set_count;
	struct chain **chains; /* the fixed chains stand last: they name the others */
	size_t chain_count;
	const char **counters; /* sorted; of the table, not of a generation: they count on through all of them */
	size_t counter_count;
	char revision[17]; /* hash of the policy's meaning, in hexadecimal */
};

/* Whether it is that of a kernel without a table of ours; NULL is, too. */
static inline bool ruleset_is_none(const struct ruleset *ruleset)
{
	return ruleset == NULL || (ruleset->chain_count == 0 && ruleset->set_count == 0);
}

/* How a field is written and read. */
struct field_form {
	const char *words; /* of nft */
	uint8_t size;	   /* bytes */
	uint8_t family;	   /* 4 or 6 when the field is only there in that family and nft adds `meta nfproto`; else 0 */
	enum { FROM_META, FROM_NETWORK, FROM_TRANSPORT, FROM_CT, FROM_SOCKET } source;
	uint32_t key;	  /* NFT_META_*, NFT_CT_*, the offset in the header, or the level of a cgroup */
	int8_t direction; /* IP_CT_DIR_*, or -1 */
	uint8_t l4proto;  /* the protocol the field needs nft to have seen, or 0 */
};
extern const struct field_form field_forms[FIELD_COUNT];

/* How a key type is written and stored. */
struct key_form {
	const char *words; /* of nft: ipv4_addr . inet_proto … */
	uint8_t parts;	   /* 1 to 3 */
	uint8_t sizes[3];  /* bytes of each part before padding */
	enum { PART_ADDRESS4, PART_ADDRESS6, PART_PROTOCOL, PART_PORT, PART_INTERFACE, PART_CGROUP } kinds[3];
	uint32_t datatype; /* nft's number for the type, 6 bits a part (nftables include/datatype.h) */
};
extern const struct key_form key_forms[KEY_TYPE_COUNT];

/* The bytes of a whole key, padding included. */
size_t key_size(enum key_type key);

/* Prints an element's key as nft writes it. */
void element_print(FILE *stream, const struct set *set, const struct element *element);

/* Orders by key, then end. */
int element_compare(const void *a, const void *b, size_t key_bytes);

/* Returns the ruleset of `node` (NULL: every workload is local) as generation `generation`. All in `arena`. NULL, with
 * an error in `diagnostics`, when it would have more than RULESET_ELEMENTS_MAX elements. */
struct ruleset *ruleset_lower(struct arena *arena, const struct world *world, const char *node, uint32_t generation,
			      struct diagnostics *diagnostics);

/* What the counter of an allow is called: the same for allows that say the same, wherever they stand. */
enum { COUNTER_NAME_SIZE = 14 };
void counter_name(char name[COUNTER_NAME_SIZE], const struct allow *allow);

/* Counters that every ruleset has: packets that were denied, by whatever rule; of these those that were logged, which
 * the limit of each rule leaves few of; and what audit mode would have denied, once for each end. */
enum denial_count { DENIAL_DENIED, DENIAL_LOGGED, DENIAL_AUDITED, DENIAL_COUNTS };
extern const char *const denial_counters[DENIAL_COUNTS];

/* The bytes that a counter begins with. Anybody may set counters back (`nft reset counters`), and nobody is told: one
 * that has fewer was. */
#define COUNTER_BYTES_FIRST UINT64_C(1000000000000000000)

/* Sorts the elements of every set and removes equal ones. */
void ruleset_sort(struct ruleset *ruleset);
void ruleset_sort_counters(struct ruleset *ruleset);

/* Whether it is among the counters, which are sorted. */
bool ruleset_has_counter(const struct ruleset *ruleset, const char *name);

/* Each returns NULL when there is none. */
struct set *ruleset_set(const struct ruleset *ruleset, const char *name);
struct chain *ruleset_chain(const struct ruleset *ruleset, const char *name);

/* The same where many are looked for: an index of a ruleset, in `arena`, that holds until sets or chains are added;
 * NULL: of one that has none. */
struct ruleset_index;
struct ruleset_index *ruleset_index(struct arena *arena, const struct ruleset *ruleset);
struct set *ruleset_index_set(const struct ruleset_index *index, const char *name);
struct chain *ruleset_index_chain(const struct ruleset_index *index, const char *name);

/* Prints a text that `nft -f` loads; it replaces the table in one transaction. `at`: Unix time in seconds from which
 * timeouts count. */
void ruleset_print(FILE *stream, const struct ruleset *ruleset, int64_t at);

/* Prints one rule as nft writes it, without its comment. */
void rule_print(FILE *stream, const struct ruleset *ruleset, const struct rule *rule);

#endif
