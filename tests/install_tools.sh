#!/usr/bin/env bash
# Installs the programs that tests compare with: tshark, tcpdump, tcpreplay and tools of networks from Debian, Suricata from its backports.
# Does nothing where they are there. Without root it says what is missing; the tests then skip, loudly.
set -euo pipefail

missing=()
command -v tshark >/dev/null || missing+=(tshark)
command -v tcpdump >/dev/null || missing+=(tcpdump)
command -v tcpreplay >/dev/null || missing+=(tcpreplay)
command -v ip >/dev/null || missing+=(iproute2)
command -v ethtool >/dev/null || missing+=(ethtool)
command -v sysctl >/dev/null || missing+=(procps)
command -v suricata >/dev/null || missing+=(suricata)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${missing[*]}; tests that need them will be skipped (install them with apt-get as root)" >&2
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
. /etc/os-release
backports=/etc/apt/sources.list.d/detector-backports.sources
if ! command -v suricata >/dev/null && ! grep -rqs -- "${VERSION_CODENAME}-backports" /etc/apt/sources.list /etc/apt/sources.list.d; then
    # The backports suite of the mirror that this machine already uses.
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk -v suite="$VERSION_CODENAME" '$2 == suite {print $1; exit}')
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\nSigned-By: %s\n' "$mirror" "$VERSION_CODENAME" "$keyring" >"$backports"
fi
apt-get update -qq
echo 'wireshark-common wireshark-common/install-setuid boolean false' | debconf-set-selections
packages=()
for name in "${missing[@]}"; do [ "$name" = suricata ] || packages+=("$name"); done
[ ${#packages[@]} -eq 0 ] || apt-get install -qq -y --no-install-recommends "${packages[@]}"
command -v suricata >/dev/null || apt-get install -qq -y --no-install-recommends -t "${VERSION_CODENAME}-backports" suricata
