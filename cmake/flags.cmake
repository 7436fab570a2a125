# Warnings and sanitizers, in one interface target.
add_library(manta_flags INTERFACE)
target_compile_options(manta_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes
    -Wformat=2 -Wimplicit-fallthrough -Wvla -Wwrite-strings -fno-common -fstack-protector-strong
    $<$<BOOL:${MANTA_WERROR}>:-Werror>)
target_compile_definitions(manta_flags INTERFACE _GNU_SOURCE)
if(MANTA_SANITIZE)
    add_compile_options(-fsanitize=${MANTA_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${MANTA_SANITIZE})
    if(MANTA_SANITIZE MATCHES undefined)
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()
