# Warnings, sanitizers and ccache.
add_library(manta_flags INTERFACE)
set(c_warnings -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes)
target_compile_options(manta_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wimplicit-fallthrough -Wvla -Wwrite-strings
    -fno-common -fstack-protector-strong
    "$<$<COMPILE_LANGUAGE:C>:${c_warnings}>"
    $<$<BOOL:${MANTA_WERROR}>:-Werror>)
target_compile_definitions(manta_flags INTERFACE _GNU_SOURCE)

if(MANTA_SANITIZE)
    add_compile_options(-fsanitize=${MANTA_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${MANTA_SANITIZE})
    if(MANTA_SANITIZE MATCHES undefined)
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
