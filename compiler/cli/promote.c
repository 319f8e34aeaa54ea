/* ringfence promote: from audit to enforcement, on what the local daemon watched. */
#include "compiler/cli/promote.h"

#include "compiler/report/control_client.h"

#include <stdlib.h>
#include <string.h>

/* What is to be promoted. */
enum what { WHAT_SERVICE, WHAT_NAMESPACE, WHAT_SETTINGS, WHAT_NODE };

struct promoting {
	struct input *input;
	const struct arguments *arguments;
	enum what what;
	const char *word; /* the service, or the namespace */
	struct promotion told;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

/* ---- what is meant ---- */

static void add_edit(struct promoting *promoting, const struct span *span)
{
	*arena_push(promoting->input->arena, promoting->told.edits, promoting->told.edit_count) =
	    (struct mode_edit){.file = span->file, .line = span->line, .column = span->column};
}

static void add_item(struct promoting *promoting, const char *name, const struct service *service)
{
	*arena_push(promoting->input->arena, promoting->told.items, promoting->told.count) =
	    (struct promoted){.name = name, .service = service};
}

static const char *name_of(struct promoting *promoting, const struct service *service)
{
	return arena_printf(promoting->input->arena, "%s/%s", service->name_space, service->name);
}

/* Whether a service's own word, or that of the settings, has it in audit. */
static bool is_by_settings(const struct policy *policy, const struct service *service)
{
	return service->mode == MODE_UNSAID && policy->audit;
}

static void take_service(struct promoting *promoting, const struct service *service)
{
	const struct policy *policy = &promoting->input->frontend.policy;
	const char *name = name_of(promoting, service);
	bool own = service->mode == MODE_AUDIT, settings = is_by_settings(policy, service), takes = false;
	switch (promoting->what) {
	case WHAT_SERVICE:
		takes = strcmp(name, promoting->word) == 0 && (own || settings);
		break;
	case WHAT_NAMESPACE:
		takes = strcmp(service->name_space, promoting->word) == 0 && own;
		break;
	case WHAT_SETTINGS:
		takes = settings;
		break;
	case WHAT_NODE:
		takes = true;
		break;
	}
	if (!takes)
		return;
	add_item(promoting, name, service);
	if (own && promoting->what != WHAT_NODE)
		add_edit(promoting, &service->mode_span);
	if (settings && promoting->what == WHAT_SERVICE)
		promoting->told.advice = arena_printf(
		    promoting->input->arena,
		    "%s is in audit by `settings` at %s:%u: give it `mode: enforce` of its own, at %s:%u", name,
		    policy->mode_span.file, policy->mode_span.line, service->span.file, service->span.line);
}

static int find_items(struct promoting *promoting)
{
	const struct policy *policy = &promoting->input->frontend.policy;
	for (size_t i = 0; i < policy->service_count; i++)
		take_service(promoting, policy->services[i]);
	if (promoting->what == WHAT_SETTINGS && policy->audit)
		add_edit(promoting, &policy->mode_span);
	if (promoting->what == WHAT_NODE || (promoting->what == WHAT_SETTINGS && policy->audit))
		add_item(promoting, "", NULL);
	if (promoting->told.count > 0)
		return 0;
	if (promoting->what == WHAT_SETTINGS)
		return input_problem(promoting->input, "the policy's `settings` do not say `mode: audit`");
	return input_problem(
	    promoting->input,
	    "no service in audit mode is called `%s`, or is in such a namespace, in the policy given%s",
	    promoting->word, policy->audit ? "; `promote settings` is for `settings: {mode: audit}`" : "");
}

static void read_what(struct promoting *promoting, const char *word)
{
	static const char prefix[] = "namespace:";
	bool named = strncmp(word, prefix, sizeof prefix - 1) == 0;
	promoting->word = named ? word + sizeof prefix - 1 : word;
	promoting->what = named				  ? WHAT_NAMESPACE
			  : strcmp(word, "settings") == 0 ? WHAT_SETTINGS
			  : strcmp(word, "node") == 0	  ? WHAT_NODE
			  : strchr(word, '/') != NULL	  ? WHAT_SERVICE
							  : WHAT_NAMESPACE;
}

/* A list such as young,unseen. */
static int read_accepted(struct promotion *told, const char *list)
{
	while (list != NULL && *list != 0) {
		size_t length = strcspn(list, ","), i = 0;
		while (i < GROUNDS &&
		       (strlen(ground_words[i]) != length || strncmp(list, ground_words[i], length) != 0))
			i++;
		if (i == GROUNDS)
			return problem("--accept is a list of young, denied, unseen and left-out, and not `%s`", list);
		told->accepted[i] = true;
		list += length + (list[length] == ',');
	}
	return 0;
}

static int read_after(struct promotion *told, const char *text)
{
	int64_t seconds = 0;
	const char *wrong = text != NULL && strchr(text, '-') == NULL ? moment_parse(&seconds, text, 0) : NULL;
	if (text != NULL && (strchr(text, '-') != NULL || wrong != NULL))
		return problem("--after is how long it has to be watched, such as 12h or 7d, and not `%s`", text);
	told->after = text != NULL ? (double)seconds : 7 * 86400.0;
	return 0;
}

/* ---- what the daemon knows ---- */

static json_t *ask(const struct promoting *promoting)
{
	char error[512] = "";
	json_t *request = json_pack("{s:s}", "command", "evidence");
	if (promoting->what == WHAT_SERVICE || promoting->what == WHAT_NAMESPACE)
		json_object_set_new(request, "of", json_string(promoting->word));
	json_t *answer = control_request(promoting->arguments->socket, request, error, sizeof error);
	json_decref(request);
	if (answer == NULL)
		problem("%s", error);
	return answer;
}

/* With each its evidence. Of a node in audit the daemon's own configuration is what is edited. */
static void take_answer(struct promoting *promoting, const json_t *answer)
{
	struct promotion *told = &promoting->told;
	const json_t *item;
	size_t i;
	told->answer = answer;
	json_array_foreach(json_object_get(answer, "services"), i, item)
	{
		for (size_t j = 0; j < told->count; j++)
			if (strcmp(told->items[j].name, text_of(item, "name")) == 0)
				told->items[j].evidence = item;
	}
	const struct span span = {.file = text_of(answer, "config"),
				  .line = (unsigned)json_integer_value(json_object_get(answer, "config_line")),
				  .column = (unsigned)json_integer_value(json_object_get(answer, "config_column"))};
	if (promoting->what == WHAT_NODE && span.file[0] != 0)
		add_edit(promoting, &span);
}

/* Whether all that stands against it is accepted. */
static bool is_ready(const struct promotion *told)
{
	bool ready = true;
	for (size_t i = 0; i < told->count; i++) {
		ready = ready && told->items[i].evidence != NULL;
		for (size_t ground = 0; ground < GROUNDS; ground++)
			ready = ready && (!told->items[i].grounds[ground] || told->accepted[ground]);
	}
	return ready;
}

static int compare_edits(const void *left, const void *right)
{
	const struct mode_edit *a = left, *b = right;
	const struct span first = {.file = a->file, .line = a->line, .column = a->column},
			  second = {.file = b->file, .line = b->line, .column = b->column};
	return compare_spans(&first, &second);
}

static int edit(struct promoting *promoting)
{
	struct promotion *told = &promoting->told;
	struct arena *arena = promoting->input->arena;
	if (told->edit_count > 1)
		qsort(told->edits, told->edit_count, sizeof *told->edits, compare_edits);
	const char *wrong = mode_edits_find(arena, told->edits, told->edit_count);
	if (wrong == NULL && promoting->arguments->write && told->advice != NULL)
		wrong = "--write changes `mode: audit` where it stands, and this takes another edit";
	if (wrong == NULL && promoting->arguments->write)
		wrong = mode_edits_write(arena, told->edits, told->edit_count);
	told->written = wrong == NULL && promoting->arguments->write;
	return wrong == NULL ? 0 : input_problem(promoting->input, "%s", wrong);
}

static int promote(struct promoting *promoting)
{
	struct promotion *told = &promoting->told;
	json_t *answer = ask(promoting);
	if (answer == NULL)
		return EXIT_PROBLEM;
	take_answer(promoting, answer);
	int status = 0;
	if (promoting->what == WHAT_NODE && told->edit_count == 0)
		status = input_problem(promoting->input, "the node is not in audit by its daemon's configuration");
	for (size_t i = 0; i < told->count; i++)
		promoted_judge(&told->items[i], told->arena, &promoting->input->world, told->after);
	told->ready = is_ready(told);
	if (status == 0 && told->ready)
		status = edit(promoting);
	if (status == 0)
		(format_is(promoting->arguments, "json") ? promotion_print_json : promotion_print_text)(told);
	json_decref(answer);
	return status != 0 ? status : told->ready ? EXIT_YES : EXIT_NO;
}

int promote_run(const struct arguments *arguments)
{
	struct input input = {0};
	struct promoting promoting = {.input = &input, .arguments = arguments};
	if (arguments->word_count < 2)
		return problem(
		    "promote takes WHAT POLICY...: a service, a namespace, `settings` or `node`, and the policy");
	int status = read_accepted(&promoting.told, arguments->accept);
	if (status == 0)
		status = read_after(&promoting.told, arguments->after);
	if (status != 0)
		return status;
	read_what(&promoting, arguments->words[0]);
	status = input_read(&input, arguments, &arguments->words[1], arguments->word_count - 1);
	promoting.told.arena = input.arena;
	if (status == 0)
		status = find_items(&promoting);
	if (status == 0)
		status = promote(&promoting);
	input_finish(&input);
	return status;
}
