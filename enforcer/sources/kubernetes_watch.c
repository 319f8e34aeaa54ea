/* A list in pages, then a watch from the list's resourceVersion; when the watch ends, another from the last one heard.
 *
 *   list ── page ─ page ─ ... ──► watch ── line ─ line ─ ... ─ end ──► watch
 *    ▲ └─ 410: the page is not to be had any more                       │
 *    └──────────────── 410: what was since is not known any more ───────┘
 *
 * Whatever else happens is a failure: it is told, and after a wait that grows the same is asked again. A line that
 * makes no sense ends the watch, and where that does not help, everything is listed anew. A server ends each watch
 * after `timeoutSeconds`, and sends a BOOKMARK about each minute: one that is silent for longer is gone. */
#include "enforcer/sources/kubernetes_watch.h"

#include "enforcer/sources/kubernetes_request.h"
#include "enforcer/sources/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_MOST = 32 << 20, /* bytes of a page */
	LINE_MOST = 8 << 20,  /* and of an event: an object has at most 1.5 MiB in etcd */
	PAGE_OBJECTS = 250,
	PAGE_MS = 60000,
	CONTINUE_MOST = 8192,
	WATCH_SECONDS = 300, /* and up to as much more, so that a fleet does not come at once */
	NONSENSE_MOST = 3,   /* watches that end in nonsense, before a list */
	SHORT_USEC = 5000000,
	SAID_MOST = 300, /* bytes of a server's own words */
};

struct kubernetes_watch {
	struct kubernetes_watch_setup setup;
	const struct kubernetes_names *names;
	struct http_call *call;
	sd_event_source *timer;	  /* until the next try */
	char version[128];	  /* heard last; empty: it is to be listed */
	char next[CONTINUE_MOST]; /* page of the list; empty: the first */
	char listed_version[128];
	unsigned page_objects, nonsense;
	unsigned wait_ms, late_ms; /* the last before another try, and before a list for a watch that was too late */
	uint64_t began, heard_at;  /* the watch began, and something of it was heard; microseconds, monotonic */
	bool doubtful;		   /* what was heard last was nonsense */
	bool heard;		   /* something came of this watch */
	char text[1024];
};

static void go_on(struct kubernetes_watch *watch);

/* ---- failing ---- */

static void tell(struct kubernetes_watch *watch, const char *text)
{
	watch->setup.problem(watch->setup.context, watch->setup.kind, text);
}

static uint64_t now_of(const struct kubernetes_watch *watch)
{
	uint64_t now = 0;
	sd_event_now(watch->setup.events, CLOCK_MONOTONIC, &now);
	return now;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct kubernetes_watch *watch = context;
	(void)source;
	(void)usec;
	go_on(watch);
	return 0;
}

static void try_again(struct kubernetes_watch *watch, unsigned milliseconds)
{
	sd_event_source_set_time(watch->timer, now_of(watch) + (uint64_t)milliseconds * 1000);
	sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

/* Waits longer than the time before, and not just as long as others do. */
static void wait_longer(struct kubernetes_watch *watch, unsigned *wait_ms)
{
	*wait_ms = source_wait_ms(*wait_ms);
	try_again(watch, *wait_ms - arc4random_uniform(*wait_ms / 2));
}

static void try_later(struct kubernetes_watch *watch)
{
	wait_longer(watch, &watch->wait_ms);
}

static void fail(struct kubernetes_watch *watch, const char *why)
{
	tell(watch, why);
	try_later(watch);
}

static void forget_all(struct kubernetes_watch *watch)
{
	watch->version[0] = watch->next[0] = 0;
	watch->nonsense = 0;
}

/* What changed since is not to be had any more. The server is well, whatever was before, but it may say so again. */
static void list_anew(struct kubernetes_watch *watch)
{
	forget_all(watch);
	wait_longer(watch, &watch->late_ms);
}

/* What the server itself says of its refusal: a Status (meta/v1). */
static const char *own_words(const json_t *status)
{
	const char *message = json_string_value(json_object_get(status, "message"));
	return message != NULL ? message : "";
}

static const char *what_to_do(int status)
{
	if (status == 401)
		return "; the token is not taken: is the service account still there, and is it of this cluster?";
	if (status == 403)
		return "; give the service account the role of deploy/kubernetes: get, list and watch pods, namespaces "
		       "and nodes";
	if (status == 404)
		return "; is `server` a Kubernetes API?";
	return "";
}

/* An answer that is no good one. */
static void fail_by(struct kubernetes_watch *watch, const struct http_answer *answer)
{
	json_t *body =
	    answer->status >= 300 ? json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *words = own_words(body);
	if (answer->status >= 300)
		snprintf(watch->text, sizeof watch->text, "%s of %s: HTTP status %d%s%.*s%s", watch->names->plural,
			 watch->setup.server->url, answer->status, words[0] != 0 ? ": " : "", SAID_MOST, words,
			 what_to_do(answer->status));
	else
		snprintf(watch->text, sizeof watch->text, "%s of %s: %s", watch->names->plural,
			 watch->setup.server->url, answer->error != NULL ? answer->error : "the stream ended at once");
	json_decref(body);
	fail(watch, watch->text);
}

static void fail_nonsense(struct kubernetes_watch *watch, const char *what)
{
	snprintf(watch->text, sizeof watch->text, "%s of %s: %s makes no sense", watch->names->plural,
		 watch->setup.server->url, what);
	fail(watch, watch->text);
}

/* ---- asking ---- */

static void on_begun(void *context);
static void on_line(void *context, const char *line, size_t length);
static void on_watch_end(void *context, const struct http_answer *answer);
static void on_page(void *context, const struct http_answer *answer);

static void ask(struct kubernetes_watch *watch, const char *url, const char *authorization)
{
	const char *const headers[] = {authorization, "Accept: application/json", NULL};
	bool list = watch->version[0] == 0;
	watch->began = watch->heard_at = now_of(watch);
	watch->heard = false;
	watch->call =
	    http_start(watch->setup.client, &(struct http_request){.url = url,
								   .headers = headers,
								   .ca = watch->setup.server->ca,
								   .whole_ms = list ? PAGE_MS : 0,
								   .silent_s = list ? 0 : watch->setup.silent_seconds,
								   .most = list ? PAGE_MOST : LINE_MOST,
								   .line = list ? NULL : on_line,
								   .begun = list ? NULL : on_begun,
								   .end = list ? on_page : on_watch_end,
								   .context = watch});
}

/* Asks for the next page of the list, or for the watch behind it. */
static void go_on(struct kubernetes_watch *watch)
{
	char header[KUBERNETES_HEADER_SIZE];
	const char *token = watch->setup.server->token;
	int error = kubernetes_authorization(token, header);
	if (error != 0) {
		snprintf(watch->text, sizeof watch->text, "the token %s: %s", token,
			 error == -EBADMSG ? "it has bytes that no token has" : strerror(-error));
		fail(watch, watch->text);
		return;
	}
	bool list = watch->version[0] == 0;
	if (list && watch->next[0] == 0)
		watch->setup.begun(watch->setup.context, watch->setup.kind);
	char *url =
	    list ? kubernetes_list_url(watch->setup.server->url, watch->names->plural, watch->page_objects, watch->next)
		 : kubernetes_watch_url(watch->setup.server->url, watch->names->plural, watch->version,
					WATCH_SECONDS + arc4random_uniform(WATCH_SECONDS));
	ask(watch, url, header);
	free(url);
}

/* ---- listing ---- */

static bool copy_text(const json_t *value, char *to, size_t size)
{
	const char *text = json_string_value(value);
	bool fits = text != NULL && strlen(text) < size;
	if (fits)
		strcpy(to, text);
	return fits;
}

/* Takes a page, and what is behind it. Returns NULL, or what makes no sense. */
static const char *take_page(struct kubernetes_watch *watch, const json_t *page)
{
	const char *kind = json_string_value(json_object_get(page, "kind"));
	const json_t *metadata = json_object_get(page, "metadata"), *items = json_object_get(page, "items");
	const json_t *next = json_object_get(metadata, "continue");
	bool first = watch->next[0] == 0;
	char version[sizeof watch->version];
	if (kind == NULL || strcmp(kind, watch->names->list) != 0)
		return "an answer that is no list of them";
	if (!json_is_array(items) && !json_is_null(items))
		return "a list without `items`";
	if (!copy_text(json_object_get(metadata, "resourceVersion"), version, sizeof version) || version[0] == 0)
		return "a list without a resourceVersion";
	watch->next[0] = 0;
	if (next != NULL && !copy_text(next, watch->next, sizeof watch->next))
		return "a list's `continue`";
	if (first) /* what changed while the other pages were asked for comes by the watch */
		strcpy(watch->listed_version, version);
	for (size_t i = 0; i < json_array_size(items); i++)
		watch->setup.item(watch->setup.context, watch->setup.kind, json_array_get(items, i));
	return NULL;
}

static void end_list(struct kubernetes_watch *watch)
{
	const char *why = watch->setup.listed(watch->setup.context, watch->setup.kind);
	if (why != NULL) {
		fail(watch, why);
		return;
	}
	strcpy(watch->version, watch->listed_version);
	watch->wait_ms = 0;
	watch->doubtful = false;
	tell(watch, NULL);
	watch->setup.whole(watch->setup.context, watch->setup.kind);
}

static void on_page(void *context, const struct http_answer *answer)
{
	struct kubernetes_watch *watch = context;
	watch->call = NULL;
	if (answer->status == 410) { /* the page is of a list that is too old by now */
		forget_all(watch);
		fail_by(watch, answer);
		return;
	}
	if (answer->error != NULL || answer->status != 200) {
		if (answer->status == 200 && watch->page_objects > 1) { /* too long, or too slow */
			watch->page_objects /= 4;
			watch->page_objects += watch->page_objects == 0;
		}
		forget_all(watch);
		fail_by(watch, answer);
		return;
	}
	json_t *page = json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES, NULL);
	const char *nonsense = page != NULL ? take_page(watch, page) : "an answer that is no JSON";
	json_decref(page);
	if (nonsense != NULL) {
		forget_all(watch);
		fail_nonsense(watch, nonsense);
	} else if (watch->next[0] != 0) {
		go_on(watch);
	} else {
		end_list(watch);
	}
}

/* ---- watching ---- */

/* The server can be heard; where it told nonsense before, that is not said before it tells something else. */
static void on_begun(void *context)
{
	struct kubernetes_watch *watch = context;
	if (!watch->doubtful)
		tell(watch, NULL);
}

/* A watch is over. One that went well for a while, or told something, has the next wait be short. */
static void note_end(struct kubernetes_watch *watch)
{
	watch->call = NULL;
	if (watch->heard || now_of(watch) - watch->began > SHORT_USEC)
		watch->wait_ms = watch->late_ms = 0;
}

/* Ends the watch from within. */
static void cut(struct kubernetes_watch *watch)
{
	http_cancel(watch->call);
	note_end(watch);
}

static void on_nonsense(struct kubernetes_watch *watch, const char *what)
{
	watch->doubtful = true;
	if (++watch->nonsense >= NONSENSE_MOST)
		forget_all(watch);
	fail_nonsense(watch, what);
}

/* An event of type ERROR has a Status as its object. */
static void on_error(struct kubernetes_watch *watch, const json_t *status)
{
	json_int_t code = json_integer_value(json_object_get(status, "code"));
	if (code == 410) {
		list_anew(watch);
		return;
	}
	snprintf(watch->text, sizeof watch->text, "%s of %s: %.*s (%d)", watch->names->plural, watch->setup.server->url,
		 SAID_MOST, own_words(status)[0] != 0 ? own_words(status) : "an error", (int)(code % 100000));
	fail(watch, watch->text);
}

/* Takes an event. Returns NULL, or what makes no sense. */
static const char *take_event(struct kubernetes_watch *watch, const char *type, const json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const json_t *version = json_object_get(json_object_get(object, "metadata"), "resourceVersion");
	char heard[sizeof watch->version];
	if (type == NULL || kind == NULL || strcmp(kind, watch->names->kind) != 0)
		return "an event that is of none of them";
	if (!copy_text(version, heard, sizeof heard) || heard[0] == 0)
		return "an event without a resourceVersion";
	if (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)
		watch->setup.changed(watch->setup.context, watch->setup.kind, object);
	else if (strcmp(type, "DELETED") == 0)
		watch->setup.gone(watch->setup.context, watch->setup.kind, object);
	else if (strcmp(type, "BOOKMARK") != 0)
		return "an event of no known type";
	strcpy(watch->version, heard);
	return NULL;
}

static void on_line(void *context, const char *line, size_t length)
{
	struct kubernetes_watch *watch = context;
	json_t *event = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(event, "type"));
	const json_t *object = json_object_get(event, "object");
	if (type != NULL && strcmp(type, "ERROR") == 0) {
		cut(watch);
		on_error(watch, object);
	} else {
		const char *nonsense = event != NULL ? take_event(watch, type, object) : "a line that is no JSON";
		if (nonsense != NULL) {
			cut(watch);
			on_nonsense(watch, nonsense);
		} else {
			watch->heard = true;
			watch->heard_at = now_of(watch);
			if (watch->doubtful)
				tell(watch, NULL);
			watch->doubtful = false;
			watch->nonsense = 0;
		}
	}
	json_decref(event);
}

static void on_watch_end(void *context, const struct http_answer *answer)
{
	struct kubernetes_watch *watch = context;
	note_end(watch);
	if (answer->status == 410) {
		list_anew(watch);
		return;
	}
	bool good = answer->status == 200 && answer->error == NULL;
	bool silent =
	    answer->status == 200 && now_of(watch) - watch->heard_at > (watch->setup.silent_seconds - 1) * 1000000ULL;
	/* A line that is too long comes again, and who is silent again may know nothing any more: list. */
	if (answer->status == 200 && !good && !watch->heard && ++watch->nonsense >= NONSENSE_MOST)
		forget_all(watch);
	if (!good && !silent)
		fail_by(watch, answer);
	else if (now_of(watch) - watch->began > SHORT_USEC)
		go_on(watch);
	else
		try_later(watch);
}

/* ---- its life ---- */

struct kubernetes_watch *kubernetes_watch_create(const struct kubernetes_watch_setup *setup)
{
	struct kubernetes_watch *watch = calloc(1, sizeof *watch);
	if (watch == NULL)
		abort();
	watch->setup = *setup;
	watch->names = &kubernetes_names[setup->kind];
	watch->page_objects = PAGE_OBJECTS;
	if (sd_event_add_time(setup->events, &watch->timer, CLOCK_MONOTONIC, 0, 1, on_timer, watch) < 0)
		abort(); /* out of memory */
	return watch;	 /* the timer's first time is now */
}

void kubernetes_watch_follow(struct kubernetes_watch *watch)
{
	go_on(watch);
}

void kubernetes_watch_destroy(struct kubernetes_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->call != NULL)
		http_cancel(watch->call);
	sd_event_source_disable_unref(watch->timer);
	free(watch);
}
