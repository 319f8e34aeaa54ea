/* https is asked for wherever the store is not on this machine: what comes from it, and the password that goes there,
 * must be nobody else's. */
#include "enforcer/etcd/settings.h"

#include "compiler/frontend/configuration.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* Where the port begins in an endpoint that can be asked; NULL after saying what is wrong. */
static const char *endpoint_port(struct frontend *frontend, const struct yaml_node *node, const char *text)
{
	bool secure = strncmp(text, "https://", 8) == 0;
	const char *host = text + (secure ? 8 : 7);
	if (!secure && strncmp(text, "http://", 7) != 0) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "an endpoint is a URL such as https://etcd-1.example:2379");
		return NULL;
	}
	const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":/");
	const char *port = end != NULL && end[0] == ']' ? end + 1 : end;
	size_t digits = port != NULL && port[0] == ':' ? strspn(port + 1, "0123456789") : 0;
	bool good = port != NULL && end > host && digits > 0 && digits <= 5 && port[1 + digits] == 0 &&
		    strpbrk(text, "@?# \t\\") == NULL && strtoul(port + 1, NULL, 10) <= 65535;
	if (!good) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "an endpoint is a URL with a host and a port and nothing else, such as "
				  "https://etcd-1.example:2379");
		return NULL;
	}
	static const char *const own[] = {"127.0.0.1:", "[::1]:", "localhost:"};
	bool local = false;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		local = local || strncmp(host, own[i], strlen(own[i])) == 0;
	if (!secure && !local) {
		diagnostics_error(frontend->diagnostics, node->span, "an endpoint on another machine needs https");
		return NULL;
	}
	return port + 1;
}

static void endpoint_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct etcd_settings *settings = object;
	const char *text = scalar_read(frontend, node, "an endpoint");
	if (text != NULL && endpoint_port(frontend, node, text) != NULL)
		*arena_push(frontend->arena, settings->endpoints, settings->endpoint_count) = text;
}

void etcd_endpoints_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`endpoints`", endpoint_read, object);
}

void etcd_prefix_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`prefix`");
	size_t length = text != NULL ? strlen(text) : 0;
	bool good = length > 1 && length <= 128 && text[0] == '/' && text[length - 1] != '/';
	if (text != NULL && !good)
		diagnostics_error(frontend->diagnostics, node->span,
				  "a prefix begins with a slash and does not end with one, as /ringfence does");
	else
		((struct etcd_settings *)object)->prefix = text;
}

void etcd_ca_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct etcd_settings *)object)->ca);
}

void etcd_certificate_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct etcd_settings *)object)->certificate);
}

void etcd_key_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct etcd_settings *)object)->key);
}

void etcd_user_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct etcd_settings *)object)->user = scalar_read(frontend, node, "`user`");
}

void etcd_password_file_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct etcd_settings *)object)->password_file);
}

void etcd_settings_check(struct frontend *frontend, const struct yaml_node *node, struct etcd_settings *settings)
{
	if (settings->prefix == NULL)
		settings->prefix = "/ringfence";
	if ((settings->certificate == NULL) != (settings->key == NULL))
		diagnostics_error(frontend->diagnostics, node->span, "`certificate` and `key` go together");
	if ((settings->user == NULL) != (settings->password_file == NULL))
		diagnostics_error(frontend->diagnostics, node->span, "`user` and `password_file` go together");
}

static const struct key file_keys[] = {ETCD_KEYS};

bool etcd_settings_read(struct arena *arena, const char *path, struct etcd_settings *settings)
{
	struct diagnostics diagnostics;
	struct frontend frontend;
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	*settings = (struct etcd_settings){0};
	const struct yaml_node *root = configuration_read(&frontend, path);
	if (root != NULL) {
		KEYS_READ(&frontend, root, file_keys, "the description of a store", settings);
		etcd_settings_check(&frontend, root, settings);
	}
	diagnostics_sort(&diagnostics);
	diagnostics_print(&diagnostics, stderr, false);
	return diagnostics.errors == 0;
}
