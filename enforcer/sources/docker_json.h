/* What reading the JSON of a container engine takes: texts that may not be there, and texts of others in messages. */
#ifndef ENFORCER_SOURCES_DOCKER_JSON_H
#define ENFORCER_SOURCES_DOCKER_JSON_H

#include <ringfence/address.h>

#include <jansson.h>

struct arena;

/* Reads a text as JSON, which the caller gives back; NULL: it is none. */
json_t *docker_json(const char *text, size_t length);

/* The text that an object has under a key; NULL: it has none. */
const char *docker_text(const json_t *object, const char *key);

/* A text of others as it may stand in a message, in `arena`. */
const char *docker_shown(struct arena *arena, const char *text);

/* Reads an address that a container, or the machine on its network, may have; false: it is none. */
bool docker_address(struct address *address, const char *text);

#endif
