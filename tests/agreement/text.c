/* Trees of JSON to text: YAML as people write it, in blocks down to statements and in flow style from there, or JSON as
 * kubectl prints it. */
#include "tests/agreement/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- YAML ---- */

/* How deep blocks go: the values of a document, and the entries of those. */
enum { BLOCK_DEPTH = 2 };

/* Whether a text is itself without quotes: none of YAML's signs, and no word that means something else. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off"};
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-_";
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(text, words[i]) == 0)
			return false;
	bool number = strspn(text, "0123456789.") == strlen(text) && strchr(text, '.') == strrchr(text, '.');
	return !number && text[0] != '-' && strspn(text, safe) == strlen(text);
}

static void write_flow(FILE *out, const json_t *value)
{
	const char *key;
	const json_t *item;
	size_t index, written = 0;
	if (json_is_string(value)) {
		fprintf(out, is_plain(json_string_value(value)) ? "%s" : "\"%s\"", json_string_value(value));
	} else if (json_is_array(value)) {
		fputs("[", out);
		json_array_foreach(value, index, item)
		{
			fputs(index > 0 ? ", " : "", out);
			write_flow(out, item);
		}
		fputs("]", out);
	} else if (json_is_object(value)) {
		fputs("{", out);
		json_object_foreach((json_t *)value, key, item)
		{
			fprintf(out, "%s%s: ", written++ > 0 ? ", " : "", key);
			write_flow(out, item);
		}
		fputs("}", out);
	} else {
		json_dumpf(value, out, JSON_ENCODE_ANY);
	}
}

static void write_block(FILE *out, const json_t *mapping, int depth)
{
	const char *key;
	const json_t *value, *item;
	size_t index;
	json_object_foreach((json_t *)mapping, key, value)
	{
		fprintf(out, "%*s%s:", 2 * depth, "", key);
		if (json_object_size(value) > 0 && depth + 1 < BLOCK_DEPTH) {
			fputs("\n", out);
			write_block(out, value, depth + 1);
			continue;
		}
		if (json_array_size(value) == 0) {
			fputs(" ", out);
			write_flow(out, value);
		}
		json_array_foreach(value, index, item)
		{
			fprintf(out, "\n%*s- ", 2 * depth + 2, "");
			write_flow(out, item);
		}
		fputs("\n", out);
	}
}

static void write_yaml(FILE *out, const json_t *documents)
{
	size_t index;
	const json_t *document;
	json_array_foreach(documents, index, document)
	{
		fputs(index > 0 ? "---\n" : "", out);
		write_block(out, document, 0);
	}
}

/* ---- JSON ---- */

/* One object a line, for people. */
static void write_json(FILE *out, const json_t *documents)
{
	size_t index;
	const json_t *document;
	bool list = json_array_size(documents) != 1;
	fputs(list ? "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n" : "", out);
	json_array_foreach(documents, index, document)
	{
		fputs(index > 0 ? ",\n" : "", out);
		json_dumpf(document, out, 0);
	}
	fputs(list ? "\n]}\n" : "\n", out);
}

char *documents_text(const char *name, const json_t *documents)
{
	char *text = NULL;
	size_t size = 0, length = strlen(name);
	FILE *out = open_memstream(&text, &size);
	if (out == NULL)
		abort();
	if (length > 5 && strcmp(name + length - 5, ".json") == 0)
		write_json(out, documents);
	else
		write_yaml(out, documents);
	fclose(out);
	return text;
}
