/* The daemon's configuration: one YAML mapping, read by the same tables and with the same errors as a policy. */
#include "enforcer/service/config_sources.h"

#include "compiler/frontend/native.h"
#include "enforcer/observe/observer.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONFIG_BYTES_MAX = 1 << 20 };

void path_read(struct frontend *frontend, const struct yaml_node *node, const char **path)
{
	const char *text = scalar_read(frontend, node, "a path");
	if (text != NULL && text[0] != '/')
		diagnostics_error(frontend->diagnostics, node->span,
				  "a path must be absolute: the daemon has no directory of its own");
	else if (text != NULL)
		*path = text;
}

static void node_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct config *)object)->node = scalar_read(frontend, node, "`node`");
}

static void user_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct config *)object)->user = scalar_read(frontend, node, "`user`");
}

static void policy_directory_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct config *)object)->policy_directory);
}

static void confirm_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`confirm`");
	size_t length = text != NULL ? strlen(text) : 0;
	unsigned long seconds =
	    length > 0 && length <= 5 && strspn(text, "0123456789") == length ? strtoul(text, NULL, 10) : 0;
	if (text != NULL && (seconds == 0 || seconds > CONFIRM_SECONDS_MOST))
		diagnostics_error(frontend->diagnostics, node->span, "`confirm` is a number of seconds from 1 to %d",
				  CONFIRM_SECONDS_MOST);
	else
		((struct config *)object)->confirm_seconds = (unsigned)seconds;
}

static const struct key policy_keys[] = {
    UNTYPED_KEY("directory", true, policy_directory_read),
    UNTYPED_KEY("confirm", false, confirm_read),
};

static void policy_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	KEYS_READ(frontend, node, policy_keys, "`policy`", object);
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
    UNTYPED_KEY("node", false, node_name_read),	   UNTYPED_KEY("policy", true, policy_read),
    UNTYPED_KEY("workloads", false, sources_read), UNTYPED_KEY("drift", false, drift_read),
    UNTYPED_KEY("control", false, control_read),   UNTYPED_KEY("metrics", false, metrics_read),
    UNTYPED_KEY("log", false, log_read),	   UNTYPED_KEY("user", false, user_read),
    UNTYPED_KEY("state", false, state_read),	   UNTYPED_KEY("mode", false, config_mode_read),
};

/* Reads the file's text, or returns NULL after adding why not. */
static char *text_read(struct frontend *frontend, const char *path, size_t *length)
{
	struct stat status;
	FILE *stream = fopen(path, "re");
	if (stream == NULL || fstat(fileno(stream), &status) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_size > CONFIG_BYTES_MAX) {
		const char *why = stream == NULL ? strerror(errno) : "not a regular file of at most 1 MiB";
		diagnostics_error(frontend->diagnostics, (struct span){0}, "%s: %s", path, why);
		if (stream != NULL)
			fclose(stream);
		return NULL;
	}
	char *text = arena_alloc(frontend->arena, (size_t)status.st_size + 1);
	*length = fread(text, 1, (size_t)status.st_size, stream);
	fclose(stream);
	return text;
}

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
	size_t length = 0, count = 0;
	char *text = text_read(&frontend, path, &length);
	if (text != NULL) {
		struct source *source = arena_alloc(arena, sizeof *source);
		*source = (struct source){path, text, length};
		diagnostics_add_source(&diagnostics, source);
		struct yaml_node **roots = yaml_read(arena, source, &diagnostics, &count);
		if (count == 1)
			KEYS_READ(&frontend, roots[0], config_keys, "the configuration", config);
		if (count == 1 && config->confirm_seconds > 0 && config->state_directory == NULL)
			diagnostics_error(&diagnostics, roots[0]->span,
					  "`confirm` needs `state`, where the policy before is kept");
		if (count != 1 && diagnostics.errors == 0)
			diagnostics_error(&diagnostics, (struct span){path, 1, 1, 1, 1}, "expected one document");
	}
	if (config->node == NULL) {
		char name[256] = "";
		gethostname(name, sizeof name - 1);
		config->node = arena_copy(arena, name, strlen(name));
	}
	diagnostics_sort(&diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	return diagnostics.errors == 0;
}
