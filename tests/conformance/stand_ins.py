"""What the tests know of their own tiny models, and what is true of those that stand in for them.

The numbers are those of these models; tests/conformance/run --peer compares them with llama-server, as tests/conformance/README.md tells."""

import os

PEER = bool(os.environ.get("MANTA_CONFORMANCE_PEER"))

# Tests whose regular expressions are words of a model: any text will do.
WORDS = {
    "test_completion", "test_completion_stream", "test_completion_with_openai_library", "test_completion_stream_with_openai_library",
    "test_chat_completion", "test_chat_completion_stream", "test_chat_completion_with_openai_library",
    "test_infill_without_input_extra", "test_infill_with_input_extra", "test_responses_with_openai_library", "test_responses_stream_with_openai_library",
}

# Tests in which a model is to write as much as it may: theirs never end a text, the one in their place does.
ENDLESS = {"test_completion", "test_completion_stream", "test_ctx_shift_disabled_short_prompt", "test_ctx_shift_disabled_stream"}

# Numbers of tokens, by test and parameter: {of theirs: of the model that stands in}.
COUNTS = {
    "test_completion": {"n_prompt": {18: 7, 46: 15}},
    "test_completion_stream": {"n_prompt": {18: 7, 46: 15}},
    "test_chat_completion": {"n_prompt": {69: 16, 77: 20, 79: 21, 104: 29, 23: 9}},
    "test_chat_completion_stream": {"n_prompt": {77: 20, 104: 29}},
    "test_ctx_shift_disabled_short_prompt": {"n_token_output": {64: 64, 248: 252}},
    "test_rerank_usage": {"n_tokens": {19: 18, 26: 23}},
}
