/* libcurl's multi interface on sd-event: curl says which sockets to poll and when it wants to be called again.
 *
 * While curl is at work it must not be asked to begin or to end anything, so what comes in is only kept then, and given
 * on when curl has returned (deliver). */
#include "enforcer/http_client/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000, KEPT_MORE = 1 << 16, ERROR_BODY_MOST = 1 << 16 };

struct http_call {
	struct http_client *client;
	struct http_call *next;
	CURL *easy;
	struct curl_slist *headers;
	char *request_body;
	void (*line)(void *context, const char *line, size_t length);
	void (*begun)(void *context);
	void (*end)(void *context, const struct http_answer *answer);
	void *context;
	size_t most;
	char *bytes; /* came, and not yet given on */
	size_t length, room;
	bool begins;	/* its headers are there, and that is not told yet */
	bool fresh;	/* there may be something to give on */
	bool paused;	/* curl waits until that is done */
	bool over;	/* curl is done with it */
	bool giving;	/* on the way to the caller */
	bool cancelled; /* meanwhile */
	bool too_much;
	CURLcode result; /* when over */
	char error[CURL_ERROR_SIZE];
	char text[CURL_ERROR_SIZE + 64];
};

struct http_client {
	sd_event *events;
	sd_event_source *timer;
	CURLM *multi;
	struct http_call *calls;
	sd_event_source *soon; /* for calls that ended before they began */
};

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- what came ---- */

static bool is_stream(const struct http_call *call)
{
	long status = 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return call->line != NULL && status >= 200 && status < 300;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
	struct http_call *call = context;
	bool stream = is_stream(call);
	size_t more = size * count;
	size_t most = call->line != NULL && !stream ? ERROR_BODY_MOST : call->most + (stream ? KEPT_MORE : 0);
	call->fresh = true;
	if (stream && call->length > 0 && call->length + more > most) {
		call->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (call->length + more > most) {
		call->too_much = true;
		return 0;
	}
	if (call->length + more + 1 > call->room) {
		size_t room = 2 * (call->length + more) + 1;
		char *larger = realloc(call->bytes, room);
		if (larger == NULL)
			abort();
		call->bytes = larger;
		call->room = room;
	}
	memcpy(call->bytes + call->length, bytes, more);
	call->length += more;
	call->bytes[call->length] = 0;
	return more;
}

/* An empty line ends the headers of an answer, of which there may be several: 100 Continue goes before. */
static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
	struct http_call *call = context;
	if (size * count <= 2 && bytes[0] == '\r' && is_stream(call))
		call->begins = call->fresh = true;
	return size * count;
}

static void free_call(struct http_call *call)
{
	struct http_call **at = &call->client->calls;
	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	curl_multi_remove_handle(call->client->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call->request_body);
	free(call->bytes);
	free(call);
}

/* Gives on the lines that are whole. A caller who cancels has no more of them. */
static void give_lines(struct http_call *call)
{
	size_t from = 0;
	char *end;
	while (!call->cancelled && from < call->length &&
	       (end = memchr(call->bytes + from, '\n', call->length - from)) != NULL) {
		size_t length = (size_t)(end - call->bytes) - from, cut = length > 0 && end[-1] == '\r';
		call->bytes[from + length - cut] = 0;
		call->line(call->context, call->bytes + from, length - cut);
		from += length + 1;
	}
	call->length -= from;
	if (call->length > 0)
		memmove(call->bytes, call->bytes + from, call->length + 1);
	call->too_much = call->too_much || call->length > call->most;
}

static const char *why(struct http_call *call)
{
	if (call->too_much) {
		snprintf(call->text, sizeof call->text, "the answer is longer than %zu bytes%s", call->most,
			 call->line != NULL ? " in a line" : "");
		return call->text;
	}
	if (call->result == CURLE_OPERATION_TIMEDOUT && call->line != NULL)
		return "the stream was silent for too long";
	return call->error[0] != 0 ? call->error : curl_easy_strerror(call->result);
}

static void give_end(struct http_call *call)
{
	long status = 0;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	bool failed = call->result != CURLE_OK || call->too_much;
	const struct http_answer answer = {.status = (int)status,
					   .body = call->bytes != NULL && !is_stream(call) ? call->bytes : "",
					   .length = is_stream(call) ? 0 : call->length,
					   .error = failed ? why(call) : NULL};
	call->end(call->context, &answer);
}

static void give(struct http_call *call)
{
	call->giving = true;
	call->fresh = false;
	if (call->begins && call->begun != NULL)
		call->begun(call->context);
	call->begins = false;
	if (is_stream(call))
		give_lines(call);
	bool over = call->over || call->too_much;
	if (!call->cancelled && over)
		give_end(call);
	call->giving = false;
	if (call->cancelled || over) {
		free_call(call);
	} else if (call->paused) {
		call->paused = false;
		curl_easy_pause(call->easy, CURLPAUSE_CONT); /* which may call on_bytes */
	}
}

/* Whom a caller begins or ends meanwhile is why it looks anew each time. */
static void deliver(struct http_client *client)
{
	struct http_call *call;
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call->result = message->data.result;
		call->over = call->fresh = true;
	}
	do {
		for (call = client->calls; call != NULL && (!call->fresh || call->giving);)
			call = call->next;
		if (call != NULL)
			give(call);
	} while (call != NULL);
}

/* ---- the loop ---- */

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct http_client *client = context;
	int running, mask = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	(void)source;
	curl_multi_socket_action(client->multi, fd, mask, &running);
	deliver(client);
	return 0;
}

/* curl's own pointer for a socket is the event source of it. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *kept)
{
	struct http_client *client = context;
	sd_event_source *source = kept;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (source != NULL)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(client->events, &source, fd, events, on_ready, client) < 0)
		return -1;
	curl_multi_assign(client->multi, fd, source);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *context)
{
	struct http_client *client = context;
	int running;
	(void)source;
	(void)usec;
	curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	deliver(client);
	return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *context)
{
	struct http_client *client = context;
	uint64_t now = 0;
	(void)multi;
	sd_event_now(client->events, CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(client->timer, now + (uint64_t)(milliseconds > 0 ? milliseconds : 0) * 1000);
	return sd_event_source_set_enabled(client->timer, milliseconds < 0 ? SD_EVENT_OFF : SD_EVENT_ONESHOT) < 0 ? -1
														  : 0;
}

static int on_soon(sd_event_source *source, void *context)
{
	(void)source;
	deliver(context);
	return 0;
}

int http_client_create(struct http_client **client, sd_event *events)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	struct http_client *made = allocate(sizeof *made);
	made->events = sd_event_ref(events);
	made->multi = curl_multi_init();
	if (made->multi == NULL)
		abort();
	curl_multi_setopt(made->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(made->multi, CURLMOPT_SOCKETDATA, made);
	curl_multi_setopt(made->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(made->multi, CURLMOPT_TIMERDATA, made);
	int error = sd_event_add_time(events, &made->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_time, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->timer, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_add_defer(events, &made->soon, on_soon, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->soon, SD_EVENT_OFF);
	if (error < 0) {
		http_client_destroy(made);
		return error;
	}
	*client = made;
	return 0;
}

void http_client_destroy(struct http_client *client)
{
	if (client == NULL)
		return;
	while (client->calls != NULL)
		free_call(client->calls);
	curl_multi_cleanup(client->multi); /* takes its sockets out of the loop */
	sd_event_source_disable_unref(client->timer);
	sd_event_source_disable_unref(client->soon);
	sd_event_unref(client->events);
	free(client);
	curl_global_cleanup();
}

/* ---- calls ---- */

static void set_request(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++)
		call->headers = curl_slist_append(call->headers, request->headers[i]);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(request->connect_ms > 0 ? request->connect_ms : CONNECT_MS));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->whole_ms);
	if (request->silent_s > 0) {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)request->silent_s);
	}
	if (request->socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket);
	if (request->ca != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);	      /* nobody else */
		curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* the file may be another by then */
	}
	curl_easy_setopt(easy, CURLOPT_SSLCERT, request->certificate);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, request->key);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (request->body != NULL) {
		call->request_body = allocate(request->body_length + 1);
		memcpy(call->request_body, request->body, request->body_length);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->request_body);
	}
	if (request->method != NULL)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
}

struct http_call *http_start(struct http_client *client, const struct http_request *request)
{
	struct http_call *call = allocate(sizeof *call);
	*call = (struct http_call){.client = client,
				   .next = client->calls,
				   .easy = curl_easy_init(),
				   .line = request->line,
				   .begun = request->begun,
				   .end = request->end,
				   .context = request->context,
				   .most = request->most};
	if (call->easy == NULL)
		abort();
	client->calls = call;
	set_request(call, request);
	CURLMcode code = curl_multi_add_handle(client->multi, call->easy);
	if (code != CURLM_OK) {
		snprintf(call->error, sizeof call->error, "%s", curl_multi_strerror(code));
		call->result = CURLE_FAILED_INIT;
		call->over = call->fresh = true;
		sd_event_source_set_enabled(client->soon, SD_EVENT_ONESHOT);
	}
	return call;
}

void http_cancel(struct http_call *call)
{
	if (call->giving)
		call->cancelled = true;
	else
		free_call(call);
}
