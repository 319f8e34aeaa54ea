/* See docker_json.h. */
#include "enforcer/sources/docker_json.h"

#include <ringfence/arena.h>

#include <string.h>

enum { SHOWN_MOST = 80 };

json_t *docker_json(const char *text, size_t length)
{
	return json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
}

const char *docker_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *docker_shown(struct arena *arena, const char *text)
{
	char *copy = arena_copy(arena, text, strnlen(text, SHOWN_MOST));
	for (char *at = copy; *at != 0; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return copy;
}

bool docker_address(struct address *address, const char *text)
{
	static const uint8_t none[16];
	if (text == NULL || address_parse(address, text) != NULL || address_is_loopback(address))
		return false;
	const uint8_t *bytes = address->bytes;
	if (memcmp(bytes, none, sizeof none) == 0)
		return false;
	bool link_local = bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
	return address->family == 4 ? bytes[0] < 224 : bytes[0] != 0xff && !link_local;
}
