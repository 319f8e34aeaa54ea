/* The daemon's configuration file. */
#ifndef ENFORCER_SERVICE_CONFIG_H
#define ENFORCER_SERVICE_CONFIG_H

#include "enforcer/service/listener.h"
#include "enforcer/sources/units.h"

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct config {
	const char *node; /* default: the host name */
	const char *user; /* to run as, where root starts it; NULL: `ringfence` */
	const char *policy_directory;
	const char **workload_directories;
	size_t workload_directory_count;
	struct units units; /* without a root: no unit is a workload */
	bool repair;	    /* drift: repair (default), or only report */
	const char *control_socket;
	struct listen_address metrics; /* its `text` is NULL: nowhere */
	bool log_denied;	       /* denials go to the journal (default) */
	unsigned log_rate;	       /* events that are observed in a second, at most */
};

/* Reads the file at `path` into `config`, in `arena`. Returns false after printing every problem to stderr. */
bool config_read(struct config *config, struct arena *arena, const char *path);

#endif
