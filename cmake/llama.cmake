# The llama engine: manta-engine-llama.so, a module that only workers load (dlopen, engine/engine.h). All C++ of the
# project ends here: the manta binary links neither this nor libstdc++.
#
# llama.cpp is the pinned source that scripts/fetch brings, never an installed one: templates and tools are its `common`, whose headers are
# not installed, and exactness is told to its kernels.
include(cmake/llama_cpp.cmake)
add_llama_cpp()
set(llama_internals ${LLAMA_CPP_DIR}/ggml/src ${LLAMA_CPP_DIR}/ggml/src/ggml-cpu)
foreach(kernel llamafile_sgemm ggml_compute_forward_mul_mat_tiled ggml_compute_forward_mul_mat_id_tiled)
    list(APPEND llama_wraps -Wl,--wrap=${kernel}) # kernels.c
endforeach()
list(APPEND llama_wraps -Wl,--wrap=fprintf -Wl,--wrap=__fprintf_chk) # words.c

file(GLOB llama_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/engine/llama/*.c ${CMAKE_SOURCE_DIR}/src/engine/llama/*.cpp)
add_library(manta_engine_llama MODULE ${llama_sources})
target_include_directories(manta_engine_llama PRIVATE ${CMAKE_SOURCE_DIR}/src)
# Their headers, their warnings: what they are compiled with is not ours.
foreach(library llama llama-common ggml ggml-base)
    target_include_directories(manta_engine_llama SYSTEM PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>)
endforeach()
target_include_directories(manta_engine_llama SYSTEM PRIVATE ${llama_internals})
target_link_libraries(manta_engine_llama PRIVATE manta_flags manta_base llama llama-common)
# One symbol goes out; what the module needs must be inside it or in a library it names.
target_link_options(manta_engine_llama PRIVATE ${llama_wraps}
    -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/engine.map -Wl,--exclude-libs,ALL -Wl,-z,defs
    # What its strings hold counts against a prompt's memory, too (budget.cpp): a shared libstdc++ would ask the program.
    $<$<NOT:$<BOOL:${MANTA_SANITIZE}>>:-static-libstdc++>)
set_target_properties(manta_engine_llama PROPERTIES
    PREFIX "" OUTPUT_NAME manta-engine-llama SUFFIX .so
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
    LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/engine.map)

include(cmake/engine_tests.cmake)
