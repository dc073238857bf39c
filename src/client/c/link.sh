#!/bin/sh
# Makes libentitled.so.0, libentitled.so, libentitled.a and entitled.node of the archive that cargo builds: link.sh ARCHIVE DIRECTORY
#
# rustc brings a version script of its own, beside which the linker takes no other: so the shared library is linked here.
# In the static one everything but our functions is made local: a program may have another blst, or another Rust, in it.
#
# shellcheck disable=SC2086 # of functions and flags, each is a word of its own
set -eu
here=$(dirname "$0") archive=$1 out=$2
map=$here/libentitled.map
functions=$(sed -n 's/^ *\(entitled_[a-z_]*\);$/\1/p' "$map")
roots=$(printf -- ' -u %s' $functions)

${CC:-cc} -shared -o "$out/libentitled.so.0" $roots "$archive" -Wl,--as-needed -lm -Wl,-soname,libentitled.so.0 \
    -Wl,--version-script="$map" -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-O1 -Wl,--gc-sections \
    -Wl,--build-id=sha1 ${LDFLAGS-}
ln -sf libentitled.so.0 "$out/libentitled.so"

# What Node loads, to have receipts judged by the library. Node itself has the functions that are left undefined.
${CC:-cc} -shared -fPIC -Os -fvisibility=hidden -fstack-protector-strong -Wall -Wextra -Werror -I"$here/include" ${CFLAGS-} \
    -o "$out/entitled.node" "$here/../node/native/receipts.c" -L"$out" -lentitled -Wl,-z,relro -Wl,-z,now \
    -Wl,--build-id=sha1 ${LDFLAGS-}

${LD:-ld} -r --gc-sections --force-group-allocation $roots -o "$out/libentitled.o" "$archive"
printf '%s\n' $functions >"$out/functions"
${OBJCOPY:-objcopy} --keep-global-symbols="$out/functions" --remove-section=.llvmbc --remove-section=.llvmcmd \
    "$out/libentitled.o"
rm -f "$out/libentitled.a"
${AR:-ar} rcsD "$out/libentitled.a" "$out/libentitled.o"
rm "$out/libentitled.o" "$out/functions"
