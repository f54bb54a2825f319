# One place for what every target of the project is compiled and linked with.

add_library(ipip_compile INTERFACE)
target_include_directories(ipip_compile INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(ipip_compile INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Werror)
# Unused sections go: libnl's protocol name tables would otherwise pull the name service
# switch, which cannot be linked statically, into programs that never call it.
target_compile_options(ipip_compile INTERFACE -ffunction-sections -fdata-sections)
target_link_options(ipip_compile INTERFACE -Wl,--gc-sections)

# Hardening, as Debian builds its own packages; test/supply.sh looks whether it is there. The static
# programs are no PIE: they would relocate themselves first, at each call, for a random place of
# which a program that lives for two milliseconds and reads one document has little.
if(NOT IPIP_SANITIZE AND NOT IPIP_SANITIZE_THREADS)
  target_compile_options(ipip_compile INTERFACE
    -fstack-protector-strong -fstack-clash-protection
    $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
  target_link_options(ipip_compile INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
# The same source gives the same bytes, wherever it lies.
target_compile_options(ipip_compile INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)

if(IPIP_SANITIZE)
  target_compile_options(ipip_compile INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ipip_compile INTERFACE -fsanitize=address,undefined)
endif()
if(IPIP_SANITIZE_THREADS)
  target_compile_options(ipip_compile INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(ipip_compile INTERFACE -fsanitize=thread)
endif()
if(IPIP_FUZZ)
  target_compile_options(ipip_compile INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(IPIP_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()

# ipip_static(PROGRAM...): with IPIP_STATIC, one file that runs on any distribution.
function(ipip_static)
  if(IPIP_STATIC)
    foreach(program IN LISTS ARGN)
      # Nothing here calls those functions of libnl that ask the name service switch, which the
      # linker would warn of. (Not -Wl,--no-warnings: it lets undefined symbols through as well.)
      target_link_options(${program} PRIVATE -static
        -Wl,--defsym=getaddrinfo=0,--defsym=getprotobyname=0,--defsym=getprotobynumber=0)
    endforeach()
  endif()
endfunction()

# Debian has no static libfmt: both libraries are used from their headers alone. With a separator of
# thousands that is known here fmt does without <locale>, for which see cni/file.h.
add_library(ipip_log INTERFACE)
target_compile_definitions(ipip_log INTERFACE
  SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY "FMT_STATIC_THOUSANDS_SEPARATOR=','")
target_include_directories(ipip_log SYSTEM INTERFACE
  $<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>
  $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)

# ipip_room(NAME SOURCES file... USES target...): a folder of the project as a library.
function(ipip_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES" ${ARGN})
  add_library(ipip_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(ipip_${name} PUBLIC ipip_compile ${ROOM_USES})
endfunction()
