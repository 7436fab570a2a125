/* The real model with another chat template: that of a family which knows tools, and reasoning. */
#ifndef MANTA_TESTS_ENGINE_LLAMA_FAMILY_H
#define MANTA_TESTS_ENGINE_LLAMA_FAMILY_H

#include "llama_patch.h"

/* As Qwen's models and their like have it. */
static const char FAMILY[] =
    "{%- if tools %}{{- '<|im_start|>system\\n' }}{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}"
    "{{- '# Tools\\n<tools>' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '\\n</tools>\\nCall with <tool_call>\\n"
    "{\"name\": NAME, \"arguments\": OBJECT}\\n</tool_call><|im_end|>\\n' }}"
    "{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if message.reasoning_content %}{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{%- endif %}"
    "{{- message.content }}"
    "{%- for tool_call in message.tool_calls %}{{- '\\n<tool_call>\\n{\"name\": \"' }}{{- tool_call.function.name }}{{- '\", \"arguments\": ' }}"
    "{{- tool_call.function.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}"
    "{%- elif message.role == 'tool' %}{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- elif think_first %}"
    "{{- '<think>\\n' }}{%- endif %}{%- endif %}";

/* Writes the model with that template. What is behind it in the file must stay where it is to the next multiple of 32 bytes. */
static inline void write_family(char *path, const char *source)
{
    static const char key[] = "tokenizer.chat_template";
    const char *at = memmem(whole, HEAD_BYTES, key, sizeof key - 1);
    assert_non_null(at);
    size_t text = (size_t)(at - whole) + sizeof key - 1 + 4; /* the kind of value comes first */
    uint64_t was, n = strlen(source) + 4;
    memcpy(&was, whole + text, sizeof was);
    size_t pad = (was - n) & 31;
    n += pad;
    FILE *out = fdopen(mkstemp(path), "w");
    fwrite(whole, 1, text, out);
    fwrite(&n, sizeof n, 1, out);
    fprintf(out, "{#%*s#}%s", (int)pad, "", source);
    fwrite(whole + text + sizeof was + was, 1, whole_n - text - sizeof was - was, out);
    assert_int_equal(fclose(out), 0);
}

#endif
