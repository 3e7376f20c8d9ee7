# SPDX-License-Identifier: GPL-2.0-or-later
# One static library per room, all with the same warnings and options.

option(PINFOLD_WERROR "warnings are errors" OFF)
option(PINFOLD_FUZZ "build the libFuzzer targets (needs clang)" OFF)
option(PINFOLD_COVERAGE "instrument for gcov" OFF)
set(PINFOLD_SANITIZE "" CACHE STRING "list for -fsanitize=")

add_library(pinfold_options INTERFACE)
target_include_directories(pinfold_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(pinfold_options INTERFACE _GNU_SOURCE PINFOLD_VERSION="${PROJECT_VERSION}")
target_compile_options(pinfold_options INTERFACE
	-Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wvla -Wundef -Wmissing-prototypes
	-Wstrict-prototypes -Wcast-qual -Wformat=2 -Wno-missing-field-initializers
	-fno-common -fstack-protector-strong -fPIE)
if(CMAKE_CROSSCOMPILING)
	target_link_options(pinfold_options INTERFACE -static -no-pie -Wl,-z,relro,-z,now)
else()
	target_link_options(pinfold_options INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
if(PINFOLD_WERROR)
	target_compile_options(pinfold_options INTERFACE -Werror)
endif()
if(PINFOLD_SANITIZE)
	target_compile_options(pinfold_options INTERFACE -fsanitize=${PINFOLD_SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all)
	target_link_options(pinfold_options INTERFACE -fsanitize=${PINFOLD_SANITIZE})
endif()
if(PINFOLD_FUZZ)
	target_compile_options(pinfold_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PINFOLD_COVERAGE)
	target_compile_options(pinfold_options INTERFACE --coverage)
	target_link_options(pinfold_options INTERFACE --coverage)
endif()

# pinfold_room(NAME SOURCES a.c b.c [DEPS room... library...]): library room_NAME.
function(pinfold_room name)
	cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
	add_library(room_${name} STATIC ${ARG_SOURCES})
	target_link_libraries(room_${name} PUBLIC pinfold_options ${ARG_DEPS})
endfunction()

# pinfold_program(NAME SOURCES main.c DEPS room...)
function(pinfold_program name)
	cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
	add_executable(${name} ${ARG_SOURCES})
	target_link_libraries(${name} PRIVATE pinfold_options ${ARG_DEPS})
endfunction()
