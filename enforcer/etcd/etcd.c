/* One request at a time goes to one member; which, is kept, so that all go to the same one until it cannot be asked. */
#include "enforcer/etcd/etcd.h"

#include <ringfence/arena.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_MS = 10000,
	ANSWER_MOST = 64 << 20,
	PASSWORD_MOST = 512,
	UNAUTHENTICATED = 401,
};

struct etcd_call {
	struct etcd *etcd;
	struct etcd_call *next;
	struct http_call *http; /* NULL: it waits for a login */
	char *path, *body;
	void (*part)(void *context, const json_t *part);
	etcd_done *done;
	void *context;
	size_t endpoint; /* that is asked */
	bool logged_in;	 /* with a token of its own: then another one does not help */
	char error[256]; /* in the stream */
};

struct etcd {
	struct http_client *client;
	const struct etcd_settings *settings;
	size_t endpoint; /* to ask next */
	struct etcd_call *calls;
	struct http_call *login;
	char *token;
};

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- the JSON of the gateway ---- */

json_t *etcd_encode(const void *bytes, size_t length)
{
	size_t size = sodium_base64_ENCODED_LEN(length, sodium_base64_VARIANT_ORIGINAL);
	char *text = checked(malloc(size));
	sodium_bin2base64(text, size, bytes, length, sodium_base64_VARIANT_ORIGINAL);
	json_t *json = json_string_nocheck(text);
	free(text);
	return json;
}

/* What base64 is written with; libsodium 1.0.18 takes some characters of 8 bits, too. */
static bool is_base64(const char *text, size_t length)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == length;
}

char *etcd_decode(const json_t *text, size_t *length)
{
	const char *from = json_string_value(text), *end = NULL;
	size_t size = json_string_length(text);
	unsigned char *bytes = checked(malloc(size / 4 * 3 + 4));
	*length = 0;
	bool good = text == NULL || (from != NULL && is_base64(from, size) &&
				     sodium_base642bin(bytes, size / 4 * 3 + 3, from, size, NULL, length, &end,
						       sodium_base64_VARIANT_ORIGINAL) == 0 &&
				     end == from + size);
	if (!good) {
		free(bytes);
		return NULL;
	}
	bytes[*length] = 0;
	return (char *)bytes;
}

int64_t etcd_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	return json_is_integer(value)  ? json_integer_value(value)
	       : json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
				       : 0;
}

json_t *etcd_prefix_range(const char *key)
{
	char *end = checked(strdup(key));
	size_t length = strlen(key);
	end[length - 1]++; /* a slash, so that nothing is carried */
	json_t *range = json_pack("{s:o, s:o}", "key", etcd_encode(key, length), "range_end", etcd_encode(end, length));
	free(end);
	return range;
}

json_t *etcd_put(const char *key, const void *value, size_t length, int64_t lease)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, lease);
	return json_pack("{s:{s:o, s:o, s:s}}", "request_put", "key", etcd_encode(key, strlen(key)), "value",
			 etcd_encode(value, length), "lease", text);
}

json_t *etcd_delete(const char *key)
{
	return json_pack("{s:{s:o}}", "request_delete_range", "key", etcd_encode(key, strlen(key)));
}

/* ---- their life ---- */

struct etcd *etcd_create(struct http_client *client, const struct etcd_settings *settings)
{
	struct etcd *etcd = checked(calloc(1, sizeof *etcd));
	*etcd = (struct etcd){.client = client, .settings = settings};
	/* Not all nodes to the first member. */
	etcd->endpoint = settings->endpoint_count > 1 ? randombytes_uniform((uint32_t)settings->endpoint_count) : 0;
	return etcd;
}

static void free_call(struct etcd_call *call)
{
	struct etcd_call **at = &call->etcd->calls;
	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	free(call->path);
	free(call->body);
	free(call);
}

void etcd_cancel(struct etcd_call *call)
{
	if (call == NULL)
		return;
	if (call->http != NULL)
		http_cancel(call->http);
	free_call(call);
}

static void forget_token(struct etcd *etcd)
{
	if (etcd->token != NULL)
		sodium_memzero(etcd->token, strlen(etcd->token));
	free(etcd->token);
	etcd->token = NULL;
}

void etcd_destroy(struct etcd *etcd)
{
	if (etcd == NULL)
		return;
	while (etcd->calls != NULL)
		etcd_cancel(etcd->calls);
	if (etcd->login != NULL)
		http_cancel(etcd->login);
	forget_token(etcd);
	free(etcd);
}

const char *etcd_prefix(const struct etcd *etcd)
{
	return etcd->settings->prefix;
}

/* ---- requests ---- */

static void post(struct etcd_call *call);

static struct http_call *start(struct etcd *etcd, const char *path, const char *body, struct http_request *request)
{
	const struct etcd_settings *settings = etcd->settings;
	char *url = NULL, *token = NULL;
	if (asprintf(&url, "%s%s", settings->endpoints[etcd->endpoint], path) < 0 ||
	    asprintf(&token, "Authorization: %s", etcd->token != NULL ? etcd->token : "") < 0)
		abort();
	/* Without a leader a member's word is old: it shall say so rather than be silent. */
	const char *const headers[] = {"Content-Type: application/json", "Grpc-Metadata-hasleader: true",
				       etcd->token != NULL ? token : NULL, NULL};
	request->url = url;
	request->headers = headers;
	request->body = body;
	request->body_length = strlen(body);
	request->ca = settings->ca;
	request->certificate = settings->certificate;
	request->key = settings->key;
	request->most = ANSWER_MOST;
	struct http_call *http = http_start(etcd->client, request);
	sodium_memzero(token, strlen(token));
	free(token);
	free(url);
	return http;
}

/* What an answer that is none says of itself, as `text`. */
static const char *error_of(const struct etcd *etcd, size_t endpoint, const struct http_answer *answer, char *text,
			    size_t size)
{
	json_t *body = json_loadb(answer->body, answer->length, 0, NULL);
	const char *said = json_string_value(json_object_get(body, "message"));
	if (said == NULL)
		said = json_string_value(json_object_get(body, "error"));
	if (answer->error != NULL)
		said = answer->error;
	if (said == NULL) /* refused before it came to the gateway */
		said = answer->length > 0 ? answer->body : "an answer that is none of etcd's";
	int length = snprintf(text, size, "%s: %.300s", etcd->settings->endpoints[endpoint], said);
	if (answer->status != 0 && length > 0 && (size_t)length < size)
		snprintf(text + length, size - (size_t)length, " (HTTP status %d)", answer->status);
	json_decref(body);
	return text;
}

/* The next member, unless another call has seen to that. */
static void pass_on(struct etcd_call *call)
{
	struct etcd *etcd = call->etcd;
	if (etcd->endpoint == call->endpoint)
		etcd->endpoint = (etcd->endpoint + 1) % etcd->settings->endpoint_count;
}

static void finish(struct etcd_call *call, const json_t *answer, const char *error)
{
	etcd_done *done = call->done;
	void *context = call->context;
	free_call(call);
	done(context, answer, error);
}

static bool is_unauthenticated(const struct http_answer *answer)
{
	return answer->status == UNAUTHENTICATED || strstr(answer->body, "invalid auth token") != NULL ||
	       strstr(answer->body, "user name is empty") != NULL;
}

static void log_in(struct etcd *etcd);

static void on_answer(void *context, const struct http_answer *answer)
{
	struct etcd_call *call = context;
	struct etcd *etcd = call->etcd;
	char text[512];
	call->http = NULL;
	if (etcd->settings->user != NULL && answer->error == NULL && is_unauthenticated(answer) && !call->logged_in) {
		call->logged_in = true;
		forget_token(etcd);
		log_in(etcd);
		return;
	}
	if (answer->error != NULL || answer->status != 200) {
		pass_on(call);
		finish(call, NULL, error_of(etcd, call->endpoint, answer, text, sizeof text));
		return;
	}
	if (call->part != NULL) {
		snprintf(text, sizeof text, "%s: %s", etcd->settings->endpoints[call->endpoint],
			 call->error[0] != 0 ? call->error : "the stream ended");
		finish(call, NULL, text);
		return;
	}
	json_error_t error;
	json_t *object = json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES, &error);
	snprintf(text, sizeof text, "%s: an answer that is no JSON: %s", etcd->settings->endpoints[call->endpoint],
		 object == NULL ? error.text : "");
	finish(call, object, object == NULL ? text : NULL);
	json_decref(object);
}

/* Each line is {"result": {...}} or {"error": {...}}, after which the stream ends. */
static void on_line(void *context, const char *line, size_t length)
{
	struct etcd_call *call = context;
	json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *result = json_object_get(object, "result"), *error = json_object_get(object, "error");
	const char *said = json_string_value(json_object_get(error, "message"));
	if (json_is_object(result))
		call->part(call->context, result); /* may cancel: nothing of the call is used behind it */
	else
		snprintf(call->error, sizeof call->error, "%s", said != NULL ? said : "a line that is none of etcd's");
	json_decref(object);
}

static void post(struct etcd_call *call)
{
	struct http_request request = {.line = call->part != NULL ? on_line : NULL,
				       .whole_ms = call->part != NULL ? 0 : ANSWER_MS,
				       .end = on_answer,
				       .context = call};
	call->endpoint = call->etcd->endpoint;
	call->http = start(call->etcd, call->path, call->body, &request);
}

/* ---- login ---- */

/* Calls that wait for a login go on, or fail with it. */
static void after_login(struct etcd *etcd, const char *error)
{
	struct etcd_call *call;
	do {
		for (call = etcd->calls; call != NULL && call->http != NULL;)
			call = call->next;
		if (call != NULL && error == NULL)
			post(call);
		else if (call != NULL)
			finish(call, NULL, error);
	} while (call != NULL);
}

static void on_login(void *context, const struct http_answer *answer)
{
	struct etcd *etcd = context;
	char text[512], why[512];
	json_t *object = json_loadb(answer->body, answer->length, 0, NULL);
	const char *token = json_string_value(json_object_get(object, "token"));
	bool good = answer->error == NULL && answer->status == 200 && token != NULL && strpbrk(token, "\r\n") == NULL;
	size_t endpoint = etcd->endpoint;
	etcd->login = NULL;
	if (good)
		etcd->token = checked(strdup(token));
	else
		etcd->endpoint = (endpoint + 1) % etcd->settings->endpoint_count;
	json_decref(object);
	if (!good)
		snprintf(why, sizeof why, "login as %.64s: %.400s", etcd->settings->user,
			 error_of(etcd, endpoint, answer, text, sizeof text));
	after_login(etcd, good ? NULL : why);
}

/* The first line of the file, as text of JSON; false after noting why not. */
static bool read_password(const char *path, char *password, char *error, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t length = fd >= 0 ? read(fd, password, PASSWORD_MOST) : -1;
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (length < 0 || length == PASSWORD_MOST) {
		snprintf(error, size, "%s: %s", path, length < 0 ? strerror(why) : "longer than a password");
		return false;
	}
	password[length] = 0;
	password[strcspn(password, "\r\n")] = 0;
	return true;
}

static void log_in(struct etcd *etcd)
{
	char password[PASSWORD_MOST + 1], error[512];
	if (etcd->login != NULL)
		return;
	if (!read_password(etcd->settings->password_file, password, error, sizeof error)) {
		after_login(etcd, error);
		return;
	}
	json_t *object = json_pack("{s:s, s:s}", "name", etcd->settings->user, "password", password);
	sodium_memzero(password, sizeof password);
	char *body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (body == NULL) {
		after_login(etcd, "the password is no UTF-8");
		return;
	}
	struct http_request request = {.whole_ms = ANSWER_MS, .end = on_login, .context = etcd};
	etcd->login = start(etcd, "/v3/auth/authenticate", body, &request);
	sodium_memzero(body, strlen(body));
	free(body);
}

struct etcd_call *etcd_stream(struct etcd *etcd, const char *path, json_t *body,
			      void (*part)(void *context, const json_t *part), etcd_done *done, void *context)
{
	struct etcd_call *call = checked(calloc(1, sizeof *call));
	*call = (struct etcd_call){.etcd = etcd,
				   .next = etcd->calls,
				   .path = checked(strdup(path)),
				   .body = checked(json_dumps(body, JSON_COMPACT)),
				   .part = part,
				   .done = done,
				   .context = context};
	json_decref(body);
	etcd->calls = call;
	post(call); /* without a token the answer asks for one */
	return call;
}

struct etcd_call *etcd_ask(struct etcd *etcd, const char *path, json_t *body, etcd_done *done, void *context)
{
	return etcd_stream(etcd, path, body, NULL, done, context);
}
