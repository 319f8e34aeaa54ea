/* One observed flow, as a line of a log: {"ts": "2026-11-25T09:00:00Z", "verdict": "deny", "src": "shop/batch-3",
 * "dst": "shop/db-1", "proto": "tcp", "dport": 5432}, or FROM TO PORT in the words of the command line. */
#ifndef RINGFENCE_FLOW_RECORD_H
#define RINGFENCE_FLOW_RECORD_H

#include <ringfence/explain.h>

#include <stdio.h>

enum { FLOW_LINE_MOST = 65536, FLOW_WORD_SIZE = 256 };

enum recorded { RECORDED_NOTHING, RECORDED_ALLOW, RECORDED_DENY };

struct flow_record {
	bool observed;			/* a JSON object: its names are workloads first, its port is a number */
	char words[2][FLOW_WORD_SIZE];	/* by direction: who sends, who receives */
	struct address addresses[2];	/* the same; family 0 where it is not said */
	char port_word[FLOW_WORD_SIZE]; /* for people, and where not `observed` what counts */
	uint16_t protocol, port;	/* where `observed` */
	enum recorded recorded;		/* what became of the flow */
	int64_t time;			/* Unix time in seconds, or 0 where it is not said */
	uint64_t count;			/* how many it stands for: 1, or the `count` of an event */
	uint64_t sequence;		/* of the event plus 1, so that a later line of it is known; 0: it is none */
	char problem[FLOW_WORD_SIZE];	/* why it could not be read; may hold what the line holds */
};

/* Reads one line of `length` bytes. Returns NULL, or `record->problem`. Of a JSON object, `src`, `dst` and `proto` must
 * be there, with `dport`, or `type` (and `code`) of ICMP; `src_ip`, `dst_ip`, `ts` and `verdict` are read where they
 * are. */
const char *flow_record_read(struct flow_record *record, const char *line, size_t length);

/* A file of records that is being read, line by line. */
struct flow_lines {
	FILE *stream;
	char *text; /* room for FLOW_LINE_MOST */
	size_t number;
};

/* Starts to read `stream`, which stays the caller's. `lines` lives as long as `arena`. */
void flow_lines_init(struct flow_lines *lines, struct arena *arena, FILE *stream);

/* Reads the next line that is not empty and no comment (`#`). Returns false at the end, or where the stream fails; else
 * `*problem` is NULL, or why the line cannot be read, and `lines->number` is its number. */
bool flow_lines_next(struct flow_lines *lines, struct flow_record *record, const char **problem);

/* Finds who an end of a record is by its name, as endpoints_find does. Returns NULL, or why it cannot. */
const char *flow_record_find(struct arena *arena, const struct world *world, const struct flow_record *record,
			     enum direction end, struct endpoints *endpoints);

/* Keeps of a workload's addresses the one that was recorded, if it is among them. */
void flow_record_narrow(const struct flow_record *record, enum direction end, struct endpoints *endpoints);

#endif
