/* The pods, namespaces and nodes of a Kubernetes cluster, as its API tells them. */
#ifndef ENFORCER_SOURCES_KUBERNETES_H
#define ENFORCER_SOURCES_KUBERNETES_H

#include "enforcer/sources/kubernetes_watch.h"
#include "enforcer/sources/source.h"

struct kubernetes;

/* Starts to ask. The caller destroys it; `server` and what `setup` points to must outlive it. Returns 0 or a negative
 * errno. */
int kubernetes_create(struct kubernetes **source, const struct kubernetes_server *server,
		      const struct source_setup *setup);
void kubernetes_destroy(struct kubernetes *source);

#endif
