# One image for all of Firstlight, and for its web process, workers, and commands alone. It runs as an unprivileged user and writes only to
# /state and /tmp, so its root file system can be read-only.
#
# Base images are build arguments. For builds that can be repeated, give them by digest, and
# Debian's packages by the date of a snapshot mirror that your apt proxy serves:
#   docker buildx imagetools inspect python:3.13-slim   # prints the digest
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:... \
#       --build-arg NODE_IMAGE=node:22-slim@sha256:... \
#       --build-arg APT_SNAPSHOT=http://mirror.example.com/debian/20260101T000000Z .
ARG NODE_IMAGE=node:22-slim
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${NODE_IMAGE} AS front
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${PYTHON_IMAGE}
ARG APT_SNAPSHOT=
# What logs and metrics name the release: docker build --build-arg RELEASE=$(git rev-parse --short=12 HEAD)
ARG RELEASE=
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATE_DIR=/state FIRSTLIGHT_DOTENV=0 RELEASE=${RELEASE}
# git reads local clones; without the `git` source it can be left out.
RUN if [ -n "$APT_SNAPSHOT" ]; then \
        . /etc/os-release \
        && rm -f /etc/apt/sources.list.d/* \
        && echo "deb [check-valid-until=no] $APT_SNAPSHOT $VERSION_CODENAME main" > /etc/apt/sources.list; \
    fi \
    && apt-get update -q \
    && apt-get install -y -q --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 firstlight \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin firstlight \
    && install -d -m 0700 -o 10001 -g 10001 /state
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/base.txt
COPY --from=front /build/node_modules node_modules
COPY manage.py ./
COPY apps apps
COPY project project
COPY templates templates
COPY static static
# collectstatic needs settings: its keys are made for this one command and are in no layer.
RUN python -m compileall -q apps project \
    && DEBUG=0 ALLOWED_HOSTS=build.invalid EMAIL_URL=console: STATE_DIR=/tmp/build \
       SECRET_KEY=$(python -c "import secrets; print(secrets.token_urlsafe(60))") \
       CREDENTIAL_KEYS=$(python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())") \
       python manage.py collectstatic --no-input \
    && rm -rf /tmp/build
# By number, so that Kubernetes' runAsNonRoot can check it.
USER 10001:10001
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# Migrates, then runs web and worker. All of it ends within 9 s of SIGTERM, before Docker kills it
# after 10. compose.yaml runs each process in a container of its own.
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
