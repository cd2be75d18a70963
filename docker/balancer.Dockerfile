# torc itself, as JavaScript: without npm's cache, without the pinned Node (an optional dependency: the image has Node), and
# of its packages only what runs.
#   docker build -t torc -f docker/balancer.Dockerfile .
FROM node:26-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY docker/node/package.json ./docker/node/
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund \
  && find node_modules -type f '(' -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.map' ')' -exec rm {} + \
  && rm node_modules/torc-node

# The compiler alone, of the version that the clone has: it writes what it need not check.
FROM node:26-slim AS build
WORKDIR /app
COPY package.json ./
RUN npm install --global --ignore-scripts --no-audit --no-fund "typescript@$(node -p "require('./package.json').devDependencies.typescript")"
COPY tsconfig.json tsconfig.build.json ./
COPY docker ./docker
COPY src ./src
RUN npm run build

FROM node:26-slim
WORKDIR /app
COPY --from=modules /app/node_modules ./node_modules
COPY package.json ./
COPY --from=build /app/dist ./dist
# Also what the replica image is built from, on the engine whose socket is mounted.
COPY docker/replica.ts docker/replica.Dockerfile ./docker/
# What must outlive a container; the volume takes over that it is the user node's.
# What was compiled is kept for the next start, by the user that torc runs as.
RUN mkdir -p /var/lib/torc node_modules/.cache/torc && chmod 0700 /var/lib/torc && chown node:node /var/lib/torc node_modules/.cache/torc
# The command `torc`, for docker exec: as who torc is, too.
RUN printf '#!/bin/sh\nexec node /app/dist/docker/start.js "$@"\n' > /usr/local/bin/torc && chmod +x /usr/local/bin/torc
ENV NODE_ENV=production HOST=0.0.0.0 PORT=5000 TORC_STATE_DIR=/var/lib/torc
# torc.reaper: it may be run beside a torc of this image, to end what that leaves (src/drivers/docker/reaper.ts).
LABEL torc.reaper=true
VOLUME /var/lib/torc
EXPOSE 5000
# Without the token torc answers 401 or 403 here: it is alive, and whether it is ready is not for everybody.
# Failures of the first minute do not count: an image may have to be built before the first replica is there.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/admin/ready').then(r => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))"]
# No USER: start.js becomes the user node itself, with the group of the mounted socket.
CMD ["node", "dist/docker/start.js"]
