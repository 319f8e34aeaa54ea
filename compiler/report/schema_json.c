/* The tables of keys as a JSON Schema (draft-07): a walk from the type of a document.
 *
 * A type with a name is defined once and referred to. Types have titles and keys have descriptions, so that neither
 * hides the other where an editor shows both. Nothing stands beside a `$ref`: draft-07 ignores it. */
#include "compiler/report/schema_json.h"

#include "compiler/frontend/native.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *type_json(json_t *definitions, const struct value_type *type);

/* `{"type": ..., "pattern": ...}`. Numbers and truths that the language reads as texts are named as what they are to a
 * schema, which its pattern leaves alone. */
static void text_json_schema(json_t *schema, const struct value_type *type)
{
	json_t *kinds = json_pack("[s]", "string");
	if (type->plain & (PLAIN_WHOLE | PLAIN_NUMBER))
		json_array_append_new(kinds, json_string(type->plain & PLAIN_WHOLE ? "integer" : "number"));
	if (type->plain & PLAIN_TRUTH)
		json_array_append_new(kinds, json_string("boolean"));
	bool one = json_array_size(kinds) == 1;
	json_object_set(schema, "type", one ? json_array_get(kinds, 0) : kinds);
	json_decref(kinds);
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	if (type->write_pattern != NULL)
		type->write_pattern(stream);
	else if (type->pattern != NULL)
		fputs(type->pattern, stream);
	if (fclose(stream) != 0)
		abort();
	if (size > 0)
		json_object_set_new(schema, "pattern", json_sprintf("^(%s)$", text));
	free(text);
	json_object_set_new(schema, "maxLength", json_integer(TEXT_MAX));
	if ((type->plain & (PLAIN_WHOLE | PLAIN_NUMBER)) && !(type->plain & PLAIN_NEGATIVE))
		json_object_set_new(schema, "minimum", json_integer(0));
}

static json_t *choices_json(const struct value_type *type)
{
	json_t *choices = json_array();
	for (size_t i = 0; i < type->choice_count; i++)
		if (choice_name(type, i) != NULL)
			json_array_append_new(choices, json_string(choice_name(type, i)));
	return choices;
}

static json_t *list_json(json_t *definitions, const struct value_type *type, size_t least)
{
	json_t *schema = json_pack("{s:s, s:o}", "type", "array", "items", type_json(definitions, type->of));
	if (least > 0)
		json_object_set_new(schema, "minItems", json_integer((json_int_t)least));
	if (type->most > 0)
		json_object_set_new(schema, "maxItems", json_integer((json_int_t)type->most));
	return schema;
}

/* A key's value: its type, with what the key is for. */
static json_t *key_json(json_t *definitions, const struct key *key)
{
	json_t *value = json_pack("{s:s}", "description", key->about), *type = type_json(definitions, key->type);
	if (json_object_get(type, "$ref") != NULL)
		json_object_set_new(value, "allOf", json_pack("[o]", type));
	else {
		json_object_update(value, type);
		json_decref(type);
	}
	return value;
}

static void keys_json(json_t *schema, json_t *definitions, const struct value_type *type)
{
	json_t *properties = json_object(), *required = json_array();
	for (size_t i = 0; i < type->key_count; i++) {
		const struct key *key = &type->keys[i];
		json_object_set_new(properties, key->name, key_json(definitions, key));
		if (key->required)
			json_array_append_new(required, json_string(key->name));
	}
	json_object_set_new(schema, "type", json_string("object"));
	json_object_set_new(schema, "properties", properties);
	if (json_array_size(required) > 0)
		json_object_set(schema, "required", required);
	json_decref(required);
	json_object_set_new(schema, "additionalProperties", json_false());
	if (type->one_key) {
		json_object_set_new(schema, "minProperties", json_integer(1));
		json_object_set_new(schema, "maxProperties", json_integer(1));
	}
}

static json_t *body_json(json_t *definitions, const struct value_type *type)
{
	json_t *schema = json_object(), *either;
	if (type->title != NULL)
		json_object_set_new(schema, "title", json_string(type->title));
	switch (type->kind) {
	case VALUE_TEXT:
		text_json_schema(schema, type);
		break;
	case VALUE_CHOICE:
		json_object_set_new(schema, "enum", choices_json(type));
		break;
	case VALUE_TRUTH:
		json_object_set_new(schema, "type", json_string("boolean"));
		break;
	case VALUE_LIST:
		json_object_update_new(schema, list_json(definitions, type, type->least));
		break;
	case VALUE_ONE_OR_MORE:
		either = json_pack("[o]", type_json(definitions, type->of));
		json_array_append_new(either, list_json(definitions, type, 1));
		json_object_set_new(schema, "anyOf", either);
		break;
	case VALUE_KEYS:
		keys_json(schema, definitions, type);
		break;
	case VALUE_MAP:
		json_object_set_new(schema, "type", json_string("object"));
		json_object_set_new(schema, "propertyNames", type_json(definitions, type->names));
		json_object_set_new(schema, "additionalProperties", type_json(definitions, type->of));
		break;
	case VALUE_EITHER:
		either = json_array();
		for (size_t i = 0; type->either[i] != NULL; i++)
			json_array_append_new(either, type_json(definitions, type->either[i]));
		json_object_set_new(schema, "anyOf", either);
		break;
	}
	if (type->example != NULL)
		json_object_set_new(schema, "examples", json_pack("[s]", type->example));
	return schema;
}

/* Definitions stand in the order in which they are met, so no two arguments of one call may make them.
 *
 * The type in place, or where it has a name a reference to its definition, which is made when it is met first. */
static json_t *type_json(json_t *definitions, const struct value_type *type)
{
	if (type->name == NULL)
		return body_json(definitions, type);
	if (json_object_get(definitions, type->name) == NULL) {
		json_object_set_new(definitions, type->name, json_null()); /* its place in the order */
		json_object_set_new(definitions, type->name, body_json(definitions, type));
	}
	return json_pack("{s:o}", "$ref", json_sprintf("#/definitions/%s", type->name));
}

void schema_print_json(FILE *stream)
{
	json_t *definitions = json_object();
	json_t *schema = json_pack("{s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#", "description",
				   "A native document of Ringfence: policy, inventory or both.");
	json_object_update_new(schema, body_json(definitions, &document_type));
	json_object_set_new(schema, "definitions", definitions);
	json_dumpf(schema, stream, JSON_INDENT(2));
	fputc('\n', stream);
	json_decref(schema);
}
