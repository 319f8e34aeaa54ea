/* A policy is a directory's, or comes in signed bundles: one of the two. */
#include "enforcer/service/config_policy.h"

#include "enforcer/etcd/settings.h"
#include "enforcer/service/outreach.h"

#include "compiler/frontend/configuration.h"

#include <stdlib.h>
#include <string.h>

static void directory_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	path_read(frontend, node, &((struct config *)object)->policy_directory);
}

static void bundle_path_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct bundle_source *bundle = &((struct config *)object)->bundle;
	path_read(frontend, node, &bundle->path);
	if (bundle->path != NULL && bundle->path[strlen(bundle->path) - 1] == '/')
		diagnostics_error(frontend->diagnostics, node->span, "`bundle` is a file, and this is a directory");
}

static const struct key store_keys[] = {ETCD_KEYS};

static void store_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct config *config = object;
	size_t errors = frontend->diagnostics->errors;
	KEYS_READ(frontend, node, store_keys, "`etcd`", &config->bundle.store);
	etcd_settings_check(frontend, node, &config->bundle.store);
	if (frontend->diagnostics->errors == errors)
		outreach_add_store(frontend->arena, &config->bundle.store, &config->outreach);
}

static void bundle_keys_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct config *config = object;
	trusted_keys_read(frontend, node, &config->bundle.keys);
	outreach_add_keys(frontend->arena, &config->bundle.keys, &config->outreach);
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
    UNTYPED_KEY("directory", false, directory_read), UNTYPED_KEY("bundle", false, bundle_path_read),
    UNTYPED_KEY("etcd", false, store_read),	     UNTYPED_KEY("keys", false, bundle_keys_read),
    UNTYPED_KEY("confirm", false, confirm_read),
};

void policy_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	size_t errors = frontend->diagnostics->errors;
	const struct config *config = object;
	KEYS_READ(frontend, node, policy_keys, "`policy`", object);
	if (frontend->diagnostics->errors > errors)
		return;
	bool directory = config->policy_directory != NULL, bundle = config->bundle.path != NULL,
	     store = config->bundle.store.endpoint_count > 0, keys = config->bundle.keys.count > 0;
	if (directory + bundle + store != 1)
		diagnostics_error(frontend->diagnostics, node->span,
				  "`policy` has a `directory`, a `bundle` or `etcd`, and one of them");
	else if (!directory && !keys)
		diagnostics_error(frontend->diagnostics, node->span,
				  "`%s` needs `keys`: the public keys that a bundle may be signed with",
				  bundle ? "bundle" : "etcd");
	else if (directory && keys)
		diagnostics_error(frontend->diagnostics, node->span,
				  "`keys` belong to bundles: a directory is not signed");
}

void policy_check(struct frontend *frontend, const struct yaml_node *root, const struct config *config)
{
	if (config->state_directory != NULL)
		return;
	if (config->confirm_seconds > 0)
		diagnostics_error(frontend->diagnostics, root->span,
				  "`confirm` needs `state`, where the policy before is kept");
	if (config_has_bundles(config))
		diagnostics_error(
		    frontend->diagnostics, root->span,
		    "a policy of bundles needs `state`, where the newest revision is kept: an older one is refused");
}
