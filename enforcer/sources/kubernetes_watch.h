/* All objects of one kind of the Kubernetes API, first listed, then watched (API reference, "Efficient detection of
 * changes"). */
#ifndef ENFORCER_SOURCES_KUBERNETES_WATCH_H
#define ENFORCER_SOURCES_KUBERNETES_WATCH_H

#include "enforcer/http_client/http_client.h"
#include "enforcer/sources/kubernetes_object.h"
#include "enforcer/sources/kubernetes_server.h"

#include <jansson.h>

struct kubernetes_watch;

enum { KUBERNETES_SILENT_SECONDS = 90 };

struct kubernetes_watch_setup {
	sd_event *events;
	struct http_client *client;
	const struct kubernetes_server *server;
	enum kubernetes_kind kind;
	unsigned silent_seconds; /* after which a watch counts as gone */
	/* A list begins; what was listed before belongs to none. Then each of its objects, and when all were there,
	 * `listed`, which returns NULL, or why that cannot be true: it is listed anew then. */
	void (*begun)(void *context, enum kubernetes_kind kind);
	void (*item)(void *context, enum kubernetes_kind kind, const json_t *object);
	const char *(*listed)(void *context, enum kubernetes_kind kind);
	/* It was believed; the watch goes on with kubernetes_watch_follow. */
	void (*whole)(void *context, enum kubernetes_kind kind);
	/* An object is there, as it is now; or is gone, as it was last. */
	void (*changed)(void *context, enum kubernetes_kind kind, const json_t *object);
	void (*gone)(void *context, enum kubernetes_kind kind, const json_t *object);
	/* Why nothing can be heard; NULL: it can. It may have bytes in it that are not to be shown. */
	void (*problem)(void *context, enum kubernetes_kind kind, const char *text);
	void *context;
};

/* Starts with a list. The caller destroys it; what the setup points to must outlive it. */
struct kubernetes_watch *kubernetes_watch_create(const struct kubernetes_watch_setup *setup);
void kubernetes_watch_destroy(struct kubernetes_watch *watch);

/* Watches what becomes of what was listed. */
void kubernetes_watch_follow(struct kubernetes_watch *watch);

#endif
