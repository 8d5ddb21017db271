# syntax=docker/dockerfile:1

# The server and its command line on Node, without a database: it needs one (DATABASE_URL) and the installation's MASTER_KEY.
#   docker build -t grantry .
# It runs as nobody in particular, writes nowhere but /tmp, and holds no secret. compose.yaml shows it at work.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
COPY .runtime ./.runtime
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY .build ./.build
COPY src ./src
COPY migrations ./migrations
COPY views ./views
RUN npm run build

# What only development needs, and the PostgreSQL for machines that have none (60 MB), stay out.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /build
COPY package.json package-lock.json ./
COPY .runtime ./.runtime
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Grantry" \
      org.opencontainers.image.description="OAuth 2.0 and OpenID Connect authorization server" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000
WORKDIR /app
COPY LICENSE ./
COPY --from=packages /build/node_modules ./node_modules
COPY --from=build /build/dist ./
# By number, so that whoever starts it can see that it is not root; in this image the account is called node.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# docker run grantry                                  the server
# docker run grantry src/grantry.js migrate status    the command line
ENTRYPOINT ["node"]
# The same bounds on what memory the collector leaves lying about as `npm start` has.
CMD ["--max-semi-space-size=16", "--heap-growing-percent=60", "--no-allocation-site-pretenuring", "main.js"]
