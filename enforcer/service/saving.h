/* Writes one file of the state again and again, without the event loop waiting for the disk. */
#ifndef ENFORCER_SERVICE_SAVING_H
#define ENFORCER_SERVICE_SAVING_H

#include "enforcer/kernel/encoding.h"
#include "enforcer/service/state_file.h"

#include <systemd/sd-event.h>

struct saving;

/* Is called in the loop when a writing ended; `error` (NULL: none) is the callee's to free. */
typedef void saving_done(void *context, char *error);

/* Both `directory` and `name` are borrowed; the caller destroys `*saving`. Returns 0 or a negative errno. */
int saving_create(struct saving **saving, sd_event *event, const struct state_directory *directory, const char *name,
		  enum state_kind kind, saving_done *done, void *context);

/* Waits for a writing that goes on, and tells of its end. NULL is allowed. */
void saving_destroy(struct saving *saving);

/* Whether a writing goes on; another must not be begun then. */
bool saving_is_busy(const struct saving *saving);

/* Begins to write `bytes`, which it takes over. */
void saving_begin(struct saving *saving, struct encoded bytes);

/* Waits for the end of a writing that goes on, if one does, and tells of it. */
void saving_wait(struct saving *saving);

#endif
