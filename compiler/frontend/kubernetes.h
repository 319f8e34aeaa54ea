/* Kubernetes manifests: NetworkPolicy as policy; Namespace, Pod, Node and lists of them as inventory. */
#ifndef COMPILER_FRONTEND_KUBERNETES_H
#define COMPILER_FRONTEND_KUBERNETES_H

#include <ringfence/frontend.h>
#include <ringfence/yaml.h>

/* Whether a document is a Kubernetes object: it has `apiVersion` and `kind`, and no `ringfence`. */
bool kubernetes_is_object(const struct yaml_node *root);

/* Reads an object or a list of them; one that says nothing about the network is counted as skipped. */
void kubernetes_read(struct frontend *frontend, const struct yaml_node *root);

/* When every file is read and the services' isolations are there: sorts those of NetworkPolicies behind them, and
 * reports what stands twice; adds what Node objects say to the inventory. */
void kubernetes_finish(struct frontend *frontend);

#endif
