/* An etcd store in a configuration: where it is, whom to trust, and as whom to speak. */
#ifndef ENFORCER_ETCD_SETTINGS_H
#define ENFORCER_ETCD_SETTINGS_H

#include "enforcer/etcd/etcd.h"

#include "compiler/frontend/native.h"

/* The keys of a store, for tables of keys whose object begins with a struct etcd_settings. */
void etcd_endpoints_read(struct frontend *frontend, const struct yaml_node *node, void *object);
void etcd_prefix_read(struct frontend *frontend, const struct yaml_node *node, void *object);
void etcd_ca_read(struct frontend *frontend, const struct yaml_node *node, void *object);
void etcd_certificate_read(struct frontend *frontend, const struct yaml_node *node, void *object);
void etcd_key_read(struct frontend *frontend, const struct yaml_node *node, void *object);
void etcd_user_read(struct frontend *frontend, const struct yaml_node *node, void *object);
void etcd_password_file_read(struct frontend *frontend, const struct yaml_node *node, void *object);

#define ETCD_KEYS                                                                                             \
	UNTYPED_KEY("endpoints", true, etcd_endpoints_read), UNTYPED_KEY("prefix", false, etcd_prefix_read),  \
	    UNTYPED_KEY("ca", false, etcd_ca_read), UNTYPED_KEY("certificate", false, etcd_certificate_read), \
	    UNTYPED_KEY("key", false, etcd_key_read), UNTYPED_KEY("user", false, etcd_user_read),             \
	    UNTYPED_KEY("password_file", false, etcd_password_file_read)

/* Fills in what was left out, and says what does not fit together, at `node`. */
void etcd_settings_check(struct frontend *frontend, const struct yaml_node *node, struct etcd_settings *settings);

/* Reads a file that has these keys and no others. Returns false after printing every problem to stderr. */
bool etcd_settings_read(struct arena *arena, const char *path, struct etcd_settings *settings);

#endif
