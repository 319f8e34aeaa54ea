/* JSON of the Docker Engine API to workloads. Docker and Podman differ in small things only, which are said where they
 * matter (docs.docker.com/engine/api; pkg/api/handlers/compat of Podman).
 *
 * A label says which rules a container gets, so it has to be the word of who started it: `docker run --label`, a
 * compose file. The engine puts the labels of the image among them, where whoever builds an image could make himself
 * another one's database; so a label that the image has, too, does not count. Compose writes its own labels into the
 * images that it builds, as well; these count where Compose has started the container, too. */
#include "enforcer/sources/docker_containers.h"

#include "compiler/frontend/native.h"
#include "enforcer/sources/docker_json.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 63, KEY_MOST = 317, VALUE_MOST = 63, ADDRESSES_MOST = 256, SHORT_ID = 12 };

static const char own_prefix[] = "ringfence.", space_label[] = "ringfence.namespace";

/* Labels that Docker and Podman keep to themselves; the first ones of Compose are read apart. */
static const char *const reserved[] = {"com.docker.", "io.docker.", "org.dockerproject.", "io.podman."};
static const char *const project_labels[] = {"com.docker.compose.project", "io.podman.compose.project"};
static const char service_label[] = "com.docker.compose.service",
		  number_label[] = "com.docker.compose.container-number";

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool is_hex(const char *text, size_t least, size_t most)
{
	size_t length = strspn(text, "0123456789abcdef");
	return text[length] == 0 && length >= least && length <= most;
}

static bool take_id(char id[DOCKER_ID_SIZE], const char *text)
{
	bool good = text != NULL && is_hex(text, SHORT_ID, DOCKER_ID_SIZE - 1);
	if (good)
		strcpy(id, text);
	return good;
}

/* ---- images ---- */

bool docker_image_of(const json_t *container, char image[DOCKER_IMAGE_SIZE])
{
	const char *text = docker_text(container, "Image");
	image[0] = 0;
	if (text == NULL || text[0] == 0) /* Podman has containers without */
		return text != NULL;
	const char *digest = begins(text, "sha256:") ? strchr(text, ':') + 1 : text;
	if (strlen(text) >= DOCKER_IMAGE_SIZE || !is_hex(digest, SHORT_ID, DOCKER_IMAGE_SIZE))
		return false;
	strcpy(image, text);
	return true;
}

json_t *docker_image_labels(const json_t *image)
{
	json_t *config = json_object_get(image, "Config"), *labels = json_object_get(config, "Labels");
	if (json_is_object(labels))
		return json_incref(labels);
	bool none = json_is_object(image) && (config == NULL || json_is_null(config) || json_is_object(config)) &&
		    (labels == NULL || json_is_null(labels));
	return none ? json_object() : NULL;
}

/* ---- labels ---- */

static bool is_key(const char *text)
{
	return text[0] != 0 && is_word(text, "._-/", KEY_MOST);
}

static bool is_value(const char *text)
{
	return is_word(text, "._-", VALUE_MOST);
}

/* What docker_container_read makes. */
struct making {
	struct arena *arena;
	const json_t *labels, *image;
	struct workload *workload;
	const char *why;
};

static void refuse(struct making *making, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct making *making, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (making->why == NULL)
		making->why = arena_vprintf(making->arena, format, args);
	va_end(args);
}

/* A label that whoever started the container gave it; NULL: there is none. */
static const char *given(const struct making *making, const char *key)
{
	const char *value = docker_text(making->labels, key), *of_image = docker_text(making->image, key);
	bool by_image = value != NULL && of_image != NULL && strcmp(value, of_image) == 0;
	if (by_image && begins(key, "com.docker.compose.") && strcmp(key, number_label) != 0)
		by_image = given(making, number_label) == NULL;
	return by_image ? NULL : value;
}

static struct label *find_label(const struct labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->count; i++)
		if (strcmp(labels->items[i].key, key) == 0)
			return &labels->items[i];
	return NULL;
}

static void put_label(struct making *making, const char *key, const char *value)
{
	struct labels *labels = &making->workload->labels;
	struct label *label = find_label(labels, key);
	if (label == NULL)
		label = arena_push(making->arena, labels->items, labels->count);
	*label = (struct label){arena_copy(making->arena, key, strlen(key)),
				arena_copy(making->arena, value, strlen(value))};
}

static bool is_reserved(const char *key)
{
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (begins(key, reserved[i]))
			return true;
	return false;
}

/* Labels that are legal as they stand. */
static void read_plain_labels(struct making *making)
{
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)making->labels, key, item)
	{
		const char *value = given(making, key);
		if (value != NULL && is_key(key) && is_value(value) && !begins(key, own_prefix) && !is_reserved(key))
			put_label(making, key, value);
	}
}

/* `ringfence.KEY` is KEY. It was written for us: one that is wrong is not passed over. */
static void read_own_labels(struct making *making)
{
	const char *key;
	json_t *item;
	json_object_foreach((json_t *)making->labels, key, item)
	{
		const char *value = given(making, key);
		if (value == NULL || !begins(key, own_prefix) || strcmp(key, space_label) == 0)
			continue;
		if (!is_key(key + strlen(own_prefix)) || !is_value(value))
			refuse(making,
			       "its label %s is no label of a workload: letters, digits and ._- only, 63 at most",
			       docker_shown(making->arena, key));
		else
			put_label(making, key + strlen(own_prefix), value);
	}
}

static int compare_labels(const void *left, const void *right)
{
	return strcmp(((const struct label *)left)->key, ((const struct label *)right)->key);
}

static void read_labels(struct making *making)
{
	struct labels *labels = &making->workload->labels;
	if (making->labels != NULL && json_object_size(making->labels) > DOCKER_LABELS_MOST) {
		refuse(making, "it has more than %d labels", DOCKER_LABELS_MOST);
		return;
	}
	read_plain_labels(making);
	read_own_labels(making);
	const char *service = given(making, service_label);
	if (service != NULL && is_value(service) && find_label(labels, "app") == NULL)
		put_label(making, "app", service);
	if (labels->count > 1)
		qsort(labels->items, labels->count, sizeof *labels->items, compare_labels);
}

/* ---- names ---- */

/* A name of the engine as a name of ours: small letters, and a dash for what may not stand there. NULL: it cannot be
 * one. */
static const char *spell(struct arena *arena, const char *text)
{
	char name[NAME_MOST + 2] = ""; /* one letter more than is good */
	size_t length = strlen(text);
	for (size_t i = 0; i < length && length <= NAME_MOST; i++) {
		bool large = text[i] >= 'A' && text[i] <= 'Z';
		bool plain = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');
		name[i] = large ? (char)(text[i] - 'A' + 'a') : plain ? text[i] : '-';
	}
	return is_label_name(name) ? arena_copy(arena, name, strlen(name)) : NULL;
}

static void read_name(struct making *making, const json_t *container)
{
	const char *name = docker_text(container, "Name"), *id = docker_text(container, "Id");
	if (name == NULL || id == NULL || !is_hex(id, SHORT_ID, DOCKER_ID_SIZE - 1)) {
		refuse(making, "it has no name, or no id");
		return;
	}
	making->workload->name = spell(making->arena, name + (name[0] == '/'));
	if (making->workload->name == NULL)
		making->workload->name = arena_printf(making->arena, "container-%.*s", SHORT_ID, id);
}

static void read_namespace(struct making *making, const char *otherwise)
{
	const char *said = given(making, space_label);
	making->workload->name_space = otherwise;
	if (said != NULL && !is_label_name(said))
		refuse(making, "its label %s is no name: 1 to 63 of a-z, 0-9 and -", space_label);
	else if (said != NULL)
		making->workload->name_space = arena_copy(making->arena, said, strlen(said));
	for (size_t i = 0; said == NULL && i < sizeof project_labels / sizeof *project_labels; i++) {
		said = given(making, project_labels[i]);
		const char *name = said != NULL ? spell(making->arena, said) : NULL;
		if (name != NULL)
			making->workload->name_space = name;
		else if (said != NULL)
			refuse(making, "its project %s cannot be the name of a namespace; say which by the label %s",
			       docker_shown(making->arena, said), space_label);
	}
}

/* ---- addresses ---- */

/* An address that is not there is the empty text, or none. */
static void read_address(struct making *making, const json_t *text)
{
	struct workload *workload = making->workload;
	struct address address;
	const char *value = json_string_value(text);
	if (text == NULL || json_is_null(text) || (value != NULL && value[0] == 0))
		return;
	if (!docker_address(&address, value)) {
		refuse(making, "%s is no address of a container",
		       value != NULL ? docker_shown(making->arena, value) : "what it tells");
		return;
	}
	for (size_t i = 0; i < workload->address_count; i++)
		if (address_compare(&workload->addresses[i], &address) == 0)
			return;
	if (workload->address_count == ADDRESSES_MOST)
		refuse(making, "it has more than %d addresses", ADDRESSES_MOST);
	else
		*arena_push(making->arena, workload->addresses, workload->address_count) = address;
}

static int compare_addresses(const void *left, const void *right)
{
	return address_compare(left, right);
}

static void read_addresses(struct making *making, const json_t *settings)
{
	static const char *const more[] = {"SecondaryIPAddresses", "SecondaryIPv6Addresses"};
	struct workload *workload = making->workload;
	const char *key;
	json_t *network;
	size_t at;
	if (settings == NULL) {
		refuse(making, "it does not tell its networks");
		return;
	}
	read_address(making, json_object_get(settings, "IPAddress"));
	read_address(making, json_object_get(settings, "GlobalIPv6Address"));
	for (size_t i = 0; i < 2; i++) {
		json_array_foreach(json_object_get(settings, more[i]), at, network)
		{
			read_address(making, json_object_get(network, "Addr"));
		}
	}
	json_object_foreach(json_object_get(settings, "Networks"), key, network)
	{
		read_address(making, json_object_get(network, "IPAddress"));
		read_address(making, json_object_get(network, "GlobalIPv6Address"));
	}
	if (workload->address_count > 1)
		qsort(workload->addresses, workload->address_count, sizeof *workload->addresses, compare_addresses);
}

/* ---- a container ---- */

/* Whether it has a network of its own: it runs, is paused, or is about to start. A container that shares another one's
 * network is reached at that one's addresses, and what it sends comes from there: it is part of that workload. */
static bool has_own_network(const json_t *container, const json_t *state)
{
	static const char *const over[] = {"exited", "stopped", "dead", "removing"};
	const char *status = docker_text(state, "Status"),
		   *mode = docker_text(json_object_get(container, "HostConfig"), "NetworkMode");
	if (mode != NULL && (begins(mode, "container:") || strcmp(mode, "host") == 0 || strcmp(mode, "none") == 0))
		return false;
	for (size_t i = 0; status != NULL && i < sizeof over / sizeof *over; i++)
		if (strcmp(status, over[i]) == 0)
			return false;
	return true;
}

struct docker_container docker_container_read(struct arena *arena, const json_t *container, const json_t *image_labels,
					      const char *name_space, const char *node)
{
	const json_t *state = json_object_get(container, "State"), *config = json_object_get(container, "Config");
	struct making making = {.arena = arena, .labels = json_object_get(config, "Labels"), .image = image_labels};
	if (!json_is_object(state) || !json_is_object(config))
		return (struct docker_container){.why = "what the engine tells of it is not whole"};
	if (!has_own_network(container, state))
		return (struct docker_container){0};
	making.workload = arena_alloc(arena, sizeof *making.workload);
	making.workload->node = node;
	read_addresses(&making, json_object_get(container, "NetworkSettings"));
	if (making.why == NULL && making.workload->address_count == 0)
		return (struct docker_container){0};
	read_name(&making, container);
	read_namespace(&making, name_space);
	read_labels(&making);
	json_int_t pid = json_integer_value(json_object_get(state, "Pid"));
	return (struct docker_container){.workload = making.why == NULL ? making.workload : NULL,
					 .pid = pid > 0 && pid <= INT32_MAX ? (uint32_t)pid : 0,
					 .why = making.why};
}

/* ---- the list ---- */

bool docker_entry_read(const json_t *entry, char id[DOCKER_ID_SIZE], uint64_t *mark)
{
	static const char *const keys[] = {"Names", "Labels", "State", "NetworkSettings"};
	if (!take_id(id, docker_text(entry, "Id")))
		return false;
	uint64_t hash = 14695981039346656037U; /* FNV-1a */
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *text =
		    json_dumps(json_object_get(entry, keys[i]), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
		for (const char *at = text != NULL ? text : ""; *at != 0; at++)
			hash = (hash ^ (unsigned char)*at) * 1099511628211U;
		hash = (hash ^ (i + 1)) * 1099511628211U;
		free(text);
	}
	*mark = hash;
	return true;
}

/* ---- events ---- */

static const struct {
	const char *type, *action;
	enum docker_event_kind kind;
} event_kinds[] = {
    {"container", "create", DOCKER_CREATED},   {"container", "init", DOCKER_CHANGED},
    {"container", "start", DOCKER_CHANGED},    {"container", "restart", DOCKER_CHANGED},
    {"container", "rename", DOCKER_CHANGED},   {"container", "pause", DOCKER_CHANGED},
    {"container", "unpause", DOCKER_CHANGED},  {"container", "update", DOCKER_CHANGED},
    {"container", "restore", DOCKER_CHANGED},  {"container", "cleanup", DOCKER_CHANGED}, /* Podman: it has ended */
    {"container", "die", DOCKER_GONE},	       {"container", "destroy", DOCKER_GONE},
    {"container", "remove", DOCKER_GONE},      {"network", "connect", DOCKER_CHANGED},
    {"network", "disconnect", DOCKER_CHANGED}, {"network", "create", DOCKER_NETWORKS},
    {"network", "update", DOCKER_NETWORKS},    {"network", "destroy", DOCKER_NETWORKS},
    {"network", "remove", DOCKER_NETWORKS},
};

struct docker_event docker_event_read(const json_t *json)
{
	struct docker_event event = {.nanoseconds = json_integer_value(json_object_get(json, "timeNano"))};
	const json_t *actor = json_object_get(json, "Actor");
	const char *type = docker_text(json, "Type"), *action = docker_text(json, "Action"),
		   *id = docker_text(actor, "ID");
	for (size_t i = 0; type != NULL && action != NULL && i < sizeof event_kinds / sizeof *event_kinds; i++)
		if (strcmp(event_kinds[i].type, type) == 0 && strcmp(event_kinds[i].action, action) == 0)
			event.kind = event_kinds[i].kind;
	if (event.kind == DOCKER_OTHER || event.kind == DOCKER_NETWORKS)
		return event;
	/* The actor of connect is the network, and its container an attribute; of Podman it is the container. */
	const char *container = docker_text(json_object_get(actor, "Attributes"), "container");
	if (strcmp(type, "network") == 0 && container != NULL)
		id = container;
	if (!take_id(event.id, id))
		event.kind = DOCKER_OTHER;
	return event;
}
