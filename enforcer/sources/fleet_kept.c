#include "enforcer/sources/fleet_kept.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MOST = sizeof(struct record_key) + 3 };

/* Where bytes are put behind each other; without a place (NULL) they are counted. */
struct output {
	uint8_t *bytes;
	size_t length;
};

static void add_bytes(struct output *to, const void *bytes, size_t length)
{
	const uint32_t size = htole32((uint32_t)length);
	if (to->bytes != NULL) {
		memcpy(to->bytes + to->length, &size, sizeof size);
		memcpy(to->bytes + to->length + sizeof size, bytes, length);
	}
	to->length += sizeof size + length;
}

static void add(struct output *to, const char *key, const void *value, size_t length)
{
	add_bytes(to, key, strlen(key));
	add_bytes(to, value, length);
}

/* Of a node that was heard in whole. */
static void add_remote(struct output *to, const struct remote *remote)
{
	char key[KEY_MOST];
	add(to, remote->name, remote->said.items, remote->said.length);
	snprintf(key, sizeof key, "%s/" FLEET_ENROLMENT, remote->name);
	if (remote->enrolling.items != NULL)
		add(to, key, remote->enrolling.items, remote->enrolling.length);
	for (const struct thing *thing = remote->things; thing != NULL; thing = thing->next) {
		if (thing->kept.items == NULL)
			continue;
		snprintf(key, sizeof key, "%s", thing->name);
		for (char *at = key; (at = strchr(at, ':')) != NULL;)
			*at = '/';
		add(to, key, thing->kept.items, thing->kept.length);
	}
}

static void add_all(struct output *to, const struct remotes *all, const char *store)
{
	add(to, "", store, strlen(store));
	for (const struct remote *remote = all->remotes; remote != NULL; remote = remote->hh.next)
		if (remote->said.items != NULL)
			add_remote(to, remote);
}

uint8_t *fleet_kept_write(const struct remotes *all, const char *store, size_t *length)
{
	struct output to = {0};
	add_all(&to, all, store);
	to.bytes = malloc(to.length);
	if (to.bytes == NULL)
		abort();
	to.length = 0;
	add_all(&to, all, store);
	*length = to.length;
	return to.bytes;
}

/* Takes a length and so many bytes from the front; NULL: there are fewer. */
static const uint8_t *take(const uint8_t **bytes, size_t *left, size_t *length)
{
	uint32_t size;
	if (*left < sizeof size)
		return NULL;
	memcpy(&size, *bytes, sizeof size);
	*length = le32toh(size);
	if (*left - sizeof size < *length)
		return NULL;
	const uint8_t *taken = *bytes + sizeof size;
	*bytes = taken + *length;
	*left -= sizeof size + *length;
	return taken;
}

bool fleet_kept_read(const uint8_t *bytes, size_t length,
		     void (*put)(void *context, const char *key, const char *value, size_t length), void *context)
{
	while (length > 0) {
		char key[KEY_MOST];
		size_t key_length = 0, value_length = 0;
		const uint8_t *name = take(&bytes, &length, &key_length);
		const uint8_t *value = name != NULL ? take(&bytes, &length, &value_length) : NULL;
		if (value == NULL || key_length >= sizeof key)
			return false;
		memcpy(key, name, key_length);
		key[key_length] = 0;
		put(context, key, (const char *)value, value_length);
	}
	return true;
}
