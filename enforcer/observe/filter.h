/* Which events somebody asks for. */
#ifndef ENFORCER_OBSERVE_FILTER_H
#define ENFORCER_OBSERVE_FILTER_H

#include "enforcer/observe/event.h"

/* Whom an end must be; zeroed: anybody. */
struct filter_end {
	char name[EVENT_NAME_SIZE]; /* a workload, service, network or node */
	bool has_prefix;
	struct prefix prefix;
};

/* Zeroed: every event. */
struct filter {
	bool denied, allowed; /* only these; both or none: either */
	struct filter_end ends[2];
	bool has_port;
	struct port_range port;
};

/* Reads the members "denied", "allowed", "from", "to" and "port" of a request, each of which may be absent; anything
 * else in it is passed over. Returns NULL, or why it is none, in `problem`. */
const char *filter_read(struct filter *filter, const json_t *request, char problem[EVENT_TEXT_SIZE]);

bool filter_takes(const struct filter *filter, const struct event *event);

#endif
