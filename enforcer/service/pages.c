/* The paths. Alive is whoever answers; ready is the daemon when the newest policy is in force and was read back once,
 * so that what rolls out policies or nodes can wait for it. */
#include "enforcer/service/pages.h"

#include "enforcer/service/http.h"
#include "enforcer/service/listener.h"
#include "enforcer/service/metrics.h"

#include <errno.h>
#include <stdlib.h>

struct pages {
	struct daemon *daemon;
	struct usage_following *usage;
	struct listener listener;
	struct http *http;
};

enum { OK = 200, UNAVAILABLE = 503 };

static unsigned answer_metrics(void *context, FILE *body)
{
	const struct pages *pages = context;
	usage_read_denials(pages->usage);
	metrics_print(body, pages->daemon);
	return OK;
}

static unsigned answer_health(void *context, FILE *body)
{
	(void)context;
	fputs("ok\n", body);
	return OK;
}

static unsigned answer_readiness(void *context, FILE *body)
{
	char why[1024];
	bool lacks = daemon_lacks(((struct pages *)context)->daemon, why, sizeof why);
	fprintf(body, "%s\n", lacks ? why : "ok");
	return lacks ? UNAVAILABLE : OK;
}

#define TEXT "text/plain; charset=utf-8"
static const struct http_route routes[] = {
    {"/metrics", EXPOSITION_TYPE, answer_metrics},
    {"/healthz", TEXT, answer_health},
    {"/readyz", TEXT, answer_readiness},
};

int pages_create(struct pages **pages, sd_event *event, struct daemon *daemon, struct usage_following *usage)
{
	*pages = NULL;
	if (daemon->config.metrics.text == NULL)
		return 0;
	struct pages *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	made->daemon = daemon;
	made->usage = usage;
	int error = listener_open(&daemon->config.metrics, HTTP_CONNECTIONS_MAX, &made->listener);
	if (error == 0)
		error = http_create(&made->http, event, listener_take(&made->listener), routes,
				    sizeof routes / sizeof *routes, made);
	if (error < 0) {
		pages_destroy(made);
		return error;
	}
	*pages = made;
	return 0;
}

void pages_destroy(struct pages *pages)
{
	if (pages == NULL)
		return;
	http_destroy(pages->http);
	listener_close(&pages->listener);
	free(pages);
}
