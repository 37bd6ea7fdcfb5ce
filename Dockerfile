# syntax=docker/dockerfile:1

# The bundle and its production dependencies are made in one stage and copied into a bare one.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages ./packages
COPY migrations ./migrations
COPY testing/package.json ./testing/package.json
COPY bench/package.json ./bench/package.json
COPY rolldown.config.ts tsconfig.json tsconfig.base.json ./
# Beside the bundle stays what rolldown.config.ts leaves out of it, with what that needs: native code. Not Postgres: the
# image speaks with one of yours.
RUN npm ci --ignore-scripts \
 && npm run build \
 && mkdir -p production/node_modules \
 && for name in sharp @img @node-rs detect-libc semver; do cp -R "node_modules/$name" production/node_modules/; done

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
# Eight threads: pictures must not take all that files are read with.
ENV UV_THREADPOOL_SIZE=8 NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data LOG_FORMAT=json
COPY --from=build /app/dist ./dist
COPY --from=build /app/production/node_modules ./node_modules
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/joy.js"]
CMD ["serve"]
