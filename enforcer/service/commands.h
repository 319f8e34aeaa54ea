/* What the control socket answers: the table of commands. */
#ifndef ENFORCER_SERVICE_COMMANDS_H
#define ENFORCER_SERVICE_COMMANDS_H

#include "enforcer/service/confirming.h"
#include "enforcer/service/control.h"
#include "enforcer/service/daemon.h"
#include "enforcer/service/findings.h"
#include "enforcer/service/observing.h"
#include "enforcer/service/usage.h"
#include "enforcer/service/watching.h"

/* What answers are made of; the context of each. */
struct commands {
	struct daemon *daemon;
	struct observing *observing;
	struct keeping *keeping;
	struct confirming *confirming;
	struct findings *findings;
	struct usage_following *usage;
	struct watching *watching;
	const struct state_directory *directory; /* of what must outlive the daemon */
	double look_again;			 /* monotonic seconds: from then on a reader has everything looked at */
	void (*changed)(void *context);		 /* called after an operator's command */
	void *context;
};

extern const struct control_command control_commands[];
extern const size_t control_command_count;

#endif
