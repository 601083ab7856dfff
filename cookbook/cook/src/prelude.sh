# What stands before every recipe's script. Names of functions and variables are those that recipes
# for Redox's cookbook use; `cook` sets COOKBOOK_SOURCE, _BUILD, _STAGE, _SYSROOT, _RECIPE, _ROOT and TARGET.
set -e

# Programs of this system are linked statically: there is nothing to prepare.
function DYNAMIC_INIT { :; }
function DYNAMIC_STATIC_INIT { :; }

export GNU_TARGET="${TARGET}"
export HOST="${TARGET}"
COOKBOOK_MAKE="${COOKBOOK_MAKE:-make}"
COOKBOOK_NINJA="${COOKBOOK_NINJA:-ninja}"
COOKBOOK_CARGO="${TARGET}-cargo"
build_type=release
install_flags=()
build_flags=(--release)
if [ -n "${COOKBOOK_DEBUG}" ]; then
    build_type=debug
    install_flags=(--debug)
    build_flags=()
else
    # Programs of packages are stripped: what only debuggers read need not be made, whatever the source says.
    export CARGO_PROFILE_RELEASE_DEBUG=false
fi

# Versions of other packages count only if the source says which.
function cookbook_locked {
    if [ -f "${COOKBOOK_SOURCE}/Cargo.lock" ] || [ -f "${COOKBOOK_SOURCE}/${PACKAGE_PATH}/Cargo.lock" ]; then
        echo --locked
    fi
}

function cookbook_cargo {
    "${COOKBOOK_CARGO}" install --path "${COOKBOOK_SOURCE}/${PACKAGE_PATH}" --root "${COOKBOOK_STAGE}/usr" \
        --no-track --force $(cookbook_locked) "${install_flags[@]}" "$@"
}

function cookbook_cargo_install {
    local kind=$1 found=$2 installed=$3
    "${COOKBOOK_CARGO}" build --manifest-path "${COOKBOOK_SOURCE}/${PACKAGE_PATH}/Cargo.toml" \
        "--${kind}" "${found}" $(cookbook_locked) "${build_flags[@]}" "${@:4}"
    mkdir -p "${COOKBOOK_STAGE}/usr/bin"
    local folder="target/${TARGET}/${build_type}"
    [ "${kind}" != example ] || folder="${folder}/examples"
    cp "${folder}/${found}" "${COOKBOOK_STAGE}/usr/bin/${installed}"
}

function cookbook_cargo_packages {
    local name
    for name in "$@"; do
        cookbook_cargo_install package "${name}" "${name}"
    done
}

function cookbook_cargo_examples {
    local name
    for name in "$@"; do
        cookbook_cargo_install example "${name}" "$(basename "${COOKBOOK_RECIPE}")_${name}"
    done
}

# A crate among the source's dependencies, of the version in its lock file, with patches of the recipe's: it takes
# the registry's place, and stands in the source's folder patched/src.
function cookbook_patch_crate {
    local name=$1 source="${COOKBOOK_SOURCE}" version
    version=$(sed -n "/^name = \"${name}\"\$/{n;s/^version = \"\(.*\)\"\$/\1/p;q}" "${source}/Cargo.lock")
    if [ -z "${version}" ]; then
        echo "the source's Cargo.lock has no crate ${name}" >&2
        return 1
    fi
    (cd "${source}" && "${COOKBOOK_CARGO}" fetch --locked)
    mkdir -p "${source}/patched/src"
    # Several registries (a mirror, say) may have it: the first.
    local found=("${CARGO_HOME:-${HOME}/.cargo}"/registry/src/*/"${name}-${version}")
    cp -r "${found[0]}" "${source}/patched/src/${name}"
    local file
    for file in "${@:2}"; do
        patch -d "${source}/patched/src/${name}" -p1 <"${COOKBOOK_RECIPE}/${file}"
    done
    printf '\n[patch.crates-io.%s]\npath = "patched/src/%s"\n' "${name}" "${name}" >>"${source}/Cargo.toml"
    sed -i "/^name = \"${name}\"\$/,/^\$/{/^source = /d;/^checksum = /d;}" "${source}/Cargo.lock"
}

COOKBOOK_CONFIGURE="${COOKBOOK_SOURCE}/configure"
COOKBOOK_CONFIGURE_FLAGS=(
    --host="${GNU_TARGET}"
    --prefix=/usr
    --disable-shared
    --enable-static
)
function cookbook_configure {
    "${COOKBOOK_CONFIGURE}" "${COOKBOOK_CONFIGURE_FLAGS[@]}" "$@"
    "${COOKBOOK_MAKE}" -j "${COOKBOOK_MAKE_JOBS}"
    "${COOKBOOK_MAKE}" install DESTDIR="${COOKBOOK_STAGE}"
}

function autotools_recursive_regenerate {
    local file
    find . -name configure.ac -print0 | while IFS= read -r -d '' file; do
        (cd "$(dirname "${file}")" && autoreconf -fi)
    done
}

COOKBOOK_CMAKE="${COOKBOOK_CMAKE:-cmake}"
COOKBOOK_CMAKE_FLAGS=(
    -GNinja
    -DCMAKE_SYSTEM_NAME=UnixPaths
    -DCMAKE_SYSTEM_PROCESSOR="${TARGET%%-*}"
    -DCMAKE_C_COMPILER="${CC}"
    -DCMAKE_AR="$(command -v "${AR}")"
    -DCMAKE_RANLIB="$(command -v "${RANLIB}")"
    -DCMAKE_FIND_ROOT_PATH="${COOKBOOK_SYSROOT}"
    -DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER
    -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY
    -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY
    -DCMAKE_PREFIX_PATH="${COOKBOOK_SYSROOT}/usr"
    -DCMAKE_INSTALL_PREFIX=/usr
    -DCMAKE_BUILD_TYPE=Release
    -DBUILD_SHARED_LIBS=False
    -DENABLE_SHARED=False
    -DENABLE_STATIC=True
)
function cookbook_cmake {
    local source="${COOKBOOK_SOURCE}"
    if [ -d "$1" ]; then
        source=$1
        shift
    fi
    "${COOKBOOK_CMAKE}" "${source}" "${COOKBOOK_CMAKE_FLAGS[@]}" "$@"
    "${COOKBOOK_NINJA}" -j "${COOKBOOK_MAKE_JOBS}"
    DESTDIR="${COOKBOOK_STAGE}" "${COOKBOOK_NINJA}" install
}

COOKBOOK_MESON="${COOKBOOK_MESON:-meson}"
COOKBOOK_MESON_FLAGS=(
    --buildtype release
    --wrap-mode nofallback
    --default-library static
    --prefix /usr
)
function cookbook_meson {
    local source="${COOKBOOK_SOURCE}"
    if [ -d "$1" ]; then
        source=$1
        shift
    fi
    cat >cross.ini <<EOF
[binaries]
c = '${CC}'
ar = '${AR}'
strip = '${STRIP}'
pkg-config = '${PKG_CONFIG}'
[host_machine]
system = 'redox'
cpu_family = '${TARGET%%-*}'
cpu = '${TARGET%%-*}'
endian = 'little'
EOF
    "${COOKBOOK_MESON}" setup "${source}" . --cross-file cross.ini "${COOKBOOK_MESON_FLAGS[@]}" "$@"
    "${COOKBOOK_NINJA}" -j "${COOKBOOK_MAKE_JOBS}"
    DESTDIR="${COOKBOOK_STAGE}" "${COOKBOOK_NINJA}" install
}

# For this system's own parts, which `tools/guest-cargo` builds for several targets. Its tools are built for the host
# with the host's compilers, as they are outside recipes: nothing is built twice.
function own_environment {
    unset CARGO_TARGET_DIR CARGO_BUILD_BUILD_DIR CARGO_BUILD_TARGET CARGO_UNSTABLE_BUILD_STD \
        CARGO_ENCODED_RUSTFLAGS CARGO_ENCODED_RUSTDOCFLAGS CUPRITE_SYSROOT \
        CC LD AR RANLIB NM STRIP OBJCOPY OBJDUMP READELF PKG_CONFIG CFLAGS CC_FOR_BUILD BUILD_CC HOSTCC
}

cd "${COOKBOOK_BUILD}"
