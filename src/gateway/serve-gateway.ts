import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { type AddressInfo, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { AuditError } from '../errors.js'
import type { DurableAuditExporter } from '../exporter/exporter.js'
import { checkInteger, checkText } from '../host/check.js'
import { diag } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'
import { clearInterval, clearTimeout, performance, setInterval, setTimeout } from '../host/globals.js'
import { givenOptions } from '../host/own.js'
import { Connections } from '../server/connections.js'
import { isLoopback } from '../server/loopback.js'
import { answer } from './answer.js'
import { Bodies } from './body.js'
import { Intake } from './intake.js'
import { GatewayMetrics } from './metrics.js'
import type { Signal } from './otlp/found-event.js'
import { OwnClock } from './own-clock.js'
import { HANDLER_LIMITS, type HandlerLimits, RequestHandler } from './request-handler.js'
import type { SenderOptions } from './senders.js'
import { Senders } from './senders.js'
import { readTls, type TlsFiles, versionOfTls } from './tls-files.js'

export interface GatewayOptions extends Omit<SenderOptions, 'hasClientCa'> {
  /** Where events go. It belongs to whoever made it. */
  readonly exporter: DurableAuditExporter
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string | undefined
  /** Port to listen on, 0 for a free one. Default: 4319. */
  readonly port?: number | undefined
  readonly tls?: TlsFiles | undefined
  /** A credential that does not hold is answered by 401 in place of 503. Default: false. */
  readonly rejectBadCredentials?: boolean | undefined
  /** Most events held at once. Default: 15,360. */
  readonly rows?: number | undefined
  /** ms since the Unix epoch, by the database's clock. Default: this machine's clock is trusted. */
  readonly databaseTime?: (() => Promise<number>) | undefined
  /** What `/metrics` answers. Default: 404. */
  readonly exposition?: (() => Promise<string>) | undefined
  readonly limits?: Partial<HandlerLimits> | undefined
}

export interface GatewayServer {
  /** Where it listens, with the port. */
  readonly url: string
  /** Reads certificate, key, authorities and policy again. Never rejects: what cannot be used is logged, and changes nothing. */
  reload(): Promise<void>
  /** New requests are told to come again, those that are being answered are answered. Idempotent. */
  close(timeoutMs?: number): Promise<void>
}

const GATEWAY_DEFAULTS = Object.freeze({ host: '127.0.0.1', port: 4319, rows: 15_360 })

/** Bytes of the request line and all headers. */
const LARGEST_HEAD = 32 * 1024
const IDLE_TIMEOUT_MS = 120_000
/** How long a connection waits for its next request, in ms: longer than the pauses of a collector, so that it is not closed into one. */
const KEEP_ALIVE_MS = 75_000
const CLOSE_TIMEOUT_MS = 5000
/** How often the files are looked at, in ms. */
const LOOK_EVERY_MS = 5000
/** Of the bodies and events of all requests. */
const MOST_HELD_BYTES = 64 * 1024 * 1024

const SIGNALS: Readonly<Record<string, Signal>> = { '/v1/traces': 'traces', '/v1/logs': 'logs' }

/**
 * An OTLP/HTTP server that answers 200 only when every audit event of a request is committed.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for an address other than loopback without credentials, for one that cannot be
 *   listened on, and for files that cannot be used
 */
export async function serveGateway(given: GatewayOptions): Promise<GatewayServer> {
  const options = givenOptions(given)
  const { exporter, tls, authenticator, policy } = options
  const { host = GATEWAY_DEFAULTS.host, port = GATEWAY_DEFAULTS.port, rows = GATEWAY_DEFAULTS.rows } = options
  checkText('host', host)
  checkInteger('port', port, 0, 65_535)
  const senders = new Senders({ authenticator, policy, hasClientCa: tls?.clientCa !== undefined })
  if (!isLoopback(host) && !senders.isClosed) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      `host ${host} is not a loopback address, and senders need not prove who they are: configure client certificates (tlsClientCa), a file of tokens, or an OpenID Connect issuer and audience`,
      { field: 'host' },
    )
  }
  const limits = { ...HANDLER_LIMITS, ...options.limits }
  const intake = new Intake(exporter, { rows, bytes: MOST_HELD_BYTES })
  const metrics = new GatewayMetrics(() => intake.held)
  const handler = new RequestHandler({
    intake,
    metrics,
    senders,
    limits,
    clock: new OwnClock(options.databaseTime),
    bodies: new Bodies({ inflated: limits.body, held: MOST_HELD_BYTES }),
    rejectsBadCredentials: options.rejectBadCredentials ?? false,
  })
  let isClosing = false
  const listener: RequestListener = (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? ''
    const signal = Object.hasOwn(SIGNALS, path) ? SIGNALS[path] : undefined
    if (signal === undefined) {
      void answerOther(path, request, response, { exporter, senders, options, isClosing: () => isClosing })
    } else if (request.method === 'POST') {
      void handler.handle(request, response, signal)
    } else {
      answer(response, 405, false, 'OTLP is sent by POST', { allow: 'POST' })
    }
  }
  const settings = {
    maxHeaderSize: LARGEST_HEAD,
    headersTimeout: limits.headMs,
    // Node would answer 408, which is final. A body has a time of its own.
    requestTimeout: 0,
    connectionsCheckingInterval: limits.headMs / 2,
  }
  const context = tls === undefined ? undefined : await readTls(tls)
  const server =
    tls === undefined
      ? createServer(settings, listener)
      : createTlsServer(
          {
            ...settings,
            ...context,
            requestCert: tls.clientCa !== undefined,
            // Whoever has none, or a bad one, is answered, and not cut.
            rejectUnauthorized: false,
          },
          listener,
        )
  server.on('secureConnection', (socket: TLSSocket) => senders.connected(socket))
  // Node would answer 417, which is final, to an expectation that it does not know.
  server.on('checkExpectation', listener)
  server.on('clientError', refused)
  server.timeout = IDLE_TIMEOUT_MS
  server.keepAliveTimeout = KEEP_ALIVE_MS
  new Connections().watch(server)
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const code = String((cause as { code?: unknown }).code)
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      `cannot listen on port ${port} of ${host} (${code}): choose another port (0 for a free one), or an address of this machine`,
      { field: code === 'EADDRINUSE' ? 'port' : 'host', cause },
    )
  }
  const files = new WatchedFiles(server, tls, context?.ca, senders, options)
  let closing: Promise<void> | undefined
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${isIP(host) === 6 ? `[${host}]` : host}:${bound}`,
    reload: () => files.reload(),
    close(timeoutMs = CLOSE_TIMEOUT_MS) {
      isClosing = true
      files.close()
      closing ??= close(server, handler, timeoutMs)
      return closing
    },
  }
}

/** Certificate, key, authorities and policy: used again when they have changed. */
class WatchedFiles {
  readonly #server: Server | TlsServer
  readonly #tls: TlsFiles | undefined
  readonly #senders: Senders
  #authorities: SecureContextOptions['ca']
  readonly #policy: GatewayOptions['policy']
  readonly #timer: NodeJS.Timeout
  #version: string | undefined

  constructor(
    server: Server | TlsServer,
    tls: TlsFiles | undefined,
    authorities: SecureContextOptions['ca'],
    senders: Senders,
    { policy }: GatewayOptions,
  ) {
    this.#server = server
    this.#tls = tls
    this.#senders = senders
    this.#authorities = authorities
    this.#policy = policy
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS).unref()
  }

  async reload(): Promise<void> {
    await this.#policy?.reload()
    if (this.#tls === undefined || !('setSecureContext' in this.#server)) return
    try {
      const context = await readTls(this.#tls)
      this.#server.setSecureContext(context)
      if (isDeepStrictEqual(context.ca, this.#authorities)) return
      this.#authorities = context.ca
      this.#senders.authoritiesChanged()
    } catch (error) {
      diag.error(`otel-audit: ${errorText(error)}; the certificate that was read before stays`)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    const version = [
      this.#tls === undefined ? '' : await versionOfTls(this.#tls),
      (await this.#policy?.version()) ?? '',
    ].join(' ')
    const before = this.#version
    this.#version = version
    if (before !== undefined && before !== version) await this.reload()
  }
}

/** What is not HTTP, as Node answers it; but 408, which is final, to nobody: who is cut off sends again. */
function refused(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' || error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
}

interface Others {
  readonly exporter: DurableAuditExporter
  readonly senders: Senders
  readonly options: GatewayOptions
  readonly isClosing: () => boolean
}

/**
 * Liveness and readiness do not look at the database: were it away, every gateway would leave its service at once, and senders
 * would get an error that is not ours. `/healthz` does, and says why to whoever may send.
 */
async function answerOther(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  { exporter, senders, options, isClosing }: Others,
): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const text = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(`${body}\n`)
  }
  try {
    if (!isRead) {
      answer(response, 404, false, 'there is no such path')
      return
    }
    switch (path) {
      case '/livez':
        return text(200, 'ok')
      case '/readyz':
        return isClosing() ? text(503, 'shutting down') : text(200, 'ok')
      case '/healthz': {
        const fault = exporter.lastFault
        if (isClosing()) return text(503, 'shutting down')
        if (fault === undefined) return text(200, 'ok')
        const { is } = await senders.identify(request)
        return text(503, is === 'sender' ? `unavailable: ${fault.message}` : 'unavailable')
      }
      case '/metrics':
        if (options.exposition === undefined) return text(404, 'there are no metrics here')
        return text(200, await options.exposition(), 'text/plain; version=0.0.4; charset=utf-8')
      default:
        answer(response, 404, false, 'there is no such path: OTLP is sent to /v1/traces and /v1/logs')
    }
  } catch (error) {
    diag.error('otel-audit: a request failed', error)
    if (!response.headersSent) text(503, 'unavailable')
  }
}

async function close(server: Server | TlsServer, handler: RequestHandler, timeoutMs: number): Promise<void> {
  handler.close()
  const until = performance.now() + timeoutMs
  // Connections stay open while requests are answered: a sender that comes meanwhile hears 503, and goes elsewhere.
  while (handler.open > 0 && performance.now() < until)
    await new Promise<void>((done) => setTimeout(() => done(), 20))
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), Math.max(0, until - performance.now()))
  await closed
  clearTimeout(timer)
}
