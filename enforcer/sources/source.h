/* What a source of workloads is given, and what it owes: the sources that talk to somebody else's server (containers,
 * Kubernetes, the fleet) are alike for the service that runs them (enforcer/service/sources.h).
 *
 * A source asks from the event loop and never waits. It tells what it heard in whole at first (`all`), and then what
 * changed. Whatever fails, it says so, tries again after growing waits, and tells nothing: what it told last stays in
 * force. An answer that is empty because something failed is no answer. */
#ifndef ENFORCER_SOURCES_SOURCE_H
#define ENFORCER_SOURCES_SOURCE_H

#include "enforcer/desired/state.h"
#include "enforcer/http_client/http_client.h"

#include <sodium.h>

struct source_setup {
	sd_event *events;
	struct http_client *client;
	const char *node; /* the name of this one */
	/* As state_tell (enforcer/desired/state.h). */
	void (*tell)(void *context, const struct told *items, size_t count, bool all);
	/* All that there is was told, once at least: where that was not done by one `all`. */
	void (*heard)(void *context);
	/* Since when the source cannot be heard or believed, and why, in a sentence; NULL: all is well again. The same
	 * text again is no news. */
	void (*problem)(void *context, const char *text);
	/* Of these things (by their names in `tell`) nothing is enforced, or not all, and why: all that there are now.
	 */
	void (*refused)(void *context, const char *const *texts, size_t count);
	void *context;
};

enum { SOURCE_WAIT_FIRST_MS = 250, SOURCE_WAIT_MOST_MS = 15000 };

/* The wait before the next try, of the wait before it (0: none yet): up to half of it less by chance, so that those who
 * lost a server at the same moment do not all come back to it at the same moment. */
static inline unsigned source_wait_ms(unsigned before)
{
	unsigned next = before == 0 ? SOURCE_WAIT_FIRST_MS : 3 * before;
	if (next > SOURCE_WAIT_MOST_MS)
		next = SOURCE_WAIT_MOST_MS;
	return next - randombytes_uniform(next / 2 + 1);
}

#endif
