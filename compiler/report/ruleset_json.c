/* The intermediate form of a ruleset as JSON: sets with their elements, chains with their rules and origins. */
#include "compiler/report/ruleset_json.h"

#include <jansson.h>
#include <stdlib.h>

/* What `print` writes, as a JSON string. */
static json_t *element_text(const struct set *set, const struct element *element)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	element_print(stream, set, element);
	fclose(stream);
	json_t *string = json_stringn(text, size);
	free(text);
	return string;
}

static json_t *rule_text(const struct ruleset *ruleset, const struct rule *rule)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	rule_print(stream, ruleset, rule);
	fclose(stream);
	json_t *string = json_stringn(text, size);
	free(text);
	return string;
}

static json_t *set_json(const struct set *set)
{
	json_t *elements = json_array();
	for (size_t i = 0; i < set->element_count; i++) {
		json_t *element = json_pack("{s:o}", "key", element_text(set, &set->elements[i]));
		if (set->elements[i].chain != NULL)
			json_object_set_new(element, set->counted ? "counter" : "goto",
					    json_string(set->elements[i].chain));
		if (set->elements[i].expires != 0)
			json_object_set_new(element, "expires", json_integer(set->elements[i].expires));
		json_array_append_new(elements, element);
	}
	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:i, s:o}", "name", set->name, "key", key_forms[set->key].words,
			 "map", set->map, "interval", set->interval, "timeout", set->timeout, "size", (int)set->size,
			 "elements", elements);
}

static json_t *chain_json(const struct ruleset *ruleset, const struct chain *chain)
{
	json_t *rules = json_array();
	for (size_t i = 0; i < chain->rule_count; i++)
		json_array_append_new(rules, json_pack("{s:o, s:s?}", "rule", rule_text(ruleset, &chain->rules[i]),
						       "from", chain->rules[i].comment));
	return json_pack("{s:s, s:b, s:o}", "name", chain->name, "base", chain->base, "rules", rules);
}

void ruleset_print_json(FILE *stream, const struct ruleset *ruleset, const struct choice *choices, size_t choice_count)
{
	json_t *sets = json_array(), *chains = json_array(), *passes = json_array();
	for (size_t i = 0; i < choice_count; i++)
		json_array_append_new(passes, json_pack("{s:s, s:s, s:s, s:s}", "pass", choices[i].pass, "subject",
							choices[i].subject, "chosen", choices[i].chosen, "why",
							choices[i].why));
	for (size_t i = 0; i < ruleset->set_count; i++)
		json_array_append_new(sets, set_json(ruleset->sets[i]));
	for (size_t i = 0; i < ruleset->chain_count; i++)
		json_array_append_new(chains, chain_json(ruleset, ruleset->chains[i]));
	json_t *root = json_pack("{s:i, s:i, s:o, s:o, s:o}", "version", 1, "generation", (int)ruleset->generation,
				 "choices", passes, "sets", sets, "chains", chains);
	json_dumpf(root, stream, JSON_INDENT(2));
	fputc('\n', stream);
	json_decref(root);
}
