/* A ruleset's intermediate form, run on packets as the kernel would run it. */
#ifndef TESTS_UNIT_INTERPRET_H
#define TESTS_UNIT_INTERPRET_H

#include <ringfence/ruleset.h>

/* One packet of a flow: the flow as conntrack has it, and the packet's own ends, which a reply has the other way. */
struct packet {
	struct address flow_source, flow_destination;
	uint8_t protocol;
	uint16_t port;
	struct address source, destination;
	char interface[16];
	const char *hook;    /* NULL: forward */
	uint64_t cgroups[9]; /* of its socket, by level; 0: it has none there */
};

/* The first packet of a flow, and a reply to it; where they come in is left open. */
struct packet packet_request(const struct address *source, const struct address *destination, uint8_t protocol,
			     uint16_t port);
struct packet packet_reply(const struct packet *request);

bool is_icmp(uint8_t protocol);

/* What can become of a packet: one of the two, or both where it depends on when it makes its look-ups. */
struct fate {
	bool passes, drops;
};

/* Takes a packet from the forward hook to its end while the table goes through `states` in their order. Each look-up
 * meets one of them whole, the next look-up the same or any later one: all ways are tried. */
struct fate packet_fate(const struct ruleset *const *states, size_t count, const struct packet *packet);

/* Writes the counters that count a packet to `counters`, which has room for COUNTED_MOST; returns how many. */
enum { COUNTED_MOST = 8 };
size_t packet_counts(const struct ruleset *ruleset, const struct packet *packet, const char **counters);

/* What a change does to a packet that is judged alike before and after it. */
enum mixture {
	MIXTURE_DIFFERS, /* it is not */
	MIXTURE_NONE,
	MIXTURE_HALF, /* it is judged otherwise where it meets one transaction on its way */
};

/* Tries each transaction between two of `states`, the first and the last of which are before and after; `*place` is the
 * one that did it. */
enum mixture packet_mixture(const struct ruleset *const *states, size_t count, const struct packet *packet,
			    size_t *place);

#endif
