/* The directories that are inputs: of policy (or the file of a bundle), of workload files, and the kernel's tree of
 * cgroups, where units are. What happens there is read, and what it says of workloads enforced; where something cannot
 * be read, what was known stays. */
#ifndef ENFORCER_SERVICE_INPUTS_H
#define ENFORCER_SERVICE_INPUTS_H

#include "enforcer/service/daemon.h"

#include <systemd/sd-event.h>

struct inputs;

struct input_calls {
	void (*policy)(void *context);	/* there may be another policy */
	void (*changed)(void *context); /* what was told of workloads is enforced */
	void *context;
};

/* Opens the inputs of the daemon's configuration, and reads those of workloads; what is not there yet is said, and
 * opened by inputs_tick. `daemon` and `events` must outlive them; the caller destroys them. */
struct inputs *inputs_create(sd_event *events, struct daemon *daemon, const struct input_calls *calls);
void inputs_destroy(struct inputs *inputs); /* NULL is allowed */

/* Each second: opens what is there now, or is another directory by now, and reads what could not be read. */
void inputs_tick(struct inputs *inputs);

/* Whether every input of workloads was read once. */
bool inputs_are_read(const struct inputs *inputs);

#endif
