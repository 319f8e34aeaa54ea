/* Recorded flows, judged under two policies: which would be cut, which newly pass. All verdicts come from verdict_of.
 */
#ifndef RINGFENCE_REPLAY_H
#define RINGFENCE_REPLAY_H

#include <ringfence/diff.h>
#include <ringfence/flow_record.h>

enum { REPLAY_FLOWS_MOST = 4000000 };

/* What becomes of a flow with the new policy. */
enum fate { FATE_CUT, FATE_PASSES, FATE_UNKNOWN, FATE_SAME, FATES };

struct flow_total {
	size_t flows; /* of other ends, protocol or port */
	size_t records;
};

/* Flows that share their fate and the reasons for it, between the same services and on the same port. */
struct replay_line {
	enum fate fate; /* never FATE_SAME */
	const char *from, *to, *port;
	struct flow_total total;
	int64_t last;		    /* of the records, Unix time in seconds; 0: they do not say */
	struct flow flows[2];	    /* of one of them, by version */
	struct verdict verdicts[2]; /* its verdicts */
	const char *problem;	    /* FATE_UNKNOWN: why it cannot be judged; the two fields above are empty */
};

struct replay_result {
	struct replay_line *lines; /* sorted by fate, names and port */
	size_t line_count;
	struct flow_total totals[FATES];
	struct flow_total by_address; /* judged, but a name was not known, and the address recorded with it was taken */
};

struct replay;

/* Starts a replay. A workload that only one inventory has is judged in both as if it were there. Everything lives as
 * long as `arena`; replay_finish or replay_end must be called. */
struct replay *replay_create(struct arena *arena, const struct world *before, const struct world *after);

/* Counts a record in. Returns NULL, or why it is none: a port that there is not, or more than
 * REPLAY_FLOWS_MOST flows that differ. The text holds until the next call. */
const char *replay_add(struct replay *replay, const struct flow_record *record);

/* A flow that was counted. `ends` are equal pointers for equal ends, and live until the replay ends. */
struct counted_flow {
	const struct endpoints *ends[2]; /* by direction, as NEW has them */
	const char *names[2];		 /* as recorded, with what they stand for */
	const char *groups[2];		 /* the service, else the workload, a network, or what else it is */
	uint16_t protocol, port;
	bool both_icmp; /* an echo request of the version that the ends have */
	size_t records;
	uint64_t times;		/* what the records count; saturates */
	int64_t first, last;	/* of the records, Unix time in seconds; 0: they do not say */
	bool denied;		/* as some record says */
	struct verdict verdict; /* under NEW */
	const char *problem;	/* why it cannot be judged; the verdict is empty */
};

/* Calls `take` for each flow that was counted, in the order of the log. */
void replay_each(struct replay *replay, void (*take)(void *context, const struct counted_flow *flow), void *context);

/* Judges what was counted, each flow once, and ends the replay. */
struct replay_result replay_finish(struct replay *replay);

/* Ends a replay without judging: where replay_each was all that was asked. */
void replay_end(struct replay *replay);

#endif
