/* The sources of workloads that are no directories: started and ended here, and what each says and lacks. */
#ifndef ENFORCER_SERVICE_SOURCES_H
#define ENFORCER_SERVICE_SOURCES_H

#include "enforcer/service/daemon.h"
#include "enforcer/service/state_file.h"

#include <systemd/sd-event.h>

struct sources;

/* Makes ready for the sources of the daemon's configuration. What must outlive the daemon is kept in `directory`, which
 * is borrowed and open by then, or has the fd -1. `changed` is called after what they told was enforced.
 * Call it before the process is confined, and before its first thread. The caller destroys it. Returns 0 or a negative
 * errno. */
int sources_create(struct sources **sources, sd_event *events, struct daemon *daemon,
		   const struct state_directory *directory, void (*changed)(void *context), void *context);
void sources_destroy(struct sources *sources);

/* Starts them. Returns 0 or a negative errno, which was told. */
int sources_start(struct sources *sources);

/* Has those that keep what they heard judge it anew: keys that are trusted may be others. */
void sources_reread(struct sources *sources);

/* Whether each has told once who is there. */
bool sources_have_told(const struct sources *sources);

struct source_view {
	const char *name;
	bool told;	     /* once at least */
	int64_t since;	     /* Unix time from which it could not be heard; 0: it can be */
	const char *problem; /* why */
	const char *const *refused;
	size_t refused_count;
};

/* One call for each, in the order of their table; none while there are no `sources` (NULL). */
void sources_view(const struct sources *sources, void (*call)(void *context, const struct source_view *view),
		  void *context);

/* The same as JSON, for `status`; `unheard`: only those that cannot be heard, or have not told yet, for `drift`. The
 * caller's. */
json_t *sources_json(const struct sources *sources, bool unheard);

#endif
