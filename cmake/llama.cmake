# The llama engine: manta-engine-llama.so, a module that only workers load (dlopen, engine/engine.h). All C++ of the
# project ends here: the manta binary links neither this nor libstdc++.
#
# Where llama.cpp comes from: an installed one whose version fits, else the pinned source that scripts/fetch brings.
# llama.cpp's C API moves between its minor versions, so the one that fits is 0.5.x (the pinned one is 0.5.0), and our
# own sources must compile against its header. An installed llama.cpp has no headers of `common` (Jinja templates), so
# then the fixed list of templates of its C API is used (template_builtin.c) instead of the bridge (bridge.cpp), and its kernels
# are as they are (kernels_none.c).
option(MANTA_LLAMA_SYSTEM "Use an installed llama.cpp where its version fits" ON)
include(cmake/llama_cpp.cmake)

file(GLOB llama_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/engine/llama/*.c)
list(FILTER llama_sources EXCLUDE REGEX "template_builtin|kernels|guide_none")

set(llama_range 0.5...<0.6) # scripts/fetch asks pkg-config for the same
if(MANTA_LLAMA_SYSTEM)
    try_compile(llama_fits ${CMAKE_BINARY_DIR}/llama_fits ${CMAKE_SOURCE_DIR}/cmake/llama_fits llama_fits
        CMAKE_FLAGS -DLLAMA_RANGE=${llama_range} -DMANTA_SRC=${CMAKE_SOURCE_DIR}/src
            "-DCMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH}")
endif()

if(MANTA_LLAMA_SYSTEM AND llama_fits)
    find_package(llama ${llama_range} CONFIG REQUIRED)
    message(STATUS "llama.cpp: the installed ${llama_VERSION}")
    set(llama_libraries llama)
    set(own_sources ${CMAKE_SOURCE_DIR}/src/engine/llama/template_builtin.c ${CMAKE_SOURCE_DIR}/src/engine/llama/kernels_none.c
        ${CMAKE_SOURCE_DIR}/src/engine/llama/guide_none.c
        ${CMAKE_SOURCE_DIR}/src/engine/llama/guard.cpp)
else()
    add_llama_cpp()
    set(llama_libraries llama llama-common)
    file(GLOB own_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/engine/llama/*.cpp)
    list(APPEND own_sources ${CMAKE_SOURCE_DIR}/src/engine/llama/kernels.c)
    set(llama_internals ${LLAMA_CPP_DIR}/ggml/src ${LLAMA_CPP_DIR}/ggml/src/ggml-cpu)
    foreach(kernel llamafile_sgemm ggml_compute_forward_mul_mat_tiled ggml_compute_forward_mul_mat_id_tiled)
        list(APPEND llama_wraps -Wl,--wrap=${kernel}) # kernels.c
    endforeach()
    list(APPEND llama_wraps -Wl,--wrap=fprintf -Wl,--wrap=__fprintf_chk) # words.c
endif()

add_library(manta_engine_llama MODULE ${llama_sources} ${own_sources})
target_include_directories(manta_engine_llama PRIVATE ${CMAKE_SOURCE_DIR}/src)
# Their headers, their warnings: what they are compiled with is not ours.
foreach(library ${llama_libraries} ggml ggml-base)
    if(TARGET ${library})
        target_include_directories(manta_engine_llama SYSTEM PRIVATE $<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>)
    endif()
endforeach()
target_include_directories(manta_engine_llama SYSTEM PRIVATE ${llama_internals})
target_link_libraries(manta_engine_llama PRIVATE manta_flags manta_base ${llama_libraries})
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
