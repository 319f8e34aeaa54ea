/* What in other tables keeps packets from ours, or from what it judges, without touching it.
 *
 * An `accept` of an earlier chain hides nothing, since every base chain of a hook is asked; a drop is closed. What is
 * looked for is what delivers packets all the same (bypass.c says why each). Not seen: eBPF at tc, XDP and sockets,
 * flow tables of tc, and iptables-legacy, none of which is in nf_tables. */
#ifndef ENFORCER_KERNEL_BYPASS_H
#define ENFORCER_KERNEL_BYPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;
struct nlmsghdr;

enum bypass_kind {
	BYPASS_BRIDGE,	  /* bridged packets pass no hook of ours; not found here, since it is no matter of nf_tables */
	BYPASS_FLOWTABLE, /* packets of running flows pass no forward chain */
	BYPASS_NOTRACK,	  /* conntrack does not see them */
	BYPASS_QUEUE,	  /* a program may let them pass before us */
	BYPASS_REDIRECT,  /* they are sent on, or copied, to another interface */
	BYPASS_REWRITE,	  /* they go elsewhere than what was judged */
	BYPASS_SYNPROXY,  /* handshakes are answered for the destination */
	BYPASS_KINDS
};

/* A word for each, and a sentence. */
extern const char *const bypass_words[BYPASS_KINDS], *const bypass_texts[BYPASS_KINDS];

enum { BYPASS_NAME_SIZE = 64, BYPASS_FINDINGS_MOST = 64 };

/* One chain or flowtable. Names are printable ASCII, and cut where they are longer. */
struct bypass_finding {
	enum bypass_kind kind;
	uint8_t family; /* NFPROTO_*; 0: not of nf_tables */
	char table[BYPASS_NAME_SIZE];
	char object[BYPASS_NAME_SIZE]; /* the chain or flowtable */
	size_t count;		       /* of rules */
};

/* ip, ip6, inet, arp, bridge, netdev, or a number as `?`. */
const char *family_word(uint8_t family);

/* A name as the kernel tells it, as printable text, cut at `size` bytes. */
void name_print(char *to, size_t size, const void *bytes, size_t length);

struct bypass;

/* Begins to read all tables but ours. Returns NULL when out of memory. */
struct bypass *bypass_start(void);

/* Goes on for about `budget` microseconds over `kernel`: reads of chains and rules, and nothing else. Between two calls
 * no answer is open, so that others may use `kernel` meanwhile. Returns 0 to go on, 1 at the end, or a negative errno.
 */
int bypass_step(struct bypass *bypass, struct kernel *kernel, uint64_t budget);

/* What was found, at the end. `left_out`: how many more. */
const struct bypass_finding *bypass_findings(const struct bypass *bypass, size_t *count, size_t *left_out);

/* NULL is allowed. */
void bypass_finish(struct bypass *bypass);

/* For tests: takes one message of a dump of chains, flowtables or rules as if the kernel had said it. */
void bypass_take(struct bypass *bypass, const struct nlmsghdr *message);

#endif
