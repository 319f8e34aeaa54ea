/* Kubernetes manifests: NetworkPolicy as policy; Namespace, Pod and lists of them as inventory. */
#ifndef COMPILER_FRONTEND_KUBERNETES_H
#define COMPILER_FRONTEND_KUBERNETES_H

#include <ringfence/frontend.h>

/* Whether a document is a Kubernetes object: it has `apiVersion` and `kind`, and no `ringfence`. */
bool kubernetes_is_object(const struct yaml_node *root);

/* Keeps an object for kubernetes_read, or counts it as skipped when it says nothing about the network. */
void kubernetes_add(struct frontend *frontend, const struct yaml_node *root);

/* Reads the kept objects. Native definitions are there by then. */
void kubernetes_read(struct frontend *frontend);

#endif
