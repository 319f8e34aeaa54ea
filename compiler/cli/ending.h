/* The open connections that a change of a node's rules would end. */
#ifndef COMPILER_CLI_ENDING_H
#define COMPILER_CLI_ENDING_H

#include <ringfence/connections.h>
#include <ringfence/ruleset.h>

#include <jansson.h>
#include <stdio.h>

enum { ENDING_MOST = 100 };

/* A connection that would end. */
struct ending {
	struct connection connection;
	bool unsure; /* that it passes now: somebody's rules are in our table */
};

/* What was found: of those that would end the ones that carried most, the largest first. */
struct endings {
	int error; /* conntrack cannot be read: a negative errno, and the rest says nothing */
	struct ending items[ENDING_MOST];
	size_t count;
	uint64_t seen; /* connections in conntrack */
	uint64_t total, unanswered; /* would end; unanswered: would, too, but were never answered, as syslog is not */
	uint64_t bytes;		    /* that the total carried, both ways, as far as they are counted */
	uint64_t uncounted;	    /* of the total */
};

/* Reads conntrack over `kernel`: those end that `actual` lets pass and `desired` does not. */
void endings_find(struct endings *endings, struct kernel *kernel, struct arena *arena, const struct ruleset *actual,
		  const struct ruleset *desired);

/* Tells of them, with names and reasons from `world`, whose rules `desired` are. */
void endings_print(FILE *stream, struct arena *arena, const struct endings *endings, const struct world *world);
json_t *endings_json(const struct endings *endings, const struct world *world);

#endif
