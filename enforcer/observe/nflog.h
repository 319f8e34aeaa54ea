/* The kernel's log group: the packets that rules record, each with the rule's prefix. */
#ifndef ENFORCER_OBSERVE_NFLOG_H
#define ENFORCER_OBSERVE_NFLOG_H

#include <stddef.h>
#include <stdint.h>

enum { NFLOG_COPIED = 256 }; /* bytes of each packet: IPv6, some extension headers, and ports */

/* One record, borrowed for the call. Its bytes come from anybody. */
struct nflog_record {
	const char *prefix; /* not NUL-terminated */
	size_t prefix_length;
	const uint8_t *packet; /* from its network header on, at most NFLOG_COPIED bytes; NULL: none */
	size_t packet_length;
	uint16_t ethertype; /* of that header, host order */
};

struct nflog;
struct kernel;

/* Waits for records of `group` over `kernel`, which is used for nothing else and closed with the nflog, once nflog_bind
 * was called. `*nflog` is the caller's to destroy. Returns 0 or a negative errno; then `kernel` is closed, too. */
int nflog_create(struct nflog **nflog, struct kernel *kernel, uint16_t group);

/* NULL is allowed. */
void nflog_destroy(struct nflog *nflog);

/* Takes the group, of which only one socket can be the reader. Needs CAP_NET_ADMIN, or an agent. Returns 0, also where
 * it was taken before, -EBUSY while another process has it, or another negative errno; it may be called again then. */
int nflog_bind(struct nflog *nflog);

/* The socket to poll for reading; it stays the nflog's. */
int nflog_fd(const struct nflog *nflog);

/* Reads what has come, until `most` records or a few more were handed to `call`. Never waits. Returns 1 where more may
 * be there, 0 where nothing is, or a negative errno, but none for records that were lost: these are counted. */
int nflog_read(struct nflog *nflog, size_t most, void (*call)(void *context, const struct nflog_record *record),
	       void *context);

/* Records that the kernel made and had no room for, ever: it numbers them, so a gap is seen with the next that comes.
 */
uint64_t nflog_lost(const struct nflog *nflog);

/* Hands every record of a message from the kernel to `call`, and returns how many there were; what is no record is
 * passed over. For nflog_read, and for tests. */
size_t nflog_take(struct nflog *nflog, const void *bytes, size_t length,
		  void (*call)(void *context, const struct nflog_record *record), void *context);

#endif
