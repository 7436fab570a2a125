/* Parse Anthropic's tools.
 *
 * A tool has a schema, or a type that stands for one. Of the typed ones some are run by the client (a shell,
 * an editor, a memory): Anthropic's models know their inputs by training, others are told by a description
 * and a schema. The rest is run by Anthropic, or needs images, and is dropped. */
#include <string.h>

#include "api/readers.h"
#include "api/refuse.h"
#include "api/tools.h"

struct typed {
    const char *prefix;      /* of the type; a date follows */
    const char *description;
    const char *schema;
};

#define TEXT(name, says) "\"" name "\":{\"type\":\"string\",\"description\":\"" says "\"}"
#define PATH TEXT("path", "the absolute path of a file or folder")
#define RANGE "\"view_range\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":\"view: first and last line, counted from 1; -1: the end\"}"
#define CHANGES \
    TEXT("file_text", "create: the whole content of the new file") "," TEXT("old_str", "str_replace: the text to replace, which occurs once") "," \
    TEXT("new_str", "str_replace: the text in its place") ",\"insert_line\":{\"type\":\"integer\",\"description\":\"insert: after this line; 0: at the beginning\"}," \
    TEXT("insert_text", "insert: the text")
#define COMMANDS(names) "\"command\":{\"type\":\"string\",\"enum\":[" names "],\"description\":\"what to do\"}"

static const struct typed typed[] = {
    {"bash_20", "Runs a command in a shell that stays open between calls, and returns its output.",
     "{\"type\":\"object\",\"properties\":{" TEXT("command", "the command to run") ","
     "\"restart\":{\"type\":\"boolean\",\"description\":\"true: start the shell anew\"}}}"},
    {"text_editor_20", "Views, creates and edits text files.",
     "{\"type\":\"object\",\"properties\":{" COMMANDS("\"view\",\"create\",\"str_replace\",\"insert\"") "," PATH "," RANGE "," CHANGES
     "},\"required\":[\"command\",\"path\"]}"},
    {"memory_20", "Keeps notes between conversations, as text files below /memories. View that folder before you begin.",
     "{\"type\":\"object\",\"properties\":{" COMMANDS("\"view\",\"create\",\"str_replace\",\"insert\",\"delete\",\"rename\"") "," PATH "," RANGE "," CHANGES ","
     TEXT("old_path", "rename: the present path") "," TEXT("new_path", "rename: the path to be") "},\"required\":[\"command\"]}"},
};

static const struct typed *typed_of(const json_t *type)
{
    const char *text = json_string_value(type);
    for (size_t i = 0; text != NULL && i < sizeof typed / sizeof typed[0]; i++)
        if (strncmp(text, typed[i].prefix, strlen(typed[i].prefix)) == 0)
            return &typed[i];
    return NULL;
}

static int add_typed(struct api_reader *r, const char *path, const json_t *tool, const struct typed *t)
{
    json_t *schema = json_loads(t->schema, 0, NULL), *description = json_string(t->description);
    const struct api_tool known = {.name = json_object_get(tool, "name"), .description = description, .parameters = schema,
                                   .strict = json_object_get(tool, "strict"), .name_key = "name", .parameters_key = "input_schema"};
    int err = api_tool_add(r, path, &known);
    json_decref(schema);
    json_decref(description);
    return err;
}

static int add_own(struct api_reader *r, const char *path, const json_t *tool, const json_t *schema)
{
    const struct api_tool known = {.name = json_object_get(tool, "name"), .description = json_object_get(tool, "description"), .parameters = schema,
                                   .strict = json_object_get(tool, "strict"), .name_key = "name", .parameters_key = "input_schema"};
    return schema != NULL ? api_tool_add(r, path, &known) : api_refuse(r->e, ERR_INVALID, path, "a tool needs \"input_schema\": {…}");
}

static int read_tool(struct api_reader *r, const char *path, const json_t *tool)
{
    const json_t *type = json_object_get(tool, "type"), *schema = json_object_get(tool, "input_schema");
    if (!json_is_object(tool))
        return api_refuse_type(r, path, "an object", tool);
    if (schema != NULL || type == NULL || str_is(api_json_str(type), "custom"))
        return add_own(r, path, tool, schema);
    const struct typed *t = typed_of(type);
    return t != NULL ? add_typed(r, path, tool, t) : 0;
}

int api_read_typed_tools(struct api_reader *r, const char *path, const json_t *v)
{
    return api_tools_each(r, path, v, read_tool);
}
