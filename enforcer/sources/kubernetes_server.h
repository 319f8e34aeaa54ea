/* Where the API of a Kubernetes cluster is, and who asks. */
#ifndef ENFORCER_SOURCES_KUBERNETES_SERVER_H
#define ENFORCER_SOURCES_KUBERNETES_SERVER_H

struct kubernetes_server {
	const char *url;	/* https://..., without a slash at its end; NULL: there is none */
	const char *ca, *token; /* files */
};

#endif
