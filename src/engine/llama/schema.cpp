#include "engine/llama/schema.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "engine/llama/llama_log.h"

#include "json-schema-to-grammar.h"

namespace {

using json = common_json;

const std::int64_t REPEATED_MAX = 2000; /* MAX_REPETITION_THRESHOLD of llama.cpp's grammars */

[[noreturn]] void refuse(const std::string &path, const std::string &why)
{
    throw std::invalid_argument(why + ", in " + path);
}

/* ---- patterns ---- */

/* Rewrites parts of regular expressions that llama.cpp does not know but grammars can express. A
 * JSON string must not contain quotation marks, backslashes and control characters unescaped, which
 * llama.cpp's own '.' and [^…] would allow. */
class pattern {
public:
    pattern(const std::string &of, bool is_in_json) : text(of), in_json(is_in_json) {}

    std::string mended()
    {
        while (at < text.size()) {
            const char c = text[at];
            if (c == '\\')
                out += escape(false);
            else if (c == '[')
                char_class();
            else if (c == '.')
                put(in_json ? "[^\"\\\\\\x7F\\x00-\\x1F]" : "[^\\x0A\\x0D]");
            else
                put(std::string(1, plain(c)));
        }
        return out;
    }

private:
    const std::string &text;
    const bool in_json;
    std::size_t at = 0;
    std::string out;

    void put(const std::string &s)
    {
        out += s;
        at++;
    }

    char plain(char c) const
    {
        if (in_json && (c == '"' || static_cast<unsigned char>(c) < 0x20))
            throw std::invalid_argument("the pattern needs a character that must be escaped in a JSON string");
        return c;
    }

    /* \d, \w, \s and their opposites, and escapes that only regular expressions have. */
    std::string escape(bool in_class)
    {
        if (at + 1 >= text.size())
            throw std::invalid_argument("the pattern ends with a backslash");
        const char c = text[at + 1];
        at += 2;
        switch (c) {
        case 'd': return in_class ? "0-9" : "[0-9]";
        case 'w': return in_class ? "a-zA-Z0-9_" : "[a-zA-Z0-9_]";
        case 's': return in_class ? in_json ? " " : " \\t\\n\\r" : in_json ? "[ ]" : "[ \\t\\n\\r]";
        case 'D':
        case 'W':
        case 'S':
            if (in_class)
                throw std::invalid_argument(std::string("the pattern has \\") + c + " in a character class, which grammars cannot express");
            return std::string("[^") + (c == 'D' ? "0-9" : c == 'W' ? "a-zA-Z0-9_" : " \\t\\n\\r") + forbidden() + "]";
        case '\\':
        case '"':
            plain('"'); /* both must be escaped in a JSON string */
            return std::string("\\") + c;
        case 't':
        case 'n':
        case 'r':
            plain('\n');
            return std::string("\\") + c;
        case 'x':
        case 'u':
        case 'U':
        case '-':
            return std::string("\\") + c;
        case ']':
        case '[': return std::string("\\") + c;
        default: break;
        }
        if (std::strchr("^$.()|{}*+?/", c) == nullptr || c == '\0')
            throw std::invalid_argument(std::string("the pattern has \\") + c + ", which grammars cannot express");
        return in_class || c == '/' ? std::string(1, c) : std::string("\\") + c;
    }

    const char *forbidden() const { return in_json ? "\"\\\\\\x7F\\x00-\\x1F" : ""; }

    void char_class()
    {
        put("[");
        const bool other = at < text.size() && text[at] == '^';
        if (other)
            put("^");
        while (at < text.size() && text[at] != ']') {
            if (text[at] == '\\')
                out += escape(true);
            else
                put(std::string(1, other ? text[at] : plain(text[at])));
        }
        if (at >= text.size())
            throw std::invalid_argument("the pattern has a '[' without its ']'");
        if (other)
            out += forbidden();
        put("]");
    }
};

/* ---- supported schemas ---- */

const char *const not_kept[] = {"multipleOf", "contains", "minContains", "maxContains", "minProperties", "maxProperties", "patternProperties",
                                "propertyNames", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties",
                                "unevaluatedItems", "additionalItems", "not", "if", "then", "else", "$dynamicRef"};

bool has(const json &node, const char *name)
{
    return node.contains(name);
}

bool has_any(const json &node, std::initializer_list<const char *> names, const char **out)
{
    for (const char *name : names) {
        *out = name;
        if (has(node, name))
            return true;
    }
    return false;
}

bool is_type(const json &node, const char *name)
{
    return has(node, "type") && node.at("type").is_string() && node.at("type").get<std::string>() == name;
}

void check_bounds(const json &node, const std::string &path)
{
    const char *name;
    const bool numbers = has_any(node, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}, &name);
    if (numbers && !is_type(node, "integer"))
        refuse(path, std::string("'") + name + "' can be enforced only with \"type\": \"integer\"");
    if (has(node, "pattern") && (has(node, "minLength") || has(node, "maxLength")))
        refuse(path, "'pattern' cannot be enforced together with 'minLength' or 'maxLength'");
    if (has(node, "uniqueItems") && node.at("uniqueItems").is_boolean() && node.at("uniqueItems").get<bool>())
        refuse(path, "'uniqueItems' cannot be enforced");
}

/* If one of these keys is present, common/ ignores all other keys of the schema. */
void check_beside(const json &node, const std::string &path)
{
    static const char *const first[] = {"$ref", "oneOf", "anyOf", "allOf"};
    const char *name;
    for (const char *key : first) {
        if (has(node, key) && has_any(node, {"properties", "items", "prefixItems", "enum", "const", "pattern", "required", "additionalProperties"}, &name))
            refuse(path, std::string("'") + name + "' cannot be enforced together with '" + key + "'");
    }
}

void check_required(const json &node, const std::string &path)
{
    if (!has(node, "required") || !node.at("required").is_array())
        return;
    for (const auto &name : node.at("required")) {
        const bool known = name.is_string() && has(node, "properties") && node.at("properties").contains(name.get<std::string>());
        if (!known)
            refuse(path, "'required' has a name that 'properties' lacks");
    }
}

json kept(const json &node, const std::string &path);

json kept_list(const json &list, const std::string &path)
{
    json out = json::array();
    std::size_t i = 0;
    for (const auto &item : list)
        out.push_back(kept(item, path + "/" + std::to_string(i++)));
    return out;
}

json kept_map(const json &map, const std::string &path)
{
    json out = json::object();
    for (const auto &[name, item] : map.items())
        out[name] = kept(item, path + "/" + name);
    return out;
}

bool is_one_of(const std::string &name, std::initializer_list<const char *> names)
{
    for (const char *n : names)
        if (name == n)
            return true;
    return false;
}

std::string anchored(const std::string &text)
{
    const bool begins = !text.empty() && text.front() == '^';
    const bool ends = text.size() > 1 && text.back() == '$' && text[text.size() - 2] != '\\';
    if (!begins || !ends)
        throw std::invalid_argument("a pattern can be enforced only as a whole: begin it with '^' and end it with '$'");
    return text.substr(1, text.size() - 2);
}

json kept_pattern(const json &value, const std::string &path)
{
    if (!value.is_string())
        refuse(path, "'pattern' must be a string");
    try {
        const std::string inside = anchored(value.get<std::string>());
        return json("^(" + pattern(inside, true).mended() + ")$");
    } catch (const std::exception &e) {
        refuse(path, e.what());
    }
}

/* Rewrites one member of a schema, with the schemas inside it. */
json kept_member(const std::string &name, const json &value, const std::string &path)
{
    if (is_one_of(name, {"properties", "$defs", "definitions"}) && value.is_object())
        return kept_map(value, path);
    if (is_one_of(name, {"anyOf", "oneOf", "allOf", "prefixItems", "items"}) && value.is_array())
        return kept_list(value, path);
    if (is_one_of(name, {"items", "additionalProperties"}) && value.is_object())
        return kept(value, path);
    if (name == "pattern")
        return kept_pattern(value, path);
    /* llama.cpp's grammars treat more repetitions as unlimited; answers within a lower limit are also
     * valid */
    if (is_one_of(name, {"maxLength", "maxItems"}) && value.is_number_integer() && value.get<std::int64_t>() > REPEATED_MAX)
        return json(REPEATED_MAX);
    return value;
}

/* Returns the schema with patterns rewritten for common/; throws if it cannot be enforced. */
json kept(const json &node, const std::string &path)
{
    if (node.is_boolean() && node.get<bool>())
        return json::object();
    if (!node.is_object())
        refuse(path, "a schema must be an object");
    for (const char *name : not_kept)
        if (has(node, name))
            refuse(path, std::string("'") + name + "' cannot be enforced");
    check_bounds(node, path);
    check_beside(node, path);
    check_required(node, path);
    json out = json::object();
    for (const auto &[name, value] : node.items())
        out[name] = kept_member(name, value, path + "/" + name);
    return out;
}

/* common/ reports unsupported patterns on standard error (llama_log.c keeps the message) and
 * accepts any string instead; throws in that case. */
std::string convert(const json &schema)
{
    llama_log_forget();
    std::string grammar = json_schema_to_grammar(schema);
    const char *said = std::strstr(llama_log_last(), "conversion was incomplete: ");
    if (said != nullptr)
        throw std::invalid_argument(said + std::strlen("conversion was incomplete: "));
    return grammar;
}

} // namespace

std::string schema_to_grammar(const std::string &schema)
{
    json kept_to = kept(json::parse(schema), "#");
    if (kept_to.empty())
        kept_to["type"] = "object"; /* as llama-server does */
    return convert(kept_to);
}

/* Models see the returned schema, so keywords that no grammar enforces are kept where that is
 * harmless. */
json arguments_schema(const json &schema, bool strict)
{
    try {
        json kept_to = kept(schema, "#");
        convert(kept_to);
        return kept_to;
    } catch (const std::exception &) {
        if (strict)
            throw;
    }
    try {
        if (schema.dump().find("\"pattern\"") == std::string::npos) { /* common/ would accept strings that a pattern excludes */
            convert(schema);
            return schema;
        }
    } catch (const std::exception &) {
    }
    json any = json::object();
    any["type"] = "object";
    return any;
}

/* Converts it as the pattern of a JSON string, without the quotation marks. */
std::string regex_to_grammar(const std::string &regex)
{
    static const std::string before = "root ::= \"\\\"\" (", after = ") \"\\\"\"\n";
    const bool begins = !regex.empty() && regex.front() == '^';
    const bool ends = regex.size() > (begins ? 1u : 0u) && regex.back() == '$' && (regex.size() < 2 || regex[regex.size() - 2] != '\\');
    const std::string inside = regex.substr(begins ? 1 : 0, regex.size() - (begins ? 1 : 0) - (ends ? 1 : 0));
    json schema = json::object();
    schema["type"] = "string";
    schema["pattern"] = "^(" + pattern(inside, false).mended() + ")$";
    std::string grammar = convert(schema);
    const std::size_t from = grammar.find(before);
    const std::size_t to = from != std::string::npos ? grammar.find(after, from) : from;
    if (to == std::string::npos)
        throw std::invalid_argument("llama.cpp cannot make a grammar of it");
    return grammar.substr(0, from) + "root ::= (" + grammar.substr(from + before.size(), to - from - before.size()) + ")\n" +
           grammar.substr(to + after.size());
}
