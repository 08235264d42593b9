# One image for web, workers and commands. It runs as nobody's user and writes nowhere but /state.
FROM node:22-slim AS front
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATE_DIR=/state FIRSTLIGHT_DOTENV=0
# git reads local clones; without the `git` source it can be left out.
RUN apt-get update -q && apt-get install -y -q --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home firstlight && install -d -o firstlight /state
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/base.txt
COPY --from=front /build/node_modules node_modules
COPY manage.py ./
COPY apps apps
COPY project project
COPY templates templates
COPY static static
RUN python -m compileall -q apps project && deploy_key=$(python -c "import secrets; print(secrets.token_urlsafe(60))") \
    && SECRET_KEY="$deploy_key" ALLOWED_HOSTS=build.invalid EMAIL_URL=console: STATE_DIR=/tmp/build \
       CREDENTIAL_KEYS=$(python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())") \
       python manage.py collectstatic --no-input && rm -rf /tmp/build
USER firstlight
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# Streams are ended by the server itself; what is left after five seconds is cut.
CMD ["uvicorn", "project.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "5"]
