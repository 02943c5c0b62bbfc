#!/usr/bin/env bash
# OpenSSL 3.0.19 (Debian 12's); any OpenSSL 3 that the system has is run
# Surprise: an SM2 signature covers the signer's id. That of GM/T 0009, which gmssl (PyPI) and sm-crypto (npm) take where none is given, is
# 1234567812345678; OpenSSL's default is none at all. For files `-sigopt distid:..` mends it. For certificates `openssl verify -vfyopt
# distid:..` does so for the leaf alone: that of an intermediate authority is verified without an id, and so the chain is refused.
# Why it matters: "certificate signature failure" says that a certificate was forged, and it was not. Chains that OpenSSL made with its defaults
# verify by OpenSSL and not by others. A way out is to verify each link alone, with `-partial_chain`.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
openssl version
id=1234567812345678
printf '[req]\ndistinguished_name=name\n[name]\n[ca]\nbasicConstraints=critical,CA:true\n' > openssl.cnf
export OPENSSL_CONF="$tmp/openssl.cnf"
verified() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }

# chain NAME [OPTION ..]: a root, an intermediate authority and a leaf, whose signatures are made with the options.
chain() {
  local name=$1; shift
  for who in root middle leaf; do
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2 -out "$name-$who.key" 2>/dev/null
  done
  openssl req -x509 -extensions ca -key "$name-root.key" -subj /CN=root -days 10 -sm3 "$@" -out "$name-root.pem"
  local above=root
  for who in middle leaf; do
    openssl req -new -key "$name-$who.key" -subj "/CN=$who" -sm3 "$@" -out "$name-$who.csr"
    openssl x509 -req -in "$name-$who.csr" -CA "$name-$above.pem" -CAkey "$name-$above.key" -CAcreateserial -days 10 -sm3 "$@" \
      "${@/-sigopt/-vfyopt}" $([ $who = leaf ] || echo -extfile openssl.cnf -extensions ca) -out "$name-$who.pem" 2>/dev/null
    above=$who
  done
}
whole() { verified openssl verify "${@:2}" -CAfile "$1-root.pem" -untrusted "$1-middle.pem" "$1-leaf.pem"; }
link() { verified openssl verify -partial_chain "${@:4}" -CAfile "$1-$2.pem" "$1-$3.pem"; }

chain none
chain standard -sigopt "distid:$id"
printf text > text
openssl dgst -sm3 -sign standard-leaf.key -sigopt "distid:$id" -out signature text
openssl pkey -in standard-leaf.key -pubout -out public.pem
file() { verified openssl dgst -sm3 -verify public.pem "$@" -signature signature text; }
seen="$(file) $(file -sigopt "distid:$id") $(whole none) $(whole standard) $(whole standard -vfyopt "distid:$id")"
seen+=" $(link standard root middle -vfyopt "distid:$id") $(link standard middle leaf -vfyopt "distid:$id")"
set -- $seen
echo "a file signed with the standard's id verifies by default: $1, with distid: $2"
echo "a chain without ids: $3; with the standard's id: $4, with -vfyopt distid: $5, link by link with it: $6, $7"
[ "$seen" = "no yes yes no no yes yes" ] || { echo changed >&2; exit 1; }
echo "still so"
