/* The daemon's configuration file. */
#ifndef ENFORCER_SERVICE_CONFIG_H
#define ENFORCER_SERVICE_CONFIG_H

#include "enforcer/etcd/etcd.h"
#include "enforcer/fleet/keys.h"
#include "enforcer/service/access.h"
#include "enforcer/service/listener.h"
#include "enforcer/sources/docker.h"
#include "enforcer/sources/kubernetes_server.h"
#include "enforcer/sources/units.h"

#include <ringfence/policy.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum { CONFIRM_SECONDS_MOST = 86400 };

/* What sources talk to, for the confinement. */
struct outreach {
	const char **paths; /* of files to read and sockets to connect to */
	size_t path_count;
	uint16_t *ports; /* of servers, by TCP */
	size_t port_count;
};

/* A policy that comes in signed bundles. */
struct bundle_source {
	const char *path;	    /* of the file; NULL: it is none */
	struct etcd_settings store; /* where they are; without endpoints: it is none */
	struct key_words keys;	    /* that are trusted */
};

/* Where the nodes of a fleet tell each other of their workloads. */
struct fleet_settings {
	struct etcd_settings store; /* without endpoints: nowhere */
	struct key_words keys;	    /* whose word on a node's key counts; none: nodes are believed without one */
	const char *signing_key;    /* the file of this node's private key, and */
	const char *enrolment;	    /* the file that says that it is; both, or neither, and both with `keys` */
};

struct config {
	const char *node;	      /* default: the host name */
	const char *user;	      /* to run as, where root starts it; NULL: `ringfence` */
	struct labels labels;	      /* of the node, for staged bundles */
	const char *policy_directory; /* NULL: it comes in bundles */
	struct bundle_source bundle;
	unsigned confirm_seconds; /* in which another policy that is given is to be confirmed; 0: it need not be */
	const char **workload_directories;
	size_t workload_directory_count;
	struct outreach outreach;
	struct fleet_settings fleet;
	struct units units; /* without a root: no unit is a workload */
	struct docker_settings docker;
	struct kubernetes_server kubernetes; /* without a URL: no pod is a workload */
	bool repair;			     /* drift: repair (default), or only report */
	struct span mode_span;
	enum mode mode; /* audit: what this node would deny is logged and let through; else as the policy says */
	const char *control_socket;
	struct access_rules access;
	struct listen_address metrics; /* its `text` is NULL: nowhere */
	bool log_denied;	       /* denials go to the journal (default) */
	unsigned log_rate;	       /* events that are observed in a second, at most */
	const char *state_directory;   /* where what must outlive the daemon is kept; NULL: nothing is */
};

/* Whether the policy comes in signed bundles, from a file or a store. */
static inline bool config_has_bundles(const struct config *config)
{
	return config->bundle.path != NULL || config->bundle.store.endpoint_count > 0;
}

/* Reads the file at `path` into `config`, in `arena`. Returns false after printing every problem to stderr. */
bool config_read(struct config *config, struct arena *arena, const char *path);

#endif
