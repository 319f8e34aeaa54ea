/* The answer to "is it in force for this workload, at which revision, and since when?" */
#ifndef ENFORCER_SERVICE_WORKLOAD_STATUS_H
#define ENFORCER_SERVICE_WORKLOAD_STATUS_H

#include "enforcer/service/daemon.h"

enum { WORKLOADS_TOLD_MAX = 10000 }; /* in one answer */

/* Answers {"command": "workloads"}, for the workload that its "name" (NAMESPACE/NAME) names, or for all of this node:
 *
 *     {"version", "node", "revision", "generation", "workloads": [{"name", "in_force", "since", "why", "quarantine"}],
 *      "left_out"}
 *
 * `why` is there where the newest that is known is not in force; `quarantine`, where the workload is in one, says where
 * that stands. `left_out` are those of this node beyond WORKLOADS_TOLD_MAX. Of a name that nobody has, or who runs
 * elsewhere, it is {"version", "error"}. The caller's to drop. */
json_t *workload_status(struct daemon *daemon, json_t *request);

#endif
