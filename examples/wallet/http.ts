import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { AuditError } from 'otel-audit'
import { Denial, HttpError } from './denial.js'

export interface Call {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly sourceAddress: string | undefined
  /** Reads the JSON body, at most 16 KiB. */
  json(): Promise<unknown>
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export interface Route {
  readonly method: 'GET' | 'POST'
  /** A path with `{name}` for one segment. */
  readonly path: string
  handle(call: Call): Answer | Promise<Answer>
}

/** What answers by itself whatever is asked at a path and below it. */
export interface Mounted {
  readonly path: string
  readonly listener: RequestListener
}

const BODY_LIMIT = 16 * 1024

/**
 * Serves the routes. An answer is begun only when its handler has returned, so that nothing of a secret can
 * be on the wire before its access is recorded; and a client that goes away cancels nothing.
 */
export function serve(routes: readonly Route[], mounted?: Mounted): Server {
  const table = routes.map((route) => ({ route, match: matcher(route.path) }))
  const server = createServer((request, response) => {
    const [path = ''] = request.url?.split('?') ?? []
    if (mounted !== undefined && (path === mounted.path || path.startsWith(`${mounted.path}/`))) {
      mounted.listener(request, response)
      return
    }
    answer(table, request).then(
      ({ status, body }) => send(server, response, status, 'application/json', body),
      (error: unknown) => {
        const problem = problemOf(error)
        send(server, response, problem.status, 'application/problem+json', problem)
      },
    )
  })
  return server
}

type Table = readonly { route: Route; match: (path: string) => Record<string, string> | undefined }[]

async function answer(table: Table, request: IncomingMessage): Promise<Answer> {
  const target = request.url ?? ''
  if (!URL.canParse(target, 'http://wallet')) throw new HttpError(400, 'The request target is malformed.')
  const url = new URL(target, 'http://wallet')
  let known = false
  for (const { route, match } of table) {
    const params = match(url.pathname)
    if (params === undefined) continue
    known = true
    if (route.method !== request.method) continue
    return await route.handle({
      params,
      query: url.searchParams,
      headers: request.headers,
      sourceAddress: request.socket.remoteAddress,
      json: () => readJson(request),
    })
  }
  throw known ? new HttpError(405, 'Method not allowed.') : new HttpError(404, 'There is no such resource.')
}

function matcher(path: string): (path: string) => Record<string, string> | undefined {
  const pattern = new RegExp(`^${path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`)
  return (pathname) => {
    const groups = pattern.exec(pathname)
    if (groups === null) return undefined
    return Object.fromEntries(Object.entries(groups.groups ?? {}).map(([k, v]) => [k, decoded(v)]))
  }
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new HttpError(400, 'The path is not valid percent-encoded UTF-8.')
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  if (request.headers['content-type']?.split(';')[0]?.trim() !== 'application/json') {
    throw new HttpError(415, 'The body must be application/json.')
  }
  const tooLong = new HttpError(413, `The body is longer than ${BODY_LIMIT} bytes.`)
  // Before reading: to stop in the middle ends the connection, and the answer may not arrive.
  if (Number(request.headers['content-length']) > BODY_LIMIT) throw tooLong
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_LIMIT) throw tooLong
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new HttpError(400, 'The body is not JSON.')
  }
}

/** RFC 9457. An error of any other class is a fault of the service: its text is logged, and not sent. */
function problemOf(error: unknown): { status: number } & Record<string, unknown> {
  if (error instanceof AuditError) {
    const title = 'The access could not be recorded; the credential is withheld.'
    return { status: 503, title, code: error.code, row: error.row, audit_id: error.auditId?.toString() }
  }
  if (error instanceof Denial)
    return { status: error.status, title: error.message, outcome: error.auditOutcome }
  if (error instanceof HttpError) return { status: error.status, title: error.message }
  console.error(error instanceof Error ? error.stack : 'a value that is not an Error was thrown')
  return { status: 500, title: 'Internal error.' }
}

function send(server: Server, response: ServerResponse, status: number, type: string, body: unknown): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`)
  response.writeHead(status, {
    'content-type': type,
    'content-length': text.length,
    'cache-control': 'no-store',
    ...(status === 503 && { 'retry-after': '1' }),
    ...(!server.listening && { connection: 'close' }),
  })
  response.end(text)
}
