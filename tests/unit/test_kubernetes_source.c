/* Objects of the Kubernetes API to what is told of them: the forms of tests/data/kubernetes, each with something else
 * in it, and those that make no sense. And what requests are made of. */
#include "enforcer/sources/kubernetes_node.h"
#include "enforcer/sources/kubernetes_object.h"
#include "enforcer/sources/kubernetes_request.h"
#include "enforcer/sources/kubernetes_things.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- objects ---- */

/* The form of an object, in which `path` is `value`, a text of JSON; NULL: as it is. */
static json_t *object_with(enum kubernetes_kind kind, const char *path, const char *value)
{
	static const char *const files[] = {"node", "namespace", "pod"};
	char name[128];
	snprintf(name, sizeof name, "tests/data/kubernetes/%s.json", files[kind]);
	json_t *object = json_load_file(name, 0, NULL);
	assert_non_null(object);
	json_t *metadata = json_object_get(object, "metadata");
	json_object_set_new(metadata, "name", json_string("web-0"));
	if (kind == KUBERNETES_PODS) {
		json_object_set_new(metadata, "namespace", json_string("shop"));
		json_object_set_new(json_object_get(object, "spec"), "nodeName", json_string("node-a"));
		json_t *ips = json_loads("[{\"ip\": \"10.0.1.11\"}, {\"ip\": \"fd00:1::11\"}]", 0, NULL);
		json_object_set_new(json_object_get(object, "status"), "podIPs", ips);
	}
	if (path == NULL)
		return object;
	json_t *at = object;
	const char *key = path, *dot;
	for (; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
		char part[64];
		snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
		at = json_object_get(at, part);
	}
	if (value == NULL) {
		json_object_del(at, key);
	} else {
		json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL);
		assert_non_null(parsed);
		if (path[0] == 0) {
			json_decref(object);
			return parsed;
		}
		json_object_set_new(at, key, parsed);
	}
	return object;
}

static struct inventory *read_object(struct arena *arena, enum kubernetes_kind kind, const json_t *object,
				     const char **error)
{
	return kubernetes_text_read(arena, kubernetes_object_text(arena, kind, object), error);
}

/* What becomes of a pod: how many addresses and named ports it has, -1: it is no workload; or a part of the error. */
static const struct {
	const char *true_is, *path, *value;
	int addresses, ports;
	const char *error;
} pods[] = {
    {"as it is", NULL, NULL, 2, 2, NULL},
    {"not placed yet", "spec.nodeName", NULL, -1, 0, NULL},
    {"nor with an empty name", "spec.nodeName", "\"\"", -1, 0, NULL},
    {"placed, without addresses yet", "status", "{\"phase\": \"Pending\"}", 0, 2, NULL},
    {"over", "status.phase", "\"Succeeded\"", -1, 0, NULL},
    {"over with an error", "status.phase", "\"Failed\"", -1, 0, NULL},
    {"of a phase that nobody knows", "status.phase", "\"Odd\"", 2, 2, NULL},
    {"about to end", "metadata.deletionTimestamp", "\"2026-03-01T10:05:00Z\"", 2, 2, NULL},
    {"of the host's network", "spec.hostNetwork", "true", -1, 0, NULL},
    {"not of it", "spec.hostNetwork", "false", 2, 2, NULL},
    {"neither is told", "spec.hostNetwork", "null", 2, 2, NULL},
    {"the older form of its address", "status", "{\"podIP\": \"10.0.1.11\"}", 1, 2, NULL},
    {"metadata of a version to come", "metadata.novelty", "{\"a\": [1, 2]}", 2, 2, NULL},
    {"no container", "spec.containers", "null", 2, 0, NULL},
    {"a sidecar", "spec.initContainers",
     "[{\"restartPolicy\": \"Always\", \"ports\": [{\"name\": \"p\", \"containerPort\": 1}]}]", 2, 3, NULL},
    {"labels of none", "metadata.labels", "null", 2, 2, NULL},
    {"an address that is none", "status.podIPs", "[{\"ip\": \"10.0.1.999\"}]", 0, 0, "`10.0.1.999` is no address"},
    {"a mapped one", "status.podIPs", "[{\"ip\": \"::ffff:10.0.1.1\"}]", 0, 0, "is no address"},
    {"addresses that are a text", "status.podIPs", "\"10.0.1.1\"", 0, 0, "must be a list"},
    {"of which one is null", "status.podIPs", "[null]", 0, 0, "is null"},
    {"a number", "status.podIPs", "[{\"ip\": 7}]", 0, 0, "`7` is no address"},
    {"a status that is a list, which tells nothing", "status", "[]", 0, 2, NULL},
    {"a label that is a number", "metadata.labels", "{\"a\": {\"b\": 1}}", 0, 0, "must be a text"},
    {"one that would end a rule", "metadata.labels", "{\"a\": \"x\\\" ; accept ; #\"}", 0, 0, "label"},
    {"one that would change a terminal", "metadata.labels", "{\"\\u001b[31m\": \"x\"}", 0, 0, ""},
    {"containers that are none", "spec.containers", "[7, null]", 0, 0, ""},
    {"a port that is none", "spec.containers", "[{\"ports\": [{\"name\": \"a\", \"containerPort\": 70000}]}]", 0, 0,
     "from 1 to 65535"},
    {"a truth that is a text", "spec.hostNetwork", "\"true\"", 0, 0, "hostNetwork"},
    {"a node that is a path", "spec.nodeName", "\"../etc\"", 0, 0, "host name"},
};

static void each_pod_is_what_it_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
		struct arena *arena = arena_create();
		json_t *object = object_with(KUBERNETES_PODS, pods[i].path, pods[i].value);
		const char *error;
		const struct inventory *inventory = read_object(arena, KUBERNETES_PODS, object, &error);
		if (pods[i].error != NULL) {
			if (inventory != NULL || error == NULL || strstr(error, pods[i].error) == NULL)
				fail_msg("%s: %s", pods[i].true_is, error != NULL ? error : "no error");
			assert_null(strchr(error, '\033'));
		} else if (inventory == NULL) {
			fail_msg("%s: %s", pods[i].true_is, error);
		} else if ((inventory->workload_count > 0) != (pods[i].addresses >= 0)) {
			fail_msg("%s: %zu workloads", pods[i].true_is, inventory->workload_count);
		} else if (inventory->workload_count > 0) {
			const struct workload *pod = inventory->workloads[0];
			assert_string_equal(pod->name_space, "shop");
			assert_string_equal(pod->name, "web-0");
			assert_string_equal(pod->node, "node-a");
			if (pod->address_count != (size_t)pods[i].addresses || pod->port_count != (size_t)pods[i].ports)
				fail_msg("%s: %zu addresses, %zu ports", pods[i].true_is, pod->address_count,
					 pod->port_count);
			assert_int_equal(inventory->host_count + inventory->node_count, 0); /* nodes tell themselves */
		}
		json_decref(object);
		arena_free(arena);
	}
}

/* Names of pods by `metadata`; NULL: it has none to go by. */
static const struct {
	const char *metadata, *name;
} names[] = {
    {"{\"namespace\": \"shop\", \"name\": \"web-0\"}", "pod:shop:web-0"},
    {"{\"namespace\": \"shop\", \"name\": \"a.b\"}", "pod:shop:a.b"},
    {"{\"name\": \"web-0\"}", NULL},
    {"{\"namespace\": \"shop\"}", NULL},
    {"{\"namespace\": \"shop\", \"name\": \"../x\"}", NULL},
    {"{\"namespace\": \"sh/op\", \"name\": \"x\"}", NULL},
    {"{\"namespace\": \"a.b\", \"name\": \"x\"}", NULL},
    {"{\"namespace\": \"shop\", \"name\": \"\"}", NULL},
    {"{\"namespace\": \"shop\", \"name\": 7}", NULL},
    {"{\"namespace\": \"shop\", \"name\": \"a:b\"}", NULL},
    {"[]", NULL},
    {"null", NULL},
};

static void a_thing_has_a_name_to_go_by(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char name[KUBERNETES_NAME_SIZE] = "";
		json_t *object = object_with(KUBERNETES_PODS, "metadata", names[i].metadata);
		bool has = kubernetes_object_name(KUBERNETES_PODS, object, name);
		if (has != (names[i].name != NULL) || (has && strcmp(name, names[i].name) != 0))
			fail_msg("%s: %s", names[i].metadata, name);
		json_decref(object);
	}
	static const char *const no_objects[] = {"7", "null", "[]", "\"x\""};
	for (size_t i = 0; i < sizeof no_objects / sizeof *no_objects; i++) {
		char name[KUBERNETES_NAME_SIZE];
		json_t *object = json_loads(no_objects[i], JSON_DECODE_ANY, NULL);
		assert_false(kubernetes_object_name(KUBERNETES_NODES, object, name));
		json_decref(object);
	}
}

static void nodes_and_namespaces_are_what_they_tell(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	const char *error;
	json_t *object = object_with(KUBERNETES_NAMESPACES, "metadata.labels", "{\"team\": \"a\"}");
	const struct inventory *inventory = read_object(arena, KUBERNETES_NAMESPACES, object, &error);
	assert_non_null(inventory);
	assert_int_equal(inventory->namespace_count, 1);
	assert_int_equal(inventory->namespaces[0]->labels.count, 2); /* and its name */
	json_decref(object);
	object = object_with(KUBERNETES_NODES, "spec.podCIDRs", "[\"10.0.1.0/24\", \"fd00:1::/64\"]");
	json_t *addresses = json_loads("[{\"type\": \"InternalIP\", \"address\": \"192.0.2.1\"}, {\"type\": "
				       "\"Hostname\", \"address\": \"web-0\"}]",
				       0, NULL);
	json_object_set_new(json_object_get(object, "status"), "addresses", addresses);
	inventory = read_object(arena, KUBERNETES_NODES, object, &error);
	assert_non_null(inventory);
	assert_int_equal(inventory->node_count, 1);
	assert_int_equal(inventory->nodes[0]->address_count, 1);
	assert_int_equal(inventory->nodes[0]->pool_count, 2);
	json_decref(object);
	arena_free(arena);
}

/* Of its own addresses a node has those in its networks for pods: here the loopback's stands for a bridge's. */
static void a_node_has_the_addresses_of_its_bridge(void **state)
{
	(void)state;
	struct arena *arena = arena_create();
	struct prefix pools[2];
	struct node node = {.name = "n", .pools = pools, .pool_count = 2};
	assert_null(prefix_parse(&pools[0], "127.0.0.0/24"));
	assert_null(prefix_parse(&pools[1], "10.255.255.0/24"));
	const struct node_addresses own = node_addresses_read(arena, &node);
	struct node_addresses kept = {0};
	node_addresses_keep(&kept, &own);
	assert_true(node_addresses_are_same(&kept, &own));
	assert_int_equal(own.count, 1);
	assert_true(prefix_contains(&pools[0], &own.items[0]));
	node.pool_count = 0;
	const struct node_addresses none = node_addresses_read(arena, &node);
	assert_int_equal(none.count, 0);
	assert_false(node_addresses_are_same(&kept, &none));
	free(kept.items);
	arena_free(arena);
}

/* ---- things ---- */

struct heard {
	char text[1024];
	size_t calls;
};

static void on_tell(void *context, const struct told *items, size_t count, bool all)
{
	struct heard *heard = context;
	heard->calls++;
	strcat(heard->text, all ? "all:" : "more:");
	for (size_t i = 0; i < count; i++)
		sprintf(heard->text + strlen(heard->text), " %s%s", items[i].inventory != NULL ? "+" : "-",
			items[i].name);
	strcat(heard->text, "; ");
}

static void on_refused(void *context, const char *const *texts, size_t count)
{
	struct heard *heard = context;
	strcat(heard->text, "refused:");
	for (size_t i = 0; i < count; i++)
		sprintf(heard->text + strlen(heard->text), " %s", texts[i]);
	strcat(heard->text, "; ");
}

static void put(struct kubernetes_things *things, const char *name, bool there, const char *why)
{
	static struct inventory some;
	kubernetes_things_put(things, kubernetes_things_add(things, KUBERNETES_PODS, name), there ? &some : NULL, why);
}

static void each_thing_is_told_once_as_it_was_heard_last(void **state)
{
	(void)state;
	struct heard heard = {.text = ""};
	struct kubernetes_things things = {0};
	const struct source_setup setup = {.tell = on_tell, .refused = on_refused, .context = &heard};
	put(&things, "pod:s:a", true, NULL);
	put(&things, "pod:s:b", true, NULL);
	put(&things, "pod:s:a", false, "odd");
	put(&things, "pod:s:c", true, NULL);
	put(&things, "pod:s:c", false, NULL);
	kubernetes_things_tell(&things, &setup, true);
	assert_string_equal(heard.text, "all: -pod:s:a +pod:s:b -pod:s:c; refused: pod:s:a: odd; ");
	assert_non_null(kubernetes_things_find(&things, "pod:s:a")); /* it is there, and makes no sense */
	assert_null(kubernetes_things_find(&things, "pod:s:c"));
	heard.text[0] = 0;
	put(&things, "pod:s:a", true, NULL);
	kubernetes_things_tell(&things, &setup, false);
	assert_string_equal(heard.text, "more: +pod:s:a; refused:; ");
	heard.text[0] = 0;
	kubernetes_things_refuse(&things, kubernetes_things_find(&things, "pod:s:b"), "odd");
	kubernetes_things_tell(&things, &setup, false);
	assert_string_equal(heard.text, "refused: pod:s:b: odd; "); /* what it was stays */
	kubernetes_things_finish(&things);
}

static void who_is_in_a_namespace_keeps_it(void **state)
{
	(void)state;
	struct heard heard = {.text = ""};
	struct kubernetes_things things = {0};
	const struct source_setup setup = {.tell = on_tell, .refused = on_refused, .context = &heard};
	const struct kubernetes_thing *space = kubernetes_things_add(&things, KUBERNETES_NAMESPACES, "namespace:shop");
	put(&things, "pod:shop-2:a", true, NULL);
	assert_false(kubernetes_things_are_in(&things, space));
	put(&things, "pod:shop:a", true, NULL);
	assert_true(kubernetes_things_are_in(&things, space));
	kubernetes_things_tell(&things, &setup, true);
	assert_true(kubernetes_things_are_in(&things, space));
	put(&things, "pod:shop:a", false, NULL);
	assert_false(kubernetes_things_are_in(&things, space));
	kubernetes_things_finish(&things);
}

/* Of what is nothing to us there are most events: conditions, times, managed fields. */
static void what_says_the_same_is_not_told_again(void **state)
{
	(void)state;
	struct kubernetes_things things = {0};
	struct kubernetes_heard first, other;
	struct arena *arena = arena_create();
	json_t *pod = object_with(KUBERNETES_PODS, NULL, NULL);
	kubernetes_things_hear(&things, arena, KUBERNETES_PODS, pod, &first);
	assert_false(first.same);
	assert_non_null(first.inventory);
	struct kubernetes_thing *thing = kubernetes_things_add(&things, KUBERNETES_PODS, first.name);
	thing->hash = first.hash;
	json_object_set_new(json_object_get(pod, "metadata"), "resourceVersion", json_string("2000"));
	json_object_del(json_object_get(pod, "status"), "conditions");
	kubernetes_things_hear(&things, arena, KUBERNETES_PODS, pod, &other);
	assert_true(other.same);
	assert_null(other.error);
	json_object_set_new(json_object_get(pod, "status"), "phase", json_string("Failed"));
	kubernetes_things_hear(&things, arena, KUBERNETES_PODS, pod, &other);
	assert_false(other.same);
	json_object_del(pod, "metadata");
	kubernetes_things_hear(&things, arena, KUBERNETES_NAMESPACES, pod, &other);
	assert_string_equal(other.name, "one of the namespaces");
	assert_non_null(other.error);
	assert_false(
	    kubernetes_things_are_in(&things, kubernetes_things_add(&things, KUBERNETES_NAMESPACES, other.name)));
	assert_true(kubernetes_things_hold(&things, thing));
	json_decref(pod);
	arena_free(arena);
	kubernetes_things_finish(&things);
}

/* ---- requests ---- */

static void urls_hold_what_a_server_said_as_a_value(void **state)
{
	(void)state;
	static const struct {
		const char *next, *url;
	} lists[] = {
	    {"", "https://h:1/api/v1/pods?limit=250"},
	    {"abc-_.~9", "https://h:1/api/v1/pods?limit=250&continue=abc-_.~9"},
	    {"a&limit=1#\n ", "https://h:1/api/v1/pods?limit=250&continue=a%26limit%3D1%23%0A%20"},
	    {"\xc3\xa4", "https://h:1/api/v1/pods?limit=250&continue=%C3%A4"},
	};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		char *url = kubernetes_list_url("https://h:1", "pods", 250, lists[i].next);
		assert_string_equal(url, lists[i].url);
		free(url);
	}
	char *url = kubernetes_watch_url("https://h:1", "nodes", "12 3", 300);
	assert_string_equal(url, "https://h:1/api/v1/nodes?watch=1&allowWatchBookmarks=true&timeoutSeconds=300"
				 "&resourceVersion=12%203");
	free(url);
}

static void a_token_is_one_word(void **state)
{
	static const struct {
		const char *text, *header;
		int error;
	} tokens[] = {
	    {"eyJh.b-c_d", "Authorization: Bearer eyJh.b-c_d", 0},
	    {"eyJh\n", "Authorization: Bearer eyJh", 0},
	    {"eyJh \r\n", "Authorization: Bearer eyJh", 0},
	    {"a\r\nX-Evil: b", NULL, -EBADMSG},
	    {"a b", NULL, -EBADMSG},
	    {"a\x7f", NULL, -EBADMSG},
	    {"\xc3\xa4", NULL, -EBADMSG},
	    {"", NULL, -ENODATA},
	    {"\n\n", NULL, -ENODATA},
	};
	(void)state;
	char path[] = "/tmp/ringfence-token.XXXXXX";
	char *header = malloc(KUBERNETES_HEADER_SIZE);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, tokens[i].text, strlen(tokens[i].text), 0), strlen(tokens[i].text));
		assert_int_equal(kubernetes_authorization(path, header), tokens[i].error);
		if (tokens[i].header != NULL)
			assert_string_equal(header, tokens[i].header);
	}
	assert_int_equal(ftruncate(fd, KUBERNETES_HEADER_SIZE), 0);
	assert_int_equal(kubernetes_authorization(path, header), -EFBIG);
	close(fd);
	unlink(path);
	assert_int_equal(kubernetes_authorization(path, header), -ENOENT);
	free(header);
}

/* ---- what many cost ---- */

static void a_thousand_pods_are_read_soon(void **state)
{
	(void)state;
	struct timespec begin, end;
	struct arena *arena = arena_create();
	json_t *object = object_with(KUBERNETES_PODS, NULL, NULL);
	char *text = json_dumps(object, JSON_COMPACT);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 1000; i++) {
		const char *error;
		json_t *parsed = json_loads(text, 0, NULL);
		assert_non_null(read_object(arena, KUBERNETES_PODS, parsed, &error));
		json_decref(parsed);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("# 1,000 pods of %zu bytes: %.0f ms\n", strlen(text),
		      (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
	free(text);
	json_decref(object);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_pod_is_what_it_tells),
	    cmocka_unit_test(a_thing_has_a_name_to_go_by),
	    cmocka_unit_test(nodes_and_namespaces_are_what_they_tell),
	    cmocka_unit_test(a_node_has_the_addresses_of_its_bridge),
	    cmocka_unit_test(each_thing_is_told_once_as_it_was_heard_last),
	    cmocka_unit_test(who_is_in_a_namespace_keeps_it),
	    cmocka_unit_test(what_says_the_same_is_not_told_again),
	    cmocka_unit_test(urls_hold_what_a_server_said_as_a_value),
	    cmocka_unit_test(a_token_is_one_word),
	    cmocka_unit_test(a_thousand_pods_are_read_soon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
