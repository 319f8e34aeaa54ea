/* Connections whose ends conntrack has the wrong way round: it saw them in their middle, a packet of the answering end
 * first. */
#ifndef RINGFENCE_TURNING_H
#define RINGFENCE_TURNING_H

#include <ringfence/connections.h>

enum turning_kind {
	TURNING_TURN,	/* the ends change places: for TCP, where both have spoken */
	TURNING_FORGET, /* conntrack forgets it, and whose packet comes next begins it */
};

/* What to do with one, as conntrack has it now. */
struct turning {
	enum turning_kind kind;
	struct address source, destination;
	uint16_t protocol, source_port, port;
	uint32_t id;
};

/* Of one call. */
enum { TURNINGS_MOST = 1024 };

struct turning turning_of(const struct connection *connection, enum turning_kind kind);

/* Whether that may be done: of TCP only with what was picked up in the middle, and whoever may have it turned around
 * can get no more by that than by chance, had a packet of the other end come first. What is over, or has a trace of
 * anybody else who uses conntrack, is left alone. */
bool turning_suits(const struct connection *connection, enum turning_kind kind);

/* Does it with each that is still there and suits. One that conntrack meanwhile has again, the wrong way round, stays.
 * Returns 0 or a negative errno. */
int connections_turn(struct kernel *kernel, const struct turning *items, size_t count);

#endif
