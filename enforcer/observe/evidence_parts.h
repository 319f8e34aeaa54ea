/* What the making of evidence and its reading from a file share. */
#ifndef ENFORCER_OBSERVE_EVIDENCE_PARTS_H
#define ENFORCER_OBSERVE_EVIDENCE_PARTS_H

#include "enforcer/observe/evidence.h"

/* Room for one more of `count` items, zeroed. */
void *evidence_grow(void *items, size_t count, size_t size);

/* Adds a service in its place; NULL where it is known, or there is no room. */
struct evidence_service *evidence_add(struct evidence *evidence, const char *name);

/* Adds a row to a service; false where there is no room. The texts become the row's. */
bool evidence_add_row(struct evidence *evidence, struct evidence_service *service, const struct evidence_row *row);

/* Forgets everything. */
void evidence_clear(struct evidence *evidence);

#endif
