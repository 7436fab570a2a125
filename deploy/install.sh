#!/bin/sh
{ # The shell runs nothing of this before it has read the brace on the last line: a script that was cut on its way does nothing.
#
# Installs manta from a release folder, which `make package` makes (docs/packages.md). Plain POSIX sh; usage() says how it is called.
#
#   PREFIX/lib/manta-releases/VERSION-DIGEST/   the archive, unpacked; one folder per release
#   PREFIX/lib/manta-releases/install.sh        this script, of the release in use: removes all of it
#   PREFIX/lib/manta-releases/folders           the folders that were not there before, the newest first
#   PREFIX/bin/manta -> the release's bin/manta; man pages and completions likewise, below PREFIX/share
#
# A release is unpacked and tried beside the others; then one rename of the link PREFIX/bin/manta switches to it. Whatever fails before leaves the old
# installation as it was; what fails after it is only told. A link is this script's if it leads into manta-releases, so others' files are never touched.
set -eu
umask 022

release_url='' # scripts/release_folder writes an address here

usage() {
    cat <<'END'
Installs manta, or upgrades it. Linux with glibc, x86_64 or aarch64.

    curl -fsSL ADDRESS/install.sh | sh                           for you, in ~/.local; as root in /usr/local
    curl -fsSL ADDRESS/install.sh | sh -s -- --prefix /opt/manta
    sh install.sh --uninstall

ADDRESS is that of a release folder (`make package` makes one): a web server's, as in http://build-machine:8000, or a folder, as in /mnt/share/manta.
The script takes the files from $MANTA_RELEASE_URL, if that is set; else from the folder in which it lies, if SHA256SUMS is there; else from the
address that it was made with (make package RELEASE_URL=...):

END
    printf '    %s\n\n' "${release_url:-none. So set one: curl -fsSL ADDRESS/install.sh | MANTA_RELEASE_URL=ADDRESS sh}"
    cat <<'END'
  --prefix DIR     install below DIR (bin/manta, lib/manta-releases, share)
  --version V      install this version of those that the release folder has, not the newest
  --uninstall      remove what this script installed below the prefix; models, keys and settings stay
  --help           show this text
END
}

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
last_line() { printf '%s\n' "${said:-it broke off}" | tail -n 1; }
first_line() { printf '%s\n' "$said" | head -n 1; }

read_options() {
    action=install prefix='' version=''
    while [ $# -gt 0 ]; do
        case $1 in
        --prefix | --version)
            [ -n "${2:-}" ] || die "$1 wants a value; --help has an example"
            if [ "$1" = --prefix ]; then prefix=$2; else version=$2; fi
            shift
            ;;
        --prefix=?*) prefix=${1#*=} ;;
        --version=?*) version=${1#*=} ;;
        --uninstall) action=uninstall ;;
        -h | --help) action=help ;;
        *) die "unknown option '$1'; --help lists the options" ;;
        esac
        shift
    done
}

choose_prefix() {
    case $0 in */lib/manta-releases/install.sh) prefix=${prefix:-${0%/lib/manta-releases/*}} ;; esac
    if [ -z "$prefix" ]; then
        prefix=/usr/local
        if [ "$(id -u)" != 0 ]; then prefix=${HOME:-}/.local; fi
        [ "$prefix" != /.local ] || die "HOME is not set: give --prefix DIR"
    fi
    case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
    prefix=${prefix%/}
    releases=$prefix/lib/manta-releases
    host=$(uname -n)
}

# The system: what the archive needs of it, as far as one can know without having the archive.

check_system() {
    case $(uname -s) in
    Linux) ;;
    Darwin) die "manta runs on Linux only, not on macOS; a Linux virtual machine or container on it will do" ;;
    MINGW* | MSYS* | CYGWIN*) die "manta runs on Linux only, not on Windows; WSL 2 will do: run this in its terminal" ;;
    *) die "manta runs on Linux only, and this is $(uname -s)" ;;
    esac
    machine=$(uname -m)
    case $machine in
    x86_64 | aarch64) ;;
    *) die "there are no archives for $machine, only for x86_64 and aarch64" ;;
    esac
    check_libc
    for tool in tar gzip sha256sum; do have "$tool" || die "needs $tool, which is not installed"; done
    warn_of_processor
}

check_libc() {
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || glibc=''
    case $glibc in 'glibc '*) glibc=${glibc#glibc } && return ;; esac
    glibc=''
    case $(ldd --version 2>&1 || :) in
    *musl*) die "this system's C library is musl (Alpine?), and the archive needs glibc: use a system with glibc, or a container with one" ;;
    esac
}

warn_of_processor() {
    [ "$machine" = x86_64 ] && [ -r /proc/cpuinfo ] || return 0
    ! { grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; } || return 0
    say "warning: this processor lacks AVX2 or FMA. A head and the commands run here; a worker cannot compute a model"
}

# older A B: A is before B; both are like 2.36.
older() {
    a=${1#*.} b=${2#*.}
    [ "${1%%.*}" -lt "${2%%.*}" ] || { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${a%%.*}" -lt "${b%%.*}" ]; }
}

check_glibc() { # RELEASE
    needed=$(cat "$1/lib/manta/glibc" 2>/dev/null) || needed=''
    if [ -n "$glibc" ] && [ -n "$needed" ] && older "$glibc" "$needed"; then
        die "this system has glibc $glibc, and manta $found needs $needed or newer: use a newer system, or compile manta here (README.md)"
    fi
}

# The release folder.

beside() { # prints the folder of this script if it is a release folder; a script that comes through a pipe has none
    case $0 in *.sh) ;; *) return 0 ;; esac
    [ -f "$0" ] || return 0
    folder=$(cd "$(dirname "$0")" && pwd)
    [ ! -f "$folder/SHA256SUMS" ] || printf '%s' "$folder"
}

choose_source() {
    source=${MANTA_RELEASE_URL:-$(beside)}
    source=${source:-$release_url}
    source=${source%/install.sh}
    source=${source%/}
    case $source in
    /* | file:///*) source=${source#file://} ;;
    http://?* | https://?*) have curl || have wget || die "needs curl or wget to download, and neither is installed" ;;
    '') die "it does not know where the release is: a script cannot see the address it came from. Give it:
    curl -fsSL ADDRESS/install.sh | MANTA_RELEASE_URL=ADDRESS sh" ;;
    *) die "MANTA_RELEASE_URL is '$source': it must begin with http://, https:// or /" ;;
    esac
}

fetch() { # NAME: from the release folder into $stage
    said=$(get "$source/$1" "$stage/$1" 2>&1 >/dev/null) || die "cannot get $source/$1: $(last_line)"
}

get() { # URL FILE
    case $1 in
    /*) cp "$1" "$2" ;;
    *) if have curl; then get_by_curl "$1" "$2"; else get_by_wget "$1" "$2"; fi ;;
    esac
}

get_by_curl() {
    protocols='=http,https'
    case $1 in https:*) protocols='=https' ;; esac # no redirect leads to less
    curl -fsSL --proto "$protocols" --retry 2 --connect-timeout 30 --speed-limit 1 --speed-time 60 -o "$2" "$1"
}

get_by_wget() {
    case $(wget --version 2>&1 || :) in
    *GNU*) wget -nv -t 2 -T 60 -O "$2" "$1" ;;
    *) wget -O "$2" "$1" ;;
    esac
}

# Sets name, digest, found (the version) and release (the folder for it).
choose_archive() {
    fetch SHA256SUMS
    listed=$(sed -n 's/^[0-9a-f]\{64\} [ *]\(manta-[0-9A-Za-z.+~-]*-linux-[0-9a-z_]*\.tar\.gz\)$/\1/p' "$stage/SHA256SUMS")
    [ -n "$listed" ] || die "$source/SHA256SUMS lists no archive of manta: is $source a release folder?"
    name=$(printf '%s\n' "$listed" | grep -- "-linux-$machine\.tar\.gz\$" | grep -F -- "manta-$version${version:+-linux-}" | tail -n 1) || name=''
    [ -n "$name" ] || die "$source has no manta ${version:+$version }for $machine; it has:
$(printf '%s\n' "$listed" | sed 's/^/    /')"
    digest=$(grep -F -- "$name" "$stage/SHA256SUMS" | tail -n 1)
    digest=${digest%% *}
    found=${name#manta-}
    found=${found%-linux-*}
    release=$releases/$found-$(printf '%.12s' "$digest")
}

get_archive() {
    say "downloading $source/$name"
    fetch "$name"
    sum=$(sha256sum <"$stage/$name") || die "cannot read $stage/$name"
    sum=${sum%% *}
    [ "$sum" = "$digest" ] || die "$source/$name is damaged: its SHA-256 is $sum, and SHA256SUMS says $digest. Try again"
    said=$(tar -xzf "$stage/$name" -C "$stage" 2>&1) || die "cannot unpack $name below $prefix: $(first_line)"
    unpacked=$stage/${name%.tar.gz}
    [ -x "$unpacked/bin/manta" ] || die "$name contains no bin/manta"
    check_glibc "$unpacked"
    said=$("$unpacked/bin/manta" --version 2>&1) || die "manta $found does not start on this machine: $(first_line)"
}

# The prefix.

make_folder() { # DIR, with its parents; notes those that were not there
    [ ! -d "$1" ] || return 0
    [ "$1" = / ] || make_folder "$(dirname "$1")" || return 1
    said=$(mkdir "$1" 2>&1) || return 1
    made="$1
$made"
}

is_ours() { # LINK
    case $(readlink "$1" 2>/dev/null) in */lib/manta-releases/*) return 0 ;; esac
    return 1
}

is_there() { [ -e "$1" ] || [ -h "$1" ]; }

refuse_foreign() {
    ! is_ours "$prefix/bin/manta" || return 0
    is_there "$prefix/bin/manta" || return 0
    [ ! -f "$prefix/lib/manta/installed" ] ||
        die "$prefix has a manta of \`make install\`: remove it (make uninstall PREFIX=$prefix), or give another --prefix DIR"
    die "$prefix/bin/manta is there, and this script did not install it: remove it first, or give another --prefix DIR"
}

begin() {
    made='' placed='' committed='' stage='' unpacked='' said=''
    trap end EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    refuse_foreign
    { make_folder "$releases" && make_folder "$prefix/bin" && [ -w "$prefix/bin" ]; } || die_unwritable
    releases=$(cd "$releases" && pwd -P) # as /proc/PID/exe has it
    said=$(mkdir "$releases/new-$host-$$" 2>&1) || die_unwritable
    stage=$releases/new-$host-$$
    replaced=$(readlink "$prefix/bin/manta") || replaced=''
    replaced=${replaced%/bin/manta}
}

die_unwritable() { die "cannot write below $prefix${said:+ ($said)}: give --prefix DIR, or run this as root"; }

# shellcheck disable=SC2317 # the traps call it
# At every exit of an installation. Before the switch nothing of it may stay; after it only the stage is to go.
end() {
    trap - EXIT
    [ -z "$stage" ] || rm -rf "$stage" || :
    [ -z "$committed" ] || return 0
    [ -z "$placed" ] || rm -rf "$release" || :
    printf '%s' "$made" | while read -r folder; do rmdir "$folder" 2>/dev/null || :; done
}

put_link() { # TARGET LINK: at once, whatever a link of that name said before
    said=$({ rm -f "$stage/link" && ln -s "$1" "$stage/link" && mv -f "$stage/link" "$2"; } 2>&1)
}

switch() {
    if [ -n "$unpacked" ]; then
        placed=yes
        said=$(mv "$unpacked" "$release" 2>&1) || die "cannot write $release: $said"
        rm -rf "${release:?}/${unpacked##*/}" # the same script on a machine that shares the folder was quicker
    fi
    put_link "$release/bin/manta" "$prefix/bin/manta" || die "cannot write $prefix/bin/manta: $said"
    committed=yes
}

# Man pages and completions: those of the release appear, those that it no longer has disappear. A file of somebody else's stays.
shared_links() {
    for link in "$prefix"/share/man/man1/manta*.1 "$prefix/share/bash-completion/completions/manta" "$prefix/share/zsh/site-functions/_manta" \
        "$prefix/share/fish/vendor_completions.d/manta.fish"; do
        ! is_ours "$link" || printf '%s\n' "$link"
    done
}

link_shared() {
    (cd "$release/share" && find man bash-completion zsh fish -type f) 2>/dev/null | while read -r file; do
        link=$prefix/share/$file
        is_ours "$link" || ! is_there "$link" || continue
        make_folder "$(dirname "$link")" || exit 1
        note_folders
        put_link "$release/share/$file" "$link" || exit 1
    done || return 1
    shared_links | while read -r link; do
        case $(readlink "$link") in "$release"/*) ;; *) rm -f "$link" ;; esac
    done
}

note_folders() { # those below the prefix, and the prefix
    [ -n "$made" ] || return 0
    { printf '%s' "$made" | grep -F -e "$prefix" || :; cat "$releases/folders" 2>/dev/null || :; } >"$stage/folders"
    mv -f "$stage/folders" "$releases/folders"
    made=''
}

in_use() { # FOLDER: a process that can be seen here runs from it
    # shellcheck disable=SC2010 # one process, not one for each that runs
    ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF -e "-> $1/"
}

# The release that was just replaced stays until the next upgrade: a cluster that runs from it starts further workers from there, maybe on other machines.
prune() {
    for old in "$releases"/*; do
        case $old in
        "$release" | "$replaced" | */folders | */install.sh) continue ;;
        */new-"$host"-*) [ ! -d "/proc/${old##*-}" ] || continue ;; # of a script that was killed
        */new-*) continue ;;
        *) ! in_use "$old" || continue ;;
        esac
        rm -rf "$old"
    done
}

# What the user reads last.

tilde() { case $1 in "${HOME:-/}"/*) printf '%s' "~${1#"$HOME"}" ;; *) printf '%s' "$1" ;; esac; }

tell_of_upgrade() {
    old=${replaced##*/}
    old=${old%-*}
    [ "$old" != "$found" ] || old="another build of $old"
    say "upgraded from $old"
    ! in_use "$replaced" || say "what runs keeps $old: \`manta down\` and \`manta up\` restart a cluster; a head without one hands over its streams to
         \`manta head --replace\` with its settings"
}

tell_next() {
    command=manta
    case ":$PATH:" in
    *":$prefix/bin:"*)
        first=$(command -v manta) || first=''
        if [ "$first" != "$prefix/bin/manta" ]; then
            say "note: \`manta\` is $first in this shell, which comes first on the PATH"
            command=$(tilde "$prefix/bin/manta")
        fi
        ;;
    *)
        case ${SHELL:-} in
        */fish) say "$(tilde "$prefix/bin") is not on the PATH; add it: fish_add_path $prefix/bin" ;;
        */zsh) tell_path .zshrc ;;
        */bash) tell_path .bashrc ;;
        *) tell_path .profile ;;
        esac
        command=$(tilde "$prefix/bin/manta")
        ;;
    esac
    say "next: $command up"
}

tell_path() { # FILE
    say "$(tilde "$prefix/bin") is not on the PATH; add it: echo 'export PATH=\"$prefix/bin:\$PATH\"' >>~/$1, then open a new shell"
}

install_release() {
    check_system
    choose_source
    begin
    choose_archive
    if [ ! -d "$release" ]; then get_archive; fi
    switch
    put_link "$release/lib/manta/install.sh" "$releases/install.sh" || say "note: cannot write $releases/install.sh: $said"
    note_folders
    link_shared || say "note: man pages and completions are not all linked below $prefix/share"
    if [ "$replaced" = "$release" ]; then
        say "manta $found is already installed: $(tilde "$prefix/bin/manta")"
    else
        say "manta $found is installed: $(tilde "$prefix/bin/manta")"
        [ -z "$replaced" ] || tell_of_upgrade
        prune
    fi
    tell_next
}

# Removal.

uninstall() {
    [ -d "$releases" ] || die "this script has installed nothing below $prefix; --prefix DIR names another folder"
    [ -w "$releases" ] || die "cannot write below $prefix: run this as root"
    ! in_use "$(cd "$releases" && pwd -P)" || die "manta runs from $releases: stop it first (manta down)"
    ! is_ours "$prefix/bin/manta" || rm -f "$prefix/bin/manta"
    shared_links | while read -r link; do rm -f "$link"; done
    folders=$(cat "$releases/folders" 2>/dev/null) || folders=''
    rm -rf "$releases"
    printf '%s\n' "$folders" | while read -r folder; do rmdir "$folder" 2>/dev/null || :; done
    say "removed from $prefix"
    for kept in "models ${MANTA_MODELS_DIR:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/manta}" "keys and logs ${XDG_STATE_HOME:-${HOME:-}/.local/state}/manta" \
        "settings ${XDG_CONFIG_HOME:-${HOME:-}/.config}/manta.yaml"; do
        [ ! -e "/${kept#*/}" ] || say "${kept%% /*} stay: $(tilde "/${kept#*/}")"
    done
}

main() {
    read_options "$@"
    choose_prefix
    case $action in
    help) usage ;;
    uninstall) uninstall ;;
    install) install_release ;;
    esac
}

main "$@"
exit
}
