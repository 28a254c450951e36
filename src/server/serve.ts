import { clearTimeout, setTimeout } from '../host/globals.js'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { AuditError } from '../errors.js'
import { Hono } from 'hono'
import { checkInteger, checkText } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { CONNECTION_LIMITS, Connections } from './connections.js'
import { addConsole } from './console.js'
import { isLoopback } from './loopback.js'
import { createTrailApp, type TrailAppOptions } from './app.js'
import { Problem, problemJson } from './problem.js'

export interface ServeOptions extends TrailAppOptions {
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string | undefined
  /** Port to listen on, 0 for a free one. Default: 8484. */
  readonly port?: number | undefined
  /** Where the console leads to for a trace, with `{trace_id}`: an `http` or `https` address. Default: nowhere. */
  readonly traceUrl?: string | undefined
}

export interface TrailServer {
  /** Where it listens, with the port. */
  readonly url: string
  /** Lets what is being answered end, for as long as `timeoutMs` (default: 5,000), and cuts the rest. Idempotent. */
  close(timeoutMs?: number): Promise<void>
}

export const SERVE_DEFAULTS = Object.freeze({ host: '127.0.0.1', port: 8484 })

/** Bytes of the request line and all headers. */
const LARGEST_HEAD = 32 * 1024
const HEAD_TIMEOUT_MS = 10_000
/** A client that takes nothing of its answer for so long is gone. */
const IDLE_TIMEOUT_MS = 120_000
/** What the kernel hands over in one go may be more than the limits, before one of them is cut. */
const MOST_CONNECTIONS = 2 * CONNECTION_LIMITS.most
const CLOSE_TIMEOUT_MS = 5000

/**
 * Serves the trail over HTTP, and the console at `/`.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for an address other than loopback without an authenticator, for one that
 *   cannot be listened on, and for an invalid `traceUrl`
 */
export async function serveTrail(options: ServeOptions): Promise<TrailServer> {
  const {
    host = SERVE_DEFAULTS.host,
    port = SERVE_DEFAULTS.port,
    authenticator,
    signIn,
  } = givenOptions(options)
  checkText('host', host)
  checkInteger('port', port, 0, 65_535)
  if (!isLoopback(host) && authenticator === undefined && signIn === undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      `host ${host} is not a loopback address, and no authentication is configured: set NOETL_INTERNAL_API_TOKEN, a file of tokens, or an OpenID Connect issuer and audience`,
      { field: 'host' },
    )
  }
  const app = new Hono()
  await addConsole(app, checkTraceUrl(options.traceUrl))
  app.route('/', createTrailApp(options))
  const listener = getRequestListener(app.fetch)
  const server = createServer(
    {
      maxHeaderSize: LARGEST_HEAD,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: HEAD_TIMEOUT_MS / 2,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  )
  server.maxConnections = MOST_CONNECTIONS
  server.timeout = IDLE_TIMEOUT_MS
  new Connections().watch(server)
  answerBrokenRequests(server)
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw notListening(host, port, error)
  }
  const { port: bound } = server.address() as AddressInfo
  let closing: Promise<void> | undefined
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${bound}`,
    close(timeoutMs = CLOSE_TIMEOUT_MS) {
      closing ??= close(server, timeoutMs)
      return closing
    },
  }
}

/** Why a server cannot listen there, for whoever has chosen the address. */
export function notListening(host: string, port: number, cause: unknown): AuditError {
  const code = String((cause as { code?: unknown }).code)
  if (code === 'EADDRINUSE') {
    const message = `port ${port} of ${host} is in use: stop what listens there, or choose another port (0 for a free one)`
    return new AuditError('AUDIT_INVALID_OPTION', message, { field: 'port', cause })
  }
  const message = `cannot listen on port ${port} of ${host} (${code}): host must be an address of this machine, and port one that this user may use`
  return new AuditError('AUDIT_INVALID_OPTION', message, { field: 'host', cause })
}

function checkTraceUrl(traceUrl: string | undefined): string | undefined {
  if (traceUrl === undefined) return undefined
  const example = traceUrl.replaceAll('{trace_id}', '0')
  const protocol = URL.canParse(example) ? new URL(example).protocol : undefined
  if (example !== traceUrl && (protocol === 'http:' || protocol === 'https:')) return traceUrl
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'traceUrl must be an http or https URL that contains {trace_id}',
    {
      field: 'traceUrl',
    },
  )
}

/** What the parser refuses does not come to the application. */
function answerBrokenRequests(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
    const { document } =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? new Problem(431, `The request line and headers must not exceed ${LARGEST_HEAD} bytes together.`)
        : new Problem(400, 'This is not an HTTP request.')
    const body = problemJson(document)
    socket.end(
      `HTTP/1.1 ${document.status} ${document.title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
  })
}

async function close(server: Server, timeoutMs: number): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs)
  await closed
  clearTimeout(timer)
}
