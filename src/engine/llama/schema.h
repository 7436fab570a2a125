/* Convert JSON schemas and regular expressions to GBNF grammars, with llama.cpp's common/.
 *
 * common/ ignores schema keywords that it does not know, and accepts any string for a pattern that
 * it cannot convert. A client that asks for a schema relies on it, so a schema with such parts is
 * refused, naming the part that cannot be enforced. */
#ifndef MANTA_ENGINE_LLAMA_SCHEMA_H
#define MANTA_ENGINE_LLAMA_SCHEMA_H

#include <string>

#include "json.h"

/* Both throw std::exception with an error message. */
std::string schema_to_grammar(const std::string &schema);
std::string regex_to_grammar(const std::string &regex);
/* Returns the schema of a tool's arguments, as far as grammars can enforce it. If common/ cannot
 * convert a schema, it is replaced by that of any object, or, with `strict`, an exception names the
 * part that cannot be enforced. */
common_json arguments_schema(const common_json &schema, bool strict);

#endif
