/* The daemon's configuration: one YAML mapping, read by the same tables and with the same errors as a policy. */
#include "enforcer/service/config_policy.h"
#include "enforcer/service/config_sources.h"

#include "compiler/frontend/configuration.h"
#include "enforcer/observe/observer.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void node_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct config *)object)->node = scalar_read(frontend, node, "`node`");
}

static void user_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct config *)object)->user = scalar_read(frontend, node, "`user`");
}

static void labels_of_node_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	labels_read(frontend, node, &((struct config *)object)->labels);
}

static void drift_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`drift`");
	if (text == NULL)
		return;
	((struct config *)object)->repair = strcmp(text, "repair") == 0;
	if (strcmp(text, "repair") != 0 && strcmp(text, "report") != 0)
		diagnostics_error(frontend->diagnostics, node->span, "`drift` must be repair or report");
}

static void config_mode_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct config *config = object;
	mode_read(frontend, node, &config->mode);
	config->mode_span = node->span;
}

static void socket_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct config *)object)->control_socket);
}

struct reading_groups {
	struct access_groups *groups;
	const char *what;
};

static void group_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct reading_groups *reading = object;
	const char *name = scalar_read(frontend, node, reading->what);
	struct access_group group;
	if (name != NULL && access_find_group(&group, name))
		*arena_push(frontend->arena, reading->groups->items, reading->groups->count) = group;
	else if (name != NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "this machine has no group `%s`", name);
		diagnostics_help(frontend->diagnostics, "name a group of /etc/group, or give its number");
	}
}

static void readers_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_groups reading = {&((struct config *)object)->access.readers, "`readers`"};
	one_or_more_read(frontend, node, reading.what, group_read, &reading);
}

static void operators_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_groups reading = {&((struct config *)object)->access.operators, "`operators`"};
	one_or_more_read(frontend, node, reading.what, group_read, &reading);
}

static const struct key control_keys[] = {
    UNTYPED_KEY("socket", false, socket_read),
    UNTYPED_KEY("readers", false, readers_read),
    UNTYPED_KEY("operators", false, operators_read),
};

static void control_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	KEYS_READ(frontend, node, control_keys, "`control`", object);
}

static void listen_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`listen`");
	const char *wrong = text != NULL ? listen_address_read(&((struct config *)object)->metrics, text) : NULL;
	if (wrong != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "%s", wrong);
}

static const struct key metrics_keys[] = {UNTYPED_KEY("listen", true, listen_read)};

static void metrics_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	KEYS_READ(frontend, node, metrics_keys, "`metrics`", object);
}

static void log_denied_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct config *)object)->log_denied = truth_read(frontend, node, "`denied`");
}

static void log_rate_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`rate`");
	size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
	unsigned long rate = digits > 0 && digits <= 4 ? strtoul(text, NULL, 10) : 0;
	if (text == NULL)
		return;
	if (rate == 0 || rate > OBSERVE_RATE_MAX || strcmp(text + digits, "/second") != 0)
		diagnostics_error(frontend->diagnostics, node->span, "`rate` is 1/second to %d/second",
				  OBSERVE_RATE_MAX);
	else
		((struct config *)object)->log_rate = (unsigned)rate;
}

static const struct key log_keys[] = {
    UNTYPED_KEY("denied", false, log_denied_read),
    UNTYPED_KEY("rate", false, log_rate_read),
};

static void log_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	KEYS_READ(frontend, node, log_keys, "`log`", object);
}

static void state_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct config *)object)->state_directory);
}

static const struct key config_keys[] = {
    UNTYPED_KEY("labels", false, labels_of_node_read),
    UNTYPED_KEY("node", false, node_name_read),
    UNTYPED_KEY("policy", true, policy_read),
    UNTYPED_KEY("workloads", false, sources_read),
    UNTYPED_KEY("drift", false, drift_read),
    UNTYPED_KEY("control", false, control_read),
    UNTYPED_KEY("metrics", false, metrics_read),
    UNTYPED_KEY("log", false, log_read),
    UNTYPED_KEY("user", false, user_read),
    UNTYPED_KEY("state", false, state_read),
    UNTYPED_KEY("mode", false, config_mode_read),
};

bool config_read(struct config *config, struct arena *arena, const char *path)
{
	struct diagnostics diagnostics;
	struct frontend frontend;
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	*config = (struct config){.repair = true,
				  .control_socket = "/run/ringfence/control.sock",
				  .log_denied = true,
				  .log_rate = OBSERVE_RATE};
	const struct yaml_node *root = configuration_read(&frontend, path);
	if (root != NULL) {
		KEYS_READ(&frontend, root, config_keys, "the configuration", config);
		policy_check(&frontend, root, config);
	}
	if (config->node == NULL) {
		char name[256] = "";
		gethostname(name, sizeof name - 1);
		config->node = arena_copy(arena, name, strlen(name));
	}
	if (config->fleet.store.endpoint_count > 0 && strpbrk(config->node, "/:") != NULL)
		diagnostics_error(&diagnostics, root != NULL ? root->span : (struct span){0},
				  "in a fleet a node's name has no slash and no colon, and this is `%s`", config->node);
	diagnostics_sort(&diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	return diagnostics.errors == 0;
}
