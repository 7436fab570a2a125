/* JSON schemas and regular expressions as GBNF grammars, by llama.cpp's common/.
 *
 * That leaves out of a schema what it does not know, and takes any string where it does not know a pattern. Whoever asks for a schema
 * relies on it, so such a schema is refused by the name of what cannot be kept to. */
#ifndef MANTA_ENGINE_LLAMA_SCHEMA_H
#define MANTA_ENGINE_LLAMA_SCHEMA_H

#include <string>

#include "json.h"

/* Both throw std::exception with what is wrong. */
std::string schema_to_grammar(const std::string &schema);
std::string regex_to_grammar(const std::string &regex);
/* The schema of a tool's arguments, as far as grammars can keep to it. One that common/ can make nothing of is that of any object, or, `strict`,
 * what cannot be kept to is thrown. */
common_json arguments_schema(const common_json &schema, bool strict);

#endif
