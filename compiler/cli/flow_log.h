/* A flow log as a subcommand reads it: every line that is wrong becomes a diagnostic. */
#ifndef COMPILER_CLI_FLOW_LOG_H
#define COMPILER_CLI_FLOW_LOG_H

#include "compiler/cli/cli.h"

#include <ringfence/flow_record.h>

struct flow_log {
	const char *name;
	FILE *stream;
	size_t problem_count, record_count;
	unsigned last_problem; /* its line */
};

/* Opens `path`, or standard input where it is `-`. Returns 0, or EXIT_PROBLEM after saying why it cannot be read. */
int flow_log_open(struct flow_log *log, struct input *input, const char *path);

/* Reads to the end and closes: `add` gets each record, and returns NULL or what is wrong with it. Of what is wrong, a
 * number of lines become errors of `input`, and the rest is counted. Returns 0, or EXIT_PROBLEM after reporting them;
 * so it is where there was no record at all. */
int flow_log_read(struct flow_log *log, struct input *input,
		  const char *(*add)(void *context, const struct flow_record *record), void *context);

#endif
