/* What an entry of `workloads` may say follows from its `source`: each has a table of keys, and a place in the
 * configuration that it is taken to when all of it was read well. */
#include "enforcer/service/config_sources.h"

#include "enforcer/etcd/settings.h"
#include "enforcer/service/outreach.h"

#include "compiler/frontend/configuration.h"

#include <ringfence/arena.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* `source` itself, which has been read. */
static void source_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)frontend;
	(void)node;
	(void)object;
}

/* ---- files ---- */

static void directory_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct config *config = object;
	const char *path = NULL;
	path_read(frontend, node, &path);
	if (path != NULL)
		*arena_push(frontend->arena, config->workload_directories, config->workload_directory_count) = path;
}

static const struct key files_keys[] = {
    UNTYPED_KEY("source", true, source_read),
    UNTYPED_KEY("directory", true, directory_read),
};

static void files_read(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	KEYS_READ(frontend, node, files_keys, "the source `files`", config);
}

/* ---- units ---- */

static void unit_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct units *units = object;
	const char *pattern = scalar_read(frontend, node, "a unit");
	size_t length = pattern != NULL ? strlen(pattern) : 0;
	if (pattern == NULL)
		return;
	if (length < 9 || length > 255 || strcmp(pattern + length - 8, ".service") != 0 || strchr(pattern, '/') != NULL)
		diagnostics_error(frontend->diagnostics, node->span,
				  "a unit is the name of a service, such as nginx.service or app-*.service");
	else
		*arena_push(frontend->arena, units->patterns, units->pattern_count) = pattern;
}

static void units_list_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`units`", unit_read, object);
}

static void units_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct units *)object)->name_space = name_read(frontend, node, "a namespace");
}

static void units_root_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct units *)object)->root);
}

static const struct key units_keys[] = {
    UNTYPED_KEY("source", true, source_read),
    UNTYPED_KEY("units", true, units_list_read),
    UNTYPED_KEY("namespace", false, units_namespace_read),
    UNTYPED_KEY("cgroup", false, units_root_read),
};

static void units_source_read(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	struct units units = {.name_space = "systemd", .root = "/sys/fs/cgroup"};
	size_t errors = frontend->diagnostics->errors;
	KEYS_READ(frontend, node, units_keys, "the source `systemd`", &units);
	if (frontend->diagnostics->errors > errors)
		return;
	if (config->units.root != NULL)
		diagnostics_error(frontend->diagnostics, node->span,
				  "the source `systemd` stands twice: put all `units` into one");
	else
		config->units = units;
}

/* ---- the fleet ---- */

static void fleet_keys_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	trusted_keys_read(frontend, node, &((struct fleet_settings *)object)->keys);
}

static void signing_key_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct fleet_settings *)object)->signing_key);
}

static void enrolment_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct fleet_settings *)object)->enrolment);
}

static const struct key fleet_keys[] = {
    UNTYPED_KEY("source", true, source_read),	     ETCD_KEYS,
    UNTYPED_KEY("keys", false, fleet_keys_read),     UNTYPED_KEY("signing_key", false, signing_key_read),
    UNTYPED_KEY("enrolment", false, enrolment_read),
};

static void fleet_read(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	struct fleet_settings settings = {0};
	size_t errors = frontend->diagnostics->errors;
	KEYS_READ(frontend, node, fleet_keys, "the source `etcd`", &settings);
	etcd_settings_check(frontend, node, &settings.store);
	if (config->fleet.store.endpoint_count > 0)
		diagnostics_error(frontend->diagnostics, node->span,
				  "the source `etcd` stands twice: put all `endpoints` into one");
	if ((settings.signing_key != NULL) != (settings.enrolment != NULL) ||
	    (settings.signing_key == NULL && settings.keys.count > 0))
		diagnostics_error(
		    frontend->diagnostics, node->span,
		    "`signing_key` and `enrolment` go together: this node's own key, and the word that it is "
		    "(`ringfence enroll` signs one); and `keys`, whose word counts, goes with both");
	if (frontend->diagnostics->errors > errors)
		return;
	config->fleet = settings;
	outreach_add_store(frontend->arena, &settings.store, &config->outreach);
	outreach_add_keys(frontend->arena, &settings.keys, &config->outreach);
}

/* ---- containers ---- */

static void docker_socket_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct docker_settings *docker = object;
	path_read(frontend, node, &docker->socket);
	if (docker->socket == NULL || strlen(docker->socket) < sizeof((struct sockaddr_un *)NULL)->sun_path)
		return;
	diagnostics_error(frontend->diagnostics, node->span, "the path of a unix socket has at most %zu bytes",
			  sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
}

static void docker_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct docker_settings *)object)->name_space = name_read(frontend, node, "a namespace");
}

static const struct key docker_keys[] = {
    UNTYPED_KEY("source", true, source_read),
    UNTYPED_KEY("socket", false, docker_socket_read),
    UNTYPED_KEY("namespace", false, docker_namespace_read),
};

static void docker_read(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	struct docker_settings docker = {.socket = "/run/docker.sock", .name_space = "default"};
	size_t errors = frontend->diagnostics->errors;
	KEYS_READ(frontend, node, docker_keys, "the source `docker`", &docker);
	if (frontend->diagnostics->errors > errors)
		return;
	if (config->docker.socket != NULL) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "the source `docker` stands twice: one engine is followed");
		return;
	}
	config->docker = docker;
	*arena_push(frontend->arena, config->outreach.paths, config->outreach.path_count) = docker.socket;
}

/* ---- kubernetes ---- */

/* Where a pod finds the service account that it runs as (Kubernetes: "Accessing the Kubernetes API from a Pod"). */
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

/* The TCP port of https://HOST[:PORT][/PATH]; 0: it is no such thing. */
static uint16_t https_port(const char *url)
{
	size_t begin = strlen("https://");
	if (strncmp(url, "https://", begin) != 0)
		return 0;
	const char *host = url + begin;
	size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	for (const char *at = url; *at != 0; at++)
		if (*at <= ' ' || *at > '~' || strchr("?#@\\\"", *at) != NULL)
			return 0;
	if (length == 0 || length > strlen(host) || (host[0] == '[' && length < 4))
		return 0;
	const char *behind = host + length;
	if (*behind != ':')
		return *behind == 0 || *behind == '/' ? 443 : 0;
	size_t digits = strspn(behind + 1, "0123456789");
	unsigned long port = digits > 0 && digits <= 5 ? strtoul(behind + 1, NULL, 10) : 0;
	return port <= 65535 && (behind[1 + digits] == 0 || behind[1 + digits] == '/') ? (uint16_t)port : 0;
}

static void server_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`server`");
	size_t length = text != NULL ? strlen(text) : 0;
	if (text == NULL)
		return;
	if (https_port(text) == 0)
		diagnostics_error(frontend->diagnostics, node->span,
				  "a server is https://HOST:PORT: the token goes nowhere else");
	else
		((struct kubernetes_server *)object)->url =
		    arena_copy(frontend->arena, text, length - (text[length - 1] == '/'));
}

static void ca_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct kubernetes_server *)object)->ca);
}

static void token_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct kubernetes_server *)object)->token);
}

static const struct key kubernetes_keys[] = {
    UNTYPED_KEY("source", true, source_read),
    UNTYPED_KEY("server", false, server_read),
    UNTYPED_KEY("ca", false, ca_read),
    UNTYPED_KEY("token", false, token_read),
};

/* The server as a pod is told of it, or NULL. */
static const char *server_of_pod(struct arena *arena)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	if (host == NULL || port == NULL)
		return NULL;
	bool six = strchr(host, ':') != NULL;
	const char *url = arena_printf(arena, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
	return https_port(url) != 0 ? url : NULL;
}

/* A file that stays within reach though the kubelet puts another in its place: the links that it turns are in the
 * directory that is mounted, however that is named. */
static void reach(struct frontend *frontend, struct outreach *outreach, const char *path)
{
	char real[PATH_MAX];
	const char *name = strrchr(path, '/') + 1;
	const char *directory = arena_copy(frontend->arena, path, (size_t)(name - path));
	*arena_push(frontend->arena, outreach->paths, outreach->path_count) =
	    realpath(directory, real) != NULL ? arena_printf(frontend->arena, "%s/%s", real, name) : path;
}

static void kubernetes_read_source(struct frontend *frontend, const struct yaml_node *node, struct config *config)
{
	struct kubernetes_server server = {.ca = SERVICE_ACCOUNT "/ca.crt", .token = SERVICE_ACCOUNT "/token"};
	size_t errors = frontend->diagnostics->errors;
	KEYS_READ(frontend, node, kubernetes_keys, "the source `kubernetes`", &server);
	if (frontend->diagnostics->errors > errors)
		return;
	if (config->kubernetes.url != NULL) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "the source `kubernetes` stands twice: a node is of one cluster");
		return;
	}
	if (server.url == NULL && (server.url = server_of_pod(frontend->arena)) == NULL) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "the source `kubernetes` needs a `server` here: KUBERNETES_SERVICE_HOST and "
				  "KUBERNETES_SERVICE_PORT say none, as they do in a pod");
		return;
	}
	config->kubernetes = server;
	reach(frontend, &config->outreach, server.ca);
	reach(frontend, &config->outreach, server.token);
	*arena_push(frontend->arena, config->outreach.ports, config->outreach.port_count) = https_port(server.url);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	void (*read)(struct frontend *frontend, const struct yaml_node *node, struct config *config);
} sources[] = {{"files", files_read},
	       {"systemd", units_source_read},
	       {"docker", docker_read},
	       {"kubernetes", kubernetes_read_source},
	       {"etcd", fleet_read}};

enum { SOURCE_COUNT = sizeof sources / sizeof *sources };

/* Their names, for a message. */
static const char *known_sources(struct arena *arena)
{
	const char *text = "";
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		text = arena_printf(arena, "%s%s`%s`", text,
				    i == 0		   ? ""
				    : i + 1 < SOURCE_COUNT ? ", "
							   : " and ",
				    sources[i].name);
	return text;
}

static void entry_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct yaml_node *value = node->kind == YAML_MAPPING ? yaml_get(node, "source") : NULL;
	if (value == NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "a workload source needs a `source`: one of %s",
				  known_sources(frontend->arena));
		return;
	}
	const char *name = scalar_read(frontend, value, "`source`");
	if (name == NULL)
		return;
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		if (strcmp(name, sources[i].name) != 0)
			continue;
		sources[i].read(frontend, node, object);
		return;
	}
	diagnostics_error(frontend->diagnostics, value->span, "version " RINGFENCE_VERSION " knows the sources %s",
			  known_sources(frontend->arena));
}

void sources_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	if (node->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, node->span, "`workloads` must be a list of sources");
	else
		one_or_more_read(frontend, node, "`workloads`", entry_read, object);
}
