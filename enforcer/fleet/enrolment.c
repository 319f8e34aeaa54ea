#include "enforcer/fleet/enrolment.h"

#include <ringfence/arena.h>
#include <ringfence/policy.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "ringfence-node 1"

uint8_t *enrolment_sign(const struct enrolment *enrolment, const struct private_key *key, size_t *length)
{
	char text[PUBLIC_KEY_SIZE], time[32];
	public_key_print(&enrolment->key, text);
	json_t *json = json_pack("{s:s, s:s, s:s}", "node", enrolment->node, "key", text, "time",
				 time_print(enrolment->time, time));
	char *body = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (body == NULL)
		abort();
	uint8_t *bytes = document_sign(HEAD, body, strlen(body), key, length);
	free(body);
	json_decref(json);
	return bytes;
}

static const char *take(struct enrolment *enrolment, json_t *json)
{
	const char *node, *key, *time;
	if (json_unpack(json, "{s:s, s:s, s:s !}", "node", &node, "key", &key, "time", &time) != 0)
		return "it does not have the keys that it should";
	if (node[0] == 0 || strlen(node) >= sizeof enrolment->node || time_parse(&enrolment->time, time) != NULL)
		return "it has a value that is none";
	memcpy(enrolment->node, node, strlen(node) + 1);
	return public_key_parse(&enrolment->key, key);
}

const char *enrolment_open(struct enrolment *enrolment, struct arena *arena, const void *bytes, size_t length,
			   const struct trust *trust)
{
	struct verified verified;
	*enrolment = (struct enrolment){0};
	if (length > ENROLMENT_MOST)
		return "longer than 4096 bytes";
	const char *error = document_open(&verified, arena, HEAD, bytes, length, trust);
	if (error != NULL)
		return error;
	json_t *json = json_loadb((const char *)verified.body, verified.length, JSON_REJECT_DUPLICATES, NULL);
	error = json != NULL ? take(enrolment, json) : "it is no JSON";
	json_decref(json);
	memcpy(enrolment->by, verified.key->id, sizeof enrolment->by);
	return error;
}
