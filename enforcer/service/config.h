/* The daemon's configuration file. */
#ifndef ENFORCER_SERVICE_CONFIG_H
#define ENFORCER_SERVICE_CONFIG_H

#include "enforcer/service/access.h"
#include "enforcer/service/listener.h"
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

struct config {
	const char *node; /* default: the host name */
	const char *user; /* to run as, where root starts it; NULL: `ringfence` */
	const char *policy_directory;
	unsigned confirm_seconds; /* in which another policy of the directory is to be confirmed; 0: it need not be */
	const char **workload_directories;
	size_t workload_directory_count;
	struct outreach outreach;
	struct kubernetes_server kubernetes; /* without a URL: no pod is a workload */
	struct units units;		     /* without a root: no unit is a workload */
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

/* Reads the file at `path` into `config`, in `arena`. Returns false after printing every problem to stderr. */
bool config_read(struct config *config, struct arena *arena, const char *path);

#endif
