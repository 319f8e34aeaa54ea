/* What operators of the node asked for in an incident: workloads in quarantine, and the panic, which isolates all that
 * run here but for some. It is beside the policy, and outlives the daemon as one JSON object. */
#ifndef ENFORCER_DESIRED_INCIDENTS_H
#define ENFORCER_DESIRED_INCIDENTS_H

#include <ringfence/inventory.h>

#include <jansson.h>

enum { INCIDENTS_MAX = 4096, INCIDENT_EXCEPTIONS_MAX = 64, INCIDENT_TEXT_MAX = 1000 /* bytes of `why` */ };

/* Whom the panic spares: a workload, or those that a service of the policy selects at the moment. */
struct incident_exception {
	bool service;
	const char *name_space, *name;
};

/* One quarantine, or the panic. All of it is in its arena. */
struct incident {
	struct arena *arena;
	struct quarantine quarantine; /* what its workloads point to; without a place; of the panic without a name */
	int64_t since;		      /* Unix time */
	const char *by;		      /* the user */
	struct incident_exception *exceptions;
	size_t exception_count;
	struct incident *next; /* of a list of those that are over */
};

/* Zeroed: none. */
struct incidents {
	struct incident **quarantines; /* by namespace and name */
	size_t count;
	struct incident *panic; /* NULL: none */
};

/* Splits NAMESPACE/NAME, with `workload:` or `service:` before it where `kind` is not NULL ('w', 's', or 0 where
 * neither is said), into `arena`. Returns false for what is none. */
bool incident_name_parse(struct arena *arena, const char *text, const char **name_space, const char **name, char *kind);

/* Makes an incident, which the caller frees or gives to the list. `name` NULL: the panic. The texts are copied. */
struct incident *incident_create(const char *name_space, const char *name, const char *why, const char *by,
				 int64_t since, int64_t until);
void incident_except(struct incident *incident, bool service, const char *name_space, const char *name);
void incident_free(struct incident *incident); /* NULL is allowed */

/* The quarantine of a workload by name; NULL: none. */
struct incident *incidents_find(const struct incidents *incidents, const char *name_space, const char *name);

/* Puts an incident, which is theirs then, in the place of the one that is there, which is returned and the caller's; or
 * NULL. Workloads may still point to that: it is to be freed when they no longer do. */
struct incident *incidents_put(struct incidents *incidents, struct incident *incident);

/* Takes one out, which is the caller's then, with the same care. */
void incidents_take(struct incidents *incidents, struct incident *incident);

/* Takes out those that are over at `now`, as a list. */
struct incident *incidents_take_over(struct incidents *incidents, int64_t now);

/* When the first of them ends, Unix time; 0: none does by itself. */
int64_t incidents_next_expiry(const struct incidents *incidents);

/* What isolates a workload on `node`, or NULL. The policy says whom its services select. */
const struct quarantine *incidents_of(const struct incidents *incidents, const struct policy *policy, const char *node,
				      const struct workload *workload);

/* {"version", "quarantines": [...], "panic": {...} or null}, the caller's. */
json_t *incidents_json(const struct incidents *incidents);

/* Reads what incidents_json gave, into what was zeroed. Returns false with the reason, a line, in `why`: whatever is
 * not whole and known is refused, since a quarantine that is passed over opens a workload. */
bool incidents_parse(struct incidents *incidents, const char *bytes, size_t length, char *why, size_t size);

void incidents_finish(struct incidents *incidents);

#endif
