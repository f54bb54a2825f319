# The image of the node agent: ipipd, the programs that it installs on the host, and ipipctl. No
# shell, no package manager, nothing else.
#
#   docker build --tag ipip-cni:0.1.0 .
#
# Everything in it is Debian's or ours. For any architecture that Debian has: it is built on its
# own. test/image.sh builds it without a registry, and looks at what came out.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ENV DEBIAN_FRONTEND=noninteractive

RUN set -eu; \
    sources=/etc/apt/sources.list.d/debian.sources; \
    if [ -f $sources ]; then sed -i 's/^Types: deb$/Types: deb deb-src/' $sources; fi; \
    apt-get update; \
    apt-get install --yes --no-install-recommends \
        cmake ninja-build pkg-config g++ dpkg-dev \
        libnl-3-dev libnl-route-3-dev nlohmann-json3-dev libspdlog-dev libfmt-dev liblmdb-dev \
        libyaml-cpp-dev libcivetweb-dev prometheus-cpp-dev libcli11-dev libseccomp-dev libssl-dev \
        libnghttp2-dev

# Debian's libcurl brings LDAP, Kerberos, SSH, RTMP and a second TLS library with it: 10 MiB that a
# program with rights over the host's network had better not carry. The same source without them:
WORKDIR /curl
RUN set -eu; \
    apt-get source curl; \
    cmake -S curl-* -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
        -DCMAKE_C_FLAGS='-O2 -g0 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections' \
        -DBUILD_SHARED_LIBS=OFF -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF \
        -DHTTP_ONLY=ON -DCURL_USE_OPENSSL=ON -DUSE_NGHTTP2=ON -DCURL_ZLIB=OFF -DCURL_BROTLI=OFF \
        -DCURL_ZSTD=OFF -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF \
        -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none; \
    cmake --build build; \
    cmake --install build

WORKDIR /source
COPY . .
RUN set -eu; \
    cmake --preset release -DIPIP_TESTS=OFF; \
    cmake --build --preset release; \
    cmake --install build/release --prefix /installed --strip

# What the image is made of: the agent with the libraries that it asks for, the static programs, and
# of each Debian package in them the licence, and the version, for scanners.
WORKDIR /image
RUN set -eu; \
    install -d usr/bin usr/lib/ipip-cni usr/share/doc/ipip-cni etc var/lib/dpkg/status.d; \
    install -d -m 1777 tmp; \
    mv /installed/bin/ipipd usr/bin; \
    mv /installed/bin/* usr/lib/ipip-cni; \
    cp /source/LICENSE usr/share/doc/ipip-cni; \
    cp --dereference /etc/os-release etc; \
    echo 'hosts: files dns' >etc/nsswitch.conf; \
    ldd usr/bin/ipipd >/asked; \
    grep --only-matching '/[^ ]*' /asked >/libraries; \
    xargs cp --dereference --parents --target-directory=. </libraries; \
    xargs readlink -f </libraries | sed 's|.*/|*/|' >/files; \
    xargs dpkg-query --search </files >/found; \
    { \
        cut -d: -f1 /found; \
        printf '%s\n' libcurl4 libnl-3-dev libnl-route-3-dev liblmdb-dev nlohmann-json3-dev \
            libspdlog-dev libfmt-dev libcli11-dev; \
    } | sort -u >/packages; \
    while read -r package; do \
        dpkg-query --status "$package" >"var/lib/dpkg/status.d/$package"; \
        cp --dereference --parents "/usr/share/doc/$package/copyright" .; \
    done </packages

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ipip-cni" \
      org.opencontainers.image.description="A Kubernetes pod network of plain Linux IPIP tunnels: the node agent" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# So that "kubectl exec" finds ipipctl.
ENV PATH=/usr/bin:/usr/lib/ipip-cni
ENTRYPOINT ["/usr/bin/ipipd"]
